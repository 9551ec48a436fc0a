"""Those who wait for one look at the ledger, and how they are told."""

import asyncio
from collections.abc import Callable, Generator, Iterable
from typing import Any, NamedTuple, TypeVar

import msgspec

from verify.errors import Unavailable, VerifyError
from verify.lookup.answer import FullEntry
from verify.store.contract import Program

T = TypeVar("T")


class Reply(msgspec.Struct, frozen=True, gc=False):
    """What one look-up is told."""

    answers: tuple[bytes, ...]
    """Each a finished JSON object of the contract's form; empty when nothing matches, whatever did not."""
    as_of: str
    """The wall time before the look at the ledger: RFC 3339, milliseconds, UTC."""


Promised = asyncio.Future[Reply]
"""Where one asker waits."""


class Read(NamedTuple):
    """A program for the store. Without a snapshot its statements may each see a later state than the one
    before; `look` and `read_faces` allow that, because they read the sequence first: a label older than its
    data costs a second read, never a stale answer."""

    program: Callable[[], Program[Any]]
    snapshot: bool


class Seek(NamedTuple):
    """A question to the far cache: numbers alone, and full faces."""

    numbers: list[str]
    faces: list[str]


Steps = Generator[Read | Seek, Any, T]
"""A part of the flow: it yields reads, is sent what they returned, and does no I/O of its own."""


class Ask:
    """One look-up by scan code or blind-index tag."""

    __slots__ = ("future", "numbers", "scan_code", "tag")

    def __init__(self, tag: bytes | None, scan_code: str | None, future: Promised) -> None:
        """One of `tag` and `scan_code` is given."""
        self.tag = tag
        self.scan_code = scan_code
        self.numbers: tuple[str, ...] = ()
        self.future = future

    def leads_to(self, entry: FullEntry) -> bool:
        """Whether the certificate, as read, is one that this asker may see."""
        if self.tag is not None:
            return self.tag in entry.tags
        return any(self.scan_code == code for code, _ in entry.copies)


class Waiting:
    """Those who joined since the last look was sent."""

    __slots__ = ("asks", "deadline", "numbers")

    def __init__(self, deadline: float) -> None:
        """Nobody waits yet; `deadline` in the loop's time, where the engine suspends."""
        self.numbers: list[tuple[str, Promised]] = []
        self.asks: list[Ask] = []
        self.deadline = deadline

    def futures(self) -> Iterable[Promised]:
        """Where they wait."""
        yield from (future for _, future in self.numbers)
        yield from (ask.future for ask in self.asks)


class Rest:
    """Those whom memory could not answer, and the look that they wait on."""

    __slots__ = ("as_of", "asks", "at", "have", "numbers", "seq", "wanted")

    def __init__(self, at: int, as_of: str, seq: int) -> None:
        """Of a look begun at `at` (microseconds since 1970 UTC), written `as_of`, that saw head `seq`."""
        self.at = at
        self.as_of = as_of
        self.seq = seq
        self.numbers: dict[str, list[Promised]] = {}
        self.asks: list[Ask] = []
        self.have: dict[str, FullEntry] = {}
        self.wanted: set[str] = set()

    def futures(self) -> Iterable[Promised]:
        """Where they wait."""
        for futures in self.numbers.values():
            yield from futures
        yield from (ask.future for ask in self.asks)


def resolve(futures: Iterable[Promised], reply: Reply) -> None:
    """Tell those still waiting."""
    for future in futures:
        if not future.done():
            future.set_result(reply)


def fail(futures: Iterable[Promised], error: BaseException) -> None:
    """Tell those still waiting. What the store or the clock did is Unavailable; a bug stays what it is."""
    for future in futures:
        if not future.done():
            future.set_exception(_told(error))


def _told(error: BaseException) -> Exception:
    if isinstance(error, Exception) and not isinstance(error, VerifyError | TimeoutError):
        return error
    hint = error.hint if isinstance(error, VerifyError) else "the store did not answer in time"
    told = Unavailable(hint=hint)
    told.__cause__ = error
    return told
