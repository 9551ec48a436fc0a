"""`/imitations`: sites that are known to imitate this one, for people and for programs that block addresses."""

from typing import Any

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler

from verify.cases.imitations import Imitations, readable
from verify.store.imitations import Imitation
from verify.web.cases.pages import CasePages
from verify.web.framework import Ask, Told, told
from verify.web.opening import Derived
from verify.web.public.half import PublicHalf
from verify.web.reply import Reply

_encode = msgspec.json.Encoder().encode


def imitation_handlers(half: PublicHalf, desk: Derived[Imitations]) -> list[HTTPRouteHandler]:
    """Routes of this module; they need no signing key and write nothing."""
    pages = CasePages(half.pages, half.host)

    @get("/imitations")
    async def page(request: Ask) -> Told:
        sites = await desk.now().listed()
        return told(Reply(200, half.headers.page, pages.imitations(half.language(request.scope), sites)))

    @get("/api/v1/imitations")
    async def data() -> Told:
        sites = await desk.now().listed()
        body = {"host": half.host, "imitations": [imitation_view(site) for site in sites]}
        return told(Reply(200, half.headers.json, _encode(body)))

    return [page, data]


def imitation_view(site: Imitation) -> dict[str, Any]:
    """A listing without who made it."""
    return {
        "domain": site.domain, "readable": readable(site.domain), "seen_on": site.seen_on, "note": site.note,
        "added_at": site.added_at,
    }  # fmt: skip
