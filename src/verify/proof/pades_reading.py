# mypy: disable-error-code="no-untyped-call,import-untyped"
# pyHanko's reading API is only half annotated.
"""A PDF opened and its signatures read. Everything here is driven by a file from a stranger, hence the bounds.

Importing this module loads pyHanko (0.6 s); `pades_check.py` does so with the first file.
"""

import datetime as dt
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pyhanko.pdf_utils.decode_limits import (
    DecodeLimits,
    DecodePurpose,
    DocumentDecodeBudget,
    StreamDecodeLimits,
)
from pyhanko.pdf_utils.generic import ArrayObject, IndirectObject
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import MDPPerm
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel

from verify.errors import Unreadable, Words
from verify.proof.pades_chain import Chain, find_chain, in_force, may_sign
from verify.proof.pades_changes import changes_since, look
from verify.proof.pades_check import Change, Finding, PdfAttachment, PdfReport, PdfSignature, PdfTimestamp
from verify.proof.pades_token import Envelope, Token, hash_bytes, signed_data_bytes
from verify.proof.public import key_id

MAX_READS = 500_000
"""Calls into the file; a certificate takes about a thousand. Bounds loops and rescans without a clock."""
MAX_REVISIONS = 32
MAX_OBJECTS = 20_000
MAX_FIELDS = 32
MAX_CMS_BYTES = 64 * 1024
MAX_ATTACHMENTS = 16
MAX_ATTACHMENT_BYTES = 4 * 1024 * 1024
"""All attachments together."""
MAX_TREE_NODES = 64
TAIL_BYTES = 1024
"""Where the place of the last table is looked for."""

_MIB = 1024 * 1024
_LIMITS = DecodeLimits(
    per_stream=StreamDecodeLimits(max_output_size=MAX_ATTACHMENT_BYTES),
    per_purpose={DecodePurpose.XREF_STREAM: StreamDecodeLimits(max_output_size=0)},
    document_budget=DocumentDecodeBudget(base_allowance=8 * _MIB, max_ratio=1),
)
_TABLE_PLACE = re.compile(rb"startxref\s+(\d+)")
_PACKED_TABLE = re.compile(rb"\s*\d+\s+\d+\s+obj")
_SEALING = {MDPPerm.NO_CHANGES, MDPPerm.FILL_FORMS}


class _Metered(io.BytesIO):
    """The file, with a meter that ends endless reading."""

    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """As usual, a bounded number of times. Raises Unreadable."""
        self.reads += 1
        if self.reads > MAX_READS:
            raise _tangled()
        return super().read(size)


class Seal:
    """One embedded signature or document timestamp with the bytes it covers."""

    def __init__(self, pdf: bytes, reader: PdfFileReader, field: Any, name: str) -> None:
        """Read it. Raises Unreadable when it is none."""
        self.embedded = EmbeddedPdfSignature(reader, field, name)
        self.object = self.embedded.sig_object
        contents = self.embedded.pkcs7_content
        span = [int(number) for number in self.embedded.byte_range]
        if len(contents) > MAX_CMS_BYTES or len(span) != 4 or min(span) < 0:
            raise Unreadable
        self._pdf = pdf
        _, self._gap, self._resume, length = span
        self.end = self._resume + length
        self._sound = (
            span[0] == 0
            and self._gap < self._resume
            and self.end <= len(pdf)
            and pdf[self._gap : self._gap + 1] == b"<"
            and pdf[self._resume - 1 : self._resume] == b">"
            and pdf[self._gap + 1 : self._resume - 1] == contents.hex().upper().encode()
            and not any(contents[_der_length(contents) :])  # nothing hides in the padding
        )
        self.contents = contents
        self.is_timestamp = look(self.object, "/Type") == "/DocTimeStamp"

    @property
    def revision(self) -> int:
        """The revision it came with, the first is 0."""
        return int(self.embedded.signed_revision)

    def digest(self, name: str) -> bytes:
        """Hash of the covered bytes; of nothing when the range is not the whole revision but the gap."""
        if not self._sound:
            return b""
        return hash_bytes(name, self._pdf[: self._gap] + self._pdf[self._resume : self.end])

    def covers_revision(self) -> bool:
        """Whether nothing of its own or an older revision lies outside the covered bytes."""
        level = self.embedded.evaluate_signature_coverage()
        return self._sound and level >= SignatureCoverageLevel.ENTIRE_REVISION

    def token(self) -> Token:
        """The document timestamp's token."""
        der = self.contents
        return Token(der[: _der_length(der)])


def read_report(
    pdf: bytes, roots: Sequence[bytes], at: dt.datetime, timestamp_roots: Sequence[bytes]
) -> PdfReport:
    """As `check_pdf`; raises Unreadable, or anything at all for a damaged file."""
    # 1. The file is parsed within bounds; nothing is decrypted, no hybrid or patched table is believed.
    if _packed(pdf):
        return PdfReport((), (), (), (), (Finding.REWRITTEN,))
    reader = _open(pdf)
    # 2. Every seal is read: signatures and archive timestamps, in the order they were made.
    seals = sorted(_seals(pdf, reader), key=lambda seal: (seal.revision, seal.end))
    signatures = [seal for seal in seals if not seal.is_timestamp]
    # 3. Timestamps, the newest first: each one proves that what lies under it existed at its instant.
    stamps, moment = _archive(seals, _load(timestamp_roots), at)
    # 4. Each signature is checked at the proved instant.
    end = max((seal.end for seal, stamp in stamps if stamp.intact), default=0)
    records = [
        _signature(seal, _load(roots), _load(timestamp_roots), moment, pdf, end) for seal in signatures
    ]
    # 5. What came after the first signature is compared with what it covers.
    changes: tuple[Change, ...] = ()
    if records and records[0].intact:
        changes = changes_since(reader, signatures[0].revision)
    findings = tuple(_findings(records, changes))
    return PdfReport(
        signatures=tuple(records),
        timestamps=tuple(stamp for _, stamp in stamps),
        changes=changes,
        attachments=_attachments(reader),
        findings=findings,
    )


def _open(pdf: bytes) -> PdfFileReader:
    reader = PdfFileReader(_Metered(pdf), strict=True, decode_limits=_LIMITS)
    if reader.encrypted:
        raise Unreadable(Words("PDF 文件已加密。", "The PDF is encrypted."))
    tables = reader.xrefs
    packed = any(tables.object_streams_used_in(number) for number in range(tables.total_revisions))
    if packed or tables.hybrid_xrefs_present or tables.total_revisions > MAX_REVISIONS:
        raise _tangled()
    if sum(len(tables.explicit_refs_in_revision(n)) for n in range(tables.total_revisions)) > MAX_OBJECTS:
        raise _tangled()
    return reader


def _packed(pdf: bytes) -> bool:
    """Whether the last cross-reference table is packed in a stream, as other programs like to. Unpacking tables and
    objects is where hostile files make a reader sweat, so files with such tables are not read; `_LIMITS` stops those
    that hide one behind a plain table."""
    found = _TABLE_PLACE.findall(pdf, max(0, len(pdf) - TAIL_BYTES))
    return bool(found) and len(found[-1]) < 10 and _PACKED_TABLE.match(pdf, int(found[-1])) is not None


def _seals(pdf: bytes, reader: PdfFileReader) -> Iterator[Seal]:
    """The filled signature fields. Only a flat form is read: nested ones need no deeper look to be strange."""
    fields = look(look(reader.root, "/AcroForm"), "/Fields", ArrayObject())
    if not isinstance(fields, ArrayObject) or len(fields) > MAX_FIELDS:
        raise _tangled()
    for number in range(len(fields)):
        field = fields[number]
        if look(field, "/FT") == "/Sig" and look(field, "/V") is not None:
            yield Seal(pdf, reader, field, str(look(field, "/T", "")))


def _archive(
    seals: Sequence[Seal], roots: Sequence[x509.Certificate], at: dt.datetime
) -> tuple[list[tuple[Seal, PdfTimestamp]], dt.datetime]:
    """The archive timestamps, oldest first, and the instant to which they carry proof back."""
    moment, found = at, []
    for seal in reversed([seal for seal in seals if seal.is_timestamp]):
        token = seal.token()
        stamp = token.read(seal.digest(token.imprint_name), roots, moment)
        if stamp.trusted:
            moment = stamp.stamped_at
        found.append((seal, stamp))
    return found[::-1], moment


def _signature(
    seal: Seal,
    roots: Sequence[x509.Certificate],
    timestamp_roots: Sequence[x509.Certificate],
    moment: dt.datetime,
    pdf: bytes,
    archived_to: int,
) -> PdfSignature:
    envelope = Envelope(seal.embedded.signed_data)
    stamp = _inner_timestamp(envelope, timestamp_roots, moment)
    if stamp is not None and stamp.trusted:
        moment = stamp.stamped_at
    certificate = envelope.certificate
    chain = find_chain(certificate, roots)
    point = _p256_point(certificate)
    return PdfSignature(
        field=seal.embedded.fq_name,
        subject=certificate.subject.rfc4514_string(),
        serial=f"{certificate.serial_number:x}",
        kid=key_id("ES256", point) if point else "",
        point=point,
        certificate=certificate.public_bytes(Encoding.DER),
        valid_from=certificate.not_valid_before_utc,
        valid_until=certificate.not_valid_after_utc,
        signed_at=_claimed_time(seal),
        reason=str(look(seal.object, "/Reason", ""))[:1024],
        intact=envelope.holds("data", seal.digest(envelope.digest_name)) and _bare(seal, envelope, chain),
        issued_by_root=chain is not None and may_sign(certificate),
        in_window=in_force(chain or (certificate,), moment),
        locks=_locks(seal),
        whole_file=seal.covers_revision() and len(pdf) in (seal.end, archived_to),
        timestamp=stamp,
    )


def _bare(seal: Seal, envelope: Envelope, chain: Chain | None) -> bool:
    """Whether what lies outside the signature is as this service writes it, so that no byte of an agency's file can
    be altered unseen: no certificate but its own chain's, plain heads, right lengths."""
    if chain is None:
        return True
    exact = seal.contents[: _der_length(seal.contents)].endswith(signed_data_bytes(seal.contents))
    return exact and envelope.is_plain() and all(other in chain for other in envelope.others)


def _inner_timestamp(
    envelope: Envelope, roots: Sequence[x509.Certificate], moment: dt.datetime
) -> PdfTimestamp | None:
    der = envelope.timestamp_token()
    if der is None:
        return None
    token = Token(der)
    return token.read(hash_bytes(token.imprint_name, envelope.signature), roots, moment)


def _locks(seal: Seal) -> bool:
    """Whether the catalogue names it as the certification signature, and it forbids what it should."""
    reader = seal.embedded.reader
    permissions = look(reader.root, "/Perms", {})
    mine = seal.embedded.sig_field.raw_get("/V")
    if not isinstance(mine, IndirectObject) or look(permissions, "/DocMDP") is None:
        return False
    named = permissions.raw_get("/DocMDP")
    same = isinstance(named, IndirectObject) and named.reference == mine.reference
    return same and seal.embedded.docmdp_level in _SEALING


def _claimed_time(seal: Seal) -> dt.datetime | None:
    at = seal.embedded.self_reported_timestamp
    return None if at is None or at.tzinfo is None else at.astimezone(dt.UTC)


def _findings(records: Sequence[PdfSignature], changes: Sequence[Change]) -> Iterator[Finding]:
    if not records:
        yield Finding.UNSIGNED
        return
    first = records[0]
    checks = {
        Finding.ALTERED: first.intact,
        Finding.FOREIGN_ISSUER: first.issued_by_root,
        Finding.OUT_OF_WINDOW: first.in_window,
        Finding.NOT_CERTIFYING: first.locks,
        Finding.NOT_WHOLE_FILE: first.whole_file,
        Finding.CHANGED: not changes,
        Finding.MORE_SIGNATURES: len(records) == 1,
    }
    yield from (finding for finding, good in checks.items() if not good)


def _attachments(reader: PdfFileReader) -> tuple[PdfAttachment, ...]:
    """The embedded files of the name tree (ISO 32000-1 §7.11.4)."""
    tree = look(look(reader.root, "/Names"), "/EmbeddedFiles")
    if tree is None:
        return ()
    found: list[PdfAttachment] = []
    waiting, nodes, total = [tree], 0, 0
    while waiting:
        node, nodes = waiting.pop(0), nodes + 1
        pairs, kids = look(node, "/Names", ()), look(node, "/Kids", ())
        waiting.extend(kids[n] for n in range(min(len(kids), MAX_TREE_NODES)))
        if nodes > MAX_TREE_NODES or len(pairs) > 2 * MAX_ATTACHMENTS:
            raise _tangled()
        for number in range(1, len(pairs), 2):
            found.append(_attachment(pairs[number]))
            total += len(found[-1].data)
            if len(found) > MAX_ATTACHMENTS or total > MAX_ATTACHMENT_BYTES:
                raise _tangled()
    return tuple(found)


def _attachment(spec: Any) -> PdfAttachment:
    name = look(spec, "/UF", look(spec, "/F", ""))
    return PdfAttachment(str(name)[:255], bytes(spec["/EF"]["/F"].data))


def _p256_point(certificate: x509.Certificate) -> bytes:
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return b""


def _load(ders: Sequence[bytes]) -> list[x509.Certificate]:
    return [x509.load_der_x509_certificate(der) for der in ders]


def _der_length(der: bytes) -> int:
    """Length of the first DER value: what follows in the place reserved for a signature is padding."""
    if len(der) < 2 or der[1] < 0x80:
        return 2 + (der[1] if len(der) > 1 else 0)
    count = der[1] & 0x7F
    return 2 + count + int.from_bytes(der[2 : 2 + count], "big")


def _tangled() -> Unreadable:
    return Unreadable(Words("PDF 文件过于复杂。", "The PDF is more tangled than is read here."))
