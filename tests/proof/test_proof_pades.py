"""A signed certificate is whole, readable by others, still PDF/A and PDF/UA, and the same every time."""

import asyncio
import datetime as dt
import io
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import page
import pytest
from asn1crypto import x509 as asn1_x509
from pades_world import (
    AGENCY_DER,
    AGENCY_ENDS,
    FOREIGN,
    FOREIGN_DER,
    FOREIGN_ROOT_DER,
    NOW,
    REASON,
    RECORD,
    ROOT_DER,
    SIGNER,
    plain_pdf,
)
from proof_world import DAY, INTEGRITY, PAIR
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import async_validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from verify.errors import BadDocument, BadKey, BadSignature
from verify.proof.pades import sign_pdf
from verify.proof.pades_check import Finding, check_pdf
from verify.proof.signer import SoftSigner

SOURCE = Path(__file__).parents[2] / "src"


async def signed(pdf: bytes | None = None, signed_at: dt.datetime = NOW) -> bytes:
    """The world's certificate, B-B."""
    return await sign_pdf(
        pdf or plain_pdf(),
        signer=SIGNER,
        certificate=AGENCY_DER,
        chain=[ROOT_DER],
        signed_at=signed_at,
        reason=REASON,
    )


def complaints(pdf: bytes, profile: str) -> set[str]:
    """Rules of a profile that a file breaks, but for the validator's known error about CFF widths."""
    found = {failure.rule_id for failure in page.validate_pdf_bytes(pdf, profile=profile).failures}
    return {rule for rule in found if "GLYPH-WIDTH" not in rule}


async def test_a_signed_certificate_holds_and_says_by_whom_when_and_with_what_attached() -> None:
    report = check_pdf(await signed(), [ROOT_DER], NOW + DAY)
    assert report.holds
    assert report.findings == report.changes == report.timestamps == ()
    assert [(file.name, file.data) for file in report.attachments] == [("record.jwt", RECORD)]
    signature = report.signature
    assert signature is not None
    assert (signature.kid, signature.point) == (PAIR.kid, PAIR.key_bytes)
    assert (signature.serial, signature.certificate) == ("1" + "02" * 16, AGENCY_DER)
    assert "某评价机构" in signature.subject
    assert signature.signed_at == NOW
    assert signature.reason == f"{REASON.zh} {REASON.en}"
    assert signature.locks and signature.whole_file and signature.timestamp is None


async def test_the_same_input_and_time_give_the_same_bytes() -> None:
    first, again = await signed(), await signed()
    assert first == again
    assert first != await signed(signed_at=NOW + DAY)
    assert first.startswith(plain_pdf()), "what was rendered is untouched under the signature"


@pytest.mark.parametrize("profile", ["3a", "ua1"])
async def test_signing_keeps_pdf_a_3a_and_pdf_ua_1(profile: str) -> None:
    assert complaints(plain_pdf(), profile) == set()
    assert complaints(await signed(), profile) == set()


async def test_pyhanko_calls_it_intact_valid_trusted_and_unchanged() -> None:
    reader = PdfFileReader(io.BytesIO(await signed()))
    roots = [asn1_x509.Certificate.load(ROOT_DER)]
    context = ValidationContext(trust_roots=roots, allow_fetching=False, moment=NOW + DAY)
    status = await async_validate_pdf_signature(reader.embedded_signatures[0], context)
    assert status.bottom_line
    assert status.coverage.name == "ENTIRE_FILE"
    assert reader.embedded_signatures[0].docmdp_level.value == 1


async def test_poppler_and_qpdf_read_it(tmp_path: Path) -> None:
    file = tmp_path / "certificate.pdf"
    file.write_bytes(await signed())
    shown = run("pdfsig", "-nocert", str(file))
    assert "Signature is Valid." in shown
    assert "Total document signed" in shown
    assert "ETSI.CAdES.detached" in shown
    assert "No syntax or stream encoding errors found" in run("qpdf", "--check", str(file))


async def test_it_does_not_hold_under_another_operators_root_and_that_is_named() -> None:
    report = check_pdf(await signed(), [FOREIGN_ROOT_DER], NOW + DAY)
    assert report.findings == (Finding.FOREIGN_ISSUER,)
    assert check_pdf(await signed(), [FOREIGN_ROOT_DER, ROOT_DER], NOW + DAY).holds, (
        "an older root still counts"
    )


async def test_without_a_timestamp_the_certificates_end_sends_people_to_the_register() -> None:
    report = check_pdf(await signed(), [ROOT_DER], AGENCY_ENDS + DAY)
    assert report.findings == (Finding.OUT_OF_WINDOW,)
    assert report.signature is not None and report.signature.intact and report.signature.issued_by_root


async def test_a_certificate_for_another_key_or_a_key_of_another_kind_signs_nothing() -> None:
    for signer, certificate in [
        (SIGNER, FOREIGN_DER),
        (SoftSigner(INTEGRITY), AGENCY_DER),
        (SIGNER, b"no DER"),
    ]:
        with pytest.raises(BadKey):
            await sign_pdf(
                plain_pdf(), signer=signer, certificate=certificate, chain=[], signed_at=NOW, reason=REASON
            )


class WrongHand(SoftSigner):
    """Claims the agency's key id and signs with another key."""

    @property
    def kid(self) -> str:
        return PAIR.kid


class Silent(SoftSigner):
    """Answers too few signatures."""

    async def sign(self, messages: Sequence[bytes]) -> list[bytes]:
        return []


async def test_a_signature_that_does_not_verify_never_leaves() -> None:
    with pytest.raises(BadSignature):
        await sign_pdf(
            plain_pdf(),
            signer=WrongHand(FOREIGN),
            certificate=AGENCY_DER,
            chain=[],
            signed_at=NOW,
            reason=REASON,
        )
    with pytest.raises(Exception, match="another number"):
        await sign_pdf(
            plain_pdf(), signer=Silent(PAIR), certificate=AGENCY_DER, chain=[], signed_at=NOW, reason=REASON
        )


async def test_only_plain_unsigned_documents_are_signed() -> None:
    for document in [await signed(), b"not a pdf", plain_pdf()[:5000], b"%PDF-1.7\n" + b"\0" * (5 << 20)]:
        with pytest.raises(BadDocument):
            await signed(document)


async def test_many_are_signed_at_once_in_threads_with_the_same_bytes() -> None:
    async def in_thread() -> bytes:
        return await asyncio.to_thread(lambda: asyncio.run(signed()))

    assert len(set(await asyncio.gather(*(in_thread() for _ in range(8))))) == 1


def test_nothing_of_pyhanko_is_loaded_before_the_first_document_nor_private_keys_for_checking() -> None:
    program = """
import sys
import verify.proof.pades_check, verify.proof.timestamp
heavy = {"pyhanko", "asn1crypto", "aiohttp", "lxml", "pkcs11"}
assert not heavy & set(sys.modules)
private = {"verify.proof." + name for name in ("signer", "keys", "keyfiles", "authority", "pades", "revocation")}
import verify.proof.pades_reading
assert not private & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], cwd=SOURCE, check=True)
    program = """
import sys
import verify.proof.pades, verify.proof.pkcs11
assert not {"pyhanko", "asn1crypto", "aiohttp", "lxml", "pkcs11"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], cwd=SOURCE, check=True)


def run(*command: str) -> str:
    """Output of a reader written by others."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
