"""Stand-ins: the picture of a character that no font has, printed in its place.

Some people's names contain characters without a code point, or only a private one (民委发〔2016〕33号 asks that
they be served all the same). The office supplies a picture of the character with the evidence for it (the identity
document, a police record); what is printed is that picture at the height of the text, never an empty box.
"""

import io
import re
import unicodedata
from functools import lru_cache
from typing import Final, Literal

import msgspec
import typst
from PIL import Image

from verify.documents.glyphs import DESCRIPTIONS, missing_glyphs
from verify.documents.picture import PictureLimits, open_picture
from verify.errors import BadDocument, Fault, Invalid, Unreadable, Words

MAX_MARK: Final = 16
"""Characters of a placeholder: an ideographic description sequence."""
MIN_SIDE: Final = 128
"""Pixels; at 12 pt a character is 4.2 mm, so this is 770 dpi."""
SIDE: Final = 512
"""Pixels of the picture that is kept: 1-bit, some 3 000 dpi at 12 pt."""
MIN_INK: Final = 0.01
MAX_INK: Final = 0.60
MAX_GREY: Final = 0.15
MAX_EDGE: Final = 0.0005
"""Shares of all pixels."""
LIMITS: Final = PictureLimits(
    max_bytes=256 * 1024, max_png_pixels=4_000_000, max_jpeg_pixels=1, wanted_side=1_000
)
_PARTS: Final = {"\u2ff2": 3, "\u2ff3": 3, "\u2ffe": 1, "\u2fff": 1, "\u303e": 1}
"""Parts of description characters that do not take two."""
_PNG_MAGIC: Final = b"\x89PNG"
_PATH: Final = re.compile(r'<path d="([MmLlHhVvCcSsQqTtAaZz0-9eE.,+\-\s]{1,65536})"\s*/>')
_SVG: Final = re.compile(
    r"\s*(?:<\?xml[^<>]{0,100}\?>\s*)?<svg(?:\s+(?:xmlns|width|height|version)=\"[\w:/.%]*\")*"
    r"\s+viewBox=\"([\d.\s-]{7,60})\"(?:\s+(?:xmlns|width|height|version)=\"[\w:/.%]*\")*\s*>"
    r"\s*((?:<path d=\"[^\"<>]{1,65536}\"\s*/>\s*){1,32})</svg>\s*"
)
_RASTER: Final = (
    b"#set page(width: 512pt, height: 512pt, margin: 0pt, fill: white)\n"
    b'#image(bytes(sys.inputs.svg), format: "svg", width: 512pt, height: 512pt, fit: "contain")'
)


class StandIn(msgspec.Struct, frozen=True):
    """One character by its picture. Holds part of a name: treat it like one."""

    mark: str
    """As the register stores it: one character without a glyph (private use, or in no font), or a placeholder
    that begins with an ideographic description character, such as `⿰亻⿱龍天`."""
    picture: bytes
    """The character's square, black on white: a PNG of 128 pixels or more a side, or an SVG of black paths."""
    evidence: str = ""
    """What shows that the character is the holder's; kept by the office, never printed."""


class Glyph(msgspec.Struct, frozen=True):
    """A checked stand-in as the template prints it."""

    mark: str
    format: Literal["png", "svg"]
    picture: str
    """The SVG's text; empty for a PNG."""
    dots: list[int]
    """The PNG's bytes; empty for an SVG."""
    alt: str


def marks_in(text: str) -> list[str]:
    """What of `text` needs a stand-in, each once, in order: whole description sequences, and characters without a glyph."""
    found: list[str] = []
    at = 0
    while at < len(text):
        end = _sequence_end(text, at) if text[at] in DESCRIPTIONS else at + 1
        mark = text[at:end]
        if len(mark) > 1 or missing_glyphs(mark):
            found.append(mark)
        at = end
    return list(dict.fromkeys(found))


def _sequence_end(text: str, at: int) -> int:
    """Where the description sequence that begins at `at` ends: each operator takes its one to three parts (Unicode
    chapter 18.2). A broken one ends with the text."""
    wanted = 1
    while wanted and at < len(text):
        wanted += _PARTS.get(text[at], 2) - 1 if text[at] in DESCRIPTIONS else -1
        at += 1
    return at


def is_placeholder(mark: str) -> bool:
    """Whether `mark` can stand for a character whatever the fonts hold: private use, or a description sequence."""
    lone = len(mark) == 1 and unicodedata.category(mark) == "Co"
    return lone or (1 < len(mark) <= MAX_MARK and mark[0] in DESCRIPTIONS)


@lru_cache(maxsize=32)
def check_stand_in(stand_in: StandIn) -> Glyph:
    """The stand-in ready for print: PNG becomes 512 × 512 black and white, SVG is written anew from its paths.

    Raises:
        Invalid: with one fault at `/stand_ins`: the mark is blank or long, or the picture is unreadable, too
            small, not square, not black on white, empty, or an empty frame.
    """
    mark = stand_in.mark
    if not 1 <= len(mark) <= MAX_MARK or any(part.isspace() for part in mark):
        raise _refuse(
            "stand-in-mark",
            Words("代用字形须对应一个字符或占位符。", "A stand-in stands for one character or placeholder."),
        )
    alt = f"字形图片 picture of {' '.join(f'U+{ord(part):04X}' for part in mark)}"
    if stand_in.picture.startswith(_PNG_MAGIC):
        return Glyph(mark, "png", "", list(_encode(_check(_open(stand_in.picture)))), alt)
    svg = _rewrite(stand_in.picture)
    _check(_rasterise(svg))
    return Glyph(mark, "svg", svg, [], alt)


def _open(data: bytes) -> Image.Image:
    try:
        return open_picture(data, LIMITS).convert("L")
    except Unreadable as refused:
        raise _refuse("stand-in-unreadable", refused.detail) from refused


def _rewrite(data: bytes) -> str:
    """Only a view box and bare paths pass, so no script, link, style, entity or picture can be in the result."""
    found = _SVG.fullmatch(data.decode("utf-8", "replace")) if len(data) <= LIMITS.max_bytes else None
    paths = _PATH.findall(found[2]) if found else []
    if not found or len(paths) != found[2].count("<path"):
        raise _refuse(
            "stand-in-unreadable",
            Words(
                '字形图片须为 PNG，或只含 viewBox 与 <path d="…"/> 的 SVG。',
                'The picture must be a PNG, or an SVG of a viewBox and <path d="…"/> only.',
            ),
        )
    body = "".join(f'<path d="{" ".join(path.split())}"/>' for path in paths)
    box = " ".join(found[1].split())
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}">{body}</svg>'


def _rasterise(svg: str) -> Image.Image:
    compiler = typst.Compiler(_RASTER, font_paths=typst.Fonts(False, False), ignore_system_fonts=True)
    try:
        png = compiler.compile(format="png", ppi=72, sys_inputs={"svg": svg})
    except typst.TypstError as problem:
        raise _refuse(
            "stand-in-unreadable", Words("字形图片无法解析。", "The SVG cannot be drawn.")
        ) from problem
    return Image.open(io.BytesIO(png if isinstance(png, bytes) else b"")).convert("L")


def _check(picture: Image.Image) -> Image.Image:
    """The picture at its final size, if it shows a character: black on white, and not an empty frame."""
    if min(picture.size) < MIN_SIDE or not 0.8 <= picture.width / picture.height <= 1.25:
        raise _refuse(
            "stand-in-size",
            Words(
                f"字形图片须近似正方形，边长不小于 {MIN_SIDE} 像素。",
                f"The picture must be about square, {MIN_SIDE} pixels a side or more.",
            ),
        )
    square = Image.new("L", (max(picture.size),) * 2, 255)
    square.paste(picture, ((square.width - picture.width) // 2, (square.height - picture.height) // 2))
    square = square.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    counts = square.histogram()
    share = 1 / (SIDE * SIDE)
    ink, grey = sum(counts[:128]) * share, sum(counts[64:192]) * share
    quarter = SIDE // 4
    middle = sum(square.crop((quarter, quarter, 3 * quarter, 3 * quarter)).histogram()[:128]) * share
    edge = sum(_edge(square)[:128]) * share
    if not MIN_INK <= ink <= MAX_INK or grey > MAX_GREY or middle < MIN_INK / 4 or edge > MAX_EDGE:
        raise _refuse(
            "stand-in-ink",
            Words(
                "字形图片须为白底黑字，四周留白，且不能是空白或空框。",
                "The picture must show a character, black on white with white around it, "
                "not an empty sheet or an empty frame.",
            ),
        )
    return square.point(lambda value: 255 if value > 127 else 0)


def _edge(square: Image.Image) -> list[int]:
    """The histogram of the outermost four rows and columns."""
    sides = ((0, 0, SIDE, 4), (0, SIDE - 4, SIDE, SIDE), (0, 4, 4, SIDE - 4), (SIDE - 4, 4, SIDE, SIDE - 4))
    return [sum(column) for column in zip(*(square.crop(box).histogram() for box in sides), strict=True)]


def _encode(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.convert("1", dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def refuse_mark(mark: str) -> BadDocument:
    """The error for a stand-in whose mark is an ordinary character: it would replace it everywhere on the page."""
    return BadDocument(
        Words(
            f"“{mark}”可以直接打印，不得用图片代替。",
            f"“{mark}” prints as it is and must not be replaced by a picture.",
        )
    )


def _refuse(code: str, detail: Words) -> Invalid:
    return Invalid(detail, faults=[Fault("/stand_ins", code, detail, "民委发〔2016〕33号")])
