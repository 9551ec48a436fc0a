"""The scannability gate: does the code of a form survive what happens to paper?

A form's page is printed with short, typical and the longest data; the code with its surroundings is cut out and
put through blur, a weak camera, turning, tilting, a tear, stains, glare, grey paper, JPEG, a photocopier, and a photo
of a screen, each at a stated strength. Pillow only, no randomness: the same form gets the same report anywhere.
"""

import datetime as dt
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from verify.certificate.record import CopyCause, Kind
from verify.documents.press import Press
from verify.documents.qr import PRINT_DPI, find_codes, make_qr, module_pixels, qr_content
from verify.documents.sheet import Sheet
from verify.documents.templates import GateRecord, Template, vocabulary_sha256
from verify.errors import Words

PAPER: Final = 236
"""Grey of white paper in a photo."""
MARGIN_MM: Final = 5.0
"""Of the form's own print that is left around the code."""
MANDATORY: Final = frozenset(
    (
        *("name", "id_type", "id_number", "occupation", "work_type", "level", "number"),
        *("photo", "qr", "agency", "issued_on", "body", "copy"),
    )
)
"""What every form must print: 人社鉴发〔2021〕1号 二(一); `copy` stands for the block with the query addresses."""
MIN_MODULE_MM: Final = 0.33
"""Four dots of a 300 dpi printer; below, office printers and phones begin to fail."""
OTHERS_SHARE: Final = 0.6
"""Share of the pictures that a decoder other than the required one has to read: phones differ, ours is the floor."""

Distort = Callable[[Image.Image, float], Image.Image]
"""A grey picture and its pixels a module in; what a camera sees out."""


class Decoder(msgspec.Struct, frozen=True):
    """A program that reads QR codes."""

    name: str
    read: Callable[[Image.Image], Sequence[str]]
    required: bool = True
    """Whether it must read every picture; else the undamaged one, and 60 % of all."""


class Damage(msgspec.Struct, frozen=True):
    """One thing that happens to paper."""

    name: Words
    strength: str
    distort: Distort


class GateRow(msgspec.Struct, frozen=True):
    """One picture, one decoder."""

    length: str
    """Of the data: `short`, `typical`, `longest`."""
    version: int
    """Of the symbol."""
    module_mm: float
    """Side of one module as it was found on the undamaged page; 0 if the code was not found."""
    damage: Words
    strength: str
    decoder: str
    required: bool
    read: bool


class GateReport(msgspec.Struct, frozen=True):
    """All rows of one form, and what its page lacks."""

    template: Template
    rows: tuple[GateRow, ...]
    missing: tuple[str, ...]
    """Mandatory items that the form does not print."""

    @property
    def passed(self) -> bool:
        """Whether the form may be used."""
        fine = all(row.module_mm >= MIN_MODULE_MM for row in self.rows)
        complete = not self.missing and bool(self.rows)
        return complete and fine and all(self._holds(name) for name in self._decoders())

    def table(self) -> tuple[tuple[str, ...], ...]:
        """The report as text cells, the heads first, one line a length, damage and strength."""
        decoders = self._decoders()
        cells: dict[tuple[str, ...], dict[str, str]] = {}
        for row in self.rows:
            key = (row.length, str(row.version), f"{row.module_mm:.3f}", f"{row.damage.zh} {row.damage.en}")
            cells.setdefault((*key, row.strength), {})[row.decoder] = "yes" if row.read else "no"
        head = ("data", "version", "mm/module", "damage", "strength", *decoders)
        return (head, *((*key, *(read[name] for name in decoders)) for key, read in cells.items()))

    def record(self) -> GateRecord:
        """What is written beside the template; see `templates.record_path`."""
        return GateRecord(
            template=self.template.name,
            template_sha256=self.template.sha256,
            vocabulary_sha256=vocabulary_sha256(),
            passed=self.passed,
            rows=self.table(),
        ).sealed()

    def _decoders(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.decoder for row in self.rows))

    def _holds(self, decoder: str) -> bool:
        rows = [row for row in self.rows if row.decoder == decoder]
        undamaged = all(row.read for row in rows if row.damage == DAMAGES[0].name)
        share = sum(row.read for row in rows) / len(rows)
        return undamaged and share >= (1.0 if rows[0].required else OTHERS_SHARE)


ZXING: Final = Decoder("zxing-cpp", find_codes)
"""The reader of this product, with its patient views; always there."""


def run_gate(
    press: Press,
    template: Template,
    decoders: Sequence[Decoder] = (ZXING,),
    lengths: Sequence[str] = ("short", "typical", "longest"),
) -> GateReport:
    """Print, damage and read the codes of one form; some seconds.

    Raises:
        BadDocument: the form cannot be typeset with one of the trial sheets.
    """
    rows: list[GateRow] = []
    missing: set[str] = set()
    for length in lengths:
        for kind in sorted(template.kinds, key=lambda kind: kind.value):
            sheet = trial_sheet(kind, length)
            missing |= MANDATORY - {box.name for box in press.field_boxes(sheet, template)}
            if "qr" not in missing and kind is min(template.kinds, key=lambda kind: kind.value):
                rows += _try(press, template, sheet, length, decoders)
    return GateReport(template, tuple(rows), tuple(sorted(missing)))


def _try(
    press: Press, template: Template, sheet: Sheet, length: str, decoders: Sequence[Decoder]
) -> Iterator[GateRow]:
    code = make_qr(sheet.qr_content)
    dots = code.dots(PRINT_DPI)
    corner = _corner(press, template, sheet)
    module_mm = module_pixels(corner, code) * 25.4 / PRINT_DPI
    for damage in DAMAGES:
        seen = damage.distort(corner, dots)
        for decoder in decoders:
            read = list(decoder.read(seen)) == [sheet.qr_content]
            yield GateRow(
                length,
                code.version,
                module_mm,
                damage.name,
                damage.strength,
                decoder.name,
                decoder.required,
                read,
            )


def _corner(press: Press, template: Template, sheet: Sheet) -> Image.Image:
    """The printed code with what stands around it, at 300 dpi."""
    page = Image.open(io.BytesIO(press.render_trial(sheet, template, PRINT_DPI))).convert("L")
    box = next(box for box in press.field_boxes(sheet, template) if box.name == "qr")
    scale = PRINT_DPI / 25.4
    edges = (
        max(0.0, box.x - MARGIN_MM) * scale,
        max(0.0, box.y - MARGIN_MM) * scale,
        (box.x + box.width + MARGIN_MM) * scale,
        (box.y + box.height + MARGIN_MM) * scale,
    )
    left, top, right, bottom = (round(edge) for edge in edges)
    return page.crop((left, top, min(right, page.width), min(bottom, page.height)))


def trial_sheet(kind: Kind, length: str) -> Sheet:
    """A synthetic sheet of that kind: `short`, `typical` or `longest` data; codes of version 3, 9 and 10.

    Area 99 of the identity number does not exist.
    """
    host = {"short": "zs.example.cn", "typical": "zs.example.cn"}.get(
        length, "zhengshu.verify.example.cn"[-24:]
    )
    digits = {"short": 0, "typical": 310}.get(length, 398)
    token = ("31415926535897932384626433832795" * 13)[:digits] or None
    long = length == "longest"
    skill = kind is Kind.SKILL_LEVEL
    return Sheet(
        kind=kind,
        name={"short": "王明", "typical": "欧阳小明"}.get(length, "阿不都热合曼·买买提吐尔逊" * 4),
        id_type_words=Words("居民身份证", "PRC resident ID card"),
        id_number="990105194912310021",
        occupation_name="贵金属首饰与宝玉石检测员及集成电路装调复合型技术人员" if long else "车工",
        occupation_code="6-18-01-01",
        work_type="无人机驾驶员（植保、巡检、航拍、安防、物流多旋翼及固定翼）" if long else "--",
        level_zh="一级/高级技师" if skill else "高级（国家职业资格三级）",
        level_en="Level 1 / Senior Technician" if skill else "National Vocational Qualification Level 3",
        number="S000035000123261000362" if skill else "2610012003300127",
        issued_on=dt.date(2026, 11, 20),
        agency_name_zh="中国某某装备制造集团有限公司某某省职业技能等级认定中心某某分支机构"
        if long
        else "某某协会",
        agency_name_en="Some Equipment Group Assessment Centre, Some Branch" if long else "",
        copy_number=12 if long else 1,
        cause=CopyCause.CORRECTED if long else CopyCause.ORIGINAL,
        remark="原证书姓名有误，经核实后更正换发，原件已收回。" if long else None,
        blank_serial="NO.20260000012345" if long else None,
        host=host,
        scan_code="7K3Q9XWMPA2D7K3Q",
        qr_content=qr_content(f"https://{host}", "7K3Q9XWMPA2D7K3Q", token),
        issued_at=dt.datetime(2026, 11, 20, 4, 0, tzinfo=dt.UTC),
    )


# --- what happens to paper: each takes the picture at 300 dpi and its pixels a module -----------------------


def _blur(modules: float) -> Distort:
    return lambda picture, dots: picture.filter(ImageFilter.GaussianBlur(modules * dots))


def _coarse(pixels: float) -> Distort:
    """As a far camera sees it: so many pixels a module."""

    def see(picture: Image.Image, dots: float) -> Image.Image:
        size = (round(picture.width * pixels / dots), round(picture.height * pixels / dots))
        return picture.resize(size, Image.Resampling.BOX)

    return see


def _turn(degrees: float) -> Distort:
    return lambda picture, dots: picture.rotate(
        degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=PAPER
    )


def _tilt(far: float) -> Distort:
    """The far edge appears at `far` of the near edge's width."""

    def see(picture: Image.Image, dots: float) -> Image.Image:
        width, height = picture.size
        h = 1 / far - 1
        shift = -(0.5 - far / 2) / far
        return picture.transform(
            (width, height),
            Image.Transform.PERSPECTIVE,
            (1 / far, -shift * width / height, shift * width, 0, 1 + h, 0, 0, h / height),
            Image.Resampling.BICUBIC,
            fillcolor=PAPER,
        )

    return see


def _tear(share: float) -> Distort:
    """A ragged corner of the code is gone, that of the data, not of a finder."""

    def see(picture: Image.Image, dots: float) -> Image.Image:
        torn = picture.copy()
        side = min(picture.size) - 2 * MARGIN_MM * PRINT_DPI / 25.4 - 8 * dots
        far = [edge - MARGIN_MM * PRINT_DPI / 25.4 - 4 * dots for edge in picture.size]
        cut = side * (2 * share) ** 0.5
        edge = [(far[0] - cut * (1 - i / 8) + (i % 2) * 2 * dots, far[1] - cut * i / 8) for i in range(9)]
        ImageDraw.Draw(torn).polygon(
            [*edge, (picture.width, far[1] - cut), picture.size, (far[0] - cut, picture.height)], fill=PAPER
        )
        return torn

    return see


def _stain(opaque: float) -> Distort:
    """Tea over half the code, and an ink blot on a share `opaque` of it."""

    def see(picture: Image.Image, dots: float) -> Image.Image:
        width, height = picture.size
        tea = Image.new("L", picture.size, 255)
        ImageDraw.Draw(tea).ellipse((0, height * 0.2, width * 0.75, height), fill=140)
        dirty = ImageChops.multiply(picture, tea.filter(ImageFilter.GaussianBlur(2 * dots)))
        radius = (opaque * width * height / 3.14159) ** 0.5
        middle = (width * 0.55, height * 0.5)
        blot = [edge + sign * radius for sign in (-1, 1) for edge in middle]
        ImageDraw.Draw(dirty).ellipse(blot, fill=40)
        return dirty

    return see


def _glare(strength: float) -> Distort:
    """A lamp mirrored in the sheet: in its middle black keeps only 1 − strength of its contrast."""

    def see(picture: Image.Image, dots: float) -> Image.Image:
        width, height = picture.size
        lamp = Image.new("L", picture.size, 0)
        ImageDraw.Draw(lamp).ellipse(
            (width * 0.3, height * 0.25, width * 0.7, height * 0.65), fill=round(255 * strength)
        )
        light = lamp.filter(ImageFilter.GaussianBlur(width / 12))
        return Image.composite(Image.new("L", picture.size, 255), picture, light)

    return see


def _fade(black: int, white: int) -> Distort:
    return lambda picture, dots: picture.point(lambda value: black + (white - black) * value / 255)


def _jpeg(quality: int) -> Distort:
    def see(picture: Image.Image, dots: float) -> Image.Image:
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=quality)
        return Image.open(io.BytesIO(out.getvalue())).convert("L")

    return see


def _photocopy(threshold: int) -> Distort:
    """Black and white only."""
    return lambda picture, dots: picture.filter(ImageFilter.GaussianBlur(0.15 * dots)).point(
        lambda value: 255 if value > threshold else 0
    )


def _screen(pitch: int) -> Distort:
    """Seen through a screen's raster: every `pitch`-th row and column is darker."""

    def see(picture: Image.Image, dots: float) -> Image.Image:
        raster = Image.new("L", picture.size, 255)
        draw = ImageDraw.Draw(raster)
        for at in range(0, picture.width, pitch):
            draw.line((at, 0, at, picture.height), fill=170)
        for at in range(0, picture.height, pitch):
            draw.line((0, at, picture.width, at), fill=200)
        return ImageChops.multiply(picture, raster)

    return see


def _all(*steps: Distort) -> Distort:
    """One after the other."""

    def see(picture: Image.Image, dots: float) -> Image.Image:
        across = picture.width
        for step in steps:
            picture = step(picture, dots * picture.width / across)
        return picture

    return see


DAMAGES: Final = (
    Damage(Words("原样", "undamaged"), "300 dpi", lambda picture, dots: picture),
    Damage(Words("模糊", "blur"), "sigma 0.4 module", _blur(0.4)),
    Damage(Words("低分辨率", "weak camera"), "2.5 pixels/module", _coarse(2.5)),
    Damage(Words("旋转", "turned"), "17 degrees", _turn(17)),
    Damage(Words("旋转", "turned"), "135 degrees", _turn(135)),
    Damage(Words("倾斜", "tilted"), "far edge 70 %", _tilt(0.7)),
    Damage(Words("撕角", "torn corner"), "5 % of the code", _tear(0.05)),
    Damage(Words("污渍", "stained"), "tea over half, ink blot 2 %", _stain(0.02)),
    Damage(Words("反光", "glare"), "75 % of the contrast gone", _glare(0.75)),
    Damage(Words("灰纸", "grey paper"), "black 90, paper 170", _fade(90, 170)),
    Damage(Words("压缩", "JPEG"), "quality 25 at 3 pixels/module", _all(_coarse(3), _jpeg(25))),
    Damage(Words("复印", "photocopy, light"), "threshold 90", _photocopy(90)),
    Damage(Words("复印", "photocopy, dark"), "threshold 190", _photocopy(190)),
    Damage(
        Words("翻拍屏幕", "photo of a screen"),
        "raster 3 pixels, 4 degrees, tilt 90 %, 3 pixels/module, JPEG 50",
        _all(_screen(3), _turn(4), _tilt(0.9), _coarse(3), _fade(30, 225), _jpeg(50)),
    ),
)
"""The first is the undamaged print."""
