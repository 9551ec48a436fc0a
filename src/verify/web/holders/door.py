"""Sessions and what they allow, over HTTP. Only nodes that may write carry it."""

import datetime as dt
from typing import Any

import msgspec
from litestar import delete, get, post, put
from litestar.handlers import HTTPRouteHandler

from verify.certificate.number import canonical_number
from verify.errors import NotFound, Unauthenticated
from verify.holders.links import Link
from verify.holders.session import Session
from verify.issuance.papers import Paper
from verify.web.framework import Ask, Named, Told, told
from verify.web.hygiene import read_body
from verify.web.office.access import read_json
from verify.web.office.desk import OfficeHalf
from verify.web.public.allowance import asker, spend
from verify.web.public.asks import miss_body
from verify.web.public.half import instant, utc_now
from verify.web.reply import Reply, Scope
from verify.wiring.desks import OfficeHouse


class SessionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All three, as printed and as registered."""

    number: str
    name: str
    id_type: str
    id_number: str


class ShareRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For how many days, and for whom in the holder's own words."""

    days: int = 7
    label: str = ""


class ListedRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a search by name and document shows the certificate."""

    listed: bool


HOLDER_BODIES: dict[str, type] = {
    "SessionRequest": SessionRequest,
    "ShareRequest": ShareRequest,
    "ListedRequest": ListedRequest,
}


async def open_session(
    half: OfficeHalf, scope: Scope, number: str, name: str, id_type: str, id_number: str
) -> tuple[str, Session]:
    """A session and the text that carries it; taken from the budgets of the asker, the person and the certificate.

    Raises Invalid, OverBudget with a challenge, NotFound. Whatever does not go together, the work is the same.
    """
    public, desk = half.public.opening.now(), half.opening.now()
    source = asker(scope, half.public.trusted_proxies)
    person = desk.lookup.read_person(id_type, id_number, name)
    target = canonical_number(number)
    await spend(public, scope, source, person.target)
    await spend(public, scope, source, target)
    try:
        return await desk.sessions.open(number, name, id_type, id_number)
    except NotFound:
        public.budgets.missed(source)
        raise


async def admit_holder(half: OfficeHalf, scope: Scope, *, tight: bool = False) -> tuple[OfficeHouse, Session]:
    """The holder behind `Authorization: Bearer hs_…`, about the certificate that `?certificate=` names, else the first.

    With `tight` what a look-up costs is taken from the budgets of the asker and of the certificate.
    Raises Unauthenticated, NotFound, OverBudget.
    """
    text = _bearer(scope)
    desk = half.opening.now()
    session = (await desk.sessions.read(text)).choose(_place(scope["query_string"]))
    if tight:
        source = asker(scope, half.public.trusted_proxies)
        await spend(half.public.opening.now(), scope, source, session.number)
    return desk, session


def _bearer(scope: Scope) -> str:
    """Raises Unauthenticated."""
    values = [value for key, value in scope["headers"] if key == b"authorization"]
    scheme, _, text = values[0].decode("latin-1").strip().partition(" ") if len(values) == 1 else ("", "", "")
    if scheme.lower() != "bearer":
        raise Unauthenticated
    return text.strip()


def _place(query: bytes) -> int:
    """Which of the session's certificates is meant, from 1. Raises NotFound."""
    given = [part[12:] for part in query.split(b"&") if part.startswith(b"certificate=")] or [b"1"]
    if len(given) != 1 or not given[0].isdigit() or len(given[0]) > 3:
        raise NotFound
    return int(given[0])


def holder_handlers(half: OfficeHalf) -> list[HTTPRouteHandler]:
    """`/api/v1/holder-sessions` and `/api/v1/holder/…`."""

    @post("/api/v1/holder-sessions", status_code=201)
    async def begin(request: Ask) -> Told:
        scope = request.scope
        given, _ = await read_json(half, scope, request.receive, SessionRequest)
        try:
            text, session = await open_session(
                half, scope, given.number, given.name, given.id_type, given.id_number
            )
        except NotFound:
            return told(Reply(404, half.headers.json, miss_body(instant(utc_now()))))
        view = {
            "token": text,
            "number": session.number,
            "numbers": session.numbers,
            "expires_at": instant(dt.datetime.fromtimestamp(session.until, dt.UTC)),
        }
        return told(half.json(view, 201))

    @delete("/api/v1/holder-sessions", status_code=200)
    async def end(request: Ask) -> Told:
        text = _bearer(request.scope)
        await half.opening.now().sessions.end(text)
        return told(half.json({"ended": True}))

    @get("/api/v1/holder/shares")
    async def shares(request: Ask) -> Told:
        desk, session = await admit_holder(half, request.scope)
        return told(half.json({"shares": [_link(half, one) for one in await desk.links.list(session)]}))

    @post("/api/v1/holder/shares", status_code=201)
    async def share(request: Ask) -> Told:
        desk, session = await admit_holder(half, request.scope, tight=True)
        given, _ = await read_json(half, request.scope, request.receive, ShareRequest)
        return told(half.json(_link(half, await desk.links.make(session, given.days, given.label)), 201))

    @post("/api/v1/holder/shares/{share:str}/withdrawal", status_code=200)
    async def withdraw(request: Ask, share: Named) -> Told:
        desk, session = await admit_holder(half, request.scope, tight=True)
        await read_body(request.scope, request.receive, limit=half.body_limit, timeout_s=half.body_timeout_s)
        return told(half.json(_link(half, await desk.links.withdraw(session, share))))

    @get("/api/v1/holder/name-search")
    async def listed(request: Ask) -> Told:
        desk, session = await admit_holder(half, request.scope)
        return told(half.json({"listed": await desk.choices.is_listed(session)}))

    @put("/api/v1/holder/name-search", status_code=200)
    async def set_listed(request: Ask) -> Told:
        desk, session = await admit_holder(half, request.scope, tight=True)
        given, _ = await read_json(half, request.scope, request.receive, ListedRequest)
        return told(half.json({"listed": await desk.choices.set_listed(session, given.listed)}))

    @get("/api/v1/holder/checks")
    async def checks(request: Ask) -> Told:
        desk, session = await admit_holder(half, request.scope)
        return told(half.json({"checks": await desk.choices.asked_about(session)}))

    @get("/api/v1/holder/document.pdf")
    async def document(request: Ask) -> Told:
        desk, session = await admit_holder(half, request.scope, tight=True)
        return told(document_file(half, await desk.files.document(session)))

    @get("/api/v1/holder/document.png")
    async def picture(request: Ask) -> Told:
        desk, session = await admit_holder(half, request.scope, tight=True)
        return told(picture_file(half, await desk.files.picture(session)))

    return [begin, end, shares, share, withdraw, listed, set_listed, checks, document, picture]


def document_file(half: OfficeHalf, paper: Paper) -> Reply:
    """The PDF as something to keep; its name is the number on it."""
    disposition = f'attachment; filename="{paper.name}"'.encode()
    headers = [*half.headers.cached("application/pdf", "no-store"), (b"content-disposition", disposition)]
    return Reply(200, headers, paper.data)


def picture_file(half: OfficeHalf, data: bytes) -> Reply:
    """The picture for a phone, to be shown."""
    return Reply(200, half.headers.cached("image/png", "no-store"), data)


def _link(half: OfficeHalf, link: Link) -> dict[str, Any]:
    return {
        "id": link.id, "address": f"{half.public_url}/S/{link.code}", "label": link.label,
        "created_at": link.created_at, "expires_at": link.expires_at, "withdrawn_at": link.withdrawn_at,
    }  # fmt: skip
