"""The judge itself: a node that is stale on purpose must be condemned over HTTP, by the same traffic."""

import asyncio
import sys
from pathlib import Path

import pytest
from faults_cluster import cluster
from faults_machine import ROOT, Node
from faults_traffic import Traffic

pytestmark = pytest.mark.xdist_group("faults")

GRANIAN = (
    sys.executable, "-m", "granian", "--interface", "asgi", "--loop", "uvloop", "--http", "1", "--no-ws",
    "--factory", "faults_ttl_node:create_app",
)  # fmt: skip


class StaleNode(Node):
    """Serves `faults_ttl_node` in the place of the product's own application."""

    def command(self) -> list[str]:
        return [*GRANIAN, "--port", str(self.port)]


async def test_a_node_that_remembers_for_half_a_second_is_caught(tmp_path: Path) -> None:
    async with cluster(tmp_path, engine="sqlite") as one:
        path = f"{ROOT / 'src'}:{ROOT / 'tests' / 'faults'}"
        stale = StaleNode("stale", "all", tmp_path, one.environment | {"PYTHONPATH": path})
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
