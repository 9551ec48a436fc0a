"""Scan codes: what the QR carries. 75 random bits and a check character, one code per copy.

The printed number can be guessed by rule, so the QR never rests on it. The check is linear over GF(32):
the sum of c[i]·α^i over the 16 characters is zero. All weights differ and none is zero, so every single
wrong character and every exchange of two characters, near or far, is noticed.
"""

import re
from collections.abc import Callable
from typing import Final, NewType

from verify.certificate.text import COMPACT, invalid
from verify.errors import Fault, Unreadable, Words

ScanCode = NewType("ScanCode", str)
"""16 characters of Crockford's base32; made only in this module."""

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base32: without I, L, O and U."""
LENGTH: Final = 16
BYTES: Final = 10

_SHAPE = re.compile("[0-9A-HJKMNP-TV-Z]{16}")
_FOLD: dict[int, int | None] = COMPACT | {
    ord(typed): ord(meant)
    for typed, meant in ("I1", "L1", "O0", "i1", "l1", "o0", "Ｉ1", "Ｌ1", "Ｏ0", "ｉ1", "ｌ1", "ｏ0")
}


def times_alpha(value: int) -> int:
    """Multiply by the generator of GF(32) with the primitive polynomial x^5 + x^2 + 1."""
    value <<= 1
    return value ^ 0b100101 if value & 0b100000 else value


def _weigh(value: int, power: int) -> int:
    for _ in range(power):
        value = times_alpha(value)
    return value


# One table per position from character to its weighted value; the last position weighs 1.
_WEIGHTED = tuple(
    {character: _weigh(value, LENGTH - 1 - position) for value, character in enumerate(ALPHABET)}
    for position in range(LENGTH)
)


def _syndrome(text: str) -> int:
    total = 0
    for table, character in zip(_WEIGHTED, text, strict=False):
        total ^= table[character]
    return total


def new_scan_code(random: Callable[[int], bytes]) -> ScanCode:
    """A new code from 75 bits of `random(10)` and its check character."""
    value = int.from_bytes(random(BYTES), "big") >> 5
    body = _encode(value, LENGTH - 1)
    return ScanCode(body + ALPHABET[_syndrome(body)])


def parse_scan_code(text: str) -> ScanCode:
    """Read a code as printed, typed or scanned: any case, with spaces or hyphens, O for 0, I or L for 1.

    Raises Unreadable when it has not the shape of a scan code, Invalid when the check character does not fit.
    """
    if _SHAPE.fullmatch(text) is None:
        text = text.translate(_FOLD)
        if _SHAPE.fullmatch(text) is None:
            raise Unreadable
    if _syndrome(text):
        what = Words(
            "扫描码校验不符，请核对后重新输入。",
            "The scan code's check character does not fit; compare it and type it again.",
        )
        raise invalid(Fault("/scan_code", "check-character", what))
    return ScanCode(text)


def scan_code_bytes(code: ScanCode) -> bytes:
    """The code as the 10 bytes that the signed token carries (claim `cti`)."""
    value = 0
    for character in code:
        value = value << 5 | ALPHABET.index(character)
    return value.to_bytes(BYTES, "big")


def scan_code_from_bytes(raw: bytes) -> ScanCode:
    """The code that `scan_code_bytes` packed.

    Raises Unreadable unless there are 10 bytes, Invalid when the check character does not fit.
    """
    if len(raw) != BYTES:
        raise Unreadable
    return parse_scan_code(_encode(int.from_bytes(raw, "big"), LENGTH))


def _encode(value: int, length: int) -> str:
    return "".join(ALPHABET[value >> shift & 31] for shift in range(5 * (length - 1), -1, -5))
