"""Budgets that nodes share: the sum holds, one node may use more than its share, and nobody waits for Redis."""

import asyncio

import pytest
from lookup_desk import KEYS
from redis_servers import Server
from test_lookup_link import connected, kind, needs_redis, server, until

from verify.lookup.budget import Budgets
from verify.lookup.link import Link
from verify.lookup.pool import NOTHING, Grant, Pool, _read

__all__ = ["kind", "needs_redis", "server"]

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # servers are killed under clients

ID_NUMBER = "990101199003070015"


class Clock:
    """A worker's clock that stands still, so that no share refills during a test."""

    def __call__(self) -> float:
        return 1000.0


class Worker:
    """One process with budgets of its own over one Redis."""

    def __init__(self, link: Link, workers: int, per_source: int = 600, per_target: int = 0) -> None:
        self.link = link
        self.pool = Pool(link, KEYS)
        self.budgets = Budgets(
            per_source=per_source, per_target=per_target, workers=workers, pool=self.pool, clock=Clock()
        )
        self.granted = 0

    async def use(self, tries: int, source: str = "192.0.2.7", target: str | None = None) -> None:
        """Ask so often, as fast as it is decided."""
        for _ in range(tries):
            self.granted += self.budgets.spend(source, target).allowed
            if self.pool._taking is not None:
                await asyncio.sleep(0)

    async def settled(self) -> None:
        """Redis has answered what it was asked."""
        await until(lambda: self.pool._taking is None)

    async def close(self) -> None:
        await self.pool.close()
        await self.link.close()


async def workers(url: str, count: int, **budgets: int) -> list[Worker]:
    return [Worker(await connected(url), count, **budgets) for _ in range(count)]


async def exhaust(all_of_them: list[Worker], rounds: int = 60) -> int:
    for _ in range(rounds):
        for one in all_of_them:
            await one.use(15)
            await one.settled()
    return sum(one.granted for one in all_of_them)


async def test_two_workers_together_grant_the_budget_and_no_more(server: Server) -> None:
    pair = await workers(server.url, 2)
    loop = asyncio.get_running_loop()
    began = loop.time()
    granted = await exhaust(pair)
    refilled = 300 * (loop.time() - began) / 60
    assert 540 <= granted <= 600 + refilled + 1
    for one in pair:
        await one.close()


async def test_one_worker_alone_may_use_its_share_and_all_that_is_shared(server: Server) -> None:
    first, second = await workers(server.url, 2)
    assert 420 <= await exhaust([first]) <= 460
    await second.use(300)
    await second.settled()
    assert second.granted <= 160
    for one in (first, second):
        await one.close()


async def test_without_redis_each_worker_grants_its_share_of_half_and_nobody_waits(server: Server) -> None:
    server.kill()
    link = Link(server.url)
    link.start()
    all_of_them = [Worker(link, 4) for _ in range(4)]
    for one in all_of_them:
        for _ in range(600):
            one.granted += one.budgets.spend("192.0.2.7").allowed
    assert [one.granted for one in all_of_them] == [75] * 4
    for one in all_of_them:
        await one.close()
    server.start()


async def test_a_redis_that_stops_answering_costs_no_more_than_what_it_held(server: Server) -> None:
    (one,) = await workers(server.url, 1)
    await one.use(200)
    await one.settled()
    server.kill()
    for _ in range(20):
        await one.use(100)
        await one.settled()
    assert 300 <= one.granted <= 600
    server.start()
    await until(lambda: one.link.up)
    await one.close()


async def test_misses_are_paid_from_what_is_leased_too(server: Server) -> None:
    (one,) = await workers(server.url, 1)
    answered = 0
    for _ in range(1000):
        answered += one.budgets.spend("walker").allowed
        one.budgets.missed("walker")
        await one.settled()
    assert answered <= 600 // 5 + 10
    await one.close()


async def test_targets_are_counted_across_workers_and_sources(server: Server) -> None:
    pair = await workers(server.url, 2, per_source=0, per_target=60)
    for turn in range(100):
        for place, one in enumerate(pair):
            await one.use(1, source=f"192.0.2.{turn}{place}", target=ID_NUMBER)
            await one.settled()
    assert 50 <= sum(one.granted for one in pair) <= 62
    for one in pair:
        await one.close()


async def test_nothing_in_redis_tells_who_asked_or_about_whom(server: Server) -> None:
    (one,) = await workers(server.url, 1, per_source=60, per_target=60)
    for _ in range(60):
        await one.use(1, source="192.0.2.7", target=ID_NUMBER)
        await one.settled()
    held = b"\n".join(server.dump())
    assert held.count(b"verify:b:") == 2
    for secret in (b"192.0.2.7", ID_NUMBER.encode(), bytes([192, 0, 2, 7])):
        assert secret not in held
    await one.close()


async def test_what_redis_forgets_or_makes_up_is_bounded(server: Server) -> None:
    (one,) = await workers(server.url, 1)
    await one.use(400)
    await one.settled()
    with server.client as client:
        for key in client.keys("*"):  # type: ignore[union-attr]
            client.set(key, b"no number")
    assert await exhaust([one], 80) <= 600 + 300 + 60
    with server.client as client:
        for key in client.keys("*"):  # type: ignore[union-attr]
            client.set(key, b"99999999999999999999")
    before = one.granted
    await exhaust([one], 10)
    assert one.granted - before <= 60
    await one.close()


def test_a_grant_that_cannot_be_one_is_none() -> None:
    for lie in (None, 7, [], [8, 0], [-1, 3], [2, -1], ["2", 0], [1, 2, 3], b"xx", [1.5, 2]):
        assert _read(lie, 7) == NOTHING
    assert _read([7, 12], 7) == Grant(7, 12)


def test_without_a_pool_each_worker_grants_its_part() -> None:
    alone = Budgets(per_source=600, per_target=0, workers=4, clock=Clock())
    assert sum(alone.spend("a").allowed for _ in range(600)) == 150
    tiny = Budgets(per_source=1, per_target=0, workers=4, clock=Clock())
    assert sum(tiny.spend("a").allowed for _ in range(9)) == 1
