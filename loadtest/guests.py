"""One hostile guest among honest ones: somebody walks scan codes or numbers while others look up theirs."""

import asyncio
import itertools
import random
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from loadtest import seed
from loadtest.client import Caller, connect, get
from loadtest.generators import percentile, run_h2load, run_wrk
from loadtest.installation import Site
from loadtest.plots import Lines, curve
from loadtest.results import Section
from loadtest.run import Run, unknown_scans
from loadtest.services import Service, product

G = TypeVar("G")

HONEST = 48
"""Honest askers, each from a loopback address of its own, each within its budget."""
RATE = 240.0
"""What they ask in a second, together: 5 each, of the 10 that the default budget grants."""
FACTOR = 3.0
ABUSE = 10
"""The scanner asks so many times as often as all honest askers together."""


def run_hostile(run: Run) -> Section:
    """Baseline and attack in turn, budgets at their defaults."""
    site = run.site()
    section = Section(
        "hostile",
        "A hostile scan beside honest look-ups",
        f"{HONEST} askers from as many addresses ask {RATE:.0f} times a second in all, by number, at their own pace "
        "(latency counts from the intended instant). In every second round one more address walks random scan codes "
        f"{ABUSE} times as often on 32 connections, and in every third as fast as it is answered. Budgets are at their "
        "defaults (600 a minute and address).",
    )
    seconds, rounds = (2.0, 1) if run.quick else (8.0, 3)
    calm: list[list[float]] = []
    scanned: list[list[float]] = []
    flooded: list[list[float]] = []
    answers = refused = 0
    paths = unknown_scans(2_000 if run.quick else 50_000)
    with (
        run.targets(paths) as targets,
        product(site, role="public", budget_per_source="600", budget_per_target="120") as service,
    ):
        section.commands.append(
            f"VERIFY_BUDGET_PER_SOURCE=600 VERIFY_BUDGET_PER_TARGET=120 {service.command}"
        )
        scan = partial(run_h2load, service, paths[:20_000], ABUSE * RATE, seconds)
        flood = partial(run_wrk, service, targets, seconds, nice=15)
        for _ in range(rounds):
            run.quiet()
            calm.append(asyncio.run(_honest(service, site, seconds)))
            times, steady = asyncio.run(_beside(scan, service, site, seconds))
            scanned.append(times)
            times, peak = asyncio.run(_beside(flood, service, site, seconds))
            flooded.append(times)
            answers, refused = (
                answers + steady.requests + peak.requests,
                refused + steady.refused + peak.refused,
            )
            section.raw += [steady.raw, peak.raw]
            section.commands += [steady.command, peak.command]
    section.add("p99 of honest look-ups alone", statistics.median(percentile(t, 99) for t in calm), "ms")
    for name, found, goal in (("a scan", scanned, FACTOR), ("a flood", flooded, None)):
        section.add(f"p99 beside {name}", statistics.median(percentile(t, 99) for t in found), "ms")
        ratios = [percentile(a, 99) / percentile(c, 99) for a, c in zip(found, calm, strict=True)]
        section.add(f"beside {name}, of alone: median of rounds", statistics.median(ratios), "×", goal, "<=")
    section.add("answers to the hostile guest", answers / rounds / seconds / 2, "/s")
    section.add("of them refused or misses", refused / max(answers, 1), "", 1.0, ">=")
    section.add("honest look-ups answered rightly", sum(map(len, calm + scanned + flooded)), "all right")
    section.lines.append(
        Lines(
            "Honest look-ups", "ms",
            [("alone", curve(calm[-1])), ("scan", curve(scanned[-1])), ("flood", curve(flooded[-1]))],
        )
    )  # fmt: skip
    return section


async def _beside(
    guest: Callable[[], G], service: Service, site: Site, seconds: float
) -> tuple[list[float], G]:
    """Honest askers while the hostile one is at work."""
    attack = asyncio.create_task(asyncio.to_thread(guest))
    await asyncio.sleep(0.3)
    times = await _honest(service, site, max(seconds - 0.6, 1.0))
    return times, await attack


async def _honest(service: Service, site: Site, seconds: float) -> list[float]:
    """Latencies in order of size, from the intended instant of each question."""
    start = time.perf_counter()
    found = await asyncio.gather(*(_one(service, site, i, start, seconds) for i in range(HONEST)))
    return sorted(itertools.chain.from_iterable(found))


async def _one(service: Service, site: Site, place: int, start: float, seconds: float) -> list[float]:
    dice, times = random.Random(place), []
    gap = HONEST / RATE
    async with connect(service.port, source=f"127.0.1.{place + 1}") as caller:
        due = start + gap * place / HONEST
        while due < start + seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            await _ask(caller, dice.randrange(site.count))
            times.append((time.perf_counter() - due) * 1e3)
            due += gap
    return times


async def _ask(caller: Caller, index: int) -> None:
    number = seed.seeded(index).number
    answer = await caller.ask(get(f"/api/v1/certificates/{number}"))
    assert answer.status == 200 and answer.json()["number"] == number, answer
