"""A picture that somebody sends to show something: drawn anew, so that nothing of the file that came is kept."""

import io
from typing import Final

from PIL import Image

from verify.documents.picture import PictureLimits, open_picture
from verify.errors import Fault, Invalid, Unreadable

EVIDENCE_MAX_BYTES: Final = 400 * 1024
"""Of what is kept."""
EVIDENCE_SIDE: Final = 1600
"""Pixels; small print on a photographed sheet is still read."""
EVIDENCE_LIMITS: Final = PictureLimits(
    max_bytes=8 * 1024 * 1024,
    max_png_pixels=16_000_000,
    max_jpeg_pixels=50_000_000,
    wanted_side=EVIDENCE_SIDE,
)
"""A phone's photo or a screenshot."""


def redraw_evidence(data: bytes) -> bytes:
    """The picture as a new JPEG of at most `EVIDENCE_SIDE` pixels and `EVIDENCE_MAX_BYTES`, without any metadata.

    Place, time and device of a photo do not come along. The same bytes in give the same bytes out.

    Raises:
        Invalid: with one fault at `/picture` that says what is wrong and what would be accepted.
    """
    try:
        picture = open_picture(data, EVIDENCE_LIMITS).convert("RGB")
    except Unreadable as refused:
        raise Invalid(
            refused.detail, faults=[Fault("/picture", "picture-unreadable", refused.detail)]
        ) from refused
    picture.thumbnail((EVIDENCE_SIDE, EVIDENCE_SIDE))
    bare = Image.frombytes("RGB", picture.size, picture.tobytes())
    side = EVIDENCE_SIDE
    while True:
        for quality in (85, 75, 65, 50, 35):
            out = io.BytesIO()
            bare.save(out, "JPEG", quality=quality, optimize=True)
            if out.tell() <= EVIDENCE_MAX_BYTES:
                return out.getvalue()
        side = side * 3 // 4
        bare.thumbnail((side, side))
