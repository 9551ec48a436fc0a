"""Look-ups: what an asker brings goes into the waiting set, and one look at the ledger answers all who wait.

One flow: join → swap the set out → look at the head → drop what changed → answer from memory → ask the far cache,
if there is one → read the rest → keep it. A request never joins a look that was already sent, so whatever was
acknowledged before it came is seen. The picture and the decisions are in this room's README; the models in
`model/` are the same flow for Spin.
"""

import asyncio
import datetime as dt
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import msgspec

from verify.certificate.name import fold_name, parse_name
from verify.certificate.number import canonical_number
from verify.certificate.scan_code import parse_scan_code
from verify.errors import Unavailable, VerifyError, Words
from verify.lookup.answer import Agency, FullEntry, NumberEntry, full_bytes, instant
from verify.lookup.entries import Entries, read_identity
from verify.lookup.far import FarCache, FarFace, FarNumber, Sought, far_face, far_number
from verify.lookup.near import Near, Window
from verify.lookup.waiting import (
    Ask,
    Promised,
    Read,
    Reply,
    Rest,
    Seek,
    Steps,
    Waiting,
    fail,
    not_brought_back,
    resolve,
)
from verify.proof.sealing import DataKeys
from verify.store.contract import Program, Row, Store, run
from verify.store.journal import to_micros
from verify.store.personal import person_tag
from verify.store.reads import (
    NOTHING_LOST,
    WINDOW,
    Faces,
    Found,
    Head,
    Lost,
    Whole,
    look,
    read_faces,
    read_whole,
)

__all__ = ["Figures", "Lookup", "ReadsNow", "Reply"]

T = TypeVar("T")

LOOK_BACK = WINDOW - 500
"""Changes that the first look takes in where there is a far cache, so that a node which has just started may use
what others wrote before. Fewer than a look tells, because the head may move between its two statements."""


TURNS = 3
"""Turns of the event loop before a look is sent, so that whoever is at the door joins it: under load twice as many
share a look, and an idle loop turns in microseconds."""


class Figures(msgspec.Struct):
    """Counts since the start, for metrics."""

    looks: int = 0
    """Looks at the ledger head, each for all who waited."""
    near: int = 0
    """Numbers and faces answered from memory."""
    far: int = 0
    """Numbers and faces answered from the far cache."""
    read: int = 0
    """Numbers and faces read from the store."""


@runtime_checkable
class ReadsNow(Protocol):
    """A store whose read takes microseconds on the caller's thread."""

    def read_now(self, program: Callable[[], Program[T]]) -> T:
        """The same as `Store.read`, without suspending."""
        ...


class Person(NamedTuple):
    """A document and a name as keyed digests."""

    target: bytes
    """Counts look-ups of one document, whatever the name."""
    tag: bytes
    """Finds the certificates of this document under this name."""


class Lookup:
    """The public's questions. One per process and event loop.

    Promises: an answer shows a state that the register had at some instant between the question and the answer
    (F1 to F3); when that cannot be established, Unavailable is raised (F4); every miss is the same empty reply.
    """

    def __init__(
        self,
        store: Store,
        *,
        data_keys: DataKeys,
        near_cache_bytes: int,
        deadline_s: float,
        revoked_public: bool = True,
        far: FarCache | None = None,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        """Answer from `store`, with at most `near_cache_bytes` of memory for answers.

        `deadline_s`: seconds after which a question that the store has not answered is Unavailable.
        `revoked_public`: False answers a revoked certificate as if it were unknown. `far`: asked before the
        store; worth its while only where the store is far too. `now`: aware wall clock.
        """
        self._store = store
        self._far = far
        self._read_now = store.read_now if isinstance(store, ReadsNow) and far is None else None
        self._keys = data_keys
        self._deadline_s = deadline_s
        self._now = now
        self._window = Window(always=far is not None)
        self._history: str | None = None
        self._numbers: Near[NumberEntry] = Near(near_cache_bytes * 5 // 8, self._window)
        self._full: Near[FullEntry] = Near(near_cache_bytes // 4, self._window)
        self._entries = Entries(self._window, data_keys, near_cache_bytes // 8, revoked_public=revoked_public)
        self._waiting = Waiting(0.0)
        self._scheduled = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.figures = Figures()

    # --- questions --------------------------------------------------------------------------------------

    async def by_number(self, text: str) -> Reply:
        """What a number alone tells: nothing about the holder. Raises Invalid, Unavailable."""
        number = canonical_number(text)
        loop = asyncio.get_running_loop()
        future: Promised = loop.create_future()
        self._waiting.numbers.append((number, future))
        if not self._scheduled:
            self._schedule(loop)
        return await future

    async def by_number_and_name(self, number: str, name: str) -> Reply:
        """The full public face for number and holder's name. Raises Invalid, Unavailable."""
        canonical = canonical_number(number)
        tag = self._keys.name_tag(canonical, fold_name(parse_name(name, pointer="/name")))
        return await self._ask(tag, None, canonical)

    async def by_person(self, id_type: str, id_number: str, name: str) -> Reply:
        """All certificates of the person with this document and name. Raises Invalid, Unavailable."""
        return await self.by_read_person(self.read_person(id_type, id_number, name))

    async def by_scan_code(self, text: str) -> Reply:
        """The full public face, and whether the copy with this code is the current one.

        Raises Unreadable or Invalid for what is no scan code, Unavailable.
        """
        return await self._ask(None, parse_scan_code(text))

    def read_person(self, id_type: str, id_number: str, name: str) -> "Person":
        """What a person brings, read once: what to count it by, and what finds it. Raises Invalid."""
        identity = read_identity(id_type, id_number, self._now())
        key = fold_name(parse_name(name, pointer="/name"))
        return Person(person_tag(self._keys, identity, ""), person_tag(self._keys, identity, key))

    async def by_read_person(self, person: "Person") -> Reply:
        """The same as `by_person`, for what `read_person` gave. Raises Unavailable."""
        return await self._ask(person.tag, None)

    async def close(self) -> None:
        """Stop the reads under way; those who wait are told Unavailable."""
        if self._far is not None:
            await self._far.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- the waiting set --------------------------------------------------------------------------------

    async def _ask(self, tag: bytes | None, scan_code: str | None, named: str | None = None) -> Reply:
        loop = asyncio.get_running_loop()
        ask = Ask(tag, scan_code, loop.create_future(), named)
        self._waiting.asks.append(ask)
        if not self._scheduled:
            self._schedule(loop)
        return await ask.future

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        """The first to join after an idle time starts the one who looks."""
        self._scheduled = True
        if self._read_now is not None:
            loop.call_soon(self._flush_now)
        else:
            self._waiting.deadline = loop.time() + self._deadline_s
            self._start(self._serve(loop))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _flush_now(self) -> None:
        """One look on an engine that reads without suspending."""
        waiting, self._waiting = self._waiting, Waiting(0.0)
        self._scheduled = False
        try:
            rest = self._drive_now(self._look(waiting))
        except Exception as error:  # whoever waits must hear of it: nobody awaits this callback
            fail(waiting.futures(), error)
            return
        if rest is None:
            return
        self._window.begin_read()
        try:
            self._drive_now(self._fetch(rest))
        except Exception as error:  # as above
            fail(rest.futures(), error)
        finally:
            self._window.end_read()

    async def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look again and again, one look at a time, until nobody waits."""
        while self._waiting.numbers or self._waiting.asks:
            for _ in range(TURNS):
                await asyncio.sleep(0)
            # The set is swapped out before the look is sent: who comes later waits for the next one.
            waiting, self._waiting = self._waiting, Waiting(loop.time() + self._deadline_s)
            try:
                rest = await self._drive(self._look(waiting), waiting.deadline)
            except BaseException as error:
                fail(waiting.futures(), error)
                if not isinstance(error, Exception):
                    fail(self._waiting.futures(), error)
                    self._scheduled = False
                    raise
                continue
            if rest is not None:
                self._window.begin_read()
                self._start(self._read_rest(rest, waiting.deadline))
        self._scheduled = False

    async def _read_rest(self, rest: Rest, deadline: float) -> None:
        try:
            await self._drive(self._fetch(rest), deadline)
        except BaseException as error:
            fail(rest.futures(), error)
            if not isinstance(error, Exception):
                raise
        finally:
            self._window.end_read()

    def _drive_now(self, steps: Steps[T]) -> T:
        assert self._read_now is not None
        try:
            read = next(steps)
            while isinstance(read, Read):  # there is no far cache where reads do not suspend
                read = steps.send(self._read_now(read.program))
            raise AssertionError(read)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # StopIteration.value is untyped in typeshed

    async def _drive(self, steps: Steps[T], deadline: float) -> T:
        try:
            async with asyncio.timeout_at(deadline):
                step = next(steps)
                while True:
                    step = steps.send(await self._ask_for(step))
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # as above

    async def _ask_for(self, step: Read | Seek) -> Any:
        if isinstance(step, Read):
            return await self._store.read(step.program, snapshot=step.snapshot)
        assert self._far is not None
        return await self._far.seek(step.numbers, step.faces, step.history)

    # --- the flow ---------------------------------------------------------------------------------------

    def _look(self, waiting: Waiting) -> Steps[Rest | None]:
        """Look at the ledger head for all who wait; what memory can answer is answered."""
        # 1. The time comes first: everything below is true at some instant not before it.
        at = to_micros(self._now())
        as_of = instant(at)
        codes = [ask.scan_code for ask in waiting.asks if ask.scan_code is not None]
        tags = [ask.tag for ask in waiting.asks if ask.tag is not None]
        # 2. The head, what changed since the last look, and then what codes and tags lead to.
        first = self._far is not None and self._window.seq is None
        program = partial(_look_back, codes, tags) if first else partial(look, self._window.seq, codes, tags)
        head, found = yield Read(program, snapshot=False)
        # 3. After this, what is in memory is true as of that head.
        self._drop(head)
        self.figures.looks += 1
        # 4. Answer from memory; the rest wait for a store read.
        rest = Rest(at, as_of, head.seq, head.history)
        self._answer_numbers(waiting.numbers, rest)
        if found is not None:
            self._answer_asks(waiting.asks, found, rest)
        return rest if rest.numbers or rest.asks else None

    def _fetch(self, rest: Rest) -> Steps[None]:
        """Read what memory had not, keep it unless something newer is known, and answer."""
        # 5. The far cache: what it has is used only where the window knows that it still holds.
        if self._far is not None:
            sought: Sought = yield Seek(list(rest.numbers), list(rest.wanted), rest.history)
            self._take_sought(sought, rest)
        # 6. Numbers alone need no copies and no holder.
        if rest.numbers:
            faces: Faces = yield Read(
                partial(read_faces, list(rest.numbers), self._entries.knows), snapshot=False
            )
            self._take_faces(faces, rest)
        # 7. The full face needs both.
        if rest.asks:
            whole: Whole = yield Read(
                partial(read_whole, list(rest.wanted), self._entries.knows, _named(rest.asks)), snapshot=True
            )
            self._take_whole(whole, rest)

    def _drop(self, head: Head) -> None:
        if head.history != self._history:
            self._begin_history(head.history)
        self._window.advance(head)
        if not head.complete:
            self._drop_all()
            return
        for change in head.changes:
            if change.number is not None:
                self._numbers.drop(change.number, change.seq)
                self._full.drop(change.number, change.seq)
            elif change.scope is not None:
                self._drop_scope(change.scope, change.seq)

    def _begin_history(self, history: str) -> None:
        """A restored register: nothing that this process knows of the one before belongs to it."""
        if self._history is not None:
            self._window.begin_again()
            self._drop_all()
        self._history = history

    def _assert_present(self, seq: int, history: str, rest: Rest) -> None:
        """What is read after a look is of the same history, and not older; or it may not be shown or kept."""
        if history != rest.history or history != self._history:
            what = Words("登记库正在更换。", "The register was replaced while it was read.")
            raise Unavailable(what, hint="ask again; stop the service before a restore")
        _assert_not_older(seq, rest.seq)

    def _drop_scope(self, scope: str, seq: int) -> None:
        """No answer here depends on a key or on the trust list; an unknown scope may touch anything."""
        kind, _, name = scope.partition(":")
        if kind == "agency":
            self._entries.end_agency(name)
        elif kind not in ("key", "trust"):
            self._window.end_all(seq)
            self._drop_all()

    def _drop_all(self) -> None:
        self._numbers.clear()
        self._full.clear()
        self._entries.clear()

    def _answer_numbers(self, asked: list[tuple[str, Promised]], rest: Rest) -> None:
        get, at, as_of, when = self._numbers.get, rest.at, rest.as_of, rest.as_of.encode()
        for number, future in asked:
            entry = get(number, at)
            if entry is None:
                rest.numbers.setdefault(number, []).append(future)
            elif not future.done():
                future.set_result(Reply((b"".join((entry.head, when, entry.middle, entry.tail)),), as_of))
        self.figures.near += len(asked) - len(rest.numbers)

    def _answer_asks(self, asks: list[Ask], found: Found, rest: Rest) -> None:
        for ask in asks:
            if ask.tag is not None:
                ask.numbers = found.tags.get(ask.tag, ())
            elif (number := found.scan_codes.get(ask.scan_code or "")) is not None:
                ask.numbers = (number,)
            for number in ask.numbers:
                self._recall(number, ask, rest)
        self._answer_held(asks, rest)

    def _recall(self, number: str, ask: Ask, rest: Rest) -> None:
        """Take the face from memory, if it is there with this tag or copy among those that lead to it."""
        entry = self._full.get(number, rest.at)
        if entry is not None and ask.leads_to(entry):
            self.figures.near += 1
            rest.have[number] = entry

    def _answer_held(self, asks: list[Ask], rest: Rest) -> None:
        """Answer those who want no more than `rest` has; what the others want is read."""
        rest.asks, rest.wanted = [], set()
        have = rest.have
        for ask in asks:
            missing = [one for one in ask.numbers if one not in have or not ask.leads_to(have[one])]
            if ask.numbers and not missing:
                self._reply(ask, rest, have)
                continue
            rest.asks.append(ask)
            # Whoever found nothing reads a row that is not there, as one reads a row that may not be shown.
            rest.wanted.update(missing or [ask.tag.hex() if ask.tag is not None else f"{ask.scan_code}"])

    def _take_sought(self, sought: Sought, rest: Rest) -> None:
        """What the far cache had, as far as it still holds; the others stay in `rest`."""
        if rest.history != self._history:
            return  # the register was replaced meanwhile, and so was the window
        for one in sought.numbers:
            if one.number in rest.numbers and self._still_holds(one):
                agencies = self._entries.take_agencies(one.names, one.seq)
                if self._take_row(one.row, agencies, one.seq, rest) is not None:
                    self.figures.far += 1
        for face in sought.faces:
            if face.number in rest.wanted and rest.at < face.until and self._still_holds(face):
                agency = self._entries.take_agencies(face.names, face.seq)[face.agency]
                entry = rest.have[face.number] = face.entry(agency)
                self._full.put(face.number, entry)
                self.figures.far += 1
        if sought.faces:
            self._answer_held(rest.asks, rest)

    def _still_holds(self, one: FarNumber | FarFace) -> bool:
        """Whether the window covers the entry's sequence and knows no later change of what it depends on."""
        window = self._window
        return (
            window.seq is not None
            and one.seq <= window.seq
            and window.admits(one.number, one.seq)
            and window.admits(f"agency:{one.agency}", one.seq)
        )

    def _take_faces(self, faces: Faces, rest: Rest) -> None:
        self._assert_present(faces.seq, faces.history, rest)
        agencies = self._entries.take_agencies(faces.agencies, faces.seq)
        self.figures.read += len(rest.numbers)
        for row in faces.rows:
            entry = self._take_row(row, agencies, faces.seq, rest)
            if self._far is not None and entry is not None and self._window.admits(row[0], faces.seq):
                self._far.keep(far_number(row, faces.seq, entry.scope.name), faces.history)
        miss = Reply((), rest.as_of)
        for number, futures in rest.numbers.items():
            if number in faces.lost.numbers:
                not_brought_back(futures)
            else:
                resolve(futures, miss)

    def _take_row(self, row: Row, agencies: Mapping[str, Agency], seq: int, rest: Rest) -> NumberEntry | None:
        """Render one row as it was at `seq`, keep it and answer; None when the public may not see it."""
        entry = self._entries.for_number(row, agencies, seq, rest.at)
        if entry is not None:
            self._numbers.put(row[0], entry)
            answer = b"".join((entry.head, rest.as_of.encode(), entry.middle, entry.tail))
            resolve(rest.numbers.pop(row[0]), Reply((answer,), rest.as_of))
        return entry

    def _take_whole(self, whole: Whole, rest: Rest) -> None:
        self._assert_present(whole.seq, whole.history, rest)
        agencies, now = self._entries.take_agencies(whole.agencies, whole.seq), self._now()
        self.figures.read += len(rest.wanted)
        broken: dict[str, VerifyError] = {}
        for number, one in whole.certificates.items():
            try:
                entry = self._entries.for_face(one, agencies, whole.seq, rest.at, now)
            except VerifyError as error:  # one altered record must not silence its neighbours
                broken[number] = error
                continue
            rest.have.pop(number, None)
            if entry is not None:
                rest.have[number] = entry
                self._full.put(number, entry)
                if self._far is not None and self._window.admits(number, whole.seq):
                    self._far.keep(far_face(number, entry), whole.history)
        for ask in rest.asks:
            failed = next((broken[number] for number in ask.numbers if number in broken), None)
            if failed is not None:
                fail([ask.future], failed)
            else:
                self._reply(ask, rest, rest.have, whole.lost)

    def _reply(self, ask: Ask, rest: Rest, have: dict[str, FullEntry], lost: Lost = NOTHING_LOST) -> None:
        if ask.future.done():
            return
        entries = [have[number] for number in ask.numbers if number in have]
        when = rest.as_of.encode()
        shown = tuple(full_bytes(entry, when, ask.scan_code) for entry in entries if ask.leads_to(entry))
        if not shown and ask.may_be_lost(lost):
            not_brought_back([ask.future])
        else:
            ask.future.set_result(Reply(shown, rest.as_of))


def _named(asks: Sequence[Ask]) -> list[str]:
    return [ask.named for ask in asks if ask.named is not None]


def _assert_not_older(seq: int, looked_at: int) -> None:
    """What is read after a look cannot be older than the look, or it was not read from the primary."""
    if seq < looked_at:
        what = Words(
            "读到的数据早于已见台账。", "The store answered with an older state than it showed before."
        )
        raise Unavailable(what, hint="look-ups must read from the primary")


def _look_back(scan_codes: Sequence[str], tags: Sequence[bytes]) -> Program[tuple[Head, Found | None]]:
    """The first look where there is a far cache: as `look`, with the changes before the head."""
    ((seq, _, _),) = yield from run("read_place")
    return (yield from look(max(0, seq - LOOK_BACK), scan_codes, tags))
