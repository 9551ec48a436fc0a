"""Pictures for phones and data for blanks: the code reads, nothing more is told than is meant, every place is exact."""

import io
import json
import shutil
import subprocess
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pikepdf
import pytest
import zxingcpp
from PIL import Image

from verify.certificate.record import Kind
from verify.documents.gate import trial_sheet
from verify.documents.overprint import (
    Calibration,
    Spot,
    default_calibration,
    load_calibration,
    overprint_values,
    render_calibration_sheet,
    render_overprint,
)
from verify.documents.press import Press
from verify.documents.share import render_share
from verify.documents.sheet import Sheet
from verify.errors import BadDocument

SHEETS = [trial_sheet(kind, length) for kind in Kind for length in ("short", "typical", "longest")]
SHEET = SHEETS[1]
FILE = """
width_mm = 297.0
height_mm = 210.0
shift_x_mm = 1.5
shift_y_mm = -0.8
scale_x = 1.002

[fields.name]
x_mm = 190.0
y_mm = 38.0
width_mm = 86.0

[fields.issued_year]
x_mm = 80.5
y_mm = 160.2
width_mm = 14.0
align = "right"

[fields.qr]
x_mm = 156.0
y_mm = 147.0
width_mm = 28.0
"""


@pytest.fixture(scope="module")
def press() -> Press:
    return Press(())


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: f"{sheet.kind.value}-{len(sheet.name)}")
def test_the_card_for_a_phone_is_1080_pixels_wide_and_reads(press: Press, sheet: Sheet) -> None:
    picture = Image.open(io.BytesIO(render_share(press, sheet)))
    assert picture.size == (1080, 1800) and picture.format == "PNG"
    assert [found.text for found in zxingcpp.read_barcodes(picture)] == [sheet.qr_content]


def test_the_card_survives_a_chat(press: Press) -> None:
    """Made half as large and compressed hard, as chats do; another decoder reads it."""
    picture = Image.open(io.BytesIO(render_share(press, SHEET))).convert("L").resize((540, 900))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=40)
    seen = np.array(Image.open(io.BytesIO(out.getvalue())))
    assert zxingcpp.read_barcodes(seen)[0].text == SHEET.qr_content
    assert cv2.QRCodeDetector().detectAndDecode(seen)[0] == SHEET.qr_content


def test_the_card_depends_on_neither_identity_number_nor_portrait(press: Press) -> None:
    other = msgspec.structs.replace(SHEET, id_number="990105194912310048", remark="某", photo=b"\xff\xd8")
    assert render_share(press, other) == render_share(press, SHEET)


def words(pdf: bytes, tmp_path: Path) -> dict[str, tuple[float, float]]:
    """Each word of the page with the millimetres of its upper left corner."""
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext (poppler-utils) is not installed: places on the page were not measured")
    (tmp_path / "page.pdf").write_bytes(pdf)
    command = ["pdftotext", "-bbox", str(tmp_path / "page.pdf"), "-"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {}
    for line in text.splitlines():
        if "<word" in line:
            parts = line.split('"')
            found[parts[8].removeprefix(">").removesuffix("</word>")] = (
                float(parts[1]) / 72 * 25.4,
                float(parts[3]) / 72 * 25.4,
            )
    return found


def test_every_place_is_shift_plus_scale_times_the_files_to_a_tenth_of_a_millimetre(
    press: Press, tmp_path: Path
) -> None:
    moved = load_calibration(FILE)
    still = msgspec.structs.replace(moved, shift_x_mm=0.0, shift_y_mm=0.0, scale_x=1.0)
    before = words(render_overprint(press, SHEET, still), tmp_path)[SHEET.name]
    after = words(render_overprint(press, SHEET, moved), tmp_path)[SHEET.name]
    assert abs(before[0] - 190.0) < 0.1
    assert abs(after[0] - before[0] - (1.5 + 0.002 * 190)) < 0.05
    assert abs(after[1] - before[1] + 0.8) < 0.05


def test_only_data_named_in_the_file_is_printed(press: Press, tmp_path: Path) -> None:
    found = words(render_overprint(press, SHEET, load_calibration(FILE)), tmp_path)
    assert found.keys() == {SHEET.name, "2026"}


def test_the_code_in_a_blank_reads_at_whole_dots(press: Press, tmp_path: Path) -> None:
    if shutil.which("pdftoppm") is None:
        pytest.skip("pdftoppm (poppler-utils) is not installed: the code in the blank was not read")
    (tmp_path / "page.pdf").write_bytes(render_overprint(press, SHEET, load_calibration(FILE)))
    command = ["pdftoppm", "-r", "300", "-png", "-singlefile", "page.pdf", "page"]
    subprocess.run(command, check=True, cwd=tmp_path)
    assert [found.text for found in zxingcpp.read_barcodes(Image.open(tmp_path / "page.png"))] == [
        SHEET.qr_content
    ]


def test_crop_marks_come_with_ten_millimetres_more_paper(press: Press) -> None:
    sizes = []
    for marks in (False, True):
        calibration = msgspec.structs.replace(load_calibration(FILE), crop_marks=marks)
        with pikepdf.open(io.BytesIO(render_overprint(press, SHEET, calibration))) as pdf:
            sizes.append([round(float(edge) / 72 * 25.4) for edge in pdf.pages[0].mediabox[2:]])
    assert sizes == [[297, 210], [317, 230]]


@pytest.mark.parametrize("template", ["certificate", "portrait"])
def test_the_first_calibration_file_stands_where_the_form_does_and_reads_back(
    press: Press, template: str
) -> None:
    sheet = msgspec.structs.replace(SHEETS[2], template=template)
    first = default_calibration(press, sheet)
    assert load_calibration(msgspec.json.encode(first).decode()) == first
    boxes = {box.name: box for box in press.field_boxes(sheet)}
    assert all(abs(spot.x_mm - boxes[name].x) <= 0.05 for name, spot in first.fields.items())
    assert render_overprint(press, sheet, first).startswith(b"%PDF-")
    assert render_calibration_sheet(press, first).startswith(b"%PDF-")


def test_the_test_sheet_names_every_field_and_shows_no_holder(press: Press, tmp_path: Path) -> None:
    found = words(render_calibration_sheet(press, load_calibration(FILE)), tmp_path)
    assert {"name", "issued_year", "qr"} <= found.keys() and SHEET.name not in found


def test_the_date_can_go_between_printed_characters() -> None:
    values = overprint_values(SHEET)
    assert (values["issued_year"], values["issued_month"], values["issued_day"]) == ("2026", "11", "20")
    assert values["work_type"] == "--"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "x = ",
        '{"fields": {}, "unknown": 1}',
        '{"fields": {"salary": {"x_mm": 1, "y_mm": 1}}}',
        '{"fields": {"name": {"x_mm": 1000, "y_mm": 1}}}',
        '{"fields": {"name": {"x_mm": 1, "y_mm": 1, "size_pt": 400}}}',
        '{"fields": {}, "shift_x_mm": 500}',
        "fields = {}\nscale_x = nan",
        "fields = {}\nwidth_mm = inf",
        '{"fields": {}, "scale_y": 2}',
        "[" * 70_000,
    ],
)
def test_a_calibration_file_out_of_reason_is_refused(text: str) -> None:
    with pytest.raises(BadDocument) as refused:
        load_calibration(text)
    assert refused.value.detail.zh


def test_toml_and_json_say_the_same() -> None:
    same = {"fields": {"name": {"x_mm": 10, "y_mm": 20.5}}, "crop_marks": True}
    toml = "crop_marks = true\n[fields.name]\nx_mm = 10\ny_mm = 20.5\n"
    wanted = Calibration({"name": Spot(10.0, 20.5)}, crop_marks=True)
    assert load_calibration(toml) == load_calibration(json.dumps(same)) == wanted


def test_what_does_not_fit_its_place_in_the_blank_is_refused(press: Press) -> None:
    narrow = Calibration({"name": Spot(10, 10, width_mm=6)})
    with pytest.raises(BadDocument) as refused:
        render_overprint(press, SHEETS[2], narrow)
    assert "name" in refused.value.detail.en
