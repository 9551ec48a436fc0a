"""A register with a synchronous standby and a lease, under load; and the ways in which its primary is lost."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

from faults_cluster import Cluster, install, join_nodes, listen, start_nodes, start_redis
from faults_machine import Node
from faults_network import POSTGRES, WAYS, Network

from care.care_pair import DATABASE, first_server, make_pair, run_sql
from care.care_pair import until as until_equal
from verify.store.failover import guard, promote

LEASE_MS = 3000
BEATS_S = 2.5
"""Two beats and the look between them."""
HELD_S = 10.0
"""How long answers are held back: longer than a lease and a promotion, shorter than a statement may take."""
LATE_S = 7.0
"""By then TCP has sent again what was held back: its pauses double, so after at most as long as it was held."""


@contextlib.asynccontextmanager
async def guarded(
    folder: Path, network: Network | None = None, public: type[Node] = Node
) -> AsyncIterator[Cluster]:
    """As `cluster`, with a standby that follows and a lease that has begun."""
    async with contextlib.AsyncExitStack() as stack:
        first, url = stack.enter_context(first_server())
        if network is not None:
            await asyncio.to_thread(listen, first, network.net, network.gateway)
        await run_sql(first.dsn, f"create database {DATABASE}")
        made = await install(folder, url)
        making = make_pair(first, url)
        pair = await asyncio.to_thread(making.__enter__)
        stack.push_async_callback(asyncio.to_thread, making.__exit__, None, None, None)
        made.postgres, made.pair, made.dsn = first, pair, pair.dsn_a
        made.environment["VERIFY_DATABASE_URL"] = address = pair.dsn
        if network is not None:
            await asyncio.to_thread(listen, pair.b, network.net, network.second)
            address = (
                f"postgresql://postgres@{network.gateway}:{POSTGRES},{network.second}:{POSTGRES}/{DATABASE}"
            )
        following = "select sync_state from pg_stat_replication"
        await until_equal(lambda: run_sql(pair.dsn_a, following), [("sync",)])
        await guard(pair.dsn_a, LEASE_MS)
        made.redis = start_redis(folder, stack, network)
        join_nodes(made, address, network, public)
        await start_nodes(made, stack)
        yield made


async def fail_over(cluster: Cluster, dice: random.Random, span_s: float) -> None:
    """SIGKILL to the primary, promotion of its standby; meanwhile the old one comes back and takes connections."""
    pair = cluster.pair
    assert pair is not None
    await asyncio.sleep(span_s / 3)
    await asyncio.to_thread(pair.a.kill)
    promoting = asyncio.create_task(promote(pair.dsn_b))
    await asyncio.sleep(dice.uniform(0.2, 1.5))
    await asyncio.to_thread(pair.a.start)
    await promoting
    cluster.dsn = pair.dsn_b
    await asyncio.sleep(span_s)


async def split_in_two(cluster: Cluster, dice: random.Random, span_s: float) -> None:
    """The old primary lives, with one office and the public node on its side of a partition; the other side promotes.

    What the old primary answers the public node is held back meanwhile and arrives after the promotion: a proof
    that was true when it was given, and is not any more.
    """
    pair = cluster.pair
    assert pair is not None
    left, _, public = cluster.nodes
    assert left.wire is not None and public.wire is not None
    first, second = public.wire.servers
    await asyncio.sleep(span_s / 3)
    for wire in (left.wire, public.wire):
        for way in WAYS:
            await asyncio.to_thread(wire.lose, way, POSTGRES, at=second)
    rule = await asyncio.to_thread(public.wire.lose, "from", POSTGRES, at=first)
    began = time.monotonic()
    try:
        await asyncio.sleep(BEATS_S)
        await promote(pair.dsn_b)
        cluster.dsn = pair.dsn_b
        await asyncio.sleep(max(1.0, began + HELD_S - time.monotonic()))
        await asyncio.to_thread(public.wire.allow, rule)
        await asyncio.sleep(LATE_S)
    finally:
        counts = [await asyncio.to_thread(wire.heal) for wire in (left.wire, public.wire)]
    assert all(counts), f"packets lost: {counts}"
    await asyncio.sleep(span_s)
