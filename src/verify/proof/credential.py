"""The certificate record as a verifiable credential: VC Data Model 2.0, secured as `vc+jwt` (VC-JOSE-COSE §3.1).

The credential is one struct, so that other securings of the same record (Data Integrity, SD-JWT, Open Badges)
are additions beside this one. Of the holder it says the name and the masked ID number, never more.
"""

import datetime as dt
from collections.abc import Mapping

import msgspec

from verify.certificate.record import Agency, CopyCause, Face, Kind, Level
from verify.errors import Unreadable
from verify.proof.jws import Header, assemble_compact, parse_compact, signing_input, verify_parsed
from verify.proof.public import Algorithm, KeyPurpose, PublicKey

CONTEXT = "https://www.w3.org/ns/credentials/v2"
TYPES = ("VerifiableCredential", "VocationalCertificateCredential")
JWT_TYPE = "vc+jwt"

_CHINA = dt.timezone(dt.timedelta(hours=8))


class Vocabulary(msgspec.Struct, frozen=True):
    """An inline JSON-LD context: every term below that the base context lacks belongs to this address."""

    vocab: str = msgspec.field(name="@vocab")


class Issuer(msgspec.Struct, frozen=True):
    """The agency: its page in the public register, and its name."""

    id: str
    name: str
    code: str


class OccupationClaim(msgspec.Struct, frozen=True):
    """What was assessed."""

    code: str
    name: str
    edition: str


class CertificateClaim(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The face of the certificate and which copy of it this is."""

    number: str
    kind: Kind
    occupation: OccupationClaim
    level: Level
    issued_on: dt.date
    copy_number: int
    copy_cause: CopyCause
    scan_code: str
    work_type: str | None = None


class Subject(msgspec.Struct, frozen=True, rename="camel"):
    """The holder as far as the public may see, and what was certified."""

    type: str
    name: str
    id_type: str
    id_number_masked: str
    certificate: CertificateClaim


class CredentialStatus(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Where a revocation would show (VC Data Model 2.0 §4.10); a Bitstring Status List entry fits."""

    id: str
    type: str
    status_purpose: str | None = None
    status_list_index: str | None = None
    status_list_credential: str | None = None


class Credential(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The whole record. A reader ignores members that it does not know yet."""

    context: tuple[str | Vocabulary, ...] = msgspec.field(name="@context")
    id: str
    type: tuple[str, ...]
    issuer: Issuer
    valid_from: dt.datetime
    """Midnight in China of the day printed as issued."""
    credential_subject: Subject
    credential_status: CredentialStatus | None = None
    iat: int | None = None
    """When it was signed, seconds since 1970; a claim of the JWT, not of the credential."""


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Credential)


def credential_claims(
    *,
    public_url: str,
    number: str,
    face: Face,
    agency: Agency,
    name: str,
    id_type: str,
    id_number_masked: str,
    copy_number: int,
    copy_cause: CopyCause,
    scan_code: str,
    signed_at: dt.datetime,
    status: CredentialStatus | None = None,
) -> Credential:
    """The credential of one copy. `public_url` is scheme and host without a slash; `signed_at` aware UTC.

    `id_number_masked` must be masked already: this function puts it in as it is.
    """
    day = face.issued_on
    occupation = OccupationClaim(face.occupation.code, face.occupation.name, face.occupation.edition)
    certificate = CertificateClaim(
        number=number,
        kind=face.kind,
        occupation=occupation,
        level=face.level,
        issued_on=day,
        copy_number=copy_number,
        copy_cause=copy_cause,
        scan_code=scan_code,
        work_type=face.work_type,
    )
    return Credential(
        context=(CONTEXT, Vocabulary(f"{public_url}/terms#")),
        id=f"{public_url}/V/{scan_code}",
        type=TYPES,
        issuer=Issuer(f"{public_url}/api/v1/agencies/{agency.code}", agency.name_zh, agency.code),
        valid_from=dt.datetime(day.year, day.month, day.day, tzinfo=_CHINA),
        credential_subject=Subject("Person", name, id_type, id_number_masked, certificate),
        credential_status=status,
        iat=int(signed_at.timestamp()),
    )


def credential_payload(credential: Credential) -> bytes:
    """The credential as compact JSON: the bytes that are signed."""
    return _ENCODER.encode(credential)


def jws_signing_input(kid: str, payload: bytes, algorithm: Algorithm = "ES256") -> bytes:
    """What the signer signs; header `alg`, `kid`, `typ: vc+jwt`, `cty: vc`."""
    return signing_input(Header(algorithm, kid, JWT_TYPE, "vc"), payload)


def assemble_jws(signing_input: bytes, signature: bytes) -> str:
    """The credential as compact JWS, media type `application/vc+jwt`. Raises Invalid."""
    return assemble_compact(signing_input, signature)


def verify_jws(text: str, keys: Mapping[str, PublicKey]) -> bytes:
    """The payload of a credential whose signature holds. The key's window is another question.

    Raises Unreadable, UnknownKey, BadSignature.
    """
    jws = parse_compact(text)
    verify_parsed(jws, keys, purpose=KeyPurpose.TOKEN, typ=JWT_TYPE)
    return jws.payload


def parse_credential(payload: bytes) -> Credential:
    """Read the claims of a verified payload. Raises Unreadable when it is no credential of this service."""
    try:
        credential = _DECODER.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable from error
    if (
        credential.context[:1] != (CONTEXT,)
        or credential.type[:2] != TYPES
        or credential.valid_from.tzinfo is None
    ):
        raise Unreadable
    return credential
