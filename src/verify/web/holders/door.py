"""Sessions and what they allow, over HTTP. Only nodes that may write carry it."""

import datetime as dt
from typing import Any

import msgspec
from litestar import get, post, put
from litestar.handlers import HTTPRouteHandler

from verify.errors import NotFound, Unauthenticated
from verify.holders.links import Link
from verify.holders.session import Session
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


def admit_holder(half: OfficeHalf, scope: Scope) -> tuple[OfficeHouse, Session]:
    """The holder behind `Authorization: Bearer hs_…`. Raises Unauthenticated."""
    values = [value for key, value in scope["headers"] if key == b"authorization"]
    scheme, _, text = values[0].decode("latin-1").strip().partition(" ") if len(values) == 1 else ("", "", "")
    if scheme.lower() != "bearer":
        raise Unauthenticated
    desk = half.opening.now()
    return desk, desk.sessions.read(text.strip())


def holder_handlers(half: OfficeHalf) -> list[HTTPRouteHandler]:
    """`/api/v1/holder-sessions` and `/api/v1/holder/…`."""

    @post("/api/v1/holder-sessions", status_code=201)
    async def begin(request: Ask) -> Told:
        scope = request.scope
        given, _ = await read_json(half, scope, request.receive, SessionRequest)
        public, source = half.public.opening.now(), asker(scope, half.public.trusted_proxies)
        desk = half.opening.now()
        person = desk.lookup.read_person(given.id_type, given.id_number, given.name)
        spend(public, scope, source, person.target)
        try:
            text, session = await desk.sessions.open(given.number, given.name, given.id_type, given.id_number)
        except NotFound:
            public.budgets.missed(source)
            return told(Reply(404, half.headers.json, miss_body(instant(utc_now()))))
        view = {
            "token": text,
            "number": session.number,
            "expires_at": instant(dt.datetime.fromtimestamp(session.until, dt.UTC)),
        }
        return told(half.json(view, 201))

    @get("/api/v1/holder/shares")
    async def shares(request: Ask) -> Told:
        desk, session = admit_holder(half, request.scope)
        return told(half.json({"shares": [_link(half, one) for one in await desk.links.list(session)]}))

    @post("/api/v1/holder/shares", status_code=201)
    async def share(request: Ask) -> Told:
        desk, session = admit_holder(half, request.scope)
        given, _ = await read_json(half, request.scope, request.receive, ShareRequest)
        return told(half.json(_link(half, await desk.links.make(session, given.days, given.label)), 201))

    @post("/api/v1/holder/shares/{share:str}/withdrawal", status_code=200)
    async def withdraw(request: Ask, share: Named) -> Told:
        desk, session = admit_holder(half, request.scope)
        await read_body(request.scope, request.receive, limit=half.body_limit, timeout_s=half.body_timeout_s)
        return told(half.json(_link(half, await desk.links.withdraw(session, share))))

    @get("/api/v1/holder/name-search")
    async def listed(request: Ask) -> Told:
        desk, session = admit_holder(half, request.scope)
        return told(half.json({"listed": await desk.choices.is_listed(session)}))

    @put("/api/v1/holder/name-search", status_code=200)
    async def set_listed(request: Ask) -> Told:
        desk, session = admit_holder(half, request.scope)
        given, _ = await read_json(half, request.scope, request.receive, ListedRequest)
        return told(half.json({"listed": await desk.choices.set_listed(session, given.listed)}))

    @get("/api/v1/holder/checks")
    async def checks(request: Ask) -> Told:
        desk, session = admit_holder(half, request.scope)
        return told(half.json({"checks": await desk.choices.asked_about(session)}))

    return [begin, shares, share, withdraw, listed, set_listed, checks]


def _link(half: OfficeHalf, link: Link) -> dict[str, Any]:
    return {
        "id": link.id, "address": f"{half.public_url}/S/{link.code}", "label": link.label,
        "created_at": link.created_at, "expires_at": link.expires_at, "withdrawn_at": link.withdrawn_at,
    }  # fmt: skip
