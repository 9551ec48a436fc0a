"""What people bring to be checked, told apart by its shape alone: an address, digits, a scan code, a credential."""

import re
from typing import Final

import msgspec

from verify.certificate.identity import mask_id_number
from verify.certificate.record import Certificate, Level, Personal
from verify.certificate.scan_code import parse_scan_code
from verify.errors import Invalid, Unreadable, Words
from verify.proof.credential import parse_credential
from verify.proof.digits import decode_digits
from verify.proof.jws import parse_compact
from verify.proof.token import ELLIPSIS, TokenClaims, parse_token

MAX_TEXT: Final = 64 << 10
_ADDRESS = re.compile(
    r"https?://[^/?#\s]{1,253}/V/([0-9A-Z-]{16,24})(?:\?[^#\s]*)?(?:#([0-9]*))?", re.IGNORECASE
)
_DIGITS = re.compile(r"[0-9]{53,1024}")
_JWS = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


class Presented(msgspec.Struct, frozen=True):
    """What was brought, read but not believed."""

    scan_code: str
    token: bytes | None = None
    credential: str | None = None
    kid: str | None = None
    """The key that it names; None for a bare scan code."""
    claims: "Claims | None" = None


class Claims(msgspec.Struct, frozen=True):
    """What a token or credential says, in the words both share."""

    number: str
    name: str
    """May end in `…` in a token."""
    occupation_code: str
    level: Level
    id_shown: str
    """Last characters of the ID number (token), or the masked number (credential)."""
    issued_at: int | None
    """Seconds since 1970 UTC, the signer's own word."""


def parse_presented(text: str) -> Presented:
    """Tell apart and read. Raises Unreadable, or Invalid for a scan code whose check character does not fit."""
    text = text.strip()
    if len(text) > MAX_TEXT:
        raise Unreadable
    address = _ADDRESS.fullmatch(text)
    if address is not None:
        code = parse_scan_code(address[1])
        return _with_token(decode_digits(address[2]), code) if address[2] else Presented(code)
    if _DIGITS.fullmatch(text) is not None:
        return _with_token(decode_digits(text), None)
    if _JWS.fullmatch(text) is not None:
        return _with_credential(text)
    return Presented(parse_scan_code(text))


def differences(claims: Claims, one: Certificate, personal: Personal) -> list[Words]:
    """What the claims say otherwise than the register; empty when they agree."""
    holder = personal.holder
    masked = mask_id_number(holder.id_type, holder.id_number)
    same = (
        (claims.number == one.number, Words("编号", "number")),
        (_same_name(claims.name, holder.name), Words("姓名", "name")),
        (claims.occupation_code == one.face.occupation.code, Words("职业编码", "occupation code")),
        (claims.level is one.face.level, Words("等级", "level")),
        (
            claims.id_shown == masked
            or ("*" not in claims.id_shown and holder.id_number.endswith(claims.id_shown)),
            Words("证件号码", "ID number"),
        ),
    )
    return [words for agrees, words in same if not agrees]


def _same_name(claimed: str, name: str) -> bool:
    """A token cuts a long name at a character and marks the place."""
    return claimed == name or (
        claimed.endswith(ELLIPSIS) and len(claimed) > 1 and name.startswith(claimed[:-1])
    )


def _with_token(token: bytes, scan_code: str | None) -> Presented:
    claims = parse_token(token).claims
    if scan_code is not None and scan_code != claims.scan_code:
        raise Unreadable(
            Words(
                "二维码的两部分不属于同一份证书。", "The two parts of this code belong to different copies."
            )
        )
    return Presented(claims.scan_code, token=token, kid=claims.kid, claims=_token_claims(claims))


def _token_claims(claims: TokenClaims) -> Claims:
    return Claims(
        claims.number, claims.name, claims.occupation_code, claims.level, claims.id_tail,
        int(claims.issued_at.timestamp()),
    )  # fmt: skip


def _with_credential(text: str) -> Presented:
    jws = parse_compact(text)
    credential = parse_credential(jws.payload)
    subject = credential.credential_subject
    what = subject.certificate
    try:
        code = parse_scan_code(what.scan_code)
    except Invalid as error:
        raise Unreadable from error
    claims = Claims(
        what.number, subject.name, what.occupation.code, what.level, subject.id_number_masked, credential.iat
    )
    return Presented(code, credential=text, kid=jws.header.kid, claims=claims)
