"""The check of a PDF or picture: what its code and record say, and whether the file around them is what was signed.

A genuine code proves nothing about the page it stands on. So three more checks follow those of the record: the
document's signature, what was done to the file since, and what its page visibly says. Nothing is fetched, nothing
is kept; `read_paper` runs in a worker thread, and PDFium in a process of its own.
"""

import datetime as dt
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import reduce
from typing import Final

import msgspec

from verify.certificate.identity import ID_TYPES, mask_id_number
from verify.certificate.level import level_text
from verify.certificate.occupation import print_work_type
from verify.certificate.status import Verdict
from verify.documents.brought import FIELDS, Brought, look_at
from verify.documents.qr import read_qr
from verify.documents.sheet import WORDING
from verify.documents.standin import marks_in
from verify.errors import Fault, Invalid, Unreadable, VerifyError, Words
from verify.lookup.check import UNPROVEN, Check, Outcome, Report, check_offline
from verify.lookup.presented import Presented, parse_presented
from verify.proof.credential import parse_credential
from verify.proof.jws import parse_compact
from verify.proof.pades_check import CHANGE_WORDS, FINDING_WORDS, Finding, PdfReport, PdfSignature, check_pdf
from verify.proof.public import OPERATOR, KeyPurpose, PublicKey
from verify.proof.token import ELLIPSIS
from verify.proof.trust import TrustList
from verify.store.contract import Program
from verify.store.documents import documents_of
from verify.store.register import list_keys

RECORD: Final = "credential.jwt"
RECEIPT: Final = "receipt.jwt"
_ALTERED: Final = (
    Finding.ALTERED, Finding.CHANGED, Finding.NOT_WHOLE_FILE, Finding.NOT_CERTIFYING, Finding.MORE_SIGNATURES,
)  # fmt: skip
_SAME: Final = Words("页面内容与签名记录一致。", "The page says what was signed.")
_BY_EYE: Final = Words(
    "无法自动读取页面文字，请将页面与查询结果逐项核对。",
    "The page's text cannot be read here: compare the page with the answer, item by item.",
)
PICTURE: Final = Words(
    "页面是图片，请用肉眼与下面显示的内容逐项核对。",
    "The page is a picture; compare it by eye with what is shown.",
)
_ENTRY: Final = Words(
    "以下只说二维码所指的登记记录，不说明图片的真伪：",
    "This is about the register entry that the code leads to, not about the picture:",
)
_NOT_SIGNED: Final = Words(
    "文件没有数字签名，仅核验了二维码。", "The file carries no digital signature; the code alone was checked."
)
_OTHER_COPY: Final = Words(
    "页面上的二维码与文件中的签名记录不是同一份证书。",
    "The code on the page belongs to another copy than the signed record in the file.",
)

_PICTURES: Final = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")
_OTHER_PICTURES: Final = (b"GIF8", b"BM", b"II*\0", b"MM\0*")
"""GIF, BMP and TIFF; WebP begins with RIFF, HEIC and AVIF have `ftyp` at byte 4."""

Ask = Callable[[str], Awaitable[Report]]


class Paper(msgspec.Struct, frozen=True):
    """One PDF as it was read; nothing of it is believed yet."""

    digest: bytes
    """SHA-256."""
    seen: Brought
    seals: PdfReport | None
    """None when its signatures cannot be read."""
    trouble: Words | None
    """Why."""
    claims_seal: bool
    """Whether there is a signature dictionary somewhere in its bytes."""

    @property
    def is_receipt(self) -> bool:
        """Whether it is the page of a verification receipt and no certificate."""
        return RECEIPT in self.seen.attachments and RECORD not in self.seen.attachments

    @property
    def contents(self) -> list[str]:
        """What the checks of records are asked about: the attached record first, then codes that look like ours."""
        if self.is_receipt:
            return [self.seen.attachments[RECEIPT].decode("utf-8", "replace").strip()]
        record = self.seen.attachments.get(RECORD)
        texts = [] if record is None else [record.decode("utf-8", "replace").strip()]
        return texts + [code for code in self.seen.codes if "/V/" in code.upper()]


class Known(msgspec.Struct, frozen=True):
    """What the paper is held against."""

    keys: Mapping[str, PublicKey]
    kept: frozenset[bytes] = frozenset()
    """Digests of the files that the register keeps of this certificate."""
    offline: bool = False


def is_pdf(data: bytes) -> bool:
    """Whether a reader would take it for a PDF (ISO 32000-2 annex I, note 1: the mark may stand a little later)."""
    return b"%PDF-" in data[:1024]


def brought_text(data: bytes) -> str:
    """The address, digits or credential inside what was brought; empty when no check can read it.

    This is the one place that knows what can be brought: PNG and JPEG pictures, and text. Of several codes in a
    picture the first is taken that looks like one of ours. Raises Invalid for a picture of another kind.
    """
    try:
        if is_picture(data):
            codes = read_qr(data)
            return next((code for code in codes if "/V/" in code.upper()), codes[0])
        if data[:4] == b"RIFF" or data[4:8] == b"ftyp" or data.startswith(_OTHER_PICTURES):
            raise _other_picture()
        return data.decode("utf-8").strip()
    except (Unreadable, UnicodeDecodeError):
        return ""


def is_picture(data: bytes) -> bool:
    """Whether it is a picture of a kind that is read here."""
    return data.startswith(_PICTURES)


def _other_picture() -> Invalid:
    what = Words("请上传 PNG 或 JPEG 格式的图片，或对着证书截屏后上传。",
                 "Send a PNG or JPEG picture, or a screenshot of the certificate.")  # fmt: skip
    return Invalid(what, faults=(Fault("/file", "picture-format", what),))


def roots_of(keys: Mapping[str, PublicKey]) -> list[bytes]:
    """The operator's root certificates, DER."""
    return [
        k.certificate for k in keys.values() if k.purpose is KeyPurpose.ROOT and k.certificate is not None
    ]


def read_paper(pdf: bytes, roots: Sequence[bytes], at: dt.datetime) -> Paper:
    """Read it once, within bounds; half a second at most in general. Raises Unreadable for what is no usable PDF."""
    seen = look_at(pdf)
    seals, trouble = None, None
    try:
        seals = check_pdf(pdf, roots, at)
    except Unreadable as error:
        trouble = error.detail
    return Paper(hashlib.sha256(pdf).digest(), seen, seals, trouble, b"/ByteRange" in pdf)


def known_about(number: str | None) -> Program[Known]:
    """What the register knows: all public keys, and the files it keeps of one certificate."""
    keys = {key.kid: key for key in (yield from list_keys())}
    lines = [] if number is None else (yield from documents_of([number]))
    return Known(keys, frozenset(line.digest for line in lines))


def number_in(paper: Paper) -> str | None:
    """The certificate that it claims to be."""
    presented = _presented(paper)
    claims = presented[0].claims if presented else None
    return None if claims is None else claims.number


async def judge(paper: Paper, known: Known, ask: Ask) -> Report:
    """The report: that of the record, or of the code, and the three checks of the file around it.

    One failed check of the file makes the verdict `unknown`, as a failed check of the record does.
    """
    texts = paper.contents or [""]
    reports = [await ask(text) for text in texts[:3]]
    base = next((one for one in reports if _disproved(one)), reports[0])
    proven = not any(_disproved(one) for one in reports)
    added = (*_seal_checks(paper, known), _face_check(paper, proven))
    failed = [check.detail for check in added if check.outcome is Outcome.FAILED]
    report = msgspec.structs.replace(base, checks=(*base.checks, *added))
    if not failed:
        return _of_the_entry(report) if added[-1].detail is PICTURE else report
    message = failed[0].join(UNPROVEN)
    return msgspec.structs.replace(
        report, verdict=Verdict.UNKNOWN, message=message, answer=None, receipt=None
    )


async def judge_offline(paper: Paper, trust: TrustList, now: dt.datetime) -> Report:
    """The same against a verified trust list alone: never better than "authentic"."""

    async def ask(text: str) -> Report:
        return check_offline(text, trust, now)

    return await judge(paper, Known(trust.keys, offline=True), ask)


def pictured(report: Report) -> Report:
    """The report on a picture of paper: its code was checked, and nobody looked at what stands around the code.

    A genuine code under another name is the commonest forgery, so the words speak of the register entry alone.
    """
    if _disproved(report):
        return report
    unseen = Check("face-matches", Outcome.SKIPPED, PICTURE)
    return _of_the_entry(msgspec.structs.replace(report, checks=(*report.checks, unseen)))


def _of_the_entry(report: Report) -> Report:
    """The same report in words that say nothing of the page around the code."""
    message = _ENTRY.join(report.message).join(PICTURE)
    checks = tuple(_of_the_code(check) for check in report.checks)
    answer = report.answer
    if answer is not None:
        answer = msgspec.json.encode(msgspec.json.decode(answer) | {"message": message})
    return msgspec.structs.replace(report, message=message, checks=checks, answer=answer)


def _of_the_code(check: Check) -> Check:
    if check.name not in ("authentic", "matches-register") or check.outcome is not Outcome.PASSED:
        return check
    said = Words(f"二维码：{check.detail.zh}", f"The code: {check.detail.en}")
    return Check(check.name, check.outcome, said)


def _disproved(report: Report) -> bool:
    return any(check.outcome is Outcome.FAILED for check in report.checks[:5])


def _presented(paper: Paper) -> list[Presented]:
    found = []
    for text in paper.contents:
        try:
            found.append(parse_presented(text))
        except (Unreadable, Invalid):
            continue  # the check of the record names it
    return found


# --- the file ---------------------------------------------------------------------------------------------


def _seal_checks(paper: Paper, known: Known) -> tuple[Check, Check]:
    """`document-signature` and `document-unchanged`."""
    if paper.digest in known.kept:
        same = Words("与登记库保存的文件逐字节相同。", "Byte for byte the file that the register keeps.")
        return _check("document-signature", True, same), _check("document-unchanged", True, same)
    seals = paper.seals
    signature = None if seals is None else seals.signature
    if seals is None or signature is None:
        return _unsigned(paper), Check("document-unchanged", Outcome.SKIPPED, _NOT_SIGNED)
    wrong = _wrong_signer(paper, signature, known)
    if wrong is not None:
        first = Check("document-signature", *wrong)
    else:
        owner = known.keys[signature.kid].owner_name
        first = _check("document-signature", True, Words(f"签名机构：{owner.zh}。", f"Signed by {owner.en}."))
    said = [CHANGE_WORDS[change] for change in seals.changes]
    said += [FINDING_WORDS[one] for one in seals.findings if one in _ALTERED]
    if said:
        return first, _check("document-unchanged", False, reduce(Words.join, said))
    whole = Words("签名之后没有改动。", "Nothing was changed since it was signed.")
    return first, _check("document-unchanged", True, whole)


def _unsigned(paper: Paper) -> Check:
    """A scan without a signature is what a photo is; a file of ours without one lost it on the way."""
    face = paper.seen.face
    ours = (
        paper.is_receipt
        or RECORD in paper.seen.attachments
        or face.name is not None
        or face.number is not None
    )
    if not ours and not paper.claims_seal:
        return Check("document-signature", Outcome.SKIPPED, _NOT_SIGNED)
    findings = () if paper.seals is None else paper.seals.findings
    why = paper.trouble or FINDING_WORDS[next(iter(findings), Finding.UNSIGNED)]
    return _check("document-signature", False, why)


def _wrong_signer(paper: Paper, signature: PdfSignature, known: Known) -> tuple[Outcome, Words] | None:
    """What is wrong with who signed it; None when nothing is."""
    if not signature.intact:
        return Outcome.FAILED, FINDING_WORDS[Finding.ALTERED]
    if not signature.issued_by_root:
        return Outcome.FAILED, FINDING_WORDS[Finding.FOREIGN_ISSUER]
    key = known.keys.get(signature.kid)
    if paper.is_receipt and (key is None or not _is_sayer(key, signature)):
        what = Words("签名密钥不是运营方的声明密钥。", "The signing key is not the operator's statement key.")
        return Outcome.FAILED, what
    purpose = KeyPurpose.STATEMENT if paper.is_receipt else KeyPurpose.TOKEN
    if key is None or key.key_bytes != signature.point or key.purpose is not purpose:
        what = Words("签名密钥不是登记的机构密钥。", "The signing key is none of a registered agency's.")
        return Outcome.FAILED, what
    named = [one.kid for one in _presented(paper) if one.kid is not None]
    owners = {known.keys[kid].owner for kid in named if kid in known.keys}
    if owners and owners != {key.owner}:
        what = Words("文件由另一机构签名。", "Another agency than the certificate's signed the file.")
        return Outcome.FAILED, what
    if key.compromised_at is not None:
        what = Words("签名密钥已泄露，此文件不能证明签名时间。",
                     "The signing key was compromised, and the file cannot prove when it was signed.")  # fmt: skip
        return Outcome.SKIPPED if known.offline else Outcome.FAILED, what
    if not signature.in_window:
        return Outcome.SKIPPED if known.offline else Outcome.FAILED, FINDING_WORDS[Finding.OUT_OF_WINDOW]
    return None


def _is_sayer(key: PublicKey, signature: PdfSignature) -> bool:
    return key.owner == OPERATOR and key.purpose is KeyPurpose.STATEMENT and key.key_bytes == signature.point


# --- the page ---------------------------------------------------------------------------------------------


def _face_check(paper: Paper, proven: bool) -> Check:
    """`face-matches`: what the page visibly says against what was signed, if that is `proven` to be signed."""
    if paper.is_receipt:  # the page is ours as a whole, or it is nothing: its seal covers every letter
        whole = proven and paper.seals is not None and paper.seals.holds
        return (
            _check("face-matches", True, _SAME) if whole else Check("face-matches", Outcome.SKIPPED, UNPROVEN)
        )
    presented = _presented(paper)
    if len({one.scan_code for one in presented}) > 1:
        return _check("face-matches", False, _OTHER_COPY)
    face = paper.seen.face
    signed = next((one for one in presented if one.claims is not None), None)
    if not proven:
        return Check("face-matches", Outcome.SKIPPED, UNPROVEN)
    whole = paper.seals is not None and paper.seals.holds
    if signed is None or (face.name is None and face.number is None):
        return Check("face-matches", Outcome.SKIPPED, _BY_EYE if whole else PICTURE)
    wrong = []
    for field, agrees in _signed_face(signed).items():
        seen = getattr(face, field)
        if seen is None and (whole or field == "title"):
            continue  # an agency's own form may word its labels otherwise; the signature covers the page
        if seen is None or not agrees("".join(seen.split())):
            wrong.append(_not_signed(field))
    if wrong:
        return _check("face-matches", False, reduce(Words.join, wrong))
    return _check("face-matches", True, _SAME)


def _signed_face(signed: Presented) -> dict[str, Callable[[str], bool]]:
    """For each field the test of its visible text: all of them for a record, fewer for a token."""
    claims = signed.claims
    assert claims is not None  # asked for by the caller
    tests = {"number": _is(claims.number), "name": _is_name(claims.name)}
    if signed.credential is None:
        return tests | {"id_number": lambda seen: seen.endswith(claims.id_shown)}
    subject = parse_credential(parse_compact(signed.credential).payload).credential_subject
    what = subject.certificate
    tests |= {
        "title": _is(WORDING[what.kind].title.zh),
        "id_number": lambda seen: mask_id_number(subject.id_type, seen) == subject.id_number_masked,
        "occupation": _is(what.occupation.name),
        "work_type": _is(print_work_type(what.work_type)),
        "level": _is(level_text(what.kind, what.level).zh),
    }
    if subject.id_type in ID_TYPES:
        tests["id_type"] = _is(ID_TYPES[subject.id_type].words.zh)
    return tests


def _is(text: str) -> Callable[[str], bool]:
    squeezed = "".join(text.split())
    return lambda seen: seen == squeezed


def _is_name(name: str) -> Callable[[str], bool]:
    """A token cuts a long name and marks the place; a character that stands there as a picture leaves no text."""
    squeezed = "".join(name.split())
    spellings = {squeezed, reduce(lambda text, mark: text.replace(mark, ""), marks_in(squeezed), squeezed)}
    if not name.endswith(ELLIPSIS):
        return lambda seen: seen in spellings
    begins = tuple(spelling.removesuffix(ELLIPSIS) for spelling in spellings)
    return lambda seen: seen.startswith(begins)


def _not_signed(field: str) -> Words:
    what = FIELDS[field]
    return Words(
        f"页面上的{what.zh}不是签名记录中的{what.zh}。",
        f"The {what.en} on the page is not the {what.en} that was signed.",
    )


def _check(name: str, passed: bool, words: Words) -> Check:
    return Check(name, Outcome.PASSED if passed else Outcome.FAILED, words)


def unusable(error: VerifyError, base: Report) -> Report:
    """The report on a PDF that cannot be opened: `base` is that of nothing at all."""
    first = Check("readable", Outcome.FAILED, error.detail)
    return msgspec.structs.replace(base, checks=(first, *base.checks[1:]))
