"""One fault under traffic, and everything that must hold afterwards."""

import asyncio
import os
import re
import time
from pathlib import Path

import asyncpg
import msgspec
from faults_cluster import SEEDED, Cluster
from faults_cluster import dice as dice_of
from faults_machine import Footprint
from faults_schedules import Schedule
from faults_traffic import Traffic

SPAN_S = float(os.environ.get("FAULTS_SPAN_S", "1.5"))
"""Seconds of traffic under each fault; `make faults` takes more."""
SETTLE_S = 90
MORE_MIB = 60.0
"""What a worker may take more after a fault than before any: caches fill, and Python keeps freed arenas."""
MORE_DESCRIPTORS = 12
"""A pool of 4 and a writer, with some room for the connections that a probe has just closed."""
RESIDENT_ID = re.compile(rb"99\d{4}(?:19|20)\d{6}\d{3}[\dXx]")


class Outcome(msgspec.Struct):
    """What one schedule found."""

    schedule: str
    seconds: float
    counts: dict[str, int]
    found: list[str]
    """Everything that is not as promised; empty is good."""

    def line(self) -> str:
        """For a table."""
        counts = ", ".join(f"{count} {name}" for name, count in sorted(self.counts.items()))
        return f"{self.schedule:<20} {self.seconds:6.1f} s  {counts}  {'FOUND ' + str(self.found[:3]) if self.found else 'clean'}"


class Run:
    """Schedules one after the other over one cluster and one history."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        """Nothing ran yet."""
        self.cluster = cluster
        self.traffic = Traffic(cluster, seed)
        self._seed = seed
        self._before: dict[str, Footprint] = {}

    async def warm_up(self, span_s: float = 1.0) -> None:
        """Everything that is built when first needed is there afterwards; then footprints are taken."""
        await self.traffic.run(asyncio.sleep(span_s))
        await asyncio.sleep(0.3)
        self._before = self.cluster.footprints()

    async def one(self, schedule: Schedule, span_s: float) -> Outcome:
        """Traffic and the fault together; then: whole again, judged, counted, audited, as big as before."""
        began, traffic = time.monotonic(), self.traffic
        traffic.counts.clear()
        traffic.oddities.clear()
        harm = schedule(self.cluster, dice_of(schedule.__name__, self._seed), span_s)
        await traffic.run(harm)
        # 1. It mends itself: nobody helps.
        await self.cluster.wait_ready()
        async with asyncio.timeout(SETTLE_S):
            await traffic.settle()
        # 2. No read was stale, flickering or invented; nothing was answered that may never be.
        found = [*traffic.oddities, *traffic.history.violations()]
        # 3. Nothing exists that nobody asked for, and nothing is there twice.
        wanted, there = SEEDED + len(traffic.issued), await self.cluster.count_public()
        if wanted != there:
            found.append(f"D3/D4: {there} certificates for {wanted} requests")
        # 4. Ledger, tables, signatures and numbers agree.
        found += await self.cluster.disagreements()
        # 5. Memory, descriptors and connections are back.
        found += await self._grown()
        return Outcome(schedule.__name__, time.monotonic() - began, dict(traffic.counts), found)

    async def _grown(self) -> list[str]:
        """What a node takes more than before, after it had a moment to let go."""
        end = time.monotonic() + 15
        while (more := await self._growth()) and time.monotonic() < end:
            await asyncio.sleep(0.3)
        return more

    async def _growth(self) -> list[str]:
        found = []
        workers = {node.name: node.count for node in self.cluster.nodes}
        for name, now in self.cluster.footprints().items():
            before = self._before[name]
            if now.descriptors > before.descriptors + MORE_DESCRIPTORS:
                found.append(f"A2: {name} has {now.descriptors} descriptors, {before.descriptors} before")
            if now.rss_mib > before.rss_mib + MORE_MIB * workers[name]:
                found.append(f"A2: {name} takes {now.rss_mib:.0f} MiB, {before.rss_mib:.0f} before")
        # A pool of four readers for each node, a writer for each office, and its beats where there is a standby.
        most = 4 * len(self.cluster.nodes) + (1 + (self.cluster.pair is not None)) * len(self.cluster.offices)
        if (count := await self.cluster.connections()) > most:
            found.append(f"A2: {count} connections to PostgreSQL, at most {most} are of use")
        return found

    async def spilled(self) -> list[str]:
        """P5: places in which a resident ID, or a name, can be read. Everything is looked through."""
        holders = [(one.id_number.encode(), one.name.encode()) for one in self.cluster.seeded]
        found = []
        for place, data in await gather_traces(self.cluster):
            if match := RESIDENT_ID.search(data):
                found.append(f"P5: {place} holds the resident ID {match[0].decode()}")
            elif any(number in data for number, _ in holders):
                found.append(f"P5: {place} holds a planted resident ID")
            if not place.startswith("page") and any(name in data for _, name in holders):
                found.append(f"P5: {place} holds a holder's name")
        return found


async def judge(run: Run, schedules: tuple[Schedule, ...]) -> None:
    """Every schedule in turn; all that was found is told at once."""
    await run.warm_up()
    outcomes = []
    for schedule in schedules:
        outcomes.append(await run.one(schedule, SPAN_S))
        print(outcomes[-1].line(), flush=True)
    spilled = await run.spilled()
    assert not spilled and not any(one.found for one in outcomes), (spilled, outcomes)
    assert len(run.traffic.history.reads) > 100 * len(schedules)


async def gather_traces(cluster: Cluster) -> list[tuple[str, bytes]]:
    """Everything that a run leaves: files of all kinds, a logical dump, Redis, metrics, pages."""
    traces = [(f"file {path}", path.read_bytes()) for path in cluster.folder.rglob("*") if path.is_file()]
    if cluster.postgres is not None:
        home = Path(cluster.postgres.how["cwd"])
        files = await asyncio.to_thread(lambda: [path for path in home.rglob("data*/**/*") if path.is_file()])
        traces += [(f"file {path}", path.read_bytes()) for path in files]
        traces += await _dump(cluster.dsn)
    if cluster.redis is not None:
        traces.append(("Redis", await asyncio.to_thread(cluster.redis.dump)))
    one = cluster.seeded[0]
    for node in cluster.nodes:
        for path in ("/metrics", f"/api/v1/certificates/{one.number}", f"/V/{one.scan_code}", "/trust.json"):
            place = "page" if path.startswith("/V/") else "answer"
            status, body = await asyncio.to_thread(node.get, path)
            assert status == 200, (path, status)
            traces.append((f"{place} {node.name} {path[:16]}", body))
    return traces


async def _dump(dsn: str) -> list[tuple[str, bytes]]:
    """Every row of every table as text, byte columns also as the bytes they hold."""
    traces = []
    admin = await asyncpg.connect(dsn)
    try:
        tables = await admin.fetch("select tablename from pg_tables where schemaname = 'public'")
        for (table,) in tables:
            rows = await admin.fetch(f'select * from "{table}"')
            cells = (cell for row in rows for cell in row.values())
            text = b"\n".join(cell if isinstance(cell, bytes) else str(cell).encode() for cell in cells)
            traces.append((f"table {table}", text))
    finally:
        await admin.close()
    return traces
