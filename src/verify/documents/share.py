"""The picture for a phone: a card that can be sent in a chat and scanned by a long press."""

from typing import Final

from verify.documents.press import Press
from verify.documents.qr import make_qr, shows_code, unreadable_again
from verify.documents.sheet import Sheet

WIDTH: Final = 1_080
"""Pixels; the usual width of a phone's screen."""
PAGE_MM: Final = 90.0
CODE: Final = 600
"""Pixels that the code with its quiet zone may take."""


def render_share(press: Press, sheet: Sheet) -> bytes:
    """A PNG of 1080 × 1800 pixels: kind, name, occupation, level, number, agency, the code, "scan to check".

    It says nothing about validity, and shows neither identity number nor portrait: pictures in chats go far. A
    module is a whole number of pixels; the code is read back from the finished picture.

    Raises:
        BadDocument, Invalid: as `Press.render_pdf`.
    """
    code = make_qr(sheet.qr_content)
    side = CODE // code.span * code.span
    extra = {"page_mm": f"{PAGE_MM}", "qr_mm": f"{side * PAGE_MM / WIDTH:.6f}"}
    png = press.render_form("share", sheet, extra, "png", WIDTH / PAGE_MM * 25.4)
    if not shows_code(png, sheet.qr_content):
        raise unreadable_again()
    return png
