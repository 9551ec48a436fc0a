"""The same flows with PostgreSQL as the truth, and two nodes on it at once."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import msgspec
import pytest

import servers
from verify.certificate.record import Status
from verify.issuance.batches import Batches
from verify.issuance.issue import Issued, Row
from verify.issuance.reissue import ReissueRequest
from verify.issuance.roster import Format
from verify.issuance.rows import in_pieces
from verify.office.audit import audit
from verify.store.postgres import migrate_postgres, open_postgres
from world import World, to_csv


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Postgres]:
    """One server for this module."""
    with servers.postgres() as running:
        yield running


class Nodes:
    """Two issuing desks with connections of their own."""

    def __init__(self, world: World, other: World) -> None:
        self.world = world
        self.other = other


@pytest.fixture
async def nodes(server: servers.Postgres, tmp_path: Path) -> AsyncIterator[Nodes]:
    """A fresh database and two nodes on it."""
    name = f"issuance_{tmp_path.name.lower()[-20:]}"
    connection = await asyncpg.connect(server.dsn)
    await connection.execute(f'create database "{name}"')
    await connection.close()
    dsn = server.dsn.replace("/postgres?", f"/{name}?")
    await migrate_postgres(dsn)
    async with World.open(tmp_path, store=await open_postgres(dsn)) as world:
        store = await open_postgres(dsn)
        other = World(tmp_path, store, world.clock)
        other.pairs = world.pairs
        yield Nodes(world, other)
        await store.close()


async def test_two_nodes_issue_each_request_once_and_each_number_once(nodes: Nodes) -> None:
    world = nodes.world
    rows = [Row(f"k{n}", world.request()) for n in range(60)]
    left, right = await asyncio.gather(
        world.issuance.issue_many(world.skill, rows, "left"),
        nodes.other.issuance.issue_many(world.skill, rows[::-1], "right"),
    )
    assert [a.number for a in left if isinstance(a, Issued)] == [
        b.number for b in reversed(right) if isinstance(b, Issued)
    ]
    assert len({a.number for a in left if isinstance(a, Issued)}) == 60
    assert (await audit(world.store, world.data_keys)).findings == ()


async def test_a_whole_life_passes_the_audit(nodes: Nodes) -> None:
    world, caller = nodes.world, nodes.world.agency_caller()
    one = await world.issuance.issue(world.skill, world.request(), "1", "test")
    two = await world.issuance.issue(world.skill, world.request(), "2", "test")
    await world.changes.suspend(one.number, "UNDER_REVIEW", caller, note="来电")
    await nodes.other.changes.reinstate(one.number, "REVIEW_CLEARED", caller)
    name = msgspec.convert({"cause": "corrected", "changes": {"holder": {"name": "王小明"}}}, ReissueRequest)
    assert (await nodes.other.reissues.reissue(one.number, name, "r", caller)).copy == 2
    level = msgspec.convert({"cause": "corrected", "changes": {"level": "4"}}, ReissueRequest)
    three = await world.reissues.reissue(two.number, level, "r2", caller)
    view = await nodes.other.views.show(two.number, caller)
    assert (view.status, view.replaced_by) == (Status.REPLACED, three.number)
    proposal = await world.revocations.propose("FORGED", caller, batch="2026-11-A")
    _, done = await nodes.other.revocations.approve(proposal.id, world.agency_caller(actor="second"))
    assert {changed.number for changed in done} == {one.number, three.number}
    assert (await audit(world.store, world.data_keys)).findings == ()


async def test_two_nodes_work_on_one_upload_and_issue_each_row_once(nodes: Nodes) -> None:
    world, caller = nodes.world, nodes.world.agency_caller()
    data = to_csv(world.roster(40))
    uploads = await asyncio.gather(
        world.batches.receive(in_pieces(data), Format.CSV, "up", caller),
        nodes.other.batches.receive(in_pieces(data), Format.CSV, "up", caller),
    )
    assert len({batch.id for batch, _ in uploads}) == 1
    await asyncio.gather(world.batches.work_once(), Batches(nodes.other.issuance).work_once())
    done = await world.batches.find(uploads[0][0].id, caller)
    assert (done.state, done.issued) == ("done", 40)
    assert (await audit(world.store, world.data_keys)).findings == ()
