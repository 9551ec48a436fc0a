"""The QR token: a CWT (RFC 8392) in COSE_Sign1 (RFC 9052 §4.2), written and read byte for byte.

    84                                  array of 4; the tag 18 is left out (RFC 9052 §2 allows it): 1 byte
      49 a2 01 26 04 44 <kid>           protected: {1: alg, 4: kid}
      a0                                unprotected: {}
      58 <n> a3                         payload: {
         06 1a <seconds>                  6: issued at
         07 4a <10 bytes>                 7: scan code
         3a 00010000 85                   -65537 (private use): [
            number                          10 bytes (22 characters) | integer (16 digits) | text
            name                            text, cut at a character with … when too long
            occupation                      d-dd-dd-dd as an integer
            level                           1–5, 6 special, 7 chief
            id tail                         text ] }
      58 40 <signature>

At most 172 bytes, so that the address of a 24-character host and the digits of the token fit a QR symbol of
version 10 at level M. One content has one encoding: a reader takes the claims out, writes them again, and
refuses the token unless both are the same bytes.
"""

import datetime as dt
import re
from collections.abc import Mapping
from functools import lru_cache

import msgspec

from verify.certificate.record import Level
from verify.certificate.scan_code import parse_scan_code, scan_code_bytes, scan_code_from_bytes
from verify.errors import BadSignature, Fault, Invalid, UnknownKey, Unreadable, Words
from verify.proof.public import SIGNATURE_BYTES, Algorithm, KeyPurpose, PublicKey, verify_signature

MAX_TOKEN_BYTES = 172
MAX_PAYLOAD_BYTES = 92
MIN_PAYLOAD_BYTES = 28
MAX_NUMBER_BYTES = 24
MAX_TAIL_BYTES = 12
"""Four characters of any script."""
ELLIPSIS = "…"

_COSE_ALGORITHMS: dict[Algorithm, bytes] = {"ES256": b"\x26", "Ed25519": b"\x32"}
"""COSE ids as CBOR: -7 (RFC 9053 §2.1), -19 (RFC 9864 §2.2)."""
_ALGORITHMS = {code: name for name, code in _COSE_ALGORITHMS.items()}
_PAYLOAD_AT = 14
_SIG_CONTEXT = b"\x84\x6aSignature1"
_CLAIMS_HEAD = b"\x3a\x00\x01\x00\x00\x85"
_LEVELS = {level: code for code, level in enumerate(reversed(list(Level)[:5]), 1)}
_LEVELS |= {Level.SPECIAL: 6, Level.CHIEF: 7}
_LEVEL_OF = {code: level for level, code in _LEVELS.items()}
_KID = re.compile(r"[0-9a-f]{8}")
_NUMBER_22 = re.compile(r"[A-Z][0-9]{14}[0-9A-Z][0-9]{6}")
_NUMBER_16 = re.compile(r"[0-9]{16}")
_NUMBER_TEXT = re.compile(r"[0-9A-Z-]{1,24}")
_OCCUPATION = re.compile(r"[0-9]-[0-9]{2}-[0-9]{2}-[0-9]{2}")
_BASE_36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_TWENTY_DIGITS = 10**20


class TokenClaims(msgspec.Struct, frozen=True):
    """What a token says."""

    kid: str
    """Id of the signing key: 8 hex characters."""
    issued_at: dt.datetime
    """UTC, whole seconds; the signer's own word."""
    scan_code: str
    number: str
    name: str
    """As registered, or its beginning and `…`."""
    occupation_code: str
    """`d-dd-dd-dd`."""
    level: Level
    id_tail: str
    """The last characters of the ID number, at most 4."""


class UnverifiedToken(msgspec.Struct, frozen=True):
    """A token that reads well. Nobody has checked who signed it."""

    algorithm: Algorithm
    claims: TokenClaims
    payload: bytes
    signature: bytes


def token_payload(claims: TokenClaims) -> bytes:
    """The CWT claims set, deterministic CBOR (RFC 8949 §4.2.1). A long name is cut to what fits.

    Raises Invalid when a claim cannot be carried.
    """
    try:
        head = b"\xa3\x06" + _head(0, _seconds(claims.issued_at)) + b"\x07\x4a"
        head += scan_code_bytes(parse_scan_code(claims.scan_code)) + _CLAIMS_HEAD + _number(claims.number)
        tail = _occupation(claims.occupation_code) + _head(0, _LEVELS[claims.level]) + _tail(claims.id_tail)
        return head + _name(claims.name, MAX_PAYLOAD_BYTES - len(head) - len(tail)) + tail
    except (ValueError, Unreadable) as error:
        what = Words("该内容无法写入二维码令牌。", "This cannot be carried in a token.")
        raise Invalid(faults=[Fault("", "not-in-token", what)]) from error


def to_be_signed(kid: str, payload: bytes, algorithm: Algorithm = "ES256") -> bytes:
    """The Sig_structure (RFC 9052 §4.4) that the signer signs."""
    return _frames(algorithm, kid)[0] + _bytes(payload)


def assemble_token(kid: str, payload: bytes, signature: bytes, algorithm: Algorithm = "ES256") -> bytes:
    """The token's bytes. Raises Invalid for a payload or signature of the wrong size."""
    if len(signature) != SIGNATURE_BYTES or not MIN_PAYLOAD_BYTES <= len(payload) <= MAX_PAYLOAD_BYTES:
        raise Invalid
    return _frames(algorithm, kid)[1] + _bytes(payload) + b"\x58\x40" + signature


def parse_token(data: bytes) -> UnverifiedToken:
    """Read a token without trusting it. Raises Unreadable for anything that is not exactly one token."""
    if not _PAYLOAD_AT + MIN_PAYLOAD_BYTES + 2 + SIGNATURE_BYTES <= len(data) <= MAX_TOKEN_BYTES:
        raise Unreadable
    algorithm = _ALGORITHMS.get(data[4:5])
    end = _PAYLOAD_AT + data[13]
    if algorithm is None or end + 2 + SIGNATURE_BYTES != len(data):
        raise Unreadable
    kid, payload, signature = data[7:11].hex(), data[_PAYLOAD_AT:end], data[end + 2 :]
    claims = _claims(kid, payload)
    if assemble_token(kid, token_payload_or_refuse(claims), signature, algorithm) != data:
        raise Unreadable
    return UnverifiedToken(algorithm, claims, payload, signature)


def verify_token(data: bytes, keys: Mapping[str, PublicKey]) -> TokenClaims:
    """The claims of a token whose signature holds. The key's window is another question (`window.standing`).

    Raises Unreadable, UnknownKey when its key is none of `keys` or no token key, BadSignature.
    """
    token = parse_token(data)
    key = keys.get(token.claims.kid)
    if key is None or key.purpose is not KeyPurpose.TOKEN:
        raise UnknownKey
    if key.alg != token.algorithm:
        raise BadSignature
    verify_signature(key, to_be_signed(key.kid, token.payload, key.alg), token.signature)
    return token.claims


def token_payload_or_refuse(claims: TokenClaims) -> bytes:
    """`token_payload` of claims that came from outside. Raises Unreadable where that raises Invalid."""
    try:
        return token_payload(claims)
    except Invalid as error:
        raise Unreadable from error


@lru_cache(maxsize=4096)
def _frames(algorithm: Algorithm, kid: str) -> tuple[bytes, bytes]:
    """What stands before the payload in the Sig_structure and in the token."""
    if not _KID.fullmatch(kid):
        raise Unreadable
    protected = b"\x49\xa2\x01" + _COSE_ALGORITHMS[algorithm] + b"\x04\x44" + bytes.fromhex(kid)
    return _SIG_CONTEXT + protected + b"\x40", b"\x84" + protected + b"\xa0"


# --- writing --------------------------------------------------------------------------------------------


def _head(major: int, value: int) -> bytes:
    """The shortest CBOR head (RFC 8949 §3)."""
    major <<= 5
    if value < 24:
        return bytes((major | value,))
    if value < 1 << 8:
        return bytes((major | 24, value))
    if value < 1 << 16:
        return bytes((major | 25,)) + value.to_bytes(2, "big")
    if value < 1 << 32:
        return bytes((major | 26,)) + value.to_bytes(4, "big")
    return bytes((major | 27,)) + value.to_bytes(8, "big")


def _bytes(data: bytes) -> bytes:
    return _head(2, len(data)) + data


def _text(data: bytes) -> bytes:
    return _head(3, len(data)) + data


def _seconds(at: dt.datetime) -> int:
    seconds = int(at.timestamp())
    if at.tzinfo is None or not 1 << 16 <= seconds < 1 << 32:
        raise ValueError(at)
    return seconds


def _number(number: str) -> bytes:
    if _NUMBER_22.fullmatch(number):
        letters = _BASE_36.index(number[0]) * 36 + _BASE_36.index(number[15])
        packed = letters * _TWENTY_DIGITS + int(number[1:15] + number[16:])
        return b"\x4a" + packed.to_bytes(10, "big")
    if _NUMBER_16.fullmatch(number):
        return _head(0, int(number))
    if _NUMBER_TEXT.fullmatch(number):
        return _text(number.encode())
    raise ValueError(number)


def _occupation(code: str) -> bytes:
    if not _OCCUPATION.fullmatch(code):
        raise ValueError(code)
    return _head(0, int(code.replace("-", "")))


def _tail(tail: str) -> bytes:
    data = tail.encode()
    if len(tail) > 4 or len(data) > MAX_TAIL_BYTES:
        raise ValueError(tail)
    return _text(data)


def _name(name: str, room: int) -> bytes:
    data = name.encode()
    if not data:
        raise ValueError(name)
    if len(data) <= room - (1 if len(data) < 24 else 2):
        return _text(data)
    end = room - 2 - len(ELLIPSIS.encode())
    return _text((data[:end].decode(errors="ignore") + ELLIPSIS).encode())


# --- reading --------------------------------------------------------------------------------------------


def _claims(kid: str, payload: bytes) -> TokenClaims:
    """The claims at their places; whether the rest is as it must be is seen when they are written again."""
    try:
        number, at = _read(payload, 25)
        name, at = _read(payload, at)
        occupation, at = _read(payload, at)
        level, at = _read(payload, at)
        tail, at = _read(payload, at)
        return TokenClaims(
            kid=kid,
            issued_at=dt.datetime.fromtimestamp(int.from_bytes(payload[3:7], "big"), dt.UTC),
            scan_code=scan_code_from_bytes(payload[9:19]),
            number=_read_number(number),
            name=_as_text(name),
            occupation_code=_read_occupation(occupation),
            level=_LEVEL_OF[_as_int(level)],
            id_tail=_as_text(tail),
        )
    except (ValueError, LookupError, Invalid) as error:
        raise Unreadable from error


def _read(data: bytes, at: int) -> tuple[int | bytes | str, int]:
    major, value = data[at] >> 5, data[at] & 31
    at += 1
    if value >= 24:
        size = 1 << value - 24
        if size > 8:
            raise ValueError(value)
        value, at = int.from_bytes(data[at : at + size], "big"), at + size
    if major == 0:
        return value, at
    content = data[at : at + value]
    if major == 2:
        return content, at + value
    if major == 3:
        return content.decode(), at + value
    raise ValueError(major)


def _as_text(item: int | bytes | str) -> str:
    if not isinstance(item, str):
        raise ValueError(type(item))
    return item


def _as_int(item: int | bytes | str) -> int:
    if not isinstance(item, int):
        raise ValueError(type(item))
    return item


def _read_number(item: int | bytes | str) -> str:
    match item:
        case str():
            return item
        case int():
            return f"{item:016d}"
        case bytes():
            letters, digits = divmod(int.from_bytes(item, "big"), _TWENTY_DIGITS)
            first, sixteenth = divmod(letters, 36)
            text = f"{digits:020d}"
            return _BASE_36[first] + text[:14] + _BASE_36[sixteenth] + text[14:]


def _read_occupation(item: int | bytes | str) -> str:
    text = f"{_as_int(item):07d}"
    return f"{text[0]}-{text[1:3]}-{text[3:5]}-{text[5:]}"
