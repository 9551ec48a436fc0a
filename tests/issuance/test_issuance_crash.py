"""Whatever dies whenever: what was acknowledged stands, what was begun is finished once, no number twice."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from issuing_process import POINTS

from verify.issuance.issue import Issued
from verify.issuance.roster import Format
from verify.issuance.rows import RowResult, in_pieces, issue_file
from verify.office.audit import audit
from verify.store.certificates import unfinished
from verify.store.reads import read_certificates
from world import World, to_csv

SCRIPT = Path(__file__).with_name("issuing_process.py")
ENVIRON = os.environ | {"PYTHONPATH": f"{SCRIPT.parents[2] / 'src'}{os.pathsep}{SCRIPT.parents[1]}"}
FIRST = "S000044000456263000001"


def run(directory: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), str(directory), *args],
        capture_output=True,
        text=True,
        timeout=60,
        env=ENVIRON,
    )


async def whole(world: World) -> None:
    report = await audit(world.store, world.data_keys)
    assert report.findings == ()


@pytest.mark.parametrize("point", POINTS)
async def test_a_crash_at_any_step_leaves_one_certificate_after_the_same_request_again(
    tmp_path: Path, point: str
) -> None:
    async with World.open(tmp_path):
        pass
    died = await asyncio.to_thread(run, tmp_path, "one", point)
    assert (died.returncode, died.stdout) == (9, ""), died.stderr
    async with World.reopen(tmp_path) as world:
        seen = (await world.store.read(lambda: read_certificates([FIRST]))).certificates
        assert (FIRST in seen) is (point == "after-complete")
        issued = await world.issuance.issue(world.skill, world.request(), "crash", "again")
        # Before the first commit nothing was spent; after it the recorded number is the one.
        assert issued.number == FIRST
        assert issued.already is (point != "inside-prepare")
        assert await world.issuance.resume() == 0
        await whole(world)


@pytest.mark.parametrize("point", POINTS)
async def test_start_up_finishes_what_a_crash_left_without_being_asked_again(
    tmp_path: Path, point: str
) -> None:
    async with World.open(tmp_path):
        pass
    await asyncio.to_thread(run, tmp_path, "one", point)
    async with World.reopen(tmp_path) as world:
        finished = await world.issuance.resume()
        assert finished == (point in ("after-prepare", "after-sign", "inside-complete"))
        seen = (await world.store.read(lambda: read_certificates([FIRST]))).certificates
        assert (FIRST in seen) is (point != "inside-prepare")
        assert await world.store.read(lambda: unfinished(1 << 62, 10)) == []
        await whole(world)


async def test_a_signature_made_after_a_crash_is_the_one_made_before_it(tmp_path: Path) -> None:
    tokens = []
    for name in ("a", "b"):
        directory = tmp_path / name
        async with World.open(directory):
            pass
        await asyncio.to_thread(run, directory, "one", "after-prepare")
        async with World.reopen(directory) as world, World.reopen(directory) as other:
            # Two processes find the same left-over; both sign, one completes, both give the same answer.
            both = await asyncio.gather(
                world.issuance.issue(world.skill, world.request(), "crash", "one"),
                other.issuance.issue(other.skill, other.request(), "crash", "two"),
            )
            assert both[0] == both[1]
            tokens.append(both[0].token)
            await whole(world)
    assert tokens[0] != tokens[1]  # random scan codes


async def test_racing_processes_never_use_a_number_twice_and_leave_no_gap(tmp_path: Path) -> None:
    async with World.open(tmp_path):
        pass
    racers = await asyncio.gather(
        *(asyncio.to_thread(run, tmp_path, "race", name, "60") for name in ("left", "right"))
    )
    numbers = [number for racer in racers for number in racer.stdout.split()]
    assert [racer.returncode for racer in racers] == [0, 0], [racer.stderr for racer in racers]
    assert sorted(numbers) == [f"S000044000456263{serial:06d}" for serial in range(1, 121)]
    async with World.reopen(tmp_path) as world:
        await whole(world)


def kill_after(directory: Path, roster: Path, lines: int) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(directory), "file", str(roster)],
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRON,
    )
    assert process.stdout is not None
    with process:
        for line in process.stdout:
            yield line
            lines -= 1
            if not lines:
                process.send_signal(signal.SIGKILL)


async def test_a_roster_that_was_killed_twice_is_issued_exactly_once_when_run_again(tmp_path: Path) -> None:
    async with World.open(tmp_path) as world:
        data = to_csv(world.roster(3000))
    roster = tmp_path / "roster.csv"
    roster.write_bytes(data)
    for lines in (1, 2):
        told = await asyncio.to_thread(lambda lines=lines: list(kill_after(tmp_path, roster, lines)))  # type: ignore[misc]
        assert told[-1] != "3000\n"
    async with World.reopen(tmp_path) as world:
        await world.issuance.resume()
        results = [r async for r in issue_file(world.issuance, world.skill, in_pieces(data), Format.CSV, "x")]
        check_exactly_once(results, 3000)
        assert 1000 <= sum(result.already for result in results) < 3000
        again = [r async for r in issue_file(world.issuance, world.skill, in_pieces(data), Format.CSV, "x")]
        assert [r.number for r in again] == [r.number for r in results]
        assert all(result.already for result in again)
        await whole(world)


def check_exactly_once(results: list[RowResult], count: int) -> None:
    assert [result.row for result in results] == list(range(1, count + 1))
    numbers = [result.number for result in results]
    assert sorted(filter(None, numbers)) == [
        f"S000044000456264{serial:06d}" for serial in range(1, count + 1)
    ]


async def test_a_caller_who_goes_away_stops_nothing(world: World) -> None:
    request = world.request()
    task = asyncio.create_task(world.issuance.issue(world.skill, request, "k", "test"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    issued = await world.issuance.issue(world.skill, request, "k", "test")
    assert isinstance(issued, Issued)
    await whole(world)
