"""JWS in its two shapes (RFC 7515): compact for records, flattened JSON for the trust list.

One key, purpose and type have one protected header; a reader refuses every other, so nothing in a header
can steer a verification.
"""

from collections.abc import Mapping
from functools import lru_cache

import msgspec

from verify.errors import BadSignature, Invalid, UnknownKey, Unreadable, Words
from verify.proof.public import (
    SIGNATURE_BYTES,
    Algorithm,
    KeyPurpose,
    PublicKey,
    b64url,
    parse_b64url,
    verify_signature,
)

MAX_JWS_BYTES = 64 << 10
_MAX_HEADER_CHARACTERS = 512


class Header(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The protected header, members in this order."""

    alg: Algorithm
    kid: str
    typ: str
    cty: str | None = None


class Jws(msgspec.Struct, frozen=True):
    """A JWS that reads well. Nobody has checked who signed it."""

    header: Header
    payload: bytes
    signing_input: bytes
    signature: bytes


def signing_input(header: Header, payload: bytes) -> bytes:
    """What is signed: header and payload in base64url (RFC 7515 §5.1 step 5)."""
    return _encoded(header) + b64url(payload).encode()


def assemble_compact(signing_input: bytes, signature: bytes) -> str:
    """The compact form. Raises Invalid for a signature of the wrong size."""
    if len(signature) != SIGNATURE_BYTES:
        raise Invalid(Words("签名长度有误。", "A signature is 64 bytes."))
    return f"{signing_input.decode()}.{b64url(signature)}"


def parse_compact(text: str) -> Jws:
    """Read a compact JWS. Raises Unreadable for anything that this service would not write."""
    if len(text) > MAX_JWS_BYTES or not text.isascii():
        raise Unreadable
    parts = text.split(".")
    if len(parts) != 3:
        raise Unreadable
    return parse_parts(*parts)


def parse_parts(protected: str, payload: str, signature: str) -> Jws:
    """Put a JWS together from its three base64url parts. Raises Unreadable."""
    header, raw = _header(protected), parse_b64url(signature)
    if len(raw) != SIGNATURE_BYTES:
        raise Unreadable
    return Jws(header, parse_b64url(payload), f"{protected}.{payload}".encode(), raw)


def verify_parsed(jws: Jws, keys: Mapping[str, PublicKey], *, purpose: KeyPurpose, typ: str) -> PublicKey:
    """The key whose signature holds over `jws`.

    Raises Unreadable for another `typ`, UnknownKey for a key not in `keys` or of another purpose, BadSignature.
    """
    if jws.header.typ != typ:
        raise Unreadable
    key = keys.get(jws.header.kid)
    if key is None or key.purpose is not purpose:
        raise UnknownKey
    if key.alg != jws.header.alg:
        raise BadSignature
    verify_signature(key, jws.signing_input, jws.signature)
    return key


@lru_cache(maxsize=4096)
def _encoded(header: Header) -> bytes:
    return b64url(msgspec.json.encode(header)).encode() + b"."


@lru_cache(maxsize=4096)
def _header(protected: str) -> Header:
    if len(protected) > _MAX_HEADER_CHARACTERS:
        raise Unreadable
    try:
        header = msgspec.json.decode(parse_b64url(protected), type=Header)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable from error
    if _encoded(header) != protected.encode() + b".":
        raise Unreadable
    return header
