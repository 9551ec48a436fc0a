"""A store that is watched from outside of its database: by the witness, and by the journal.

It passes everything on. A write is acknowledged only after the journal holds its events; the witness hears of
the new head within a second; and while the register is not what the witness noted, nothing is answered.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar, runtime_checkable

from verify.errors import LedgerBroken, NotReady, StoreFailed, Unavailable, VerifyError, Words
from verify.proof.ledger import Head, Link
from verify.store.contract import Program, RunMany, Store, run
from verify.store.logbook import Logbook
from verify.store.witness import Witness, check_witness
from verify.telemetry import log

T = TypeVar("T")

NOTE_S = 1.0
CHECK_S = 60.0
PAGE = 2000


@runtime_checkable
class _ReadsNow(Protocol):
    def read_now(self, program: Callable[[], Program[T]]) -> T: ...


async def open_watched(
    store: Store, *, witness: Witness | None, logbook: Logbook | None, writes: bool, check_s: float = CHECK_S
) -> Store:
    """Hold the register against witness and journal, then watch it. `writes`: this node notes heads.

    Raises NotReady when the witness is away or was never told of this register, LedgerBroken when the register
    is behind it or another; the store is then still the caller's to close.
    """
    if witness is None and logbook is None:
        return store
    if witness is not None:
        noted = await asyncio.to_thread(witness.last)
        if noted is None:
            what = Words("见证中尚无记录。", f"The witness {witness.where} knows nothing of this register.")
            raise NotReady(
                what, hint="mount its storage; if this register is the true one: verify recover accept"
            )
        await store.read(lambda: check_witness(lambda: noted))
    kind = _WatchedNow if isinstance(store, _ReadsNow) else WatchedStore
    watched = kind(store, witness if writes or witness is None else _Silent(witness), logbook, check_s)
    if logbook is not None:
        await watched.catch_up(logbook)
    watched.start()
    return watched


class WatchedStore:
    """Promises what `contract.Store` promises, and what the module says. Made by `open_watched`."""

    def __init__(
        self, store: Store, witness: Witness | None, logbook: Logbook | None, check_s: float
    ) -> None:
        """Take over an open store."""
        self._store = store
        self._witness = witness
        self._check_s = check_s
        self._book = None if logbook is None else _Book(store, logbook)
        self._refusal: VerifyError | None = None
        self._noted = -1
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch."""
        if self._witness is not None:
            self._task = asyncio.create_task(self._watch(self._witness), name="witness")

    async def read(self, program: Callable[[], Program[T]], *, snapshot: bool = True) -> T:
        """See `contract.Store`. Raises Unavailable while the register is not what the witness noted."""
        self.assert_true()
        return await self._store.read(program, snapshot=snapshot)

    async def write(self, program: Callable[[], Program[T]]) -> T:
        """See `contract.Store`; acknowledged when the journal holds it too."""
        self.assert_true()
        if self._book is None:
            return await self._store.write(program)
        seen: list[Link] = []
        value = await self._store.write(lambda: _overheard(program(), seen))
        if seen:
            await self._book.put(seen)
        return value

    async def close(self) -> None:
        """Tell the witness of the last head, then let go."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._witness is not None and self._refusal is None:
            with contextlib.suppress(VerifyError):
                await self._note(self._witness)
        await self._store.close()
        if self._book is not None:
            await self._book.close()

    async def catch_up(self, logbook: Logbook) -> None:
        """Bring the journal up to the ledger. Raises LedgerBroken when it knows more than the register."""
        assert self._book is not None
        if logbook.last is not None:
            last = Head(logbook.last.seq, bytes.fromhex(logbook.last.hash))
            await self._store.read(lambda: check_witness(lambda: last))
        await self._book.begin()

    async def _watch(self, witness: Witness) -> None:
        loop = asyncio.get_running_loop()
        checked = loop.time()
        while True:
            await asyncio.sleep(NOTE_S)
            try:
                if loop.time() - checked >= self._check_s:
                    checked = loop.time()
                    await self._check(witness)
                if self._refusal is None:
                    await self._note(witness)
            except VerifyError as error:
                log.warning("the witness was not told", why=error.detail.en, hint=error.hint)

    async def _check(self, witness: Witness) -> None:
        noted = await asyncio.to_thread(witness.last)
        try:
            await self._store.read(lambda: check_witness(lambda: noted))
        except LedgerBroken as error:
            log.error("nothing is answered: the register is not what its witness noted", why=error.detail.en)
            self._refusal = error
        else:
            self._refusal = None

    async def _note(self, witness: Witness) -> None:
        head = await self._store.read(_proved_head)
        if head.seq > self._noted:
            await asyncio.to_thread(witness.note, head)
            self._noted = head.seq

    def assert_true(self) -> None:
        """Raises Unavailable while the register is not what the witness noted."""
        if self._refusal is not None:
            raise Unavailable(self._refusal.detail, hint=self._refusal.hint)


class _WatchedNow(WatchedStore):
    """The same over an engine that reads without suspending."""

    def read_now(self, program: Callable[[], Program[T]]) -> T:
        """See `SqliteStore.read_now`."""
        self.assert_true()
        assert isinstance(self._store, _ReadsNow)
        return self._store.read_now(program)


class _Silent:
    """The witness as a node sees it that only reads: asked, never told."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness
        self.where = witness.where

    def last(self) -> Head | None:
        return self._witness.last()

    def note(self, head: Head, *, accepted: bool = False) -> None:
        """Nodes of the office note what they wrote."""


class _Book:
    """Appends to the journal in the ledger's order, one synchronisation for all that wait."""

    def __init__(self, store: Store, logbook: Logbook) -> None:
        self._store = store
        self._logbook = logbook
        self._last = 0 if logbook.last is None else logbook.last.seq
        self._waiting: list[tuple[Sequence[Link], asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Add what the ledger has more than the journal; a new journal begins at the head."""
        head = await self._store.read(_head)
        if self._logbook.last is None:
            self._last = max(0, head.seq - 1)
        await self._append([], head.seq + 1)

    async def put(self, links: Sequence[Link]) -> None:
        """On disk when it returns. Raises StoreFailed: the change then stands, but is not acknowledged."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((links, future))
        if self._task is None:
            self._task = asyncio.ensure_future(self._run())
        await asyncio.shield(future)

    async def close(self) -> None:
        if self._task is not None:
            await self._task
        self._logbook.close()

    async def _run(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                links = sorted((link for some, _ in group for link in some), key=lambda link: link.seq)
                failure: VerifyError | None = None
                try:
                    await self._append([link for link in links if link.seq > self._last], links[0].seq)
                except VerifyError as error:
                    failure = error
                for _, future in group:
                    _settle(future, failure)
        finally:
            self._task = None

    async def _append(self, links: Sequence[Link], before: int) -> None:
        """What other nodes wrote, or a commit whose outcome was unknown, goes in first."""
        while self._last + 1 < before:
            rows = await self._store.read(partial(run, "read_events", self._last, PAGE))
            missing = [Link(row[0], row[4].encode(), bytes(row[5])) for row in rows if row[0] < before]
            if not missing:
                raise StoreFailed(hint="the ledger does not hold what was just written: verify audit")
            await self._write(missing)
        if links:
            await self._write(links)

    async def _write(self, links: Sequence[Link]) -> None:
        await asyncio.to_thread(self._logbook.append, links)
        self._last = links[-1].seq


def _settle(future: "asyncio.Future[None]", failure: VerifyError | None) -> None:
    if future.done():
        return
    if failure is None:
        future.set_result(None)
    else:
        future.set_exception(failure)
        future.exception()  # a caller that went away leaves no complaint behind


def _overheard(program: Program[T], seen: list[Link]) -> Program[T]:
    """Run `program`, and keep the events that it writes; begun again, it is listened to anew."""
    seen.clear()
    try:
        step = next(program)
        while True:
            if isinstance(step, RunMany) and step.name == "insert_event":
                seen += [Link(row[0], row[4].encode(), row[5]) for row in step.rows]
            rows = yield step
            step = program.send(rows)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]  # StopIteration.value is untyped in typeshed


def _head() -> Program[Head]:
    ((seq, digest),) = yield from run("read_head")
    return Head(seq, bytes(digest))


def _proved_head() -> Program[Head]:
    """The head, where it is proved that this is the primary: what was not confirmed is not noted."""
    yield from run("read_seq")
    return (yield from _head())


__all__ = ["WatchedStore", "open_watched"]
