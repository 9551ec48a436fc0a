"""A process that issues in an existing world and, when told to, dies at a named point.

python issuing_process.py DIRECTORY one POINT        issue one certificate under the key "crash"
python issuing_process.py DIRECTORY race NAME COUNT  issue COUNT certificates, print their numbers
python issuing_process.py DIRECTORY file ROSTER      issue a roster, print a line for each chunk
"""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from verify.issuance.issue import Issuance, Row
from verify.issuance.roster import Format
from verify.issuance.rows import in_pieces, issue_file
from verify.issuance.signing import SignersInUse
from verify.proof.public import PublicKey
from verify.proof.signer import Signer
from verify.store.contract import Program, Store
from world import PUBLIC_URL, World

T = TypeVar("T")
POINTS = (
    "inside-prepare",
    "after-prepare",
    "after-sign",
    "inside-complete",
    "after-complete",
)
"""In the order of the flow. The two `inside` points lie before the commit of their transaction."""


class DyingStore:
    """A store at whose first (prepare) or second (complete) write the process dies."""

    def __init__(self, store: Store, point: str) -> None:
        self._store = store
        self._point = point
        self._writes = 0

    async def read(self, program: Callable[[], Program[T]], *, snapshot: bool = True) -> T:
        return await self._store.read(program, snapshot=snapshot)

    async def write(self, program: Callable[[], Program[T]]) -> T:
        name = ("prepare", "complete")[self._writes]
        self._writes += 1
        if self._point == f"inside-{name}":
            return await self._store.write(lambda: _dying(program()))
        result = await self._store.write(program)
        if self._point == f"after-{name}":
            os._exit(9)
        return result

    async def close(self) -> None:
        await self._store.close()


def _dying(program: Program[T]) -> Program[T]:
    yield from program
    os._exit(9)


class DyingSigners:
    """Signers after whose signature the process dies."""

    def __init__(self, signers: SignersInUse) -> None:
        self._signers = signers

    async def signer_for(self, agency: str) -> tuple[PublicKey, Signer]:
        key, signer = await self._signers.signer_for(agency)
        return key, _DyingSigner(signer)


class _DyingSigner:
    def __init__(self, signer: Signer) -> None:
        self.kid, self.algorithm = signer.kid, signer.algorithm
        self._signer = signer

    async def sign(self, messages: Sequence[bytes]) -> list[bytes]:
        await self._signer.sign(messages)
        os._exit(9)


async def one(world: World, point: str) -> None:
    store = DyingStore(world.store, point)
    signers: Any = SignersInUse(store, world.open_signer)
    if point == "after-sign":
        signers = DyingSigners(signers)
    desk = Issuance(store, data_keys=world.data_keys, signers=signers, public_url=PUBLIC_URL, now=world.clock)
    await desk.issue(world.skill, world.request(), "crash", "doomed")
    print("survived")


async def race(world: World, name: str, count: int) -> None:
    for serial in range(0, count, 10):
        rows = [
            Row(f"{name}-{serial + i}", world.request(batch=name)) for i in range(min(10, count - serial))
        ]
        for issued in await world.issuance.issue_many(world.skill, rows, name):
            print(issued.number, flush=True)  # type: ignore[union-attr]  # a refusal fails the test


async def file(world: World, roster: Path) -> None:
    with roster.open("rb") as pieces:
        async for result in issue_file(world.issuance, world.skill, in_pieces(pieces), Format.CSV, "cli"):
            if result.row % 500 == 0:
                print(result.row, flush=True)


async def main(directory: str, what: str, *rest: str) -> None:
    async with World.reopen(Path(directory)) as world:
        match what:
            case "one":
                await one(world, rest[0])
            case "race":
                await race(world, rest[0], int(rest[1]))
            case "file":
                await file(world, Path(rest[0]))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
