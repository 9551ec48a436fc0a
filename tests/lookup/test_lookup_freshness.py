"""Cached and never stale: concurrent readers and writers, judged; and mutants that the same judge must catch."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from lookup_desk import Desk, Slow, open_desk, read_answer, seeded

from history import History
from verify.certificate.status import Move
from verify.errors import Unavailable
from verify.lookup.near import Near
from verify.lookup.scan import Lookup
from verify.lookup.waiting import Read, Rest, Waiting
from verify.store.sqlite import SqliteStore

SUBJECTS = 6
READERS = 24
READS = int(os.environ.get("LOOKUP_READS", "40"))
"""Of each reader; 42000 make a million."""


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path, SUBJECTS) as desk:
        yield desk


async def run_history(
    desk: Desk, nodes: list[Lookup], seed: int, committed: Callable[[str], None]
) -> History:
    """Suspend and reinstate at random while readers ask in three ways; returns what they saw."""
    numbers = [seeded(index).number for index in range(SUBJECTS)]
    standing = {number: await desk.certificate(number) for number in numbers}
    history = History((n, one.revision, one.status.value) for n, one in standing.items())
    over = asyncio.Event()

    async def writer(dice: random.Random, index: int) -> None:
        number = numbers[index]
        suspended = standing[number].status == "suspended"
        while not over.is_set():
            begun = history.now()
            move = Move.REINSTATE if suspended else Move.SUSPEND
            revision = await desk.change(number, move)
            committed(number)
            suspended = not suspended
            history.wrote(number, begun, revision, "suspended" if suspended else "valid")
            await asyncio.sleep(dice.random() * 0.004)

    async def reader(dice: random.Random) -> None:
        for _ in range(READS):
            one = seeded(dice.randrange(SUBJECTS))
            node = dice.choice(nodes)
            way = dice.randrange(4)
            begun = history.now()
            if way == 0:
                reply = await node.by_number_and_name(one.number, one.holder.name)
            elif way == 1:
                reply = await node.by_scan_code(one.scan_code)
            else:
                reply = await node.by_number(one.number)
            shown = read_answer(reply.answers[0])
            history.read(one.number, begun, shown["revision"], shown["verdict"])
            if dice.random() < 0.3:
                await asyncio.sleep(dice.random() * 0.002)

    writing = [asyncio.create_task(writer(random.Random(seed * 100 + i), i)) for i in range(SUBJECTS)]
    await asyncio.gather(*(reader(random.Random(seed * 1000 + i)) for i in range(READERS)))
    over.set()
    await asyncio.gather(*writing)
    return history


def nothing(number: str) -> None:
    """What a writer tells the caches: nothing."""


async def test_no_read_is_stale_on_the_embedded_engine(desk: Desk) -> None:
    history = await run_history(desk, [desk.lookup()], 1, nothing)
    assert len(history.reads) == READERS * READS
    assert history.violations() == []


async def test_no_read_is_stale_on_two_nodes_whose_reads_suspend_and_overlap(desk: Desk) -> None:
    other = SqliteStore(desk.path, read_only=True)
    nodes = [desk.lookup(Slow(desk.store, 1)), desk.lookup(Slow(other, 2))]
    history = await run_history(desk, nodes, 2, nothing)
    assert history.violations() == []
    assert sum(node.figures.near for node in nodes) > 100
    await other.close()


async def test_no_read_is_stale_when_the_near_cache_is_too_small_for_anything(desk: Desk) -> None:
    history = await run_history(desk, [desk.lookup(Slow(desk.store, 3), near_cache_bytes=1)], 3, nothing)
    assert history.violations() == []


async def test_an_asker_who_gives_up_takes_nothing_from_those_who_wait_beside_him(desk: Desk) -> None:
    node = desk.lookup(Slow(desk.store, 5))
    one = seeded(1)
    asked = [asyncio.create_task(node.by_number(one.number)) for _ in range(3)]
    asked += [asyncio.create_task(node.by_scan_code(one.scan_code)) for _ in range(3)]
    await asyncio.sleep(0)
    asked[0].cancel()
    asked[3].cancel()
    replies = await asyncio.gather(*asked, return_exceptions=True)
    assert [isinstance(reply, asyncio.CancelledError) for reply in replies] == [True, False, False] * 2


async def test_closing_tells_those_who_wait(desk: Desk) -> None:
    node = desk.lookup(Slow(desk.store, 6, scale_s=60))
    asked = asyncio.create_task(node.by_number(seeded(1).number))
    await asyncio.sleep(0.01)
    await node.close()
    with pytest.raises(Unavailable):
        await asked


# --- mutants --------------------------------------------------------------------------------------------


class CacheAside(Lookup):
    """Looks once; afterwards the writer drops what it changed, and what is in memory counts as true."""

    def _look(self, waiting: Waiting) -> Generator[Read, Any, Rest | None]:
        steps = super()._look(waiting)
        read = next(steps)
        if self._window.seq is not None and not waiting.asks:
            rest = Rest(0, "2026-11-21T00:00:00.000Z", self._window.seq, self._history or "")
            self._answer_numbers(waiting.numbers, rest)
            return rest if rest.numbers else None
        try:
            steps.send((yield read))
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        raise AssertionError

    def forget(self, number: str) -> None:
        self._numbers.drop(number, 1 << 60)
        self._full.drop(number, 1 << 60)


class JoinInFlight(Lookup):
    """Requests join the look that is already sent: fewer reads, and the past for an answer."""

    def _look(self, waiting: Waiting) -> Generator[Read, Any, Rest | None]:
        steps = super()._look(waiting)
        result = yield next(steps)
        waiting.numbers += self._waiting.numbers
        self._waiting.numbers.clear()
        try:
            steps.send(result)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        raise AssertionError


class NoGuard(Lookup):
    """Whatever was read is kept, however late it comes."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._numbers = Near(1 << 20, self._window, admits=lambda number, seq: True)
        self._full = Near(1 << 20, self._window, admits=lambda number, seq: True)


class TimeToLive(Lookup):
    """Looks only at every fifth flush; in between, what is in memory is young enough."""

    flushes = 0

    def _look(self, waiting: Waiting) -> Generator[Read, Any, Rest | None]:
        self.flushes += 1
        if self.flushes % 5 == 1 or waiting.asks:
            return (yield from super()._look(waiting))
        rest = Rest(0, "2026-11-21T00:00:00.000Z", self._window.seq or 0, self._history or "")
        self._answer_numbers(waiting.numbers, rest)
        return rest if rest.numbers else None


@pytest.mark.parametrize("mutant", [CacheAside, JoinInFlight, NoGuard, TimeToLive])
async def test_the_judge_catches_every_known_bad_variant(desk: Desk, mutant: type[Lookup]) -> None:
    for seed in range(12):
        node = desk.lookup(Slow(desk.store, seed), mutant)
        told = node.forget if isinstance(node, CacheAside) else nothing
        if (await run_history(desk, [node], seed, told)).violations():
            return
    raise AssertionError(f"{mutant.__name__} was not caught")
