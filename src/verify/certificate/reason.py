"""Reasons for changing a certificate: a closed list, who may use each, and which move it allows.

A reason is public with the status it caused. Codes are stored and never renamed.
"""

from enum import StrEnum
from typing import Final

import msgspec

from verify.certificate.record import CopyCause
from verify.certificate.sources import (
    CHANGZHOU_RULES,
    GUIZHOU_LETTER,
    JILIN_DRAFT,
    PRODUCT,
    QUALITY_NOTICE_1996,
    REISSUE_NOTICE_2009,
    SKILL_MEASURES,
)
from verify.errors import Words


class Move(StrEnum):
    """What can be done to a certificate; `status.py` says from where to where."""

    ISSUE = "issue"
    SUSPEND = "suspend"
    REINSTATE = "reinstate"
    REVOKE = "revoke"
    REPLACE = "replace"
    """A certificate with another number takes its place (wrong level or year)."""
    LAPSE = "lapse"
    """The end date of a suspension has passed; nobody decides it."""
    ABANDON = "abandon"
    """Prepared but could not be finished; its number stays spent."""


class Role(StrEnum):
    """Who acts."""

    AGENCY = "agency"
    """The agency that issued the certificate (for the qualification kind, the issuing authority's own)."""
    OPERATOR = "operator"
    """Supervisor or authority: whoever runs the register."""


class Scope(StrEnum):
    """What a reason speaks about."""

    CERTIFICATE = "certificate"
    BATCH = "batch"
    """One certificate or a whole batch."""
    COPY = "copy"
    """The paper or file only; the certificate stays valid."""
    AGENCY = "agency"
    BLANK = "blank"


class Reason(msgspec.Struct, frozen=True):
    """One row of the list."""

    code: str
    words: Words
    effect: Words
    """What follows, as shown to people."""
    scope: Scope
    who: frozenset[Role]
    moves: frozenset[Move]
    """Empty when the reason moves no certificate."""
    source: str
    cause: CopyCause | None = None
    """The cause of a new copy that this reason stands for."""


_BOTH = frozenset(Role)
_OPERATOR = frozenset({Role.OPERATOR})
_REVOKE, _SUSPEND = frozenset({Move.REVOKE}), frozenset({Move.SUSPEND})
_NONE: frozenset[Move] = frozenset()
_VOID = Words("宣布无效", "Declared invalid")
_RECALLED = Words("收回作废", "Recalled and void")
_CANCELLED = Words("取消技能等级，撤回证书", "Level cancelled, certificate withdrawn")
_PAUSED = Words("暂停使用，查实后恢复或撤销", "Suspended until the facts are established")
_BLOCKED = Words(
    "不得再开展评价；已发证书不因此失效", "May assess no more; earlier certificates are not voided by this"
)
_NEW_COPY = Words("核发新证并收回旧证", "A new copy is issued and the old one taken back")

REASONS: Final[dict[str, Reason]] = {
    reason.code: reason
    for reason in (
        Reason(
            "FORGED",
            Words("伪造、仿制证书", "Forged or imitated certificate"),
            _VOID,
            Scope.CERTIFICATE,
            _BOTH,
            _REVOKE,
            f"{SKILL_MEASURES}第二十二条第（一）项; {CHANGZHOU_RULES}第二十一条; {QUALITY_NOTICE_1996}第三条",
        ),
        Reason(
            "ISSUED_IN_VIOLATION",
            Words("违规发放证书", "Issued in violation of rules"),
            _VOID,
            Scope.BATCH,
            _OPERATOR,
            _REVOKE,
            f"{SKILL_MEASURES}第二十二条第（一）项",
        ),
        Reason(
            "SELF_MADE_NUMBER",
            Words("自行编制证书编码", "Agency made up its own number"),
            _VOID,
            Scope.BATCH,
            _OPERATOR,
            _REVOKE,
            f"{SKILL_MEASURES}第二十二条第（二）项",
        ),
        Reason(
            "SEAL_OR_PROCEDURE",
            Words("印鉴或手续不符合规范要求", "Seal or procedure irregular"),
            _VOID,
            Scope.BATCH,
            _OPERATOR,
            _REVOKE,
            f"{SKILL_MEASURES}第二十二条第（三）项",
        ),
        Reason(
            "OUT_OF_SCOPE",
            Words("超范围发放（职业/工种/等级）", "Issued outside the filed occupation or level"),
            _VOID,
            Scope.BATCH,
            _OPERATOR,
            _REVOKE,
            f"{SKILL_MEASURES}第九条、第二十二条第（四）项; {CHANGZHOU_RULES}第八条; {JILIN_DRAFT}第三十二条第（一）项",
        ),
        Reason(
            "NOT_PRINTED",
            Words("非打印机打印，自行填写、手写", "Hand-written"),
            _VOID,
            Scope.CERTIFICATE,
            _OPERATOR,
            _REVOKE,
            f"{SKILL_MEASURES}第十五条、第二十二条第（五）项",
        ),
        Reason(
            "ALTERED",
            Words("涂改", "Altered"),
            _RECALLED,
            Scope.CERTIFICATE,
            _BOTH,
            _REVOKE,
            f"{CHANGZHOU_RULES}第二十一条; {SKILL_MEASURES}第二十四条",
        ),
        Reason(
            "TRANSFERRED",
            Words("转让（出借、出租）", "Transferred / lent / rented"),
            _RECALLED,
            Scope.CERTIFICATE,
            _BOTH,
            _REVOKE,
            f"{CHANGZHOU_RULES}第二十一条; {SKILL_MEASURES}第二十四条",
        ),
        Reason(
            "OBTAINED_BY_FRAUD",
            Words("骗取证书", "Obtained by deception"),
            _CANCELLED,
            Scope.CERTIFICATE,
            _BOTH,
            _REVOKE,
            f"{CHANGZHOU_RULES}第二十一条; {SKILL_MEASURES}第二十四条",
        ),
        Reason(
            "BATCH_VIOLATION",
            Words("违规批次", "Batch obtained through agency violation"),
            _RECALLED,
            Scope.BATCH,
            _OPERATOR,
            _REVOKE,
            f"{CHANGZHOU_RULES}第二十一条",
        ),
        Reason(
            "RESULT_NOT_RECOGNISED",
            Words("成绩不予认定", "Result not recognised"),
            Words("不予发证", "No certificate is issued"),
            Scope.BATCH,
            _OPERATOR,
            frozenset({Move.ABANDON}),
            f"{JILIN_DRAFT}第三十一条",
        ),
        Reason(
            "RECHECK_FAILED",
            Words("抽查复核技能与等级不符", "Sampling recheck shows skill below level"),
            _VOID,
            Scope.CERTIFICATE,
            _OPERATOR,
            _REVOKE,
            f"{QUALITY_NOTICE_1996}第三条",
        ),
        Reason(
            "AGENCY_DELISTED",
            Words("取消备案/取消资质", "Agency filing cancelled"),
            _BLOCKED,
            Scope.AGENCY,
            _OPERATOR,
            _NONE,
            f"{JILIN_DRAFT}第三十二条; {SKILL_MEASURES}第二十二条",
        ),
        Reason(
            "ANNUAL_INSPECTION",
            Words("年检不合格或不参加年检", "Failed or skipped annual inspection"),
            _BLOCKED,
            Scope.AGENCY,
            _OPERATOR,
            _NONE,
            f"{CHANGZHOU_RULES}第九条",
        ),
        Reason(
            "REPLACED_DAMAGED",
            Words("损坏补发（旧证收回）", "Replaced because damaged"),
            _NEW_COPY,
            Scope.COPY,
            _BOTH,
            _NONE,
            f"{SKILL_MEASURES}第十七条; {CHANGZHOU_RULES}第二十条; {GUIZHOU_LETTER}第三条",
            CopyCause.DAMAGED,
        ),
        # Wrong data that is inside the number (level, year) needs another number, hence the move.
        Reason(
            "REPLACED_INCORRECT",
            Words("信息错误补发（旧证收回）", "Replaced because data wrong"),
            _NEW_COPY,
            Scope.COPY,
            _BOTH,
            frozenset({Move.REPLACE}),
            f"{SKILL_MEASURES}第十七条",
            CopyCause.CORRECTED,
        ),
        Reason(
            "REPLACED_LOST",
            Words("遗失补发", "Replaced because lost"),
            Words(
                "原证书编码不变，使用新流水码并在备注栏注明",
                "Same number, new blank serial, stated in the remark",
            ),
            Scope.COPY,
            _BOTH,
            _NONE,
            f"{GUIZHOU_LETTER}第三条; {SKILL_MEASURES}第十七条; {REISSUE_NOTICE_2009}",
            CopyCause.LOST,
        ),
        Reason(
            "SPOILED_BLANK",
            Words("质量问题或打印损坏", "Blank spoiled in printing"),
            Words("收回登记，集中统一销毁", "Taken back, registered and destroyed together"),
            Scope.BLANK,
            _BOTH,
            _NONE,
            f"{CHANGZHOU_RULES}第二十条; {GUIZHOU_LETTER}第三条",
        ),
        Reason(
            "UNDER_REVIEW",
            Words("核查期间暂停", "Suspended while facts are checked"),
            _PAUSED,
            Scope.BATCH,
            _BOTH,
            _SUSPEND,
            PRODUCT,
        ),
        Reason(
            "COMPLAINT_RECEIVED",
            Words("举报核查期间暂停", "Suspended after a complaint"),
            _PAUSED,
            Scope.BATCH,
            _OPERATOR,
            _SUSPEND,
            f"{PRODUCT}; {JILIN_DRAFT}第三十三条",
        ),
        Reason(
            "REVIEW_CLEARED",
            Words("核查无误恢复", "Reinstated after the check found nothing"),
            Words("恢复有效", "Valid again"),
            Scope.BATCH,
            _BOTH,
            frozenset({Move.REINSTATE}),
            PRODUCT,
        ),
    )
}
"""By code."""


def reasons_for(move: Move, role: Role | None = None) -> list[Reason]:
    """The reasons that allow `move`, for one role or for anybody, in the list's order."""
    return [r for r in REASONS.values() if move in r.moves and (role is None or role in r.who)]


def reason_for_cause(cause: CopyCause) -> Reason | None:
    """The reason that a reissue for `cause` stands for; None for the original copy."""
    return next((reason for reason in REASONS.values() if reason.cause is cause), None)
