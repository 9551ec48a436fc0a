"""What goes wrong, and when. Each schedule harms the cluster for about `span_s` seconds and leaves it whole again."""

import asyncio
import contextlib
import datetime as dt
import json
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
from faults_cluster import Cluster
from faults_machine import Node, wait_until

DAYS = {"+0": 0, "+1d": 1, "-1d": -1}
STOPS_S = 15.0
"""A node that takes longer to stop did not stop by itself: its master waits 20 s and kills it."""
ENDS = (0, -signal.SIGTERM)
"""A server of one worker ends by the signal it was sent, once everything is done; a parent of several with 0."""
Schedule = Callable[[Cluster, random.Random, float], Awaitable[None]]

FAKETIME = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


async def nothing(cluster: Cluster, dice: random.Random, span_s: float) -> None:
    """No fault: what the others are held against."""
    await asyncio.sleep(span_s)


async def stop_nodes(cluster: Cluster, dice: random.Random, span_s: float) -> None:
    """SIGSTOP and SIGCONT: a node that sleeps and wakes with the past in its memory."""
    end = time.monotonic() + span_s
    while time.monotonic() < end:
        node = dice.choice(cluster.nodes)
        node.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(dice.uniform(0.1, 1.3))
        finally:
            node.signal(signal.SIGCONT)
        await asyncio.sleep(dice.uniform(0.05, 0.2))


async def kill_nodes(cluster: Cluster, dice: random.Random, span_s: float) -> None:
    """SIGKILL to a whole node, started again at once."""
    end = time.monotonic() + span_s
    nodes = dice.sample(cluster.nodes, len(cluster.nodes))
    while time.monotonic() < end:
        node = nodes[0]
        nodes = nodes[1:] + nodes[:1]
        await asyncio.sleep(dice.uniform(0.1, 0.6))
        await asyncio.to_thread(node.kill)
        await asyncio.to_thread(cluster.start, node)


async def roll_nodes(cluster: Cluster, dice: random.Random, span_s: float) -> None:
    """SIGTERM under traffic, as an update does: what is under way is answered, and the node goes by itself."""
    end = time.monotonic() + span_s
    for node in dice.sample(cluster.nodes, len(cluster.nodes)):
        await asyncio.sleep(dice.uniform(0.1, 0.3))
        began = time.monotonic()
        code = await asyncio.to_thread(node.end)
        took = time.monotonic() - began
        await asyncio.to_thread(cluster.start, node)
        assert code in ENDS and took < STOPS_S, f"{node.name} ended with {code} after {took:.1f} s"
        if time.monotonic() > end:
            return


async def kill_workers(cluster: Cluster, dice: random.Random, span_s: float) -> None:
    """SIGKILL to one worker of several, in the middle of its writes; its master starts another.

    A master whose worker dies twice within seconds gives up: the service manager's part is done here then.
    """
    end = time.monotonic() + span_s
    while time.monotonic() < end:
        await asyncio.sleep(dice.uniform(0.2, 0.6))
        node = dice.choice(cluster.nodes)
        workers = node.workers()
        if workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(dice.choice(workers), signal.SIGKILL)
        await asyncio.to_thread(_wait_or_start, node)


def _wait_or_start(node: Node) -> None:
    try:
        node.wait_ready()
    except AssertionError:
        if node.is_running():
            raise
        node.start()
        node.wait_ready()


async def kill_postgres(cluster: Cluster, dice: random.Random, span_s: float) -> None:
    """SIGKILL to PostgreSQL and all its children; it recovers from its log."""
    assert cluster.postgres is not None
    end = time.monotonic() + span_s
    while time.monotonic() < end:
        await asyncio.sleep(dice.uniform(0.2, 0.6))
        await asyncio.to_thread(cluster.postgres.kill)
        await asyncio.sleep(dice.uniform(0.0, 0.5))
        await asyncio.to_thread(cluster.postgres.start)


async def terminate_backends(cluster: Cluster, dice: random.Random, span_s: float) -> None:
    """`pg_terminate_backend` for every connection of every node, again and again."""
    assert cluster.postgres is not None
    admin = await asyncpg.connect(cluster.postgres.dsn)
    end = time.monotonic() + span_s
    try:
        while time.monotonic() < end:
            query = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'verify'"
            await admin.execute(query)
            await asyncio.sleep(dice.uniform(0.02, 0.15))
    finally:
        await admin.close()


async def harm_redis(cluster: Cluster, dice: random.Random, span_s: float) -> None:
    """Redis paused, emptied, killed and started again."""
    redis = cluster.redis
    assert redis is not None
    end = time.monotonic() + span_s
    while time.monotonic() < end:
        match dice.randrange(3):
            case 0:
                await asyncio.to_thread(
                    redis.command, "CLIENT", "PAUSE", str(dice.randrange(100, 900)), "ALL"
                )
                await asyncio.sleep(0.5)
            case 1:
                with contextlib.suppress(OSError):  # it may still be paused
                    await asyncio.to_thread(redis.command, "FLUSHALL")
            case _:
                await asyncio.to_thread(redis.kill)
                await asyncio.sleep(dice.uniform(0.0, 0.4))
                await asyncio.to_thread(redis.start)
        await asyncio.sleep(dice.uniform(0.02, 0.2))


async def slow_clients(cluster: Cluster, dice: random.Random, span_s: float) -> None:
    """Hundreds of connections that send a byte now and then, and a crowd that asks for one certificate."""
    stopping = asyncio.Event()
    hot = cluster.seeded[0].number
    slow = [asyncio.ensure_future(_dribble(dice.choice(cluster.nodes), stopping)) for _ in range(150)]
    crowd = [asyncio.ensure_future(_ask_for(dice.choice(cluster.nodes), hot, stopping)) for _ in range(60)]
    try:
        await asyncio.sleep(span_s)
    finally:
        stopping.set()
        await asyncio.gather(*slow, *crowd)


async def _dribble(node: Node, stopping: asyncio.Event) -> None:
    """Half a header, byte by byte."""
    with contextlib.suppress(OSError):
        _, writer = await asyncio.open_connection(node.host, node.port)
        for byte in (
            b"POST /api/v1/lookups HTTP/1.1\r\nhost: a\r\ncontent-length: 65536\r\nx-slow: " + b"a" * 10_000
        ):
            if stopping.is_set():
                break
            writer.write(bytes([byte]))
            await asyncio.sleep(0.1)
        writer.transport.abort()


async def _ask_for(node: Node, number: str, stopping: asyncio.Event) -> None:
    """One of a crowd; whatever it is told must be an answer. It is judged by the readers' history beside it."""
    with contextlib.suppress(OSError):
        reader, writer = await asyncio.open_connection(node.host, node.port)
        request = f"GET /api/v1/certificates/{number} HTTP/1.1\r\nhost: a\r\n\r\n".encode()
        while not stopping.is_set():
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            body = await reader.readexactly(int(length.split(b":")[1]))
            assert head[9:12] == b"200" and number.encode() in body, (head, body)
            await asyncio.sleep(0.02)
        writer.transport.abort()


async def jump_clocks(cluster: Cluster, dice: random.Random, span_s: float) -> None:
    """The wall clocks of two nodes jump a day forward and a day back, on their own.

    Beside them stands a suspension that ends in half a day: it is the one verdict that may follow the clock,
    and it must follow it back, also out of every cache.
    """
    assert FAKETIME, "apt-get install faketime"
    jumping = cluster.nodes[1:]
    for node in jumping:
        await asyncio.to_thread(node.end)
        set_clock(cluster, node, "+0")
        await asyncio.to_thread(
            cluster.start, node, LD_PRELOAD=str(FAKETIME[-1]), FAKETIME_TIMESTAMP_FILE=str(_clock(cluster, node)),
            FAKETIME_CACHE_DURATION="1", FAKETIME_DONT_FAKE_MONOTONIC="1",
        )  # fmt: skip
    await asyncio.to_thread(_suspend_for_half_a_day, cluster)
    for jump, verdict in (
        ("+0", "suspended"),
        ("+1d", "valid"),
        ("-1d", "suspended"),
        ("+1d", "valid"),
        ("+0", "suspended"),
    ):
        for node in jumping:
            set_clock(cluster, node, jump)
        for node in jumping:
            await asyncio.to_thread(_wait_for_clock, cluster, node, DAYS[jump])
        for node in cluster.nodes:
            expected = verdict if node in jumping else "suspended"
            await asyncio.to_thread(_assert_aside, cluster, node, expected, jump)
        await asyncio.sleep(span_s / 5)
    for node in jumping:
        await asyncio.to_thread(node.kill)
        await asyncio.to_thread(cluster.start, node)


def _suspend_for_half_a_day(cluster: Cluster) -> None:
    assert cluster.aside is not None
    until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=12)
    body = {"reason": "UNDER_REVIEW", "until": until.isoformat()}
    path = f"/api/v1/certificates/{cluster.aside.number}/suspension"
    status, told = cluster.nodes[0].post(path, body, cluster.operator_key)
    assert status == 200, told


def _wait_for_clock(cluster: Cluster, node: Node, days: int) -> None:
    """Until the node's answers carry the time to which its clock was set."""

    def has_jumped() -> bool:
        told = json.loads(node.get(f"/api/v1/certificates/{cluster.seeded[0].number}")[1])
        at = (
            dt.datetime.fromisoformat(told["as_of"])
            if "as_of" in told
            else dt.datetime.min.replace(tzinfo=dt.UTC)
        )
        return abs(at - dt.datetime.now(dt.UTC) - dt.timedelta(days=days)) < dt.timedelta(hours=1)

    wait_until(has_jumped, f"the clock of {node.name} did not jump", 15)


def _assert_aside(cluster: Cluster, node: Node, verdict: str, jump: str) -> None:
    """By number and by scan code, twice each: from the register, and from memory."""
    assert cluster.aside is not None
    for path in (f"/api/v1/certificates/{cluster.aside.number}", f"/V/{cluster.aside.scan_code}") * 2:
        status, body = node.get(path)
        told = json.loads(body)
        assert (status, told["verdict"]) == (200, verdict), (node.name, jump, path[:4], status, told)


def set_clock(cluster: Cluster, node: Node, offset: str) -> None:
    """Takes effect within a second; the file is exchanged as a whole."""
    draft = _clock(cluster, node).with_suffix(".draft")
    draft.write_text(offset)
    draft.replace(_clock(cluster, node))


def _clock(cluster: Cluster, node: Node) -> Path:
    return cluster.folder / f"{node.name}.clock"


NETWORKED: tuple[Schedule, ...] = (
    nothing, stop_nodes, terminate_backends, harm_redis, slow_clients, kill_postgres, kill_nodes,
    roll_nodes, jump_clocks,
)  # fmt: skip
"""In this order: a node that lives through the first five shows whether anything is left behind."""
EMBEDDED: tuple[Schedule, ...] = (nothing, stop_nodes, slow_clients, kill_workers, kill_nodes)
