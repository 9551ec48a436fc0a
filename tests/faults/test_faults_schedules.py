"""Real nodes, real servers, real faults: no read is stale, nothing acknowledged is lost, everything mends itself.

A short pass with every gate; `make faults FAULTS_SPAN_S=60` runs every schedule for as long as wanted.
"""

from pathlib import Path

import pytest
from faults_cluster import cluster
from faults_run import Run, judge
from faults_schedules import (
    EMBEDDED,
    FAKETIME,
    NETWORKED,
    harm_redis,
    jump_clocks,
    kill_nodes,
    kill_postgres,
    nothing,
    stop_nodes,
)

SHORT_NETWORKED = (nothing, stop_nodes, harm_redis, kill_postgres, kill_nodes)
SHORT_EMBEDDED = (nothing, kill_nodes)
"""What runs with every gate; all of them run with `make faults`."""

pytestmark = pytest.mark.xdist_group("faults")


async def test_every_promise_holds_on_three_nodes_through_the_worst_faults(tmp_path: Path) -> None:
    async with cluster(tmp_path) as three:
        await judge(Run(three, 1), SHORT_NETWORKED)


@pytest.mark.long
async def test_every_promise_holds_for_two_workers_on_one_file_that_are_killed(tmp_path: Path) -> None:
    async with cluster(tmp_path, engine="sqlite") as one:
        await judge(Run(one, 2), SHORT_EMBEDDED)


@pytest.mark.long
async def test_every_promise_holds_on_three_nodes_through_every_fault(tmp_path: Path) -> None:
    schedules = NETWORKED
    if not FAKETIME:
        print("SKIPPED: libfaketime is not installed (apt-get install faketime): no clock jumps")
        schedules = tuple(one for one in schedules if one is not jump_clocks)
    async with cluster(tmp_path) as three:
        await judge(Run(three, 1), schedules)


@pytest.mark.long
async def test_every_promise_holds_for_two_workers_on_one_file_through_every_fault(tmp_path: Path) -> None:
    async with cluster(tmp_path, engine="sqlite") as one:
        await judge(Run(one, 2), EMBEDDED)
