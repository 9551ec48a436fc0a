"""The QR code: what it says, how it is drawn, and how one is read from a stranger's picture.

Content: `HTTPS://HOST/V/<16-character scan code>#<digits of the signed token>`. The address is upper
case (alphanumeric mode, 5.5 bits a character), `#` is one byte, the token is numeric (3.3 bits a digit). What
stands behind `#` never leaves the phone that scans it. Level M, ISO/IEC 18004; nothing leaves undecoded.
"""

import io
import math
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec
import qrcode
import zxingcpp
from PIL import Image, ImageChops, ImageFilter, ImageOps
from qrcode.constants import ERROR_CORRECT_M
from qrcode.exceptions import DataOverflowError
from qrcode.util import QRData

from verify.documents.picture import SCAN_LIMITS, PictureLimits, open_picture
from verify.errors import BadDocument, Unreadable, Words

QUIET_ZONE: Final = 4
"""Modules of white on every side, ISO/IEC 18004 § 6.3.8."""
MAX_VERSION: Final = 12
"""Above it the modules are too fine for a phone at reading distance; every normal code is 10 or less."""
MASKS: Final = (3, 0, 1, 2, 4, 5, 6, 7)
"""Mask 3 first: any mask is legal, and trying all eight would cost seven eighths of the time."""
PRINT_DPI: Final = 300
PRINT_SPAN_MM: Final = 28.0
"""The square on the certificate that code and quiet zone must fit."""
NUMERIC: Final = 1
ALPHANUMERIC: Final = 2
BYTE: Final = 4
"""Mode indicators, ISO/IEC 18004 table 2."""
MAX_TEXT: Final = 4_096
"""Characters of one decoded symbol that are handed on; a QR code holds at most 7 089."""

VIEW_BUDGET: Final = 28_000_000
"""Pixels that are searched in one picture, all views together; three seconds at the very worst, 25 ms normally."""

_QR_ONLY: Final = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])
_ALPHANUMERIC: Final = re.compile(rb"[0-9A-Z $%*+\-./:]+")
_WITH_TOKEN: Final = re.compile(rb"([^#]+)#([0-9]+)")
_RUN: Final = re.compile(r"M(\d+) (\d+)h(\d+)")


class QrCode(msgspec.Struct, frozen=True):
    """A finished symbol. Made only by `make_qr`, so what it holds has been decoded once."""

    content: str
    version: int
    """1 to 12; the side is 17 + 4 × version modules."""
    mask: int
    rows: tuple[bytes, ...]
    """Top to bottom, one byte a module: 1 dark, 0 light; no quiet zone."""

    @property
    def side(self) -> int:
        """Modules across, without the quiet zone."""
        return len(self.rows)

    @property
    def span(self) -> int:
        """Modules across, with the quiet zone."""
        return len(self.rows) + 2 * QUIET_ZONE

    def dots(self, dpi: float = PRINT_DPI) -> int:
        """Whole dots (or pixels) per module at `dpi` so that code and quiet zone fit 28 mm."""
        return int(PRINT_SPAN_MM * dpi / 25.4) // self.span

    def width_mm(self, dpi: float = PRINT_DPI) -> float:
        """Millimetres across, quiet zone included, for whole dots at `dpi`; 28 where not one dot fits."""
        return self.span * self.dots(dpi) * 25.4 / dpi or PRINT_SPAN_MM


def qr_content(public_url: str, scan_code: str, token_digits: str | None = None) -> str:
    """What the QR code of a copy says.

    `public_url` is `https://host`, or `http://host:port` for a local demonstration. Scheme and host
    know no case and become upper case; a path does know case and stays as it is (byte mode, a larger symbol).

    Raises:
        BadDocument: the address has no host, or carries a query, fragment, user or non-ASCII character; or
            the token is not digits.
    """
    parts = urlsplit(public_url)
    odd = parts.query or parts.fragment or "@" in parts.netloc or not public_url.isascii()
    if parts.scheme not in ("http", "https") or not parts.hostname or odd:
        raise BadDocument(
            Words(
                f"公开网址不可用于二维码：{public_url}",
                f"This public address cannot go into a QR code: {public_url}",
            ),
            hint="set VERIFY_PUBLIC_URL to https://<host>",
        )
    if token_digits is not None and not (token_digits.isascii() and token_digits.isdigit()):
        raise BadDocument(Words("令牌只能由数字组成。", "The token must be digits only."))
    host = f"{parts.scheme}://{parts.netloc}".upper()
    address = f"{host}{parts.path.rstrip('/')}/V/{scan_code}"
    return address if token_digits is None else f"{address}#{token_digits}"


@lru_cache(maxsize=64)
def make_qr(content: str) -> QrCode:
    """Draw the symbol at level M and decode it again.

    The last few are remembered: one copy's code is asked for as PNG, SVG and on the page.

    Raises:
        BadDocument: not ASCII, longer than version 12 holds, or no mask gives a symbol that decodes.
    """
    segments = _segments(content)
    for mask in MASKS:
        code = _draw(content, segments, mask)
        if _decodes(code.rows, content):
            return code
    raise unreadable_again()


def _segments(content: str) -> list[QRData]:
    """Alphanumeric address, byte `#`, numeric token; anything else goes into one byte segment."""
    if not content.isascii() or not content.isprintable() or not content:
        raise BadDocument(
            Words("二维码内容须为 ASCII 字符。", "The content of the QR code must be printable ASCII.")
        )
    data = content.encode()
    found = _WITH_TOKEN.fullmatch(data)
    address: bytes = found[1] if found else data
    mode: Literal[2, 4] = ALPHANUMERIC if _ALPHANUMERIC.fullmatch(address) else BYTE
    segments = [QRData(address, mode=mode)]
    if found:
        segments += [QRData(b"#", mode=BYTE), QRData(found[2], mode=NUMERIC)]
    return segments


def _draw(content: str, segments: list[QRData], mask: int) -> QrCode:
    symbol = qrcode.QRCode(error_correction=ERROR_CORRECT_M, mask_pattern=mask)
    for segment in segments:
        symbol.add_data(segment, optimize=0)
    try:
        version = symbol.best_fit()
    except (DataOverflowError, ValueError):
        version = MAX_VERSION + 1
    if version > MAX_VERSION:
        raise BadDocument(
            Words(
                "二维码内容过长，手机无法可靠扫描。",
                "The QR content is too long for a phone to read reliably.",
            ),
            hint="use a shorter VERIFY_PUBLIC_URL",
        )
    symbol.make(fit=False)
    return QrCode(content, version, mask, tuple(bytes(map(bool, row)) for row in symbol.modules))


def _picture(rows: tuple[bytes, ...], dots: int) -> Image.Image:
    """Black on white, quiet zone included, `dots` pixels a module."""
    side = len(rows)
    ink = b"".join(rows).translate(bytes((255, 0)) + bytes(254))
    page = Image.new("L", (side + 2 * QUIET_ZONE,) * 2, 255)
    page.paste(Image.frombytes("L", (side, side), ink), (QUIET_ZONE, QUIET_ZONE))
    return page.resize((page.width * dots,) * 2, Image.Resampling.NEAREST)


def _decodes(rows: tuple[bytes, ...], content: str) -> bool:
    return _texts(_picture(rows, 3)) == [content]


def shows_code(png: bytes, content: str) -> bool:
    """Whether a picture of our own making shows this code, and no other, to a decoder."""
    return _texts(Image.open(io.BytesIO(png), formats=["PNG"])) == [content]


def _texts(
    picture: Image.Image,
    binarizer: zxingcpp.Binarizer = zxingcpp.Binarizer.LocalAverage,
    *,
    thorough: bool = True,
) -> list[str]:
    """What the library reads; `thorough` also inverted and in its own smaller copies."""
    grey = picture if picture.mode == "L" else picture.convert("L")
    view = memoryview(grey.tobytes()).cast("B", (grey.height, grey.width))
    found = zxingcpp.read_barcodes(
        view,
        formats=_QR_ONLY,
        text_mode=zxingcpp.TextMode.Plain,
        binarizer=binarizer,
        try_downscale=thorough,
        try_invert=thorough,
    )
    return list(dict.fromkeys(symbol.text for symbol in found if symbol.valid))


def module_pixels(picture: Image.Image, code: QrCode) -> float:
    """Pixels a module of this code where it stands in a picture; 0 if it is not there."""
    for symbol in zxingcpp.read_barcodes(picture, formats=_QR_ONLY, text_mode=zxingcpp.TextMode.Plain):
        if symbol.text == code.content:
            left, right = symbol.position.top_left, symbol.position.top_right
            return math.dist((left.x, left.y), (right.x, right.y)) / code.side
    return 0.0


def unreadable_again() -> BadDocument:
    """The error for a code that was drawn and does not read."""
    return BadDocument(
        Words(
            "生成的二维码无法读回，已停止输出。", "The QR code drawn does not read back; it was not let out."
        )
    )


def render_qr_png(content: str, *, dots_per_module: int = 5, dpi: int = PRINT_DPI) -> bytes:
    """A 1-bit PNG, `dots_per_module` pixels a module, quiet zone included, its true size in `pHYs`.

    The finished file is opened and decoded before it leaves; same input, same bytes.

    Raises:
        BadDocument: see `make_qr`; or `dots_per_module` is outside 1 to 40.
    """
    if not 1 <= dots_per_module <= 40:
        raise BadDocument(Words("每个模块须为 1 至 40 个点。", "A module must be 1 to 40 dots."))
    out = io.BytesIO()
    picture = _picture(make_qr(content).rows, dots_per_module).convert("1", dither=Image.Dither.NONE)
    picture.save(out, "PNG", dpi=(dpi, dpi), compress_level=6)
    data = out.getvalue()
    if not shows_code(data, content):
        raise unreadable_again()
    return data


def render_qr_svg(content: str) -> str:
    """An SVG of one path, one horizontal run of dark modules per step, sized for print at 300 dpi.

    The path is read back into modules and decoded before it leaves; same input, same text.

    Raises:
        BadDocument: see `make_qr`.
    """
    code = make_qr(content)
    size = f"{code.width_mm():.3f}mm"
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size}" '
        f'viewBox="0 0 {code.span} {code.span}" shape-rendering="crispEdges">'
        f'<path fill="#fff" d="M0 0h{code.span}v{code.span}H0z"/><path d="{_runs(code.rows)}"/></svg>\n'
    )
    if not _decodes(_rows_of(svg, code.side), content):
        raise unreadable_again()
    return svg


def _runs(rows: tuple[bytes, ...]) -> str:
    steps: list[str] = []
    for y, row in enumerate(rows, QUIET_ZONE):
        for run in re.finditer(rb"\x01+", row):
            width = run.end() - run.start()
            steps.append(f"M{run.start() + QUIET_ZONE} {y}h{width}v1h-{width}z")
    return "".join(steps)


def _rows_of(svg: str, side: int) -> tuple[bytes, ...]:
    """The modules that the runs of an SVG paint."""
    rows = [bytearray(side) for _ in range(side)]
    for x, y, width in (map(int, run) for run in _RUN.findall(svg.rpartition("<path")[2])):
        rows[y - QUIET_ZONE][x - QUIET_ZONE : x - QUIET_ZONE + width] = b"\x01" * width
    return tuple(map(bytes, rows))


def render_qr_terminal(content: str, *, colour: bool = False) -> str:
    """Two modules a character, quiet zone included.

    With `colour` (the output is a terminal) each line sets black on white from the fixed part of the
    256-colour palette, so it reads the same on dark and light terminals. Without, light modules are solid
    blocks: right on dark terminals, inverted on light ones, which most scanners still read.

    Raises:
        BadDocument: see `make_qr`.
    """
    code = make_qr(content)
    rows = _framed(code)
    marks = " ▄▀█" if colour else "█▀▄ "  # indexed by 2 × upper dark + lower dark
    lines = [
        "".join(marks[2 * a + b] for a, b in zip(*pair, strict=True))
        for pair in zip(*[iter(rows)] * 2, strict=True)
    ]
    if not _decodes(_rows_from(lines, marks, code.side), content):
        raise unreadable_again()
    if colour:
        lines = [f"\x1b[38;5;16;48;5;231m{line}\x1b[0m" for line in lines]
    return "\n".join(lines) + "\n"


def _framed(code: QrCode) -> list[bytes]:
    """The rows with quiet zone, one light row more to make them even."""
    blank = bytes(code.span)
    edge = bytes(QUIET_ZONE)
    rows = [blank] * QUIET_ZONE + [edge + row + edge for row in code.rows] + [blank] * QUIET_ZONE
    return rows + [blank] * (len(rows) % 2)


def _rows_from(lines: list[str], marks: str, side: int) -> tuple[bytes, ...]:
    """The modules that the characters of a terminal show."""
    rows: list[bytes] = []
    for line in lines:
        pairs = [marks.index(mark) for mark in line[QUIET_ZONE : QUIET_ZONE + side]]
        rows += [bytes(pair >> 1 for pair in pairs), bytes(pair & 1 for pair in pairs)]
    return tuple(rows[QUIET_ZONE : QUIET_ZONE + side])


def read_qr(data: bytes, limits: PictureLimits = SCAN_LIMITS) -> list[str]:
    """The text of every QR code in an uploaded PNG or JPEG, each once, at most 8.

    Made for photos and screenshots of a paper certificate: skewed, blurred, badly lit. Bounded in bytes, pixels
    and scans before decoding, in work after; the texts are untrusted.

    Raises:
        Unreadable: the picture is refused (see `open_picture`) or shows no QR code.
    """
    texts = find_codes(open_picture(data, limits))
    if not texts:
        raise Unreadable(
            Words(
                "图片中没有可识别的二维码，请靠近并对准后重拍。",
                "No QR code can be read in this picture; come closer and try again.",
            )
        )
    return texts


def find_codes(picture: Image.Image) -> list[str]:
    """The codes of a picture, in the first of ever more patient views that shows any; empty if none does.

    No more than `VIEW_BUDGET` pixels are looked at, whatever the picture.
    """
    grey = picture if picture.mode == "L" else picture.convert("L")
    budget = VIEW_BUDGET
    for number, (view, binarizer) in enumerate(_views(grey)):
        budget -= view.width * view.height
        if budget < 0:
            break
        found = _texts(view, binarizer, thorough=number == 0)
        texts = [text for text in found if 0 < len(text) <= MAX_TEXT]
        if texts:
            return texts[:8]
    return []


def _views(grey: Image.Image) -> Iterator[tuple[Image.Image, zxingcpp.Binarizer]]:
    """Small first, which is quick and takes blur and moiré out; as it is; larger, for fine modules; then lit evenly
    and sharpened, cut locally and at the middle."""
    local, overall = zxingcpp.Binarizer.LocalAverage, zxingcpp.Binarizer.GlobalHistogram
    side = max(grey.size)
    if side > 2_400:
        yield _scaled(grey, 2_000 / side), local
    yield grey, local
    even = lit_evenly(grey if side <= 2_400 else _scaled(grey, 0.7))
    sharp = even.filter(ImageFilter.UnsharpMask(radius=2, percent=200, threshold=0))
    yield even, local
    yield sharp, local
    if side <= 2_400:
        yield _scaled(grey, 2.0 if side <= 1_300 else 0.5), local
        yield _scaled(sharp, 2.0 if side <= 1_300 else 1.5), local
    yield even, overall
    yield even.filter(ImageFilter.MedianFilter(3)), local


def _scaled(picture: Image.Image, factor: float) -> Image.Image:
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    return picture.resize(size, Image.Resampling.LANCZOS if factor > 1 else Image.Resampling.BOX)


def lit_evenly(grey: Image.Image) -> Image.Image:
    """Shadow and glare taken out: each pixel against the paper around it, stretched to full contrast."""
    radius = max(8, max(grey.size) // 24)
    around = grey.resize((max(1, grey.width // 4), max(1, grey.height // 4)), Image.Resampling.BOX)
    paper = around.filter(ImageFilter.BoxBlur(radius / 4)).resize(grey.size, Image.Resampling.BILINEAR)
    return ImageOps.autocontrast(ImageChops.subtract(grey, paper, scale=1.0, offset=128), cutoff=1)
