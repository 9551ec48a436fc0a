"""Those who wait for one look at the ledger, and how they are told."""

import asyncio
from collections.abc import Callable, Generator, Iterable
from typing import Any, NamedTuple, TypeVar

import msgspec

from verify.errors import Unavailable, VerifyError, Words
from verify.lookup.answer import FullEntry
from verify.store.contract import Program
from verify.store.reads import Lost

T = TypeVar("T")

LOST = Words(
    "登记库经过恢复，部分证书尚未找回，暂时无法核验，这不代表证书无效。",
    "The register was restored and some certificates are not back yet: this could not be checked, which does not"
    " mean that it is invalid.",
)


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
    history: str


Steps = Generator[Read | Seek, Any, T]
"""A part of the flow: it yields reads, is sent what they returned, and does no I/O of its own."""


class Ask:
    """One look-up by scan code or blind-index tag."""

    __slots__ = ("future", "named", "numbers", "scan_code", "tag")

    def __init__(
        self, tag: bytes | None, scan_code: str | None, future: Promised, named: str | None = None
    ) -> None:
        """One of `tag` and `scan_code` is given; `named` is the number that a tag was made of."""
        self.tag = tag
        self.scan_code = scan_code
        self.named = named
        self.numbers: tuple[str, ...] = ()
        self.future = future

    def may_be_lost(self, lost: Lost) -> bool:
        """Whether what leads nowhere may lead to something that a restore did not bring back."""
        return lost.any and (self.named is None or self.named in lost.numbers)

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

    __slots__ = ("as_of", "asks", "at", "have", "history", "numbers", "seq", "wanted")

    def __init__(self, at: int, as_of: str, seq: int, history: str) -> None:
        """Of a look begun at `at` (microseconds since 1970 UTC), written `as_of`, that saw head `seq` of `history`."""
        self.at = at
        self.as_of = as_of
        self.seq = seq
        self.history = history
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


def not_brought_back(futures: Iterable[Promised]) -> None:
    """Tell those still waiting that nobody can say, instead of that there is no such certificate."""
    for future in futures:
        if not future.done():
            future.set_exception(Unavailable(LOST))


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
