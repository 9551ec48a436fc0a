"""Callers that come together travel together, alone they wait for nobody, and one that goes away stops no other."""

import asyncio
from collections.abc import Sequence

import pytest

from verify.errors import Conflict
from verify.store.gather import Gather


class Road:
    """Carries loads when it is told to, and remembers them."""

    def __init__(self, *, at_once: bool) -> None:
        self.loads: list[list[int]] = []
        self.open = asyncio.Event()
        self.gather: Gather[str, int, int] = Gather(self._carry, limit=10, at_once=at_once)

    async def _carry(self, _: str, items: Sequence[int]) -> list[int | Exception]:
        self.loads.append(list(items))
        await self.open.wait()
        return [Conflict() if item == 13 else 10 * item for item in items]

    def put(self, item: int) -> "asyncio.Task[int]":
        return asyncio.create_task(self.gather.put("g", item))


@pytest.mark.parametrize("at_once", [False, True])
async def test_who_comes_while_a_load_is_under_way_travels_in_the_next_in_loads_of_the_limit(
    at_once: bool,
) -> None:
    road = Road(at_once=at_once)
    first = road.put(0)
    await asyncio.sleep(0.01)
    rest = [road.put(n) for n in range(1, 24)]
    await asyncio.sleep(0.01)
    assert road.loads == [[0]]
    road.open.set()
    answers = await asyncio.gather(first, *rest, return_exceptions=True)
    assert [len(load) for load in road.loads] == [1, 10, 10, 3]
    assert [a for a in answers if not isinstance(a, Conflict)] == [10 * n for n in range(24) if n != 13]
    assert isinstance(answers[13], Conflict)


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_caller_who_goes_away_stops_nobody(at_once: bool) -> None:
    road = Road(at_once=at_once)
    first = road.put(0)
    await asyncio.sleep(0.01)
    second, third = road.put(1), road.put(2)
    await asyncio.sleep(0.01)
    first.cancel()
    second.cancel()
    road.open.set()
    assert await third == 20
    assert await road.put(3) == 30


async def test_at_once_means_without_a_turn_of_the_loop() -> None:
    async def carry(_: str, items: Sequence[int]) -> list[int | Exception]:
        return list(items)

    gather: Gather[str, int, int] = Gather(carry, limit=10, at_once=True)
    going = gather.put("g", 7)
    with pytest.raises(StopIteration) as end:
        going.send(None)
    assert end.value.value == 7
