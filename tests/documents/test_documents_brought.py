"""What people bring is read as it is seen: photos of paper, PDFs with something painted over, and worse."""

import ast
import io
import random
import re
from importlib.util import find_spec
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pikepdf
import pytest
from PIL import Image
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import SigFieldSpec, append_signature_field

from verify.certificate.record import Kind
from verify.documents.attachment import Attachment
from verify.documents.brought import (
    compare_with_rendering,
    face_differences,
    face_on_page,
    read_attachments,
    read_pdf_codes,
    visible_text,
)
from verify.documents.gate import trial_sheet
from verify.documents.press import Press
from verify.documents.qr import read_qr
from verify.documents.sheet import Sheet
from verify.errors import Unreadable, VerifyError, Words

needs_pdfium = pytest.mark.skipif(
    find_spec("pypdfium2") is None, reason="pypdfium2 is not installed: no PDF that people bring was read"
)
SHEETS = [
    msgspec.structs.replace(trial_sheet(kind, length), template=template)
    for template in ("certificate", "portrait")
    for kind, length in ((Kind.SKILL_LEVEL, "typical"), (Kind.QUALIFICATION, "longest"))
]
SHEET = SHEETS[0]
FORGED = msgspec.structs.replace(SHEET, name="欧阳大明", number="S000035000123261000363")


@pytest.fixture(scope="module")
def press() -> Press:
    return Press(())


def saved(pdf: pikepdf.Pdf) -> bytes:
    out = io.BytesIO()
    pdf.save(out)
    return out.getvalue()


def rectangle(press: Press, name: str, colour: str = "1 1 1") -> bytes:
    """A filled rectangle over a field, as page content."""
    box = next(box for box in press.field_boxes(SHEET) if box.name == name)
    points = [edge / 25.4 * 72 for edge in (box.x, 210 - box.y - box.height, box.width, box.height)]
    return f"q {colour} rg {' '.join(f'{p:.2f}' for p in points)} re f Q".encode()


def painted(press: Press, content: bytes) -> bytes:
    with pikepdf.open(io.BytesIO(press.render_pdf(SHEET))) as pdf:
        pdf.pages[0].contents_add(content, prepend=False)
        return saved(pdf)


def annotated(press: Press) -> bytes:
    """A square annotation with an appearance, over the name."""
    box = next(box for box in press.field_boxes(SHEET) if box.name == "name")
    x, y, w, h = (edge / 25.4 * 72 for edge in (box.x, 210 - box.y - box.height, box.width, box.height))
    with pikepdf.open(io.BytesIO(press.render_pdf(SHEET))) as pdf:
        look = pdf.make_stream(f"0.2 0.2 0.2 rg 0 0 {w:.1f} {h:.1f} re f".encode())
        look.update(
            pikepdf.Dictionary(Type=pikepdf.Name.XObject, Subtype=pikepdf.Name.Form, BBox=[0, 0, w, h])
        )
        note = pikepdf.Dictionary(
            Type=pikepdf.Name.Annot,
            Subtype=pikepdf.Name.Square,
            Rect=[x, y, x + w, y + h],
            F=4,
            AP={"/N": look},
        )
        pdf.pages[0].Annots = pdf.make_indirect([pdf.make_indirect(note)])
        return saved(pdf)


def increment(press: Press) -> bytes:
    """The original file, untouched, with an update appended that paints over the name."""
    writer = IncrementalPdfFileWriter(io.BytesIO(press.render_pdf(SHEET) + b"\n"))
    stream = generic.StreamObject(stream_data=rectangle(press, "name", "0 0 0"))
    writer.add_stream_to_page(0, writer.add_object(stream))
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


@needs_pdfium
@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: f"{sheet.template}-{sheet.kind.value}")
def test_an_honest_page_says_and_shows_what_was_signed(press: Press, sheet: Sheet) -> None:
    pdf = press.render_pdf(sheet)
    face = face_on_page(pdf)
    assert (face.name, face.number, face.id_number) == (sheet.name, sheet.number, sheet.id_number)
    assert face.title == ("职业技能等级证书" if sheet.kind is Kind.SKILL_LEVEL else "职业资格证书")
    assert face_differences(face, sheet) == []
    assert compare_with_rendering(pdf, sheet, press) == []
    assert read_pdf_codes(pdf) == [sheet.qr_content]


@needs_pdfium
def test_another_name_and_number_are_told_by_both_ways_of_looking(press: Press) -> None:
    pdf = press.render_pdf(FORGED)
    assert [wrong.field for wrong in face_differences(face_on_page(pdf), SHEET)] == ["name", "number"]
    found = compare_with_rendering(pdf, SHEET, press)
    assert [wrong.field for wrong in found] == ["name", "number"]
    assert found[0].detail.en == "The name on the page is not the name that was signed."
    assert found[0].detail.zh and found[0].pixels > 20
    assert [wrong.field for wrong in compare_with_rendering(pdf, SHEET, press, skip={"name"})] == ["number"]


@needs_pdfium
@pytest.mark.parametrize(
    "field", ["name", "level", "number", "id_number", "photo", "qr", "issued_on", "agency"]
)
def test_a_field_painted_over_is_named(press: Press, field: str) -> None:
    pdf = painted(press, rectangle(press, field))
    assert [wrong.field for wrong in compare_with_rendering(pdf, SHEET, press)] == [field]


@needs_pdfium
def test_what_was_painted_over_is_no_visible_text(press: Press) -> None:
    pdf = painted(press, rectangle(press, "name"))
    assert face_on_page(pdf).name is None
    assert not any("欧阳小明" in line.text for line in visible_text(pdf))


@needs_pdfium
def test_invisible_text_is_not_seen(press: Press) -> None:
    """Text in rendering mode 3, and white text, over the same place."""
    with pikepdf.open(io.BytesIO(press.render_pdf(SHEET))) as pdf:
        font = pdf.make_indirect(
            pikepdf.Dictionary(
                Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica
            )
        )
        pdf.pages[0].add_resource(font, pikepdf.Name.Font, pikepdf.Name.Ghost)
        for extra in ("3 Tr", "1 1 1 rg"):
            text = f"q BT {extra} /Ghost 12 Tf 700 300 Td (GHOST) Tj ET Q".encode()
            pdf.pages[0].contents_add(text, prepend=False)
        pdf.pages[0].contents_add(b"q BT 0 0 0 rg /Ghost 12 Tf 640 60 Td (SEEN) Tj ET Q", prepend=False)
        text = " ".join(line.text for line in visible_text(saved(pdf)))
    assert "GHOST" not in text and "SEEN" in text


@needs_pdfium
@pytest.mark.parametrize("forge", [annotated, increment])
def test_annotations_and_increments_over_a_field_are_named(press: Press, forge) -> None:
    pdf = forge(press)
    assert "name" in [wrong.field for wrong in compare_with_rendering(pdf, SHEET, press)]


@needs_pdfium
def test_an_invisible_signature_changes_nothing_that_is_seen(press: Press) -> None:
    writer = IncrementalPdfFileWriter(io.BytesIO(press.render_pdf(SHEET) + b"\n"))
    append_signature_field(writer, SigFieldSpec("Agency"))
    out = io.BytesIO()
    writer.write(out)
    assert compare_with_rendering(out.getvalue(), SHEET, press) == []


@needs_pdfium
def test_the_signed_record_is_taken_out_of_the_file_byte_for_byte(press: Press) -> None:
    record = Attachment(
        "record.cbor", bytes(range(256)), "application/cbor", Words("签名记录", "Signed record")
    )
    assert read_attachments(press.render_pdf(SHEET, [record])) == {"record.cbor": record.data}
    assert read_attachments(press.render_pdf(SHEET)) == {}


@needs_pdfium
def test_a_word_added_outside_the_fields_is_noticed(press: Press) -> None:
    found = compare_with_rendering(painted(press, b"q 0 0 0 rg 70 250 40 6 re f Q"), SHEET, press)
    assert [wrong.field for wrong in found] == ["elsewhere"]
    assert found[0].box is not None and abs(found[0].box.x - 70 / 72 * 25.4) < 1


@needs_pdfium
def test_a_page_of_another_size_or_number_is_not_compared(press: Press) -> None:
    other = press.render_pdf(msgspec.structs.replace(SHEET, template="portrait"))
    assert [wrong.field for wrong in compare_with_rendering(other, SHEET, press)] == ["page"]
    with pikepdf.open(io.BytesIO(press.render_pdf(SHEET))) as pdf:
        pdf.pages.append(pdf.pages[0])
        two = saved(pdf)
    assert [wrong.field for wrong in compare_with_rendering(two, SHEET, press)] == ["page"]


def bomb(pages: int = 1, content: bytes = b"") -> bytes:
    pdf = pikepdf.new()
    for _ in range(pages):
        pdf.add_blank_page(page_size=(842, 595))
    pdf.pages[0].Contents = pdf.make_stream(content)
    return saved(pdf)


def huge() -> bytes:
    pdf = pikepdf.new()
    pdf.add_blank_page(page_size=(14_400, 14_400))
    return saved(pdf)


HOSTILE = {
    "nothing": b"",
    "text": b"hello",
    "magic only": b"%PDF-1.7\n",
    "noise": b"%PDF-1.7\n" + random.Random(1).randbytes(4000),
    "five pages": bomb(5),
    "no code": bomb(),
    "a sheet of five metres": huge(),
    "nine megabytes": b"%PDF-1.7\n" + bytes(9 << 20),
    "work without end": bomb(1, b"0 0 m " + b"800 500 l 0 3 l 9 500 l 700 1 l " * 60_000 + b"S " * 2),
}


@needs_pdfium
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pdf_is_unreadable_and_nothing_else(name: str) -> None:
    with pytest.raises(Unreadable):
        read_pdf_codes(HOSTILE[name])


@needs_pdfium
def test_cut_and_flipped_files_end_in_one_error_or_in_text(press: Press) -> None:
    whole, chance = press.render_pdf(SHEET), random.Random(2)
    for _ in range(6):
        spoiled = bytearray(whole[: chance.randrange(1000, len(whole))])
        for _ in range(20):
            spoiled[chance.randrange(len(spoiled))] = chance.randrange(256)
        try:
            visible_text(bytes(spoiled))
        except VerifyError as refused:
            assert isinstance(refused, Unreadable)


def test_the_native_parser_is_loaded_in_the_child_alone() -> None:
    """`import pypdfium2` stands nowhere at the top of a module of the product."""
    for path in Path("src/verify").rglob("*.py"):
        tree = ast.parse(path.read_text())
        names = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
        assert not any(re.match("pypdfium2", name) for name in names), path


def photographed(page: np.ndarray, seed: int) -> bytes:
    """The whole sheet on a desk as a 12-megapixel telephone sees it: turned, skewed, soft, shaded, a lamp in it."""
    chance = random.Random(seed)
    height, width = page.shape
    across, down = 4000, 3000
    scale = min(across / width, down / height) * chance.uniform(0.6, 0.95)
    angle = np.deg2rad(chance.uniform(-25, 25))
    corners = []
    for x, y in (
        (-width / 2, -height / 2),
        (width / 2, -height / 2),
        (width / 2, height / 2),
        (-width / 2, height / 2),
    ):
        far = scale * (1 + chance.uniform(-0.12, 0.12))
        corners.append(
            [
                across / 2 + (x * np.cos(angle) - y * np.sin(angle)) * far,
                down / 2 + (x * np.sin(angle) + y * np.cos(angle)) * far,
            ]
        )
    flat = np.float32([[0, 0], [width, 0], [width, height], [0, height]])
    turn = cv2.getPerspectiveTransform(flat, np.float32(corners))
    seen = cv2.warpPerspective(page, turn, (across, down), borderValue=110)
    seen = cv2.GaussianBlur(seen, (0, 0), chance.uniform(0.5, 1.4)).astype(np.float32)
    y, x = np.mgrid[0:down, 0:across].astype(np.float32)
    seen *= 1 - 0.5 * np.clip(x / across * np.cos(seed) + y / down * np.sin(seed), 0, 1)
    lamp = (
        np.exp(-((x - chance.uniform(0.4, 0.8) * across) ** 2 + (y - 0.6 * down) ** 2) / (2 * 240**2)) * 0.7
    )
    seen += (255 - seen) * lamp
    return cv2.imencode(".jpg", np.clip(seen, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 50])[
        1
    ].tobytes()


def test_a_photo_of_the_whole_sheet_is_read(press: Press) -> None:
    page = np.array(Image.open(io.BytesIO(press.render_png(SHEET, 300))).convert("L"))
    read = sum(read_qr(photographed(page, seed)) == [SHEET.qr_content] for seed in range(6))
    assert read == 6


@pytest.mark.parametrize("blur", [1.6, 2.0])
def test_a_soft_dim_screenshot_is_read(press: Press, blur: float) -> None:
    page = np.array(Image.open(io.BytesIO(press.render_png(SHEET, 300))).convert("L"))
    box = next(box for box in press.field_boxes(SHEET) if box.name == "qr")
    left, top = (round((edge - 8) / 25.4 * 300) for edge in (box.x, box.y))
    corner = cv2.GaussianBlur(page[top : top + 520, left : left + 900], (0, 0), blur).astype(np.float32)
    corner = 60 + corner * 0.25 + np.linspace(0, 90, 900, dtype=np.float32)
    data = cv2.imencode(".jpg", corner.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 40])[1].tobytes()
    assert read_qr(data) == [SHEET.qr_content]
