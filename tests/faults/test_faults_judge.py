"""The judge itself: a node that is stale on purpose must be condemned over HTTP, by the same traffic."""

import asyncio
from pathlib import Path

import pytest
from faults_cluster import cluster
from faults_machine import StaleNode
from faults_traffic import Traffic

pytestmark = [pytest.mark.xdist_group("faults"), pytest.mark.long]


async def test_a_node_that_remembers_for_half_a_second_is_caught(tmp_path: Path) -> None:
    async with cluster(tmp_path, engine="sqlite") as one:
        stale = StaleNode("stale", "all", tmp_path, one.environment)
        stale.start()
        try:
            await asyncio.to_thread(stale.wait_ready)
            one.nodes.append(stale)
            traffic = Traffic(one, 7)
            await traffic.run(asyncio.sleep(2))
        finally:
            await asyncio.to_thread(stale.end)
    # Who changes through it is told the past too, so only F1 and F2 are told apart by node.
    stale_reads = [one for one in traffic.history.violations() if one.startswith("F1/F2")]
    assert len(stale_reads) > 10 and all("'stale'" in one for one in stale_reads)
