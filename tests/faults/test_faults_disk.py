"""A full disk: nothing is acknowledged that is not on it, reads go on, and room heals everything."""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults_cluster import Cluster, cluster
from faults_run import Run

pytestmark = pytest.mark.xdist_group("faults")

SIZE = "24m"
"""The log alone takes 8 MiB before it is folded back."""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few MiB in memory."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("SKIPPED: a full disk needs root and the right to mount a tmpfs")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


async def test_a_full_disk_means_no_acknowledgement_and_no_wrong_answer(
    tmp_path: Path, small_disk: Path
) -> None:
    async with cluster(tmp_path, engine="sqlite", place=small_disk) as one:
        run = Run(one, 3)
        await run.warm_up(0.5)
        # 1. Full while everybody works.
        outcome = await run.one(fill_disk, 1.5)
        assert not outcome.found, outcome
        assert outcome.counts["503"] > 10 and outcome.counts["reads"] > 50, outcome
        # 2. Nobody can read a person in what was left on it.
        assert await run.spilled() == []


async def fill_disk(cluster: Cluster, dice: object, span_s: float) -> None:
    """Ballast takes the last byte, again and again, and goes away again."""
    place = Path(cluster.environment["VERIFY_DATABASE_URL"].removeprefix("sqlite:///")).parent
    ballast = place / "ballast"
    node = cluster.nodes[0]
    number = cluster.seeded[0].number
    for _ in range(2):
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 4096)
        # The log has room in itself for a while; then writes are refused, and reads go on.
        await asyncio.sleep(span_s / 2)
        assert (await asyncio.to_thread(node.get, f"/api/v1/certificates/{number}"))[0] == 200
        ballast.unlink()
        await asyncio.sleep(span_s / 4)
