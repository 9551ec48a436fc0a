"""Checks of a document that somebody holds: the PDF, a picture of its QR code, the token, the credential."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import msgspec
from litestar import post
from litestar.handlers import HTTPRouteHandler

from verify.errors import Fault, Invalid, Unavailable, Unreadable, Words
from verify.lookup.check import Report
from verify.web.framework import Ask, Told, told
from verify.web.hygiene import decode_json, media_type, read_body, require_media
from verify.web.multipart import parse_multipart
from verify.web.public.allowance import asker, spend
from verify.web.public.checks_papers import (
    brought_text,
    is_pdf,
    is_picture,
    judge,
    known_about,
    number_in,
    pictured,
    read_paper,
    roots_of,
    unusable,
)
from verify.web.public.half import PublicDesk, PublicHalf, utc_now
from verify.web.reply import Receive, Reply, Scope, header

UPLOAD_LIMIT_BYTES: Final = 8 << 20
_READERS: Final = 2
"""Files read at once: a core each at most, the rest wait."""
READ_S: Final = 30.0
"""A file that was not read by then, waiting included, is given up. PDFium is ended after 12 s by itself."""

T = TypeVar("T")

_decode = msgspec.json.Decoder().decode


class CheckRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The token as digits, the address of the QR code, or the credential as a compact JWS."""

    token: str


class Checks:
    """`POST /api/v1/checks` and the page behind the search page's third form."""

    def __init__(self, half: PublicHalf) -> None:
        """Serve `half`."""
        self._half = half
        self._threads = ThreadPoolExecutor(_READERS, thread_name_prefix="verify-check")

    async def report(self, scope: Scope, receive: Receive) -> bytes:
        """The report on what was sent. Raises Invalid when there is nothing to check."""
        half = self._half
        kind = require_media(scope, "application/json", "multipart/form-data")
        limit = half.body_limit if kind == "application/json" else UPLOAD_LIMIT_BYTES
        body = await read_body(scope, receive, limit=limit, timeout_s=half.body_timeout_s)
        text = decode_json(body, CheckRequest).token if kind == "application/json" else ""
        data = text.encode() if text else self._uploaded(scope, body)
        desk = half.opening.now()
        await spend(desk, scope, asker(scope, half.trusted_proxies))
        report = await self._paper(desk, data) if is_pdf(data) else await self._text(desk, data)
        return report.to_json()

    async def _text(self, desk: PublicDesk, data: bytes) -> Report:
        text = await self._read(lambda: brought_text(data))
        report = await desk.checker.check(text)
        return pictured(report) if is_picture(data) else report

    async def _paper(self, desk: PublicDesk, data: bytes) -> Report:
        """A PDF: its record, its seal, its page."""
        at = utc_now()
        roots = roots_of((await desk.store.read(lambda: known_about(None))).keys)
        try:
            paper = await self._read(lambda: read_paper(data, roots, at))
        except Unreadable as error:
            return unusable(error, await desk.checker.check(""))
        known = await desk.store.read(lambda: known_about(number_in(paper)))
        return await judge(paper, known, desk.checker.check)

    async def _read(self, job: Callable[[], T]) -> T:
        """Read a file in one of the threads. Raises Unavailable when that takes too long, and what `job` raises."""
        try:
            async with asyncio.timeout(READ_S):
                return await asyncio.get_running_loop().run_in_executor(self._threads, job)
        except TimeoutError as error:
            what = Words("文件读取超时，请稍后再试。", "Reading the file took too long; try again later.")
            raise Unavailable(what) from error

    def _uploaded(self, scope: Scope, body: bytes) -> bytes:
        if media_type(scope) == "application/json":
            raise _nothing("/token")
        part = parse_multipart(header(scope, b"content-type") or b"", body).get("file")
        if part is None or not part.data:
            raise _nothing("/file")
        return part.data


def _nothing(pointer: str) -> Invalid:
    what = Words("没有可核验的内容。", "There is nothing to check.")
    return Invalid(faults=(Fault(pointer, "missing", what),))


def check_handlers(half: PublicHalf) -> list[HTTPRouteHandler]:
    """Routes of this module."""
    checks = Checks(half)

    @post("/api/v1/checks", status_code=200)
    async def check(request: Ask) -> Told:
        report = await checks.report(request.scope, request.receive)
        return told(Reply(200, half.headers.json, report))

    @post("/checks", status_code=200)
    async def check_page(request: Ask) -> Told:
        report = _decode(await checks.report(request.scope, request.receive))
        lang = half.language(request.scope)
        page = half.pages.render_report(lang, host=half.host, report=report, checked_at=utc_now())
        return told(Reply(200, half.headers.page, page))

    return [check, check_page]
