"""What operators see: log lines and metrics. Never a body, a name, an ID number or a scan code.

The hot path adds to plain integers; they become Prometheus text when somebody scrapes.
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

import structlog
from prometheus_client import generate_latest
from prometheus_client.core import CollectorRegistry, CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

log: Final = structlog.get_logger("verify")
"""A line is a sentence for people, then fields for machines."""

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

REQUESTS: Final = "verify_requests"
LOOKUPS: Final = "verify_lookups"
PROBLEMS: Final = "verify_problems"
LEDGER_LOOKS: Final = "verify_ledger_looks"
NEAR_ANSWERS: Final = "verify_near_answers"
FAR_ANSWERS: Final = "verify_far_answers"
STORE_READS: Final = "verify_store_reads"
OPEN: Final = "verify_open"
WEBHOOKS: Final = "verify_webhook_requests"
ARCHIVE: Final = "verify_archive_renewals"
CASES: Final = "verify_cases"
CANARY_ROUNDS: Final = "verify_canary_rounds"
CANARY_SECONDS: Final = "verify_canary_seconds"
CANARY_LAST_SUCCESS: Final = "verify_canary_last_success_timestamp_seconds"

_WORDS: Final = MappingProxyType(
    {
        REQUESTS: "Requests by route; `framework` holds those that no front route answers.",
        LOOKUPS: "Look-ups by what was brought and what came of it.",
        PROBLEMS: "Problems by code.",
        LEDGER_LOOKS: "Looks at the ledger head, each for all who waited.",
        NEAR_ANSWERS: "Numbers and faces answered from memory.",
        FAR_ANSWERS: "Numbers and faces answered from the far cache.",
        STORE_READS: "Numbers and faces read from the store.",
        WEBHOOKS: "Requests to employers' addresses by what came of them.",
        ARCHIVE: "Archive timestamps for kept files by what came of them; `unavailable` is tried again.",
        OPEN: "1 when everything that this worker needs is open.",
        CASES: "Cases at the desk that wait for somebody, and those of them past their day; the same on every office node.",
        CANARY_ROUNDS: "Rounds of the canary by what came of them; `stale` must never be there.",
        CANARY_SECONDS: "From the canary's acknowledged revocation until every node had shown it, last round.",
        CANARY_LAST_SUCCESS: "When every node last showed the canary as it was.",
    }
)

Readings: TypeAlias = Mapping[str, Callable[[], float]]
"""Names of `_WORDS` and how to read them now; every one but `OPEN` only grows."""


def setup_logging(level: str) -> None:
    """JSON lines on standard error, `level` and above. Safe to call again."""
    threshold = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


class Tally:
    """Counters of one process: plain integers under a label, added to from the event loop alone."""

    __slots__ = ("archive", "cases", "lookups", "problems", "requests", "webhooks")

    def __init__(self) -> None:
        """Start at nothing."""
        self.requests: dict[str, int] = {}
        """By route: a name of its own, never the path itself."""
        self.lookups: dict[str, int] = {}
        """By what the asker brought and what came of it: `number/found`, `scan/miss`."""
        self.problems: dict[str, int] = {}
        """By error code."""
        self.webhooks: dict[str, int] = {}
        """By outcome of one request: `delivered`, `too-slow`."""
        self.archive: dict[str, int] = {}
        """Renewals of kept files by outcome."""
        self.cases: dict[str, int] = {}
        """As last counted: `waiting`, `overdue`; nothing where nobody counts, or nobody could."""

    @staticmethod
    def add(counter: dict[str, int], label: str) -> None:
        """One more under `label`; labels come from closed sets."""
        counter[label] = counter.get(label, 0) + 1


tally: Final = Tally()
"""This process's counts."""


class CanaryTally:
    """What the canary found; added to from the event loop alone."""

    __slots__ = ("last_success", "rounds", "seconds")

    def __init__(self) -> None:
        """No round yet."""
        self.rounds: dict[str, int] = {}
        """By outcome."""
        self.seconds = 0.0
        self.last_success = 0.0
        """Seconds since 1970 UTC."""

    def add(self, outcome: str, seconds: float) -> None:
        """One more round."""
        Tally.add(self.rounds, outcome)
        if outcome == "seen":
            self.last_success = time.time()
        if seconds:
            self.seconds = seconds


canary_tally: Final = CanaryTally()
"""This process's canary."""


class _Export(Collector):
    def __init__(self, source: Tally, readings: Readings) -> None:
        self._source = source
        self._readings = readings

    def collect(self) -> Iterator[Metric]:
        worker = str(os.getpid())
        for name, label, counts in (
            (REQUESTS, "route", self._source.requests),
            (LOOKUPS, "outcome", self._source.lookups),
            (PROBLEMS, "code", self._source.problems),
            (WEBHOOKS, "outcome", self._source.webhooks),
            (ARCHIVE, "outcome", self._source.archive),
        ):
            family = CounterMetricFamily(name, _WORDS[name], labels=[label, "worker"])
            for value, count in list(counts.items()):
                family.add_metric([value, worker], count)
            yield family
        if self._source.cases:
            waiting = GaugeMetricFamily(CASES, _WORDS[CASES], labels=["state", "worker"])
            for state, count in self._source.cases.items():
                waiting.add_metric([state, worker], count)
            yield waiting
        if canary_tally.rounds:
            yield from _canary_metrics(worker)
        for name, read in self._readings.items():
            kind = GaugeMetricFamily if name == OPEN else CounterMetricFamily
            reading = kind(name, _WORDS[name], labels=["worker"])
            reading.add_metric([worker], read())
            yield reading


def _canary_metrics(worker: str) -> Iterator[Metric]:
    rounds = CounterMetricFamily(CANARY_ROUNDS, _WORDS[CANARY_ROUNDS], labels=["outcome", "worker"])
    for outcome, count in list(canary_tally.rounds.items()):
        rounds.add_metric([outcome, worker], count)
    yield rounds
    for name, value in (
        (CANARY_SECONDS, canary_tally.seconds),
        (CANARY_LAST_SUCCESS, canary_tally.last_success),
    ):
        gauge = GaugeMetricFamily(name, _WORDS[name], labels=["worker"])
        gauge.add_metric([worker], value)
        yield gauge


def render_metrics(readings: Readings = MappingProxyType({}), source: Tally = tally) -> bytes:
    """Prometheus text of this worker, read now. Workers are told apart by the label `worker`."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Export(source, readings))
    return generate_latest(registry)
