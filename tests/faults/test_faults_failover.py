"""A primary that is lost under traffic over HTTP: killed, or cut off alive with half of the nodes on its side."""

from pathlib import Path

import pytest
from faults_machine import LateNode
from faults_network import Network
from faults_pair import fail_over, guarded, split_in_two
from faults_run import SPAN_S, Run, judge
from faults_traffic import Traffic

pytestmark = [pytest.mark.xdist_group("faults"), pytest.mark.long]


async def test_every_promise_holds_while_the_primary_is_killed_and_its_standby_promoted(
    tmp_path: Path,
) -> None:
    async with guarded(tmp_path) as pair:
        await judge(Run(pair, 5), (fail_over,))


async def test_every_promise_holds_on_both_sides_of_a_partition_with_a_promotion(
    tmp_path: Path, network: Network
) -> None:
    async with guarded(tmp_path, network) as pair:
        await judge(Run(pair, 6), (split_in_two,))


async def test_a_node_whose_lease_counts_from_the_reply_is_caught_when_answers_come_late(
    tmp_path: Path, network: Network
) -> None:
    async with guarded(tmp_path, network, public=LateNode) as pair:
        traffic = Traffic(pair, 8)
        await traffic.run(split_in_two(pair, traffic.dice, SPAN_S))
    stale = [one for one in traffic.history.violations() if one.startswith("F1/F2")]
    assert len(stale) > 10 and all("'public'" in one for one in stale), stale[:3]
