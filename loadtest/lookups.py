"""Look-ups against their floors: by number, one hot number, unknown ones, name and document, scan code, page."""

import asyncio
import statistics
from collections.abc import Callable
from contextlib import ExitStack

import msgspec

from loadtest.checking import check_against_register, sample
from loadtest.client import Answer, connect, get, post
from loadtest.floor import Constant
from loadtest.generators import Pair, Steady, alternate, per_core_second, rate_of, run_h2load, run_wrk
from loadtest.installation import SIGNED, Site
from loadtest.plots import Bars, Lines
from loadtest.results import Section
from loadtest.run import Run, number_paths, person_lines, scan_paths, unknown_paths
from loadtest.services import Service, floor, nginx, product


class Kind(msgspec.Struct, frozen=True):
    """One kind of look-up."""

    name: str
    what: str
    lines: Callable[[int], list[str]]
    goal: float | None
    """Of the bare application's answers per second."""
    accept: str = "application/json"
    status: int = 200


KINDS = (
    Kind("number", "by number, uniformly random", number_paths, 0.5),
    Kind("hot", "by number, one number only", lambda count: number_paths(count)[:1], 0.5),
    Kind("unknown", "unknown numbers", lambda count: unknown_paths(min(50_000, 2 * count)), None, status=404),
    Kind("named", "name + ID number", person_lines, 0.25),
    Kind("scanned", "scan code, JSON", scan_paths, None),
    Kind("page", "scan code, HTML page", scan_paths, None, accept="text/html"),
)
QUICK = ("number", "named", "page")
POSTGRES = ("number", "named", "scanned")
"""What differs between the engines is the reading; hot, unknown and page would only repeat it."""
P99_MS = 10.0
PLAIN = {
    "application/json": [("content-type", "application/json")],
    "text/html": [("content-type", "text/html; charset=utf-8")],
}


def run_lookups(run: Run, engine: str = "sqlite") -> Section:
    """All kinds on one engine."""
    site = run.site(engine=engine)
    section = Section(
        f"lookups-{engine}",
        f"Look-ups, {site.engine}, {site.count:,} certificates, one worker",
        "Every answer includes the fresh look at the ledger head; memory is warm, as in a node that has "
        "served for a while. The floor is a bare ASGI application on granian "
        "that sends a constant body of the same size with a content type; *same headers* sends "
        "the product's whole header list too. Ratios are medians over rounds in turn.",
    )
    with product(site, role="public" if engine == "sqlite" else "all") as service:
        section.commands.append(service.command)
        for kind in _chosen(run, engine):
            _measure(run, site, service, kind, section)
        signed = list(range(0, min(SIGNED, site.count), 5 if not run.quick else 100))
        right = asyncio.run(check_against_register(service, site, signed))
        section.add("answers, tokens and check reports held against the register", right, "all right")
    return section


def _chosen(run: Run, engine: str) -> list[Kind]:
    if run.quick:
        return [kind for kind in KINDS if kind.name in QUICK]
    return [kind for kind in KINDS if engine == "sqlite" or kind.name in POSTGRES]


def _measure(run: Run, site: Site, service: Service, kind: Kind, section: Section) -> None:
    lines = kind.lines(site.count)
    first = asyncio.run(first_answer(service, lines[0], kind))
    plain = Constant(PLAIN[kind.accept], first.body)
    with ExitStack() as stack:
        bare = stack.enter_context(floor(plain, kind.status))
        dressed, static = None, None
        if not run.quick:
            dressed = stack.enter_context(floor(Constant(_headers(first), first.body), kind.status))
            static = stack.enter_context(nginx(plain)) if kind.name in ("number", "page") else None
        targets = stack.enter_context(run.targets(lines))
        others = {"bare ASGI": bare, "bare ASGI, same headers": dressed, "nginx static file": static}
        named = {"product": service} | {name: one for name, one in others.items() if one is not None}
        run_wrk(service, targets, run.warm_s, accept=kind.accept)
        run.quiet()
        peaks = alternate(
            list(named.values()), targets, rounds=run.rounds, seconds=run.round_s, accept=kind.accept
        )
        section.commands += [*(one.command for one in named.values()), peaks[0][0].command]
    ours = peaks[0]
    for name, theirs in zip(list(named)[1:], peaks[1:], strict=True):
        pair, goal = Pair(ours, theirs), kind.goal if name == "bare ASGI" else None
        section.add(f"{kind.what}: answers per second, of {name}", pair.ratio, "×", goal)
        section.add(f"{kind.what}: answers per core-second, of {name}", pair.processor_ratio, "×", goal)
    section.add(f"{kind.what}: answers", rate_of(ours), "/s")
    section.add(f"{kind.what}: answers per core-second", per_core_second(ours), "")
    wrong = sum(one.broken + abs(one.refused - (one.requests if kind.status >= 400 else 0)) for one in ours)
    section.must(f"{kind.what}: answers of another status, or none", wrong)
    section.bars.append(
        Bars(
            f"{kind.what}: answers per core-second",
            "",
            [(n, per_core_second(p)) for n, p in zip(named, peaks, strict=True)],
        )
    )
    section.raw += [
        f"{name}, round 1 of {run.rounds}\n{rounds[0].raw}" for name, rounds in zip(named, peaks, strict=True)
    ]
    if kind.name != "named":
        _steady(run, site, service, kind, lines, rate_of(ours) / 2, section)
    else:
        asyncio.run(sample(service, site, kind.name, run.samples))


def _steady(
    run: Run, site: Site, service: Service, kind: Kind, lines: list[str], rate: float, section: Section
) -> None:
    """A constant rate at half the peak, while a sample of the answers is checked."""
    windows: list[Steady] = []
    checked = 0
    for _ in range(1 if run.quick else 3):
        run.quiet()
        steady, right = asyncio.run(_steady_checked(run, site, service, kind, lines, rate))
        windows.append(steady)
        checked += right
    section.add(
        f"{kind.what}: p50 at half the peak ({windows[0].asked:.0f}/s)",
        statistics.median(w.p50_ms for w in windows),
        "ms",
    )
    section.add(
        f"{kind.what}: p99 at half the peak, median of windows",
        statistics.median(w.p99_ms for w in windows),
        "ms",
        P99_MS,
        "<=",
    )
    section.add(f"{kind.what}: p99 at half the peak, quietest window", min(w.p99_ms for w in windows), "ms")
    waits = statistics.median(w.waited for w in windows)
    section.add(
        f"{kind.what}: share of the time the server waited for its core", waits, "", note="others' work"
    )
    section.add(f"{kind.what}: answers checked field by field meanwhile", checked, "all right")
    section.commands.append(windows[0].command)
    section.raw.append(windows[0].raw)
    best = min(windows, key=lambda w: w.p99_ms)
    section.lines.append(
        Lines(f"{kind.what}: latency at half the peak", "ms", [(f"{best.asked:.0f}/s", best.sample_ms)])
    )


async def _steady_checked(
    run: Run, site: Site, service: Service, kind: Kind, lines: list[str], rate: float
) -> tuple[Steady, int]:
    load = asyncio.create_task(
        asyncio.to_thread(run_h2load, service, lines[:20_000], rate, run.steady_s, accept=kind.accept)
    )
    count = max(5, run.samples // 3)
    right = await sample(service, site, kind.name, count, pause_s=run.steady_s / count / 2)
    return await load, right


async def first_answer(service: Service, line: str, kind: Kind) -> Answer:
    """What the service says to one line of a file of requests."""
    path, _, body = line.partition("\t")
    async with connect(service.port) as caller:
        return await caller.ask(post(path, body.encode()) if body else get(path, accept=kind.accept))


def _headers(answer: Answer) -> list[tuple[str, str]]:
    """The product's own headers; the server adds the rest by itself."""
    pairs = [line.partition(b": ") for line in answer.head.split(b"\r\n")[1:]]
    found = [(name.decode().lower(), value.decode()) for name, _, value in pairs]
    return [pair for pair in found if pair[0] not in ("server", "date", "content-length", "connection")]
