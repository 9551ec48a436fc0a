"""What only the networked engine can do wrong."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from store_engines import Postgres, Sqlite
from store_samples import AGENCY, ORIGIN, PREFIX, add_world, draft, issue, see

import servers
from verify.certificate.record import Status
from verify.errors import Conflict, LedgerBroken, NotReady, StoreFailed
from verify.proof.ledger import GENESIS
from verify.store import postgres
from verify.store.certificates import Prepared, Signed, complete, prepare
from verify.store.moving import TABLES, move_to_postgres
from verify.store.postgres import PostgresStore, grant_postgres, migrate_postgres, open_postgres
from verify.store.reads import read_head
from verify.store.register import list_agencies
from verify.store.sqlite import SqliteStore


@pytest.fixture
async def pg(postgres_server: servers.Postgres) -> Postgres:
    made = Postgres(postgres_server.dsn)
    await made.create()
    return made


@pytest.fixture
async def pg_store(pg: Postgres) -> AsyncIterator[PostgresStore]:
    store = await open_postgres(pg.dsn)
    await add_world(store)
    yield store
    await store.close()


async def login(pg: Postgres, role: str) -> str:
    name = f"login_{role}_{pg.name}"
    await grant_postgres(pg.dsn)
    await pg.sql(f"create role {name} login")
    await pg.sql(f"grant {role} to {name}")
    return pg.dsn.replace("postgres@", f"{name}@")


async def test_an_office_login_issues_but_can_neither_change_nor_delete_the_ledger(pg: Postgres) -> None:
    owner = await open_postgres(pg.dsn)
    await add_world(owner)
    await owner.close()
    dsn = await login(pg, "verify_office")
    office = await open_postgres(dsn)
    (number,) = await issue(office, "a")
    assert await see(office, number) is Status.VALID
    connection = await asyncpg.connect(dsn)
    for attack in (
        "update event set body = '{}'", "delete from event", "truncate event", "drop table event",
        "alter table event disable trigger all", "delete from certificate", "delete from ledger_head",
        "delete from idempotency", "update idempotency set result = ''", "update trust_list set document = ''",
        "set session_replication_role = replica",
    ):  # fmt: skip
        with pytest.raises(asyncpg.PostgresError) as refusal:
            await connection.execute(attack)
        assert refusal.value.sqlstate == "42501"
    await connection.close()
    await office.close()


async def test_a_public_login_reads_answers_and_writes_nothing(pg: Postgres) -> None:
    owner = await open_postgres(pg.dsn)
    await add_world(owner)
    (number,) = await issue(owner, "a")
    dsn = await login(pg, "verify_public")
    public = await open_postgres(dsn, read_only=True)
    assert await see(public, number) is Status.VALID
    with pytest.raises(NotReady):
        await public.write(lambda: prepare(AGENCY, [draft("b")], ORIGIN))
    connection = await asyncpg.connect(dsn)
    for attack in (
        "update certificate set status = 'revoked'",
        "select * from credential",
        "select * from batch_row",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(attack)
    await connection.close()
    await public.close()
    await owner.close()


async def test_moving_from_sqlite_keeps_every_row_and_the_chain(sqlite_engine: Sqlite, pg: Postgres) -> None:
    store = SqliteStore(sqlite_engine.path)
    await add_world(store)
    numbers = await issue(store, *(f"k{i}" for i in range(30)))
    await store.close()
    moved = await move_to_postgres(sqlite_engine.path, pg.dsn)
    assert moved.rows["certificate"] == 30
    before, after = await sqlite_engine.dump(), await pg.dump()
    for table in TABLES:
        assert sorted(before[table], key=repr) == after[table], table
    (here,), (there,) = before["ledger_head"], after["ledger_head"]
    assert (here[:3], here[4]) == (there[:3], there[4])
    assert here[3] != there[3]  # another database is another history: caches begin anew
    assert {*before} == {*after} - {"schema_version", "heartbeat", "pulse"}
    arrived = await open_postgres(pg.dsn)
    assert await see(arrived, numbers[0]) is Status.VALID
    (following,) = await arrived.write(lambda: prepare(AGENCY, [draft("new")], ORIGIN))
    assert following == Prepared(PREFIX + "000031", fresh=True)
    await arrived.close()
    with pytest.raises(Conflict):
        await move_to_postgres(sqlite_engine.path, pg.dsn)


async def test_a_broken_chain_is_not_moved(sqlite_engine: Sqlite, pg: Postgres) -> None:
    store = SqliteStore(sqlite_engine.path)
    await add_world(store)
    await store.close()
    await sqlite_engine.sql("drop trigger event_is_append_only_1")
    await sqlite_engine.sql("update event set body = replace(body, 'Example', 'Example2') where seq = 1")
    with pytest.raises(LedgerBroken):
        await move_to_postgres(sqlite_engine.path, pg.dsn)
    assert await pg.sql("select count(*) from event") == [(0,)]


async def test_a_connection_cut_during_the_commit_is_told_as_unknown_and_the_store_recovers(
    pg_store: PostgresStore, pg: Postgres
) -> None:
    blocker = await asyncpg.connect(pg.dsn)
    await blocker.execute("begin")
    await blocker.fetch("select 1 from ledger_head for update")
    write = asyncio.ensure_future(pg_store.write(lambda: prepare(AGENCY, [draft("a")], ORIGIN)))
    await asyncio.sleep(0.2)
    await blocker.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
        " and pid <> pg_backend_pid()"
    )
    await blocker.execute("rollback")
    with pytest.raises(StoreFailed):
        await write
    (again,) = await pg_store.write(lambda: prepare(AGENCY, [draft("a")], ORIGIN))
    assert isinstance(again, Prepared)
    assert (await pg_store.read(list_agencies))[0].code == AGENCY
    await blocker.close()


async def test_a_commit_that_the_standby_did_not_confirm_is_unknown(
    pg_store: PostgresStore, pg: Postgres
) -> None:
    await pg.sql(f"alter database {pg.name} set synchronous_commit = on")
    await pg.sql("alter system set synchronous_standby_names = 'nobody'")
    await pg.sql("select pg_reload_conf()")
    try:
        await asyncio.sleep(0.3)
        write = asyncio.ensure_future(pg_store.write(lambda: prepare(AGENCY, [draft("a")], ORIGIN)))
        await asyncio.sleep(0.5)
        assert not write.done()
        await pg.sql("select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'")
        with pytest.raises(StoreFailed):
            await write
    finally:
        await pg.sql("alter system reset synchronous_standby_names")
        await pg.sql("select pg_reload_conf()")
        await asyncio.sleep(0.3)
    (again,) = await pg_store.write(lambda: prepare(AGENCY, [draft("a")], ORIGIN))
    assert isinstance(again, Prepared)
    assert not again.fresh  # it stood all the time


async def test_every_acknowledged_write_survives_a_killed_server() -> None:
    with servers.postgres() as server:
        engine = Postgres(server.dsn)
        await engine.create()
        store = await open_postgres(engine.dsn)
        await add_world(store)
        acknowledged: list[str] = []
        enough = asyncio.Event()

        async def writer(i: int) -> None:
            for j in range(50):
                outcome = await store.write(lambda j=j: prepare(AGENCY, [draft(f"w{i}-{j}")], ORIGIN))
                acknowledged.extend(o.number for o in outcome if isinstance(o, Prepared))
                if len(acknowledged) >= 20:
                    enough.set()

        tasks = [asyncio.ensure_future(writer(i)) for i in range(4)]
        await enough.wait()
        await asyncio.to_thread(server.kill)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert any(isinstance(r, StoreFailed) for r in results)
        await asyncio.to_thread(server.start)
        there = {number for (number,) in await engine.sql("select number from certificate")}
        assert set(acknowledged) <= there
        (after,) = await store.write(lambda: prepare(AGENCY, [draft("after")], ORIGIN))
        assert isinstance(after, Prepared)
        await store.close()


@pytest.mark.parametrize("name, value", [("synchronous_commit", "off"), ("synchronous_commit", "local")])
async def test_a_server_that_forgets_commits_is_refused(pg: Postgres, name: str, value: str) -> None:
    await pg.sql(f"alter database {pg.name} set {name} = {value}")
    with pytest.raises(NotReady) as refusal:
        await open_postgres(pg.dsn)
    assert f"set {name} = on" in refusal.value.hint


async def test_an_absent_server_says_what_to_check() -> None:
    with pytest.raises(NotReady) as refusal:
        await open_postgres("postgresql://nobody@/none?host=/tmp/no-such-folder")
    assert "VERIFY_DATABASE_URL" in refusal.value.hint


async def test_a_schema_of_another_version_is_refused_and_left_alone(pg: Postgres) -> None:
    await pg.sql("update schema_version set version = 99")
    with pytest.raises(NotReady):
        await open_postgres(pg.dsn)
    with pytest.raises(NotReady):
        await migrate_postgres(pg.dsn)
    assert await pg.sql("select version from schema_version") == [(99,)]


async def test_a_postgres_migration_that_breaks_off_leaves_the_old_schema(
    pg: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await pg.dump()
    steps = [
        *postgres.load_migrations("postgres"),
        (2, "create table half (id int); insert into nowhere values (1)"),
    ]
    monkeypatch.setattr(postgres, "load_migrations", lambda _: steps)
    with pytest.raises(NotReady):
        await migrate_postgres(pg.dsn)
    assert await pg.dump() == before


async def test_two_migrations_at_once_make_one_schema(postgres_server: servers.Postgres) -> None:
    made = Postgres(postgres_server.dsn)
    connection = await asyncpg.connect(made.server_dsn)
    await connection.execute(f"create database {made.name}")
    await connection.close()
    versions = await asyncio.gather(*(migrate_postgres(made.dsn) for _ in range(4)))
    assert len(set(versions)) == 1


async def test_the_genesis_is_the_same_on_both_engines(pg: Postgres) -> None:
    assert await pg.sql("select seq, hash from ledger_head") == [(0, GENESIS)]


async def test_two_nodes_complete_the_same_record_once(pg: Postgres) -> None:
    one, two = await open_postgres(pg.dsn), await open_postgres(pg.dsn)
    await add_world(one)
    outcomes = await one.write(lambda: prepare(AGENCY, [draft("a")], ORIGIN))
    (number,) = [o.number for o in outcomes if isinstance(o, Prepared)]
    await asyncio.gather(
        *(s.write(lambda: complete([Signed(number, 1, b"t", b"j")], ORIGIN)) for s in (one, two, one, two))
    )
    assert await pg.sql("select count(*) from event where kind = 'issued'") == [(1,)]
    await one.close()
    await two.close()


async def test_a_writer_that_is_connecting_is_not_taken_for_one_of_an_older_primary(pg: Postgres) -> None:
    for _ in range(3):
        store = await open_postgres(pg.dsn)
        done = asyncio.Event()

        async def look(one: PostgresStore = store, done: asyncio.Event = done) -> None:
            while not done.is_set():
                await one.read(lambda: read_head(0))

        readers = [asyncio.ensure_future(look()) for _ in range(3)]
        await asyncio.sleep(0.02)
        try:
            await asyncio.wait_for(store.write(list_agencies), 20)  # the first write connects
        finally:
            done.set()
            await asyncio.gather(*readers)
            await store.close()
