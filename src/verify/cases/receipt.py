"""Receipts: 95 random bits and a check character, in the alphabet of scan codes. Who has one may follow the case.

The check is that of scan codes (certificate/scan_code.py), over 20 characters: it notices every single wrong
character and every exchange of two. A receipt is written in groups of four and stored as a keyed digest alone.
"""

import re
from collections.abc import Callable
from typing import Final, NewType

from verify.certificate.scan_code import ALPHABET, times_alpha
from verify.certificate.text import compact

Receipt = NewType("Receipt", str)
"""20 characters without hyphens; made only in this module."""

LENGTH: Final = 20
BYTES: Final = 12

_SHAPE = re.compile("[0-9A-HJKMNP-TV-Z]{20}")
_TYPED: Final = str.maketrans("OIL", "011")


def new_receipt(random: Callable[[int], bytes]) -> Receipt:
    """A new receipt from 95 bits of `random(12)`."""
    value = int.from_bytes(random(BYTES), "big") >> 1
    body = "".join(ALPHABET[value >> 5 * place & 31] for place in range(LENGTH - 1))
    return Receipt(body + ALPHABET[times_alpha(_sum(body))])


def parse_receipt(text: str) -> Receipt | None:
    """A receipt as printed or typed: any case and width, spaces, hyphens, O for 0; None for anything else."""
    typed = compact(text[:200]).translate(_TYPED)
    return Receipt(typed) if _SHAPE.fullmatch(typed) and not _sum(typed) else None


def print_receipt(receipt: Receipt) -> str:
    """In groups of four, as people read it out."""
    return "-".join(receipt[start : start + 4] for start in range(0, LENGTH, 4))


def _sum(text: str) -> int:
    """The weighted sum over GF(32); the last character weighs 1."""
    total = 0
    for character in text:
        total = times_alpha(total) ^ ALPHABET.index(character)
    return total
