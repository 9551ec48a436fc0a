"""Programs for what people tell the desk: reports of forgeries, objections, what was done about them.

The ledger does not tell of cases: anybody may open one, and each ends by being deleted, while the ledger is for ever.
Who did what, when and by which request stands in `case_event` instead, which only goes together with its case.
"""

import datetime as dt
from collections.abc import Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeVar

import msgspec

from verify.certificate.record import Agency
from verify.certificate.text import invalid
from verify.errors import Conflict, Fault, NotFound, Words
from verify.store.contract import Program, Row, run
from verify.store.journal import Origin, from_micros, to_micros
from verify.store.reads import read_certificates
from verify.store.register import find_agency

T = TypeVar("T")

SHOWN: Final = 200
"""Objections of one certificate that its holder is shown at most, newest first."""
SWEPT: Final = 500
"""Cases that one sweep closes, and deletes, at most."""


class CaseKind(StrEnum):
    """What was told. Stored; never renamed."""

    REPORT = "report"
    OBJECTION = "objection"


class CaseState(StrEnum):
    """How far a case is. Stored; never renamed."""

    RECEIVED = "received"
    ACCEPTED = "accepted"
    ANSWERED = "answered"
    CLOSED = "closed"


class CaseMove(StrEnum):
    """What may be done about a case; stored in the past tense of `EVENTS`."""

    ACCEPT = "accept"
    ANSWER = "answer"
    CLOSE = "close"


_R, _A, _S, _C = CaseState.RECEIVED, CaseState.ACCEPTED, CaseState.ANSWERED, CaseState.CLOSED

ARROWS: Final = MappingProxyType(
    {
        (_R, CaseMove.ACCEPT): _A,
        (_R, CaseMove.ANSWER): _S,
        (_A, CaseMove.ANSWER): _S,
        (_R, CaseMove.CLOSE): _C,
        (_A, CaseMove.CLOSE): _C,
        (_S, CaseMove.CLOSE): _C,
    }
)
"""Where each move leads. An objection is not closed before it is answered (PIPL art. 50: a refusal has reasons)."""

EVENTS: Final = MappingProxyType(
    {CaseMove.ACCEPT: "accepted", CaseMove.ANSWER: "answered", CaseMove.CLOSE: "closed"}
)


class CaseFile(msgspec.Struct, frozen=True):
    """One case as it is stored."""

    id: str
    """`cs_`, its instant in microseconds as 13 hex characters, 4 random ones: ids are in order of arrival."""
    kind: CaseKind
    matter: str
    number: str | None
    """The certificate, when its holder objects."""
    agency: str | None
    """In whose queue it stands beside the operator's."""
    state: CaseState
    created_at: dt.datetime
    due_at: dt.datetime | None
    settled_at: dt.datetime | None
    """Since when it is answered or closed."""
    sealed: bytes
    """What was told."""


class Step(msgspec.Struct, frozen=True):
    """One thing that was done about a case."""

    nth: int
    at: dt.datetime
    actor: str
    """Credential id, `cli:USER`, `holder`, `public` or `system`."""
    role: str
    """`public`, `holder`, `agency`, `operator` or `system`."""
    event: str
    sealed: bytes | None
    """The answer, or a note."""


class Dossier(msgspec.Struct, frozen=True):
    """A case with everything that was done about it, in one snapshot."""

    case: CaseFile
    steps: tuple[Step, ...]
    agency: Agency | None
    pictured: bool


class By(msgspec.Struct, frozen=True):
    """Who does something about a case."""

    origin: Origin
    role: str
    owner: str | None = None
    """The agency to whose cases the caller is confined; None for the operator."""


class DayFull(msgspec.Struct, frozen=True):
    """As many cases of this kind came in a day as are taken."""


# --- opening --------------------------------------------------------------------------------------------


def open_case(
    case: CaseFile, tag: bytes, picture: bytes | None, by: By, *, since: str, daily: int
) -> Program[CaseFile | DayFull]:
    """Take in a case. An agency that is not registered is left out.

    `since`: the id before every case of the last day; `daily`: how many of this kind a day may bring.
    """
    ((count,),) = yield from run("count_cases_since", case.kind.value, since)
    if count >= daily:
        return DayFull()
    agency = yield from find_agency(case.agency or "")
    case = msgspec.structs.replace(case, agency=None if agency is None else agency.code)
    yield from _insert(case, tag, by)
    if picture is not None:
        yield from run("insert_case_picture", case.id, picture)
    return case


def open_objection_of(number: str, case: CaseFile, tag: bytes, by: By, limit: int) -> Program[CaseFile]:
    """Take in an objection by a certificate's holder; it goes to the certificate's agency.

    Raises Conflict when the certificate has `limit` open ones, NotFound for no such certificate.
    """
    one = (yield from read_certificates([number])).certificates.get(number)
    if one is None:
        raise NotFound
    ((count,),) = yield from run("count_open_objections", number)
    if count >= limit:
        what = Words(
            f"这本证书已有{limit}件异议正在处理，请等待答复。",
            f"{limit} objections to this certificate are open; wait for their answers.",
        )
        raise Conflict(what)
    case = msgspec.structs.replace(case, number=number, agency=one.face.agency)
    yield from _insert(case, tag, by)
    return case


def _insert(case: CaseFile, tag: bytes, by: By) -> Program[None]:
    due = None if case.due_at is None else to_micros(case.due_at)
    yield from run("insert_case", case.id, tag, case.kind.value, case.matter, case.number, case.agency,
                   to_micros(case.created_at), due, case.sealed)  # fmt: skip
    yield from _add_step(case.id, 1, "received", by, None)


# --- reading --------------------------------------------------------------------------------------------


def follow_case(tag: bytes) -> Program[Dossier | None]:
    """The case behind a receipt; for every other tag None, after the same statements."""
    rows = yield from run("find_case_by_tag", tag)
    return (yield from _dossier(_case(rows[0]) if rows else None))


def read_case(case_id: str, owner: str | None) -> Program[Dossier]:
    """One case. Raises NotFound, also for a case that is not in the agency's queue."""
    return _there((yield from _dossier((yield from _own(case_id, owner)))))


def read_picture(case_id: str, owner: str | None) -> Program[bytes]:
    """The sealed picture of a case. Raises NotFound."""
    case = yield from _own(case_id, owner)
    rows = yield from run("find_case_picture", "" if case is None else case.id)
    if not rows:
        raise NotFound
    return bytes(rows[0][0])


def list_cases(
    states: Sequence[str], kinds: Sequence[str], owner: str | None, after: str, limit: int
) -> Program[list[CaseFile]]:
    """Cases of a queue after an id, oldest first."""
    asked = (list(states), list(kinds), after, limit)
    if owner is None:
        rows = yield from run("list_cases", *asked)
    else:
        rows = yield from run("list_cases_of_agency", *asked, owner)
    return [_case(row) for row in rows]


def count_waiting(at: dt.datetime) -> Program[tuple[int, int]]:
    """How many cases wait for somebody, and how many of them are past their day."""
    ((waiting, late),) = yield from run("count_waiting_cases", to_micros(at))
    return int(waiting), int(late)


def list_objections_of(number: str) -> Program[list[Dossier]]:
    """What the holder of a certificate objected to, newest first."""
    found = []
    for row in (yield from run("list_cases_of_number", number, SHOWN)):
        dossier = yield from _dossier(_case(row))
        assert dossier is not None
        found.append(dossier)
    return found


# --- dealing with it ------------------------------------------------------------------------------------


def move_case(
    case_id: str, move: CaseMove, by: By, *, sealed: bytes | None = None, certificate: str | None = None
) -> Program[Dossier]:
    """Accept, answer or close a case. Accepted or closed twice is the same as once.

    `sealed`: the answer, or a note. `certificate`: the one that an answer names; it must be there, and an agency's own.
    Raises NotFound, Conflict when the move is not allowed now, Invalid for such a certificate.
    """
    case = _there((yield from _own(case_id, by.owner)))
    target = ARROWS.get((case.state, move))
    if target is None and move is not CaseMove.ANSWER and case.state.value == EVENTS[move]:
        return _there((yield from _dossier(case)))
    if target is None or (
        move is CaseMove.CLOSE and case.kind is CaseKind.OBJECTION and case.state is not CaseState.ANSWERED
    ):
        raise Conflict
    if certificate is not None:
        yield from _check_certificate(certificate, by.owner)
    settled = None if target is CaseState.ACCEPTED else to_micros(by.origin.at)
    yield from run("move_case", case.id, target.value, settled)
    yield from _add_step(case.id, (yield from _next_step(case.id)), EVENTS[move], by, sealed)
    return _there((yield from _dossier((yield from _own(case.id, by.owner)))))


def assign_case(case_id: str, agency: str, by: By) -> Program[Dossier]:
    """Put a case into an agency's queue. Raises NotFound for either, Conflict when the case is settled."""
    case = _there((yield from _own(case_id, None)))
    _there((yield from find_agency(agency)))
    if case.settled_at is not None:
        raise Conflict
    if case.agency != agency:
        yield from run("assign_case", case.id, agency)
        yield from _add_step(case.id, (yield from _next_step(case.id)), "assigned", by, None)
    return _there((yield from _dossier((yield from _own(case.id, None)))))


def sweep_cases(
    by: By, *, answered_before: dt.datetime, closed_before: dt.datetime
) -> Program[tuple[int, int]]:
    """Close what was answered before an instant, delete what was closed before another; how many of each."""
    ended = [row[0] for row in (yield from _settled(CaseState.ANSWERED, answered_before))]
    for case_id in ended:
        yield from run("move_case", case_id, CaseState.CLOSED.value, to_micros(by.origin.at))
        yield from _add_step(case_id, (yield from _next_step(case_id)), "closed", by, None)
    old = [row[0] for row in (yield from _settled(CaseState.CLOSED, closed_before))]
    if old:
        yield from run("drop_case_pictures", old)
        yield from run("drop_case_events", old)
        yield from run("drop_cases", old)
    return len(ended), len(old)


def _settled(state: CaseState, before: dt.datetime) -> Program[list[Row]]:
    return (yield from run("list_settled_cases", state.value, to_micros(before), SWEPT))


def _check_certificate(number: str, owner: str | None) -> Program[None]:
    one = (yield from read_certificates([number])).certificates.get(number)
    if one is None or (owner is not None and one.face.agency != owner):
        what = Words(
            "登记库中没有这个编号，或它不属于本机构。",
            "No such certificate in the register, or not one of this agency's.",
        )
        raise invalid(Fault("/number", "no-such-certificate", what))


def _own(case_id: str, owner: str | None) -> Program[CaseFile | None]:
    rows = yield from run("find_case", case_id)
    case = _case(rows[0]) if rows else None
    return None if case is None or (owner is not None and case.agency != owner) else case


def _dossier(case: CaseFile | None) -> Program[Dossier | None]:
    """The rest of a case; without one the same statements are run, and nothing is found."""
    steps = yield from run("list_case_events", "" if case is None else case.id)
    agency = yield from find_agency("" if case is None else case.agency or "")
    ((pictures,),) = yield from run("count_case_pictures", "" if case is None else case.id)
    return None if case is None else Dossier(case, tuple(map(_step, steps)), agency, pictures > 0)


def _next_step(case_id: str) -> Program[int]:
    return len((yield from run("list_case_events", case_id))) + 1


def _add_step(case_id: str, nth: int, event: str, by: By, sealed: bytes | None) -> Program[None]:
    origin = by.origin
    yield from run("insert_case_event", case_id, nth, to_micros(origin.at), origin.actor, by.role, event,
                   origin.request, sealed)  # fmt: skip


def _there(found: T | None) -> T:
    if found is None:
        raise NotFound
    return found


def _case(row: Row) -> CaseFile:
    key, kind, matter, number, agency, state, created_at, due_at, settled_at, sealed = row
    return CaseFile(key, CaseKind(kind), matter, number, agency, CaseState(state), from_micros(created_at),
                    _instant(due_at), _instant(settled_at), sealed)  # fmt: skip


def _step(row: Row) -> Step:
    nth, at, actor, role, event, sealed = row
    return Step(nth, from_micros(at), actor, role, event, sealed)


def _instant(micros: int | None) -> dt.datetime | None:
    return None if micros is None else from_micros(micros)
