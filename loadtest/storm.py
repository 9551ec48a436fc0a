"""A storm of revocations under full read load: how soon they are acknowledged, and whether any read is ever stale."""

import asyncio
import importlib.util
import random
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any, TypeVar

import msgspec

from loadtest import seed
from loadtest.client import Caller, connect, get, post
from loadtest.generators import Peak, Steady, percentile, run_h2load, run_wrk
from loadtest.installation import Site
from loadtest.plots import Lines, curve
from loadtest.results import Section
from loadtest.run import Run, number_paths
from loadtest.services import ROOT, Service, product

L = TypeVar("L")

RATE = 100.0
"""Revocations in a second."""
READERS = 16
READS = 2_500.0
"""Judged reads in a second, all readers together: more would keep the driver itself too busy to see an answer come."""
WRITERS = 64
"""Connections that revoke: enough that none waits for another, however long an acknowledgement takes."""
NEAR_S = 0.25
"""Most checked reads ask for what is revoked within this time, before or after."""
ACK_MS = 10.0
CHECKED = 100_000
REASON = "OBTAINED_BY_FRAUD"


def run_storm(run: Run, engine: str = "sqlite", nodes: int = 1, *, apart: bool = False) -> Section:
    """One node that writes; with two, a second that only answers the public. Reads go to all.

    `apart`: the office in a process of its own beside a node of the public, which takes all reads.
    """
    site = run.fresh(1_000 if run.quick else 20_000, engine)
    name = f"storm-{engine}-office" if apart else f"storm-{engine}-{nodes}"
    shape = "office and public apart" if apart else f"{nodes} node{'s' if nodes > 1 else ''}"
    section = Section(
        name,
        f"Revocation storm, {site.engine}, {shape}",
        f"{RATE:.0f} revocations a second over HTTP (latency counts from the intended instant) while wrk asks for random "
        "numbers on 32 connections as fast as it is answered, then beside half that rate, then alone. Meanwhile "
        f"{READERS} readers ask mostly for certificates that are revoked at just that moment, and each such read is judged "
        "by the history checker of the tests: F1 (no read begun after an acknowledgement shows the older state), F2 (no "
        "flicker) and F3 (nothing that nobody wrote), across nodes.",
    )
    with ExitStack() as stack:
        office = stack.enter_context(product(site, role="office" if apart else "all"))
        public = [stack.enter_context(product(site, role="public")) for _ in range(1 if apart else nodes - 1)]
        services = public if apart else [office, *public]
        section.commands += [service.command for service in (office, *public)]
        targets = stack.enter_context(run.targets(number_paths(site.count)))
        run.quiet()
        storm = _Storm(site, office, services)
        calm = asyncio.run(storm.blow(2.0 if run.quick else 10.0))
        full: Callable[[float], Peak] = partial(run_wrk, services[0], targets, nice=10)
        peak, busy = asyncio.run(storm.blow_beside(2.0 if run.quick else 45.0, full))
        # Half of what was just answered, for another while.
        paths = number_paths(site.count, 20_000)
        half: Callable[[float], Steady] = partial(run_h2load, services[0], paths, peak.rate / 2)
        steady, eased = asyncio.run(storm.blow_beside(2.0 if run.quick else 15.0, half))
    section.commands.append(peak.command)
    section.commands.append(steady.command)
    section.raw += [peak.raw, steady.raw]
    wrong = storm.history.violations()
    parts = {"full read load": busy, f"{steady.asked:.0f} reads/s beside": eased, "judged reads only": calm}
    for what, told in parts.items():
        due, sent = sorted(told.from_due), sorted(told.from_sent)
        section.add(f"{what}: revocations acknowledged", len(due), "")
        section.add(f"{what}: acknowledgement p50", percentile(due, 50), "ms")
        goal = ACK_MS if told is busy else None
        section.add(f"{what}: acknowledgement p99", percentile(due, 99), "ms", goal, "<=")
        section.add(f"{what}: acknowledgement p99 counted from sending", percentile(sent, 99), "ms")
    section.add("checked reads", len(storm.history.reads), "", None if run.quick else CHECKED)
    section.must("of them stale, flickering or invented", len(wrong))
    section.add("unchecked reads beside them", peak.rate, "/s")
    section.must("revocations that failed", storm.failed)
    section.raw += wrong[:5]
    curves = [(what, curve(told.from_due)) for what, told in parts.items()]
    section.lines.append(Lines("Acknowledgement of a revocation, from the intended instant", "ms", curves))
    return section


def _history() -> Any:
    spec = importlib.util.spec_from_file_location("history", ROOT / "tests" / "history.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["history"] = module
    spec.loader.exec_module(module)
    return module


class _Acknowledged:
    """Milliseconds of the acknowledgements of one part of a storm."""

    def __init__(self) -> None:
        self.from_due: list[float] = []
        self.from_sent: list[float] = []


class _Storm:
    """One storm over some services, in parts; one history for all of them."""

    def __init__(self, site: Site, office: Service, services: list[Service]) -> None:
        """`office` revokes, `services` are read."""
        self._site = site
        self._office = office
        self._services = services
        self._numbers = [seed.seeded(i).number for i in range(site.count)]
        self.history = _history().History((number, 1, "valid") for number in self._numbers)
        self.failed = 0
        self._begun = 0
        self._over = False
        self._told = _Acknowledged()

    async def blow_beside(self, seconds: float, load: Callable[[float], L]) -> tuple[L, _Acknowledged]:
        """One part beside a load that is given its length."""
        beside = asyncio.create_task(asyncio.to_thread(load, seconds + 0.5))
        await asyncio.sleep(0.3)
        told = await self.blow(seconds)
        return await beside, told

    async def blow(self, seconds: float) -> _Acknowledged:
        """Revoke and read at once for so long; how the revocations were acknowledged."""
        self._over, self._told = False, _Acknowledged()
        readers = [asyncio.create_task(self._read(i)) for i in range(READERS)]
        await self._write(seconds)
        self._over = True
        await asyncio.gather(*readers)
        return self._told

    async def _write(self, seconds: float) -> None:
        """Revocations at their instants, on a few connections."""
        async with asyncio.TaskGroup() as group:
            queue: asyncio.Queue[tuple[float, str] | None] = asyncio.Queue()
            for _ in range(WRITERS):
                group.create_task(self._revoke_each(queue))
            start, first = time.perf_counter(), self._begun
            while (due := start + (self._begun - first) / RATE) < start + seconds:
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                queue.put_nowait((due, self._numbers[self._begun]))
                self._begun += 1
            for _ in range(WRITERS):
                queue.put_nowait(None)

    async def _revoke_each(self, queue: "asyncio.Queue[tuple[float, str] | None]") -> None:
        body = msgspec.json.encode({"reason": REASON})
        async with connect(self._office.port) as caller:
            while (work := await queue.get()) is not None:
                due, number = work
                begun = self.history.now()
                path = f"/api/v1/certificates/{number}/revocation"
                answer = await caller.ask(post(path, body, bearer=self._site.bearers["operator"]))
                if answer.status == 200:
                    told = answer.json()
                    self.history.wrote(number, begun, told["revision"], told["verdict"])
                    self._told.from_due.append((time.perf_counter() - due) * 1e3)
                    self._told.from_sent.append(answer.took_ms)
                else:
                    self.history.wrote(number, begun, None, "revoked")
                    self.failed += 1

    async def _read(self, place: int) -> None:
        dice, history = random.Random(place), self.history
        service = self._services[place % len(self._services)]
        near = int(RATE * NEAR_S)
        gap = READERS / READS
        async with connect(service.port) as caller:
            due = time.perf_counter() + gap * place / READERS
            while not self._over:
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                due = max(due + gap, time.perf_counter() - 1.0)  # a second behind at most: then it asks less
                low, high = max(0, self._begun - near), min(len(self._numbers), self._begun + near)
                at = dice.randrange(low, high) if dice.random() < 0.8 else dice.randrange(len(self._numbers))
                await self._read_one(caller, self._numbers[at], history, service.name)

    async def _read_one(self, caller: Caller, number: str, history: Any, reader: str) -> None:
        begun = history.now()
        answer = await caller.ask(get(f"/api/v1/certificates/{number}"))
        told = answer.json()
        if answer.status == 503:
            return  # says nothing, and says that it says nothing
        assert answer.status == 200 and told["number"] == number, answer
        history.read(number, begun, told["revision"], told["verdict"], reader)
