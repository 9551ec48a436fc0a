"""Moving an installation from the embedded engine to PostgreSQL, its ledger intact."""

import itertools
from pathlib import Path
from typing import Any

import apsw
import asyncpg
import msgspec

from verify.errors import Conflict, LedgerBroken, NotReady, Words
from verify.proof.ledger import START, Link, check_chain
from verify.store.postgres import BROKEN, connect_postgres
from verify.store.sqlite import assert_sqlite_ready, connect_sqlite

TABLES = (
    "agency", "filing", "credential", "signing_key", "trust_list", "pack_file", "pack_manifest", "counter",
    "certificate", "copy", "photo", "document", "stand_in", "finder", "idempotency", "batch", "batch_row", "proposal",
    "employer_check", "employer_check_row", "receipt", "checked", "share", "unlisted", "visit", "ended_session",
    "case_file", "case_picture", "case_event", "imitation_site", "revocation_list", "subscription", "webhook",
    "webhook_delivery", "duty", "lost", "event", "event_note",
)  # fmt: skip
"""Every table but the ledger head and the schema version, each after those it refers to."""

CHUNK = 5000


class Moved(msgspec.Struct, frozen=True):
    """What was copied."""

    rows: dict[str, int]
    seq: int
    """The ledger head, the same on both sides."""


async def move_to_postgres(path: Path, dsn: str) -> Moved:
    """Copy everything from the SQLite file into the empty schema at `dsn`, in one transaction on each side.

    Stop the service first: the file stays as it is and must not be written to afterwards. Raises Conflict when
    the target holds anything, LedgerBroken when the chain does not verify on arrival; the target is then empty.
    """
    source = connect_sqlite(path, read_only=True)
    assert_sqlite_ready(source, path)
    source.execute("begin")
    try:
        target = await connect_postgres(dsn)
        try:
            async with target.transaction():
                return await _copy_all(source, target)
        finally:
            await target.close(timeout=5)
    except BROKEN as error:
        what = Words("迁移失败，目标库未变。", "The move failed; the target is as it was.")
        raise NotReady(what, hint=str(error)) from error
    finally:
        source.close()


async def _copy_all(source: apsw.Connection, target: Any) -> Moved:
    if await target.fetchval("select seq from ledger_head where id = 1 for update") != 0:
        what = Words("目标数据库不是空的。", "The target database is not empty.")
        raise Conflict(what, hint="make a new database and run `verify init` on it")
    rows = {table: await _copy_table(source, target, table) for table in TABLES}
    head: list[tuple[Any, ...]] = source.execute("select seq, hash from ledger_head where id = 1").fetchall()
    ((seq, digest),) = head
    if seq:
        await target.execute("update ledger_head set seq = $1, hash = $2 where id = 1", seq, digest)
    await assert_arrived(target, seq, digest)
    return Moved(rows, seq)


async def _copy_table(source: apsw.Connection, target: Any, table: str) -> int:
    columns = [row[1] for row in source.execute(f"pragma table_info({table})")]
    order = "seq" if table in ("event", "event_note") else columns[0]
    cursor = source.execute(f"select {', '.join(columns)} from {table} order by {order}")  # noqa: S608  # our own names
    count = 0
    while chunk := list(itertools.islice(cursor, CHUNK)):
        await target.copy_records_to_table(table, records=chunk, columns=columns)
        count += len(chunk)
    return count


async def assert_arrived(target: "asyncpg.Connection[asyncpg.Record]", seq: int, digest: bytes) -> None:
    """Follow the chain on the target from its start to the head that was promised. Raises LedgerBroken."""
    end = START
    while end.seq < seq:
        rows = await target.fetch(
            "select seq, body, hash from event where seq > $1 order by seq limit $2", end.seq, CHUNK
        )
        end = check_chain([Link(row[0], row[1].encode(), row[2]) for row in rows], end)
        if not rows:
            break
    if (end.seq, end.hash) != (seq, digest):
        raise LedgerBroken(Words("台账头不一致。", "The ledger head does not match."))
