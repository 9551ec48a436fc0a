"""Certificate numbers: taken apart, put together, and compared with the face that carries them.

Three schemes are read: 22 characters (skill level, with a letter at position 16 for the special grade),
16 digits (qualification; 13-digit Shanghai numbers get `000` in front) and a 20-character scheme of unknown
origin. There is no check digit in any of them.
"""

import re
from typing import Final, NewType

import msgspec

from verify.certificate.coding import (
    AGENCY_CLASSES,
    AUTHORITIES_16,
    FIRST_YEAR_16,
    FIRST_YEAR_22,
    LEVEL_CODES_16,
    LEVEL_CODES_22,
    PROVINCES_22,
    STATION_KINDS_16,
    VARIANT_20,
    level_code,
)
from verify.certificate.record import Face, Kind, Level
from verify.certificate.sources import NUMBER_RULE, NUMBER_RULE_16, NUMBER_RULE_22, PROVINCE_STANDARD
from verify.certificate.text import compact, describe, invalid
from verify.errors import Fault, Words

CertificateNumber = NewType("CertificateNumber", str)
"""A canonical number; made only by `parse_number`, `canonical_number`, `compose_number` and `next_number`."""

ACCEPTED: Final = Words(
    "可接受：22位职业技能等级证书编号（1位字母加21位数字，特级技师第16位为字母）、16位职业资格证书编号、13位上海旧编号。",
    "Accepted: 22 characters (one letter and 21 digits, a letter at position 16 for the special grade), "
    "16 digits, or an old 13-digit Shanghai number.",
)

_CANONICAL = re.compile(r"[A-Z][0-9]{14}[1-5A-Z][0-9]{6}|[0-9]{16}|R[GSCX][NW][0-9]{17}")
_SKILL = re.compile(r"([A-Z])([0-9]{4})([0-9]{2})([0-9]{6})([0-9]{2})([1-5A-Z])([0-9]{6})")
_QUALIFICATION = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{2})([0-9])([0-9]{3})([0-9])([0-9]{5})")
_VARIANT = re.compile(r"R([GSCX])([NW])([0-9]{6})([0-9]{3})([0-9]{2})([0-9])([0-9]{5})")
_SHANGHAI_PREFIX = "000"


class SkillLevelNumber(msgspec.Struct, frozen=True, tag="skill_level"):
    """The seven parts of a 22-character number."""

    text: CertificateNumber
    agency: str
    """The first 13 characters: class, ministry code, province, station."""
    agency_class: str
    ministry_code: str
    """`0000` when first filed with a province."""
    province: str
    """GB/T 2260, of the agency or station."""
    station: str
    year: int
    level: Level | None
    """None for a letter at position 16 that `coding.py` does not know."""
    level_code: str
    serial: int


class QualificationNumber(msgspec.Struct, frozen=True, tag="qualification"):
    """The parts of a 16-digit number. A padded Shanghai number has only its text."""

    text: CertificateNumber
    agency: str | None
    """Positions 3–10, the 8-digit agency code."""
    authority: str | None
    """Positions 3–4: the labour ministry's own table, not GB/T 2260."""
    city: str | None
    station_kind: str | None
    year: int | None
    level: Level | None
    serial: int | None
    shanghai: bool = False
    """A 13-digit number with `000` in front; its first two digits are then not a year."""


class UnknownSchemeNumber(msgspec.Struct, frozen=True, tag="unknown_scheme"):
    """A 20-character number; its origin is unknown, so its parts prove nothing."""

    text: CertificateNumber
    region: str
    year: int
    level: Level | None
    serial: int
    agency: str | None = None
    """Never known in this scheme."""


ParsedNumber = SkillLevelNumber | QualificationNumber | UnknownSchemeNumber


def is_number(text: str) -> bool:
    """True if `text` is already a canonical number of some scheme. Checks the shape only."""
    return _CANONICAL.fullmatch(text) is not None


def canonical_number(text: str, *, pointer: str = "/number") -> CertificateNumber:
    """Normalise a number of any scheme and check its shape, without taking it apart; for look-ups.

    Folds spaces, hyphens, full width and lower case, and puts `000` before 13 digits.
    Raises Invalid with what is wrong where, and what would be accepted.
    """
    if _CANONICAL.fullmatch(text) is not None:
        return CertificateNumber(text)
    folded = compact(text)
    if len(folded) == 13 and folded.isascii() and folded.isdigit():
        folded = _SHANGHAI_PREFIX + folded
    if _CANONICAL.fullmatch(folded) is None:
        raise invalid(*_shape_faults(folded, pointer))
    return CertificateNumber(folded)


def parse_number(text: str, *, pointer: str = "/number") -> ParsedNumber:
    """Take a number apart, by the scheme its shape shows.

    Raises Invalid with one fault for each part that no rule allows: class, province, level, serial.
    """
    number = canonical_number(text, pointer=pointer)
    if len(number) == 22:
        return _parse_skill(number, pointer)
    if len(number) == 16:
        return _parse_qualification(number, pointer)
    return _parse_variant(number)


def _parse_skill(number: CertificateNumber, pointer: str) -> SkillLevelNumber:
    match = _SKILL.fullmatch(number)
    assert match is not None  # canonical_number has just checked this shape
    letter, ministry, province, station, year, level, serial = match.groups()
    if letter not in AGENCY_CLASSES or province not in PROVINCES_22 or serial == "000000":
        faults = skill_agency_faults(letter, province, pointer)
        raise invalid(*faults, *([_serial_fault("000001", "999999", pointer)] if serial == "000000" else []))
    known = LEVEL_CODES_22.get(level)
    full_year = _pivot(int(year), FIRST_YEAR_22)
    grade = known[0] if known else None
    return SkillLevelNumber(
        number, number[:13], letter, ministry, province, station, full_year, grade, level, int(serial)
    )


def _parse_qualification(number: CertificateNumber, pointer: str) -> QualificationNumber:
    if number.startswith(_SHANGHAI_PREFIX):
        return QualificationNumber(number, None, None, None, None, None, None, None, shanghai=True)
    match = _QUALIFICATION.fullmatch(number)
    assert match is not None  # canonical_number has just checked this shape
    year, authority, city, kind, _, level, serial = match.groups()
    faults = []
    if kind not in STATION_KINDS_16:
        faults.append(station_kind_fault(kind, pointer, 7))
    if level not in LEVEL_CODES_16:
        faults.append(_level_fault(level, 11, pointer))
    if serial == "00000":
        faults.append(_serial_fault("00001", "99999", pointer))
    if faults:
        raise invalid(*faults)
    full_year, grade = _pivot(int(year), FIRST_YEAR_16), LEVEL_CODES_16[level][0]
    return QualificationNumber(number, number[2:10], authority, city, kind, full_year, grade, int(serial))


def _parse_variant(number: CertificateNumber) -> UnknownSchemeNumber:
    match = _VARIANT.fullmatch(number)
    assert match is not None  # canonical_number has just checked this shape
    _, _, region, _, year, level, serial = match.groups()
    known = LEVEL_CODES_16.get(level)
    grade = known[0] if known else None
    return UnknownSchemeNumber(number, region, _pivot(int(year), FIRST_YEAR_22), grade, int(serial))


def _pivot(two_digits: int, first_year: int) -> int:
    return first_year + (two_digits - first_year) % 100


# --- putting together -----------------------------------------------------------------------------------


def serial_width(kind: Kind) -> int:
    """Digits of the serial: 6 for skill level, 5 for qualification."""
    return 6 if kind is Kind.SKILL_LEVEL else 5


def max_serial(kind: Kind) -> int:
    """The last serial of one agency, year and level. The first is 1."""
    return int(10 ** serial_width(kind) - 1)


def number_prefix(agency: str, kind: Kind, level: Level, year: int) -> str:
    """Everything of a number but its serial: the key of the allocation counter.

    `agency` is a parsed agency code of that kind, `year` four digits.
    Raises Invalid when the level has no coding (chief grade) or the year lies outside the scheme.
    """
    skill = kind is Kind.SKILL_LEVEL
    first = FIRST_YEAR_22 if skill else FIRST_YEAR_16
    code = level_code(LEVEL_CODES_22 if skill else LEVEL_CODES_16, level)
    if code is None:
        raise invalid(no_coding_fault(kind, level))
    if not first <= year < first + 100:
        what = Words(
            f"年份{year}不在该编码规则范围{first}至{first + 99}内。",
            f"The year {year} lies outside this scheme's {first} to {first + 99}.",
        )
        raise invalid(Fault("/issued_on", "year-outside-scheme", what, _rule(kind)))
    return f"{agency}{year % 100:02d}{code}" if skill else f"{year % 100:02d}{agency}{code}"


def compose_number(agency: str, kind: Kind, level: Level, year: int, serial: int) -> CertificateNumber:
    """The number of the `serial`-th certificate of one agency, level and year.

    Raises Invalid as `number_prefix` does, and when the serial is 0 or used up.
    """
    prefix = number_prefix(agency, kind, level, year)
    width = serial_width(kind)
    if not 1 <= serial <= max_serial(kind):
        raise invalid(_serial_fault("1".zfill(width), "9" * width, "/number"))
    return CertificateNumber(f"{prefix}{serial:0{width}d}")


def next_number(number: ParsedNumber) -> CertificateNumber:
    """The number that follows within the same agency, year and level.

    Raises Invalid at the last serial, and for numbers whose parts are not known.
    """
    if isinstance(number, UnknownSchemeNumber) or number.serial is None:
        raise invalid(_unknown_scheme_fault("/number"))
    width = 6 if isinstance(number, SkillLevelNumber) else 5
    if number.serial >= 10**width - 1:
        raise invalid(_serial_fault("1".zfill(width), "9" * width, "/number"))
    return CertificateNumber(f"{number.text[:-width]}{number.serial + 1:0{width}d}")


# --- comparing ------------------------------------------------------------------------------------------


def cross_check(number: ParsedNumber, face: Face, *, pointer: str = "/number") -> list[Fault]:
    """What the number says against what the face says: kind, agency, year of issue, level.

    A level letter that no rule explains passes for the grades without a confirmed coding (special, chief).
    """
    if isinstance(number, UnknownSchemeNumber) or (
        isinstance(number, QualificationNumber) and number.shanghai
    ):
        return [_unknown_scheme_fault(pointer)]
    skill = isinstance(number, SkillLevelNumber)
    if skill != (face.kind is Kind.SKILL_LEVEL):
        what = Words(
            "编号的编码规则与证书种类不一致。",
            "The number follows the scheme of the other kind of certificate.",
        )
        return [Fault(pointer, "number-kind-differs", what, _rule(face.kind))]
    faults = []
    if number.agency != face.agency:
        faults.append(_differs(pointer, "agency", "评价机构", number.agency, face.agency, face.kind))
    if number.year != face.issued_on.year:
        faults.append(_differs(pointer, "year", "核发年份", number.year, face.issued_on.year, face.kind))
    if number.level is not face.level and not (
        number.level is None and level_code(LEVEL_CODES_22, face.level) in (None, "T")
    ):
        faults.append(_differs(pointer, "level", "等级", number.level, face.level, face.kind))
    return faults


def number_warnings(number: ParsedNumber, *, pointer: str = "/number") -> list[Fault]:
    """What a reader should know though it is no fault: parts that no published text confirms."""
    if isinstance(number, UnknownSchemeNumber):
        return [_unknown_scheme_fault(pointer)]
    if isinstance(number, QualificationNumber):
        known = AUTHORITIES_16.get(number.authority or "")
        unsure = number.shanghai or known is None or not known.verified
        part = Words("发证机关代码", "authority code")
        return [_unverified(part, number.authority or number.text[:3], pointer)] if unsure else []
    warnings = []
    if not AGENCY_CLASSES[number.agency_class].verified:
        warnings.append(_unverified(Words("机构类别", "agency class"), number.agency_class, pointer))
    if not PROVINCES_22[number.province].verified:
        warnings.append(_unverified(Words("省级代码", "province code"), number.province, pointer))
    grade = LEVEL_CODES_22.get(number.level_code)
    if grade is None or not grade[1].verified:
        warnings.append(_unverified(Words("等级代码", "level code"), number.level_code, pointer))
    return warnings


# --- faults ---------------------------------------------------------------------------------------------


def skill_agency_faults(letter: str, province: str, pointer: str) -> list[Fault]:
    """What is wrong with the class letter and the province of a skill-level agency code."""
    faults = []
    if letter not in AGENCY_CLASSES:
        known = "、".join(f"{code.code}（{code.words.zh}）" for code in AGENCY_CLASSES.values())
        known_en = ", ".join(f"{code.code} ({code.words.en})" for code in AGENCY_CLASSES.values())
        what = Words(
            f"第1位{letter}不是机构类别代码，可用：{known}。",
            f"Position 1, {letter}, is no agency class; accepted: {known_en}.",
        )
        faults.append(Fault(pointer, "agency-class", what, NUMBER_RULE_22))
    if province not in PROVINCES_22:
        what = Words(
            f"第6至7位{province}不是GB/T 2260省级代码（例如32为江苏、44为广东）。",
            f"Positions 6-7, {province}, are no GB/T 2260 province code (32 = Jiangsu, 44 = Guangdong).",
        )
        faults.append(Fault(pointer, "province", what, f"{NUMBER_RULE_22}; {PROVINCE_STANDARD}"))
    return faults


def station_kind_fault(digit: str, pointer: str, position: int) -> Fault:
    """The agency kind digit of a qualification number or agency code is not 0–4."""
    what = Words(
        f"第{position}位{digit}不是机构识别代码，可用0至4。",
        f"Position {position}, {digit}, is no agency kind; accepted: 0 to 4.",
    )
    return Fault(pointer, "station-kind", what, NUMBER_RULE_16)


def no_coding_fault(kind: Kind, level: Level) -> Fault:
    """No rule gives this level a place in a number of this kind."""
    if kind is Kind.QUALIFICATION:
        what = Words(
            "职业资格证书只有五个等级，可用5、4、3、2、1。",
            "Qualification certificates have five levels; accepted: 5, 4, 3, 2, 1.",
        )
        return Fault("/level", "level-not-in-kind", what, NUMBER_RULE_16)
    what = Words(
        f"等级 {level} 没有公布的编码，系统不能编号；请填写省级主管部门给出的证书编号。",
        f"No published rule codes the level {level}, so no number can be composed; bring the number given by the province.",
    )
    return Fault("/number", "level-without-coding", what, NUMBER_RULE)


def _shape_faults(folded: str, pointer: str) -> list[Fault]:
    length = len(folded)
    if length not in (13, 16, 20, 22):
        what = Words(f"共{length}个字符。", f"{length} characters.").join(ACCEPTED)
        return [Fault(pointer, "number-length", what, NUMBER_RULE)]
    wrong = [(at, c) for at, c in enumerate(folded, 1) if not _fits(c, at, length)]
    return [_character_fault(at, c, length, pointer) for at, c in wrong[:5]]


def _fits(character: str, position: int, length: int) -> bool:
    letter, digit = "A" <= character <= "Z", "0" <= character <= "9"
    if length == 22 and position == 1:
        return letter
    if length == 22 and position == 16:
        return letter or "1" <= character <= "5"
    if length == 20 and position <= 3:
        return character in ("R", "GSCX", "NW")[position - 1]
    return digit


def _character_fault(position: int, character: str, length: int, pointer: str) -> Fault:
    wanted = Words("数字", "a digit")
    if length == 22 and position == 1:
        wanted = Words("大写字母Y或S", "the capital letter Y or S")
    elif length == 22 and position == 16:
        wanted = Words(
            "等级5、4、3、2、1，或特级技师的字母", "a level 5, 4, 3, 2, 1, or the letter of the special grade"
        )
    elif length == 20:
        wanted = Words(f"符合{VARIANT_20}", f"what fits {VARIANT_20}")
    what = Words(
        f"第{position}位是{describe(character)}，应为{wanted.zh}。",
        f"Position {position} is {describe(character)}; expected {wanted.en}.",
    )
    return Fault(pointer, "number-character", what, NUMBER_RULE if length == 22 else NUMBER_RULE_16)


def _level_fault(code: str, position: int, pointer: str) -> Fault:
    what = Words(
        f"第{position}位{code}不是等级代码，可用5、4、3、2、1。",
        f"Position {position}, {code}, is no level; accepted: 5, 4, 3, 2, 1.",
    )
    return Fault(pointer, "level-code", what, NUMBER_RULE_16)


def _serial_fault(first: str, last: str, pointer: str) -> Fault:
    what = Words(
        f"序列号应在{first}至{last}之间；本年本等级用尽后不能继续编号。",
        f"The serial runs from {first} to {last}; past it this agency, year and level are used up.",
    )
    return Fault(pointer, "serial", what, NUMBER_RULE_22 if len(last) == 6 else NUMBER_RULE_16)


def _unknown_scheme_fault(pointer: str) -> Fault:
    what = Words(
        "该编号可以识别，但其编码规则未知或为旧编号，无法核对各组成部分。",
        "The number is recognised, but its scheme is unknown or legacy: its parts cannot be checked.",
    )
    return Fault(pointer, "unknown-scheme", what, NUMBER_RULE)


def _unverified(part: Words, code: str, pointer: str) -> Fault:
    what = Words(
        f"{part.zh}{code}未见公布的依据，请人工核对。",
        f"No published text confirms the {part.en} {code}; have a person check it.",
    )
    return Fault(pointer, "unverified-part", what)


def _differs(pointer: str, part: str, zh: str, number_says: object, face_says: object, kind: Kind) -> Fault:
    what = Words(
        f"编号中的{zh}为{number_says}，证书为{face_says}，应一致。",
        f"The number says {part} {number_says}, the certificate says {face_says}; they must agree.",
    )
    return Fault(pointer, f"number-{part}-differs", what, _rule(kind))


def _rule(kind: Kind) -> str:
    return NUMBER_RULE if kind is Kind.SKILL_LEVEL else NUMBER_RULE_16
