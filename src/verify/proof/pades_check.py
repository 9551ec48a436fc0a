"""Signed PDFs, everyone's half: who signed this file, is it whole, and what was done to it afterwards.

What is brought is hostile: its size, revisions, objects, nesting, decoded bytes and the reading itself are bounded,
and nothing is fetched because a file says so. pyHanko does the parsing (`pades_reading.py`) and is loaded with the
first file, not before: it costs 0.6 s.
"""

import datetime as dt
from collections.abc import Sequence
from enum import StrEnum

import msgspec

from verify.errors import Unreadable, VerifyError, Words

MAX_PDF_BYTES = 8 * 1024 * 1024


class Change(StrEnum):
    """What an increment after the signature did."""

    PAGES = "pages"
    CONTENT = "page-content"
    ANNOTATION = "annotation"
    ATTACHMENT = "attachment"
    FORM = "form"
    METADATA = "metadata"
    OTHER = "other"


class Finding(StrEnum):
    """Why a file is not what the agency signed."""

    UNSIGNED = "unsigned"
    REWRITTEN = "rewritten"
    """Packed tables: this service writes none, so another program made or re-made the file; it is read no further."""
    ALTERED = "altered"
    FOREIGN_ISSUER = "foreign-issuer"
    OUT_OF_WINDOW = "certificate-not-in-force"
    NOT_CERTIFYING = "not-certifying"
    NOT_WHOLE_FILE = "not-whole-file"
    CHANGED = "changed-after-signing"
    MORE_SIGNATURES = "more-signatures"


CHANGE_WORDS: dict[Change, Words] = {
    Change.PAGES: Words("增加、删除或更换了页面。", "Pages were added, removed or exchanged."),
    Change.CONTENT: Words("更换了页面内容。", "The content of a page was replaced."),
    Change.ANNOTATION: Words(
        "在页面上覆盖或移除了批注。", "Something was laid over a page, or taken from it."
    ),
    Change.ATTACHMENT: Words("增加、删除或更换了附件。", "An attachment was added, removed or exchanged."),
    Change.FORM: Words("更改了表单或签名域。", "A form or signature field was changed."),
    Change.METADATA: Words("更改了文件元数据。", "The document's metadata was changed."),
    Change.OTHER: Words("更改了文件的其他部分。", "Other parts of the file were changed."),
}

FINDING_WORDS: dict[Finding, Words] = {
    Finding.UNSIGNED: Words("文件没有数字签名。", "The file carries no digital signature."),
    Finding.REWRITTEN: Words(
        "文件由其他软件生成或改写，其中没有本平台的有效签名。",
        "Another program made or rewrote the file; no valid signature of this service is in it.",
    ),
    Finding.ALTERED: Words("文件内容与签名不符，已被改动或损坏。", "The file does not match its signature."),
    Finding.FOREIGN_ISSUER: Words(
        "签名证书不是本平台颁发的。", "The signing certificate was not issued by this service."
    ),
    Finding.OUT_OF_WINDOW: Words(
        "签名证书当时不在有效期内，请联网核验。",
        "The signing certificate was not in force then; ask the register.",
    ),
    Finding.NOT_CERTIFYING: Words("签名未锁定文件。", "The signature does not lock the document."),
    Finding.NOT_WHOLE_FILE: Words("签名未覆盖整个文件。", "The signature does not cover the whole file."),
    Finding.CHANGED: Words("签名之后文件被修改。", "The file was changed after signing."),
    Finding.MORE_SIGNATURES: Words("文件含有其他签名。", "The file carries other signatures."),
}


class PdfTimestamp(msgspec.Struct, frozen=True):
    """One RFC 3161 token."""

    stamped_at: dt.datetime
    """The authority's word, UTC."""
    authority: str
    """Subject of its certificate (RFC 4514)."""
    certificate: bytes
    """DER."""
    valid_from: dt.datetime
    valid_until: dt.datetime
    """Window of its certificate, UTC."""
    intact: bool
    """The imprint is that of the sealed bytes and the token's signature holds."""
    trusted: bool
    """Intact, for timestamping, under a given timestamp root, and in force at the instant that is proved."""
    chain: tuple[bytes, ...] = ()
    """DER, from its certificate to a given timestamp root; empty when it leads to none."""


class PdfSignature(msgspec.Struct, frozen=True):
    """One signature."""

    field: str
    subject: str
    """Of its certificate (RFC 4514)."""
    serial: str
    """Of its certificate, lower-case hex."""
    kid: str
    """Id of its P-256 key as in the trust list; empty for other keys. An id proves nothing: see `point`."""
    point: bytes
    """The key itself, SEC1 uncompressed; empty for other keys."""
    certificate: bytes
    """DER."""
    valid_from: dt.datetime
    valid_until: dt.datetime
    """Window of the certificate, UTC."""
    signed_at: dt.datetime | None
    """The signer's own word, UTC."""
    reason: str
    intact: bool
    """The signed bytes are unchanged and the signature over them holds."""
    issued_by_root: bool
    """One of the given roots issued the certificate, for signing."""
    in_window: bool
    """The certificate was in force at the proved instant: the oldest trusted timestamp, else `at`."""
    locks: bool
    """It is the document's certification signature and forbids changes (DocMDP 1, or 2 for archive timestamps)."""
    whole_file: bool
    """It covers the file to its end, or archive timestamps do."""
    timestamp: PdfTimestamp | None


class PdfAttachment(msgspec.Struct, frozen=True):
    """An embedded file."""

    name: str
    data: bytes


class PdfReport(msgspec.Struct, frozen=True):
    """What a file shows of itself. Whether its certificate is valid now, only the register knows."""

    signatures: tuple[PdfSignature, ...]
    """In the order of signing; archive timestamps are not among them."""
    timestamps: tuple[PdfTimestamp, ...]
    """Archive (document) timestamps, oldest first."""
    changes: tuple[Change, ...]
    """Made after the first signature; archive timestamps with their evidence are none."""
    attachments: tuple[PdfAttachment, ...]
    """As the file has them now: what was signed only when `holds`."""
    findings: tuple[Finding, ...]
    """Empty when all is well."""

    @property
    def signature(self) -> PdfSignature | None:
        """The first signature: the issuer's."""
        return self.signatures[0] if self.signatures else None

    @property
    def holds(self) -> bool:
        """The file is, whole and unchanged, what a holder of an agency certificate signed."""
        return not self.findings


def check_pdf(
    pdf: bytes, roots: Sequence[bytes], at: dt.datetime, *, timestamp_roots: Sequence[bytes] = ()
) -> PdfReport:
    """Read the signatures of `pdf` against the operator's `roots` (DER) at the instant `at` (aware UTC).

    The certificate's place in the trust list (retired, compromised) is the caller's question, by `kid` and `point`.
    Timestamps count only under `timestamp_roots` (DER). Nothing is fetched; revocation lists in the file are not
    consulted. Synchronous and CPU-bound, some 20 ms: run it in a thread.

    Raises:
        Unreadable: not a PDF, encrypted, damaged beyond reading, or larger or more tangled than is read here.
    """
    if len(pdf) > MAX_PDF_BYTES:
        raise Unreadable(Words("PDF 文件过大。", "The PDF is too large."))
    if not pdf.startswith(b"%PDF-"):
        raise Unreadable(Words("这不是 PDF 文件。", "This is not a PDF."))
    from verify.proof.pades_reading import read_report

    try:
        return read_report(pdf, roots, at, timestamp_roots)
    except VerifyError:
        raise
    except Exception as error:  # a parser fed by strangers: whatever it trips over, the file is unreadable
        what = Words("PDF 文件无法读取，或已损坏。", "The PDF cannot be read, or is damaged.")
        raise Unreadable(what) from error
