"""The same feed and dispatcher with PostgreSQL as the truth, under the office's role, two nodes at once."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from employer_place import employer, receiving
from test_employers_feed import NAME, issue

import servers
from verify.certificate.record import AgencyState
from verify.store import notices
from verify.store.postgres import migrate_postgres, open_postgres
from world import World


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Postgres]:
    """One server for this module."""
    with servers.postgres() as running:
        yield running


@pytest.fixture
async def nodes(server: servers.Postgres, tmp_path: Path) -> AsyncIterator[tuple[World, World]]:
    """A fresh database and two nodes on it."""
    name = f"employers_{tmp_path.name.lower()[-20:]}"
    connection = await asyncpg.connect(server.dsn)
    await connection.execute(f'create database "{name}"')
    await connection.close()
    dsn = server.dsn.replace("/postgres?", f"/{name}?")
    await migrate_postgres(dsn)
    async with World.open(tmp_path, store=await open_postgres(dsn)) as world:
        other = World(tmp_path, await open_postgres(dsn), world.clock)
        other.pairs = world.pairs
        yield world, other
        await other.store.close()


async def test_a_networked_register_tells_the_same(
    nodes: tuple[World, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, other = nodes
    made = await issue(world, 3)
    caller = world.agency_caller()
    async with employer(world) as place, employer(other) as second, receiving(place) as receiver:
        await place.follow(*made, name=NAME)
        await place.open_hook(receiver.url)
        end = world.clock.forward(hours=1)
        world.clock.forward(hours=-1)
        await world.changes.suspend(made[0].number, "UNDER_REVIEW", caller, until=end)
        await world.set_agency(world.skill, AgencyState.SUSPENDED)
        await world.changes.revoke(made[1].number, "FORGED", caller)
        world.clock.forward(hours=2)
        rival = second.new_dispatcher(post=place.post)
        for _ in range(3):
            await asyncio.gather(place.dispatcher.work_once(), rival.work_once())
        whole = await place.all_events()
        assert len(whole) == 1 + 3 + 1 + 1 and receiver.events == whole
        for size in (1, 2):
            assert await place.all_events(limit=size) == whole
        monkeypatch.setattr(notices, "NEAR", -1)
        assert await place.all_events(limit=2) == whole
