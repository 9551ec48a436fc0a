"""Public halves of keys: the record, its id, its JWK form, and the check of one signature.

Nothing here can reach a private key; the public's side of the house imports this and never `keys`.
"""

import datetime as dt
import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from enum import StrEnum
from functools import lru_cache
from typing import Literal, assert_never

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from verify.errors import BadKey, BadSignature, Unreadable, Words

Algorithm = Literal["ES256", "Ed25519"]
"""JOSE names (RFC 7518 §3.4, RFC 9864 §2.2). An SM2 key adds a name here and a line in `_CHECKS`."""

OPERATOR = "operator"
"""Owner of the root, statement and log keys."""

SIGNATURE_BYTES = 64
P256_POINT_BYTES = 65
"""SEC1 uncompressed: 04, x, y."""
ED25519_BYTES = 32

_ECDSA = ec.ECDSA(SHA256())


class KeyPurpose(StrEnum):
    """What a key signs; one key has one purpose."""

    TOKEN = "token"  # noqa: S105 - the name of a purpose, no secret
    """QR tokens, certificate records as JWS, and PDF documents. P-256."""
    DATA_INTEGRITY = "data-integrity"
    """Data Integrity proofs. Ed25519."""
    ROOT = "root"
    """The operator's: agency certificates and the trust list, and nothing else. P-256."""
    STATEMENT = "statement"
    """The operator's daily word: receipts, results of lists, status packs, webhooks. P-256, named by the trust list."""
    LOG = "log"
    """The operator's: heads of the public log. Ed25519."""


class KeyState(StrEnum):
    """Where a key stands; the arrows are in `window.py`."""

    PENDING = "pending"
    ACTIVE = "active"
    RETIRED = "retired"
    COMPROMISED = "compromised"


class PublicKey(msgspec.Struct, frozen=True, omit_defaults=True):
    """The public half of one key pair with its life. Times are aware UTC."""

    kid: str
    """First 4 bytes of the RFC 7638 thumbprint as 8 hex characters."""
    alg: Algorithm
    owner: str
    """Agency code, or `operator`."""
    owner_name: Words
    purpose: KeyPurpose
    key_bytes: bytes
    """SEC1 uncompressed point (65) for ES256, raw (32) for Ed25519."""
    state: KeyState
    created_at: dt.datetime
    certificate: bytes | None = None
    """X.509, DER, issued by the operator's root; P-256 keys only."""
    active_from: dt.datetime | None = None
    """Inclusive; `None` while pending."""
    active_to: dt.datetime | None = None
    """Exclusive; `None` while open."""
    compromised_at: dt.datetime | None = None
    """From this instant on a signature proves nothing by itself."""


class Jwk(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A public JSON Web Key (RFC 7517; OKP of RFC 8037)."""

    kty: Literal["EC", "OKP"]
    crv: Literal["P-256", "Ed25519"]
    x: str
    y: str | None = None
    kid: str | None = None
    alg: str | None = None
    use: str | None = None


def b64url(data: bytes) -> str:
    """Base64url without padding (RFC 7515 §2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def parse_b64url(text: str) -> bytes:
    """The bytes of canonical unpadded base64url. Raises Unreadable for anything else, spare bits included."""
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as error:
        raise Unreadable from error
    if b64url(data) != text:
        raise Unreadable
    return data


def to_jwk(alg: Algorithm, key_bytes: bytes) -> Jwk:
    """The required members alone. Raises BadKey when `key_bytes` are no key of `alg`."""
    load_public(alg, key_bytes)
    match alg:
        case "ES256":
            return Jwk(kty="EC", crv="P-256", x=b64url(key_bytes[1:33]), y=b64url(key_bytes[33:]))
        case "Ed25519":
            return Jwk(kty="OKP", crv="Ed25519", x=b64url(key_bytes))
        case _:
            assert_never(alg)


def from_jwk(jwk: Jwk) -> tuple[Algorithm, bytes]:
    """Algorithm and key bytes. Raises BadKey when the members do not make a key."""
    try:
        if jwk.kty == "EC" and jwk.crv == "P-256" and jwk.y is not None:
            alg: Algorithm = "ES256"
            key_bytes = b"\x04" + parse_b64url(jwk.x) + parse_b64url(jwk.y)
        elif jwk.kty == "OKP" and jwk.crv == "Ed25519" and jwk.y is None:
            alg, key_bytes = "Ed25519", parse_b64url(jwk.x)
        else:
            raise _not_a_key("JWK")
    except Unreadable as error:
        raise _not_a_key("JWK") from error
    load_public(alg, key_bytes)
    return alg, key_bytes


def thumbprint(alg: Algorithm, key_bytes: bytes) -> bytes:
    """SHA-256 thumbprint of the key (RFC 7638 §3): 32 bytes. Raises BadKey."""
    jwk = to_jwk(alg, key_bytes)
    members = {"crv": jwk.crv, "kty": jwk.kty, "x": jwk.x}
    if jwk.y is not None:
        members["y"] = jwk.y
    return hashlib.sha256(msgspec.json.encode(members)).digest()


def key_id(alg: Algorithm, key_bytes: bytes) -> str:
    """First 4 bytes of the thumbprint as 8 hex characters. Raises BadKey."""
    return thumbprint(alg, key_bytes)[:4].hex()


def fingerprint(key: PublicKey) -> str:
    """The whole thumbprint, 64 hex characters in groups of 8, for people to compare. An id of 8 characters can
    be forged in an afternoon; this cannot. Raises BadKey."""
    text = thumbprint(key.alg, key.key_bytes).hex()
    return " ".join(text[at : at + 8] for at in range(0, 64, 8))


def by_kid(keys: Iterable[PublicKey]) -> dict[str, PublicKey]:
    """Keys by id. Raises BadKey when two share one, or an id is not the key's own."""
    table: dict[str, PublicKey] = {}
    for key in keys:
        if key.kid in table:
            what = Words(f"密钥标识 {key.kid} 重复。", f"Two keys share the id {key.kid}.")
            raise BadKey(what, hint="make another key: verify key create")
        if key.kid != key_id(key.alg, key.key_bytes):
            what = Words(f"密钥标识 {key.kid} 与密钥不符。", f"The id {key.kid} is not this key's own.")
            raise BadKey(what, hint="restore the key table from a backup")
        table[key.kid] = key
    return table


def verify_signature(public: PublicKey, message: bytes, signature: bytes) -> None:
    """Check one signature: raw r‖s (RFC 7518 §3.4) or Ed25519 (RFC 8032), 64 bytes either way.

    Raises BadSignature when it does not hold, BadKey when `public` is no key.
    """
    if len(signature) != SIGNATURE_BYTES:
        raise BadSignature
    _CHECKS[public.alg](public.key_bytes, message, signature)


@lru_cache(maxsize=4096)
def load_public(alg: Algorithm, key_bytes: bytes) -> ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey:
    """The key object, made once. Raises BadKey when the bytes are no point of the curve."""
    return _p256(key_bytes) if alg == "ES256" else _ed25519(key_bytes)


@lru_cache(maxsize=4096)
def _p256(key_bytes: bytes) -> ec.EllipticCurvePublicKey:
    if len(key_bytes) != P256_POINT_BYTES:
        raise _not_a_key("P-256")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key_bytes)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _not_a_key("P-256") from error


@lru_cache(maxsize=4096)
def _ed25519(key_bytes: bytes) -> ed25519.Ed25519PublicKey:
    if len(key_bytes) != ED25519_BYTES:
        raise _not_a_key("Ed25519")
    try:
        return ed25519.Ed25519PublicKey.from_public_bytes(key_bytes)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _not_a_key("Ed25519") from error


def _check_es256(key_bytes: bytes, message: bytes, signature: bytes) -> None:
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        _p256(key_bytes).verify(encode_dss_signature(r, s), message, _ECDSA)
    except InvalidSignature as error:
        raise BadSignature from error


def _check_ed25519(key_bytes: bytes, message: bytes, signature: bytes) -> None:
    try:
        _ed25519(key_bytes).verify(signature, message)
    except InvalidSignature as error:
        raise BadSignature from error


def _not_a_key(what: str) -> BadKey:
    return BadKey(
        Words(f"不是有效的 {what} 公钥。", f"This is not a {what} public key."),
        hint="compare the key table with the backup: verify key list",
    )


_CHECKS: dict[Algorithm, Callable[[bytes, bytes, bytes], None]] = {
    "ES256": _check_es256,
    "Ed25519": _check_ed25519,
}
