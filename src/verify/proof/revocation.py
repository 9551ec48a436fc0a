"""Revocation lists (RFC 5280 §5): the operator's own, and whether someone else's is fresh enough.

Readers of this service learn of a compromised key from the trust list; a list of this form is published, and goes into
archived PDFs, for validators that know nothing of it.
"""

import datetime as dt
from collections.abc import Mapping, Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from verify.errors import BadKey, ProofFailed, Words
from verify.proof.keys import KeyPair


def revocation_list(
    root: KeyPair,
    root_der: bytes,
    revoked: Mapping[int, dt.datetime],
    *,
    number: int,
    made_at: dt.datetime,
    next_at: dt.datetime,
) -> bytes:
    """The operator's list, DER: `revoked` are serials of certificates whose keys were compromised, with the instants
    since when a signature by them proves nothing (RFC 5280 §5.3.1, keyCompromise).

    `number` grows with every list (RFC 5280 §5.2.3); `next_at` is when the next one is out. Same input, same bytes.
    Raises BadKey when `root` is not the key of `root_der`.
    """
    issuer = x509.load_der_x509_certificate(root_der)
    private = root.private
    if not isinstance(private, ec.EllipticCurvePrivateKey) or private.public_key() != issuer.public_key():
        what = Words("根密钥与根证书不符。", "The root key is not the one in the root certificate.")
        raise BadKey(what, hint="verify key list")
    builder = x509.CertificateRevocationListBuilder(issuer.subject, made_at, next_at)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(private.public_key())
    builder = builder.add_extension(authority, critical=False)
    builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    for serial, since in sorted(revoked.items()):
        entry = x509.RevokedCertificateBuilder(serial, since)
        entry = entry.add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(private, SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.DER)


def revoked_in(document: bytes) -> dict[int, dt.datetime]:
    """Serials in a list (DER) with their instants. Raises ValueError for what is no list."""
    table = x509.load_der_x509_crl(document)
    return {one.serial_number: one.revocation_date_utc for one in table}


def serial_of(certificate: bytes) -> int:
    """The serial number of a certificate (DER)."""
    return x509.load_der_x509_certificate(certificate).serial_number


def issued_by(certificate: bytes, root: bytes) -> bool:
    """Whether the names and the signature say that `root` issued `certificate` (both DER)."""
    try:
        x509.load_der_x509_certificate(certificate).verify_directly_issued_by(
            x509.load_der_x509_certificate(root)
        )
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def is_list_of(document: bytes, issuer: bytes) -> bool:
    """Whether `document` is a revocation list (DER) that `issuer` (a certificate, DER) signed."""
    try:
        table = x509.load_der_x509_crl(document)
        key = x509.load_der_x509_certificate(issuer).public_key()
    except ValueError:
        return False
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
        return False
    return table.is_signature_valid(key)


def list_addresses(certificate: bytes) -> tuple[str, ...]:
    """Where a certificate (DER) says that lists about it are: `http` and `https` addresses (RFC 5280 §4.2.1.13)."""
    try:
        found = x509.load_der_x509_certificate(certificate).extensions.get_extension_for_class(
            x509.CRLDistributionPoints
        )
    except (ValueError, x509.ExtensionNotFound):
        return ()
    names = [name for point in found.value for name in point.full_name or ()]
    urls = [name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)]
    return tuple(url for url in urls if url.startswith(("http://", "https://")))


def require_fresh(certificate: bytes, after: dt.datetime, lists: Sequence[bytes]) -> None:
    """Check that `lists` speaks about `certificate` (DER) at or after `after` and does not revoke it.

    A list from before a timestamp proves nothing about it. Raises ProofFailed.
    """
    try:
        subject = x509.load_der_x509_certificate(certificate)
        tables = [x509.load_der_x509_crl(der) for der in lists]
    except ValueError as error:
        raise ProofFailed(Words("吊销列表无法读取。", "A revocation list cannot be read.")) from error
    fresh = [table for table in tables if table.issuer == subject.issuer and table.last_update_utc >= after]
    if not fresh:
        raise ProofFailed(
            Words("缺少时间戳之后签发的吊销列表。", "No revocation list is newer than the timestamp."),
            hint="fetch the timestamp service's present list, then run the renewal again",
        )
    if any(table.get_revoked_certificate_by_serial_number(subject.serial_number) for table in fresh):
        raise ProofFailed(Words("时间戳证书已被吊销。", "The timestamp's certificate is revoked."))
