"""One file that keeps, reads aloud and carries its signed record: PDF/A-3a, PDF/UA-1, attachments."""

import io

import msgspec
import page
import pikepdf
import pytest

from verify.certificate.record import Kind
from verify.documents.attachment import MAX_BYTES, Attachment
from verify.documents.gate import trial_sheet
from verify.documents.glyphs import find_extra_fonts
from verify.documents.overprint import default_calibration, render_calibration_sheet, render_overprint
from verify.documents.press import Press
from verify.documents.sheet import Sheet
from verify.errors import BadDocument, Words

CREDENTIAL = Attachment(
    "credential.jwt",
    b"eyJhbGciOiJFUzI1NiJ9." * 80,
    "application/vc+jwt",
    Words("可验证凭证", "Verifiable credential"),
    "source",
)
RECORD = Attachment("record.cbor", bytes(range(256)), "application/cbor", Words("签名记录", "Signed record"))
SHEETS = [
    msgspec.structs.replace(trial_sheet(kind, length), template=template)
    for template in ("certificate", "portrait")
    for kind in Kind
    for length in ("short", "longest")
]


@pytest.fixture(scope="module")
def press() -> Press:
    return Press(())


def findings(pdf: bytes) -> set[str]:
    """Rules that fail, but for the one that page-validation 0.11 gets wrong: it takes the default width of a
    CID-keyed CFF font for 0, where the font says 1000."""
    failed: set[str] = set()
    for profile in (page.ValidationProfile.PDF_A_3A, page.ValidationProfile.PDF_UA_1):
        report = page.validate_pdf_bytes(pdf, profile=profile)
        failed |= {found.rule_id for found in report.failures if "GLYPH-WIDTH" not in found.rule_id}
    return failed


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: f"{sheet.template}-{sheet.kind.value}")
def test_every_form_with_attachments_is_pdf_a_3a_and_pdf_ua_1(press: Press, sheet: Sheet) -> None:
    assert findings(press.render_pdf(sheet, [CREDENTIAL, RECORD])) == set()


def test_a_page_with_a_character_of_the_optional_fonts_keeps_as_well() -> None:
    if not find_extra_fonts():
        pytest.skip("Debian's fonts-hanazono is not installed: no page with its characters was validated")
    assert findings(Press().render_pdf(msgspec.structs.replace(SHEETS[0], name="𪚥𠀋"))) == set()


def test_the_validator_would_notice(press: Press) -> None:
    with pikepdf.open(io.BytesIO(press.render_pdf(SHEETS[0], [CREDENTIAL]))) as pdf:
        del pdf.Root.Lang
        del pdf.Root.AF
        out = io.BytesIO()
        pdf.save(out)
    assert findings(out.getvalue())


def test_pages_for_blanks_keep_as_well(press: Press) -> None:
    calibration = default_calibration(press, SHEETS[0])
    for pdf in (
        render_overprint(press, SHEETS[0], calibration),
        render_calibration_sheet(press, calibration),
    ):
        assert findings(pdf) == set()


def test_the_signed_record_inside_is_byte_for_byte_what_was_given(press: Press) -> None:
    with pikepdf.open(io.BytesIO(press.render_pdf(SHEETS[0], [CREDENTIAL, RECORD]))) as pdf:
        found = {name: file.get_file() for name, file in pdf.attachments.items()}
        assert {name: file.read_bytes() for name, file in found.items()} == {
            CREDENTIAL.name: CREDENTIAL.data,
            RECORD.name: RECORD.data,
        }
        assert found[CREDENTIAL.name].mime_type == CREDENTIAL.mime
        relations = {str(item.UF): str(item.AFRelationship) for item in pdf.Root.AF}
        assert relations == {CREDENTIAL.name: "/Source", RECORD.name: "/Data"}
        assert pdf.attachments[RECORD.name].description == "签名记录 Signed record"


def test_attachments_change_nothing_that_is_seen(press: Press) -> None:
    bare, full = press.render_pdf(SHEETS[0]), press.render_pdf(SHEETS[0], [CREDENTIAL])
    with pikepdf.open(io.BytesIO(bare)) as one, pikepdf.open(io.BytesIO(full)) as two:
        assert one.pages[0].Contents.read_bytes() == two.pages[0].Contents.read_bytes()
    assert press.render_pdf(SHEETS[0], [CREDENTIAL]) == full


@pytest.mark.parametrize(
    "attachments",
    [
        [CREDENTIAL, CREDENTIAL],
        [msgspec.structs.replace(CREDENTIAL, name="../x")],
        [msgspec.structs.replace(CREDENTIAL, name="证书.json")],
        [msgspec.structs.replace(CREDENTIAL, mime="text")],
        [msgspec.structs.replace(CREDENTIAL, data=bytes(MAX_BYTES + 1))],
        [msgspec.structs.replace(CREDENTIAL, name=f"a{i}") for i in range(9)],
    ],
)
def test_odd_attachments_are_refused(press: Press, attachments: list[Attachment]) -> None:
    with pytest.raises(BadDocument):
        press.render_pdf(SHEETS[0], attachments)


@pytest.mark.parametrize("template", ["certificate", "portrait"])
def test_metadata_speak_both_languages_and_name_nobody(press: Press, template: str) -> None:
    sheet = msgspec.structs.replace(SHEETS[1], template=template)
    with pikepdf.open(io.BytesIO(press.render_pdf(sheet))) as pdf, pdf.open_metadata() as about:
        assert "职业技能等级证书 Certificate of Occupational Skill Level" in str(about["dc:title"])
        assert "Electronic certificate" in str(about["dc:description"])
        assert "电子证书" in str(about["dc:description"])
        everything = pdf.Root.Metadata.read_bytes().decode() + str(dict(pdf.docinfo))
    assert sheet.name not in everything and sheet.id_number not in everything


def test_the_portrait_form_is_read_aloud_from_the_title_to_the_note(press: Press) -> None:
    with pikepdf.open(io.BytesIO(press.render_pdf(SHEETS[4]))) as pdf:
        kinds = [str(part.S) for part in walk(pdf.Root.StructTreeRoot)]
        alts = [str(part.Alt) for part in walk(pdf.Root.StructTreeRoot) if "/Alt" in part]
    assert kinds.index("/H1") < kinds.index("/Figure")
    assert any("QR code that opens" in alt for alt in alts)


def walk(node: pikepdf.Object) -> list[pikepdf.Object]:
    kids = node.get("/K", [])
    kids = kids if isinstance(kids, pikepdf.Array) else [kids]
    own = [node] if "/S" in node else []
    return own + [part for kid in kids if isinstance(kid, pikepdf.Dictionary) for part in walk(kid)]
