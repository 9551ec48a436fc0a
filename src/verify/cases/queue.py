"""The desk as the office sees it: the queue, one case whole, and what is done about it."""

import datetime as dt
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import msgspec

from verify.cases.matters import OUTCOMES
from verify.cases.sealed import answer_of, note_of, seal_answer, seal_note, unseal_picture, unseal_told
from verify.cases.told import MAX_WORDS, Answer, Told, plain
from verify.certificate.agency import parse_agency_code
from verify.certificate.number import canonical_number
from verify.certificate.text import invalid
from verify.errors import Fault, Forbidden, Invalid, Words
from verify.issuance.caller import MAX_NOTE, Caller
from verify.proof.sealing import DataKeys
from verify.store.cases import (
    By,
    CaseFile,
    CaseKind,
    CaseMove,
    CaseState,
    Dossier,
    assign_case,
    count_waiting,
    list_cases,
    move_case,
    read_case,
    read_picture,
)
from verify.store.contract import Store
from verify.store.journal import Origin

PAGE: Final = 50
OPEN: Final = (CaseState.RECEIVED.value, CaseState.ACCEPTED.value)
"""What waits for somebody: shown when nothing else is asked for."""

_ID = re.compile(r"cs_[0-9a-f]{17}")


class Listed(msgspec.Struct, frozen=True):
    """A case in the queue, without what was told."""

    id: str
    kind: str
    matter: str
    state: str
    agency: str | None
    number: str | None
    """The certificate, when its holder objects."""
    received_at: dt.datetime
    due_at: dt.datetime | None
    overdue: bool


class Handled(msgspec.Struct, frozen=True):
    """One step with who took it."""

    at: dt.datetime
    event: str
    by: str
    actor: str
    note: str


class Whole(msgspec.Struct, frozen=True):
    """Everything of one case."""

    case: Listed
    told: Told
    steps: tuple[Handled, ...]
    answer: Answer | None
    pictured: bool


class Page(msgspec.Struct, frozen=True):
    """A part of the queue."""

    cases: tuple[Listed, ...]
    next: str | None
    """The id after which the next part begins."""


class Queue:
    """Deals with cases. An agency's caller sees and touches what is in its own queue. Safe to call concurrently."""

    def __init__(self, store: Store, *, data_keys: DataKeys, now: Callable[[], dt.datetime]) -> None:
        """`now` gives aware UTC."""
        self._store = store
        self._keys = data_keys
        self._now = now

    async def list(
        self, caller: Caller, *, states: Sequence[str] = OPEN, kinds: Sequence[str] = (), after: str = ""
    ) -> Page:
        """Cases after an id, oldest first; those that wait when no state is named. Raises Invalid."""
        faults = [*_unknown("/state", states, CaseState), *_unknown("/kind", kinds, CaseKind)]
        if after and not _ID.fullmatch(after):
            faults.append(Fault("/after", "case-id", Words("应为事项编号。", "This is the id of a case.")))
        if faults:
            raise invalid(*faults)
        asked_kinds = tuple(kinds) or tuple(CaseKind)
        found = await self._store.read(
            lambda: list_cases(tuple(states) or OPEN, asked_kinds, caller.agency, after, PAGE + 1)
        )
        shown = tuple(self._listed(case) for case in found[:PAGE])
        return Page(shown, shown[-1].id if len(found) > PAGE else None)

    async def waiting(self) -> tuple[int, int]:
        """How many cases of all queues wait for somebody, and how many of them are overdue."""
        return await self._store.read(partial(count_waiting, self._now()), snapshot=False)

    async def show(self, case_id: str, caller: Caller) -> Whole:
        """One case. Raises NotFound, also for another agency's."""
        return self._whole(await self._store.read(partial(read_case, case_id, caller.agency)))

    async def picture(self, case_id: str, caller: Caller) -> bytes:
        """The picture of a report, JPEG. Raises NotFound."""
        sealed = await self._store.read(partial(read_picture, case_id, caller.agency))
        return unseal_picture(self._keys, case_id, sealed)

    async def accept(self, case_id: str, caller: Caller, request: bytes = b"") -> Whole:
        """Somebody looks at it now. Raises NotFound, Conflict."""
        return await self._move(case_id, CaseMove.ACCEPT, caller, request)

    async def assign(self, case_id: str, agency: str, caller: Caller, request: bytes = b"") -> Whole:
        """Put it into an agency's queue. Raises Forbidden for an agency, NotFound, Conflict, Invalid."""
        if caller.agency is not None:
            raise Forbidden
        code = str(parse_agency_code(agency)[0])
        by = self._by(caller, request)
        return self._whole(await self._store.write(lambda: assign_case(case_id, code, by)))

    async def answer(self, case_id: str, given: Answer, caller: Caller, request: bytes = b"") -> Whole:
        """Answer for good; whoever has the receipt can read it.

        Raises NotFound, Conflict when it was answered, Invalid: an outcome of the other kind, no words, or a
        certificate that is not there or not the agency's.
        """
        kind = (await self._store.read(partial(read_case, case_id, caller.agency))).case.kind
        answer = _check_answer(given, kind)
        sealed = seal_answer(self._keys, case_id, answer)
        return await self._move(case_id, CaseMove.ANSWER, caller, request, sealed, answer.number)

    async def close(self, case_id: str, caller: Caller, note: str = "", request: bytes = b"") -> Whole:
        """Put it away; an objection only after its answer. The note stays in the office.

        Raises NotFound, Conflict, Invalid.
        """
        faults: list[Fault] = []
        text = plain(note, "/note", MAX_NOTE, faults)
        if faults:
            raise invalid(*faults)
        sealed = seal_note(self._keys, case_id, text) if text else None
        return await self._move(case_id, CaseMove.CLOSE, caller, request, sealed)

    async def _move(
        self,
        case_id: str,
        move: CaseMove,
        caller: Caller,
        request: bytes,
        sealed: bytes | None = None,
        number: str | None = None,
    ) -> Whole:
        by = self._by(caller, request)
        done = await self._store.write(
            lambda: move_case(case_id, move, by, sealed=sealed, certificate=number)
        )
        return self._whole(done)

    def _by(self, caller: Caller, request: bytes) -> By:
        return By(Origin(caller.actor, self._now(), request), caller.role.value, caller.agency)

    def _whole(self, found: Dossier) -> Whole:
        case = found.case
        steps = tuple(
            Handled(step.at, step.event, step.role, step.actor, note_of(self._keys, case.id, step))
            for step in found.steps
        )
        told = unseal_told(self._keys, case.id, case.sealed)
        return Whole(self._listed(case), told, steps, answer_of(self._keys, found), found.pictured)

    def _listed(self, case: CaseFile) -> Listed:
        overdue = case.due_at is not None and case.settled_at is None and case.due_at <= self._now()
        return Listed(
            case.id, case.kind.value, case.matter, case.state.value, case.agency, case.number,
            case.created_at, case.due_at, overdue,
        )  # fmt: skip


def _check_answer(given: Answer, kind: CaseKind) -> Answer:
    faults: list[Fault] = []
    words = plain(given.words, "/words", MAX_WORDS, faults)
    if given.outcome not in OUTCOMES[kind]:
        known = ", ".join(OUTCOMES[kind])
        faults.append(Fault("/outcome", "outcome", Words(f"可用：{known}。", f"Accepted here: {known}.")))
    if not words:
        what = Words("答复须说明理由。", "An answer gives its reasons.")
        faults.append(Fault("/words", "missing", what, "《个人信息保护法》第五十条"))
    number = None
    if given.number:
        try:
            number = canonical_number(given.number)
        except Invalid as error:
            faults += error.faults
    if faults:
        raise invalid(*faults)
    return Answer(given.outcome, words, number)


def _unknown(pointer: str, given: Sequence[str], known: type[CaseState] | type[CaseKind]) -> list[Fault]:
    names = [one.value for one in known]
    if all(one in names for one in given):
        return []
    listed = ", ".join(names)
    return [Fault(pointer, "unknown", Words(f"可用：{listed}。", f"Accepted: {listed}."))]
