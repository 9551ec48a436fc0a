# mypy: disable-error-code="no-untyped-call,import-untyped"
# pyHanko's signing API is only half annotated, asn1crypto not at all.
"""The one place where pyHanko writes: an increment with a signature, or with evidence and a document timestamp.

Importing this module loads pyHanko (0.6 s); `pades.py` does so when the first document is signed.
"""

import datetime as dt
import hashlib
import io
from typing import Any

from asn1crypto import crl, x509
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.sign.fields import InvisSigSettings, MDPPerm, SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers.cms_embedder import (
    PdfCMSEmbedder,
    SigAppearanceSetup,
    SigIOSetup,
    SigMDPSetup,
    SigObjSetup,
)
from pyhanko.sign.signers.constants import ESIC_EXTENSION_1
from pyhanko.sign.signers.pdf_byterange import DocumentTimestamp, SignatureObject
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.stamp import StaticStampStyle

from verify.errors import BadDocument, Words
from verify.proof.pades import Evidence
from verify.proof.pades_cms import CmsSigner
from verify.proof.timestamp import MAX_TOKEN_BYTES, TimestampService

FIELD = "Issuer"
FIELD_WORDS = Words("发证机构数字签名", "Issuer digital signature")
ARCHIVE_FIELD = "Archive"
ARCHIVE_WORDS = Words("存档时间戳", "Archive timestamp")
DIGEST = "sha256"

_SEALED_FIELD = SigFieldSpec(
    FIELD,
    on_page=0,
    box=(
        -20,
        -20,
        -10,
        -10,
    ),  # outside the page: PDF/UA-1 wants no untagged annotation on it, nor an empty box
    readable_field_name=f"{FIELD_WORDS.zh} {FIELD_WORDS.en}",
)
_NO_BORDER = StaticStampStyle(border_width=0)
"""The default stamp writes with a font that is not embedded, which PDF/A forbids."""


class _Increment(IncrementalPdfFileWriter):
    """An appended revision that leaves the metadata alone and draws no random number."""

    output_version = (1, 7)
    """PDF/A-3 is a profile of ISO 32000-1."""

    def _update_meta(self) -> None:
        """Left out: rewriting the XMP would lose the PDF/A and PDF/UA marks."""

    def add_object(self, obj: generic.PdfObject, *args: Any, **options: Any) -> generic.IndirectObject:
        """As usual; but data that ends in a carriage return is written in hex: with the line feed before
        `endstream` it would read as one end of line, a byte short (ISO 19005-3 §6.1.7.1)."""
        if isinstance(obj, generic.StreamObject) and obj.data.endswith(b"\r"):
            obj.apply_filter(generic.pdf_name("/ASCIIHexDecode"))
        return super().add_object(obj, *args, **options)

    @classmethod
    def _handle_id(cls, prev: Any) -> generic.ArrayObject:
        """The first id stays; the second is a hash of what was there (ISO 32000-1 §14.4)."""
        data = prev.stream.getvalue()
        first = hashlib.sha256(b"id" + data).digest()[:16]
        if "/ID" in prev.trailer:
            first = bytes(prev.trailer["/ID"][0].original_bytes)
        second = hashlib.sha256(data).digest()[:16]
        return generic.ArrayObject([generic.ByteStringObject(first), generic.ByteStringObject(second)])


async def add_signature(
    pdf: bytes,
    signer: CmsSigner,
    *,
    signed_at: dt.datetime,
    reason: Words,
    timestamp: TimestampService | None,
    evidence: Evidence,
) -> bytes:
    """`pdf`, the evidence, and a certification signature. Raises as `sign_pdf`."""
    writer = _open(pdf)
    _add_evidence(writer, evidence)
    token_bytes = 0 if timestamp is None else MAX_TOKEN_BYTES
    placeholder = SignatureObject(
        subfilter=SigSeedSubFilter.PADES,
        timestamp=signed_at.astimezone(dt.UTC),
        reason=f"{reason.zh} {reason.en}",
        bytes_reserved=2 * (signer.room_bytes + token_bytes),
    )
    permission = MDPPerm.NO_CHANGES if timestamp is None else MDPPerm.FILL_FORMS
    setup = SigObjSetup(
        placeholder,
        SigMDPSetup(DIGEST, certify=True, docmdp_perms=permission),
        SigAppearanceSetup(style=_NO_BORDER, timestamp=signed_at, name=""),
    )
    embedding, digest, output = _prepare(writer, _SEALED_FIELD, setup)
    return _fill(embedding, output, await signer.sign(digest, timestamp))


async def add_archive_timestamp(
    pdf: bytes, count: int, timestamp: TimestampService, evidence: Evidence
) -> bytes:
    """`pdf`, the evidence, and document timestamp number `count`. Raises as `renew_pdf`."""
    writer = _open(pdf)
    _add_evidence(writer, evidence)
    field = SigFieldSpec(
        f"{ARCHIVE_FIELD}{count}",
        on_page=0,
        invis_sig_settings=InvisSigSettings(box_out_of_bounds=True),
        readable_field_name=f"{ARCHIVE_WORDS.zh} {ARCHIVE_WORDS.en} {count}",
    )
    setup = SigObjSetup(DocumentTimestamp(bytes_reserved=2 * MAX_TOKEN_BYTES))
    embedding, digest, output = _prepare(writer, field, setup)
    return _fill(embedding, output, await timestamp.stamp(digest))


def _open(pdf: bytes) -> _Increment:
    """An increment that starts on a line of its own. Raises BadDocument."""
    if not pdf.endswith(b"\n"):
        pdf += b"\n"
    try:
        writer = _Increment(io.BytesIO(pdf))
    except (PdfError, ValueError, KeyError) as error:
        raise BadDocument(Words("文件不是可签名的 PDF。", "This is not a PDF that can be signed.")) from error
    writer.register_extension(ESIC_EXTENSION_1)
    return writer


def _add_evidence(writer: _Increment, evidence: Evidence) -> None:
    """Certificates and lists into the document's store, in this same revision and without VRI entries."""
    if not (evidence.certificates or evidence.revocation_lists):
        return
    DocumentSecurityStore.supply_dss_in_writer(
        writer,
        None,
        certs=[x509.Certificate.load(der) for der in evidence.certificates],
        crls=[crl.CertificateList.load(der) for der in evidence.revocation_lists],
    )


def _prepare(writer: _Increment, field: SigFieldSpec, setup: SigObjSetup) -> tuple[Any, bytes, io.BytesIO]:
    """Write everything but the signature; its digest and the file with a gap."""
    embedding = PdfCMSEmbedder(field).write_cms(field.sig_field_name, writer)
    try:
        next(embedding)
        embedding.send(setup)
        prepared, output = embedding.send(SigIOSetup(DIGEST))
    except (PdfError, SigningError) as error:
        raise BadDocument(Words("文件不能签名。", "The document cannot be signed.")) from error
    return embedding, prepared.document_digest, output


def _fill(embedding: Any, output: io.BytesIO, contents: bytes) -> bytes:
    try:
        embedding.send(contents)
    except SigningError as error:
        raise BadDocument(Words("签名超出预留空间。", "The signature exceeds its place.")) from error
    return output.getvalue()
