"""Every load scenario runs, and everything it checks is right; how fast it is, is no matter here."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from loadtest.__main__ import SCENARIOS
from loadtest.generators import missing
from loadtest.plots import Bars, Lines, draw
from loadtest.results import Results, Section
from loadtest.run import Run

pytestmark = [
    pytest.mark.skipif(bool(missing()), reason=f"absent: {missing()} (apt-get install wrk nghttp2-client)"),
    pytest.mark.xdist_group("loadtest"),
]


@pytest.fixture(scope="module")
def quick() -> Iterator[Run]:
    with tempfile.TemporaryDirectory(prefix="quick-", dir="/tmp") as work, ExitStack() as stack:
        yield Run(Path(work), quick=True, stack=stack)


SHORT = ("start",)
"""What runs with every gate; the rest takes minutes and runs with `make long`."""


@pytest.mark.parametrize(
    "name", [name if name in SHORT else pytest.param(name, marks=pytest.mark.long) for name in SCENARIOS]
)
def test_a_scenario_runs_and_every_answer_is_right(quick: Run, name: str, tmp_path: Path) -> None:
    section = SCENARIOS[name](quick)
    assert section.figures
    assert [figure for figure in section.figures if figure.truth and not figure.good] == []
    results = Results(tmp_path)
    results.keep(section)
    text = results.write([name]).read_text("utf-8")
    assert section.title in text
    for plot in (tmp_path / "plots").glob("*.svg"):
        assert plot.name in text


def test_a_wrong_answer_is_shown_as_missed_whatever_the_speed() -> None:
    section = Section("x", "X", "")
    section.must("answers that were wrong", 1)
    assert [figure.verdict for figure in section.figures] == ["**MISSED**"]


def test_a_plot_escapes_its_names_and_bears_values_of_nothing() -> None:
    assert "&lt;b&gt;" in draw(Bars("<b>", "", [("none", 0.0)]))
    assert "</svg>" in draw(Lines("empty", "ms", [("nobody", [])]))
