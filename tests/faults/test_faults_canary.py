"""The canary on real nodes: it says so when all is well, and it wakes somebody up over a node that is stale."""

import asyncio
import re
from pathlib import Path

import pytest
from faults_cluster import AGENCY, cluster
from faults_machine import Node, StaleNode, free_port, wait_until

pytestmark = [pytest.mark.xdist_group("faults"), pytest.mark.long]


def rounds(node: Node) -> dict[str, float]:
    """What its metrics say, by outcome."""
    found = re.findall(
        r'verify_canary_rounds_total\{outcome="(\w+)",[^}]*\} ([\d.e+]+)', node.get("/metrics")[1].decode()
    )
    return {outcome: float(count) for outcome, count in found}


async def test_the_canary_tells_fresh_nodes_from_stale_and_absent_ones(tmp_path: Path) -> None:
    async with cluster(tmp_path, engine="sqlite") as one:
        fresh = f"http://127.0.0.1:{one.nodes[0].port}"
        stale = StaleNode("stale", "public", tmp_path, one.environment)
        cases = {
            "seen": fresh,
            "stale": f"{fresh} http://127.0.0.1:{stale.port}",
            "unavailable": f"{fresh} http://127.0.0.1:{free_port()}",
        }
        own = one.environment | {"VERIFY_CANARY_EVERY_S": "0.3", "VERIFY_CANARY_AGENCY": AGENCY}
        offices = {
            outcome: Node(f"canary-{outcome}", "office", tmp_path, own | {"VERIFY_CANARY_URLS": urls})
            for outcome, urls in cases.items()
        }
        nodes = [stale, *offices.values()]
        try:
            for node in nodes:
                node.start()
            for outcome, node in offices.items():
                await asyncio.to_thread(
                    wait_until,
                    lambda o=outcome, n=node: rounds(n).get(o, 0) >= 3,
                    f"{outcome} was not told",
                    60,
                )
                assert set(rounds(node)) == {outcome} or outcome == "stale", rounds(node)
            metrics = offices["seen"].get("/metrics")[1].decode()
        finally:
            for node in nodes:
                await asyncio.to_thread(node.end)
        assert (
            "verify_canary_last_success_timestamp_seconds{" in metrics and "verify_canary_seconds{" in metrics
        )
        # Nothing of it stays valid, nobody is named, and the register agrees with itself.
        assert await one.count_public() == await one.count_public("revoked") + len(one.seeded) + 1
        assert '"level": "error"' in offices["stale"].log.read_text()
        assert "every node showed the canary's revocation" in offices["seen"].log.read_text()
        assert not any("探针" in node.log.read_text() for node in nodes)
        assert await one.disagreements() == []
