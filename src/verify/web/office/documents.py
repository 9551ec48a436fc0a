"""A copy as PDF, as a picture, and its QR code: made when asked for, in threads, and kept by nobody."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from litestar import get
from litestar.handlers import HTTPRouteHandler

from verify.documents.qr import render_qr_png, render_qr_svg
from verify.documents.sheet import Sheet
from verify.web.framework import Ask, Named, Told, told
from verify.web.office.access import admit
from verify.web.office.desk import OfficeHalf
from verify.web.reply import Reply
from verify.wiring.press import PressRoom

Render: TypeAlias = Callable[[PressRoom, Sheet], Awaitable[bytes]]


async def _pdf(press: PressRoom, sheet: Sheet) -> bytes:
    return await press.pdf(sheet)


async def _png(press: PressRoom, sheet: Sheet) -> bytes:
    return await press.png(sheet)


async def _qr_png(press: PressRoom, sheet: Sheet) -> bytes:
    return await asyncio.to_thread(render_qr_png, sheet.qr_content)


async def _qr_svg(press: PressRoom, sheet: Sheet) -> bytes:
    return (await asyncio.to_thread(render_qr_svg, sheet.qr_content)).encode()


FILES: Final[dict[str, tuple[str, Render]]] = {
    "document.pdf": ("application/pdf", _pdf),
    "document.png": ("image/png", _png),
    "qr.png": ("image/png", _qr_png),
    "qr.svg": ("image/svg+xml", _qr_svg),
}


def document_handlers(half: OfficeHalf) -> list[HTTPRouteHandler]:
    """`/api/v1/certificates/{number}/document.pdf` and its neighbours."""
    return [_file(half, name, media, render) for name, (media, render) in FILES.items()]


def _file(half: OfficeHalf, name: str, media: str, render: Render) -> HTTPRouteHandler:
    @get(f"/api/v1/certificates/{{number:str}}/{name}")
    async def file(request: Ask, number: Named) -> Told:
        asked = await admit(half, request.scope)
        sheet = await asked.desk.views.sheet_for(number, asked.caller)
        data = await render(asked.desk.press, sheet)
        called = re.sub(r"[^A-Za-z0-9]", "", sheet.number)
        disposition = f'inline; filename="{called}-{sheet.copy_number}-{name}"'.encode()
        headers = [*half.headers.cached(media, "no-store"), (b"content-disposition", disposition)]
        return told(Reply(200, headers, data))

    return file
