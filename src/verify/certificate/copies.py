"""The life of a copy: what a person holds under one certificate number, and what a new copy says about the old.

Lost, damaged and corrected copies keep the number; only a wrong level or year, which stand in the number, make
another certificate (the move REPLACE of `status.py`).
"""

from enum import StrEnum
from typing import Final

from verify.certificate.record import CopyCause, CopyState
from verify.errors import ForbiddenArrow, Words


class CopyMove(StrEnum):
    """What can be done to a copy."""

    ISSUE = "issue"
    ABANDON = "abandon"
    SUPERSEDE = "supersede"
    """The next copy becomes current in the same commit."""
    RECALL = "recall"
    """The certificate was revoked or replaced."""


COPY_ARROWS: Final[dict[tuple[CopyState, CopyMove], CopyState]] = {
    (CopyState.PREPARED, CopyMove.ISSUE): CopyState.CURRENT,
    (CopyState.PREPARED, CopyMove.ABANDON): CopyState.VOID,
    (CopyState.CURRENT, CopyMove.SUPERSEDE): CopyState.REPLACED,
    (CopyState.CURRENT, CopyMove.RECALL): CopyState.RECALLED,
}
"""Every change there is; at most one copy of a certificate is current."""

REMARKS: Final[dict[CopyCause, Words]] = {
    CopyCause.LOST: Words("原证书遗失补发", "Issued in place of a lost copy"),
    CopyCause.DAMAGED: Words("原证书损坏换发", "Issued in place of a damaged copy"),
    CopyCause.CORRECTED: Words("原证书信息错误更正换发", "Issued to correct wrong data"),
}
"""What the remark of a new copy says when the agency wrote none: 补办的证书使用原证书编码和新证书流水码，并在备注栏内注明
(黔人社厅函〔2013〕57号第三条). The wording is this product's."""

TAKES_BACK: Final = frozenset({CopyCause.DAMAGED, CopyCause.CORRECTED})
"""Causes for which the old copy is taken back (《职业技能等级证书管理办法》第十七条)."""


def move_copy(state: CopyState, by: CopyMove) -> CopyState:
    """Where `by` leads from `state`. Raises ForbiddenArrow when there is no such arrow."""
    target = COPY_ARROWS.get((state, by))
    if target is None:
        raise ForbiddenArrow(
            Words(f"副本状态为 {state} 时不能 {by}。", f"A copy that is {state} has no arrow {by}.")
        )
    return target


def reissue_remark(cause: CopyCause, remark: str | None) -> str | None:
    """The remark of a new copy: the agency's own, else the one that the cause calls for; None for the original."""
    words = REMARKS.get(cause)
    return remark or (words.zh if words else None)
