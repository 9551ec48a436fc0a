"""Signed PDFs, the office's half: seal a rendered certificate, and keep the seal checkable for decades.

PAdES baseline (EN 319 142-1) with the agency's P-256 key: B-B always, B-T when a timestamp service is given,
B-LT when evidence is given too, B-LTA by `renew_pdf`. pyHanko does the writing (`pades_increment.py`) and is loaded
with the first document, not before: it costs 0.6 s.
"""

import datetime as dt
from collections.abc import Sequence

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from verify.errors import BadDocument, BadKey, Unreadable, Words
from verify.proof.pades_check import MAX_PDF_BYTES, PdfTimestamp, check_pdf
from verify.proof.pades_cms import CmsSigner
from verify.proof.public import key_id
from verify.proof.signer import Signer
from verify.proof.timestamp import TimestampService


class Evidence(msgspec.Struct, frozen=True):
    """What a reader needs decades later, when no service answers any more: goes into the document (DSS)."""

    certificates: tuple[bytes, ...] = ()
    """DER: the roots and intermediates of the agency's and of the timestamp service's certificates."""
    revocation_lists: tuple[bytes, ...] = ()
    """DER: lists by the issuers of those certificates (RFC 5280 §5)."""


async def sign_pdf(
    pdf: bytes,
    *,
    signer: Signer,
    certificate: bytes,
    chain: Sequence[bytes],
    signed_at: dt.datetime,
    reason: Words,
    timestamp: TimestampService | None = None,
    evidence: Evidence | None = None,
) -> bytes:
    """`pdf` and one more increment: a certification signature by `signer` over the whole file.

    Same input, same bytes: the time is an argument, the signature deterministic, the file id a hash. Only a
    timestamp differs from run to run. PDF/A and PDF/UA are kept, the metadata untouched. The signature allows no
    change (DocMDP 1); with a timestamp it allows what a later `renew_pdf` adds (DocMDP 2, see the README), and
    `check_pdf` still names every other change.

    `certificate` is the signer's (DER), `chain` its issuers (DER), `signed_at` aware UTC. 12 ms of CPU.

    Raises:
        BadKey: the certificate is not for the signer's key, or the key is not P-256.
        BadSignature: what the signer answered does not verify; nothing is returned.
        BadDocument: `pdf` is not a plain unsigned document, or too large.
        Unavailable, ProofFailed: the timestamp service did not answer, or not properly.
    """
    from verify.proof.pades_increment import add_signature

    _plain(pdf)
    point = _p256_point(certificate)
    if (signer.kid, signer.algorithm) != (key_id("ES256", point), "ES256"):
        what = Words("签名密钥与证书不符。", f"The certificate is not for key {signer.kid}.")
        raise BadKey(what, hint="verify key list")
    return await add_signature(
        pdf,
        CmsSigner(signer, point, certificate, chain),
        signed_at=signed_at,
        reason=reason,
        timestamp=timestamp,
        evidence=evidence or Evidence(),
    )


SECOND_PASS = dt.timedelta(days=1)
"""After a timestamp, until lists that are newer than it can be expected to be out."""
MARGIN = dt.timedelta(days=180)
"""Before the end of the last archive timestamp's certificate."""
LONGEST = dt.timedelta(days=5 * 365)
"""Between archive timestamps, whatever their certificates say: the strength of an algorithm is not foreseen further."""


async def renew_pdf(
    pdf: bytes,
    *,
    timestamp: TimestampService,
    evidence: Evidence,
    roots: Sequence[bytes],
    at: dt.datetime,
    timestamp_roots: Sequence[bytes] = (),
) -> bytes:
    """`pdf` with the evidence and one more document timestamp: B-LTA (EN 319 142-1 §5.5).

    Run it twice soon after issuing, and once more before the timestamp service's certificate or an algorithm ends
    (`next_renewal`). Twice, because the first timestamp proves the signature but not itself: the second pass brings
    revocation lists made after the first one's instant and seals them. `roots` are the operator's, `at` is now; under
    `timestamp_roots` the certificates above the timestamps' own are found, which go into the document too. What comes
    back begins with `pdf`, byte for byte.

    Raises:
        BadDocument: the document does not check: not ours, damaged, or changed after signing.
        ProofFailed: the evidence has no fresh list for a timestamp already in the document.
        Unavailable: the timestamp service did not answer.
    """
    from verify.proof.pades_increment import add_archive_timestamp
    from verify.proof.revocation import require_fresh

    try:
        report = check_pdf(pdf, roots, at, timestamp_roots=timestamp_roots)
    except Unreadable as error:
        raise BadDocument(error.detail) from error
    signature = report.signature
    if signature is None or report.changes or not (signature.intact and signature.issued_by_root):
        raise BadDocument(Words("该文件未通过验证，不能续期。", "This document does not check; not renewed."))
    inner = () if signature.timestamp is None else (signature.timestamp,)
    stamps = (*inner, *report.timestamps)
    for stamp in stamps:
        require_fresh(stamp.certificate, stamp.stamped_at, evidence.revocation_lists)
    # Validators take proof of existence from the store alone: what the seals carry goes there too.
    carried = (signature.certificate, *(one for stamp in stamps for one in (stamp.certificate, *stamp.chain)))
    certificates = tuple(dict.fromkeys((*evidence.certificates, *carried)))
    whole = Evidence(certificates, tuple(dict.fromkeys(evidence.revocation_lists)))
    return await add_archive_timestamp(pdf, len(report.timestamps) + 1, timestamp, whole)


def next_renewal(timestamps: Sequence[PdfTimestamp], at: dt.datetime) -> dt.datetime:
    """When `renew_pdf` should run after what was done `at`; `timestamps` as in `PdfReport.timestamps`.

    A day later as long as there are fewer than two archive timestamps; then `MARGIN` before the last one's certificate
    ends, or half of what it had left if that is sooner, and `LONGEST` after it at the latest.
    """
    if len(timestamps) < 2:
        return at + SECOND_PASS
    last = timestamps[-1]
    left = last.valid_until - last.stamped_at
    return min(last.valid_until - min(MARGIN, left / 2), last.stamped_at + LONGEST)


def _plain(pdf: bytes) -> None:
    """Refuse what the press never makes. Raises BadDocument."""
    if len(pdf) > MAX_PDF_BYTES // 2:
        raise BadDocument(Words("文件过大，不能签名。", "The document is too large to sign."))
    if b"/ByteRange" in pdf or b"/Encrypt" in pdf:
        raise BadDocument(Words("文件已签名或已加密。", "The document is already signed, or encrypted."))


def _p256_point(certificate: bytes) -> bytes:
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except ValueError as error:
        raise BadKey(Words("机构证书无法读取。", "The agency's certificate cannot be read.")) from error
    if not (isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)):
        raise BadKey(Words("PDF 签名只用 P-256 密钥。", "PDFs are signed with P-256 keys only."))
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
