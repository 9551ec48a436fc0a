"""The one check of an issue request, which finds everything wrong with it at once. The form is in `form.py`."""

import base64
import binascii
import datetime as dt
import re
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import msgspec

from verify.certificate.agency import in_scope, may_set_level, scope_faults
from verify.certificate.coding import FIRST_YEAR_16, FIRST_YEAR_22
from verify.certificate.form import (
    HolderInput,
    IssueRequest,
    OccupationInput,
    ResultsInput,
    column_of,
    parse_row,
)
from verify.certificate.identity import Identity, parse_identity
from verify.certificate.level import LEVELS, PASS_MARK, parse_level
from verify.certificate.name import name_warnings, parse_name
from verify.certificate.number import (
    ParsedNumber,
    cross_check,
    no_coding_fault,
    number_warnings,
    parse_number,
)
from verify.certificate.occupation import parse_occupation, parse_work_type
from verify.certificate.record import Agency, AgencyState, Face, Filing, Holder, Kind, Level, Results
from verify.certificate.sources import (
    FACE_FIELDS,
    NUMBER_RULE_16,
    NUMBER_RULE_22,
    QUALIFICATION_RESULTS_RULE,
    QUALIFICATION_SCOPE_RULE,
    RESULTS_RULE,
    SCOPE_RULE,
    SISTER_ELICENCE,
)
from verify.certificate.text import free_text, invalid
from verify.errors import AgencyBlocked, Fault, Invalid, OutOfScope, Words

__all__ = [
    "Checked",
    "HolderInput",
    "IssueRequest",
    "OccupationInput",
    "ResultsInput",
    "check_request",
    "column_of",
    "parse_row",
]

MAX_BATCH: Final = 64
MAX_BLANK_SERIAL: Final = 40
MAX_REMARK: Final = 200
MAX_PHOTO_BYTES: Final = 50 * 1024
"""A sister standard for e-licence photographs; no rule for this certificate was found."""

_T = TypeVar("_T")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_KINDS = {kind.value: kind for kind in Kind}
_PHOTO_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """A request in which everything is canonical and nothing is wrong."""

    face: Face
    holder: Holder
    identity: Identity
    person_key: str
    """Of `identity`; belongs to `identity.family`."""
    results: Results
    number: ParsedNumber | None
    filing: str
    """Id of the filing that covers it."""
    batch: str | None
    blank_serial: str | None
    remark: str | None
    photo: bytes | None
    allow_duplicate: bool
    warnings: tuple[Fault, ...]


def check_request(
    request: IssueRequest, *, agency: Agency, filings: Sequence[Filing], today: dt.date
) -> Checked:
    """Check one request of `agency` against its `filings`; `today` is the date in China.

    Raises AgencyBlocked when the agency may not issue at all; Invalid with every fault found, each with a JSON
    pointer, what would be accepted and the clause; OutOfScope, with faults, when only the filing is exceeded.
    """
    # 1. An agency that may not issue is told so before anything is read.
    if agency.state is not AgencyState.ACTIVE:
        raise _blocked(agency)
    faults: list[Fault] = []
    # 2. Each part is read on its own; after this every part is canonical, or None with a fault.
    holder, identity = _read_holder(request.holder, today, faults)
    face = _read_face(request, agency, today, faults)
    results = _read_results(
        request.results, agency.kind, face.level if face else _level_or_none(request.level), faults
    )
    blank_serial = free_text(request.blank_serial, "/blank_serial", MAX_BLANK_SERIAL, faults)
    remark = free_text(request.remark, "/remark", MAX_REMARK, faults)
    photo = _read_photo(request.photo, faults) if request.photo else None
    number = _read_number(request, face, faults)
    # 3. The face is held against the filings in force on its date.
    filing = in_scope(filings, face) if face else None
    outside = scope_faults(filings, face) if face and filing is None else []
    if faults:
        raise invalid(*faults, *outside)
    if filing is None or face is None or holder is None or identity is None:
        raise _out_of_scope(outside)
    # 4. The edition is the filing's: codes are re-used between editions of the dictionary.
    if filing.occupation.edition != face.occupation.edition:
        face = msgspec.structs.replace(face, occupation=filing.occupation)
    return Checked(
        face=face,
        holder=holder,
        identity=identity,
        person_key=identity.person_key,
        results=results,
        number=number,
        filing=filing.id,
        batch=face.batch,
        blank_serial=blank_serial,
        remark=remark,
        photo=photo,
        allow_duplicate=request.allow_duplicate,
        warnings=_warnings(holder, identity, number),
    )


def _warnings(holder: Holder, identity: Identity, number: ParsedNumber | None) -> tuple[Fault, ...]:
    named = name_warnings(holder.name)
    numbered = number_warnings(number) if number is not None else []
    return (*identity.warnings, *named, *numbered) if named or numbered else identity.warnings


# --- the holder -----------------------------------------------------------------------------------------


def _read_holder(
    given: HolderInput, today: dt.date, faults: list[Fault]
) -> tuple[Holder | None, Identity | None]:
    name = _attempt(lambda: parse_name(given.name), faults)
    identity = _attempt(lambda: parse_identity(given.id_type, given.id_number, today), faults)
    if name is None or identity is None:
        return None, None
    return Holder(name, identity.id_type, identity.number), identity


# --- the face -------------------------------------------------------------------------------------------


def _read_face(request: IssueRequest, agency: Agency, today: dt.date, faults: list[Fault]) -> Face | None:
    kind = _read_kind(request.kind, agency.kind, faults)
    batch = free_text(request.batch, "/batch", MAX_BATCH, faults)
    before = len(faults)
    occupation = _attempt(lambda: parse_occupation(request.occupation.code, request.occupation.name), faults)
    work_type = _attempt(lambda: parse_work_type(request.work_type), faults) if request.work_type else None
    level = _read_level(request.level, agency, faults)
    issued_on = _read_date(request.issued_on, agency.kind, today, faults)
    # A wrong kind or batch label does not hide what else is wrong; the other parts are all needed to go on.
    if len(faults) > before or occupation is None or level is None or issued_on is None:
        return None
    return Face(kind, agency.code, occupation, work_type, level, issued_on, batch)


def _read_kind(given: str | None, kind: Kind, faults: list[Fault]) -> Kind:
    if given is None or _KINDS.get(given) is kind:
        return kind
    if given not in _KINDS:
        what = Words(
            "证书种类不可识别，可用：skill_level、qualification。",
            "Not a kind; accepted: skill_level, qualification.",
        )
        faults.append(Fault("/kind", "kind", what, FACE_FIELDS))
    else:
        what = Words(f"本机构只能颁发 {kind}。", f"This agency issues {kind} only.")
        source = SCOPE_RULE if kind is Kind.SKILL_LEVEL else QUALIFICATION_SCOPE_RULE
        faults.append(Fault("/kind", "kind-not-of-agency", what, source))
    return kind


def _read_level(given: str, agency: Agency, faults: list[Fault]) -> Level | None:
    level = _attempt(lambda: parse_level(given), faults)
    if level is None:
        return None
    if agency.kind is Kind.QUALIFICATION:
        fault = None if LEVELS[level].qualification else no_coding_fault(agency.kind, level)
    else:
        fault = may_set_level(agency.code, level)
    if fault is not None:
        faults.append(fault)
        return None
    return level


def _level_or_none(given: str) -> Level | None:
    """The level if it can be read at all: scores are judged by it even when the agency may not set it."""
    return _attempt(lambda: parse_level(given), [])


def _read_date(given: str, kind: Kind, today: dt.date, faults: list[Fault]) -> dt.date | None:
    try:
        on = dt.date.fromisoformat(given) if _DATE.fullmatch(given) else None
    except ValueError:
        on = None
    if on is None:
        what = Words(
            "发证日期应为存在的日期，格式YYYY-MM-DD，如2026-11-20。",
            "The date of issue is a date that exists, written YYYY-MM-DD, such as 2026-11-20.",
        )
        faults.append(Fault("/issued_on", "date", what, FACE_FIELDS))
        return None
    skill = kind is Kind.SKILL_LEVEL
    first = FIRST_YEAR_22 if skill else FIRST_YEAR_16
    if on > today:
        what = Words(f"发证日期{on}在今天{today}之后。", f"The date of issue {on} lies after today, {today}.")
        faults.append(Fault("/issued_on", "date-in-future", what, FACE_FIELDS))
    elif on.year < first:
        what = Words(
            f"该编码规则自{first}年起，发证日期{on}过早。",
            f"This kind is numbered from {first} on; {on} is too early.",
        )
        faults.append(
            Fault("/issued_on", "date-too-early", what, NUMBER_RULE_22 if skill else NUMBER_RULE_16)
        )
    else:
        return on
    return None


# --- results --------------------------------------------------------------------------------------------


def _read_results(given: ResultsInput, kind: Kind, level: Level | None, faults: list[Fault]) -> Results:
    theory, practical, review = given.theory, given.practical, given.review
    needed = level is not None and LEVELS[level].review
    if not (
        theory is not None
        and practical is not None
        and PASS_MARK <= theory <= 100
        and PASS_MARK <= practical <= 100
        and (
            (review is None and not needed)
            or (review is not None and (PASS_MARK if needed else 0) <= review <= 100)
        )
    ):
        source = RESULTS_RULE if kind is Kind.SKILL_LEVEL else QUALIFICATION_RESULTS_RULE
        _score_faults("theory", "理论知识", theory, True, source, faults)
        _score_faults("practical", "技能操作", practical, True, source, faults)
        _score_faults("review", "综合评审", review, needed, source, faults)
    return Results(theory, practical, review)


def _score_faults(
    part: str, zh: str, score: float | None, needed: bool, source: str, faults: list[Fault]
) -> None:
    wanted_zh, wanted_en = f"可用{PASS_MARK:g}至100分", f"accepted: {PASS_MARK:g} to 100"
    if score is None:
        if needed:
            what = Words(f"缺少{zh}成绩，{wanted_zh}。", f"The {part} score is missing; {wanted_en}.")
            faults.append(Fault(f"/results/{part}", "score-missing", what, source))
    elif not 0 <= score <= 100:
        what = Words(f"{zh}成绩应在0至100之间。", f"The {part} score lies outside 0 to 100.")
        faults.append(Fault(f"/results/{part}", "score-range", what, source))
    elif needed and score < PASS_MARK:
        what = Words(
            f"{zh}成绩{score:g}分，不合格；{wanted_zh}。",
            f"The {part} score {score:g} is below the pass mark; {wanted_en}.",
        )
        faults.append(Fault(f"/results/{part}", "score-not-passed", what, source))


# --- number and photo -----------------------------------------------------------------------------------


def _read_number(request: IssueRequest, face: Face | None, faults: list[Fault]) -> ParsedNumber | None:
    text = request.number.strip() if request.number else ""
    if not text:
        if face is not None and face.kind is Kind.SKILL_LEVEL and LEVELS[face.level].code_22 is None:
            faults.append(no_coding_fault(face.kind, face.level))
        return None
    number = _attempt(lambda: parse_number(text), faults)
    if number is not None and face is not None:
        faults.extend(cross_check(number, face))
    return number


def _read_photo(text: str, faults: list[Fault]) -> bytes | None:
    wanted = Words(
        "照片应为base64编码的PNG或JPEG，不大于50 KB。", "A photo is base64 of a PNG or JPEG of at most 50 KB."
    )
    if len(text) > MAX_PHOTO_BYTES * 4 // 3 + 4:
        faults.append(Fault("/photo", "photo-too-large", wanted, SISTER_ELICENCE))
        return None
    try:
        photo = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        photo = b""
    if not photo.startswith(_PHOTO_MAGIC):
        faults.append(Fault("/photo", "photo", wanted, SISTER_ELICENCE))
    elif len(photo) > MAX_PHOTO_BYTES:
        faults.append(Fault("/photo", "photo-too-large", wanted, SISTER_ELICENCE))
    return photo


# --- shared ---------------------------------------------------------------------------------------------


def _attempt(read: Callable[[], _T], faults: list[Fault]) -> _T | None:
    try:
        return read()
    except Invalid as error:
        faults.extend(error.faults)
        return None


def _blocked(agency: Agency) -> AgencyBlocked:
    cancelled = agency.state is AgencyState.CANCELLED
    state = Words("已取消备案", "cancelled") if cancelled else Words("已暂停", "suspended")
    return AgencyBlocked(
        Words(
            f"机构{agency.name_zh}（{agency.code}）{state.zh}，不能颁发证书；已发证书不受影响。",
            f"The agency {agency.name_en} ({agency.code}) is {state.en} and cannot issue; earlier certificates stand.",
        )
    )


def _out_of_scope(outside: Sequence[Fault]) -> OutOfScope:
    return OutOfScope(outside[0].detail if outside else None, faults=outside)
