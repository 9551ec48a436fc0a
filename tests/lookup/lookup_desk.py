"""A real register with seeded certificates, the changes that can befall them, and stores that delay or fail."""

import asyncio
import datetime as dt
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from loadtest.seed import AT, ON, ORIGIN, Seeded, add_issuers, seeded, write_group

from verify.certificate.identity import parse_identity
from verify.certificate.record import Certificate, CopyCause, Personal
from verify.certificate.scan_code import ScanCode, new_scan_code
from verify.certificate.status import Move
from verify.errors import StoreFailed
from verify.lookup.check import Checker
from verify.lookup.scan import Lookup
from verify.proof.keys import KeyPair, generate_p256
from verify.proof.sealing import DataKeys, DataKeySet
from verify.store.certificates import CopyDraft, CopyPrepared, Renewed, Signed, complete, prepare_copy
from verify.store.changes import Change, change_status
from verify.store.contract import Program, Store
from verify.store.journal import Origin
from verify.store.personal import business_tag, commit_personal, finder_tags, seal_personal, unseal_personal
from verify.store.reads import read_certificates
from verify.store.sqlite import SqliteStore, migrate_sqlite

T = TypeVar("T")
KEYS = DataKeys(DataKeySet((b"s" * 32,), b"i" * 32, b"c" * 32))
PAIR = generate_p256()
NOW = AT + dt.timedelta(days=1)


class Clock:
    """Wall time that moves when told."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> dt.datetime:
        return self.at


class Slow:
    """A store whose reads suspend, with seeded delays before and after the real read."""

    def __init__(self, store: Store, seed: int, scale_s: float = 0.006) -> None:
        self._store = store
        self._dice = random.Random(seed)
        self._scale_s = scale_s

    async def read(self, program: Callable[[], Program[T]], *, snapshot: bool = True) -> T:
        await asyncio.sleep(self._dice.random() ** 3 * self._scale_s)
        rows = await self._store.read(program, snapshot=snapshot)
        await asyncio.sleep(self._dice.random() ** 6 * self._scale_s * 4)
        return rows

    async def write(self, program: Callable[[], Program[T]]) -> T:
        return await self._store.write(program)

    async def close(self) -> None:
        await self._store.close()


class Failing:
    """A store that is out of reach while `down`, or never answers while `silent`."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.down = False
        self.silent = False

    async def read(self, program: Callable[[], Program[T]], *, snapshot: bool = True) -> T:
        if self.silent:
            await asyncio.sleep(3600)
        if self.down:
            raise StoreFailed(hint="connection refused")
        return await self._store.read(program, snapshot=snapshot)

    async def write(self, program: Callable[[], Program[T]]) -> T:
        return await self._store.write(program)

    async def close(self) -> None:
        await self._store.close()


class Desk:
    """One register and what the office does to it."""

    def __init__(self, path: Path, store: SqliteStore) -> None:
        self.path = path
        self.store = store
        self.clock = Clock()
        self._copies = 0

    def lookup(self, store: Store | None = None, kind: type[Lookup] = Lookup, **settings: Any) -> Lookup:
        chosen = {
            "data_keys": KEYS,
            "near_cache_bytes": 8 << 20,
            "deadline_s": 5.0,
            "now": self.clock,
        } | settings
        return kind(store or self.store, **chosen)

    def checker(self, store: Store | None = None, **settings: Any) -> Checker:
        chosen = {"data_keys": KEYS, "deadline_s": 5.0, "now": self.clock} | settings
        return Checker(store or self.store, **chosen)

    async def change(self, number: str, move: Move, until: dt.datetime | None = None) -> int:
        """Change a status; returns the revision that it made."""
        reason = {
            Move.SUSPEND: "UNDER_REVIEW",
            Move.REINSTATE: "REVIEW_CLEARED",
            Move.REVOKE: "OBTAINED_BY_FRAUD",
        }
        asked = Change(number, move, reason[move], until)
        origin = Origin("office", self.clock(), b"r" * 32)
        (done,) = await self.store.write(lambda: change_status([asked], None, origin))
        return done.revision

    async def certificate(self, number: str) -> Certificate:
        return (await self.store.read(lambda: read_certificates([number]))).certificates[number]

    async def reissue(self, one: Seeded, name: str | None = None, kid: str = PAIR.kid) -> ScanCode:
        """A further copy; with `name`, one that corrects the holder's name."""
        self._copies += 1
        code = new_scan_code(lambda size: random.Random(self._copies).randbytes(size))
        cause = CopyCause.CORRECTED if name else CopyCause.LOST
        origin = Origin("office", self.clock(), b"r" * 32)
        draft = CopyDraft(f"copy-{self._copies}", b"r", one.number, None, code, cause, kid, None, None, None)
        outcome = await self.store.write(lambda: prepare_copy(draft, "office", origin))
        assert isinstance(outcome, CopyPrepared)
        renewed = await self._renewed(one, name) if name else None
        signed = Signed(one.number, outcome.copy, b"token", b"jws", renewed)
        await self.store.write(lambda: complete([signed], origin))
        return code

    async def _renewed(self, one: Seeded, name: str) -> Renewed:
        sealed = (await self.certificate(one.number)).holder_sealed
        old = unseal_personal(KEYS, one.number, sealed)
        holder = msgspec.structs.replace(old.holder, name=name)
        personal = Personal(holder, old.results, old.salt)
        identity = parse_identity(holder.id_type, holder.id_number, ON)
        return Renewed(
            one.face, seal_personal(KEYS, one.number, personal), commit_personal(one.number, personal),
            finder_tags(KEYS, one.number, identity, name), business_tag(KEYS, one.face, identity),
        )  # fmt: skip


@asynccontextmanager
async def open_desk(folder: Path, count: int = 20, pair: KeyPair = PAIR) -> AsyncIterator[Desk]:
    """Certificates 0 to `count` - 1, all really signed."""
    path = folder / "register.db"
    migrate_sqlite(path)
    store = SqliteStore(path)
    await add_issuers(store, pair)
    for agency in range(4):
        group = [index for index in range(count) if index % 4 == agency]
        await write_group(store, group, agency, KEYS, pair, signed=count)
    try:
        yield Desk(path, store)
    finally:
        await store.close()


def read_answer(answer: bytes) -> dict[str, Any]:
    """One finished answer, decoded."""
    decoded: dict[str, Any] = msgspec.json.decode(answer)
    return decoded


__all__ = ["KEYS", "ORIGIN", "PAIR", "Desk", "Failing", "Slow", "open_desk", "read_answer", "seeded"]
