"""X.509: the operator's root certificate and the agency certificates under it (RFC 5280).

The root stays software or offline; an HSM holds agency keys, whose public half is all that is needed here.
"""

import datetime as dt

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from verify.errors import BadKey, BadSignature, Words
from verify.proof.keys import KeyPair
from verify.proof.public import load_public

NAME_CHARACTERS = 64
"""Upper bound of organisation and common name (RFC 5280 appendix A.1); longer names are cut."""

COMMON_NAME_BYTES = 64
"""Many readers count the bound of the common name in UTF-8 bytes: 21 Han characters. The whole name stands in
the organisation."""

SERIAL_BYTES = 16
"""Random; RFC 5280 §4.1.2.2 allows 20 octets, CA/Browser practice wants at least 64 random bits."""


def root_certificate(
    root: KeyPair, *, operator: str, serial: bytes, not_before: dt.datetime, not_after: dt.datetime
) -> bytes:
    """The self-signed root, DER: a CA for end entities only that also signs the trust list.

    Raises BadKey when `root` is not P-256.
    """
    name = _name(operator, f"{operator} Root", None)
    builder = _builder(name, name, root.key_bytes, serial, not_before, not_after)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    return _sign(builder, root)


def agency_certificate(
    root: KeyPair,
    root_der: bytes,
    subject: bytes,
    *,
    agency: str,
    agency_name: str,
    serial: bytes,
    not_before: dt.datetime,
    not_after: dt.datetime,
    lists_at: str | None = None,
) -> bytes:
    """An agency's certificate, DER, for the P-256 point `subject`.

    Key usage is digitalSignature and contentCommitment with subject and authority key ids, which is what a
    PAdES baseline signature needs (EN 319 412-2 §4.3.2). The agency code stands in organizationIdentifier;
    `lists_at` is the address of the root's revocation list (RFC 5280 §4.2.1.13).
    Raises BadKey when `root` is not the key of `root_der`, or a key is not P-256.
    """
    issuer = x509.load_der_x509_certificate(root_der)
    if _spki(root.key_bytes) != issuer.public_key():
        what = Words("根密钥与根证书不符。", "The root key is not the one in the root certificate.")
        raise BadKey(what, hint="verify key list")
    name = _name(agency_name, agency_name, agency)
    builder = _builder(name, issuer.subject, subject, serial, not_before, not_after)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(_spki(root.key_bytes))
    builder = builder.add_extension(authority, critical=False)
    if lists_at is not None:
        name_of_list = [x509.UniformResourceIdentifier(lists_at)]
        point = x509.DistributionPoint(name_of_list, None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
    return _sign(builder, root)


def check_certificate(der: bytes, root_der: bytes, subject: bytes) -> None:
    """Check that the root issued `der` for the P-256 point `subject`. Raises BadSignature or BadKey."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        certificate.verify_directly_issued_by(x509.load_der_x509_certificate(root_der))
    except (ValueError, TypeError, InvalidSignature) as error:
        raise BadSignature from error
    if certificate.public_key() != _spki(subject):
        raise BadSignature(Words("证书与密钥不符。", "The certificate is for another key."))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    point: bytes,
    serial: bytes,
    not_before: dt.datetime,
    not_after: dt.datetime,
) -> x509.CertificateBuilder:
    key = _spki(point)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(int.from_bytes(b"\x01" + serial[:SERIAL_BYTES], "big"))
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _sign(builder: x509.CertificateBuilder, root: KeyPair) -> bytes:
    if not isinstance(root.private, ec.EllipticCurvePrivateKey):
        raise _not_p256()
    return builder.sign(root.private, SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.DER)


def _spki(point: bytes) -> ec.EllipticCurvePublicKey:
    key = load_public("ES256", point)
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise _not_p256()
    return key


def _not_p256() -> BadKey:
    what = Words("证书只用于 P-256 密钥。", "Certificates are for P-256 keys only.")
    return BadKey(what, hint="verify key create --purpose token")


def _name(organisation: str, common: str, identifier: str | None) -> x509.Name:
    parts = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation[:NAME_CHARACTERS]),
        x509.NameAttribute(NameOID.COMMON_NAME, _fit(common)),
    ]
    if identifier is not None:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_IDENTIFIER, identifier))
    return x509.Name(parts)


def _fit(name: str) -> str:
    return name.encode()[:COMMON_NAME_BYTES].decode(errors="ignore")


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=not signs_certificates,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
