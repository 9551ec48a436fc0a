"""Every name can be printed: by the bundled font, by the optional ones, or by a picture; never as a box."""

import io
import shutil
import struct
import unicodedata
from importlib.metadata import files
from pathlib import Path

import msgspec
import pikepdf
import pytest
from PIL import Image, ImageDraw
from pylopdf_fonts_zh_cn import sans_path

from verify.certificate.record import Kind
from verify.documents.gate import trial_sheet
from verify.documents.glyphs import (
    BUNDLED_FONT,
    DESCRIPTIONS,
    FONT_LICENCE,
    _read_cmap,
    find_extra_fonts,
    missing_glyphs,
)
from verify.documents.press import Press
from verify.documents.standin import StandIn, check_stand_in
from verify.errors import BadDocument, Invalid

LEVEL_1 = [*range(0x3400, 0x4DB6), *range(0x4E00, 0x9FF0)]
"""GB 18030-2022, implementation level 1: the ideographs of the two-byte part, of Extension A, and the URO."""
TABLE_BEYOND = "𠅤𠙶𠳐𡎚𡐓𣗋𣲗𣲘𣸣𤧛𤩽𤫉𥔲𥕢𥖨𥻗𦈡𦒍𦙶𦝼𦭜𦰡𧿹𨐈𨙸𨚕𨟠𨭉𨱇𨱏𨱑𨱔𨺙𩽾𩾃𩾌𪟝𪣻𪤗𪨰𪨶𪩘𪾢𫄧𫄨𫄷𫄸𫇭𫌀𫍣𫍯𫍲𫍽𫐄𫐐𫐓"
"""Of the 196 characters of 通用规范汉字表 outside level 1, those that level 2 adds from Extensions B and C."""
ALL = [
    *LEVEL_1,
    *range(0x20000, 0x2A6D7),
    *range(0x2A700, 0x2B735),
    *range(0x2B740, 0x2B81E),
    *range(0x2B820, 0x2CEA2),
    *range(0x2CEB0, 0x2EBE1),
    *(0xFA0E, 0xFA0F, 0xFA11, 0xFA13, 0xFA14, 0xFA1F, 0xFA21, 0xFA23, 0xFA24, 0xFA27, 0xFA28, 0xFA29),
]
"""GB 18030-2022, level 3: 87 887 ideographs."""
SHEET = trial_sheet(Kind.SKILL_LEVEL, "typical")
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100">'
    '<path d="M10 20h80v8h-80z"/><path d="M46 10h8v80h-8z"/></svg>'
)


def drawn(*boxes: tuple[int, int, int, int], side: int = 400, white: int = 255, black: int = 0) -> bytes:
    picture = Image.new("L", (side, side), white)
    for box in boxes:
        ImageDraw.Draw(picture).rectangle(box, fill=black)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


CROSS = drawn((40, 190, 360, 215), (190, 40, 215, 360))


@pytest.fixture(scope="module")
def press() -> Press:
    return Press(())


def needs_hanazono() -> None:
    if not find_extra_fonts():
        pytest.skip("Debian's fonts-hanazono is not installed: 60 104 of 87 887 ideographs were not tried")


def test_the_bundled_font_prints_level_2_of_gb_18030_2022() -> None:
    assert missing_glyphs("".join(map(chr, LEVEL_1)), ()) == []
    assert missing_glyphs(TABLE_BEYOND, ()) == []


def test_of_the_two_byte_characters_the_bundled_font_lacks_one_sign() -> None:
    marks = []
    for lead in range(0x81, 0xFF):
        for trail in (*range(0x40, 0x7F), *range(0x80, 0xFF)):
            mark = bytes((lead, trail)).decode("gb18030", "ignore")
            if len(mark) == 1 and unicodedata.category(mark) not in ("Co", "Cn"):
                marks.append(mark)
    assert len(marks) > 21_000
    assert set(missing_glyphs("".join(marks), ())) - DESCRIPTIONS == {"≒"}


def test_with_the_optional_fonts_all_87887_ideographs_have_a_glyph() -> None:
    needs_hanazono()
    assert len(ALL) == 87_887
    assert missing_glyphs("".join(map(chr, ALL))) == []
    assert len(missing_glyphs("".join(map(chr, ALL)), ())) == 60_104


def test_the_optional_fonts_are_found_at_start_and_print() -> None:
    needs_hanazono()
    sheet = msgspec.structs.replace(SHEET, name="𪚥𠀋𮯠")
    with pytest.raises(BadDocument):
        Press(()).render_pdf(sheet)
    first = Press().render_pdf(sheet)
    assert first.startswith(b"%PDF-") and Press().render_pdf(sheet) == first


def test_optional_fonts_change_nothing_of_a_page_that_does_not_need_them() -> None:
    needs_hanazono()
    assert Press().render_pdf(SHEET) == Press(()).render_pdf(SHEET)


def test_the_licence_of_the_bundled_font_comes_with_it() -> None:
    (licence,) = [file for file in files("pylopdf-fonts-zh-cn") or [] if file.name == FONT_LICENCE]
    assert "SIL OPEN FONT LICENSE Version 1.1" in licence.read_text()


@pytest.mark.parametrize("mark", ["\ue863", "⿰亻⿱龍天", "\U000f1234"])
@pytest.mark.parametrize("picture", [CROSS, SVG.encode()], ids=["png", "svg"])
@pytest.mark.parametrize("template", ["certificate", "portrait"])
def test_a_picture_stands_in_for_a_character_that_no_font_has(
    press: Press, mark: str, picture: bytes, template: str
) -> None:
    sheet = msgspec.structs.replace(SHEET, name=f"欧{mark}明", template=template)
    with pytest.raises(BadDocument) as refused:
        press.render_pdf(sheet)
    assert "stand" in refused.value.detail.en and "StandIn" in refused.value.hint
    shown = msgspec.structs.replace(sheet, stand_ins=(StandIn(mark, picture, "身份证复印件"),))
    assert press.render_pdf(shown).startswith(b"%PDF-")
    with_glyph = Image.open(io.BytesIO(press.render_png(shown, 200))).convert("L")
    without = press.render_png(msgspec.structs.replace(SHEET, name="欧一明", template=template), 200)
    box = next(box for box in press.field_boxes(shown) if box.name == "name")
    left, top = round((box.x + 4.4) / 25.4 * 200), round((box.y - 0.6) / 25.4 * 200)
    middle = with_glyph.crop((left, top, left + 31, top + 32))
    ink = sum(middle.histogram()[:100])
    other = Image.open(io.BytesIO(without)).convert("L").crop((left, top, left + 31, top + 32))
    assert ink > sum(other.histogram()[:100]) > 0


def test_the_picture_has_the_height_of_the_text_and_is_named_for_those_who_listen(press: Press) -> None:
    sheet = msgspec.structs.replace(SHEET, name="王\ue863", stand_ins=(StandIn("\ue863", CROSS),))
    with pikepdf.open(io.BytesIO(press.render_pdf(sheet))) as pdf:
        named = [
            str(thing.Alt)
            for thing in pdf.objects
            if isinstance(thing, pikepdf.Dictionary) and "/Alt" in thing
        ]
    assert "字形图片 picture of U+E863" in named
    heights = [
        next(box.height for box in press.field_boxes(one) if box.name == "name") for one in (sheet, SHEET)
    ]
    assert abs(heights[0] - heights[1]) < 1.5


@pytest.mark.parametrize("mark", ["王", "证", "a", "小明", "--"])
def test_what_prints_as_it_is_cannot_be_replaced_by_a_picture(press: Press, mark: str) -> None:
    with pytest.raises(BadDocument) as refused:
        press.render_pdf(msgspec.structs.replace(SHEET, stand_ins=(StandIn(mark, CROSS),)))
    assert mark in refused.value.detail.zh


@pytest.mark.parametrize(
    ("name", "picture"),
    [
        ("nothing", b""),
        ("text", b"hello"),
        ("jpeg", b"\xff\xd8\xff\xe0" + bytes(50)),
        ("empty sheet", drawn()),
        ("all black", drawn((0, 0, 400, 400))),
        ("white on black", drawn((40, 190, 360, 215), white=0, black=255)),
        ("grey", drawn((40, 190, 360, 215), (190, 40, 215, 360), white=150, black=100)),
        ("a line at the top", drawn((20, 20, 380, 30))),
        ("ink to the edge", drawn((0, 190, 400, 215), (0, 0, 30, 400))),
        ("too small", drawn((10, 50, 90, 55), side=100)),
        ("svg of script", SVG.replace("<path", "<script>alert(1)</script><path", 1).encode()),
        ("svg of style", SVG.replace("<path", '<path style="fill:url(http://x)"', 1).encode()),
        ("svg of image", SVG.replace("<path", '<image href="file:///etc/passwd"/><path', 1).encode()),
        ("svg of entity", ('<!DOCTYPE svg [<!ENTITY a "b">]>' + SVG).encode()),
        ("svg blank", SVG.replace("h80v8h-80z", "").replace("h8v80h-8z", "").encode()),
        ("svg huge", SVG.encode() + b" " * 300_000),
    ],
)
def test_a_picture_that_shows_no_character_is_refused(name: str, picture: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        check_stand_in(StandIn("\ue863", picture))
    assert refused.value.faults[0].pointer == "/stand_ins" and refused.value.faults[0].detail.zh


def test_a_hollow_box_is_no_character() -> None:
    frame = Image.new("L", (400, 400), 255)
    ImageDraw.Draw(frame).rectangle((40, 40, 360, 360), outline=0, width=12)
    out = io.BytesIO()
    frame.save(out, "PNG")
    with pytest.raises(Invalid):
        check_stand_in(StandIn("\ue863", out.getvalue()))


@pytest.mark.parametrize("mark", ["", "a b", "字" * 17])
def test_a_mark_is_one_character_or_a_placeholder(mark: str) -> None:
    with pytest.raises(Invalid):
        check_stand_in(StandIn(mark, CROSS))


def basic_plane_font(tmp_path: Path) -> Path:
    """The bundled font with a character map of format 4 alone, as older fonts have it: A to Z and 王 but no other."""
    font = bytearray(BUNDLED_FONT.read_bytes())
    (count,) = struct.unpack_from(">H", font, 4)
    records = [12 + 16 * i for i in range(count)]
    record = next(at for at in records if font[at : at + 4] == b"cmap")
    segments = [(0x41, 0x5A, 1, 0), (0x738B, 0x738B, 5, 0), (0x738C, 0x738D, 0, 4), (0xFFFF, 0xFFFF, 1, 0)]
    ends, starts, deltas, offsets = zip(*((b, a, d, o) for a, b, d, o in segments), strict=True)
    body = (
        struct.pack(">4H", *ends)
        + b"\0\0"
        + b"".join(struct.pack(">4H", *row) for row in (starts, deltas, offsets))
    )
    body += struct.pack(">2H", 0, 9)  # the list of the third segment: its first character has no glyph
    table = struct.pack(">7H", 4, 14 + len(body), 0, 8, 0, 0, 0) + body
    cmap = struct.pack(">HHHHI", 0, 1, 3, 1, 12) + table
    struct.pack_into(">II", font, record + 8, len(font), len(cmap))
    path = tmp_path / "old.otf"
    path.write_bytes(bytes(font) + cmap)
    return path


def test_a_font_of_the_basic_plane_alone_is_read_to_the_single_character(tmp_path: Path) -> None:
    runs = _read_cmap(basic_plane_font(tmp_path).read_bytes())
    assert runs == [*((point, point) for point in range(0x41, 0x5B)), (0x738B, 0x738B), (0x738D, 0x738D)]


def test_an_agencys_own_face_is_used_for_the_filled_data_alone(tmp_path: Path) -> None:
    own = tmp_path / "own.otf"
    shutil.copy(sans_path(), own)
    plain, faced = Press(()), Press((), data_font=own)
    with pikepdf.open(io.BytesIO(faced.render_pdf(SHEET))) as pdf:
        fonts = {
            str(thing.BaseFont)
            for thing in pdf.objects
            if isinstance(thing, pikepdf.Dictionary) and "/BaseFont" in thing
        }
    assert any("Sans" in font for font in fonts) and any("Serif" in font for font in fonts)
    assert plain.field_boxes(SHEET)[0] == faced.field_boxes(SHEET)[0]
