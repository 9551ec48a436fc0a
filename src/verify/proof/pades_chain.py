"""Certificate chains, as far as PDFs need them: an agency's is one step long, a timestamp authority's a few."""

import datetime as dt
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID

MAX_STEPS = 4
"""From the leaf to the root: longer chains are not followed."""
MIN_DIGEST_BYTES = 32
"""SHA-256; a certificate signed over a shorter hash is worth nothing (TS 119 312)."""

Chain = tuple[x509.Certificate, ...]


def find_chain(
    leaf: x509.Certificate, roots: Sequence[x509.Certificate], between: Sequence[x509.Certificate] = ()
) -> Chain | None:
    """From `leaf` to one of `roots` over at most `MAX_STEPS` certificates of `between`; `None` when there is none.

    Signatures and the right to issue are checked, the windows are not (`in_force`).
    """
    chain: Chain = (leaf,)
    for _ in range(MAX_STEPS):
        if root := _issuer(chain[-1], roots):
            return (*chain, root)
        step = _issuer(chain[-1], [candidate for candidate in between if candidate not in chain])
        if step is None:
            return None
        chain = (*chain, step)
    return None


def in_force(chain: Sequence[x509.Certificate], at: dt.datetime) -> bool:
    """Whether every certificate's window contains `at` (aware UTC)."""
    return all(link.not_valid_before_utc <= at <= link.not_valid_after_utc for link in chain)


def may_sign(certificate: x509.Certificate) -> bool:
    """Whether it is an end entity's, for signing (RFC 5280 §4.2.1.3)."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return not _is_authority(certificate) and (usage.digital_signature or usage.content_commitment)


def may_stamp(certificate: x509.Certificate) -> bool:
    """Whether it is for timestamping and nothing else (RFC 3161 §2.3)."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except (x509.ExtensionNotFound, ValueError):
        return False
    return extension.critical and list(extension.value) == [ExtendedKeyUsageOID.TIME_STAMPING]


def _issuer(subject: x509.Certificate, candidates: Sequence[x509.Certificate]) -> x509.Certificate | None:
    return next((candidate for candidate in candidates if _issued(candidate, subject)), None)


def _issued(issuer: x509.Certificate, subject: x509.Certificate) -> bool:
    digest = subject.signature_hash_algorithm
    if digest is not None and digest.digest_size < MIN_DIGEST_BYTES:
        return False
    try:
        subject.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return _is_authority(issuer)


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        if not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except (x509.ExtensionNotFound, ValueError):
        return False
