"""Printing into blanks: the data alone, each field to a tenth of a millimetre where a calibration file says.

Every printer pulls paper a little differently. The office prints the test sheet, lays it on a blank against the
light, and writes what it measured into the file: a shift and a scale for the printer, an offset for a field.
"""

import tomllib
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from verify.certificate.record import Kind
from verify.documents.gate import trial_sheet
from verify.documents.press import Press
from verify.documents.sheet import Sheet, sheet_data, sheet_rows
from verify.errors import BadDocument, Words

MAX_SHIFT_MM: Final = 30.0
MAX_SIDE_MM: Final = 450.0
"""A3 with room."""
MAX_TEXT: Final = 64 * 1024
NOTE: Final = Words(
    "用普通白纸按实际大小（100%）打印，与空白证书重叠对光检查；每条十字线应对准相应栏目的左上角。"
    "量出的偏差写入校准文件：整体用 shift_x_mm、shift_y_mm、scale_x、scale_y，单栏用 x_mm、y_mm。",
    "Print on plain paper at actual size (100 %), lay it on a blank against the light: each cross marks a field's "
    "upper left corner. Write what is off into the file: shift and scale for all, x_mm and y_mm for one.",
)


class Spot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where one field goes; millimetres from the upper left corner of the blank, before shift and scale."""

    x_mm: float
    y_mm: float
    """Of the upper edge of capitals and digits."""
    width_mm: float = 80.0
    """Longer text takes a second line, then a smaller size."""
    size_pt: float = 12.0
    align: Literal["left", "center", "right"] = "left"


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One printer and one kind of blank."""

    fields: dict[str, Spot]
    """By name: see `overprint_values`, and `qr`, `photo`."""
    width_mm: float = 297.0
    height_mm: float = 210.0
    shift_x_mm: float = 0.0
    shift_y_mm: float = 0.0
    scale_x: float = 1.0
    scale_y: float = 1.0
    crop_marks: bool = False
    """For a print shop: 10 mm more paper on every side, with corner marks."""


def load_calibration(text: str) -> Calibration:
    """A calibration file, TOML, or JSON if it begins with a brace.

    Raises:
        BadDocument: it cannot be parsed, has an unknown entry or field name, or a value out of reason.
    """
    try:
        if len(text) > MAX_TEXT:
            raise ValueError("longer than 64 KiB")
        raw = msgspec.json.decode(text) if text.lstrip().startswith("{") else tomllib.loads(text)
        calibration = msgspec.convert(raw, Calibration, strict=False)
    except (ValueError, msgspec.MsgspecError, RecursionError) as problem:
        raise _refuse(str(problem)) from problem
    _check(calibration)
    return calibration


def _check(calibration: Calibration) -> None:
    """Refuses what cannot be meant; comparisons are written so that NaN fails them."""
    known = {*overprint_values(trial_sheet(Kind.SKILL_LEVEL, "longest")), "qr", "photo"}
    unknown = calibration.fields.keys() - known
    if unknown:
        raise _refuse(f"unknown field {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    sides = (calibration.width_mm, calibration.height_mm)
    shifts = (calibration.shift_x_mm, calibration.shift_y_mm)
    if not all(50 <= side <= MAX_SIDE_MM for side in sides):
        raise _refuse(f"width_mm and height_mm are 50 to {MAX_SIDE_MM:.0f}")
    if not all(abs(shift) <= MAX_SHIFT_MM for shift in shifts):
        raise _refuse(f"shift_x_mm and shift_y_mm are at most {MAX_SHIFT_MM:.0f} either way")
    if not all(0.9 <= scale <= 1.1 for scale in (calibration.scale_x, calibration.scale_y)):
        raise _refuse("scale_x and scale_y are 0.9 to 1.1")
    for name, spot in calibration.fields.items():
        inside = 0 <= spot.x_mm <= sides[0] and 0 <= spot.y_mm <= sides[1]
        if not (inside and 5 <= spot.width_mm <= sides[0] and 7 <= spot.size_pt <= 36):
            raise _refuse(f"{name}: outside the blank, width_mm under 5, or size_pt not 7 to 36")


def overprint_values(sheet: Sheet) -> dict[str, str]:
    """What can be printed into a blank, by field name; the date also as digits for a printed 年 月 日."""
    data = sheet_data(sheet)
    values = {row.name: row.value for row in sheet_rows(sheet)}
    day = sheet.issued_on
    return values | {
        "id_type_en": sheet.id_type_words.en,
        "occupation_code": sheet.occupation_code,
        "level_en": sheet.level_en,
        "agency": sheet.agency_name_zh,
        "agency_en": sheet.agency_name_en,
        "issued_on": f"{day.year}年{day.month}月{day.day}日",
        "issued_year": str(day.year),
        "issued_month": str(day.month),
        "issued_day": str(day.day),
        "copy": f"第{sheet.copy_number}份",
        "host": sheet.host,
        "scan_code": str(data["code"]),
    }


def default_calibration(press: Press, sheet: Sheet) -> Calibration:
    """A first file for blanks that look like the sheet's own form: each field where the form has it.

    Raises:
        BadDocument, Invalid: as `Press.render_pdf`.
    """
    names = overprint_values(sheet).keys() | {"qr", "photo"}
    boxes = [box for box in press.field_boxes(sheet) if box.name in names]
    spots = {box.name: Spot(round(box.x, 1), round(box.y, 1), round(box.width, 1)) for box in boxes}
    portrait = press.templates.get(sheet.template, sheet.kind).orientation == "portrait"
    width, height = (210.0, 297.0) if portrait else (297.0, 210.0)
    return Calibration(spots, width, height)


def render_overprint(press: Press, sheet: Sheet, calibration: Calibration) -> bytes:
    """A PDF with the data alone, to be printed into a blank at 100 %; fields that the sheet lacks stay empty.

    Raises:
        BadDocument: as `Press.render_pdf`, or a text does not fit the width its field has.
        Invalid: a stand-in's picture cannot be used.
    """
    values = overprint_values(sheet) | {"qr": "", "photo": ""}
    named = {name: spot for name, spot in calibration.fields.items() if name in values}
    return press.render_form("overprint", sheet, _inputs(calibration, named, values), "pdf")


def render_calibration_sheet(press: Press, calibration: Calibration) -> bytes:
    """A PDF of millimetre rulers along two edges and a cross at every field's place, shift and scale applied.

    Raises:
        BadDocument: the sheet cannot be typeset.
    """
    inputs = _inputs(calibration, calibration.fields, {})
    return press.render_form("calibration", trial_sheet(Kind.SKILL_LEVEL, "short"), inputs, "pdf")


def _inputs(calibration: Calibration, spots: Mapping[str, Spot], values: Mapping[str, str]) -> dict[str, str]:
    """The calibration as the templates take it, places in their final millimetres."""
    places = [
        msgspec.structs.asdict(spot)
        | {
            "name": name,
            "value": values.get(name, ""),
            "x": f"{spot.x_mm:.1f}",
            "y": f"{spot.y_mm:.1f}",
            "x_mm": calibration.shift_x_mm + calibration.scale_x * spot.x_mm,
            "y_mm": calibration.shift_y_mm + calibration.scale_y * spot.y_mm,
        }
        for name, spot in spots.items()
    ]
    data = {
        "width_mm": calibration.width_mm,
        "height_mm": calibration.height_mm,
        "crop_marks": calibration.crop_marks,
        "spots": places,
        "note": NOTE,
    }
    return {"calibration": msgspec.json.encode(data).decode()}


def _refuse(why: str) -> BadDocument:
    return BadDocument(Words(f"校准文件不可用：{why}", f"The calibration file cannot be used: {why}"))
