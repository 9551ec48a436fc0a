"""Measure the service: `python -m loadtest [SCENARIO …]`; see README.md."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from loadtest.generators import missing
from loadtest.growth import run_growth, run_workers
from loadtest.guests import run_hostile
from loadtest.issuing import run_bulk, run_single
from loadtest.lookups import run_lookups
from loadtest.page_view import run_page_view
from loadtest.papers import run_papers
from loadtest.results import HERE, Results, Section, show
from loadtest.run import Run
from loadtest.servers import run_servers
from loadtest.starting import run_start
from loadtest.storm import run_storm

Scenario = Callable[[Run], Section]

SCENARIOS: dict[str, Scenario] = {
    "servers": run_servers,
    "lookups-sqlite": run_lookups,
    "lookups-postgres": partial(run_lookups, engine="postgres"),
    "growth": run_growth,
    "workers": run_workers,
    "hostile": run_hostile,
    "issue-bulk": run_bulk,
    "issue-sqlite": partial(run_single, engine="sqlite"),
    "issue-postgres": partial(run_single, engine="postgres"),
    "storm-sqlite-1": run_storm,
    "storm-sqlite-2": partial(run_storm, nodes=2),
    "storm-postgres-2": partial(run_storm, engine="postgres", nodes=2),
    "storm-sqlite-office": partial(run_storm, apart=True),
    "storm-postgres-1": partial(run_storm, engine="postgres"),
    "storm-postgres-office": partial(run_storm, engine="postgres", apart=True),
    "start": run_start,
    "papers": run_papers,
    "page-view": run_page_view,
}


def main(arguments: list[str] | None = None) -> int:
    """Run what is asked for. Returns 0, 1 when a scenario could not be run, 2 when a generator is missing."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if strange := [name for name in asked.scenario if name not in SCENARIOS]:
        parser.error(f"no such scenario: {', '.join(strange)}")
    if absent := missing():
        print(
            f"SKIPPED: {', '.join(absent)} not installed (apt-get install wrk nghttp2-client)",
            file=sys.stderr,
        )
        return 2
    failed = 0
    with ExitStack() as stack:
        work = asked.work or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="loadtest-")))
        run = Run(work, quick=asked.quick, stack=stack)
        results = Results(asked.out)
        for name in asked.scenario or SCENARIOS:
            print(f"== {name}")
            began = time.monotonic()
            try:
                section = SCENARIOS[name](run)
            except Exception as error:  # one scenario that cannot run must not hide the others
                failed += 1
                print(f"FAILED {name}: {type(error).__name__}: {error}", file=sys.stderr)
                if asked.strict:
                    raise
                continue
            section.took_s = time.monotonic() - began
            for figure in section.figures:
                print(f"   {figure.what}: {show(figure.value)} {figure.unit} {figure.verdict}")
            results.keep(section)
            results.write(list(SCENARIOS))
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loadtest", description=__doc__)
    parser.add_argument("scenario", nargs="*", help="all of them when none is named: " + ", ".join(SCENARIOS))
    parser.add_argument(
        "--quick", action="store_true", help="a minute for everything: shows that it runs, not how fast"
    )
    parser.add_argument("--work", type=Path, help="folder that keeps seeded installations for the next run")
    parser.add_argument("--out", type=Path, default=HERE, help="where RESULTS.md, plots and raw results go")
    parser.add_argument("--strict", action="store_true", help="stop at the first scenario that cannot run")
    return parser


if __name__ == "__main__":
    sys.exit(main())
