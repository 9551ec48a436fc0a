"""A full disk: nothing is acknowledged that is not on it, reads go on, and room heals everything."""

import asyncio
import contextlib
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import asyncpg
import pytest
from faults_cluster import Cluster, cluster
from faults_run import SPAN_S, Run

import servers

pytestmark = pytest.mark.xdist_group("faults")

FILE_MIB = 24
"""The log alone takes 8 MiB before it is folded back."""
ROOM_MIB = 24
"""What PostgreSQL has beside what it already took: one segment of its log, and a little."""


@contextlib.contextmanager
def small_disk(place: Path, size_mib: int) -> Iterator[Path]:
    """A file system of a few MiB in memory."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("THE FULL DISK TEST DID NOT RUN: it needs root and the right to mount a tmpfs")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


async def test_a_full_disk_means_no_acknowledgement_and_no_wrong_answer(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", FILE_MIB) as disk:
        async with cluster(tmp_path, engine="sqlite", place=disk) as one:
            run = Run(one, 3)
            await run.warm_up()
            # 1. Full while everybody works.
            outcome = await run.one(fill_disk, 1.5)
            assert not outcome.found, outcome
            assert outcome.counts["503"] > 10 and outcome.counts["reads"] > 50, outcome
            # 2. Nobody can read a person in what was left on it.
            assert await run.spilled() == []


async def fill_disk(cluster: Cluster, dice: random.Random, span_s: float) -> None:
    """Ballast takes the last byte, again and again, and goes away again."""
    place = Path(cluster.environment["VERIFY_DATABASE_URL"].removeprefix("sqlite:///")).parent
    for _ in range(2):
        with ballast(place):
            # The log has room in itself for a while; then writes are refused, and reads go on.
            await asyncio.sleep(span_s / 2)
            await assert_reads(cluster)
        await asyncio.sleep(span_s / 4)


@contextlib.contextmanager
def ballast(place: Path) -> Iterator[None]:
    """Not a byte is left meanwhile."""
    heavy = place / "ballast"
    try:
        with contextlib.suppress(OSError), heavy.open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 4096)
        yield
    finally:
        heavy.unlink(missing_ok=True)


async def assert_reads(cluster: Cluster) -> None:
    """A read is answered."""
    number = cluster.seeded[0].number
    assert (await asyncio.to_thread(cluster.nodes[0].get, f"/api/v1/certificates/{number}"))[0] == 200


@pytest.mark.long
async def test_a_full_disk_of_postgresql_means_no_acknowledgement_and_no_wrong_answer(tmp_path: Path) -> None:
    async with cluster(tmp_path) as three:
        assert three.postgres is not None
        home = Path(three.postgres.how["cwd"])
        await asyncio.to_thread(three.postgres.stop)
        with (
            small_disk(home / "disk", _size_mib(home / "data") + ROOM_MIB),
            (tmp_path / "postgres.log").open("ab") as log,
        ):
            await asyncio.to_thread(_move, three.postgres, log)
            await three.wait_ready()
            run = Run(three, 9)
            await run.warm_up()
            outcome = await run.one(fill_postgres, SPAN_S)
            print(outcome.line(), flush=True)
            assert not outcome.found, outcome
            assert outcome.counts["503"] > 10 and outcome.counts["reads"] > 50, outcome
            assert "No space left on device" in (tmp_path / "postgres.log").read_text()
            assert await run.spilled() == []
            await asyncio.to_thread(three.postgres.stop)


def _size_mib(folder: Path) -> int:
    told = subprocess.run(["du", "-sm", str(folder)], check=True, capture_output=True, text=True)
    return int(told.stdout.split()[0])


def _move(server: servers.Postgres, log: BinaryIO) -> None:
    """Onto the small disk; from now on the server keeps a log elsewhere."""
    home = Path(server.how["cwd"])
    subprocess.run(["cp", "-a", "data", "disk/data"], cwd=home, check=True)
    subprocess.run(["rm", "-r", "data"], cwd=home, check=True)
    server.command[server.command.index("-D") + 1] = "disk/data"
    server.how["stderr"] = log
    server.start()


async def fill_postgres(cluster: Cluster, dice: random.Random, span_s: float) -> None:
    """First tables cannot grow; then the log itself has no next segment, and the server goes down."""
    assert cluster.postgres is not None and cluster.postgres.process is not None
    disk = Path(cluster.postgres.how["cwd"]) / "disk"
    for round_ in range(2):
        with ballast(disk):
            await asyncio.sleep(span_s / 2)
            await assert_reads(cluster)
            if round_:
                with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                    admin = await asyncpg.connect(cluster.dsn)
                    for _ in range(8):
                        await admin.execute("select pg_switch_wal()")
                        await admin.execute("create temporary table if not exists room (line text)")
                await asyncio.sleep(span_s / 2)
        if cluster.postgres.process.poll() is not None:
            await asyncio.to_thread(cluster.postgres.start)  # as a service manager would
        await asyncio.sleep(span_s / 4)
