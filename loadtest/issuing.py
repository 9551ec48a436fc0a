"""Issuing: many callers with one certificate each over HTTP, and many certificates at once in the process."""

import asyncio
import re
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from loadtest import seed
from loadtest.client import connect, get, post
from loadtest.generators import per_core_second, rate_of, run_wrk
from loadtest.installation import Site, issue_body
from loadtest.machine import SERVER_CORE, pinned, processor_s
from loadtest.plots import Bars
from loadtest.results import Section
from loadtest.run import Run
from loadtest.services import ROOT, Service, product
from verify.office.audit import Report, audit
from verify.proof.datafile import load_data_keys
from verify.wiring.house import open_store

CALLERS = 64
SINGLE_GOAL = 800.0
BULK_GOAL = 2500.0
_FIGURES = re.compile(
    r"^(floor|flow)\s+(\d+) certificates/s\s+(\d+) us each,\s+(\d+) us of processor time", re.MULTILINE
)


def run_single(run: Run, engine: str) -> Section:
    """64 callers, each waiting for its certificate before it asks for the next."""
    site = run.fresh(4, engine)
    section = Section(
        f"issue-{engine}",
        f"Single issue over HTTP, {site.engine}, {CALLERS} callers",
        "POST /api/v1/certificates with an API key and an Idempotency-Key each, a new person each; one worker on core 0, "
        "generator on core 1"
        + ("; PostgreSQL itself is not pinned." if engine == "postgres" else ".")
        + " An answer means: checked, numbered, signed twice, read back, durable, public. Afterwards the register is "
        "counted and audited: ledger, numbers, signatures, seals.",
    )
    code = seed.AGENCIES[0]
    seconds, rounds = (2.0, 1) if run.quick else (8.0, 3)
    bodies = [
        f"/api/v1/certificates\t{issue_body(i).decode()}" for i in range(int((seconds * rounds + 2) * 2500))
    ]
    each = len(bodies) // (rounds + 1)
    parts = [bodies[at * each : (at + 1) * each] for at in range(rounds + 1)]
    peaks = []
    with product(site, role="all") as service:
        section.commands.append(service.command)
        before = asyncio.run(_audited(site))
        asyncio.run(_check_one(service, site))
        for number, part in enumerate(parts):
            with run.targets(part) as targets:
                run.quiet()
                peak = run_wrk(
                    service, targets, 1 if number == 0 else seconds, connections=CALLERS, bearer=site.bearers[code],
                    keys=f"load-{number}",
                )  # fmt: skip
            if number:  # the first warms up
                peaks.append(peak)
            else:
                warm = peak
    after = asyncio.run(_audited(site))
    section.commands.append(peaks[0].command)
    section.raw += [peak.raw for peak in peaks]
    section.add("certificates issued", rate_of(peaks), "/s", SINGLE_GOAL)
    section.add("certificates per core-second of the service", per_core_second(peaks), "", SINGLE_GOAL)
    section.add("p50 of a call", sorted(p.p50_ms for p in peaks)[len(peaks) // 2], "ms")
    section.add("p99 of a call", sorted(p.p99_ms for p in peaks)[len(peaks) // 2], "ms")
    section.must("calls refused or broken", sum(p.refused + p.broken for p in peaks))
    answered = sum(p.requests for p in peaks) + warm.requests + 1
    missing = max(0, answered - (after.certificates - before.certificates))
    section.must("acknowledged certificates that the register lacks", missing, f"of {answered}")
    section.must("new disagreements that the audit finds", after.count - before.count)
    return section


def run_bulk(run: Run) -> Section:
    """`bench_issue` on one core, and a roster sent to a running service on both engines."""
    section = Section(
        "issue-bulk",
        "Bulk issue",
        "In the process on one core, in chunks of 500, durable, ledger included; PostgreSQL on the same core, its processor "
        "time counted in. The floor is two ES256 signatures, one verification "
        "and one row of 1 KiB in SQLite a certificate in the same chunks. Then a roster as NDJSON to POST /api/v1/batches, from "
        "sending it to the batch's state `done`, the service on core 0.",
    )
    count = 1_000 if run.quick else 10_000
    for engine in ("sqlite", "postgres"):
        _bench(run, section, engine, count)
    for engine in ("sqlite",) if run.quick else ("sqlite", "postgres"):
        site = run.fresh(4, engine)
        with product(site, role="all") as service:
            section.commands.append(service.command)
            run.quiet()
            took, spent = asyncio.run(_roster(service, site, count))
        section.add(f"roster of {count:,} over HTTP, {site.engine}", count / took, "/s")
        section.add(f"roster, {site.engine}, per core-second of the service", count / spent, "")
    return section


def _bench(run: Run, section: Section, engine: str, count: int) -> None:
    """`bench_issue` some times in a row; the median run by processor time is told."""
    # The bench pins itself to one core and audits what it issued.
    command = [sys.executable, "-m", "loadtest.bench_issue", str(count), str(run.work), engine]
    runs = []
    for _ in range(1 if run.quick else 3):
        run.quiet()
        done = subprocess.run(
            pinned(SERVER_CORE, command), cwd=ROOT, capture_output=True, text=True, check=True, timeout=300
        )
        found = {name: (float(spent), float(rate)) for name, rate, _, spent in _FIGURES.findall(done.stdout)}
        runs.append((found["flow"], found["floor"]))
        section.raw.append(done.stdout)
    section.commands.append(" ".join(["taskset", "-c", str(SERVER_CORE), "python", *command[1:]]))
    (spent, rate), (least, most) = sorted(runs)[len(runs) // 2]
    section.add(f"{engine}: certificates per core-second", 1e6 / spent, "", BULK_GOAL)
    section.add(f"{engine}: processor time of each", spent, "us")
    section.add(f"{engine}: certificates issued by the clock", rate, "/s")
    section.add(f"{engine}: of the floor, by the clock", rate / most, "×")
    section.add(f"{engine}: of the floor, by processor time", least / spent, "×")
    section.bars.append(
        Bars(f"Certificates per core-second, {engine}", "", [("issued", 1e6 / spent), ("floor", 1e6 / least)])
    )


async def _roster(service: Service, site: Site, count: int) -> tuple[float, float]:
    """Seconds from sending to `done`, and processor seconds; every row must have a number."""
    bearer = site.bearers[seed.AGENCIES[0]]
    body = b"\n".join(issue_body(i) for i in range(count))
    began, spent = time.perf_counter(), processor_s(service.pid)
    async with connect(service.port) as caller:
        taken = await caller.ask(
            post("/api/v1/batches", body, bearer=bearer, key="roster", kind="application/x-ndjson")
        )
        assert taken.status == 202, taken
        where = taken.header("location") or ""
        path = where[where.index("/api/") :]
        state = (await caller.ask(get(path, bearer=bearer))).json()
        while state["state"] != "done":
            await asyncio.sleep(0.05)
            state = (await caller.ask(get(path, bearer=bearer))).json()
    assert (state["issued"], state["failed"]) == (count, 0), state
    return time.perf_counter() - began, processor_s(service.pid) - spent


async def _check_one(service: Service, site: Site) -> None:
    """One certificate, asked for twice: one number, and the public sees it."""
    body, bearer = issue_body(90_000_000), site.bearers[seed.AGENCIES[0]]
    request = post("/api/v1/certificates", body, bearer=bearer, key="check-1")
    async with connect(service.port) as caller:
        first, again = await caller.ask(request), await caller.ask(request)
        assert (first.status, again.status) == (201, 200), (first, again)
        made = first.json()
        assert made["number"] == again.json()["number"], (first, again)
        seen = (await caller.ask(get(f"/V/{made['scan_code']}"))).json()
        holder = msgspec.json.decode(body)["holder"]
        assert (seen["verdict"], seen["holder"]["name"]) == ("valid", holder["name"]), seen


async def _audited(site: Site) -> Report:
    """The whole register held against itself."""
    folder = Path(site.folder) / "keys"
    store = await open_store(site.database_url, read_only=True)
    try:
        return await audit(store, load_data_keys(folder, (folder / "passphrase").read_text().strip()))
    finally:
        await store.close()
