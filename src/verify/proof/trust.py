"""The trust list: every public key with its window, signed by the root; and the same token keys as a JWKS.

`trust.json` is a flattened JWS (RFC 7515 §7.2.2). A browser checks it in three steps: import the pinned root,
`crypto.subtle.verify` over `protected + "." + payload`, `JSON.parse` the payload.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Annotated

import msgspec

from verify.errors import BadKey, Invalid, ProofFailed, Unreadable, Words
from verify.proof.jws import Header, parse_parts, signing_input, verify_parsed
from verify.proof.public import (
    SIGNATURE_BYTES,
    Algorithm,
    Jwk,
    KeyPurpose,
    KeyState,
    PublicKey,
    b64url,
    by_kid,
    from_jwk,
    parse_b64url,
    to_jwk,
)

TYPE = "trust-list+jws"
MAX_TRUST_BYTES = 16 << 20
MAX_AGE_S = 366 * 24 * 3600
_IN_JWKS = (KeyPurpose.TOKEN, KeyPurpose.STATEMENT)
CLOCK_SKEW_S = 300
"""A list from the future beyond this is refused: somebody's clock is wrong, or somebody plans ahead."""


class TrustEntry(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One key as the world sees it; times RFC 3339 UTC."""

    kid: str
    alg: Algorithm
    purpose: KeyPurpose
    owner: str
    owner_name: Words
    state: KeyState
    created_at: dt.datetime
    jwk: Jwk
    active_from: dt.datetime | None = None
    active_to: dt.datetime | None = None
    compromised_at: dt.datetime | None = None
    x5c: tuple[str, ...] | None = None
    """The X.509 certificate, base64 of DER (RFC 7517 §4.7), without the root."""


class TrustPayload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the root signs."""

    sequence: Annotated[int, msgspec.Meta(ge=1)]
    """One more with every list; a reader refuses less than it has seen."""
    issued_at: dt.datetime
    max_age_s: Annotated[int, msgspec.Meta(ge=1, le=MAX_AGE_S)]
    """How long an offline reader may rely on it."""
    keys: tuple[TrustEntry, ...]


class TrustList(msgspec.Struct, frozen=True):
    """A verified list."""

    sequence: int
    issued_at: dt.datetime
    expires_at: dt.datetime
    keys: dict[str, PublicKey]


class _Flattened(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    payload: str
    protected: str
    signature: str


class _JwkSet(msgspec.Struct, frozen=True):
    keys: list[Jwk]


def build_trust_list(
    keys: Iterable[PublicKey], *, sequence: int, issued_at: dt.datetime, max_age_s: int
) -> bytes:
    """The payload, keys in order of age. Raises BadKey for two keys with one id, Invalid for a bad sequence or age."""
    if sequence < 1 or not 1 <= max_age_s <= MAX_AGE_S:
        raise Invalid(Words("序号和有效期须为正数。", "Sequence and maximum age must be positive."))
    ordered = sorted(by_kid(keys).values(), key=lambda key: (key.created_at, key.kid))
    issued_at = issued_at.replace(microsecond=0)
    return msgspec.json.encode(
        TrustPayload(sequence, issued_at, max_age_s, tuple(_entry(key) for key in ordered))
    )


def trust_signing_input(root: PublicKey, payload: bytes) -> bytes:
    """What the root's signer signs."""
    return signing_input(_header(root), payload)


def assemble_trust_list(root: PublicKey, payload: bytes, signature: bytes) -> bytes:
    """The bytes of `trust.json`. Raises Invalid for a signature of the wrong size."""
    if len(signature) != SIGNATURE_BYTES:
        raise Invalid(Words("签名长度有误。", "A signature is 64 bytes."))
    protected, _, body = signing_input(_header(root), payload).decode().partition(".")
    return msgspec.json.encode(_Flattened(body, protected, b64url(signature)))


def verify_trust_list(
    data: bytes, roots: Mapping[str, PublicKey], *, now: dt.datetime, seen_sequence: int = 0
) -> TrustList:
    """The keys of a list that one of the pinned `roots` signed, that is fresh and no step back.

    `seen_sequence` is the highest sequence this reader has accepted. Raises Unreadable, UnknownKey for another
    root, BadSignature, and ProofFailed when the list is older than one already seen, has expired, or comes from
    the future.
    """
    payload, expires_at = _payload(data, roots)
    if payload.sequence < seen_sequence:
        raise _stale("信任列表比已见过的旧。", "This trust list is older than one already seen.")
    if payload.issued_at > now + dt.timedelta(seconds=CLOCK_SKEW_S):
        raise _stale("信任列表的签发时间在未来。", "This trust list comes from the future; check the clock.")
    if now >= expires_at:
        raise _stale("信任列表已过期。", f"This trust list expired at {expires_at:%Y-%m-%d %H:%M} UTC.")
    try:
        keys = by_kid(_key(entry) for entry in payload.keys)
    except BadKey as error:
        raise Unreadable from error
    return TrustList(payload.sequence, payload.issued_at, expires_at, keys)


def claimed_roots(data: bytes) -> dict[str, PublicKey]:
    """The root keys that a list itself names, for a reader who was handed the list and has pinned nothing yet.

    Verifying the list with these proves that it is whole, not whose it is: show the reader
    `public.fingerprint` of the root to compare with the published one. Raises Unreadable.
    """
    try:
        outer = msgspec.json.decode(data[: MAX_TRUST_BYTES + 1], type=_Flattened)
        payload = msgspec.json.decode(parse_b64url(outer.payload), type=TrustPayload)
        return by_kid(_key(entry) for entry in payload.keys if entry.purpose is KeyPurpose.ROOT)
    except (msgspec.DecodeError, UnicodeError, RecursionError, BadKey) as error:
        raise Unreadable from error


def jwks(keys: Iterable[PublicKey]) -> bytes:
    """Token and statement keys as a JWK Set (RFC 7517 §5): pending, active and retired ones, public members only.

    A JWK Set cannot say since when a key is compromised, and its readers ask no further; so compromised keys
    are left out and stand, dated, in the trust list alone.
    """
    shown = [k for k in keys if k.purpose in _IN_JWKS and k.state is not KeyState.COMPROMISED]
    shown.sort(key=lambda key: (key.created_at, key.kid))
    return msgspec.json.encode(_JwkSet([_named(key) for key in shown]))


def _payload(data: bytes, roots: Mapping[str, PublicKey]) -> tuple[TrustPayload, dt.datetime]:
    if len(data) > MAX_TRUST_BYTES:
        raise Unreadable
    try:
        outer = msgspec.json.decode(data, type=_Flattened)
        jws = parse_parts(outer.protected, outer.payload, outer.signature)
        verify_parsed(jws, roots, purpose=KeyPurpose.ROOT, typ=TYPE)
        payload = msgspec.json.decode(jws.payload, type=TrustPayload)
        if msgspec.json.encode(outer) != data or payload.issued_at.utcoffset() != dt.timedelta(0):
            raise Unreadable
        return payload, payload.issued_at + dt.timedelta(seconds=payload.max_age_s)
    except (msgspec.DecodeError, UnicodeError, RecursionError, OverflowError) as error:
        raise Unreadable from error


def _header(root: PublicKey) -> Header:
    return Header(root.alg, root.kid, TYPE)


def _entry(key: PublicKey) -> TrustEntry:
    return TrustEntry(
        kid=key.kid,
        alg=key.alg,
        purpose=key.purpose,
        owner=key.owner,
        owner_name=key.owner_name,
        state=key.state,
        created_at=key.created_at,
        jwk=to_jwk(key.alg, key.key_bytes),
        active_from=key.active_from,
        active_to=key.active_to,
        compromised_at=key.compromised_at,
        x5c=None if key.certificate is None else (_base64(key.certificate),),
    )


def _key(entry: TrustEntry) -> PublicKey:
    alg, key_bytes = from_jwk(entry.jwk)
    if alg != entry.alg:
        raise Unreadable
    return PublicKey(
        kid=entry.kid,
        alg=alg,
        owner=entry.owner,
        owner_name=entry.owner_name,
        purpose=entry.purpose,
        key_bytes=key_bytes,
        state=entry.state,
        created_at=entry.created_at,
        certificate=_certificate(entry),
        active_from=entry.active_from,
        active_to=entry.active_to,
        compromised_at=entry.compromised_at,
    )


def _named(key: PublicKey) -> Jwk:
    jwk = to_jwk(key.alg, key.key_bytes)
    return msgspec.structs.replace(jwk, kid=key.kid, alg=key.alg, use="sig")


def _base64(data: bytes) -> str:
    text = b64url(data).replace("-", "+").replace("_", "/")
    return text + "=" * (-len(text) % 4)


def _certificate(entry: TrustEntry) -> bytes | None:
    if entry.x5c is None:
        return None
    if len(entry.x5c) != 1:
        raise Unreadable
    return parse_b64url(entry.x5c[0].rstrip("=").replace("+", "-").replace("/", "_"))


def _stale(zh: str, en: str) -> ProofFailed:
    return ProofFailed(Words(zh, en), hint="fetch /trust.json again; if it stays, sign a new one")
