"""Pictures sent by strangers: opened within bounds, or refused.

Only baseline facts of the file decide (magic bytes, size in the header, number of scans) before a pixel is
decoded, so that a small hostile file cannot buy much memory or time.
"""

import io
from typing import Final

import msgspec
from PIL import Image, ImageOps
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from verify.errors import BadDocument, Fault, Invalid, Unreadable, Words

PNG_MAGIC: Final = b"\x89PNG\r\n\x1a\n"
JPEG_MAGIC: Final = b"\xff\xd8\xff"

PHOTO_DPI: Final = 300
PHOTO_MAX_BYTES: Final = 50 * 1024
"""Largest re-encoded portrait; the size limit of the sister standard for e-licence photographs."""
PHOTO_SIZES: Final = ((413, 579), (295, 413))
"""Pixels at 300 dpi of 35 × 49 mm and of one inch (25 × 35 mm); both 5 to 7."""
PHOTO_RATIO_SLACK: Final = 0.10
"""How far width ÷ height may be from 5 ÷ 7 before cropping would harm the portrait."""
PHOTO_SOURCE: Final = "人社鉴发〔2021〕1号 二(一); GB/T 36903 photo limits"


class PictureLimits(msgspec.Struct, frozen=True):
    """What an uploaded picture may cost."""

    max_bytes: int
    max_png_pixels: int
    """PNG is decoded whole, up to 8 bytes a pixel."""
    max_jpeg_pixels: int
    """JPEG is decoded at an eighth to full size, as `wanted_side` asks."""
    max_side: int = 16_384
    """Pixels."""
    max_scans: int = 40
    """Scans in one JPEG; a normal progressive file has about ten, a hostile one a hundred thousand."""
    wanted_side: int = 2_000
    """Pixels; a larger picture is reduced by whole numbers, a JPEG while it is decoded."""


SCAN_LIMITS: Final = PictureLimits(
    max_bytes=12 * 1024 * 1024, max_png_pixels=16_000_000, max_jpeg_pixels=50_000_000, wanted_side=4_000
)
"""A phone's photo or a screenshot that shows a QR code, or the whole sheet with it: then a module is 4 pixels."""
PHOTO_LIMITS: Final = PictureLimits(
    max_bytes=4 * 1024 * 1024, max_png_pixels=6_000_000, max_jpeg_pixels=24_000_000, wanted_side=800
)
"""A portrait."""


def open_picture(data: bytes, limits: PictureLimits) -> Image.Image:
    """Decode a PNG or JPEG within `limits` to mode `L` or `RGB`, transparency laid on white.

    Never fails otherwise than by the error named here, whatever the bytes are.

    Raises:
        Unreadable: not PNG or JPEG, too large in bytes, pixels or scans, cut short, or damaged.
    """
    if len(data) > limits.max_bytes:
        raise Unreadable(_too_large(limits))
    try:
        picture = _open_header(data, limits)
        picture.load()
        return _flatten(ImageOps.exif_transpose(_reduce(picture, limits.wanted_side)))
    except Unreadable:
        raise
    except (
        Exception
    ) as problem:  # the decoders raise many kinds: OSError, SyntaxError, struct.error, MemoryError
        raise Unreadable(
            Words("图片已损坏，无法读取。", "The picture is damaged and cannot be read.")
        ) from problem


def _open_header(data: bytes, limits: PictureLimits) -> PngImageFile | JpegImageFile:
    """Read only the header, by the class its magic bytes name, and hold it against the limits."""
    if data.startswith(PNG_MAGIC):
        png = PngImageFile(io.BytesIO(data))
        _bound(png.size, limits.max_png_pixels, limits)
        return png
    if data.startswith(JPEG_MAGIC):
        jpeg = JpegImageFile(io.BytesIO(data))
        _bound(jpeg.size, limits.max_jpeg_pixels, limits)
        if data.count(b"\xff\xda") > limits.max_scans:
            raise Unreadable(_too_large(limits))
        jpeg.draft(None, (limits.wanted_side, limits.wanted_side))
        return jpeg
    raise Unreadable(Words("只接受 PNG 或 JPEG 格式的图片。", "Only PNG and JPEG pictures are accepted."))


def _bound(size: tuple[int, int], max_pixels: int, limits: PictureLimits) -> None:
    width, height = size
    if width * height > max_pixels or max(size) > limits.max_side or min(size) < 1:
        raise Unreadable(_too_large(limits))


def _reduce(picture: Image.Image, wanted_side: int) -> Image.Image:
    """Whole-number reduction of what is still a fifth larger than wanted: detection time grows faster than area."""
    factor = -(-max(picture.size) // (wanted_side * 6 // 5))
    if factor < 2 or picture.mode in ("1", "P") or picture.mode.startswith("I"):
        return picture
    smaller = picture.reduce(factor)
    smaller.info = picture.info
    return smaller


def _flatten(picture: Image.Image) -> Image.Image:
    """Grey stays grey, everything else becomes RGB; what is transparent becomes white."""
    if picture.mode.startswith("I"):
        return picture.point(lambda value: value / 256).convert("L")
    if picture.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")


def _too_large(limits: PictureLimits) -> Words:
    mib = limits.max_bytes // (1024 * 1024)
    return Words(
        f"图片过大：最多 {mib} MiB，PNG 最多 {limits.max_png_pixels // 10**6} 百万像素，"
        f"JPEG 最多 {limits.max_jpeg_pixels // 10**6} 百万像素。",
        f"The picture is too large: at most {mib} MiB, {limits.max_png_pixels // 10**6} million pixels as PNG"
        f" and {limits.max_jpeg_pixels // 10**6} million as JPEG.",
    )


def check_photo(data: bytes) -> bytes:
    """The holder's portrait as it will be printed: a new JPEG without metadata, at most 50 KiB, 300 dpi.

    The result is 413 × 579 pixels (35 × 49 mm) where the source allows it, else 295 × 413 (one inch); it is
    cropped about its middle to 5 : 7. The same bytes in give the same bytes out.

    Raises:
        Invalid: with one fault at `/photo` that says what is wrong and what would be accepted.
        BadDocument: the portrait cannot be brought under 50 KiB.
    """
    try:
        picture = open_picture(data, PHOTO_LIMITS).convert("RGB")
    except Unreadable as refused:
        raise _refuse("photo-unreadable", refused.detail) from refused
    for size in PHOTO_SIZES:
        if picture.width >= size[0] and picture.height >= size[1]:
            return _encode(_crop(picture, size))
    raise _refuse(
        "photo-too-small",
        Words(
            f"照片太小（{picture.width}×{picture.height} 像素），至少需要 295×413 像素。",
            f"The photo is too small ({picture.width} × {picture.height} pixels); it needs 295 × 413.",
        ),
    )


def _crop(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    wanted = size[0] / size[1]
    if abs(picture.width / picture.height / wanted - 1) > PHOTO_RATIO_SLACK:
        raise _refuse(
            "photo-proportions",
            Words(
                "照片宽高比应为 5:7（1 寸或 35×49 毫米）。",
                "The photo must be 5 to 7, width to height (1 inch or 35 × 49 mm).",
            ),
        )
    return ImageOps.fit(picture, size, Image.Resampling.LANCZOS)


def _encode(picture: Image.Image) -> bytes:
    """The best quality that fits; a new file, so nothing of the old one's metadata is in it."""
    bare = Image.frombytes("RGB", picture.size, picture.tobytes())
    for quality in (90, 82, 74, 66, 58, 50):
        out = io.BytesIO()
        bare.save(out, "JPEG", quality=quality, optimize=True, dpi=(PHOTO_DPI, PHOTO_DPI))
        if out.tell() <= PHOTO_MAX_BYTES:
            return out.getvalue()
    raise BadDocument(
        Words(
            "照片无法压缩到 50 KiB 以内，请更换背景均匀的照片。",
            "The photo cannot be brought under 50 KiB; use one with an even background.",
        )
    )


def _refuse(code: str, detail: Words) -> Invalid:
    return Invalid(detail, faults=[Fault("/photo", code, detail, PHOTO_SOURCE)])
