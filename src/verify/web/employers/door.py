"""Lists and receipts over HTTP."""

import csv
import io
import re
from typing import Any, Final, Literal

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from verify.employers.lists import Result
from verify.employers.questions import MAX_ROWS, Question
from verify.errors import Fault, Forbidden, Invalid, TooMany, Words
from verify.lookup.budget import Decision
from verify.office.credentials import EMPLOYER_ROLE
from verify.store.employers import EmployerCheck
from verify.store.register import Credential
from verify.web.framework import Ask, Named, Told, told
from verify.web.hygiene import read_body, require_media
from verify.web.office.access import authenticated, idempotency_key, read_json
from verify.web.office.desk import OfficeHalf, location
from verify.web.public.allowance import limit_headers
from verify.web.reply import Reply, Scope, header
from verify.wiring.desks import OfficeHouse

LISTS: Final[dict[str, Literal["csv", "ndjson"]]] = {"text/csv": "csv", "application/x-ndjson": "ndjson"}
PAGE_ROWS: Final = 1000

_ROW = re.compile(r"[0-9]{1,9}")
_encode = msgspec.json.Encoder().encode


class SpentBudget(TooMany):
    """Too many requests; try again later. 请求过于频繁，请稍后再试。"""

    def __init__(self, decision: Decision) -> None:
        """Tell what `decision` says."""
        super().__init__()
        self.retry_after_s = decision.retry_after_s
        self.headers = limit_headers(decision)


async def admit_employer(half: OfficeHalf, scope: Scope) -> tuple[OfficeHouse, Credential]:
    """The employer behind the API key. Raises Unauthenticated, Forbidden for any other role."""
    desk, credential = await authenticated(half, scope)
    if credential.role != EMPLOYER_ROLE:
        raise Forbidden(
            Words("该操作须使用用人单位的接口密钥。", "This needs an employer's API key."),
            hint="verify credential create --employer NAME",
        )
    return desk, credential


def list_handlers(half: OfficeHalf) -> list[HTTPRouteHandler]:
    """`/api/v1/employer-checks`."""

    @post("/api/v1/employer-checks", status_code=202)
    async def receive(request: Ask) -> Told:
        scope = request.scope
        desk, credential = await admit_employer(half, scope)
        key = idempotency_key(scope)
        form = LISTS[require_media(scope, *LISTS)]
        body = await read_body(scope, request.receive, limit=half.list_limit, timeout_s=half.body_timeout_s)
        check = await desk.lists.receive(body, form, key, credential)
        return told(half.json(_view(check), 202, location(f"/api/v1/employer-checks/{check.id}")))

    @get("/api/v1/employer-checks/{check:str}")
    async def progress(request: Ask, check: Named) -> Told:
        desk, credential = await admit_employer(half, request.scope)
        return told(half.json(_view(await desk.lists.find(check, credential))))

    @get("/api/v1/employer-checks/{check:str}/results")
    async def results(request: Ask, check: Named) -> Told:
        desk, credential = await admit_employer(half, request.scope)
        accept = header(request.scope, b"accept") or b""
        vary = (b"vary", b"Accept")
        if b"application/x-ndjson" in accept:
            _, lines = await desk.lists.whole(check, credential)
            return told(Reply(200, [*_headers(half, "application/x-ndjson"), vary], lines))
        if b"text/csv" in accept:
            found = await desk.lists.results(check, credential, limit=MAX_ROWS)
            return told(Reply(200, [*_headers(half, "text/csv; charset=utf-8"), vary], _csv(found)))
        after = _after(request.query_params.get("after", "0"))
        found = await desk.lists.results(check, credential, after=after, limit=PAGE_ROWS + 1)
        page, more = found[:PAGE_ROWS], len(found) > PAGE_ROWS
        following = f"/api/v1/employer-checks/{check}/results?after={after + PAGE_ROWS}" if more else None
        views = [_row(after + i, state, result) for i, (state, result) in enumerate(page, 1)]
        return told(half.json({"results": views, "next": following}, 200, vary))

    @get("/api/v1/employer-checks/{check:str}/signature")
    async def signature(request: Ask, check: Named) -> Told:
        desk, credential = await admit_employer(half, request.scope)
        signed = await desk.lists.sign(check, credential)
        return told(Reply(200, _headers(half, "application/jose"), signed.encode()))

    return [receive, progress, results, signature]


def receipt_handlers(half: OfficeHalf) -> list[HTTPRouteHandler]:
    """`/api/v1/receipts`."""

    @post("/api/v1/receipts", status_code=201)
    async def give(request: Ask) -> Told:
        desk, credential = await admit_employer(half, request.scope)
        question, _ = await read_json(half, request.scope, request.receive, Question)
        source = f"employer:{credential.id}"
        left = desk.budgets.spend(source)
        if not left.allowed:
            raise SpentBudget(left)
        given = await desk.receipts.give(question, credential)
        if not given.answers:
            desk.budgets.missed(source)
        vary = (b"vary", b"Accept")
        if b"application/pdf" in (header(request.scope, b"accept") or b""):
            page = await desk.receipt_papers.pdf(given.receipt)
            return told(Reply(201, [*_headers(half, "application/pdf"), vary], page))
        claims = given.claims
        view = {
            "id": claims.jti, "verdict": claims.verdict, "as_of": claims.as_of, "seq": claims.seq,
            "receipt": given.receipt, "answers": [msgspec.Raw(answer) for answer in given.answers],
        }  # fmt: skip
        return told(half.json(view, 201, vary))

    return [give]


def _view(check: EmployerCheck) -> dict[str, Any]:
    address = f"/api/v1/employer-checks/{check.id}"
    return {
        "id": check.id, "state": "ready" if check.done_at is None else "done", "total": check.total,
        "found": check.found, "missed": check.missed, "failed": check.failed,
        "waiting": check.total - check.found - check.missed - check.failed, "created_at": check.created_at,
        "done_at": check.done_at,
        "links": {"self": address, "results": f"{address}/results", "signature": f"{address}/signature"},
    }  # fmt: skip


def _row(row: int, state: str, result: Result | None) -> dict[str, Any]:
    if result is None:
        return {"row": row, "state": state}
    shown: dict[str, Any] = msgspec.to_builtins(result)
    return shown | {"state": state}


def _after(text: str) -> int:
    if not _ROW.fullmatch(text):
        raise Invalid(faults=(Fault("/after", "row", Words("应为行号。", "This is a row number.")),))
    return int(text)


def _headers(half: OfficeHalf, media: str) -> list[tuple[bytes, bytes]]:
    return half.headers.cached(media, "no-store")


def _csv(rows: list[tuple[str, Result | None]]) -> bytes:
    """One line for each certificate shown, and one for each row that shows none."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(("row", "ref", "state", "verdict", "as_of", "number", "certificate_verdict", "error"))
    for i, (state, result) in enumerate(rows, 1):
        if result is None:
            writer.writerow((i, "", state, "", "", "", "", ""))
            continue
        codes = " ".join(fault.code for fault in result.errors)
        for answer in result.answers or ({},):
            writer.writerow(
                (i, _cell(result.ref), state, result.verdict or "", result.as_of or "",
                 answer.get("number", ""), answer.get("verdict", ""), codes)
            )  # fmt: skip
    return "\ufeff".encode() + out.getvalue().encode()


def _cell(text: str) -> str:
    """A spreadsheet must not take a cell for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
