"""What people meant by what they typed: slips that can mean one thing only are read so, and said. Pure.

In a place where the rule allows digits alone, O is 0 and I or l is 1. Where a letter may stand as well (position 1
and 16 of a 22-character number), nothing is guessed. Programs get no such help: what they send is their own.
"""

import re
from typing import Final, Literal, TypeAlias

import msgspec

from verify.certificate.coding import AGENCY_CLASSES, LEVEL_CODES_16, LEVEL_CODES_22, PROVINCES_22, Code
from verify.certificate.number import (
    ParsedNumber,
    QualificationNumber,
    SkillLevelNumber,
    canonical_number,
    is_number,
    parse_number,
)
from verify.certificate.record import Level
from verify.certificate.scan_code import parse_scan_code
from verify.certificate.text import compact
from verify.errors import Fault, Invalid, Unreadable, Words

Meant: TypeAlias = Literal["number", "scan"]

DIGIT_PLACES: Final = {
    22: frozenset(range(1, 15)) | frozenset(range(16, 22)),
    20: frozenset(range(3, 20)),
    16: frozenset(range(16)),
    13: frozenset(range(13)),
}
"""Length of a number → the places (from 0) where only a digit may stand."""
ID_DIGIT_PLACES: Final = {18: frozenset(range(17)), 15: frozenset(range(15))}
_DIGIT_IDS: Final = frozenset({"RESIDENT_ID", "RESIDENT_ID_15", "HOUSEHOLD_REGISTER"})
_SLIPS: Final = {"O": "0", "I": "1", "L": "1"}
_TIMES: Final = str.maketrans({"×": "X", "✕": "X", "✖": "X", "Ⅹ": "X", "ⅹ": "X"})
_ADDRESS = re.compile(r"/V/([^/?#\s]{16,40})", re.IGNORECASE)

AS_SCAN_CODE: Final = Words(
    "您填的是二维码中的扫描码，已按扫描码查询。",
    "What you typed is the scan code of a QR code; it was used as one.",
)


class Read(msgspec.Struct, frozen=True):
    """What is asked for, and what to say about how it was read."""

    meant: Meant
    text: str
    notes: tuple[Words, ...] = ()


class Part(msgspec.Struct, frozen=True):
    """A group of characters of a number and what the rule says that it means."""

    characters: str
    label: Words
    meaning: Words | None = None


def read_number(text: str) -> Read:
    """What stands in the field for the number: a number, a number with slips, a scan code or its whole address.

    What is none of these is left as it is, for the one place that says what is wrong with it.
    """
    address = _ADDRESS.search(text)
    if address is not None:
        return Read("scan", address[1], (AS_SCAN_CODE,))
    typed = compact(text)
    fixed, slips = _digits_where_only_digits_stand(typed, DIGIT_PLACES.get(len(typed), frozenset()))
    if _is_number(fixed):
        return Read("number", fixed, _notes(slips))
    try:
        return Read("scan", parse_scan_code(text), (AS_SCAN_CODE,))
    except (Invalid, Unreadable):
        return Read("number", text)


def read_id_number(id_type: str, text: str) -> tuple[str, tuple[Words, ...]]:
    """The number of an identity document with its slips read, and what to say. The number itself is not told."""
    typed = compact(text.translate(_TIMES))
    places = ID_DIGIT_PLACES.get(len(typed), frozenset()) if id_type in _DIGIT_IDS else frozenset()
    fixed, slips = _digits_where_only_digits_stand(typed, places)
    return (fixed, _notes(slips)) if slips else (text.translate(_TIMES), ())


def number_parts(number: str) -> tuple[list[Part], tuple[Fault, ...]]:
    """A canonical number in its parts, as the rule reads it, and what no rule allows. Asks no register."""
    try:
        parsed: ParsedNumber = parse_number(number)
    except Invalid as error:
        return [], error.faults
    if isinstance(parsed, SkillLevelNumber):
        return _skill_parts(parsed), ()
    if isinstance(parsed, QualificationNumber) and not parsed.shanghai:
        return _qualification_parts(parsed), ()
    return [], ()


def agency_of(number: str) -> str | None:
    """The agency that a canonical number names, registered or not."""
    try:
        return parse_number(number).agency
    except Invalid:
        return None


def _is_number(text: str) -> bool:
    if is_number(text):
        return True
    try:
        canonical_number(text)
    except Invalid:
        return False
    return True


def _digits_where_only_digits_stand(text: str, places: frozenset[int]) -> tuple[str, dict[str, list[int]]]:
    """The text with slips read as digits, and where (from 1) each letter stood."""
    slips: dict[str, list[int]] = {}
    for place in sorted(places):
        if text[place] in _SLIPS:
            slips.setdefault(text[place], []).append(place + 1)
    fixed = "".join(
        _SLIPS.get(character, character) if place in places else character
        for place, character in enumerate(text)
    )
    return fixed, slips


def _notes(slips: dict[str, list[int]]) -> tuple[Words, ...]:
    return tuple(
        Words(
            f"这里只能是数字，已把第 {'、'.join(map(str, places))} 位的字母 {letter} 当作数字 {_SLIPS[letter]}。",
            f"Only digits can stand there, so we read the letter {letter} at position "
            f"{', '.join(map(str, places))} as {_SLIPS[letter]}.",
        )
        for letter, places in slips.items()
    )


def _skill_parts(number: SkillLevelNumber) -> list[Part]:
    from_to = (0, 1), (1, 5), (5, 7), (7, 13), (13, 15), (15, 16), (16, 22)
    cut = [number.text[a:b] for a, b in from_to]
    return [
        Part(cut[0], Words("机构类别", "class of agency"), AGENCY_CLASSES[number.agency_class].words),
        Part(cut[1], Words("备案部门代码", "filing authority")),
        Part(cut[2], Words("省份", "province"), PROVINCES_22[number.province].words),
        Part(cut[3], Words("机构序号", "agency's sequence")),
        _year(cut[4], number.year),
        Part(cut[5], Words("等级", "level"), _level(LEVEL_CODES_22.get(number.level_code))),
        Part(cut[6], Words("流水号", "serial")),
    ]


def _qualification_parts(number: QualificationNumber) -> list[Part]:
    from_to = (0, 2), (2, 4), (4, 6), (6, 10), (10, 11), (11, 16)
    cut = [number.text[a:b] for a, b in from_to]
    return [
        _year(cut[0], number.year),
        Part(cut[1], Words("省份或行业", "province or industry")),
        Part(cut[2], Words("地市", "city")),
        Part(cut[3], Words("鉴定所", "testing station")),
        Part(cut[4], Words("等级", "level"), _level(LEVEL_CODES_16.get(cut[4]))),
        Part(cut[5], Words("流水号", "serial")),
    ]


def _year(characters: str, year: int | None) -> Part:
    return Part(characters, Words("年份", "year"), Words(f"{year} 年", f"{year}"))


def _level(row: tuple[Level, Code] | None) -> Words | None:
    return row[1].words if row is not None else None
