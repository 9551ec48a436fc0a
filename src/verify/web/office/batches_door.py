"""Batches over HTTP: streamed in, worked on beside the requests, told row by row."""

import csv
import io
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from verify.errors import Fault, Invalid, Words
from verify.issuance.roster import Format, column_words
from verify.issuance.rows import RowResult
from verify.store.batches import Batch
from verify.web.framework import Ask, Named, Told, told
from verify.web.hygiene import require_media, stream_body
from verify.web.language import Lang
from verify.web.office.access import admit, admit_agency, idempotency_key
from verify.web.office.desk import OfficeHalf, location
from verify.web.reply import Reply, header

FORMATS: Final = {
    "application/json": Format.JSON,
    "application/x-ndjson": Format.NDJSON,
    "text/csv": Format.CSV,
}
PAGE_ROWS: Final = 1000
STATES: Final = ("waiting", "issued", "failed")

_ROW = re.compile(r"[0-9]{1,9}")
_encode = msgspec.json.Encoder().encode


def batch_handlers(half: OfficeHalf) -> list[HTTPRouteHandler]:
    """`/api/v1/batches`."""

    @post("/api/v1/batches", status_code=202)
    async def receive(request: Ask) -> Told:
        scope = request.scope
        # 1. Who asks; an upload without a key or of another type is refused before it is read.
        asked, _ = await admit_agency(half, scope)
        key = idempotency_key(scope)
        form = FORMATS[require_media(scope, *FORMATS)]
        # 2. Streamed: one piece in memory at a time, stored sealed as rows become complete.
        pieces = stream_body(scope, request.receive, limit=half.batch_limit, timeout_s=half.body_timeout_s)
        batch, _ = await asked.desk.batches.receive(pieces, form, key, asked.caller)
        # 3. Received whole; its rows are issued from now on.
        return told(half.json(batch_view(batch), 202, location(f"/api/v1/batches/{batch.id}")))

    @get("/api/v1/batches/{batch:str}")
    async def progress(request: Ask, batch: Named) -> Told:
        asked = await admit(half, request.scope)
        return told(half.json(batch_view(await asked.desk.batches.find(batch, asked.caller))))

    @get("/api/v1/batches/{batch:str}/rows")
    async def rows(request: Ask, batch: Named) -> Told:
        asked = await admit(half, request.scope)
        states, after = _page(request)
        found = await asked.desk.batches.results(
            batch, asked.caller, states=states, after=after, limit=PAGE_ROWS + 1
        )
        page, more = found[:PAGE_ROWS], len(found) > PAGE_ROWS
        following = f"/api/v1/batches/{batch}/rows?after={page[-1][1].row}" if more else None
        if following and len(states) == 1:
            following += f"&state={states[0]}"
        accept = header(request.scope, b"accept") or b""
        return told(_rows(half, half.public.language(request.scope), accept, page, following))

    return [receive, progress, rows]


def batch_view(batch: Batch) -> dict[str, Any]:
    """A batch as its agency sees it."""
    address = f"/api/v1/batches/{batch.id}"
    return {
        "id": batch.id, "agency": batch.agency, "state": batch.state, "total": batch.total,
        "issued": batch.issued, "failed": batch.failed,
        "waiting": max(0, batch.total - batch.issued - batch.failed), "created_at": batch.created_at,
        "links": {"self": address, "rows": f"{address}/rows", "failed": f"{address}/rows?state=failed",
                  "documents": f"{address}/documents"},
    }  # fmt: skip


def _page(request: Ask) -> tuple[Sequence[str], int]:
    state, after = request.query_params.get("state"), request.query_params.get("after", "0")
    if state is not None and state not in STATES:
        what = Words(f"可用：{'、'.join(STATES)}。", f"Accepted: {', '.join(STATES)}.")
        raise Invalid(faults=(Fault("/state", "state", what),))
    if not _ROW.fullmatch(after):
        what = Words("应为行号。", "This is a row number.")
        raise Invalid(faults=(Fault("/after", "row", what),))
    return STATES if state is None else (state,), int(after)


def _rows(
    half: OfficeHalf,
    lang: Lang,
    accept: bytes,
    page: Sequence[tuple[str, RowResult]],
    following: str | None,
) -> Reply:
    """The page in the form that the client reads; the next page is in `Link` (RFC 8288) and in the JSON."""
    link = [(b"link", f'<{following}>; rel="next"'.encode())] if following else []
    headers = [*half.headers.json[1:], (b"vary", b"Accept, Accept-Language"), *link]
    if b"text/csv" in accept:
        return Reply(
            200, [(b"content-type", b"text/csv; charset=utf-8; header=present"), *headers], _csv(page, lang)
        )
    views = [row_view(state, row, lang) for state, row in page]
    if b"application/x-ndjson" in accept:
        lines = b"".join(_encode(view) + b"\n" for view in views)
        return Reply(200, [(b"content-type", b"application/x-ndjson"), *headers], lines)
    body = _encode({"rows": views, "next": following})
    return Reply(200, [(b"content-type", b"application/json"), *headers], body)


def row_view(state: str, row: RowResult, lang: Lang) -> dict[str, Any]:
    """What became of one row."""
    view: dict[str, Any] = {"row": row.row, "state": state}
    if row.line:
        view["line"] = row.line
    if row.row_id:
        view["row_id"] = row.row_id
    if row.number:
        view["number"] = row.number
    if row.faults:
        view["errors"] = [
            {"pointer": f.pointer, "code": f.code, "detail": f.detail.zh if lang == "zh" else f.detail.en}
            for f in row.faults
        ]
    return view


def _csv(page: Sequence[tuple[str, RowResult]], lang: Lang) -> bytes:
    """One line a row; several errors stand in one cell. Excel reads UTF-8 only behind a mark."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(("row", "line", "row_id", "state", "number", "column", "code", "detail"))
    for state, row in page:
        details = " ".join(f.detail.zh if lang == "zh" else f.detail.en for f in row.faults)
        writer.writerow(
            (row.row, row.line, _cell(row.row_id), state, row.number or "",
             " ".join(column_words(f) for f in row.faults), " ".join(f.code for f in row.faults), _cell(details))
        )  # fmt: skip
    return "\ufeff".encode() + out.getvalue().encode()


def _cell(text: str) -> str:
    """A spreadsheet must not take a cell for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
