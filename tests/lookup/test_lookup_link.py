"""The link to Redis: whatever is at the other end, callers get an answer or nothing, and never an error."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
import redis_servers
from redis_servers import Server

from verify.lookup.link import AT_ONCE, Link, place_key, script

ECHO = script(
    "local told = {} for i, key in ipairs(KEYS) do told[i] = key .. ARGV[1] .. ARGV[i + 1] end return told"
)
KEYS = [place_key(b"t", bytes([index % 256, index // 256])) for index in range(AT_ONCE + 300)]

needs_redis = pytest.mark.skipif(
    redis_servers.program("redis") is None, reason="apt-get install redis-server"
)


@pytest.fixture(params=[pytest.param("redis", marks=needs_redis), "valkey"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(kind: str) -> Iterator[Server]:
    with redis_servers.server(kind) as running:
        yield running


async def until(held: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not held():
            await asyncio.sleep(0.01)


async def connected(url: str, timeout_s: float = 5.0) -> Link:
    """A link that is up, patient because the machine is shared."""
    link = Link(url, timeout_s=timeout_s)
    link.start()
    await until(lambda: link.up)
    return link


async def check_all(link: Link) -> None:
    """Values and scripts come back under their own keys, many at a time."""
    own = {key: (b"%d" % index,) for index, key in enumerate(KEYS)}
    told = await link.run(ECHO, KEYS, (b"/",), own)
    assert told == {key: b"%b/%d" % (key, index) for index, key in enumerate(KEYS)}
    assert await link.get_many(KEYS) == [None] * len(KEYS)
    store = script("for i, key in ipairs(KEYS) do redis.call('SET', key, ARGV[i]) end return KEYS")
    await link.run(store, KEYS, (), own)
    assert await link.get_many(KEYS) == [own[key][0] for key in KEYS]
    assert link.figures.failures == 0


async def test_values_and_scripts_travel_in_batches(server: Server) -> None:
    link = await connected(server.url)
    await check_all(link)
    await link.close()


@pytest.mark.parametrize("scheme", ["redis+cluster", "redis"])
async def test_a_cluster_of_three_masters_serves_as_one(kind: str, scheme: str) -> None:
    with redis_servers.cluster(kind) as ports:
        link = await connected(f"{scheme}://127.0.0.1:{ports[0]}")
        await check_all(link)
        held = [redis_servers.Redis(port=port, protocol=2) for port in ports]
        counts = [int(client.dbsize()) for client in held]
        assert sum(counts) == len(KEYS)
        assert min(counts) > len(KEYS) // 6
        for client in held:
            client.close()
        await link.close()


async def test_a_server_that_is_missing_at_start_is_found_when_it_comes(server: Server) -> None:
    server.kill()
    link = Link(server.url)
    link.start()
    await asyncio.sleep(0.05)
    assert not link.up
    assert await link.get_many(KEYS[:2]) == [None, None]
    server.start()
    await until(lambda: link.up)
    await link.close()


async def test_a_killed_server_takes_the_link_down_and_a_restarted_one_up(server: Server) -> None:
    link = await connected(server.url)
    server.kill()
    for _ in range(5):
        assert await link.get_many(KEYS[:1]) == [None]
    assert not link.up
    assert await link.run(ECHO, KEYS[:1], (b"",), {KEYS[0]: (b"",)}) == {}
    server.start()
    await until(lambda: link.up)
    await link.close()


async def test_a_paused_server_costs_a_few_time_outs_and_then_nothing(server: Server) -> None:
    link = await connected(server.url, timeout_s=0.02)
    with server.client as client:
        client.execute_command("CLIENT PAUSE", 2000, "ALL")
    for _ in range(200):
        assert await link.get_many(KEYS[:1]) == [None]
    assert not link.up
    assert link.figures.calls <= 10
    await until(lambda: link.up)
    await link.close()


GARBAGE = {
    "nothing": None,
    "no protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "random": bytes(range(256)) * 20,
    "an endless string": b"$9999999999\r\nabc",
    "a deep nest": b"*1\r\n" * 5000,
    "a wrong type": b"+OK\r\n",
    "an error": b"-ERR no\r\n",
    "another script error": b"-NOSCRIPT no\r\n",
    "a number": b":7\r\n",
    "too many": b"*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n",
    "a map": b"%1\r\n+a\r\n+b\r\n",
}


@pytest.mark.parametrize("what", GARBAGE)
async def test_a_liar_gets_no_word_in(what: str) -> None:
    async with redis_servers.liar(GARBAGE[what]) as url:
        link = Link(url)
        link.start()
        await asyncio.sleep(0.05)
        assert not link.up
        # Even if it had been believed once: the same bytes to every question.
        link._client = link._make()
        for _ in range(6):
            assert await link.get_many(KEYS[:1]) == [None]
            link._client = link._client or link._make()
            assert await link.run(ECHO, KEYS[:1], (b"",), {KEYS[0]: (b"",)}) == {}
            link._client = link._client or link._make()
        await link.close()


async def test_a_wrong_address_is_only_a_link_that_stays_down() -> None:
    for url in ("redis://127.0.0.1:1", "unix:///nowhere/s", "redis+cluster://127.0.0.1:1"):
        link = Link(url)
        link.start()
        await asyncio.sleep(0.02)
        assert not link.up
        await link.close()
