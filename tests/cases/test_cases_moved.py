"""Cases under the database's own roles, and what moves, backups and restores carry of them."""

import datetime as dt
from pathlib import Path

import asyncpg
import pytest
from store_engines import Postgres

import servers
from verify.cases.desk import Desk
from verify.cases.imitations import Imitations
from verify.cases.matters import CLOSED_AFTER, KEPT_AFTER_CLOSING
from verify.cases.queue import Queue
from verify.cases.told import Answer, ReportRequest
from verify.certificate.reason import Role
from verify.issuance.caller import Caller
from verify.store.contract import Store
from verify.store.dump import dump_postgres
from verify.store.moving import move_to_postgres
from verify.store.postgres import grant_postgres, open_postgres
from world import SKILL, World

OPERATOR = Caller("op", Role.OPERATOR)


@pytest.fixture
async def pg(postgres_server: servers.Postgres) -> Postgres:
    """A fresh database with the schema."""
    made = Postgres(postgres_server.dsn)
    await made.create()
    return made


async def login(pg: Postgres, role: str) -> str:
    """A login of that role alone; its DSN."""
    name = f"login_{role}_{pg.name}"
    await grant_postgres(pg.dsn)
    await pg.sql(f"create role {name} login")
    await pg.sql(f"grant {role} to {name}")
    return pg.dsn.replace("postgres@", f"{name}@")


def rooms(world: World, store: Store) -> tuple[Desk, Queue, Imitations]:
    keys = world.data_keys
    return (
        Desk(store, data_keys=keys, now=world.clock),
        Queue(store, data_keys=keys, now=world.clock),
        Imitations(store, host="verify.example.org", now=world.clock),
    )


async def fill(world: World, store: Store) -> str:
    """A closed report with a picture and an answer, and a listed site; its receipt."""
    desk, queue, sites = rooms(world, store)
    opened = await desk.report(ReportRequest("other", "x"), b"\xff\xd8\xff picture")
    await queue.assign(opened.case.id, SKILL, OPERATOR)
    await queue.answer(opened.case.id, Answer("confirmed", "谢谢"), OPERATOR)
    await queue.close(opened.case.id, OPERATOR, "归档")
    await sites.add("fake.example.net", note="x", seen_on=None, actor="op")
    return opened.receipt


async def test_an_office_login_deals_with_cases_and_cannot_rewrite_them(tmp_path: Path, pg: Postgres) -> None:
    async with World.open(tmp_path, store=await open_postgres(pg.dsn)) as world:
        dsn = await login(pg, "verify_office")
        office = await open_postgres(dsn)
        receipt = await fill(world, office)
        desk, _, sites = rooms(world, office)
        await sites.remove("fake.example.net", actor="op")
        connection = await asyncpg.connect(dsn)
        for attack in ("update case_event set actor = 'x'", "truncate case_event", "delete from imitation_site",
                       "update case_picture set sealed = ''"):  # fmt: skip
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(attack)
        await connection.close()
        assert (await desk.follow(receipt)).answer == Answer("confirmed", "谢谢", None)
        world.clock.at += CLOSED_AFTER + KEPT_AFTER_CLOSING + dt.timedelta(days=1)
        assert await desk.sweep() == (0, 1)
        await office.close()


async def test_a_public_login_reads_the_list_of_imitations_and_no_case(tmp_path: Path, pg: Postgres) -> None:
    async with World.open(tmp_path, store=await open_postgres(pg.dsn)) as world:
        await fill(world, world.store)
        dsn = await login(pg, "verify_public")
        public = await open_postgres(dsn, read_only=True)
        assert [site.domain for site in await rooms(world, public)[2].listed()] == ["fake.example.net"]
        connection = await asyncpg.connect(dsn)
        for table in ("case_file", "case_picture", "case_event"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"select * from {table}")
        await connection.close()
        await public.close()


async def test_a_receipt_is_followed_after_a_move_and_a_backup_has_every_table(
    tmp_path: Path, pg: Postgres
) -> None:
    async with World.open(tmp_path) as world:
        receipt = await fill(world, world.store)
        before = await rooms(world, world.store)[0].follow(receipt)
        moved = await move_to_postgres(world.path, pg.dsn)
        counts = {"case_file": 1, "case_picture": 1, "case_event": 4, "imitation_site": 1}
        assert {table: moved.rows[table] for table in counts} == counts
        folder = tmp_path / "backup"
        folder.mkdir()
        manifest = await dump_postgres(pg.dsn, folder)
        assert {table: manifest.parts[f"{table}.copy"].rows for table in counts} == counts
        arrived = await open_postgres(pg.dsn)
        desk, queue, sites = rooms(world, arrived)
        assert await desk.follow(receipt) == before
        (case,) = (await queue.list(OPERATOR, states=("closed",))).cases
        assert await queue.picture(case.id, OPERATOR) == b"\xff\xd8\xff picture"
        assert len(await sites.listed()) == 1
        await arrived.close()
