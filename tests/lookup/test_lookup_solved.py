"""Solutions that processes share through a real Redis: one counts once among all; without Redis once in each."""

import asyncio
import signal

import pytest
from lookup_desk import KEYS
from redis_servers import Server, cluster, liar
from test_lookup_challenge import Clock, sign, solve
from test_lookup_link import connected, kind, needs_redis, server, until

from verify.lookup import challenge as rules
from verify.lookup.challenge import LIFE_S, Challenges
from verify.lookup.link import Link
from verify.lookup.solved import Solved

__all__ = ["kind", "needs_redis", "server"]

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # servers are killed under clients


@pytest.fixture(autouse=True)
def _easy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "BASE", 40)


class Node:
    """One process: challenges of its own over one Redis."""

    def __init__(self, link: Link, clock: Clock) -> None:
        self.link = link
        self.desk = Challenges(sign, now=clock, claim=Solved(link, KEYS).claim)


async def nodes(url: str, count: int) -> list[Node]:
    clock = Clock()
    return [Node(await connected(url), clock) for _ in range(count)]


async def passes(all_of_them: list[Node], solution: str, each: int = 1) -> int:
    """How often it is taken when everybody comes with it at the same moment."""
    tries = [node.desk.take(solution, "1.2.3.4", "a") for node in all_of_them for _ in range(each)]
    return sum(await asyncio.gather(*tries))


@needs_redis
async def test_a_solution_counts_once_among_all_nodes_and_leaves_with_its_time(server: Server) -> None:
    crowd = await nodes(server.url, 4)
    for _ in range(8):
        solution = solve(crowd[0].desk.give("1.2.3.4", "a"))
        assert await passes(crowd, solution, each=3) == 1
        assert await passes(crowd, solution) == 0
    with server.client as client:
        lives = [client.pttl(key) for key in client.keys("verify:s:*")]
        assert len(lives) == 8 and all(0 < one <= LIFE_S * 1000 for one in lives)
        assert not [one for one in server.dump() if b"1.2.3.4" in one]
    for node in crowd:
        await node.link.close()


@needs_redis
async def test_without_redis_it_counts_once_in_each_process_and_nobody_waits(server: Server) -> None:
    crowd = await nodes(server.url, 2)
    server.kill(signal.SIGKILL)
    solution = solve(crowd[0].desk.give("1.2.3.4", "a"))
    assert await passes(crowd, solution, each=3) == 2
    assert await passes(crowd, solution) == 0
    server.start()
    await until(lambda: all(node.link.up for node in crowd))
    assert await passes(crowd, solve(crowd[0].desk.give("1.2.3.4", "a"))) == 1
    for node in crowd:
        await node.link.close()


@needs_redis
async def test_a_redis_that_forgot_gives_no_process_a_second_pass(server: Server) -> None:
    crowd = await nodes(server.url, 2)
    solution = solve(crowd[0].desk.give("1.2.3.4", "a"))
    assert await passes(crowd[:1], solution) == 1
    with server.client as client:
        client.flushall()
    assert await passes(crowd[:1], solution) == 0
    assert await passes(crowd, solution) == 1
    for node in crowd:
        await node.link.close()


@needs_redis
async def test_a_redis_that_is_full_counts_as_none(server: Server) -> None:
    crowd = await nodes(server.url, 2)
    with server.client as client:
        client.config_set("maxmemory", "1")
    assert await passes(crowd, solve(crowd[0].desk.give("1.2.3.4", "a"))) == 2
    for node in crowd:
        await node.link.close()


@needs_redis
async def test_a_cluster_does_it_too(kind: str) -> None:
    with cluster(kind) as ports:
        crowd = await nodes(f"redis+cluster://127.0.0.1:{ports[0]}", 2)
        for _ in range(6):
            assert await passes(crowd, solve(crowd[0].desk.give("1.2.3.4", "a")), each=2) == 1
        for node in crowd:
            await node.link.close()


@pytest.mark.parametrize("reply", [None, b"*1\r\n$1\r\nx\r\n", b"*1\r\n*0\r\n", b"+OK\r\n", b"rubbish"])
async def test_what_a_liar_says_takes_no_pass_away_unless_it_says_no(reply: bytes | None) -> None:
    async with liar(reply) as url:
        link = Link(url)
        link.start()
        solved = Solved(link, KEYS)
        assert await solved.claim("ab", LIFE_S) is None
        await link.close()
