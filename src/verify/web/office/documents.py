"""The files of a copy: the signed PDF, which is kept; pictures of the page and its QR code, made when asked for."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeAlias

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from verify.documents.qr import render_qr_png, render_qr_svg
from verify.documents.sheet import Sheet
from verify.errors import Fault, Invalid, Words
from verify.issuance.papers import DEFAULT
from verify.web.framework import Ask, Named, Told, told
from verify.web.office.access import admit
from verify.web.office.bundle import bundle
from verify.web.office.desk import OfficeHalf
from verify.web.reply import App, Receive, Reply, Scope, Send
from verify.wiring.press import PressRoom

Render: TypeAlias = Callable[[PressRoom, Sheet], Awaitable[bytes]]

_PDF = re.compile(r"/api/v1/certificates/([0-9A-Za-z]{1,32})/document\.pdf")
_TEMPLATE = re.compile(r"[a-z][a-z0-9-]{0,39}")


async def _png(press: PressRoom, sheet: Sheet) -> bytes:
    return await press.png(sheet)


async def _share(press: PressRoom, sheet: Sheet) -> bytes:
    return await press.share(sheet)


async def _qr_png(press: PressRoom, sheet: Sheet) -> bytes:
    return await asyncio.to_thread(render_qr_png, sheet.qr_content)


async def _qr_svg(press: PressRoom, sheet: Sheet) -> bytes:
    return (await asyncio.to_thread(render_qr_svg, sheet.qr_content)).encode()


PICTURES: Final[dict[str, tuple[str, Render]]] = {
    "document.png": ("image/png", _png),
    "share.png": ("image/png", _share),
    "qr.png": ("image/png", _qr_png),
    "qr.svg": ("image/svg+xml", _qr_svg),
}


def document_handlers(half: OfficeHalf) -> list[HTTPRouteHandler]:
    """`/api/v1/certificates/{number}/document.pdf` and its neighbours; `/api/v1/batches/{batch}/documents`."""
    pictures = [_picture(half, name, media, render) for name, (media, render) in PICTURES.items()]
    return [_pdf(half), *pictures, _batch(half)]


def _pdf(half: OfficeHalf) -> HTTPRouteHandler:
    @get("/api/v1/certificates/{number:str}/document.pdf")
    async def pdf(request: Ask, number: Named) -> Told:
        asked = await admit(half, request.scope)
        paper = await asked.desk.papers.pdf(number, asked.caller, template_of(request))
        return _file(half, "application/pdf", paper.name, paper.data)

    return pdf


class ShortWay:
    """The application in front of the framework: kept PDFs, which holders' systems ask for again and again, go past it.

    The framework costs as much as everything else about such a file; a request that is in any way unusual goes there.
    """

    def __init__(self, half: OfficeHalf, rest: App) -> None:
        """`rest` answers everything else."""
        self._half = half
        self.rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Raises what `admit` and `Papers.pdf` raise: the front makes problems of them."""
        path = scope.get("path", "")
        found = _PDF.fullmatch(path) if scope["type"] == "http" and scope["method"] == "GET" else None
        if found is None or scope["query_string"]:
            await self.rest(scope, receive, send)
            return
        asked = await admit(self._half, scope)
        paper = await asked.desk.papers.pdf(found[1], asked.caller)
        headers = _headers(self._half, "application/pdf", paper.name)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": paper.data})


def _picture(half: OfficeHalf, name: str, media: str, render: Render) -> HTTPRouteHandler:
    @get(f"/api/v1/certificates/{{number:str}}/{name}")
    async def picture(request: Ask, number: Named) -> Told:
        asked = await admit(half, request.scope)
        sheet = await asked.desk.views.sheet_for(number, asked.caller)
        sheet = msgspec.structs.replace(sheet, template=template_of(request))
        data = await render(asked.desk.press, sheet)
        return _file(half, media, f"{sheet.number}-{sheet.copy_number}-{name}", data)

    return picture


def _batch(half: OfficeHalf) -> HTTPRouteHandler:
    @get("/api/v1/batches/{batch:str}/documents", media_type="application/zip")
    async def documents(request: Ask, batch: Named) -> Stream:
        asked = await admit(half, request.scope)
        template = template_of(request)
        found = await asked.desk.batches.find(batch, asked.caller)

        async def pieces() -> AsyncIterator[bytes]:
            async for piece in bundle(asked.desk, found.id, asked.caller, template):
                yield piece

        headers = {
            "cache-control": "no-store",
            "content-disposition": f'attachment; filename="{found.id}.zip"',
        }
        return Stream(pieces(), media_type="application/zip", headers=headers)

    return documents


def template_of(request: Ask) -> str:
    """The form that `?template=` names, else the product's first. Raises Invalid for what cannot be a name."""
    name: str = request.query_params.get("template", DEFAULT)
    if not _TEMPLATE.fullmatch(name):
        what = Words("不是模板名称。", "This is no name of a template.")
        raise Invalid(faults=(Fault("/template", "template", what),))
    return name


def _file(half: OfficeHalf, media: str, name: str, data: bytes) -> Told:
    return told(Reply(200, _headers(half, media, name), data))


def _headers(half: OfficeHalf, media: str, name: str) -> list[tuple[bytes, bytes]]:
    disposition = f'inline; filename="{re.sub(r"[^A-Za-z0-9.-]", "", name)}"'.encode()
    return [*half.headers.cached(media, "no-store"), (b"content-disposition", disposition)]
