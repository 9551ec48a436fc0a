"""Hostile pictures cost little and end in one error; an honest portrait comes out small, bare and in proportion."""

import contextlib
import io
import os
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from verify.documents.picture import PHOTO_MAX_BYTES, SCAN_LIMITS, check_photo, open_picture
from verify.documents.qr import read_qr, render_qr_png
from verify.errors import BadDocument, Invalid, Unreadable

CONTENT = "HTTPS://ZS.EXAMPLE.CN/V/7K3Q9XWMPA2D7K3Q#12345"


def encode(picture: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def code_picture() -> Image.Image:
    return Image.open(io.BytesIO(render_qr_png(CONTENT)))


def portrait(width: int = 600, height: int = 840) -> Image.Image:
    picture = Image.new("RGB", (width, height), "white")
    picture.paste((210, 170, 140), (width // 3, height // 4, 2 * width // 3, height // 2))
    return picture


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_bomb(side: int, declared: int) -> bytes:
    """A PNG of zeros: `side` rows are there, `declared` are promised."""
    header = struct.pack(">IIBBBBB", declared, declared, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(declared + 1) * side, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def many_scans() -> bytes:
    """A JPEG that repeats a scan header until decoding it all would take minutes."""
    data = encode(portrait(), "JPEG", progressive=True)
    at = data.index(b"\xff\xda")
    return data[:at] + b"\xff\xda\x00\x08\x01\x01\x00\x01\x01\x00" * 5000 + data[at:]


GREY = code_picture().convert("L")
HOSTILE = {
    "nothing": b"",
    "text": b"<svg onload=alert(1)>",
    "magic only": b"\x89PNG\r\n\x1a\n",
    "jpeg magic only": b"\xff\xd8\xff\xe0",
    "gif": encode(GREY, "GIF"),
    "bmp": encode(GREY, "BMP"),
    "tiff": encode(GREY, "TIFF"),
    "webp": encode(GREY, "WEBP"),
    "half a png": encode(GREY, "PNG")[:200],
    "half a jpeg": encode(GREY, "JPEG")[:400],
    "a bomb that tells": png_bomb(20, 20_000),
    "a bomb that lies": png_bomb(1, 3_900),
    "sides of 4 thousand million": png_bomb(0, 4_000)[:16] + b"\xff" * 8 + png_bomb(0, 4_000)[24:],
    "a jpeg of endless scans": many_scans(),
    "too many bytes": encode(GREY, "PNG") + bytes(SCAN_LIMITS.max_bytes),
    "text chunk bomb": encode(GREY, "PNG")[:33]
    + chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(80_000_000), 9))
    + encode(GREY, "PNG")[33:],
    "noise behind png magic": b"\x89PNG\r\n\x1a\n" + os.urandom(500),
    "noise behind jpeg magic": b"\xff\xd8\xff" + os.urandom(500),
    "no code in it": encode(portrait(), "PNG"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_picture_is_unreadable_and_nothing_else(name: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read_qr(HOSTILE[name])
    assert refused.value.detail.zh and refused.value.detail.en


@pytest.mark.parametrize("name", sorted(HOSTILE.keys() - {"no code in it"}))
def test_a_hostile_portrait_is_refused_at_its_field(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_photo(HOSTILE[name])
    assert [fault.pointer for fault in refused.value.faults] == ["/photo"]


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_no_damage_to_a_picture_crashes_the_reader(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from([encode(GREY, "PNG"), encode(GREY, "JPEG"), many_scans()[:6000]]))
    spoiled = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 6))):
        spoiled[data.draw(st.integers(0, len(spoiled) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Unreadable):
        assert read_qr(bytes(spoiled[: data.draw(st.integers(0, len(spoiled)))]))


@pytest.mark.parametrize(
    ("mode", "form"),
    [
        ("1", "PNG"),
        ("L", "PNG"),
        ("P", "PNG"),
        ("LA", "PNG"),
        ("RGB", "PNG"),
        ("RGBA", "PNG"),
        ("I;16", "PNG"),
        ("L", "JPEG"),
        ("RGB", "JPEG"),
        ("CMYK", "JPEG"),
    ],
)
def test_a_code_is_read_in_every_honest_form(mode: str, form: str) -> None:
    picture = (
        GREY.point(lambda value: value * 257, "I").convert("I;16") if mode == "I;16" else GREY.convert(mode)
    )
    assert read_qr(encode(picture, form)) == [CONTENT]


def test_black_on_transparent_is_black_on_white() -> None:
    picture = Image.new("RGBA", GREY.size, (0, 0, 0, 0))
    picture.putalpha(GREY.point(lambda value: 255 - value))
    assert read_qr(encode(picture, "PNG")) == [CONTENT]


def test_a_48_megapixel_photo_is_decoded_small() -> None:
    page = Image.new("L", (8000, 6000), 200)
    page.paste(GREY.resize((2400, 2400)), (2000, 1500))
    data = encode(page, "JPEG", quality=60)
    assert max(open_picture(data, SCAN_LIMITS).size) <= 4800
    assert read_qr(data) == [CONTENT]


def test_two_codes_in_one_picture_are_both_reported_once() -> None:
    other = Image.open(io.BytesIO(render_qr_png(CONTENT + "6")))
    page = Image.new("L", (1200, 500), 255)
    for x, picture in ((0, GREY), (400, other), (800, GREY)):
        page.paste(picture.convert("L"), (x, 50))
    assert sorted(read_qr(encode(page, "PNG"))) == [CONTENT, CONTENT + "6"]


def test_a_portrait_becomes_a_small_bare_jpeg_of_35_by_49_mm_at_300_dpi() -> None:
    exif = Image.Exif()
    exif[0x010E] = "GPS and name of the holder"
    data = check_photo(encode(portrait(), "JPEG", exif=exif, comment=b"secret", quality=95))
    picture = Image.open(io.BytesIO(data))
    assert picture.format == "JPEG" and picture.mode == "RGB"
    assert picture.size == (413, 579)
    assert picture.info["dpi"] == (300, 300)
    assert len(data) <= PHOTO_MAX_BYTES
    assert not picture.getexif() and b"secret" not in data and b"holder" not in data and b"Exif" not in data


def test_a_one_inch_portrait_keeps_its_size() -> None:
    assert Image.open(io.BytesIO(check_photo(encode(portrait(295, 413), "PNG")))).size == (295, 413)


def test_a_portrait_stored_on_its_side_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = portrait()
    data = encode(upright.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif)
    assert Image.open(io.BytesIO(check_photo(data))).size == (413, 579)


def test_the_same_portrait_gives_the_same_bytes() -> None:
    data = encode(portrait(), "PNG")
    assert check_photo(data) == check_photo(data)


@pytest.mark.parametrize(
    ("size", "code"),
    [((100, 140), "photo-too-small"), ((294, 413), "photo-too-small"), ((800, 800), "photo-proportions")],
)
def test_a_portrait_of_wrong_size_or_shape_is_refused_with_the_reason(
    size: tuple[int, int], code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        check_photo(encode(portrait(*size), "PNG"))
    (fault,) = refused.value.faults
    assert (fault.pointer, fault.code) == ("/photo", code)
    assert fault.detail.zh and fault.detail.en


def test_pure_noise_is_either_made_small_or_refused() -> None:
    noise = Image.frombytes("RGB", (413, 579), os.urandom(413 * 579 * 3))
    with pytest.raises(BadDocument):
        check_photo(encode(noise, "PNG"))
