"""What only the embedded engine can do wrong."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest
from store_engines import Sqlite
from store_samples import AGENCY, ORIGIN, PREFIX, add_world, draft, issue

from verify.certificate.record import Status
from verify.certificate.status import ARROWS
from verify.errors import NotReady, StoreFailed
from verify.proof.ledger import GENESIS
from verify.store import sqlite
from verify.store.certificates import Prepared, prepare
from verify.store.register import list_agencies
from verify.store.sqlite import SqliteStore, migrate_sqlite


@pytest.fixture
async def sqlite_store(sqlite_engine: Sqlite) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(sqlite_engine.path)
    await add_world(store)
    yield store
    await store.close()


def test_the_arrows_in_sql_are_the_arrows_of_the_table(sqlite_engine: Sqlite) -> None:
    connection = apsw.Connection(str(sqlite_engine.path))
    ((text,),) = connection.execute(
        "select sql from sqlite_schema where name = 'certificate_arrows'"
    ).fetchall()
    listed = "".join(text.split("(")[1].split(")")[0].split()).replace("'", "")
    in_sql = {tuple(pair.split(">")) for pair in listed.split(",")}
    table = {(a.value, b.value) for (a, _), b in ARROWS.items()}
    through_lapse = {("suspended", b.value) for (a, _), b in ARROWS.items() if a is Status.VALID}
    assert in_sql == table | {pair for pair in through_lapse if pair[0] != pair[1]}


async def test_writes_wait_for_another_process_and_readers_never_do(
    sqlite_store: SqliteStore, sqlite_engine: Sqlite
) -> None:
    blocker = apsw.Connection(str(sqlite_engine.path))
    blocker.execute("begin immediate")
    write = asyncio.ensure_future(sqlite_store.write(lambda: prepare(AGENCY, [draft("a")], ORIGIN)))
    await asyncio.sleep(0.05)
    assert (await sqlite_store.read(list_agencies))[0].code == AGENCY
    assert not write.done()
    blocker.execute("rollback")
    (outcome,) = await write
    assert isinstance(outcome, Prepared)


async def test_a_full_disk_acknowledges_nothing_and_the_store_recovers(
    sqlite_store: SqliteStore, sqlite_engine: Sqlite
) -> None:
    await issue(sqlite_store, "a")
    pages = apsw.Connection(str(sqlite_engine.path)).pragma("page_count")
    sqlite_store._writer._connection.pragma("max_page_count", pages)  # type: ignore[union-attr]  # as if the disk ended here
    with pytest.raises(StoreFailed):
        await sqlite_store.write(lambda: prepare(AGENCY, [draft(f"big{i}") for i in range(500)], ORIGIN))
    sqlite_store._writer._connection.pragma("max_page_count", 1 << 30)  # type: ignore[union-attr]  # room again
    (outcome,) = await sqlite_store.write(lambda: prepare(AGENCY, [draft("big0")], ORIGIN))
    assert outcome == Prepared(PREFIX + "000002", fresh=True)


def test_a_missing_or_foreign_database_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotReady) as missing:
        SqliteStore(tmp_path / "none.db")
    assert "verify init" in missing.value.hint
    (tmp_path / "text.db").write_text("this is no database, and long enough to look like a header" * 10)
    with pytest.raises(NotReady):
        SqliteStore(tmp_path / "text.db")


def test_a_database_without_wal_is_refused(sqlite_engine: Sqlite) -> None:
    apsw.Connection(str(sqlite_engine.path)).execute("pragma journal_mode = delete")
    with pytest.raises(NotReady) as refusal:
        SqliteStore(sqlite_engine.path)
    assert "WAL" in refusal.value.detail.en


def test_a_newer_schema_is_refused_and_left_alone(sqlite_engine: Sqlite) -> None:
    apsw.Connection(str(sqlite_engine.path)).execute("pragma user_version = 99")
    for attempt in (lambda: SqliteStore(sqlite_engine.path), lambda: migrate_sqlite(sqlite_engine.path)):
        with pytest.raises(NotReady):
            attempt()
    assert apsw.Connection(str(sqlite_engine.path)).pragma("user_version") == 99


async def test_a_migration_that_breaks_off_leaves_the_old_schema(
    sqlite_engine: Sqlite, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await sqlite_engine.dump()
    half = "create table half (id integer); insert into nowhere values (1);"
    steps = [*sqlite.load_migrations("sqlite"), (2, half)]
    monkeypatch.setattr(sqlite, "load_migrations", lambda _: steps)
    with pytest.raises(NotReady):
        migrate_sqlite(sqlite_engine.path)
    assert await sqlite_engine.dump() == before
    assert apsw.Connection(str(sqlite_engine.path)).pragma("user_version") == 1


def test_the_genesis_in_sql_is_the_genesis_of_the_ledger(sqlite_engine: Sqlite) -> None:
    assert apsw.Connection(str(sqlite_engine.path)).execute(
        "select seq, hash from ledger_head"
    ).fetchall() == [(0, GENESIS)]


def test_the_writer_thread_ends_with_the_store(sqlite_engine: Sqlite) -> None:
    store = SqliteStore(sqlite_engine.path)
    asyncio.run(store.close())
    assert not any(t.name == "verify-writer" for t in threading.enumerate())
