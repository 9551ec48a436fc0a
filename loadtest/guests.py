"""One hostile guest among honest ones: somebody walks scan codes or numbers while others look up theirs."""

import asyncio
import itertools
import random
import statistics
import time
from pathlib import Path

from loadtest import seed
from loadtest.client import Caller, connect, get
from loadtest.generators import Peak, percentile, run_wrk
from loadtest.installation import Site
from loadtest.machine import waited_s
from loadtest.plots import Lines, curve
from loadtest.results import Section
from loadtest.run import Run, unknown_scans
from loadtest.services import Service, product

HONEST = 48
"""Honest askers, each from a loopback address of its own, each within its budget."""
RATE = 240.0
"""What they ask in a second, together: 5 each, of the 10 that the default budget grants."""
FACTOR = 3.0


def run_hostile(run: Run) -> Section:
    """Baseline and attack in turn, budgets at their defaults."""
    site = run.site()
    section = Section(
        "hostile",
        "A hostile scan beside honest look-ups",
        f"{HONEST} askers from as many addresses ask {RATE:.0f} times a second in all, by number, at their own pace "
        "(latency counts from the intended instant). In every second round one more address walks random scan codes as "
        "fast as it is answered, on 32 connections. Budgets are at their defaults (600 a minute and address).",
    )
    seconds, rounds = (2.0, 1) if run.quick else (8.0, 3)
    calm: list[list[float]] = []
    attacked: list[list[float]] = []
    alone: list[float] = []
    beside: list[float] = []
    refused = asked = 0
    with (
        run.targets(unknown_scans(2_000 if run.quick else 50_000)) as targets,
        product(site, role="public", budget_per_source="600", budget_per_target="120") as service,
    ):
        section.commands.append(
            f"VERIFY_BUDGET_PER_SOURCE=600 VERIFY_BUDGET_PER_TARGET=120 {service.command}"
        )
        for _ in range(rounds):
            run.quiet()
            stood = waited_s(service.pid)
            calm.append(asyncio.run(_honest(service, site, seconds)))
            alone.append((waited_s(service.pid) - stood) / seconds)
            stood = waited_s(service.pid)
            times, peak = asyncio.run(_attacked(service, site, seconds, targets))
            beside.append((waited_s(service.pid) - stood) / seconds)
            attacked.append(times)
            refused, asked = refused + peak.refused, asked + peak.requests
            section.raw.append(peak.raw)
            section.commands.append(peak.command)
    base = sorted(percentile(times, 99) for times in calm)[len(calm) // 2]
    ratios = sorted(percentile(a, 99) / percentile(c, 99) for a, c in zip(attacked, calm, strict=True))
    section.add("p99 of honest look-ups without the scan", base, "ms")
    section.add(
        "p99 of honest look-ups during the scan",
        sorted(percentile(t, 99) for t in attacked)[len(calm) // 2],
        "ms",
    )
    section.add("ratio, median of rounds", ratios[len(ratios) // 2], "×", FACTOR, "<=")
    line = "share of the time the server waited for its core"
    section.add(f"{line}, without the scan", statistics.median(alone), "", note="others' work")
    section.add(f"{line}, during it", statistics.median(beside), "", note="others' work")
    section.add("answers to the scanner", asked / rounds / seconds, "/s")
    section.add("of them refused or misses", refused / max(asked, 1), "", 1.0, ">=")
    section.add("honest look-ups answered rightly", sum(map(len, calm + attacked)), "all right")
    section.lines.append(
        Lines("Honest look-ups", "ms", [("alone", curve(calm[-1])), ("beside the scan", curve(attacked[-1]))])
    )
    return section


async def _attacked(service: Service, site: Site, seconds: float, targets: Path) -> tuple[list[float], Peak]:
    attack = asyncio.create_task(asyncio.to_thread(run_wrk, service, targets, seconds, nice=15))
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
