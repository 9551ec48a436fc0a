"""Callers that come at the same time travel together; one who comes alone does not wait for company."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

G = TypeVar("G", bound=Hashable)
T = TypeVar("T")
R = TypeVar("R")


class Gather(Generic[G, T, R]):
    """While one load is on its way, the next collects; it leaves the moment the road is free.

    Items of one group travel in one call of `carry`, which answers each in order. A caller who goes away
    stops nothing: what has left arrives.
    """

    def __init__(
        self,
        carry: Callable[[G, Sequence[T]], Awaitable[Sequence[R | Exception]]],
        *,
        limit: int,
        at_once: bool = False,
    ) -> None:
        """`limit` is the largest load of one group.

        `at_once`: who finds the road free carries the own item, without a turn of the event loop in between, and
        ends it by going away. For reads: on a saturated loop each turn costs milliseconds.
        """
        self._carry = carry
        self._limit = limit
        self._at_once = at_once
        self._led: set[G] = set()
        self._waiting: dict[G, list[tuple[T, asyncio.Future[R]]]] = {}
        self._drivers: dict[G, asyncio.Task[None]] = {}

    async def put(self, group: G, item: T) -> R:
        """Travel with the next load. Raises what `carry` answers or raises."""
        if self._at_once and group not in self._led and group not in self._drivers:
            return await self._lead(group, item)
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(group, []).append((item, future))
        if group not in self._drivers and group not in self._led:
            self._drivers[group] = asyncio.create_task(self._drive(group))
        return await future

    async def _lead(self, group: G, item: T) -> R:
        """Go first and alone; whoever comes meanwhile follows together."""
        self._led.add(group)
        try:
            (answer,) = await self._carry(group, [item])
        finally:
            self._led.discard(group)
            if group in self._waiting:
                self._drivers[group] = asyncio.create_task(self._drive(group))
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _drive(self, group: G) -> None:
        """Send the loads of one group one after the other; no group waits for another."""
        try:
            while load := self._waiting.pop(group, None):
                for at in range(0, len(load), self._limit):
                    await self._deliver(group, load[at : at + self._limit])
        finally:
            del self._drivers[group]

    async def _deliver(self, group: G, load: Sequence[tuple[T, asyncio.Future[R]]]) -> None:
        answers: Sequence[R | Exception]
        try:
            answers = await self._carry(group, [item for item, _ in load])
        except Exception as error:  # whatever it is belongs to the callers, not to this task
            answers = [error] * len(load)
        for (_, future), answer in zip(load, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
