"""Levels: how they are worded on the face of each kind, how coded, who may set them, what they need."""

from typing import Final

import msgspec

from verify.certificate.coding import (
    AGENCY_CLASSES,
    LEVEL_CODES_16,
    LEVEL_CODES_22,
    SPECIAL_GRADES,
    level_code,
)
from verify.certificate.record import Kind, Level
from verify.certificate.sources import CHANGZHOU_RULES, LEVELS_RULE, STYLE_NOTICE
from verify.certificate.text import WIDTH, invalid
from verify.errors import Fault, Words

PASS_MARK: Final = 60.0
"""Out of 100. The rules say only 合格 (passed); 60 is the mark of the national skill standards."""


class LevelRow(msgspec.Struct, frozen=True):
    """One grade."""

    order: int
    """From low (2) to high (8); 1 is the apprentice, who gets no certificate."""
    skill_level: Words
    """Face wording of a skill-level certificate, e.g. 一级/高级技师."""
    qualification: Words | None
    """Face wording of a qualification certificate; None when that kind has no such level."""
    code_22: str | None
    """Position 16 of a 22-character number."""
    code_16: str | None
    """Position 11 of a 16-digit number."""
    review: bool
    """Whether a comprehensive review is needed beside theory and practical (第八条)."""
    classes: frozenset[str]
    """Agency classes that may set it (第七条)."""
    source: str


def _row(level: Level, order: int, skill: tuple[str, str], qualification: tuple[str, str] | None) -> LevelRow:
    special = level in SPECIAL_GRADES
    return LevelRow(
        order=order,
        skill_level=Words(*skill),
        qualification=Words(*qualification) if qualification else None,
        code_22=level_code(LEVEL_CODES_22, level),
        code_16=level_code(LEVEL_CODES_16, level),
        review=order >= 5,
        classes=frozenset("Y") if special else frozenset(AGENCY_CLASSES),
        source=LEVELS_RULE if special else f"{STYLE_NOTICE}; {CHANGZHOU_RULES}第二条",
    )


def _national(zh: str, numeral: str, en: str, digit: int) -> tuple[str, str]:
    return f"{zh}（国家职业资格{numeral}级）", f"{en} (National Vocational Qualification Level {digit})"


LEVELS: Final[dict[Level, LevelRow]] = {
    Level.FIVE: _row(
        Level.FIVE, 2, ("五级/初级工", "Level 5 / Junior Worker"), _national("初级", "五", "Junior", 5)
    ),
    Level.FOUR: _row(
        Level.FOUR,
        3,
        ("四级/中级工", "Level 4 / Intermediate Worker"),
        _national("中级", "四", "Intermediate", 4),
    ),
    Level.THREE: _row(
        Level.THREE, 4, ("三级/高级工", "Level 3 / Senior Worker"), _national("高级", "三", "Senior", 3)
    ),
    Level.TWO: _row(
        Level.TWO, 5, ("二级/技师", "Level 2 / Technician"), _national("技师", "二", "Technician", 2)
    ),
    Level.ONE: _row(
        Level.ONE,
        6,
        ("一级/高级技师", "Level 1 / Senior Technician"),
        _national("高级技师", "一", "Senior Technician", 1),
    ),
    Level.SPECIAL: _row(Level.SPECIAL, 7, ("特级技师", "Distinguished Technician"), None),
    Level.CHIEF: _row(Level.CHIEF, 8, ("首席技师", "Chief Technician"), None),
}
"""From low to high."""

_BY_TEXT = {level.value: level for level in Level}


def parse_level(text: str, *, pointer: str = "/level") -> Level:
    """Read `5`…`1`, `special` or `chief` (any case and width). Raises Invalid."""
    level = _BY_TEXT.get(text) or _BY_TEXT.get(text.translate(WIDTH).strip().lower())
    if level is None:
        what = Words(
            "等级不可识别，可用：5、4、3、2、1、special（特级技师）、chief（首席技师）。",
            "Not a level; accepted: 5, 4, 3, 2, 1, special, chief.",
        )
        raise invalid(Fault(pointer, "level", what, LEVELS_RULE))
    return level


def needs_review(level: Level) -> bool:
    """Whether a comprehensive review is needed: levels 2, 1 and above (《职业技能等级证书管理办法》第八条)."""
    return LEVELS[level].review


def level_text(kind: Kind, level: Level) -> Words:
    """The wording on the face.

    Raises Invalid for a grade that qualification certificates do not have.
    """
    row = LEVELS[level]
    words = row.skill_level if kind is Kind.SKILL_LEVEL else row.qualification
    if words is None:
        what = Words(
            "职业资格证书没有该等级，可用5、4、3、2、1。",
            "Qualification certificates have no such level; accepted: 5 to 1.",
        )
        raise invalid(Fault("/level", "level-not-in-kind", what, CHANGZHOU_RULES + "第二条"))
    return words


def level_names(levels: tuple[Level, ...]) -> Words:
    """Levels listed for a message, from low to high."""
    rows = sorted((LEVELS[level] for level in set(levels)), key=lambda row: row.order)
    return Words("、".join(r.skill_level.zh for r in rows), ", ".join(r.skill_level.en for r in rows))
