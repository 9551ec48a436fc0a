"""Progress: a bar where a person watches, plain lines elsewhere, both on standard error."""

from types import TracebackType

import click
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from verify.cli.errand import is_terminal

STEP_PERCENT = 10


class Progress:
    """Told how far a piece of work is; shows it while it is open."""

    def __init__(self, what: str, total: int) -> None:
        """`total` in whatever `reach` counts."""
        self._what = what
        self._total = total
        self._told = 0
        self._bar: Bar | None = None
        if is_terminal():
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[note]}"),
                TimeRemainingColumn(),
            )
            self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task(what, total=total, note="")

    def reach(self, done: int, note: str) -> None:
        """The work is at `done`."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, note=note)
            return
        percent = min(100, done * 100 // self._total)
        if percent >= self._told + STEP_PERCENT:
            self._told = percent - percent % STEP_PERCENT
            click.echo(f"{self._what}: {percent} % ({note})", err=True)

    def __enter__(self) -> "Progress":
        """Show it."""
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take it away."""
        if self._bar is not None:
            self._bar.stop()
