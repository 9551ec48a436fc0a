"""What goes wrong between a node and what it depends on: packets that are dropped, refused or lost by chance."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from faults_cluster import Cluster
from faults_network import POSTGRES, REDIS, WAYS, Wire
from faults_schedules import Schedule

STALLS_S = (0.4, 2.5)
"""About the deadline of a look-up, 1 s here, and what TCP adds, so that both sides of it are tried."""
GIVEN_UP_S = 17.0
"""Longer than any statement may take: connections are given up on the node's side meanwhile."""
LOST_OF_100 = 20

Harm = Callable[[Wire], Any]


async def lose_requests(cluster: Cluster, dice: random.Random, span_s: float) -> None:
    """One way: what nodes send to PostgreSQL is dropped, and they hear it all the same."""
    await _in_turn(cluster, dice, span_s, [lambda wire: wire.lose("to", POSTGRES)])


async def lose_replies(cluster: Cluster, dice: random.Random, span_s: float) -> None:
    """The other way: PostgreSQL does what it is asked and its answers are dropped, acknowledgements among them."""
    await _in_turn(cluster, dice, span_s, [lambda wire: wire.lose("from", POSTGRES)])


async def lose_postgres_for_long(cluster: Cluster, dice: random.Random, span_s: float) -> None:
    """Each way once, for longer than a statement may take: both ends must give the connection up by themselves."""
    harms: list[Harm] = [lambda wire: wire.lose("to", POSTGRES), lambda wire: wire.lose("from", POSTGRES)]
    offices = [node.wire for node in cluster.offices if node.wire is not None]
    for wire, harm in zip(dice.sample(offices, 2), harms, strict=True):
        assert await _one(wire, harm, GIVEN_UP_S), f"nothing of {wire.space} met the fault"


async def lose_redis(cluster: Cluster, dice: random.Random, span_s: float) -> None:
    """What nodes send to Redis is dropped, or what it answers, or both."""
    await _in_turn(
        cluster,
        dice,
        span_s,
        [
            lambda wire: wire.lose("to", REDIS),
            lambda wire: wire.lose("from", REDIS),
            lambda wire: [wire.lose(way, REDIS) for way in WAYS],
        ],
    )


async def flap_link(cluster: Cluster, dice: random.Random, span_s: float) -> None:
    """The carrier of one node's link goes and comes, a few times a second, and then another's."""
    end = time.monotonic() + span_s
    while time.monotonic() < end:
        wire = dice.choice(cluster.wires)
        try:
            for _ in range(dice.randrange(2, 6)):
                await asyncio.to_thread(wire.unplug)
                await asyncio.sleep(dice.uniform(0.03, 0.4))
                await asyncio.to_thread(wire.plug)
                await asyncio.sleep(dice.uniform(0.03, 0.3))
        finally:
            await asyncio.to_thread(wire.plug)


async def lose_a_fifth(cluster: Cluster, dice: random.Random, span_s: float) -> None:
    """Every node loses one packet of five, each way, to PostgreSQL and to Redis."""
    wires = cluster.wires
    for wire in wires:
        for way in WAYS:
            await asyncio.to_thread(partial(wire.lose, way, percent=LOST_OF_100))
    try:
        await asyncio.sleep(span_s)
    finally:
        counts = [await asyncio.to_thread(wire.heal) for wire in wires]
    assert all(counts), f"packets lost: {counts}"


async def refuse_connections(cluster: Cluster, dice: random.Random, span_s: float) -> None:
    """Resets: connections that stand break at once, and none can be made."""
    await _in_turn(cluster, dice, span_s, [lambda wire: wire.cut(POSTGRES), lambda wire: wire.cut(REDIS)])


async def _in_turn(cluster: Cluster, dice: random.Random, span_s: float, harms: Sequence[Harm]) -> None:
    """One node after the other, each kind of harm at least once."""
    end, done, lost = time.monotonic() + span_s, 0, 0
    wires = dice.sample(cluster.wires, len(cluster.wires))
    while done < len(harms) or time.monotonic() < end:
        lost += await _one(wires[done % len(wires)], harms[done % len(harms)], dice.uniform(*STALLS_S))
        done += 1
        await asyncio.sleep(dice.uniform(0.05, 0.3))
    assert lost, "no packet met the fault"


async def _one(wire: Wire, harm: Harm, span_s: float) -> int:
    """The number of packets that met the fault."""
    await asyncio.to_thread(harm, wire)
    try:
        await asyncio.sleep(span_s)
    finally:
        count = await asyncio.to_thread(wire.heal)
    return count


PARTITIONS: tuple[Schedule, ...] = (
    lose_requests, lose_replies, lose_redis, flap_link, lose_a_fifth, refuse_connections, lose_postgres_for_long,
)  # fmt: skip
