"""Backups of the networked register: one moment of it as a file for each table, and back into an empty database.

It is complete and needs nothing but `verify` to come back, but it is as old as its beginning. For a loss of
nothing, run a synchronous standby; for a loss of seconds, archive the WAL beside `pg_basebackup`.
"""

import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from verify.errors import Conflict, NotReady, Words
from verify.store.contract import Program
from verify.store.manifest import FORMAT, Manifest, Part, digest_file, write_manifest
from verify.store.moving import TABLES, assert_arrived
from verify.store.postgres import BROKEN, connect_postgres, drive, migrate_postgres
from verify.store.replay import Replayed

_COLUMNS = "select attname from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped order by attnum"


async def dump_postgres(dsn: str, folder: Path, tell: Callable[[str], None] = lambda table: None) -> Manifest:
    """Copy every table into `folder` as it is at one moment, while the service runs; `tell` hears each table.

    Durable when it returns. Raises NotReady when the server or the disk refuses; no manifest is then left.
    """
    try:
        connection = await connect_postgres(dsn)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                ((seq, digest),) = await connection.fetch("select seq, hash from ledger_head where id = 1")
                parts = {}
                for table in TABLES:
                    tell(table)
                    parts[f"{table}.copy"] = await _dump_table(connection, table, folder / f"{table}.copy")
        finally:
            await connection.close(timeout=5)
    except BROKEN as error:
        what = Words("备份失败。", "The backup failed; what is in the folder is not one.")
        raise NotReady(what, hint=f"check the server and the space at {folder}: {error}") from error
    manifest = Manifest(FORMAT, "postgresql", dt.datetime.now(dt.UTC), seq, digest.hex(), parts)
    write_manifest(folder, manifest)
    return manifest


async def undump_postgres(
    dsn: str, folder: Path, manifest: Manifest, replayed: Callable[[], Program[Replayed]]
) -> Replayed:
    """Fill the empty database at `dsn` from a backup and run `replayed` on it, in one transaction.

    The schema is made first if there is none. Raises Conflict when the database holds a register already,
    LedgerBroken when the chain does not hold; nothing is then in it.
    """
    await migrate_postgres(dsn)
    try:
        connection = await connect_postgres(dsn)
        try:
            async with connection.transaction():
                await _fill(connection, folder, manifest)
                return await drive(connection, replayed())
        finally:
            await connection.close(timeout=5)
    except BROKEN as error:
        what = Words("恢复失败，数据库仍是空的。", "The restore failed; the database is as empty as before.")
        raise NotReady(what, hint=f"use the schema owner's login: {error}") from error


async def _dump_table(connection: Any, table: str, path: Path) -> Part:
    columns = tuple(row[0] for row in await connection.fetch(_COLUMNS, table))
    order = "seq" if table in ("event", "event_note") else columns[0]
    names = ", ".join(columns)
    done = await connection.copy_from_query(f"select {names} from {table} order by {order}", output=path)  # noqa: S608  # our own names
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return Part(digest_file(path), int(done.rsplit(" ", 1)[-1]), columns)


async def _fill(connection: Any, folder: Path, manifest: Manifest) -> None:
    if await connection.fetchval("select seq from ledger_head where id = 1 for update") != 0:
        what = Words("目标数据库已有登记数据。", "The database holds a register; nothing was overwritten.")
        raise Conflict(what, hint="create an empty database and point VERIFY_DATABASE_URL at it")
    for table in TABLES:
        part = manifest.parts[f"{table}.copy"]
        await connection.copy_to_table(table, source=folder / f"{table}.copy", columns=list(part.columns))
    digest = bytes.fromhex(manifest.hash)
    if manifest.seq:
        await connection.execute(
            "update ledger_head set seq = $1, hash = $2 where id = 1", manifest.seq, digest
        )
    await assert_arrived(connection, manifest.seq, digest)
