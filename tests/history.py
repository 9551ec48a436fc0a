"""What readers and writers saw, and whether a register that is never stale could have shown it.

Record every operation with the instants at which it began and ended (one monotonic clock), then `violations`
judges the history in one pass over its ends:

- F1 a read begun after a change was acknowledged shows that change or a later one,
- F2 no read shows less than a read that had ended before it began,
- F3 no read shows a revision that nobody had begun to write, nor one with another state than was written.

A change whose outcome is unknown (an error, a timeout) may have happened or not, and at any time after it
began; a read that got no answer says nothing.
"""

import itertools
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple


class Write(NamedTuple):
    """One change of one certificate."""

    number: str
    begun: int
    ended: int
    revision: int | None
    """What it made, when it was acknowledged; None when the outcome is unknown."""
    state: str
    """What it was to become."""


class Read(NamedTuple):
    """One answer about one certificate."""

    number: str
    begun: int
    ended: int
    revision: int
    state: str
    reader: str = ""


class History:
    """Operations as they happen. Ends are numbered: two are never at one instant."""

    def __init__(self, first: Iterable[tuple[str, int, str]]) -> None:
        """`first`: number, revision and state that stood before anything began."""
        self._ticks = itertools.count(1)
        self.writes = [Write(number, 0, 0, revision, state) for number, revision, state in first]
        self.reads: list[Read] = []

    def now(self) -> int:
        """The next instant; a total order that agrees with real time within one process."""
        return next(self._ticks)

    def wrote(self, number: str, begun: int, revision: int | None, state: str) -> None:
        """A change ended now."""
        self.writes.append(Write(number, begun, self.now(), revision, state))

    def read(self, number: str, begun: int, revision: int, state: str, reader: str = "") -> None:
        """A read ended now."""
        self.reads.append(Read(number, begun, self.now(), revision, state, reader))

    def violations(self) -> list[str]:
        """Everything that a fresh register could not have shown."""
        return violations(self.writes, self.reads)


def across_processes() -> Callable[[], int]:
    """A clock for histories that are put together from several processes of one machine: nanoseconds."""
    return time.monotonic_ns


class _Judge:
    """One certificate's history, walked through in time."""

    def __init__(self) -> None:
        self.floor = 0
        self.begun = 0
        self.attempted: set[str] = set()
        self.written: dict[int, str] = {}
        self.floor_at: dict[int, int] = {}


def violations(writes: Iterable[Write], reads: Iterable[Read]) -> list[str]:
    """Judge a history; linear but for sorting its ends."""
    judges: dict[str, _Judge] = {}
    ends: list[tuple[int, int, int, Write | Read]] = []
    for order, one in enumerate(itertools.chain(writes, reads)):
        judge = judges.setdefault(one.number, _Judge())
        if isinstance(one, Write) and one.revision is not None:
            judge.written[one.revision] = one.state
        ends += ((one.begun, 0, order, one), (one.ended, 1, order, one))
    found: list[str] = []
    for _, ended, order, one in sorted(ends, key=lambda end: end[:3]):
        judge = judges[one.number]
        if isinstance(one, Read):
            found += _read_end(judge, one, order, bool(ended))
        elif not ended:
            judge.begun = max(judge.begun + 1, one.revision if one.begun == 0 and one.revision else 0)
            judge.attempted.add(one.state)
        elif one.revision is not None:
            judge.floor = max(judge.floor, one.revision)
    return found


def _read_end(judge: _Judge, read: Read, order: int, ended: bool) -> list[str]:
    if not ended:
        judge.floor_at[order] = judge.floor
        return []
    floor = judge.floor_at.pop(order)
    found = []
    if read.revision < floor:
        found.append(
            f"F1/F2: {read} shows less than {floor}, which was acknowledged or shown before it began"
        )
    if read.revision > judge.begun:
        found.append(f"F3: {read} shows a revision that nobody had begun to write")
    state = judge.written.get(read.revision)
    if read.state != state if state is not None else read.state not in judge.attempted:
        found.append(f"F3: {read} shows another state than was written ({state})")
    judge.floor = max(judge.floor, read.revision)
    return found
