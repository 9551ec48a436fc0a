"""What operators see: log lines and metrics. Never a body, a name, an ID number or a scan code.

The hot path adds to plain integers; they become Prometheus text when somebody scrapes.
"""

import logging
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog
from prometheus_client import generate_latest
from prometheus_client.core import CollectorRegistry, CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

log: Final = structlog.get_logger("verify")
"""A line is a sentence for people, then fields for machines."""

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

REQUESTS: Final = "verify_requests"
LOOKUPS: Final = "verify_lookups"
PROBLEMS: Final = "verify_problems"
UP_SINCE: Final = "verify_start_time_seconds"


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

    __slots__ = ("lookups", "problems", "requests")

    def __init__(self) -> None:
        """Start at nothing."""
        self.requests: dict[str, int] = {}
        """By route: the template, never the path itself."""
        self.lookups: dict[str, int] = {}
        """By what the asker brought and what came of it: `number/found`, `scan/miss`."""
        self.problems: dict[str, int] = {}
        """By error code."""

    @staticmethod
    def add(counter: dict[str, int], label: str) -> None:
        """One more under `label`; labels come from closed sets."""
        counter[label] = counter.get(label, 0) + 1


tally: Final = Tally()
"""This process's counts."""


class _Export(Collector):
    def __init__(self, source: Tally, gauges: Mapping[str, Callable[[], float]]) -> None:
        self._source = source
        self._gauges = gauges

    def collect(self) -> Any:
        worker = str(os.getpid())
        for name, words, label, counts in (
            (REQUESTS, "Requests by route.", "route", self._source.requests),
            (LOOKUPS, "Look-ups by what was brought and what came of it.", "outcome", self._source.lookups),
            (PROBLEMS, "Problems by code.", "code", self._source.problems),
        ):
            family = CounterMetricFamily(name, words, labels=[label, "worker"])
            for value, count in list(counts.items()):
                family.add_metric([value, worker], count)
            yield family
        for name, read in self._gauges.items():
            gauge = GaugeMetricFamily(name, name.replace("_", " "), labels=["worker"])
            gauge.add_metric([worker], read())
            yield gauge


def render_metrics(gauges: Mapping[str, Callable[[], float]] | None = None, source: Tally = tally) -> bytes:
    """Prometheus text of this worker; `gauges` are read now. Workers are told apart by the label `worker`."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Export(source, gauges or {}))
    return generate_latest(registry)
