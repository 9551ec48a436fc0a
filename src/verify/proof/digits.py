"""Bytes as decimal digits, for the numeric mode of a QR symbol: 22 bytes become 53 digits (99.6 % dense)."""

from verify.errors import Unreadable

BLOCK_BYTES = 22
BLOCK_DIGITS = 53
MAX_DIGITS = 1024
"""Far more than any token; longer input is refused before it is read."""

_WIDTHS = tuple(len(str((1 << 8 * size) - 1)) if size else 0 for size in range(BLOCK_BYTES + 1))
_SIZES = {width: size for size, width in enumerate(_WIDTHS) if size}


def encode_digits(data: bytes) -> str:
    """Each 22-byte block as 53 digits, the last block as the width its size needs."""
    blocks = [data[at : at + BLOCK_BYTES] for at in range(0, len(data), BLOCK_BYTES)]
    return "".join(str(int.from_bytes(block, "big")).zfill(_WIDTHS[len(block)]) for block in blocks)


def decode_digits(text: str) -> bytes:
    """The bytes that `encode_digits` turns into exactly `text`.

    Raises Unreadable for anything but 0-9, an impossible length, a block too large, or more than MAX_DIGITS.
    """
    if not text or len(text) > MAX_DIGITS or not (text.isascii() and text.isdigit()):
        raise Unreadable
    return b"".join(_block(text[at : at + BLOCK_DIGITS]) for at in range(0, len(text), BLOCK_DIGITS))


def _block(digits: str) -> bytes:
    size = _SIZES.get(len(digits))
    if size is None:
        raise Unreadable
    value = int(digits)
    if value >> 8 * size:
        raise Unreadable
    return value.to_bytes(size, "big")
