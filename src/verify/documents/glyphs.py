"""Which characters the fonts of the certificate can print.

Read by hand from the font's own character map (OpenType `cmap`, sub-table format 12 or 4), so that intake can
refuse a name that no certificate could show, without a font library at run time.
"""

import struct
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from pylopdf_fonts_zh_cn import serif_path

from verify.errors import BadDocument, Fault, Words

BUNDLED_FONT: Final = serif_path()
"""Noto Serif SC (OFL): all 8 105 characters of 通用规范汉字表, URO, most of Extension A, some of B to F."""

FONT_LICENCE: Final = "LICENSE"
"""The OFL 1.1 text of the bundled font: this file of the distribution `pylopdf-fonts-zh-cn`, in its
`dist-info/licenses`. HanaMin's is /usr/share/doc/fonts-hanazono/copyright (OFL or its own, the receiver's choice)."""

HANAZONO: Final = Path("/usr/share/fonts/truetype/hanazono")
"""Where Debian's fonts-hanazono puts HanaMinA and HanaMinB, the only free pair with all of GB 18030-2022."""

DESCRIPTIONS: Final = frozenset(map(chr, (*range(0x2FF0, 0x3000), 0x303E)))
"""Ideographic description characters: they say how a character is built and never stand in print themselves."""

UNICODE_TABLES: Final = frozenset({(3, 10), (3, 1), *((0, encoding) for encoding in range(7))})
"""Platform and encoding of character maps by Unicode (OpenType `cmap`)."""

Ranges = tuple[tuple[int, ...], tuple[int, ...]]
"""Sorted starts and inclusive ends of runs of covered code points."""


@cache
def find_extra_fonts() -> tuple[Path, ...]:
    """The optional fonts that this machine has, looked for once: HanaMinA and HanaMinB, both or neither."""
    files = (HANAZONO / "HanaMinA.ttf", HANAZONO / "HanaMinB.ttf")
    return files if all(file.is_file() for file in files) else ()


def missing_glyphs(text: str, extra_fonts: Sequence[Path] | None = None) -> list[str]:
    """The characters of `text` that cannot be printed, each once, in order of first appearance.

    `extra_fonts` are the files given to `Press` as well; None, for both, means those that `find_extra_fonts`
    finds. An empty list of characters means that the text prints.

    Raises:
        BadDocument: a font file is not one, or has no Unicode character map.
    """
    extra = find_extra_fonts() if extra_fonts is None else extra_fonts
    tables = [_coverage(path) for path in (BUNDLED_FONT, *extra)]
    return [
        mark
        for mark in dict.fromkeys(text)
        if mark in DESCRIPTIONS or not any(_covers(table, ord(mark)) for table in tables)
    ]


def _covers(table: Ranges, point: int) -> bool:
    at = bisect_right(table[0], point) - 1
    return at >= 0 and point <= table[1][at]


@lru_cache(maxsize=8)
def _coverage(path: Path) -> Ranges:
    try:
        runs = sorted(_read_cmap(path.read_bytes()))
    except (OSError, struct.error, KeyError) as problem:
        raise BadDocument(
            Words(f"字体文件不可用：{path}", f"This font file cannot be used: {path}")
        ) from problem
    return tuple(first for first, _ in runs), tuple(last for _, last in runs)


def _read_cmap(font: bytes) -> list[tuple[int, int]]:
    """The runs of the fullest Unicode sub-table: format 12, or format 4 in fonts of the basic plane alone."""
    count = struct.unpack_from(">H", font, 4)[0]
    entries = [struct.unpack_from(">4sIII", font, 12 + 16 * i) for i in range(count)]
    start = {tag: offset for tag, _, offset, _ in entries}[b"cmap"]
    tables = struct.unpack_from(">H", font, start + 2)[0]
    heads = [struct.unpack_from(">HHI", font, start + 4 + 8 * i) for i in range(tables)]
    unicode = [
        start + offset for platform, encoding, offset in heads if (platform, encoding) in UNICODE_TABLES
    ]
    by_format = {struct.unpack_from(">H", font, at)[0]: at for at in unicode}
    return _format_12(font, by_format[12]) if 12 in by_format else _format_4(font, by_format[4])


def _format_12(font: bytes, at: int) -> list[tuple[int, int]]:
    groups = struct.unpack_from(">I", font, at + 12)[0]
    runs = (struct.unpack_from(">III", font, at + 16 + 12 * i) for i in range(groups))
    return [(first, last) for first, last, glyph in runs if glyph or last > first]


def _format_4(font: bytes, at: int) -> list[tuple[int, int]]:
    """Point by point, since a segment may have holes: glyph 0 in its list."""
    segments = struct.unpack_from(">H", font, at + 6)[0] // 2
    rows = [
        struct.unpack_from(f">{segments}H", font, at + 14 + 2 * segments * i + (2 if i else 0))
        for i in range(4)
    ]
    where = at + 16 + 6 * segments
    found: list[tuple[int, int]] = []
    for i, (last, first, delta, offset) in enumerate(zip(*rows, strict=True)):
        for point in range(first, min(last, 0xFFFE) + 1):
            glyph = point
            if offset:
                glyph = struct.unpack_from(">H", font, where + 2 * i + offset + 2 * (point - first))[0]
            if (glyph + delta) & 0xFFFF and (glyph or not offset):
                found.append((point, point))
    return found


def describe(mark: str) -> str:
    """A character with its code point, as people and operators can look it up: `𪚥 (U+2A6A5)`."""
    return f"{mark} (U+{ord(mark):04X})" if mark.isprintable() else f"U+{ord(mark):04X}"


def glyph_faults(pointer: str, text: str | None) -> list[Fault]:
    """The fault of a field whose text cannot be printed, for intake; none when it prints."""
    absent = missing_glyphs(text) if text else []
    if not absent:
        return []
    named = "、".join(describe(mark) for mark in absent[:8])
    what = Words(
        f"证书字体没有以下字符，无法打印：{named}。请改用通行写法，或请运维安装扩展字库（fonts-hanazono）。",
        f"The certificate's fonts lack {named}. Write it otherwise, or have the larger fonts installed (fonts-hanazono).",
    )
    return [Fault(pointer, "unprintable", what)]


def refuse_missing(text: str, extra_fonts: Sequence[Path] | None = None) -> None:
    """Pass if every character of `text` prints.

    Raises:
        BadDocument: naming each character that does not, with its code point, and the way out.
    """
    absent = missing_glyphs(text, extra_fonts)
    if not absent:
        return
    named = ", ".join(describe(mark) for mark in absent[:8])
    raise BadDocument(
        Words(
            f"证书字体没有以下字符，无法打印：{named}。可提供该字的字形图片及证明材料。",
            f"The certificate's fonts lack these characters: {named}. A picture of the character, with "
            "evidence, can stand in for it.",
        ),
        hint="apt-get install fonts-hanazono, or give a stand-in picture (StandIn) for each",
    )
