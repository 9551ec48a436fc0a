"""Agencies: their codes and classes, and what their filings allow on a date.

A work type list on a filing is closed: `--` in it allows certificates without a work type. An empty list
allows any and none. That is how one filing says "level 5, no work type" and another "levels 4-1, these five".
"""

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from typing import NewType

from verify.certificate.coding import AGENCY_CLASSES, STATION_KINDS_16
from verify.certificate.level import LEVELS, level_names
from verify.certificate.number import skill_agency_faults, station_kind_fault
from verify.certificate.occupation import NO_WORK_TYPE, print_work_type
from verify.certificate.record import Face, Filing, Kind, Level
from verify.certificate.sources import (
    LEVELS_RULE,
    NUMBER_RULE_22,
    QUALIFICATION_SCOPE_RULE,
    SCOPE_RULE,
    WORK_TYPE_RULE,
)
from verify.certificate.text import compact, invalid
from verify.errors import Fault, Words

AgencyCode = NewType("AgencyCode", str)
"""13 characters (skill level) or 8 digits (qualification); made only by `parse_agency_code`."""

_SKILL = re.compile(r"([A-Z])[0-9]{4}([0-9]{2})[0-9]{6}")
_QUALIFICATION = re.compile(r"[0-9]{4}([0-9])[0-9]{3}")


def parse_agency_code(text: str, *, pointer: str = "/agency") -> tuple[AgencyCode, Kind]:
    """Read an agency code; its shape shows the kind of certificate it may issue. Raises Invalid."""
    code = compact(text)
    if (match := _SKILL.fullmatch(code)) is not None:
        faults = skill_agency_faults(match.group(1), match.group(2), pointer)
        if faults:
            raise invalid(*faults)
        return AgencyCode(code), Kind.SKILL_LEVEL
    if (match := _QUALIFICATION.fullmatch(code)) is not None:
        if match.group(1) not in STATION_KINDS_16:
            raise invalid(station_kind_fault(match.group(1), pointer, 5))
        return AgencyCode(code), Kind.QUALIFICATION
    what = Words(
        "机构代码应为13位（1位类别字母、4位机构代码、2位省级代码、6位站点序列码）或8位数字。",
        "An agency code has 13 characters (class letter, 4 digits, 2 of province, 6 of station) or 8 digits.",
    )
    raise invalid(Fault(pointer, "agency-code", what, NUMBER_RULE_22))


def agency_class(code: str) -> Words:
    """The class of agency that a parsed code shows, e.g. 社会培训评价组织."""
    table, letter = (AGENCY_CLASSES, code[0]) if len(code) == 13 else (STATION_KINDS_16, code[4])
    return table[letter].words


def may_set_level(code: str, level: Level) -> Fault | None:
    """A fault when this class of skill-level agency may not set the level (special and chief: employers)."""
    row = LEVELS[level]
    if code[0] in row.classes:
        return None
    known = "、".join(AGENCY_CLASSES[letter].words.zh for letter in sorted(row.classes))
    known_en = ", ".join(AGENCY_CLASSES[letter].words.en for letter in sorted(row.classes))
    what = Words(
        f"{row.skill_level.zh}只能由{known}设立；本机构可用五至一级。",
        f"Only this class may set {row.skill_level.en}: {known_en}; this agency may use levels 5 to 1.",
    )
    return Fault("/level", "level-not-for-class", what, LEVELS_RULE)


def in_scope(filings: Sequence[Filing], face: Face) -> Filing | None:
    """The first filing that covers occupation, level and work type in force on the date of issue."""
    occupation, on = face.occupation, face.issued_on
    for filing in filings:
        filed = filing.occupation
        if (
            filed.code == occupation.code
            and filed.name == occupation.name
            and filing.from_on <= on
            and (filing.to_on is None or on <= filing.to_on)
            and face.level in filing.levels
            and _allows(filing, face.work_type)
        ):
            return filing
    return None


def scope_faults(filings: Sequence[Filing], face: Face) -> list[Fault]:
    """Which part lies outside the filings, most general first; empty when some filing covers the face.

    Codes: occupation-not-filed, occupation-name-differs, level-outside-filing, work-type-outside-filing,
    filing-not-yet-in-force, filing-no-longer-in-force. The clause cited is that of the face's kind.
    """
    if in_scope(filings, face) is not None:
        return []
    source = SCOPE_RULE if face.kind is Kind.SKILL_LEVEL else QUALIFICATION_SCOPE_RULE
    same = [filing for filing in filings if filing.occupation.code == face.occupation.code]
    if not same:
        return [_not_filed(filings, face, source)]
    named = [filing for filing in same if filing.occupation.name == face.occupation.name]
    if not named:
        return [_other_name(same, face)]
    faults = []
    graded = [filing for filing in named if face.level in filing.levels]
    if not graded:
        faults.append(_level_outside(named, face, source))
    typed = [filing for filing in graded or named if _allows(filing, face.work_type)]
    if not typed:
        faults.append(_work_type_outside(graded or named, face, source))
    if not any(_in_force(filing, face.issued_on) for filing in typed or graded or named):
        faults.append(_not_in_force(typed or graded or named, face.issued_on, source))
    return faults


def _allows(filing: Filing, work_type: str | None) -> bool:
    return not filing.work_types or (work_type or NO_WORK_TYPE) in filing.work_types


def _in_force(filing: Filing, on: dt.date) -> bool:
    return filing.from_on <= on and (filing.to_on is None or on <= filing.to_on)


def _not_filed(filings: Sequence[Filing], face: Face, source: str) -> Fault:
    names = _listed(f"{filing.occupation.code} {filing.occupation.name}" for filing in filings)
    what = Words(
        f"职业 {face.occupation.code} {face.occupation.name} 不在本机构备案内；已备案：{names or '无'}。",
        f"The occupation {face.occupation.code} {face.occupation.name} is not filed for this agency; filed: {names or 'none'}.",
    )
    return Fault("/occupation/code", "occupation-not-filed", what, source)


def _other_name(same: Sequence[Filing], face: Face) -> Fault:
    names = _listed(filing.occupation.name for filing in same)
    what = Words(
        f"职业编码 {face.occupation.code} 备案的名称是{names}，不是{face.occupation.name}；请按备案的规定名称填写。",
        f"The code {face.occupation.code} is filed as {names}, not {face.occupation.name}; write the name as filed.",
    )
    return Fault("/occupation/name", "occupation-name-differs", what, WORK_TYPE_RULE)


def _level_outside(named: Sequence[Filing], face: Face, source: str) -> Fault:
    asked = LEVELS[face.level].skill_level
    filed = level_names(tuple(level for filing in named for level in filing.levels))
    what = Words(
        f"{asked.zh}超出该职业的备案等级；已备案：{filed.zh}。",
        f"{asked.en} lies outside the levels filed for this occupation; filed: {filed.en}.",
    )
    return Fault("/level", "level-outside-filing", what, source)


def _work_type_outside(graded: Sequence[Filing], face: Face, source: str) -> Fault:
    names = _listed(name for filing in graded for name in filing.work_types)
    asked = print_work_type(face.work_type)
    what = Words(
        f"工种 {asked} 不在备案内；已备案：{names}（-- 表示无工种）。",
        f"The work type {asked} is not filed; filed: {names} (-- means none).",
    )
    return Fault("/work_type", "work-type-outside-filing", what, source)


def _not_in_force(filings: Sequence[Filing], on: dt.date, source: str) -> Fault:
    spans = "; ".join(f"{filing.from_on} – {filing.to_on or '…'}" for filing in filings[:5])
    if all(on < filing.from_on for filing in filings):
        code, zh, en = "filing-not-yet-in-force", "备案尚未生效", "The filing is not yet in force"
    else:
        code, zh, en = "filing-no-longer-in-force", "备案已不再有效", "The filing is no longer in force"
    what = Words(
        f"发证日期{on}时{zh}；备案期间：{spans}。", f"{en} on the date of issue {on}; filed for: {spans}."
    )
    return Fault("/issued_on", code, what, source)


def _listed(names: Iterable[str]) -> str:
    unique = list(dict.fromkeys(names))
    return "、".join(unique[:8]) + (f"…({len(unique)})" if len(unique) > 8 else "")
