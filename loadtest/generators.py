"""The load generators: wrk for the peak (closed loop), h2load for a constant rate (honest latency)."""

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import msgspec

from loadtest.machine import LOAD_CORE, load, pinned, processor_s, waited_s
from loadtest.plots import curve
from loadtest.services import Service

LUA = Path(__file__).with_name("requests.lua")
NEEDED = ("wrk", "h2load")


class Peak(msgspec.Struct, frozen=True):
    """One run of wrk."""

    rate: float
    """Answers per second."""
    requests: int
    processor_us: float
    """Processor time of the server per answer, microseconds: what noise on a shared machine touches least."""
    p50_ms: float
    p99_ms: float
    refused: int
    """Answers of status 400 and above."""
    broken: int
    """Connections that failed, or requests that timed out."""
    load: float
    command: str
    raw: str


class Steady(msgspec.Struct, frozen=True):
    """One run of h2load at a constant rate."""

    asked: float
    """Requests per second."""
    rate: float
    requests: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    refused: int
    command: str
    raw: str
    waited: float = 0.0
    """The share of the time in which the server stood in line for its core behind others."""
    sample_ms: list[float] = []
    """Latencies in order of size, thinned: for plots."""


class Pair(msgspec.Struct, frozen=True):
    """Two servers under the same load in alternating short rounds."""

    ours: list[Peak]
    theirs: list[Peak]

    @property
    def ratio(self) -> float:
        """The median of the rounds' ratios of answers per second."""
        return statistics.median(a.rate / b.rate for a, b in zip(self.ours, self.theirs, strict=True))

    @property
    def processor_ratio(self) -> float:
        """The same of processor time per answer, upside down, so that 1 is as cheap as the other."""
        return statistics.median(
            b.processor_us / a.processor_us for a, b in zip(self.ours, self.theirs, strict=True)
        )


def rate_of(peaks: list[Peak]) -> float:
    """The median rate of some rounds."""
    return statistics.median(one.rate for one in peaks)


def per_core_second(peaks: list[Peak]) -> float:
    """Answers that one core gives in a second of its time: the median of some rounds."""
    return statistics.median(1e6 / max(one.processor_us, 1e-3) for one in peaks)


def missing() -> list[str]:
    """Generators that are not installed here."""
    return [name for name in NEEDED if not shutil.which(name)]


def run_wrk(
    service: Service, targets: Path, seconds: float, *, connections: int = 32, accept: str = "application/json",
    bearer: str = "", keys: str = "", nice: int = 0,
) -> Peak:  # fmt: skip
    """As many requests as the server answers, on `connections` connections."""
    whole = max(1, round(seconds))
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{whole}s",
        "--timeout",
        "10s",
        "-s",
        str(LUA),
        service.url,
    ]
    variables = {"TARGETS": str(targets), "ACCEPT": accept}
    if bearer:
        variables["BEARER"] = bearer
    if keys:
        variables |= {"KEYS": "1", "KEY_PREFIX": keys}
    full = pinned(LOAD_CORE, ["nice", "-n", str(nice), *command] if nice else command)
    began = processor_s(service.pid)
    done = subprocess.run(
        full, env=os.environ | variables, capture_output=True, text=True, check=True, timeout=whole + 30
    )
    used = processor_s(service.pid) - began
    told = msgspec.json.decode(done.stdout.rpartition("JSON ")[2])
    shown = " ".join(
        [
            *(f"{k}={Path(v).name if k == 'TARGETS' else v}" for k, v in variables.items() if k != "BEARER"),
            *full,
        ]
    )
    return Peak(
        told["requests"] / (told["duration_us"] / 1e6), told["requests"], used / max(told["requests"], 1) * 1e6,
        told["p50_us"] / 1e3, told["p99_us"] / 1e3, told["status"],
        told["connect"] + told["read"] + told["write"] + told["timeout"], load(), shown.replace(str(LUA), LUA.name),
        done.stdout.rpartition("\nJSON")[0].strip(),
    )  # fmt: skip


def alternate(
    services: list[Service], targets: Path, *, rounds: int, seconds: float, connections: int = 32,
    accept: str = "application/json",
) -> list[list[Peak]]:  # fmt: skip
    """Short rounds in turn, ABAB, so that all see the same noise; one round before them warms each up."""
    for one in services:
        run_wrk(one, targets, 1, connections=connections, accept=accept)
    peaks: list[list[Peak]] = [[] for _ in services]
    for _ in range(rounds):
        for mine, one in zip(peaks, services, strict=True):
            mine.append(run_wrk(one, targets, seconds, connections=connections, accept=accept))
    return peaks


def run_h2load(
    service: Service, paths: list[str], rate: float, seconds: float, *, connections: int = 32,
    accept: str = "application/json",
) -> Steady:  # fmt: skip
    """Requests at a constant rate, spread over `connections` connections. GET only."""
    each = max(1, round(rate / connections))
    with tempfile.TemporaryDirectory(prefix="h2load-") as home:
        file, log = Path(home) / "paths", Path(home) / "log"
        file.write_text("".join(f"{service.url}{path}\n" for path in paths))
        command = [
            "h2load", "--h1", "--rps", str(each), "-c", str(connections), "-D", str(max(1, round(seconds))),
            "-H", f"accept: {accept}", "-i", str(file), f"--log-file={log}",
        ]  # fmt: skip
        full = pinned(LOAD_CORE, command)
        waited, began = waited_s(service.pid), time.monotonic()
        done = subprocess.run(full, capture_output=True, text=True, check=True, timeout=seconds + 30)
        waited, took_s = waited_s(service.pid) - waited, time.monotonic() - began
        rows = [line.split() for line in log.read_text().splitlines()]
    took = sorted(int(row[2]) / 1e3 for row in rows)
    if not took:
        raise RuntimeError(f"h2load recorded nothing:\n{done.stdout}")
    span = max((int(rows[-1][0]) - int(rows[0][0])) / 1e6, 0.1)
    return Steady(
        each * connections, len(took) / span, len(took), percentile(took, 50), percentile(took, 99),
        percentile(took, 99.9), took[-1], sum(int(row[1]) >= 400 for row in rows),
        " ".join(full).replace(home, "/tmp/h2load"), _without_progress(done.stdout),
        waited / took_s,
        curve(took),
    )  # fmt: skip


def percentile(ordered: list[float], percent: float) -> float:
    """Of values in order of size; the nearest rank."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def _without_progress(text: str) -> str:
    return "\n".join(
        line
        for line in text.splitlines()
        if line
        and not line.startswith(
            ("progress", "spawning", "starting", "Warm-up", "Main benchmark", "Application")
        )
    )
