"""Finished answers: the JSON of the contract as bytes, open at the one place that differs between two uses.

An answer is `head`, the time of the check, and the rest. What many certificates have in common (the wording of
the verdict, the face) is rendered once and shared; what stands in a cache holds no ID number but the masked one.
"""

import datetime as dt
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from verify.certificate.identity import mask_id_number
from verify.certificate.reason import REASONS
from verify.certificate.record import Certificate, Copy, CopyState, Face, Personal, Status
from verify.certificate.status import Verdict, verdict_of
from verify.errors import Words
from verify.lookup.near import NEVER, Scope
from verify.store.journal import to_micros

MESSAGES: Final[Mapping[Verdict, Words]] = {
    Verdict.VALID: Words("该证书有效。", "This certificate is valid."),
    Verdict.SUSPENDED: Words(
        "该证书正在核查，暂停使用；恢复或撤销后，本查询随即显示。",
        "This certificate is suspended while the facts are checked; this answer changes when that ends.",
    ),
    Verdict.REVOKED: Words(
        "该证书已被撤销，不再有效。", "This certificate was revoked and is no longer valid."
    ),
    Verdict.REPLACED: Words(
        "该证书已由另一编号的证书代替，请查验新证书。",
        "Another certificate with a new number has taken the place of this one; check that one.",
    ),
    Verdict.UNKNOWN: Words(
        "未查到与所填内容相符的证书，请核对后再查。",
        "No certificate matches what was entered; compare it and try again.",
    ),
    Verdict.UNAVAILABLE: Words(
        "暂时无法核验当前状态，这不代表证书无效，请稍后再试。",
        "The present state could not be established. This does not mean that the certificate is invalid.",
    ),
}
"""One sentence for each verdict."""

ENTRY_BYTES: Final = 420
"""What an entry takes beside its own bytes: key, places in the table, record. Measured, rounded up."""

_FIRST_DAY = dt.date(1970, 1, 1)
_encode = msgspec.json.Encoder().encode
_PUBLIC = (Status.VALID, Status.SUSPENDED, Status.REVOKED, Status.REPLACED)
_MESSAGE = {status: _encode(MESSAGES[verdict_of(status)]) for status in _PUBLIC}
_HEAD = {status: f'","verdict":"{status}","revision":' for status in _PUBLIC}
_REASON = {
    code: _encode({"code": code, "zh": reason.words.zh, "en": reason.words.en}).decode()
    for code, reason in REASONS.items()
} | {None: "null"}


class Agency(Scope):
    """An agency's name as it stands in answers, until an event about the agency ends it."""

    __slots__ = ("code", "json", "name")

    def __init__(self, code: str, name: Words) -> None:
        """Render `name`."""
        super().__init__()
        self.code = code
        self.name = name
        self.json = _encode({"code": code, "name": name}).decode()


class Middle(msgspec.Struct, frozen=True, gc=False):
    """What follows the time of the check, shared by all certificates with one face and status."""

    scope: Agency
    text: bytes


class NumberEntry(msgspec.Struct, frozen=True, gc=False):
    """The answer for a number alone: head, time, middle, tail."""

    seq: int
    until: int
    scope: Agency
    size: int
    head: bytes
    middle: bytes
    tail: bytes


class FullEntry(msgspec.Struct, frozen=True, gc=False):
    """The full public face: head, time, middle, copy, tail."""

    seq: int
    until: int
    scope: Agency
    size: int
    head: bytes
    middle: bytes
    tail: bytes
    current: bytes
    """The latest copy, for those who did not bring one."""
    copies: tuple[tuple[str, bytes], ...]
    """Scan code and copy, for those who did."""
    tags: tuple[bytes, bytes]
    """The blind-index tags that may lead here: number + name, person."""


def instant(micros: int) -> str:
    """RFC 3339 in UTC with milliseconds, from microseconds since 1970."""
    seconds, micros = divmod(micros, 1_000_000)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return f"{_day(days)}T{hour:02d}:{minute:02d}:{second:02d}.{micros // 1000:03d}Z"


@lru_cache(maxsize=4096)
def _day(days: int) -> str:
    """The date so many days after 1970-01-01; most instants share few of them."""
    return (_FIRST_DAY + dt.timedelta(days=days)).isoformat()


def effective(status: Status, since: int, reason: str | None, until: int | None, at: int) -> tuple[Any, ...]:
    """Status, since, reason and end that count at `at`: past its end a suspension is over.

    The last value is the instant (microseconds since 1970 UTC) up to which this holds. What rests on an end
    that has passed holds for this one question: a clock that ran ahead and is set back must not leave a
    suspended certificate "valid" in any memory.
    """
    if status is not Status.SUSPENDED or until is None:
        return status, since, reason, None, NEVER
    if until <= at:
        return Status.VALID, until, None, None, 0
    return status, since, reason, until, until


def render_middle(face: Face, agency: Agency, status: Status) -> bytes:
    """From behind the time of the check to the end of `certificate`."""
    return b'","message":%b,"certificate":%b' % (_MESSAGE[status], _certificate(face, agency))


def number_entry(
    number: str, revision: int, status: Status, since: int, reason: str | None, until: int | None, ends: int,
    seq: int, middle: Middle,
) -> NumberEntry:  # fmt: skip
    """The answer for a number alone; says nothing about the holder."""
    head = f'{{"number":"{number}{_HEAD[status]}{revision},"as_of":"'.encode()
    tail = f"{_status(since, reason, until)}}}".encode()
    size = ENTRY_BYTES + len(head) + len(tail)
    return NumberEntry(seq, ends, middle.scope, size, head, middle.text, tail)


def full_entry(
    one: Certificate, personal: Personal, tags: tuple[bytes, bytes], agency: Agency, at: int, seq: int
) -> FullEntry:
    """The full public face as it counts at `at` (microseconds since 1970 UTC)."""
    ends = None if one.until is None else to_micros(one.until)
    status, since, reason, until, holds = effective(one.status, to_micros(one.since), one.reason, ends, at)
    holder = personal.holder
    shown = {
        "name": holder.name,
        "id_type": holder.id_type,
        "id_number_masked": mask_id_number(holder.id_type, holder.id_number),
    }
    head = f'{{"number":"{one.number}{_HEAD[status]}{one.revision},"as_of":"'.encode()
    middle = b'%b,"holder":%b,"copy":' % (render_middle(one.face, agency, status), _encode(shown))
    chain = f',"replaced_by":{_text(one.replaced_by)},"replaces":{_text(one.replaces)}}}'
    last = one.copies[-1]
    tail = f"{_status(since, reason, until)}{_all_copies(one.copies)}{chain}".encode()
    copies = tuple((copy.scan_code, _copy(copy, last)) for copy in one.copies)
    size = 3 * ENTRY_BYTES + len(head) + len(middle) + len(tail) + sum(150 + len(text) for _, text in copies)
    return FullEntry(seq, holds, agency, size, head, middle, tail, copies[-1][1], copies, tags)


def full_bytes(entry: FullEntry, as_of: bytes, scan_code: str | None) -> bytes:
    """The finished answer; raises KeyError when the scan code is none of this certificate's copies."""
    copy = entry.current if scan_code is None else dict(entry.copies)[scan_code]
    return b"".join((entry.head, as_of, entry.middle, copy, entry.tail))


def _certificate(face: Face, agency: Agency) -> bytes:
    occupation = {
        "code": face.occupation.code,
        "name": face.occupation.name,
        "edition": face.occupation.edition,
    }
    return (
        f'{{"kind":"{face.kind}","occupation":{_encode(occupation).decode()},"work_type":{_text(face.work_type)},'
        f'"level":"{face.level}","agency":{agency.json},"issued_on":"{face.issued_on}"}}'
    ).encode()


def _status(since: int, reason: str | None, until: int | None) -> str:
    ends = "null" if until is None else f'"{instant(until)}"'
    return f',"status":{{"since":"{instant(since)}","reason":{_reason(reason)},"until":{ends}}}'


def _reason(code: str | None) -> str:
    known = _REASON.get(code)
    return known if known is not None else _encode({"code": code, "zh": code, "en": code}).decode()


def _copy(copy: Copy, last: Copy) -> bytes:
    return _encode(
        {
            "number": copy.number,
            "current": copy.state is CopyState.CURRENT,
            "cause": copy.cause,
            "current_number": last.number,
            "ended_at": None if copy.ended_at is None else instant(to_micros(copy.ended_at)),
        }
    )


def _all_copies(copies: tuple[Copy, ...]) -> str:
    """Every copy with its dates, once there is more than the original."""
    if len(copies) == 1:
        return ""
    listed = [
        {
            "number": copy.number,
            "state": copy.state,
            "cause": copy.cause,
            "issued_at": instant(to_micros(copy.issued_at)),
            "ended_at": None if copy.ended_at is None else instant(to_micros(copy.ended_at)),
        }
        for copy in copies
    ]
    return f',"copies":{_encode(listed).decode()}'


def _text(value: str | dt.date | None) -> str:
    return "null" if value is None else _encode(value).decode()
