"""`/S/{code}`: what a holder's link shows, as page or data. Every code that leads nowhere is the one miss."""

from typing import Any

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler

from verify.errors import NotFound
from verify.holders.links import Links, Shown
from verify.web.framework import Ask, Named, Told, told
from verify.web.language import wants_page
from verify.web.opening import Derived
from verify.web.public.allowance import asker, spend
from verify.web.public.asks import miss_body
from verify.web.public.half import PublicHalf, instant, utc_now
from verify.web.reply import Reply, Scope, header

_decode = msgspec.json.Decoder().decode


def link_handlers(half: PublicHalf, links: Derived[Links]) -> list[HTTPRouteHandler]:
    """Routes of this module; they need no signing key and write nothing."""

    @get("/S/{code:str}")
    async def follow(request: Ask, code: Named) -> Told:
        scope = request.scope
        desk, source = half.opening.now(), asker(scope, half.trusted_proxies)
        await spend(desk, scope, source)
        try:
            shown = await links.now().follow(code)
        except NotFound:
            desk.budgets.missed(source)
            return told(_miss(half, scope))
        return told(_shown(half, scope, shown))

    return [follow]


def _shown(half: PublicHalf, scope: Scope, shown: Shown) -> Reply:
    if not wants_page(header(scope, b"accept")):
        shared = msgspec.json.encode(
            {"by": "holder", "label": shown.label, "until": instant(shown.expires_at)}
        )
        body = b'%b,"shared":%b}' % (shown.answer[:-1], shared)
        return Reply(200, half.headers.json_by_accept, body)
    answer: dict[str, Any] = _decode(shown.answer)
    page = half.pages.render_share(
        half.language(scope), host=half.host, answer=answer, label=shown.label, until=shown.expires_at,
        checked_at=utc_now(),
    )  # fmt: skip
    return Reply(200, half.headers.page, page)


def _miss(half: PublicHalf, scope: Scope) -> Reply:
    if not wants_page(header(scope, b"accept")):
        return Reply(404, half.headers.json_by_accept, miss_body(instant(utc_now())))
    page = half.pages.render(half.language(scope), "holder_gone.html", host=half.host, here="")
    return Reply(404, half.headers.page, page)
