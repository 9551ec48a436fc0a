"""The failover drill: a primary dies or is cut off under load, its standby takes over, and nobody is told the past."""

import asyncio
import datetime as dt
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from care_pair import Pair, open_pair, run_sql

from history import History
from verify.certificate.status import Move
from verify.errors import StoreFailed, Unavailable
from verify.lookup.scan import Lookup
from verify.proof.ledger import Link, check_chain
from verify.store.changes import Change, change_status
from verify.store.failover import guard, promote, show_servers
from verify.store.fence import Fence, Guard
from verify.store.journal import Origin, decode_event
from verify.store.postgres import PostgresStore, open_postgres
from world import World

LEASE_MS = 3000
BEAT_S = 0.3
REASON = {Move.SUSPEND: "UNDER_REVIEW", Move.REINSTATE: "REVIEW_CLEARED"}


class Drill:
    """One register under load on a pair."""

    def __init__(self, pair: Pair, world: World, numbers: list[str]) -> None:
        self.pair = pair
        self.world = world
        self.numbers = numbers
        self.history = History((number, 1, "valid") for number in numbers)
        self.acknowledged: list[tuple[float, str, int, str]] = []
        self.answered: list[float] = []
        self.unavailable: list[float] = []
        self.over = asyncio.Event()

    async def write(self, number: str, seed: int) -> None:
        """Suspend and reinstate for ever; a change whose outcome is unknown is asked for again."""
        dice, suspended = random.Random(seed), False
        while not self.over.is_set():
            move = Move.REINSTATE if suspended else Move.SUSPEND
            state = "valid" if suspended else "suspended"
            asked = [Change(number, move, REASON[move])]
            begun = self.history.now()
            try:
                origin = Origin("office", dt.datetime.now(dt.UTC), b"r" * 32)
                (done,) = await self.world.store.write(partial(change_status, asked, None, origin))
            except StoreFailed:
                self.history.wrote(number, begun, None, state)
                await asyncio.sleep(0.05)
                continue
            self.history.wrote(number, begun, done.revision, state)
            self.acknowledged.append((time.monotonic(), number, done.revision, state))
            suspended = not suspended
            await asyncio.sleep(dice.random() * 0.03)

    async def read(self, node: Lookup, seed: int) -> None:
        """Ask for ever."""
        dice = random.Random(seed)
        while not self.over.is_set():
            number = dice.choice(self.numbers)
            begun = self.history.now()
            try:
                reply = await node.by_number(number)
            except Unavailable:
                self.unavailable.append(time.monotonic())
                await asyncio.sleep(0.05)
                continue
            shown: dict[str, Any] = msgspec.json.decode(reply.answers[0])
            self.history.read(number, begun, shown["revision"], shown["verdict"], f"node {seed % 2}")
            self.answered.append(time.monotonic())
            await asyncio.sleep(dice.random() * 0.01)


@asynccontextmanager
async def open_drill(
    tmp_path: Path, fence: type[Fence] = Fence
) -> AsyncIterator[tuple[Drill, list[PostgresStore]]]:
    """A guarded pair, an office node that writes, two public nodes that are asked all the time."""
    async with open_pair() as pair:
        store = await open_postgres(pair.dsn, beat_s=BEAT_S)
        async with World.open(tmp_path, store=store) as world:
            numbers = [
                (await world.issuance.issue(world.skill, world.request(), f"k{i}", "test")).number
                for i in range(6)
            ]
            await guard(pair.dsn_a, LEASE_MS)
            readers = [await open_postgres(pair.dsn, read_only=True) for _ in range(2)]
            for reader in readers:
                reader._fence.__class__ = fence
            nodes = [
                Lookup(reader, data_keys=world.data_keys, near_cache_bytes=8 << 20, deadline_s=2.0)
                for reader in readers
            ]
            drill = Drill(pair, world, numbers)
            tasks = [asyncio.create_task(drill.write(number, i)) for i, number in enumerate(numbers)]
            tasks += [asyncio.create_task(drill.read(nodes[i % 2], i)) for i in range(8)]
            try:
                await asyncio.sleep(3)
                assert drill.answered and drill.acknowledged
                yield drill, readers
            finally:
                drill.over.set()
                await asyncio.gather(*tasks, return_exceptions=True)
                for node in nodes:
                    await node.close()
                for reader in readers:
                    await reader.close()


async def assert_nothing_lost(drill: Drill) -> None:
    """Every acknowledged change is in the new primary's ledger, and the chain is whole from its start."""
    rows = await run_sql(drill.pair.dsn_b, "select seq, number, body, hash from event order by seq")
    check_chain([Link(seq, body.encode(), digest) for seq, _, body, digest in rows])
    there = {(number, decode_event(body).data.get("revision")) for _, number, body, _ in rows if number}
    lost = [one for one in drill.acknowledged if (one[1], one[2]) not in there]
    assert lost == []


async def wait_for(condition: Any, limit: float = 40.0) -> None:
    async with asyncio.timeout(limit):
        while not condition():  # what is waited for happens in another process
            await asyncio.sleep(0.02)


async def test_a_killed_primary_is_replaced_and_not_believed_when_it_comes_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with open_drill(tmp_path) as (drill, _):
        await asyncio.to_thread(drill.pair.a.kill)
        killed = time.monotonic()
        promoting = asyncio.create_task(promote(drill.pair.dsn_b))
        await asyncio.sleep(1.0)
        await asyncio.to_thread(drill.pair.a.start)  # it takes connections, thinks that it is the primary
        promoted = await promoting
        alive = time.monotonic()
        assert [
            t for t in drill.answered if killed + 0.5 < t < alive - promoted.took_s + promoted.waited_s
        ] == []
        await wait_for(lambda: drill.acknowledged[-1][0] > alive and drill.answered[-1] > alive)
        read_again = min(t for t in drill.answered if t > killed + 0.5) - killed
        wrote_again = min(t for t, *_ in drill.acknowledged if t > killed + 0.5) - killed
        await asyncio.sleep(2)
        shown = {server.where.rsplit("/", 1)[-1]: server for server in await show_servers(drill.pair.dsn)}
        assert sorted(server.role for server in shown.values()) == ["primary", "primary"]
        drill.over.set()
        await asyncio.sleep(0.5)
        assert drill.history.violations() == []
        await assert_nothing_lost(drill)
    with capsys.disabled():
        print(
            f"\nfailover drill (killed): RPO 0 of {len(drill.acknowledged)} acknowledged changes,"
            f" {len(drill.answered)} reads none stale, {len(drill.unavailable)} unavailable;"
            f" RTO reads {read_again:.1f} s, writes {wrote_again:.1f} s, of which lease and margin {promoted.waited_s} s"
        )


async def test_a_primary_that_was_cut_off_alive_falls_silent_before_its_standby_speaks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with open_drill(tmp_path) as (drill, _):
        begun = time.monotonic()
        promoted = await promote(drill.pair.dsn_b)
        alive = time.monotonic()
        await wait_for(lambda: drill.acknowledged[-1][0] > alive and drill.answered[-1] > alive)
        read_again = min(t for t in drill.answered if t > alive) - begun
        wrote_again = min(t for t, *_ in drill.acknowledged if t > alive) - begun
        await asyncio.sleep(2)
        drill.over.set()
        await asyncio.sleep(0.5)
        assert drill.history.violations() == []
        await assert_nothing_lost(drill)
    with capsys.disabled():
        print(
            f"\nfailover drill (cut off alive): RPO 0 of {len(drill.acknowledged)}, {len(drill.answered)} reads none"
            f" stale; RTO reads {read_again:.1f} s, writes {wrote_again:.1f} s, of which lease and margin"
            f" {promoted.waited_s} s"
        )


class Believing(Fence):
    """Answers from whatever it is connected to."""

    def judge(self, guard: Guard, sent: float) -> None:
        self.guarded = guard.lease_ms > 0


@pytest.mark.long
async def test_the_drill_catches_nodes_that_go_on_believing_the_old_primary(tmp_path: Path) -> None:
    async with open_drill(tmp_path, Believing) as (drill, _):
        await promote(drill.pair.dsn_b)
        alive = time.monotonic()
        await wait_for(lambda: sum(1 for t, *_ in drill.acknowledged if t > alive) > 20)
        await asyncio.sleep(1)
        drill.over.set()
        await asyncio.sleep(0.5)
        assert drill.history.violations()
