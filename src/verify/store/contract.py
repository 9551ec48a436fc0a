"""What a store promises, and the language in which the rooms above speak to it.

A *program* is a generator: it yields steps (a named SQL statement with its arguments) and is sent the rows.
It holds the logic of one transaction and does no I/O of its own, so the same text runs on every engine: the
embedded one drives it in a thread, a networked one drives it with awaits, and either may run it again from
the start when the database asks for a retry.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

T = TypeVar("T")

Row: TypeAlias = tuple[Any, ...]
Rows: TypeAlias = list[Row]


class Run(NamedTuple):
    """Run one named statement; its rows come back. A list argument feeds an `in {list $n}` of the text."""

    name: str
    args: tuple[Any, ...] = ()


class RunMany(NamedTuple):
    """Run one named statement that returns nothing, once for each tuple of arguments."""

    name: str
    rows: Sequence[tuple[Any, ...]]


Step: TypeAlias = Run | RunMany
Program: TypeAlias = Generator[Step, Rows, T]


def run(name: str, *args: Any) -> Generator[Step, Rows, Rows]:
    """Yield one statement and return its rows: `rows = yield from run("find_agency", code)`."""
    rows: Rows = yield Run(name, args)
    return rows


def run_many(name: str, rows: Sequence[tuple[Any, ...]]) -> Generator[Step, Rows, None]:
    """Yield one statement for many argument tuples; nothing is sent when there are none."""
    if rows:
        yield RunMany(name, rows)


class Store(Protocol):
    """The truth. Safe to call concurrently from one event loop.

    - `read` runs a program in one snapshot of the primary that includes every write acknowledged before the
      call began, by any process.
    - `write` runs a program in one transaction. When it returns, the outcome is durable: it survives kill -9
      of every process and a power cut, and every later `read` anywhere sees it. Writes take effect in the
      order of the ledger. When the program raises, nothing of it remains and the exception passes through.
    - Any failure of the database itself raises `StoreFailed`: the outcome is then *unknown*, not "not done".
    """

    async def read(self, program: Callable[[], Program[T]], *, snapshot: bool = True) -> T:
        """Run `program` in one snapshot; `snapshot=False` spares a round trip where it is one statement."""
        ...

    async def write(self, program: Callable[[], Program[T]]) -> T:
        """Run `program` in one durable transaction; `program` may be called more than once."""
        ...

    async def close(self) -> None:
        """Finish the writes under way and let go of the database."""
        ...
