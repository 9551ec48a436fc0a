"""What was measured: figures against goals, kept as JSON by scenario, and told in RESULTS.md."""

import datetime as dt
import hashlib
from pathlib import Path
from typing import Literal

import msgspec

from loadtest.machine import Machine, describe_machine, load
from loadtest.plots import Bars, Lines, draw

HERE = Path(__file__).resolve().parent
Direction = Literal[">=", "<="]


class Figure(msgspec.Struct, frozen=True):
    """One measured value, and what it should be."""

    what: str
    value: float
    unit: str
    goal: float | None = None
    direction: Direction = ">="
    note: str = ""
    truth: bool = False
    """Must hold at any speed, on any machine: a wrong answer is no question of load."""

    @property
    def good(self) -> bool:
        """Whether the goal is met; true where there is none."""
        if self.goal is None:
            return True
        return self.value >= self.goal if self.direction == ">=" else self.value <= self.goal

    @property
    def verdict(self) -> str:
        """`met`, `MISSED`, or empty where there is no goal."""
        if self.goal is None:
            return ""
        return "met" if self.good else "**MISSED**"


class Section(msgspec.Struct):
    """One scenario."""

    name: str
    title: str
    about: str
    figures: list[Figure] = []
    commands: list[str] = []
    raw: list[str] = []
    bars: list[Bars] = []
    lines: list[Lines] = []
    measured_at: str = ""
    load: float = 0.0
    took_s: float = 0.0
    source: str = "not noted"
    """Fingerprint of the product's source at the time."""

    def add(
        self,
        what: str,
        value: float,
        unit: str,
        goal: float | None = None,
        direction: Direction = ">=",
        note: str = "",
    ) -> None:
        """Add a figure."""
        self.figures.append(Figure(what, value, unit, goal, direction, note))

    def must(self, what: str, wrong: float, unit: str = "") -> None:
        """Add a count of what is wrong, which must be none."""
        self.figures.append(Figure(what, wrong, unit, 0.0, "<=", truth=True))


def fingerprint() -> str:
    """The first digits of a SHA-256 over the product's source: tells whether two results measured the same."""
    digest = hashlib.sha256()
    for file in sorted((HERE.parent / "src").rglob("*")):
        if file.is_file() and file.suffix != ".pyc":
            digest.update(file.relative_to(HERE.parent).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


def show(value: float) -> str:
    """A number for people: three figures, thousands apart."""
    if value != value:
        return "-"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


class Results:
    """The folder in which results are kept; scenarios measured earlier stay until they are measured again."""

    def __init__(self, folder: Path = HERE) -> None:
        """Keep JSON in `folder`/results, plots in `folder`/plots, the report in `folder`/RESULTS.md."""
        self._folder = folder
        self._kept = folder / "results"
        self._kept.mkdir(parents=True, exist_ok=True)

    def keep(self, section: Section) -> None:
        """Keep one scenario and write the report anew."""
        section.measured_at = dt.datetime.now(dt.UTC).isoformat(timespec="minutes").replace("+00:00", "Z")
        section.load = load()
        section.source = fingerprint()
        (self._kept / f"{section.name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(section)))
        (self._kept / "machine.json").write_bytes(
            msgspec.json.format(msgspec.json.encode(describe_machine()))
        )

    def write(self, order: list[str]) -> Path:
        """RESULTS.md and its plots from everything that is kept, in the given order."""
        files = [self._kept / f"{name}.json" for name in order]
        sections = [msgspec.json.decode(file.read_bytes(), type=Section) for file in files if file.exists()]
        machine = msgspec.json.decode((self._kept / "machine.json").read_bytes(), type=Machine)
        text = [HEAD, *_machine(machine), *_summary(sections)]
        for section in sections:
            text += self._section(section)
        report = self._folder / "RESULTS.md"
        report.write_text("\n".join(text) + "\n", "utf-8")
        return report

    def _section(self, section: Section) -> list[str]:
        lines = [f"## {section.title}", "", section.about, ""]
        when = f"Measured {section.measured_at} in {section.took_s:.0f} s"
        lines += [f"{when}; load average {section.load:.1f}; source {section.source}.", ""]
        lines += ["| figure | value | goal | |", "| --- | ---: | ---: | --- |"]
        lines += [
            f"| {f.what}{_noted(f)} | {show(f.value)} {f.unit} | {_goal(f)} | {f.verdict} |"
            for f in section.figures
        ]
        lines.append("")
        plots: list[Bars | Lines] = [*section.bars, *section.lines]
        for number, plot in enumerate(plots):
            name = f"{section.name}-{number}.svg"
            (self._folder / "plots").mkdir(exist_ok=True)
            (self._folder / "plots" / name).write_text(draw(plot), "utf-8")
            lines += [f"![{plot.title}](plots/{name})", ""]
        lines += ["<details><summary>Commands and raw output</summary>", ""]
        lines += ["```", *dict.fromkeys(section.commands), "```", ""]
        for raw in section.raw:
            lines += ["```", raw.strip(), "```", ""]
        return [*lines, "</details>", ""]


HEAD = """# Results

What the service does on one small machine, beside bare servers that were measured in the same minutes. Written by
`python -m loadtest`; how to read it and how to repeat it is in [README.md](README.md).

The machine was shared while this ran, so absolute rates are low and uneven. Two things make the figures usable all
the same: product and floor take turns in short rounds and the median of the rounds' ratios is told; and beside every
rate stands what the server's processes used of a core, which others' work hardly changes. *Answers per core-second*
is one second divided by the processor time of one answer: what one core gives when nobody else wants it."""


def _machine(machine: Machine) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    return [
        "", "## Machine", "",
        f"{machine.processor}, {machine.cores} cores, {machine.memory_gib} GiB, Linux {machine.kernel}, "
        f"Python {machine.python}; {versions}. Server on core 0, generators on core 1, PostgreSQL on either, "
        "everything on loopback. Budgets are off except in the hostile scan; all other settings are the defaults.", "",
    ]  # fmt: skip


def _summary(sections: list[Section]) -> list[str]:
    lines = [
        "## Figures that have a goal",
        "",
        "| scenario | figure | value | goal | |",
        "| --- | --- | ---: | ---: | --- |",
    ]
    for section in sections:
        lines += [
            f"| {section.title} | {f.what} | {show(f.value)} {f.unit} | {_goal(f)} | {f.verdict} |"
            for f in section.figures if f.goal is not None
        ]  # fmt: skip
    return [*lines, ""]


def _goal(figure: Figure) -> str:
    if figure.goal is None:
        return ""
    return f"{'≥' if figure.direction == '>=' else '≤'} {show(figure.goal)} {figure.unit}"


def _noted(figure: Figure) -> str:
    return f" ({figure.note})" if figure.note else ""
