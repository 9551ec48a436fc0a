"""The life of a certificate as data: the arrows, one function that walks them, and what the public is told.

The picture with the same letters is in this room's README.
"""

import datetime as dt
from enum import StrEnum
from typing import Final

from verify.certificate.reason import REASONS, Move, Reason, Role, reasons_for
from verify.certificate.record import Certificate, Status
from verify.certificate.text import invalid
from verify.errors import Fault, Forbidden, ForbiddenArrow, Words

__all__ = [
    "ARROWS",
    "LETTERS",
    "Move",
    "Role",
    "Verdict",
    "check_change",
    "effective_status",
    "move",
    "verdict_of",
]

ARROWS: Final[dict[tuple[Status, Move], Status]] = {
    (Status.PREPARED, Move.ISSUE): Status.VALID,
    (Status.PREPARED, Move.ABANDON): Status.VOID,
    (Status.VALID, Move.SUSPEND): Status.SUSPENDED,
    (Status.SUSPENDED, Move.REINSTATE): Status.VALID,
    (Status.SUSPENDED, Move.LAPSE): Status.VALID,
    (Status.VALID, Move.REVOKE): Status.REVOKED,
    (Status.SUSPENDED, Move.REVOKE): Status.REVOKED,
    (Status.VALID, Move.REPLACE): Status.REPLACED,
}
"""Every change there is. Suspended has no arrow to replaced: a new number must not outrun an open check."""

LETTERS: Final[dict[tuple[Status, Move], str]] = dict(zip(ARROWS, "abcdefgh", strict=True))
"""The letters of the picture."""

_DECIDED = frozenset({Move.SUSPEND, Move.REINSTATE, Move.REVOKE, Move.REPLACE})
"""Moves that somebody decides, and so need a reason."""


class Verdict(StrEnum):
    """The closed set of answers. `unavailable` never means invalid."""

    VALID = "valid"
    SUSPENDED = "suspended"
    REVOKED = "revoked"
    REPLACED = "replaced"
    UNKNOWN = "unknown"
    UNAVAILABLE = "unavailable"


_VERDICTS = {
    Status.PREPARED: Verdict.UNKNOWN,
    Status.VOID: Verdict.UNKNOWN,
    Status.VALID: Verdict.VALID,
    Status.SUSPENDED: Verdict.SUSPENDED,
    Status.REVOKED: Verdict.REVOKED,
    Status.REPLACED: Verdict.REPLACED,
}


def move(status: Status, by: Move) -> Status:
    """Where `by` leads from `status`. Raises ForbiddenArrow when there is no such arrow."""
    target = ARROWS.get((status, by))
    if target is None:
        open_moves = [step.value for (start, step) in ARROWS if start is status]
        allowed = ", ".join(open_moves) or "-"
        raise ForbiddenArrow(
            Words(
                f"证书状态为 {status} 时不能 {by}；可以：{allowed}。",
                f"A certificate that is {status} has no arrow {by}; possible: {allowed}.",
            )
        )
    return target


def effective_status(certificate: Certificate, at: dt.datetime) -> Status:
    """The status that counts at `at` (aware): a suspension past its `until` counts as valid.

    A change made then must be preceded by the move LAPSE, so that the record and the arrows agree.
    """
    if certificate.status is Status.SUSPENDED and certificate.until is not None and certificate.until <= at:
        return Status.VALID
    return certificate.status


def verdict_of(status: Status) -> Verdict:
    """What the public is told; prepared and void certificates are unknown to it."""
    return _VERDICTS[status]


def check_change(
    move: Move, reason: str | None, role: Role, until: dt.datetime | None, at: dt.datetime
) -> None:
    """Check a decided change: the reason is of the list and allows the move, `until` is an aware future instant.

    Raises Invalid with all faults at once; Forbidden when the reason is not for this role.
    """
    faults = []
    known = REASONS.get(reason or "")
    if move in _DECIDED and (known is None or move not in known.moves):
        faults.append(_reason_fault(move, reason, role))
    if move not in _DECIDED and reason is not None and (known is None or move not in known.moves):
        faults.append(_reason_fault(move, reason, role))
    if until is not None:
        faults += _until_faults(move, until, at)
    if faults:
        raise invalid(*faults)
    if known is not None and role not in known.who:
        raise _not_for(known, move, role)


def _reason_fault(move: Move, reason: str | None, role: Role) -> Fault:
    accepted = [r.code for r in reasons_for(move, role)]
    listed = ", ".join(accepted) or "-"
    zh = "缺少原因" if reason is None else "该原因不适用于此变更" if reason in REASONS else "原因不在列表中"
    en = (
        "A reason is missing"
        if reason is None
        else "This reason does not fit"
        if reason in REASONS
        else "Not a reason of the list"
    )
    return Fault(
        "/reason", "reason", Words(f"{zh}；{move}可用：{listed}。", f"{en}; for {move} accepted: {listed}.")
    )


def _until_faults(move: Move, until: dt.datetime, at: dt.datetime) -> list[Fault]:
    if move is not Move.SUSPEND:
        what = Words(
            "只有暂停可以填写结束时间，请去掉until。", "Only a suspension has an end; leave until out."
        )
        return [Fault("/until", "until-not-allowed", what)]
    if until.tzinfo is None:
        what = Words(
            "结束时间缺少时区，例如 2026-12-01T00:00:00Z。",
            "The end has no time zone; write 2026-12-01T00:00:00Z.",
        )
        return [Fault("/until", "until-zone", what)]
    if until <= at:
        what = Words("结束时间应晚于现在。", "The end of a suspension lies in the future.")
        return [Fault("/until", "until-past", what)]
    return []


def _not_for(reason: Reason, move: Move, role: Role) -> Forbidden:
    accepted = ", ".join(r.code for r in reasons_for(move, role)) or "-"
    return Forbidden(
        Words(
            f"原因 {reason.code} 只能由主管部门使用；本角色可用：{accepted}。",
            f"The reason {reason.code} is for {', '.join(sorted(reason.who))} only; this role may use: {accepted}.",
        )
    )
