"""How many certificates a second one core issues, beside the floor that no program can go under.

    python -m loadtest.bench_issue [COUNT] [DIRECTORY] [sqlite | postgres]

The floor is what each certificate needs at the very least: two ES256 signatures, one verification, and one row
of 1 KiB in SQLite with full synchronisation, in the same chunks. The flow does more for the same price list:
it checks, numbers, seals and indexes, reads both signatures back, and writes ledger events, in two commits a
chunk. Both run on one core, one after the other, on the same disk, and every result is checked afterwards.
On PostgreSQL the server shares that core; its processor time is told apart and counted in the sum.
"""

import asyncio
import os
import platform
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import apsw
import cryptography
import msgspec
from tests.world import NOON, World

from loadtest.machine import processor_s
from loadtest.services import postgres
from verify.errors import Words
from verify.issuance.issue import CHUNK, Issued, Row
from verify.office.audit import audit
from verify.proof.keys import generate_p256, public_record
from verify.proof.public import KeyPurpose, verify_signature
from verify.proof.signer import SoftSigner
from verify.store.contract import Store
from verify.store.postgres import migrate_postgres, open_postgres

ROW_BYTES = 1024


def machine() -> str:
    """One line that says where the figures come from."""
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    versions = (
        f"Python {platform.python_version()}, SQLite {apsw.sqlite_lib_version()}, apsw {apsw.apsw_version()}, "
        f"cryptography {cryptography.__version__}, msgspec {msgspec.__version__}"
    )
    return (
        f"{model}, {os.cpu_count()} cores seen, 1 used, {platform.system()} {platform.release()}\n{versions}"
    )


def floor(directory: Path, count: int) -> tuple[float, float]:
    """Wall and processor seconds for the signatures, verifications and rows of `count` certificates."""
    pair = generate_p256()
    public = public_record(
        pair, owner="floor", owner_name=Words("下限", "Floor"), purpose=KeyPurpose.TOKEN, created_at=NOON
    )
    signer = SoftSigner(pair)
    connection = apsw.Connection(str(directory / "floor.db"))
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute("create table row (id integer primary key, body blob) strict")
    messages = [os.urandom(160) for _ in range(2 * count)]
    rows = [(i, os.urandom(ROW_BYTES)) for i in range(count)]
    began, spent = time.perf_counter(), time.process_time()
    for at in range(0, count, CHUNK):
        for i in range(at, min(at + CHUNK, count)):
            signer.sign_now(messages[2 * i])
            signature = signer.sign_now(messages[2 * i + 1])
            verify_signature(public, messages[2 * i + 1], signature)
        connection.execute("begin immediate")
        connection.executemany("insert into row values (?, ?)", rows[at : at + CHUNK])
        connection.execute("commit")
    took, spent = time.perf_counter() - began, time.process_time() - spent
    connection.close()
    return took, spent


async def flow(directory: Path, count: int, server: Any = None) -> tuple[float, float, float]:
    """Seconds by the clock, of this process and of the server's for `count` certificates, audited afterwards."""
    store = None if server is None else await _open_postgres(server.dsn)
    async with World.open(directory, store=store) as world:
        warm = [Row(f"warm-{i}", world.request()) for i in range(2 * CHUNK)]
        await world.issuance.issue_many(world.skill, warm, "bench")
        rows = [Row(f"key-{i}", world.request()) for i in range(count)]
        began, spent, there = time.perf_counter(), time.process_time(), _server_s(server)
        answers = await world.issuance.issue_many(world.skill, rows, "bench")
        took, spent = time.perf_counter() - began, time.process_time() - spent
        there = _server_s(server) - there
        assert len({answer.number for answer in answers if isinstance(answer, Issued)}) == count
        report = await audit(world.store, world.data_keys)
        assert report.findings == (), report.findings[:3]
        return took, spent, there


async def _open_postgres(dsn: str) -> Store:
    await migrate_postgres(dsn)
    return await open_postgres(dsn)


def _server_s(server: Any) -> float:
    return 0.0 if server is None else processor_s(server.process.pid)


def main(arguments: list[str]) -> None:
    """Measure and print."""
    count = int(arguments[0]) if arguments else 10_000
    directory = arguments[1] if len(arguments) > 1 else None
    engine = arguments[2] if len(arguments) > 2 else "sqlite"
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=directory)))
        server = stack.enter_context(postgres()) if engine == "postgres" else None
        least = floor(place, count)
        took, here, there = asyncio.run(flow(place, count, server))
    print(machine())
    how = "PostgreSQL on the same core" if server else "SQLite WAL, synchronous=FULL"
    print(f"{count} certificates in chunks of {CHUNK}, {how}, {directory or 'temporary'}")
    for name, (clock, spent) in {"floor": least, "flow": (took, here + there)}.items():
        print(
            f"{name:6} {count / clock:7.0f} certificates/s  {clock / count * 1e6:5.0f} us each, "
            f"{spent / count * 1e6:5.0f} us of processor time"
        )
    if server:
        print(f"of them {there / count * 1e6:.0f} us of PostgreSQL")
    print(
        f"flow / floor: {least[0] / took:.2f} by the clock, {least[1] / (here + there):.2f} by processor time"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
