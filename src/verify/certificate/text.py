"""Folding of what people type and paste: width, spaces, hyphens, case; and the characters refused everywhere.

Folding is by explicit tables. NFKC is never used: it changes compatibility ideographs, which are other
characters in a name.
"""

import re
import unicodedata
from typing import Final

from verify.errors import Fault, Invalid, Words

WIDTH: Final[dict[int, int]] = {0xFF01 + i: 0x21 + i for i in range(94)} | {0x3000: 0x20}
"""Full-width forms U+FF01–FF5E and the ideographic space to ASCII."""

SPACES: Final = (
    "\t\n\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
)
HYPHENS: Final = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
BRACKETS: Final = "()（）[]［］〔〕【】"

_UPPER = {ord(c): ord(c) - 32 for c in "abcdefghijklmnopqrstuvwxyz"}
_WIDE_UPPER = {0xFF41 + i: 0x41 + i for i in range(26)}

COMPACT: Final[dict[int, int | None]] = (
    dict(WIDTH) | _UPPER | _WIDE_UPPER | dict.fromkeys(map(ord, SPACES + HYPHENS))
)
"""For numbers and codes: ASCII width, upper case, without spaces and hyphens."""

REFUSED: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # C0, DEL, C1
    "\u00ad\u034f\u180e\u200b-\u200d\u2060\ufeff"  # soft hyphen, joiners, zero-width
    "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # bidi controls, line and paragraph separators
    "\u2061-\u2065\u206a-\u206f\ufff9-\ufffd\ufffe\uffff"  # invisible operators, annotation, replacement
    "\ufdd0-\ufdef\ud800-\udfff\U000e0000-\U000e007f]"  # noncharacters, lone surrogates, tags
)
"""Characters no field may hold: they cannot be seen, reorder what is seen, or show that text was damaged."""


def compact(text: str) -> str:
    """The text in ASCII width and upper case, without spaces, hyphens and dashes."""
    return text.translate(COMPACT)


def code_point(character: str) -> str:
    """`U+200B` style."""
    return f"U+{ord(character):04X}"


def describe(character: str) -> str:
    """A character as it can be shown in a message: itself if visible, and its code point."""
    visible = character.isprintable() and not character.isspace()
    name = unicodedata.name(character, "")
    return f"{character if visible else ''}({code_point(character)}{' ' + name if name else ''})"


def refused_fault(text: str, pointer: str, source: str = "") -> Fault | None:
    """A fault that names the first refused character and where it stands; None when there is none."""
    found = REFUSED.search(text)
    if found is None:
        return None
    what, where = describe(found.group()), found.start() + 1
    detail = Words(
        f"第{where}个字符 {what} 是控制字符、零宽字符或损坏标记，不可使用；请删除后重新输入。",
        f"Character {where}, {what}, is a control, zero-width or damage mark; remove it and type the text again.",
    )
    return Fault(pointer, "control-character", detail, source)


def free_text(value: str | None, pointer: str, limit: int, faults: list[Fault]) -> str | None:
    """Trim one optional line of text; `None` when empty. Appends a fault if unacceptable or over `limit`."""
    if value is None:
        return None
    text = value.strip()
    if not text:
        return None
    fault = refused_fault(text, pointer)
    if fault is not None:
        faults.append(fault)
    elif len(text) > limit:
        detail = Words(
            f"共{len(text)}个字符，最多{limit}个。", f"{len(text)} characters; at most {limit} are accepted."
        )
        faults.append(Fault(pointer, "too-long", detail))
    return text


def invalid(*faults: Fault) -> Invalid:
    """The error for these faults, with the first as its message."""
    return Invalid(faults[0].detail, faults=faults)
