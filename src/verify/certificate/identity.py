"""Identity documents: shapes, checksums, canonical form, and when two numbers belong to one person.

A document is judged by what is published about it and no further: area codes that no longer exist pass with
a warning, documents without a published checksum are checked for shape only.
"""

import datetime as dt
import re
from operator import mul
from typing import Final

import msgspec

from verify.certificate.coding import PROVINCES_22
from verify.certificate.sources import (
    FACE_FIELDS,
    HONG_KONG_PERMIT_2024,
    ID_TYPE_STANDARD,
    PERMANENT_RESIDENT_NOTE,
    PRODUCT,
    PROVINCE_STANDARD,
    RESIDENT_ID_STANDARD,
)
from verify.certificate.text import BRACKETS, COMPACT, SPACES, WIDTH, describe, invalid, refused_fault
from verify.errors import Fault, Words

_DATE = r"(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
_SHORT_DATE = r"[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
_MAX_TEXT = 100


class IdType(msgspec.Struct, frozen=True):
    """One row of the table of documents."""

    identifier: str
    """What the API and the register write."""
    code: str
    """GA/T 517 document code; empty for OTHER."""
    words: Words
    pattern: str
    """Of the canonical form."""
    shape: Words
    """What would be accepted, for messages."""
    source: str
    family: str
    """Two documents of one family can be compared; see `Identity.person_key`."""
    birth_at: int | None = None
    """Where an 8-digit birth date begins."""
    checksum: bool = False
    """ISO 7064 MOD 11-2 in the last place."""
    lifelong: int | None = None
    """Leading characters that stay with the person when the document is renewed; None = all."""
    area: bool = False
    """Begins with a GB/T 2260 area code."""
    also: str | None = None
    """Another shape of the same document, tried when this one does not fit."""
    opaque: bool = False
    """Kept as typed but for outer spaces, width and case."""


_RESIDENT = "CITIZEN"

ID_TYPES: Final[dict[str, IdType]] = {
    row.identifier: row
    for row in (
        IdType(
            "RESIDENT_ID", "111", Words("居民身份证", "PRC resident ID card"), rf"[1-9][0-9]{{5}}{_DATE}[0-9]{{3}}[0-9X]",
            Words("18位：6位地址码、8位出生日期、3位顺序码、1位校验码（0至9或X）",
                  "18 characters: 6 of area, 8 of birth date, 3 of sequence, a check character 0-9 or X"),
            RESIDENT_ID_STANDARD, _RESIDENT, birth_at=6, checksum=True, area=True, also="RESIDENT_ID_15",
        ),
        IdType(
            "RESIDENT_ID_15", "111", Words("居民身份证（15位旧号）", "PRC resident ID, 15-digit"),
            rf"[1-9][0-9]{{5}}{_SHORT_DATE}[0-9]{{3}}",
            Words("15位数字：6位地址码、6位出生日期、3位顺序码", "15 digits: 6 of area, 6 of birth date, 3 of sequence"),
            "GB 11643-1989", _RESIDENT, area=True,
        ),
        IdType(
            "HKMO_RESIDENCE_PERMIT", "550", Words("港澳居民居住证", "Residence permit for Hong Kong/Macao residents"),
            rf"8[12]0000{_DATE}[0-9]{{3}}[0-9X]",
            Words("18位，以810000或820000开头", "18 characters beginning 810000 or 820000"),
            RESIDENT_ID_STANDARD, _RESIDENT, birth_at=6, checksum=True,
        ),
        IdType(
            "TW_RESIDENCE_PERMIT", "550", Words("台湾居民居住证", "Residence permit for Taiwan residents"),
            rf"830000{_DATE}[0-9]{{3}}[0-9X]", Words("18位，以830000开头", "18 characters beginning 830000"),
            RESIDENT_ID_STANDARD, _RESIDENT, birth_at=6, checksum=True,
        ),
        IdType(
            "HKMO_TRAVEL_PERMIT", "516", Words("港澳居民来往内地通行证", "Mainland travel permit for HK/Macao residents"),
            r"[HM][0-9]{8}(?:[0-9]{2})?",
            Words("H或M加8位数字，可再带2位换证次数", "H or M and 8 digits, with or without the 2 reissue digits"),
            ID_TYPE_STANDARD, "HKMO_TRAVEL_PERMIT", lifelong=9, also="HKMO_TRAVEL_PERMIT_NONCN",
        ),
        IdType(
            "HKMO_TRAVEL_PERMIT_NONCN", "516",
            Words("港澳居民来往内地通行证（非中国籍）", "The same permit for non-Chinese permanent residents"),
            r"(?:HA|MA)[0-9]{7}", Words("HA或MA加7位数字", "HA or MA and 7 digits"),
            HONG_KONG_PERMIT_2024, "HKMO_TRAVEL_PERMIT_NONCN", also="HKMO_TRAVEL_PERMIT",
        ),
        IdType(
            "TW_TRAVEL_PERMIT", "511", Words("台湾居民来往大陆通行证", "Mainland travel permit for Taiwan residents"),
            r"[0-9]{8}(?:[0-9]{2})?|[A-Z][0-9]{7}",
            Words("8位数字（可再带2位换证次数），或2013年前的1位字母加7位数字",
                  "8 digits with or without 2 reissue digits, or before 2013 a letter and 7 digits"),
            ID_TYPE_STANDARD, "TW_TRAVEL_PERMIT", lifelong=8,
        ),
        IdType(
            "PASSPORT", "414", Words("普通护照", "Passport"), r"[A-Z0-9]{3,20}",
            Words("3至20位字母或数字", "3 to 20 letters or digits"), ID_TYPE_STANDARD, "PASSPORT",
        ),
        IdType(
            "FOREIGN_PR_ID_2023", "553",
            Words("外国人永久居留身份证（2023版）", "Foreign permanent resident ID (2023 version)"),
            rf"9[0-9]{{5}}{_DATE}[0-9]{{3}}[0-9X]",
            Words("18位，以9开头，末位为校验码", "18 characters beginning with 9, ending in a check character"),
            PERMANENT_RESIDENT_NOTE, "FOREIGN_PR_ID_2023", birth_at=6, checksum=True, also="FOREIGN_PR_ID_OLD",
        ),
        IdType(
            "FOREIGN_PR_ID_OLD", "553", Words("外国人永久居留身份证（旧版）", "Foreign permanent resident ID (old)"),
            r"[A-Z]{3}[0-9]{12}", Words("3位国籍字母加12位数字", "3 letters of nationality and 12 digits"),
            PERMANENT_RESIDENT_NOTE, "FOREIGN_PR_ID_OLD", also="FOREIGN_PR_ID_2023",
        ),
        IdType(
            "MILITARY_ID", "114", Words("军官证/军人证", "Military ID"), r".{6,18}",
            Words("6至18个字符", "6 to 18 characters"), ID_TYPE_STANDARD, "MILITARY_ID", opaque=True,
        ),
        IdType(
            "HOUSEHOLD_REGISTER", "113", Words("户口簿", "Household register"), rf"[1-9][0-9]{{5}}{_DATE}[0-9]{{3}}[0-9X]",
            Words("18位公民身份号码（仅限未成年人）", "the 18-character citizen number (minors only)"),
            ID_TYPE_STANDARD, _RESIDENT, birth_at=6, checksum=True, area=True,
        ),
        IdType(
            "OTHER", "", Words("其他", "Other"), r".{1,50}", Words("1至50个字符", "1 to 50 characters"),
            PRODUCT, "OTHER", opaque=True,
        ),
    )
}  # fmt: skip
"""By identifier."""

_PATTERNS = {name: re.compile(row.pattern) for name, row in ID_TYPES.items()}
_COMPACT = COMPACT | dict.fromkeys(map(ord, BRACKETS))
_OPAQUE: dict[int, int | None] = dict(WIDTH)
_WEIGHTS = tuple(pow(2, 17 - i, 11) for i in range(17))  # 7 9 10 5 8 4 2 1 6 3 7 9 10 5 8 4 2
_ZEROES = 48 * sum(_WEIGHTS)
_CHECK = "10X98765432"


class Identity(msgspec.Struct, frozen=True):
    """A document as read."""

    id_type: str
    """The type whose shape fits: a 15-digit number given as RESIDENT_ID reads as RESIDENT_ID_15."""
    number: str
    """Canonical."""
    family: str
    """Name space of `person_key`; use it, not `id_type`, beside the key."""
    person_key: str
    """Equal for numbers of one family that belong to one person: 15 digits become 18, permits keep their
    lifelong part. Begins with the family, so it stands alone."""
    warnings: tuple[Fault, ...] = ()


def parse_identity(
    id_type: str,
    text: str,
    today: dt.date,
    *,
    pointer: str = "/holder/id_number",
    type_pointer: str = "/holder/id_type",
) -> Identity:
    """Read a document number of a type of `ID_TYPES`: shape, birth date not after `today`, checksum.

    Folds spaces, hyphens, brackets, full width and lower case. Raises Invalid.
    """
    row = ID_TYPES.get(id_type)
    if row is None:
        known = "、".join(ID_TYPES)
        what = Words(
            f"证件类型不可识别，可用：{known}。", f"Not a document type; accepted: {', '.join(ID_TYPES)}."
        )
        raise invalid(Fault(type_pointer, "id-type", what, FACE_FIELDS))
    row, number = _fit(row, text, pointer)
    if row.birth_at is not None:
        _check_birth(row, number, today, pointer)
    if row.checksum and check_character(number) != number[-1]:
        what = Words(
            "末位校验码不符，请核对证件号码。",
            "The last character does not fit the rest; compare the number with the document.",
        )
        raise invalid(Fault(pointer, "checksum", what, row.source))
    lifelong = _upgraded(number) if row.identifier == "RESIDENT_ID_15" else number[: row.lifelong]
    if row.identifier == "RESIDENT_ID_15":
        _check_birth(ID_TYPES["RESIDENT_ID"], lifelong, today, pointer)
    warnings = _area_warnings(number, pointer) if row.area and number[:2] not in PROVINCES_22 else ()
    return Identity(row.identifier, number, row.family, f"{row.family}:{lifelong}", warnings)


def check_character(number: str) -> str:
    """The ISO 7064 MOD 11-2 character for the first 17 digits of `number`."""
    return _CHECK[(sum(map(mul, _WEIGHTS, number.encode("ascii"))) - _ZEROES) % 11]


def upgrade_resident_id(number: str) -> str:
    """The 18-character form of a 15-digit number (`number` is canonical): 19 inserted, 18 for centenarians."""
    return _upgraded(number)


def mask_id_number(id_type: str, number: str) -> str:
    """First and last character kept, the rest starred: `1****************X`.

    Numbers of four characters or fewer are starred whole. `id_type` is accepted for every type alike: one mask
    for all says nothing about the document.
    """
    if len(number) <= 4:
        return "*" * len(number)
    return f"{number[0]}{'*' * (len(number) - 2)}{number[-1]}"


def _fit(row: IdType, text: str, pointer: str) -> tuple[IdType, str]:
    if not row.opaque and _PATTERNS[row.identifier].fullmatch(text) is not None:
        return row, text
    if len(text) > _MAX_TEXT:
        raise invalid(_shape_fault(row, text[:_MAX_TEXT], pointer))
    number = _opaque(text, pointer, row.source) if row.opaque else text.translate(_COMPACT)
    candidates = [row] + ([ID_TYPES[row.also]] if row.also else [])
    for candidate in candidates:
        if _PATTERNS[candidate.identifier].fullmatch(number) is not None:
            return candidate, number
    raise invalid(_shape_fault(row, number, pointer))


def _opaque(text: str, pointer: str, source: str) -> str:
    number = " ".join(text.strip(SPACES).translate(_OPAQUE).split()).upper()
    fault = refused_fault(number, pointer, source)
    if fault is not None:
        raise invalid(fault)
    return number


def _check_birth(row: IdType, number: str, today: dt.date, pointer: str) -> None:
    at = row.birth_at or 0
    try:
        born = dt.date(int(number[at : at + 4]), int(number[at + 4 : at + 6]), int(number[at + 6 : at + 8]))
    except ValueError:
        what = Words(
            "号码中的出生日期不存在，请核对证件号码。",
            "The birth date inside the number does not exist; compare it with the document.",
        )
        raise invalid(Fault(pointer, "birth-date", what, row.source)) from None
    if born > today:
        what = Words(
            "号码中的出生日期在今天之后，请核对证件号码。",
            "The birth date inside the number lies in the future; compare it with the document.",
        )
        raise invalid(Fault(pointer, "birth-date", what, row.source))


def _upgraded(number: str) -> str:
    # Sequences 996 to 999 were kept for people born in the 1800s.
    century = "18" if number[12:] >= "996" else "19"
    long = number[:6] + century + number[6:]
    return long + check_character(long)


def _area_warnings(number: str, pointer: str) -> tuple[Fault, ...]:
    what = Words(
        f"地址码前两位{number[:2]}不在现行省级代码中（可能为历史代码或测试数据），已接受，请核对。",
        f"The area code begins {number[:2]}, which is no present province (historic or test data); accepted, please compare.",
    )
    return (Fault(pointer, "area-unknown", what, PROVINCE_STANDARD),)


def _shape_fault(row: IdType, number: str, pointer: str) -> Fault:
    odd = next((c for c in number if not (c.isascii() and c.isalnum())), None) if not row.opaque else None
    extra = (
        Words(f"其中有不可用的字符{describe(odd)}。", f"It holds {describe(odd)}.") if odd else Words("", "")
    )
    what = Words(
        f"{row.words.zh}号码格式不符（共{len(number)}个字符），可接受：{row.shape.zh}。{extra.zh}",
        f"Not a number of this document ({row.words.en}; {len(number)} characters); accepted: {row.shape.en}. {extra.en}".strip(),
    )
    return Fault(pointer, "id-number", what, row.source)
