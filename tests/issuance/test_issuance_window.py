"""A clock that is outside of a key's window issues nothing: no number is taken, and the audit stays clean."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import asyncpg
import msgspec
import pytest

import servers
from verify.errors import NotReady
from verify.issuance import issue as issue_module
from verify.issuance.issue import Row
from verify.issuance.reissue import ReissueRequest
from verify.issuance.roster import Format
from verify.issuance.rows import in_pieces
from verify.office.audit import audit
from verify.store.contract import run
from verify.store.postgres import migrate_postgres, open_postgres
from world import World, to_csv


@pytest.fixture(scope="module")
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(params=["sqlite", "postgresql"])
async def world(request: pytest.FixtureRequest, stack: ExitStack, tmp_path: Path) -> AsyncIterator[World]:
    """Each engine; the key is active from noon on the world's clock."""
    if request.param == "sqlite":
        async with World.open(tmp_path) as world:
            yield world
        return
    server = stack.enter_context(servers.postgres())
    name = f"window_{tmp_path.name.lower()[-20:]}"
    connection = await asyncpg.connect(server.dsn)
    await connection.execute(f"create database {name}")
    await connection.close()
    dsn = server.dsn.replace("/postgres?", f"/{name}?")
    await migrate_postgres(dsn)
    async with World.open(tmp_path, store=await open_postgres(dsn)) as world:
        yield world


async def counters(world: World) -> list[tuple[object, ...]]:
    return await world.store.read(lambda: run("list_counters"))


async def findings(world: World) -> set[str]:
    return {one.check for one in (await audit(world.store, world.data_keys)).findings}


async def test_a_clock_behind_the_keys_activation_issues_nothing(world: World) -> None:
    one = await world.issuance.issue(world.skill, world.request(), "before", "test")
    before = await counters(world)
    key = await world.token_key(world.skill)
    world.clock.forward(hours=-2)
    with pytest.raises(NotReady) as told:
        await world.issuance.issue(world.skill, world.request(), "behind", "test")
    for part in (key.kid, f"{key.active_from:%Y-%m-%dT%H:%M:%SZ}", f"{world.clock():%Y-%m-%dT%H:%M:%SZ}"):
        assert part in told.value.detail.en and part in told.value.detail.zh
    assert "timedatectl" in told.value.hint
    for answer in await world.issuance.issue_many(world.skill, [Row("m", world.request())], "test"):
        assert isinstance(answer, NotReady)
    # A further copy is refused too, and an upload waits.
    lost = msgspec.convert({"cause": "lost"}, ReissueRequest)
    with pytest.raises(NotReady):
        await world.reissues.reissue(one.number, lost, "r", world.agency_caller())
    csv = to_csv(world.roster(2))
    batch, _ = await world.batches.receive(in_pieces(csv), Format.CSV, "b", world.agency_caller())
    await world.batches.work_once()
    assert await counters(world) == before
    world.clock.forward(hours=2)
    while await world.batches.work_once():
        await asyncio.sleep(0)
    assert (await world.batches.find(batch.id, world.agency_caller())).issued == 2
    await world.issuance.issue(world.skill, world.request(), "behind", "test")
    assert await findings(world) == set()


async def test_a_clock_past_the_keys_end_issues_nothing(world: World) -> None:
    key = await world.token_key(world.skill)
    end = int((world.clock().timestamp() + 3600) * 1e6)
    start = int(key.active_from.timestamp() * 1e6) if key.active_from else 0
    await world.store.write(lambda: run("update_signing_key", key.kid, "active", start, end, None))
    await world.issuance.issue(world.skill, world.request(), "in-time", "test")
    before = await counters(world)
    world.clock.forward(hours=2)
    with pytest.raises(NotReady, match="was active until"):
        await world.issuance.issue(world.skill, world.request(), "late", "test")
    assert await counters(world) == before


async def test_without_the_refusal_the_audit_finds_such_a_copy(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issue_module, "require_in_window", lambda key, at: None)
    world.clock.forward(hours=-2)
    await world.issuance.issue(world.skill, world.request(), "behind", "test")
    assert await findings(world) == {"key-window"}
