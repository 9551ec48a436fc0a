"""The near cache of one process, and the window of ledger changes that decides what may enter it.

What is in the cache is true as of the last look at the ledger head: every look drops what changed since the
one before. The window remembers those changes while store reads are under way, because a read that began
before a change must not bring back what a later look dropped; with a far cache it remembers them always, because
what comes from there may be as old as anything ever written.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from verify.errors import Unavailable, Words
from verify.store.reads import Head

MAX_CHANGES = 10_000
"""Numbers and scopes whose last change is remembered; what is older than the oldest of them is kept out."""
NEVER = 1 << 62
"""An end that no clock reaches, microseconds since 1970 UTC."""


class Scope:
    """A thing that many entries depend on, such as an agency's name: one event ends them all."""

    __slots__ = ("live",)

    def __init__(self) -> None:
        """Begin alive."""
        self.live = True


class Entry(Protocol):
    """What the cache needs to know about an entry."""

    @property
    def seq(self) -> int:
        """Ledger sequence of the snapshot it was read in."""

    @property
    def until(self) -> int:
        """Not used at or past this instant; microseconds since 1970 UTC, or NEVER."""

    @property
    def scope(self) -> Scope:
        """Not used once this has ended."""

    @property
    def size(self) -> int:
        """Bytes that it takes, its key and its place in the cache included."""


E = TypeVar("E", bound=Entry)


class Window:
    """What this process knows of the ledger."""

    def __init__(self, *, always: bool = False) -> None:
        """Begin before the first look. `always`: remember changes also while no read is under way."""
        self.seq: int | None = None
        """The head as last seen."""
        self.changed: dict[str, int] = {}
        """Sequence of the last known change of a number or scope, while it may matter; oldest first."""
        self.floor = 0
        """Nothing older than this may enter the cache."""
        self._reads = 0
        self._always = always

    def advance(self, head: Head) -> None:
        """Take in one look. Raises Unavailable when the ledger is behind what was seen before: a restored
        backup must not bring a revoked certificate back."""
        if self.seq is not None and head.seq < self.seq:
            what = Words("台账落后于已见状态，暂不作答。", "The ledger is behind what this node has seen.")
            raise Unavailable(what, hint="compare the ledger with its witness: verify audit")
        if self._always and self.seq is None:  # the window begins where the first look looked back to
            self.floor = head.changes[0].seq - 1 if head.changes else head.seq
        self.seq = head.seq
        if not head.complete:
            self.end_all(head.seq)
        elif self._reads or self._always:
            self._remember(head)

    def begin_again(self) -> None:
        """Another history begins: what was seen of the one before, and its sequence, mean nothing here."""
        self.seq, self.floor = None, 0
        self.changed.clear()

    def end_all(self, seq: int) -> None:
        """Something at `seq` touches everything: nothing older may enter."""
        self.floor = max(self.floor, seq)
        self.changed.clear()

    def _remember(self, head: Head) -> None:
        changed = self.changed
        for change in head.changes:
            for what in (change.number, change.scope):
                if what is not None:
                    changed.pop(what, None)  # put at the end again, so that the oldest change stands first
                    changed[what] = change.seq
        while len(changed) > MAX_CHANGES:
            self.floor = max(self.floor, changed.pop(next(iter(changed))))

    def begin_read(self) -> None:
        """A store read is about to be sent: changes are remembered from here on."""
        self._reads += 1

    def end_read(self) -> None:
        """Its puts are done, or it failed."""
        self._reads -= 1
        if not self._reads and not self._always:
            self.changed.clear()

    def admits(self, what: str, seq: int) -> bool:
        """Whether a value read at `seq` is not older than any known change of this number or scope."""
        return seq >= self.floor and self.changed.get(what, 0) <= seq


class Near(Generic[E]):
    """Entries by number, least recently used out first, bounded in bytes."""

    def __init__(
        self, limit_bytes: int, window: Window, *, admits: Callable[[str, int], bool] | None = None
    ) -> None:
        """Hold at most `limit_bytes`. `admits` is the guard; the window's own unless a test weakens it."""
        self._limit = limit_bytes
        self._admits = admits or window.admits
        self._entries: OrderedDict[str, E] = OrderedDict()
        self._used = self._entries.move_to_end
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, number: str, at: int) -> E | None:
        """The entry, unless it has ended by `at` (microseconds since 1970 UTC)."""
        entry = self._entries.get(number)
        if entry is None:
            return None
        if at >= entry.until or not entry.scope.live:
            self._remove(number)
            return None
        self._used(number)
        return entry

    def put(self, number: str, entry: E) -> bool:
        """Keep the entry unless something newer is known or held; tells whether it was kept."""
        if not self._admits(number, entry.seq) or not entry.scope.live or entry.size > self._limit:
            return False
        held = self._entries.get(number)
        if held is not None:
            if held.seq > entry.seq:
                return False
            self.bytes -= held.size
        self._entries[number] = entry
        self.bytes += entry.size
        while self.bytes > self._limit:
            self.bytes -= self._entries.popitem(last=False)[1].size
        return True

    def drop(self, number: str, seq: int) -> None:
        """The number changed at `seq`: forget what is older."""
        entry = self._entries.get(number)
        if entry is not None and entry.seq < seq:
            self._remove(number)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self.bytes = 0

    def _remove(self, number: str) -> None:
        self.bytes -= self._entries.pop(number).size
