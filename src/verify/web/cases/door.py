"""Reports, objections and receipts over HTTP, for anybody. Only nodes that may write carry it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from verify.cases.desk import Opened, Seen
from verify.cases.receipt import parse_receipt, print_receipt
from verify.cases.told import ObjectionRequest, ReportRequest
from verify.documents.evidence import EVIDENCE_LIMITS, redraw_evidence
from verify.errors import Invalid, NotFound, Unavailable, VerifyError, Words
from verify.web.cases.forms import MULTIPART, URLENCODED, Form, read_multipart, read_urlencoded
from verify.web.cases.pages import CasePages
from verify.web.framework import Ask, Named, Told, told
from verify.web.hygiene import convert, decode_json, media_type, read_body, require_media
from verify.web.language import Lang, wants_page
from verify.web.office.desk import OfficeHalf, location
from verify.web.public.allowance import asker, spend
from verify.web.reply import Receive, Reply, Scope, header
from verify.web.understanding import read_number
from verify.wiring.desks import OfficeHouse

CASE_BODIES: Final[dict[str, type]] = {"ReportRequest": ReportRequest, "ObjectionRequest": ObjectionRequest}
REPORT_FIELDS: Final = frozenset(ReportRequest.__struct_fields__)
OBJECTION_FIELDS: Final = frozenset(ObjectionRequest.__struct_fields__)
UPLOAD_BYTES: Final = EVIDENCE_LIMITS.max_bytes + (64 << 10)
"""A picture and the fields beside it."""
DRAW_S: Final = 20.0
"""A picture that was not drawn anew by then, waiting included, is given up."""
PATHS: Final = ("/reports", "/objections")

_encode = msgspec.json.Encoder().encode


class Doors:
    """What the routes below share."""

    def __init__(self, half: OfficeHalf) -> None:
        """Serve `half`."""
        self.half = half
        self.pages = CasePages(half.public.pages, half.public.host)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="verify-evidence")

    async def spend(self, scope: Scope) -> OfficeHouse:
        """The desk, after one case was taken from the asker's budget: it costs what a miss costs.

        Raises OverBudget with a challenge.
        """
        public, source = self.half.public.opening.now(), asker(scope, self.half.public.trusted_proxies)
        await spend(public, scope, source)
        public.budgets.missed(source)
        return self.half.opening.now()

    def language(self, scope: Scope) -> Lang:
        return self.half.public.language(scope)

    async def body(self, scope: Scope, receive: Receive, limit: int) -> bytes:
        return await read_body(scope, receive, limit=limit, timeout_s=self.half.body_timeout_s)

    async def upload(self, scope: Scope, receive: Receive) -> tuple[Form, bytes]:
        """A report's form, and the body as it came. Raises as `hygiene` and `multipart`."""
        body = await self.body(scope, receive, UPLOAD_BYTES)
        return read_multipart(header(scope, b"content-type") or b"", body, REPORT_FIELDS), body

    async def report(self, desk: OfficeHouse, scope: Scope, form: Form, body: bytes) -> Opened:
        """Take in a report from a form. Raises Invalid, DeskFull, Unavailable."""
        given = convert(msgspec.convert, form.fields, ReportRequest)
        picture = await self._draw(form.picture) if form.picture else None
        return await desk.desk.report(given, picture, request_tag(desk, scope, body))

    async def objection(self, desk: OfficeHouse, scope: Scope, form: Form, body: bytes) -> Opened:
        """Take in an objection from a form; slips in its number are read as on the search page."""
        given = convert(msgspec.convert, form.fields, ObjectionRequest)
        if given.number:
            given = msgspec.structs.replace(given, number=read_number(given.number).text)
        return await desk.desk.objection(given, request_tag(desk, scope, body))

    async def follow(self, scope: Scope, text: str) -> Seen | None:
        """How a case stands; None for every receipt that leads nowhere. Raises OverBudget."""
        public, source = self.half.public.opening.now(), asker(scope, self.half.public.trusted_proxies)
        await spend(public, scope, source)
        try:
            return await self.half.opening.now().desk.follow(text)
        except NotFound:
            public.budgets.missed(source)
            return None

    def status_page(self, scope: Scope, seen: Seen | None, text: str, path: str) -> Reply:
        """What `follow` found, as a page."""
        lang, headers = self.language(scope), self.half.headers.page
        receipt = parse_receipt(text)
        if seen is None or receipt is None:
            return Reply(404, headers, self.pages.no_such_receipt(lang, path))
        return Reply(200, headers, self.pages.status(lang, seen, print_receipt(receipt), path))

    def refused(self, scope: Scope, error: VerifyError) -> tuple[int, dict[str, Any]]:
        """Status and problem of a form that is shown again."""
        _, status, problem = self.half.public.problems.describe(error, self.language(scope))
        return status, problem

    def opened(self, opened: Opened, path: str) -> Reply:
        """The answer to a program whose case was taken in."""
        at = f"{path}/{print_receipt(opened.receipt)}"
        case = opened.case
        view = {
            "receipt": print_receipt(opened.receipt), "state": case.state.value, "received_at": case.created_at,
            "due_at": case.due_at, "links": {"status": f"{self.half.public_url}{at}"},
        }  # fmt: skip
        return self.half.json(view, 201, location(at))

    def see_other(self, scope: Scope, opened: Opened, path: str) -> Reply:
        """The way to the status page after a form: asking for the page again sends nothing twice (RFC 9110 §15.4.4)."""
        at = f"{path}/{print_receipt(opened.receipt)}?lang={self.language(scope)}"
        return Reply(303, [*self.half.headers.page, location(at)], b"")

    async def _draw(self, picture: bytes) -> bytes:
        try:
            async with asyncio.timeout(DRAW_S):
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._thread, redraw_evidence, picture)
        except TimeoutError as error:
            what = Words("图片处理超时，请稍后再试。", "The picture took too long; try again later.")
            raise Unavailable(what) from error


def request_tag(desk: OfficeHouse, scope: Scope, body: bytes) -> bytes:
    """The keyed digest that is kept of a request."""
    return desk.data_keys.request_tag(b"\n".join((scope["method"].encode(), scope["path"].encode(), body)))


def report_handlers(doors: Doors) -> list[HTTPRouteHandler]:
    """`/reports` and `/api/v1/reports`."""
    half, pages = doors.half, doors.pages

    @get("/reports")
    async def blank(request: Ask) -> Told:
        return told(Reply(200, half.headers.page, pages.report_form(doors.language(request.scope), {})))

    @post("/reports/form", status_code=200)
    async def about(request: Ask) -> Told:
        scope = request.scope
        require_media(scope, URLENCODED)
        body = await doors.body(scope, request.receive, half.body_limit)
        known = read_urlencoded(body, ("code",)).fields
        return told(Reply(200, half.headers.page, pages.report_form(doors.language(scope), known)))

    @post("/reports", status_code=303)
    async def submit(request: Ask) -> Told:
        scope = request.scope
        require_media(scope, MULTIPART)
        form, body = await doors.upload(scope, request.receive)
        desk = await doors.spend(scope)
        try:
            opened = await doors.report(desk, scope, form, body)
        except Invalid as error:
            status, problem = doors.refused(scope, error)
            page = pages.report_form(doors.language(scope), form.fields, problem)
            return told(Reply(status, half.headers.page, page))
        return told(doors.see_other(scope, opened, "/reports"))

    @post("/api/v1/reports", status_code=201)
    async def report(request: Ask) -> Told:
        scope = request.scope
        require_media(scope, "application/json", MULTIPART)
        if media_type(scope) == MULTIPART:
            form, body = await doors.upload(scope, request.receive)
        else:
            body = await doors.body(scope, request.receive, half.body_limit)
            form = Form(msgspec.structs.asdict(decode_json(body, ReportRequest)))
        opened = await doors.report(await doors.spend(scope), scope, form, body)
        return told(doors.opened(opened, "/reports"))

    return [blank, about, submit, report]


def objection_handlers(doors: Doors) -> list[HTTPRouteHandler]:
    """`/objections` and `/api/v1/objections`."""
    half, pages = doors.half, doors.pages

    @get("/objections")
    async def blank(request: Ask) -> Told:
        return told(Reply(200, half.headers.page, pages.objection_form(doors.language(request.scope), {})))

    @post("/objections", status_code=303)
    async def submit(request: Ask) -> Told:
        scope = request.scope
        require_media(scope, URLENCODED)
        body = await doors.body(scope, request.receive, half.body_limit)
        form = read_urlencoded(body, OBJECTION_FIELDS)
        desk = await doors.spend(scope)
        try:
            opened = await doors.objection(desk, scope, form, body)
        except Invalid as error:
            status, problem = doors.refused(scope, error)
            page = pages.objection_form(doors.language(scope), form.fields, problem)
            return told(Reply(status, half.headers.page, page))
        return told(doors.see_other(scope, opened, "/objections"))

    @post("/api/v1/objections", status_code=201)
    async def objection(request: Ask) -> Told:
        scope = request.scope
        require_media(scope, "application/json")
        body = await doors.body(scope, request.receive, half.body_limit)
        given = decode_json(body, ObjectionRequest)
        desk = await doors.spend(scope)
        return told(
            doors.opened(await desk.desk.objection(given, request_tag(desk, scope, body)), "/objections")
        )

    return [blank, submit, objection]


def receipt_handlers(doors: Doors) -> list[HTTPRouteHandler]:
    """`/reports/{receipt}` and `/objections/{receipt}`: any receipt under either, and a form for it."""
    return [one for path in PATHS for one in _receipt_handlers(doors, path)]


def _receipt_handlers(doors: Doors, path: str) -> list[HTTPRouteHandler]:
    half = doors.half

    @get(f"{path}/{{receipt:str}}")
    async def follow(request: Ask, receipt: Named) -> Told:
        scope = request.scope
        seen = await doors.follow(scope, receipt)
        if wants_page(header(scope, b"accept")):
            return told(doors.status_page(scope, seen, receipt, path))
        if seen is None:
            return told(half.public.problem(NotFound(), scope, page=False))
        return told(Reply(200, half.headers.json_by_accept, _encode(seen)))

    @post(f"{path}/status", status_code=200)
    async def typed(request: Ask) -> Told:
        scope = request.scope
        require_media(scope, URLENCODED)
        body = await doors.body(scope, request.receive, half.body_limit)
        receipt = read_urlencoded(body, ("receipt",)).fields.get("receipt", "")
        return told(doors.status_page(scope, await doors.follow(scope, receipt), receipt, path))

    return [follow, typed]
