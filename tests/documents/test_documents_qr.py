"""A QR code says exactly what it was told, to every decoder, at every size, and never more than a phone can read."""

import io
import math
import random
import re
import struct

import cv2
import numpy as np
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from verify.documents.qr import (
    make_qr,
    qr_content,
    read_qr,
    render_qr_png,
    render_qr_svg,
    render_qr_terminal,
)
from verify.errors import BadDocument

SCAN_CODE = "7K3Q9XWMPA2D7K3Q"
DIGITS = "0123456789" * 31
CONTENT = qr_content("https://zs.example.cn", SCAN_CODE, DIGITS)
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def digits_of_token(size: int) -> int:
    """Length of the decimal form: 22-byte blocks of 53 digits, the last one shorter."""
    whole, rest = divmod(size, 22)
    return whole * 53 + math.ceil(rest * 8 * math.log10(2))


def by_zxing(picture: Image.Image) -> list[str]:
    return [found.text for found in zxingcpp.read_barcodes(picture.convert("L"))]


def by_opencv(picture: Image.Image) -> str:
    text, _, _ = cv2.QRCodeDetector().detectAndDecode(np.array(picture.convert("L")))
    return text


def test_the_content_is_an_upper_case_address_and_a_numeric_token() -> None:
    assert f"HTTPS://ZS.EXAMPLE.CN/V/{SCAN_CODE}#{DIGITS}" == CONTENT
    assert qr_content("https://zs.example.cn/", SCAN_CODE) == f"HTTPS://ZS.EXAMPLE.CN/V/{SCAN_CODE}"


def test_a_local_demonstration_keeps_its_port_and_stays_alphanumeric() -> None:
    content = qr_content("http://127.0.0.1:8000", SCAN_CODE, DIGITS)
    assert content.startswith("HTTP://127.0.0.1:8000/V/")
    assert make_qr(content).version <= 10


def test_a_path_keeps_its_case_and_falls_back_to_bytes() -> None:
    content = qr_content("https://example.cn/zhengshu", SCAN_CODE, DIGITS)
    assert content.startswith("HTTPS://EXAMPLE.CN/zhengshu/V/")
    assert read_qr(render_qr_png(content)) == [content]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "zs.example.cn",
        "ftp://zs.example.cn",
        "https://",
        "https://a@b.cn",
        "https://b.cn/?x=1",
        "https://b.cn/#x",
        "https://证书.cn",
    ],
)
def test_an_address_that_no_camera_would_open_is_refused(url: str) -> None:
    with pytest.raises(BadDocument):
        qr_content(url, SCAN_CODE)


@pytest.mark.parametrize("token", ["12a", "", "１２", "-1", "1 2"])
def test_a_token_that_is_not_digits_is_refused(token: str) -> None:
    with pytest.raises(BadDocument):
        qr_content("https://zs.example.cn", SCAN_CODE, token)


def test_two_unrelated_decoders_read_the_png() -> None:
    picture = Image.open(io.BytesIO(render_qr_png(CONTENT)))
    assert by_zxing(picture) == [CONTENT]
    assert by_opencv(picture) == CONTENT


def test_the_png_is_one_bit_of_whole_dots_with_its_true_size_and_quiet_zone() -> None:
    data = render_qr_png(CONTENT, dots_per_module=5, dpi=300)
    picture = Image.open(io.BytesIO(data))
    span = make_qr(CONTENT).span
    assert picture.mode == "1"
    assert picture.size == (span * 5, span * 5)
    assert struct.unpack(">IIB", data[data.index(b"pHYs") + 4 :][:9]) == (11811, 11811, 1)
    ink = np.array(picture.convert("L")) == 0
    assert not ink[:20].any() and not ink[-20:].any() and not ink[:, :20].any() and not ink[:, -20:].any()
    assert ink[20].any() and ink[:, 20].any()
    modules = ink[::5, ::5]
    assert (np.kron(modules, np.ones((5, 5), bool)) == ink).all()


@pytest.mark.parametrize("dots", [1, 2, 4, 12])
def test_every_size_of_the_png_reads_back(dots: int) -> None:
    assert by_zxing(Image.open(io.BytesIO(render_qr_png(CONTENT, dots_per_module=dots)))) == [CONTENT]


@pytest.mark.parametrize("dots", [0, -1, 41])
def test_a_module_of_an_absurd_size_is_refused(dots: int) -> None:
    with pytest.raises(BadDocument):
        render_qr_png(CONTENT, dots_per_module=dots)


def test_the_worst_token_of_165_bytes_and_a_host_of_24_characters_fits_version_10() -> None:
    content = qr_content("https://" + "a" * 21 + ".cn", SCAN_CODE, "9" * digits_of_token(165))
    assert make_qr(content).version <= 10


def test_a_typical_token_of_126_bytes_fits_version_9_and_a_bare_address_version_2() -> None:
    assert make_qr(qr_content("https://zs.example.cn", SCAN_CODE, "9" * digits_of_token(126))).version <= 9
    assert make_qr(qr_content("https://zs.example.cn", SCAN_CODE)).version <= 3


def test_the_symbol_is_level_m() -> None:
    found = zxingcpp.read_barcodes(Image.open(io.BytesIO(render_qr_png(CONTENT))).convert("L"))
    assert found[0].ec_level == "M"


def test_a_content_too_long_for_a_phone_is_refused() -> None:
    with pytest.raises(BadDocument) as refused:
        make_qr(qr_content("https://zs.example.cn", SCAN_CODE, "1" * 900))
    assert refused.value.hint
    with pytest.raises(BadDocument):
        make_qr("1" * 9000)


@pytest.mark.parametrize("content", ["", "证书", "a\nb", "\x00"])
def test_what_is_not_printable_ascii_is_refused(content: str) -> None:
    with pytest.raises(BadDocument):
        render_qr_png(content)


@given(
    code=st.text(ALPHABET, min_size=16, max_size=16), token=st.text("0123456789", min_size=1, max_size=398)
)
@settings(max_examples=40, deadline=None)
def test_every_scan_code_and_token_reads_back(code: str, token: str) -> None:
    content = qr_content("https://zs.example.cn", code, token)
    assert by_zxing(Image.open(io.BytesIO(render_qr_png(content)))) == [content]


def test_a_weak_decoder_reads_nearly_all_codes_whatever_they_say() -> None:
    """OpenCV misses some 3 % of flawless symbols of any mask; more would mean that ours have a flaw."""
    chance = random.Random(1)
    contents = [
        qr_content(
            "https://zs.example.cn",
            "".join(chance.choices(ALPHABET, k=16)),
            "".join(chance.choices("0123456789", k=310)),
        )
        for _ in range(40)
    ]
    read = sum(by_opencv(Image.open(io.BytesIO(render_qr_png(content)))) == content for content in contents)
    assert read >= 36


def test_the_svg_draws_runs_not_squares_and_reads_back_when_painted() -> None:
    svg = render_qr_svg(CONTENT)
    assert svg.count("<path") == 2 and "<rect" not in svg
    span = make_qr(CONTENT).span
    assert f'viewBox="0 0 {span} {span}"' in svg
    page = np.full((span * 4, span * 4), 255, np.uint8)
    for x, y, width in (map(int, run) for run in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", svg)):
        page[y * 4 : y * 4 + 4, x * 4 : (x + width) * 4] = 0
    assert by_zxing(Image.fromarray(page)) == [CONTENT]


def paint(text: str, dark: str) -> Image.Image:
    """What a terminal shows: two modules a character, `dark` says which marks have a dark upper and lower half."""
    upper, lower, both = dark
    rows: list[list[bool]] = []
    for line in text.splitlines():
        rows += [[mark in (upper, both) for mark in line], [mark in (lower, both) for mark in line]]
    page = np.where(np.array(rows), 0, 255).astype(np.uint8)
    return Image.fromarray(np.kron(page, np.ones((4, 4), np.uint8)))


def test_a_colour_terminal_shows_black_on_white_whatever_its_theme() -> None:
    text = render_qr_terminal(CONTENT, colour=True)
    lines = text.splitlines()
    assert all(line.startswith("\x1b[38;5;16;48;5;231m") and line.endswith("\x1b[0m") for line in lines)
    bare = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert by_zxing(paint(bare, "▀▄█")) == [CONTENT]


def test_a_plain_terminal_shows_light_modules_solid_with_the_quiet_zone() -> None:
    text = render_qr_terminal(CONTENT)
    assert "\x1b" not in text
    assert text.startswith("█" * make_qr(CONTENT).span)
    assert by_zxing(paint(text, "▄▀ ")) == [CONTENT]


def test_the_same_content_gives_the_same_bytes() -> None:
    assert render_qr_png(CONTENT) == render_qr_png(CONTENT)
    assert render_qr_svg(CONTENT) == render_qr_svg(CONTENT)


def test_a_phone_photo_of_the_code_is_read() -> None:
    code = cv2.cvtColor(
        np.array(Image.open(io.BytesIO(render_qr_png(CONTENT))).convert("L")), cv2.COLOR_GRAY2BGR
    )
    side = code.shape[0]
    corners = np.float32([[0, 0], [side, 0], [side, side], [0, side]])
    seen = np.float32([[420, 300], [900, 350], [870, 860], [390, 800]])
    turn = cv2.getPerspectiveTransform(corners, seen)
    photo = cv2.warpPerspective(code, turn, (1600, 1200), borderValue=(150, 160, 170))
    photo = cv2.GaussianBlur(photo, (0, 0), 0.8)
    encoded = cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 70])[1].tobytes()
    assert read_qr(encoded) == [CONTENT]
