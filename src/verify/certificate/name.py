"""Names: what is stored, what is refused, what is only remarked on, and the key they are compared by.

A person is never blocked for a rare character: only characters that cannot be seen, or that never stand in a
name, are refused. Compatibility ideographs and variants stay as they are (NFKC is never applied, and NFC not
to them); the comparison key folds dots, spaces, width, case, apostrophes and variation selectors.
"""

import re
import unicodedata
from typing import Final

from verify.certificate.sources import CHARACTER_STANDARD, NAME_NOTICE
from verify.certificate.text import HYPHENS, SPACES, WIDTH, describe, invalid, refused_fault
from verify.errors import Fault, Words

SEPARATOR: Final = "\u00b7"
"""The one separator that is stored (民委发〔2016〕33号; GB 18030 A1A4)."""
MAX_NAME: Final = 100
"""Code points. The rule asks for fields of at least 50; twice that leaves room for any name on a passport."""

DOTS: Final = (
    "\u00b7.\u2022\u30fb\u2027\u25cf\u2219\u22c5\u2024\u0387\uff65\uff0e\u318d\u2e31\u25e6\uff61\u3002"
)
"""Signs seen in place of the separator."""
_APOSTROPHES = "'\u2019\u2018\u02bc\u02bb\u00b4\u2032\uff07"
_STAND_INS = "\u3013\u25a1"

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\u3007\U00020000-\U0002f7ff\U00030000-\U0003fffd"
_PLAIN = re.compile(f"[{_HAN}]{{1,{MAX_NAME}}}")
_PLAIN_DOTTED = re.compile(f"[{_HAN}]+(?:{SEPARATOR}[{_HAN}]+)*")
_HAN_LIKE = f"{_HAN}\uf900-\ufaff\U0002f800-\U0002fa1f\ue000-\uf8ff\u2ff0-\u2fff\u3013\u25a1"
_INNER_SPACE = re.compile(f"(?<=[{_HAN_LIKE}]) +(?=[{_HAN_LIKE}])| *({SEPARATOR}) *")
_COMPATIBILITY = re.compile("([\uf900-\ufaff\U0002f800-\U0002fa1f]+)")
_PRIVATE = re.compile("[\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd]")
_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_UNUSUAL = re.compile(f"[0-9{_STAND_INS}\u2ff0-\u2fff]")

_TO_CANONICAL: dict[int, int] = (
    dict(WIDTH) | {ord(c): 0x20 for c in SPACES} | {ord(c): ord("-") for c in HYPHENS[1:]} | {0xFF07: 0x27}
)
# A full stop stays after a Latin letter (J. SMITH); elsewhere it stands for the separator.
_TO_SEPARATOR = re.compile(f"[{DOTS.replace('.', '')}]|(?<![A-Za-z])\\.")
_TO_KEY: dict[int, int | str | None] = (
    {ord(c): SEPARATOR for c in DOTS}
    | {ord(c): "'" for c in _APOSTROPHES}
    | {ord(c): "-" for c in HYPHENS}
    | dict.fromkeys(map(ord, SPACES))
    | dict.fromkeys(range(0xFE00, 0xFE10))
    | dict.fromkeys(range(0xE0100, 0xE01F0))
)
_PUNCTUATION = frozenset(f" -,/(){SEPARATOR}.{_APOSTROPHES}{_STAND_INS}")


def parse_name(text: str, *, pointer: str = "/holder/name") -> str:
    """The name as stored: outer spaces gone, ASCII width, U+00B7 between parts, composed (NFC).

    Counts code points, 1 to `MAX_NAME`. Raises Invalid for controls, bidi and zero-width characters, leading,
    trailing or double separators, and signs that stand in no name.
    """
    if _PLAIN.fullmatch(text) is not None:
        return text
    if len(text) > 4 * MAX_NAME:  # before any pattern walks it
        raise invalid(_length_fault(len(text), pointer))
    # Outer padding of any sort is dropped first; a tab or line break inside is then refused as a control.
    fault = refused_fault(text.strip(SPACES), pointer, NAME_NOTICE)
    if fault is not None:
        raise invalid(fault)
    name = _canonical(text)
    faults = _name_faults(name, pointer)
    if faults:
        raise invalid(*faults)
    return name


def name_warnings(name: str, *, pointer: str = "/holder/name") -> list[Fault]:
    """What a person should look at though the canonical `name` is accepted.

    Private-use code points (from old GBK systems: map only with a published table), compatibility ideographs,
    stand-ins for characters that cannot be encoded, digits.
    """
    if _PLAIN.fullmatch(name) is not None:
        return []
    warnings = []
    if (private := _PRIVATE.search(name)) is not None:
        what = Words(
            f"{describe(private.group())}是私用区码位，其他系统无法识别；请核对证件，能用正式码位时请改正。",
            f"{describe(private.group())} is a private-use code point that other systems cannot read; "
            "compare the document and correct it where a formal code point exists.",
        )
        warnings.append(Fault(pointer, "private-use", what, CHARACTER_STANDARD))
    if (compatible := _COMPATIBILITY.search(name)) is not None:
        what = Words(
            f"{describe(compatible.group()[0])}是兼容汉字，与常用字形不是同一码位，已原样保存。",
            f"{describe(compatible.group()[0])} is a compatibility ideograph, kept as it is; it will not match the common form.",
        )
        warnings.append(Fault(pointer, "compatibility-ideograph", what, CHARACTER_STANDARD))
    if (unusual := _UNUSUAL.search(name)) is not None:
        what = Words(
            f"姓名中有{describe(unusual.group())}；如为无法录入的字的代用，请留存证明材料。",
            f"The name holds {describe(unusual.group())}; if it stands in for a character that cannot be encoded, keep evidence.",
        )
        warnings.append(Fault(pointer, "stand-in", what, NAME_NOTICE))
    return warnings


def fold_name(text: str) -> str:
    """The key two spellings of one name share: dots, spaces, hyphens, apostrophes, width and case folded.

    Accepts any text, never raises; not for display.
    """
    if _PLAIN.fullmatch(text) is not None:
        return text
    if len(text) > 4 * MAX_NAME:
        return (
            text.casefold()
        )  # longer than any stored name, so it matches none; composing it could take long
    folded = text.translate(WIDTH).translate(_TO_KEY)
    return _compose(folded).casefold()


def _canonical(text: str) -> str:
    name = text.strip(SPACES).translate(_TO_CANONICAL)
    name = _TO_SEPARATOR.sub(SEPARATOR, name)
    name = _INNER_SPACE.sub(lambda match: match.group(1) or "", name)
    return _compose(re.sub(" {2,}", " ", name).strip())


def _compose(text: str) -> str:
    """NFC for everything but compatibility ideographs, which NFC would replace by other characters."""
    if unicodedata.is_normalized("NFC", text):
        return text
    parts = _COMPATIBILITY.split(text)
    return "".join(part if i % 2 else unicodedata.normalize("NFC", part) for i, part in enumerate(parts))


def _name_faults(name: str, pointer: str) -> list[Fault]:
    if _PLAIN_DOTTED.fullmatch(name) is not None and len(name) <= MAX_NAME:
        return []
    faults = []
    if not 1 <= len(name) <= MAX_NAME:
        faults.append(_length_fault(len(name), pointer))
    if name.startswith(SEPARATOR) or name.endswith(SEPARATOR) or SEPARATOR * 2 in name:
        what = Words(
            "间隔点不能在姓名首尾，也不能连续出现；请用一个“·”（U+00B7）分隔各部分。",
            "The separator may not begin or end a name, nor be doubled; put one \u00b7 (U+00B7) between the parts.",
        )
        faults.append(Fault(pointer, "separator", what, NAME_NOTICE))
    odd = next((character for character in name if not _may_stand(character)), None)
    if odd is not None:
        what = Words(
            f"姓名中不能有{describe(odd)}；可用文字、“·”、连字符、撇号和空格。",
            f"A name cannot hold {describe(odd)}; accepted: letters of any script, \u00b7, hyphen, apostrophe, space.",
        )
        faults.append(Fault(pointer, "name-character", what, NAME_NOTICE))
    elif name and not any(_bears_name(character) for character in name):
        what = Words("姓名中没有文字。", "The name holds no letter.")
        faults.append(Fault(pointer, "name-character", what, NAME_NOTICE))
    return faults


def _may_stand(character: str) -> bool:
    return character in _PUNCTUATION or _bears_name(character) or _SELECTORS.match(character) is not None


def _bears_name(character: str) -> bool:
    # Planes 2 and 3 are named outright: newer ideographs are unassigned to the interpreter's Unicode tables.
    point = ord(character)
    if 0x20000 <= point <= 0x3FFFD or 0x2FF0 <= point <= 0x2FFF or character in _STAND_INS:
        return True
    return unicodedata.category(character)[0] in "LM" or unicodedata.category(character) in ("Nd", "Nl", "Co")


def _length_fault(length: int, pointer: str) -> Fault:
    what = Words(
        f"姓名共{length}个字符，应为1至{MAX_NAME}个（按码位计）。",
        f"The name has {length} characters; 1 to {MAX_NAME} code points are accepted.",
    )
    return Fault(pointer, "name-length", what, NAME_NOTICE)
