"""PDFs that people bring: the codes in them, what they visibly say, and whether that is what was signed.

A text layer can say one thing and the page show another. So text counts only where there is ink, and the strongest
check does not read at all: our rendering is deterministic, hence the page that was brought and the page made anew
from the signed record must be the same picture, field by field.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise
from typing import Final

import msgspec
from PIL import Image, ImageChops

from verify.certificate.record import Kind
from verify.documents.pdfium import POINT_MM, Mark, Opened, Page, open_pdfs
from verify.documents.press import Box, Press
from verify.documents.qr import find_codes
from verify.documents.sheet import WORDING, Sheet, sheet_rows
from verify.errors import Unreadable, Words

SCAN_DPI: Final = 220.0
COMPARE_DPI: Final = 150.0
ATTACHMENT_DPI: Final = 10.0
"""The pages do not matter then."""
MIN_CONTRAST: Final = 40
"""Grey levels between the darkest and the lightest pixel of a character that can be seen."""
SAME: Final = 40
"""Grey levels two renderings of one file may differ by; they are in fact equal."""
MIN_PIXELS: Final = 4
"""Differing pixels that make a difference; a full stop at 7 pt has more."""
BLANK: Final = 0.12
"""Ems between two characters that make a blank."""
MARGIN_MM: Final = 0.8
"""Around a field: ascenders reach beyond the box that was measured."""


class Line(msgspec.Struct, frozen=True):
    """A run of visible text; millimetres from the upper left corner of its page."""

    page: int
    """From 0."""
    text: str
    x: float
    y: float
    width: float
    height: float
    size: float
    """Font size of its first character, points."""


class FaceText(msgspec.Struct, frozen=True):
    """What a page of ours visibly says, by field; None where the label or the value is not there."""

    title: str | None = None
    name: str | None = None
    id_type: str | None = None
    id_number: str | None = None
    occupation: str | None = None
    work_type: str | None = None
    level: str | None = None
    number: str | None = None
    blank_serial: str | None = None
    remark: str | None = None


class Difference(msgspec.Struct, frozen=True):
    """One place where what was brought is not what was signed."""

    field: str
    """Name of a `Box`, `page` for the sheet as a whole, `elsewhere` for outside all fields."""
    detail: Words
    pixels: int = 0
    """Differing pixels at 150 dpi; 0 if texts were compared."""
    box: Box | None = None


FIELDS: Final = {
    "name": Words("姓名", "name"),
    "id_type": Words("证件类型", "type of identity document"),
    "id_number": Words("证件号码", "identity number"),
    "occupation": Words("职业", "occupation"),
    "work_type": Words("工种", "work type"),
    "level": Words("等级", "level"),
    "number": Words("证书编号", "certificate number"),
    "blank_serial": Words("印制流水码", "printing serial"),
    "remark": Words("备注", "remark"),
    "photo": Words("照片", "photograph"),
    "qr": Words("二维码", "QR code"),
    "agency": Words("颁发机构", "issuing agency"),
    "issued_on": Words("颁发日期", "date of issue"),
    "copy": Words("份次", "copy"),
    "body": Words("正文", "wording"),
    "title": Words("证书名称", "title"),
}
"""What people call the fields; `name` first."""
LABELS: Final = {
    "姓名": "name",
    "证件类型": "id_type",
    "证件号码": "id_number",
    "职业名称": "occupation",
    "工种/职业方向": "work_type",
    "职业技能等级": "level",
    "资格等级": "level",
    "证书编号": "number",
    "印制流水码": "blank_serial",
    "备注": "remark",
}
_TITLES: Final = {WORDING[kind].title.zh for kind in Kind}


def read_pdf_codes(pdf: bytes) -> list[str]:
    """The text of every QR code that the first four pages show, each once, at most 8; untrusted.

    Raises:
        Unreadable: the PDF is refused (see `open_pdfs`) or shows no QR code.
    """
    (opened,) = open_pdfs([pdf], SCAN_DPI)
    found = [text for page in opened.pages for text in find_codes(_picture(page))]
    if not found:
        raise Unreadable(Words("PDF 中没有可识别的二维码。", "No QR code can be read in this PDF."))
    return list(dict.fromkeys(found))[:8]


def read_attachments(pdf: bytes) -> dict[str, bytes]:
    """The files inside a PDF by name, the first of each name: the credential and the signed record of ours; untrusted.

    Raises:
        Unreadable: see `open_pdfs`.
    """
    (opened,) = open_pdfs([pdf], ATTACHMENT_DPI)
    return dict(reversed(opened.attachments))


class Brought(msgspec.Struct, frozen=True):
    """All that one look at a PDF gives; untrusted."""

    codes: tuple[str, ...]
    """The text of every QR code on the first four pages, each once, at most 8."""
    face: FaceText
    attachments: dict[str, bytes]
    page_count: int


def look_at(pdf: bytes) -> Brought:
    """Codes, visible face and attachments in one go: a third of the cost of asking for each.

    Raises:
        Unreadable: see `open_pdfs`.
    """
    (opened,) = open_pdfs([pdf], SCAN_DPI)
    codes = dict.fromkeys(text for page in opened.pages for text in find_codes(_picture(page)))
    return Brought(
        tuple(codes)[:8], _face(_lines(opened)), dict(reversed(opened.attachments)), opened.page_count
    )


def visible_text(pdf: bytes) -> list[Line]:
    """The text of the first four pages in the order of the file, only where there is ink to be seen.

    Raises:
        Unreadable: see `open_pdfs`.
    """
    (opened,) = open_pdfs([pdf], COMPARE_DPI)
    return _lines(opened)


def face_on_page(pdf: bytes) -> FaceText:
    """What the first page says, found by the labels of our own forms: a value stands right of its label.

    Raises:
        Unreadable: see `open_pdfs`.
    """
    return _face(visible_text(pdf))


def _face(found_lines: Sequence[Line]) -> FaceText:
    lines = [line for line in found_lines if line.page == 0]
    labels = sorted((line for line in lines if line.text in LABELS), key=lambda line: line.y)
    found: dict[str, str] = {}
    for label, after in pairwise([*labels, None]):
        if label is not None:
            end = after.y if after is not None and after.y > label.y else label.y + 30
            found.setdefault(LABELS[label.text], _value(label, end, lines))
    titles = [text for text in ("".join(line.text.split()) for line in lines) if text in _TITLES]
    return FaceText(title=titles[0] if titles else None, **{k: v for k, v in found.items() if v})


def _value(label: Line, end: float, lines: Sequence[Line]) -> str:
    """The lines right of a label and above the next, until the small print below the value."""
    reach = [
        line
        for line in lines
        if label.x + 20 < line.x < label.x + 130 and label.y - 2.5 < line.y + line.height / 2 < end - 0.5
    ]
    value: list[Line] = []
    for line in sorted(reach, key=lambda line: (round(line.y, 1), line.x)):
        if value and (line.size < value[0].size - 0.4 or line.text.startswith("职业编码 Code")):
            break
        value.append(line)
    return "".join(line.text for line in value)


def face_differences(face: FaceText, sheet: Sheet) -> list[Difference]:
    """Where the visible text is not that of the signed record, blanks disregarded."""
    wrong = []
    for row in sheet_rows(sheet):
        seen = getattr(face, row.name)
        if "".join((seen or "").split()) != "".join(row.value.split()):
            wrong.append(_different(row.name))
    return wrong


def compare_with_rendering(
    brought: bytes, sheet: Sheet, press: Press, skip: Collection[str] = ()
) -> list[Difference]:
    """The fields in which a PDF looks different from the page made anew from the signed record; empty: the same.

    Anything drawn over a field later (object, annotation, form field, incremental update) shows. Fields in `skip`
    are not compared: what the signed record does not hold (`photo`, `id_number`) must be named there, and the sheet
    must have it in the same number of lines. Only for files of the press itself, signed or not, in the same release
    of the form; a scan or a re-printed PDF differs everywhere.

    Raises:
        Unreadable: see `open_pdfs`.
        BadDocument, Invalid: the sheet cannot be printed.
    """
    theirs, ours = open_pdfs([brought, press.render_pdf(sheet)], COMPARE_DPI)
    if theirs.page_count != 1 or _shape(theirs.pages[0]) != _shape(ours.pages[0]):
        return [
            Difference(
                "page",
                Words(
                    "页数或页面尺寸与签发时不同。", "The number or size of pages is not that of the original."
                ),
            )
        ]
    changed = ImageChops.difference(_picture(theirs.pages[0]), _picture(ours.pages[0])).point(
        lambda value: 255 if value > SAME else 0
    )
    return list(_by_field(changed, press.field_boxes(sheet), skip))


def _by_field(changed: Image.Image, boxes: Sequence[Box], skip: Collection[str]) -> Iterator[Difference]:
    for box in boxes:
        edges = _pixels(box)
        count = changed.crop(edges).histogram()[255]
        if count >= MIN_PIXELS and box.name not in skip:
            yield msgspec.structs.replace(_different(box.name), pixels=count, box=box)
    for box in boxes:
        changed.paste(0, _pixels(box))
    count, rest = changed.histogram()[255], changed.getbbox()
    if count >= MIN_PIXELS and rest:
        left, top, right, bottom = (edge / COMPARE_DPI * 25.4 for edge in rest)
        yield Difference(
            "elsewhere",
            Words("页面其他位置被改动。", "The page was changed outside its fields."),
            count,
            Box("elsewhere", left, top, right - left, bottom - top),
        )


def _different(field: str) -> Difference:
    what = FIELDS.get(field, Words(field, field))
    return Difference(
        field,
        Words(
            f"页面上的{what.zh}不是签名记录中的{what.zh}。",
            f"The {what.en} on the page is not the {what.en} that was signed.",
        ),
    )


def _pixels(box: Box) -> tuple[int, int, int, int]:
    scale = COMPARE_DPI / 25.4
    return (
        max(0, int((box.x - MARGIN_MM) * scale)),
        max(0, int((box.y - MARGIN_MM) * scale)),
        int((box.x + box.width + MARGIN_MM) * scale) + 1,
        int((box.y + box.height + MARGIN_MM) * scale) + 1,
    )


def _shape(page: Page) -> tuple[int, int]:
    return page.columns, page.rows


def _picture(page: Page) -> Image.Image:
    return Image.frombytes("L", _shape(page), page.grey)


def _lines(opened: Opened) -> list[Line]:
    found: list[Line] = []
    for number, page in enumerate(opened.pages):
        found += (_line(number, run) for run in _runs(page))
    return found


def _runs(page: Page) -> Iterator[list[Mark]]:
    """The visible characters, line by line; a blank joins only what it stands between."""
    picture = _picture(page)
    run: list[Mark] = []
    for mark in page.marks:
        if mark.text.isspace() or not _seen(mark, picture, page):
            continue
        if run and not _follows(run[-1], mark):
            yield run
            run = []
        gap = run and mark.x - run[-1].x - run[-1].width > BLANK * mark.size * POINT_MM
        run.append(msgspec.structs.replace(mark, text=" " + mark.text) if gap else mark)
    if run:
        yield run


def _follows(last: Mark, mark: Mark) -> bool:
    """Whether a mark goes on in the same line."""
    gap = mark.x - last.x - last.width
    tall = max(mark.height, last.height, 0.5)
    level = abs(mark.y + mark.height / 2 - last.y - last.height / 2)
    return (
        level < 0.3 * tall
        and abs(mark.size - last.size) < 0.4
        and mark.x > last.x - 0.05
        and gap < 0.8 * tall
    )


def _seen(mark: Mark, picture: Image.Image, page: Page) -> bool:
    """Whether there is ink where the text layer has a character: in its middle, unless it is a point or a dash."""
    across, down = page.columns / page.width_mm, page.rows / page.height_mm
    trim = 0.3 * mark.height if mark.text.isalnum() else 0.0
    edges = (
        max(0, int(mark.x * across)),
        max(0, int((mark.y + trim) * down)),
        min(page.columns, int((mark.x + mark.width) * across) + 2),
        min(page.rows, int((mark.y + mark.height - trim) * down) + 1),
    )
    if edges[0] >= edges[2] or edges[1] >= edges[3]:
        return False
    darkest, lightest = picture.crop(edges).getextrema()
    return (
        isinstance(darkest, int | float)
        and isinstance(lightest, int | float)
        and (lightest - darkest >= MIN_CONTRAST)
    )


def _line(page: int, run: list[Mark]) -> Line:
    left, right = run[0].x, max(mark.x + mark.width for mark in run)
    top, bottom = min(mark.y for mark in run), max(mark.y + mark.height for mark in run)
    text = "".join(mark.text for mark in run).strip()
    return Line(page, text, left, top, right - left, bottom - top, run[0].size)
