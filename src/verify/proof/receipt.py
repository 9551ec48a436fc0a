"""Receipts and result lists as the operator signs them: what the register answered, to whom, and when.

A signature says that the service answered so then. What holds now, only the register can say.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from verify.errors import UnknownKey, Unreadable
from verify.proof.jws import Header, assemble_compact, parse_compact, signing_input, verify_parsed
from verify.proof.public import OPERATOR, KeyPurpose, PublicKey

RECEIPT_TYPE = "verification-receipt+jwt"
RESULT_TYPE = "employer-check+jwt"

T = TypeVar("T")


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One certificate as it was shown. Nothing about its holder."""

    number: str
    verdict: str
    revision: int


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a receipt says (RFC 7519 claims where they have a name)."""

    iss: str
    """Public address of the service."""
    jti: str
    iat: int
    """Seconds since 1970 UTC."""
    employer: str
    """The registered name of whoever asked."""
    asked: str
    """`name`, `person` or `scan`: what was brought."""
    verdict: str
    """`unknown` for a miss, `valid` when every certificate shown was valid, else the first that was not."""
    as_of: str
    seq: int
    """The answer shows a state not older than this ledger entry."""
    answers_sha256: str
    """Hex, over the canonical JSON of the list of answers."""
    answers: tuple[Seen, ...]


class ResultList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is signed of a finished list: the file itself is named by its digest."""

    iss: str
    jti: str
    iat: int
    """When the last row was answered, seconds since 1970 UTC."""
    employer: str
    total: int
    found: int
    missed: int
    failed: int
    results_sha256: str
    """Hex, over the NDJSON file of all results, byte for byte."""


def canonical_digest(value: Any) -> str:
    """SHA-256 in hex over JSON with sorted keys and no spaces: for strings and integers the form of RFC 8785."""
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()


def operator_signing_input(key: PublicKey, typ: str, payload: bytes) -> bytes:
    """What the operator's signer signs."""
    return signing_input(Header(key.alg, key.kid, typ), payload)


def assemble_signed(message: bytes, signature: bytes) -> str:
    """The compact JWS. Raises Invalid for a signature of the wrong size."""
    return assemble_compact(message, signature)


def statement_type(text: str) -> str | None:
    """`RECEIPT_TYPE` or `RESULT_TYPE` for a text of that shape, None for every other; nothing in it is believed."""
    try:
        typ = parse_compact(text).header.typ
    except Unreadable:
        return None
    return typ if typ in (RECEIPT_TYPE, RESULT_TYPE) else None


def statement_kid(text: str) -> str:
    """The key that a statement names. Raises Unreadable."""
    return parse_compact(text).header.kid


def verify_receipt(text: str, keys: Mapping[str, PublicKey]) -> tuple[Receipt, bytes]:
    """The claims and the payload of a receipt whose signature holds. The key's window is another question.

    Raises Unreadable, UnknownKey, BadSignature.
    """
    payload = _verified(text, keys, RECEIPT_TYPE)
    return _claims(payload, Receipt), payload


def read_receipt(text: str) -> tuple[Receipt, bytes]:
    """The claims that nobody has verified, and the payload. Raises Unreadable."""
    payload = parse_compact(text).payload
    return _claims(payload, Receipt), payload


def read_result_list(text: str) -> ResultList:
    """The claims about a list that nobody has verified. Raises Unreadable."""
    return _claims(parse_compact(text).payload, ResultList)


def verify_result_list(text: str, keys: Mapping[str, PublicKey]) -> ResultList:
    """The claims about a finished list whose signature holds. Raises as `verify_receipt`."""
    return _claims(_verified(text, keys, RESULT_TYPE), ResultList)


def _verified(text: str, keys: Mapping[str, PublicKey], typ: str) -> bytes:
    """Only the operator's statement key counts: an agency's word about a receipt is worth nothing."""
    jws = parse_compact(text)
    key = verify_parsed(jws, keys, purpose=KeyPurpose.STATEMENT, typ=typ)
    if key.owner != OPERATOR:
        raise UnknownKey
    return jws.payload


def _claims(payload: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(payload, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable from error
