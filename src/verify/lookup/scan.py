"""Look-ups: what an asker brings goes into the waiting set, and one look at the ledger answers all who wait.

One flow: join → swap the set out → look at the head → drop what changed → answer from memory → read the rest →
keep it. A request never joins a look that was already sent, so whatever was acknowledged before it came is
seen. The picture and the decisions are in this room's README; `model/freshness.pml` is the same flow for Spin.
"""

import asyncio
import datetime as dt
from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeVar, runtime_checkable

import msgspec

from verify.certificate.identity import Identity, parse_identity
from verify.certificate.name import fold_name, parse_name
from verify.certificate.number import canonical_number
from verify.certificate.record import Certificate, Face, Status
from verify.certificate.scan_code import parse_scan_code
from verify.errors import Unavailable, VerifyError, Words
from verify.lookup.answer import (
    Agency,
    FullEntry,
    Middle,
    NumberEntry,
    effective,
    full_bytes,
    full_entry,
    instant,
    number_entry,
    render_middle,
)
from verify.lookup.near import Near, Window
from verify.proof.sealing import DataKeys
from verify.store.contract import Program, Row, Store
from verify.store.journal import to_micros
from verify.store.personal import finder_tags, person_tag, unseal_personal
from verify.store.reads import Faces, Found, Head, Whole, look, read_faces, read_whole

T = TypeVar("T")
CHINA = dt.timezone(dt.timedelta(hours=8))
"""China Standard Time: the date by which a birth date may not lie in the future."""

_decode_face = msgspec.json.Decoder(Face).decode
_STATUS = {status.value: status for status in Status}


class Reply(msgspec.Struct, frozen=True, gc=False):
    """What one look-up is told."""

    answers: tuple[bytes, ...]
    """Each a finished JSON object of the contract's form; empty when nothing matches, whatever did not."""
    as_of: str
    """The wall time before the look at the ledger: RFC 3339, milliseconds, UTC."""


class Figures(msgspec.Struct):
    """Counts since the start, for metrics."""

    looks: int = 0
    """Looks at the ledger head, each for all who waited."""
    near: int = 0
    """Numbers and faces answered from memory."""
    read: int = 0
    """Numbers and faces read from the store."""


@runtime_checkable
class ReadsNow(Protocol):
    """A store whose read takes microseconds on the caller's thread."""

    def read_now(self, program: Callable[[], Program[T]]) -> T:
        """The same as `Store.read`, without suspending."""
        ...


_Reply = asyncio.Future[Reply]


class _Read(NamedTuple):
    """A program for the store. Without a snapshot its statements may each see a later state than the one
    before; `look` and `read_faces` allow that, because they read the sequence first: a label older than its
    data costs a second read, never a stale answer."""

    program: Callable[[], Program[Any]]
    snapshot: bool


_Steps = Generator[_Read, Any, T]


class _Ask:
    """One look-up by scan code or blind-index tag."""

    __slots__ = ("future", "numbers", "scan_code", "tag")

    def __init__(self, tag: bytes | None, scan_code: str | None, future: _Reply) -> None:
        self.tag = tag
        self.scan_code = scan_code
        self.numbers: tuple[str, ...] = ()
        self.future = future

    def leads_to(self, entry: FullEntry) -> bool:
        """Whether the certificate, as read, is one that this asker may see."""
        if self.tag is not None:
            return self.tag in entry.tags
        return any(self.scan_code == code for code, _ in entry.copies)


class _Waiting:
    """Those who joined since the last look was sent."""

    __slots__ = ("asks", "deadline", "numbers")

    def __init__(self, deadline: float) -> None:
        self.numbers: list[tuple[str, _Reply]] = []
        self.asks: list[_Ask] = []
        self.deadline = deadline

    def futures(self) -> Iterable[_Reply]:
        yield from (future for _, future in self.numbers)
        yield from (ask.future for ask in self.asks)


class _Rest:
    """Those whom memory could not answer, and the look that they wait on."""

    __slots__ = ("as_of", "asks", "at", "have", "numbers", "seq", "wanted")

    def __init__(self, at: int, as_of: str, seq: int) -> None:
        self.at = at
        self.as_of = as_of
        self.seq = seq
        self.numbers: dict[str, list[_Reply]] = {}
        self.asks: list[_Ask] = []
        self.have: dict[str, FullEntry] = {}
        self.wanted: set[str] = set()

    def futures(self) -> Iterable[_Reply]:
        for futures in self.numbers.values():
            yield from futures
        yield from (ask.future for ask in self.asks)


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
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        """Answer from `store`, with at most `near_cache_bytes` of memory for answers.

        `deadline_s`: seconds after which a question that the store has not answered is Unavailable.
        `revoked_public`: False answers a revoked certificate as if it were unknown. `now`: aware wall clock.
        """
        self._store = store
        self._read_now = store.read_now if isinstance(store, ReadsNow) else None
        self._keys = data_keys
        self._deadline_s = deadline_s
        self._hides = frozenset() if revoked_public else frozenset({Status.REVOKED})
        self._now = now
        self._window = Window()
        self._numbers: Near[NumberEntry] = Near(near_cache_bytes * 5 // 8, self._window)
        self._full: Near[FullEntry] = Near(near_cache_bytes // 4, self._window)
        self._agencies: dict[str, Agency] = {}
        self._middles: dict[Status, dict[str, Middle]] = {status: {} for status in Status}
        self._middles_bytes = 0
        self._middles_limit = near_cache_bytes // 8
        self._waiting = _Waiting(0.0)
        self._scheduled = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.figures = Figures()

    # --- questions --------------------------------------------------------------------------------------

    async def by_number(self, text: str) -> Reply:
        """What a number alone tells: nothing about the holder. Raises Invalid, Unavailable."""
        number = canonical_number(text)
        loop = asyncio.get_running_loop()
        future: _Reply = loop.create_future()
        self._waiting.numbers.append((number, future))
        if not self._scheduled:
            self._schedule(loop)
        return await future

    async def by_number_and_name(self, number: str, name: str) -> Reply:
        """The full public face for number and holder's name. Raises Invalid, Unavailable."""
        canonical = canonical_number(number)
        tag = self._keys.name_tag(canonical, fold_name(parse_name(name, pointer="/name")))
        return await self._ask(tag, None)

    async def by_person(self, id_type: str, id_number: str, name: str) -> Reply:
        """All certificates of the person with this document and name. Raises Invalid, Unavailable."""
        identity = self.parse_person(id_type, id_number)
        key = fold_name(parse_name(name, pointer="/name"))
        return await self._ask(person_tag(self._keys, identity, key), None)

    async def by_scan_code(self, text: str) -> Reply:
        """The full public face, and whether the copy with this code is the current one.

        Raises Unreadable or Invalid for what is no scan code, Unavailable.
        """
        return await self._ask(None, parse_scan_code(text))

    def parse_person(self, id_type: str, id_number: str) -> Identity:
        """The document as look-ups read it. Raises Invalid."""
        today = self._now().astimezone(CHINA).date()
        return parse_identity(id_type, id_number, today, pointer="/id_number", type_pointer="/id_type")

    def person_target(self, id_type: str, id_number: str) -> bytes:
        """A keyed digest of the document, to count look-ups of one person by. Raises Invalid."""
        identity = self.parse_person(id_type, id_number)
        return person_tag(self._keys, identity, "")

    async def close(self) -> None:
        """Stop the reads under way; those who wait are told Unavailable."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- the waiting set --------------------------------------------------------------------------------

    async def _ask(self, tag: bytes | None, scan_code: str | None) -> Reply:
        loop = asyncio.get_running_loop()
        ask = _Ask(tag, scan_code, loop.create_future())
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
        waiting, self._waiting = self._waiting, _Waiting(0.0)
        self._scheduled = False
        try:
            rest = self._drive_now(self._look(waiting))
        except Exception as error:  # whoever waits must hear of it: nobody awaits this callback
            _fail(waiting.futures(), error)
            return
        if rest is None:
            return
        self._window.begin_read()
        try:
            self._drive_now(self._fetch(rest))
        except Exception as error:  # as above
            _fail(rest.futures(), error)
        finally:
            self._window.end_read()

    async def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look again and again, one look at a time, until nobody waits."""
        while self._waiting.numbers or self._waiting.asks:
            # The set is swapped out before the look is sent: who comes later waits for the next one.
            waiting, self._waiting = self._waiting, _Waiting(loop.time() + self._deadline_s)
            try:
                rest = await self._drive(self._look(waiting), waiting.deadline)
            except BaseException as error:
                _fail(waiting.futures(), error)
                if not isinstance(error, Exception):
                    _fail(self._waiting.futures(), error)
                    self._scheduled = False
                    raise
                continue
            if rest is not None:
                self._window.begin_read()
                self._start(self._read_rest(rest, waiting.deadline))
        self._scheduled = False

    async def _read_rest(self, rest: _Rest, deadline: float) -> None:
        try:
            await self._drive(self._fetch(rest), deadline)
        except BaseException as error:
            _fail(rest.futures(), error)
            if not isinstance(error, Exception):
                raise
        finally:
            self._window.end_read()

    def _drive_now(self, steps: _Steps[T]) -> T:
        assert self._read_now is not None
        try:
            read = next(steps)
            while True:
                read = steps.send(self._read_now(read.program))
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # StopIteration.value is untyped in typeshed

    async def _drive(self, steps: _Steps[T], deadline: float) -> T:
        try:
            async with asyncio.timeout_at(deadline):
                read = next(steps)
                while True:
                    read = steps.send(await self._store.read(read.program, snapshot=read.snapshot))
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # as above

    # --- the flow ---------------------------------------------------------------------------------------

    def _look(self, waiting: _Waiting) -> _Steps[_Rest | None]:
        """Look at the ledger head for all who wait; what memory can answer is answered."""
        # 1. The time comes first: everything below is true at some instant not before it.
        at = to_micros(self._now())
        as_of = instant(at)
        codes = [ask.scan_code for ask in waiting.asks if ask.scan_code is not None]
        tags = [ask.tag for ask in waiting.asks if ask.tag is not None]
        # 2. The head, what changed since the last look, and then what codes and tags lead to.
        head, found = yield _Read(partial(look, self._window.seq, codes, tags), snapshot=False)
        # 3. After this, what is in memory is true as of that head.
        self._drop(head)
        self.figures.looks += 1
        # 4. Answer from memory; the rest wait for a store read.
        rest = _Rest(at, as_of, head.seq)
        self._answer_numbers(waiting.numbers, rest)
        if found is not None:
            self._answer_asks(waiting.asks, found, rest)
        return rest if rest.numbers or rest.asks else None

    def _fetch(self, rest: _Rest) -> _Steps[None]:
        """Read what memory had not, keep it unless something newer is known, and answer."""
        # 5. Numbers alone need no copies and no holder.
        if rest.numbers:
            faces: Faces = yield _Read(partial(read_faces, list(rest.numbers), self._knows), snapshot=False)
            self._take_faces(faces, rest)
        # 6. The full face needs both.
        if rest.asks:
            whole: Whole = yield _Read(partial(read_whole, list(rest.wanted), self._knows), snapshot=True)
            self._take_whole(whole, rest)

    def _drop(self, head: Head) -> None:
        self._window.advance(head)
        if not head.complete:
            self._drop_all()
            return
        for change in head.changes:
            if change.number is not None:
                self._numbers.drop(change.number, change.seq)
                self._full.drop(change.number, change.seq)
            elif change.scope is not None:
                self._drop_scope(change.scope)

    def _drop_scope(self, scope: str) -> None:
        """No answer here depends on a key or on the trust list; an unknown scope may touch anything."""
        kind, _, name = scope.partition(":")
        if kind == "agency":
            # The dead one stays in its place: a read under way may still need its name.
            if name in self._agencies:
                self._agencies[name].live = False
        elif kind not in ("key", "trust"):
            self._drop_all()

    def _drop_all(self) -> None:
        self._numbers.clear()
        self._full.clear()
        self._clear_middles()
        for agency in self._agencies.values():
            agency.live = False

    def _answer_numbers(self, asked: list[tuple[str, _Reply]], rest: _Rest) -> None:
        get, at, as_of, when = self._numbers.get, rest.at, rest.as_of, rest.as_of.encode()
        for number, future in asked:
            entry = get(number, at)
            if entry is None:
                rest.numbers.setdefault(number, []).append(future)
            elif not future.done():
                future.set_result(Reply((b"".join((entry.head, when, entry.middle, entry.tail)),), as_of))
        self.figures.near += len(asked) - len(rest.numbers)

    def _answer_asks(self, asks: list[_Ask], found: Found, rest: _Rest) -> None:
        for ask in asks:
            if ask.tag is not None:
                ask.numbers = found.tags.get(ask.tag, ())
            elif (number := found.scan_codes.get(ask.scan_code or "")) is not None:
                ask.numbers = (number,)
            missing = [number for number in ask.numbers if not self._holds(number, ask, rest)]
            if ask.numbers and not missing:
                self._reply(ask, rest, rest.have)
                continue
            rest.asks.append(ask)
            # Whoever found nothing reads a row that is not there, as one reads a row that may not be shown.
            rest.wanted.update(missing or [ask.tag.hex() if ask.tag is not None else f"{ask.scan_code}"])

    def _holds(self, number: str, ask: _Ask, rest: _Rest) -> bool:
        """Whether memory has the face, with this tag or copy among those that lead to it."""
        entry = self._full.get(number, rest.at)
        if entry is None or not ask.leads_to(entry):
            return False
        self.figures.near += 1
        rest.have[number] = entry
        return True

    def _take_faces(self, faces: Faces, rest: _Rest) -> None:
        agencies = self._take_agencies(faces.agencies, faces.seq, rest)
        when = rest.as_of.encode()
        self.figures.read += len(rest.numbers)
        for row in faces.rows:
            entry = self._number_entry(row, agencies, faces.seq, rest.at)
            if entry is None:
                continue
            self._numbers.put(row[0], entry)
            reply = Reply((b"".join((entry.head, when, entry.middle, entry.tail)),), rest.as_of)
            _resolve(rest.numbers.pop(row[0]), reply)
        miss = Reply((), rest.as_of)
        for futures in rest.numbers.values():
            _resolve(futures, miss)

    def _take_whole(self, whole: Whole, rest: _Rest) -> None:
        agencies = self._take_agencies(whole.agencies, whole.seq, rest)
        self.figures.read += len(rest.wanted)
        broken: dict[str, VerifyError] = {}
        for number, one in whole.certificates.items():
            try:
                entry = self._full_entry(one, agencies, whole.seq, rest.at)
            except VerifyError as error:  # one altered record must not silence its neighbours
                broken[number] = error
                continue
            rest.have.pop(number, None)
            if entry is not None:
                rest.have[number] = entry
                self._full.put(number, entry)
        for ask in rest.asks:
            failed = next((broken[number] for number in ask.numbers if number in broken), None)
            if failed is not None:
                _fail([ask.future], failed)
            else:
                self._reply(ask, rest, rest.have)

    def _reply(self, ask: _Ask, rest: _Rest, have: dict[str, FullEntry]) -> None:
        if ask.future.done():
            return
        entries = [have[number] for number in ask.numbers if number in have]
        when = rest.as_of.encode()
        shown = tuple(full_bytes(entry, when, ask.scan_code) for entry in entries if ask.leads_to(entry))
        ask.future.set_result(Reply(shown, rest.as_of))

    # --- entries ----------------------------------------------------------------------------------------

    def _knows(self, code: str) -> bool:
        agency = self._agencies.get(code)
        return agency is not None and agency.live

    def _take_agencies(self, names: Mapping[str, Words], seq: int, rest: _Rest) -> dict[str, Agency]:
        """The agencies by code, those just read included; kept when nothing newer is known of them."""
        if seq < rest.seq:
            what = Words(
                "读到的数据早于已见台账。", "The store answered with an older state than it showed before."
            )
            raise Unavailable(what, hint="look-ups must read from the primary")
        if not names:
            return self._agencies
        fresh = {code: Agency(code, name) for code, name in names.items()}
        for code, agency in fresh.items():
            agency.live = self._window.admits(f"agency:{code}", seq)
            if agency.live:
                self._agencies[code] = agency
        return self._agencies | fresh

    def _number_entry(self, row: Row, agencies: dict[str, Agency], seq: int, at: int) -> NumberEntry | None:
        number, face, state, revision, since, reason, until, agency = row
        status, since, reason, until, ends = effective(_STATUS[state], since, reason, until, at)
        if status in self._hides:
            return None
        middle = self._middles[status].get(face)
        if middle is None or not middle.scope.live:
            middle = self._render_middle(face, agencies[agency], status)
        return number_entry(number, revision, status, since, reason, until, ends, seq, middle)

    def _render_middle(self, face: str, agency: Agency, status: Status) -> Middle:
        if self._middles_bytes > self._middles_limit:
            self._clear_middles()
        middle = Middle(agency, render_middle(_decode_face(face), agency, status))
        self._middles[status][face] = middle
        self._middles_bytes += 300 + len(face) + len(middle.text)
        return middle

    def _clear_middles(self) -> None:
        for middles in self._middles.values():
            middles.clear()
        self._middles_bytes = 0

    def _full_entry(
        self, one: Certificate, agencies: dict[str, Agency], seq: int, at: int
    ) -> FullEntry | None:
        if one.status in self._hides:
            return None
        personal = unseal_personal(self._keys, one.number, one.holder_sealed)
        holder = personal.holder
        identity = self.parse_person(holder.id_type, holder.id_number)
        tags = finder_tags(self._keys, one.number, identity, holder.name)
        return full_entry(one, personal, tags, agencies[one.face.agency], at, seq)


def _resolve(futures: Iterable[_Reply], reply: Reply) -> None:
    for future in futures:
        if not future.done():
            future.set_result(reply)


def _fail(futures: Iterable[_Reply], error: BaseException) -> None:
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
