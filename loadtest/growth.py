"""Size and number: the same load on 10,000 and 1,000,000 certificates, and on one and two workers."""

import asyncio

from loadtest.checking import check_against_register, sample
from loadtest.generators import Pair, alternate, per_core_second, rate_of, run_wrk
from loadtest.machine import memory_mib
from loadtest.plots import Bars
from loadtest.results import Section
from loadtest.run import Run, number_paths, scan_paths
from loadtest.services import product

SMALL, LARGE = 10_000, 1_000_000
SLOWDOWN = 0.8
MEMORY_MIB = 300.0


def run_growth(run: Run) -> Section:
    """Small and large register in turn."""
    small, large = run.site(1_000 if run.quick else SMALL), run.site(4_000 if run.quick else LARGE)
    section = Section(
        "growth",
        f"{small.count:,} and {large.count:,} certificates",
        "Look-ups by number, uniformly random, on SQLite, one worker each, in turn; then the memory of the process that "
        "answers, after look-ups by number and by scan code have filled its caches.",
    )
    with (
        product(small, role="public") as one,
        product(large, role="public") as other,
        run.targets(number_paths(small.count)) as few,
        run.targets(number_paths(large.count, 400_000)) as many,
        run.targets(scan_paths(large.count, 100_000)) as scans,
    ):
        section.commands += [one.command, other.command]
        for service, targets in (
            (one, few),
            (other, many),
        ):  # both as warm as they get before they are compared
            run_wrk(service, targets, 1 if run.quick else 6)
        run.quiet()
        first, second = [], []
        for _ in range(run.rounds):
            first.append(run_wrk(one, few, run.round_s))
            second.append(run_wrk(other, many, run.round_s))
        section.commands.append(second[0].command)
        section.raw += [first[0].raw, second[0].raw]
        pair = Pair(second, first)
        section.add("answers per second, of the small register's", pair.ratio, "×", SLOWDOWN)
        section.add("answers per core-second, of the small register's", pair.processor_ratio, "×", SLOWDOWN)
        section.add("answers, large register", rate_of(second), "/s")
        section.add("answers per core-second, large register", per_core_second(second), "")
        wrong = sum(peak.broken + peak.refused for peak in first + second)
        section.must("answers of another status, or none", wrong)
        run_wrk(other, scans, run.round_s)
        asyncio.run(sample(other, large, "number", run.samples))
        asyncio.run(check_against_register(other, large, range(0, 500, 100)))
        resident, anonymous = memory_mib(other.pid)
        section.add(
            "resident memory, large register",
            resident,
            "MiB",
            MEMORY_MIB,
            "<=",
            "VmRSS: includes pages of the mapped file",
        )
        section.add("of it the process's own", anonymous, "MiB", MEMORY_MIB, "<=", "RssAnon")
        section.add("resident memory, small register", memory_mib(one.pid)[0], "MiB")
        section.add("seeding the large register", large.seed_s, "s", note="through the programs that issue")
        section.bars.append(
            Bars(
                "Answers per core-second",
                "",
                [(f"{small.count:,}", per_core_second(first)), (f"{large.count:,}", per_core_second(second))],
            )
        )
    return section


def run_workers(run: Run) -> Section:
    """One worker and two, free to use both cores, beside the generator."""
    site = run.site()
    section = Section(
        "workers",
        "One worker, two workers",
        "Look-ups by number on SQLite, not pinned: the generator takes its share of the same two cores, so the rate "
        "cannot double here; what an answer costs can be compared.",
    )
    with (
        run.targets(number_paths(site.count)) as targets,
        product(site, role="public", core=None) as one,
        product(site, role="public", workers=2, core=None) as two,
    ):
        section.commands += [one.command, two.command]
        run.quiet()
        single, double = alternate(
            [one, two], targets, rounds=run.rounds, seconds=run.round_s, connections=64
        )
        resident, own = memory_mib(two.pid)
        asyncio.run(sample(two, site, "number", run.samples))
    section.commands.append(single[0].command)
    section.raw += [single[0].raw, double[0].raw]
    section.add("answers, one worker", rate_of(single), "/s")
    section.add("answers, two workers", rate_of(double), "/s")
    section.add("two workers, of one's rate", Pair(double, single).ratio, "×")
    section.add("answers per core-second, one worker", per_core_second(single), "")
    section.add("answers per core-second, two workers", per_core_second(double), "")
    section.add("memory of the larger of two workers", resident, "MiB", note=f"{own:.0f} MiB its own")
    section.must("answers of another status, or none", sum(p.broken + p.refused for p in single + double))
    return section
