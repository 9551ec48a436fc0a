"""Subscriptions, the feed and webhooks over HTTP."""

import re
from typing import Any, Final, NoReturn

from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler

from verify.employers.messages import event_view
from verify.employers.subscriptions import PAGE, SubscriptionRequest
from verify.employers.webhooks import ReplayRequest, WebhookRequest
from verify.errors import Fault, Invalid, Words
from verify.store.subscriptions import Webhook
from verify.web.employers.door import SpentBudget, admit_employer
from verify.web.framework import Ask, Named, Told, told
from verify.web.hygiene import read_body
from verify.web.office.access import read_json
from verify.web.office.desk import OfficeHalf, location

EVENTS: Final = 100
WAIT_S: Final = 20
"""The longest that somebody may wait at the feed."""
WAITING: Final = 4
"""How many may wait there at once with one key; others are answered at once."""

_NUMBER = re.compile(r"[0-9A-Z]{1,32}")
_COUNT = re.compile(r"[0-9]{1,4}")


def subscription_handlers(half: OfficeHalf) -> list[HTTPRouteHandler]:
    """`/api/v1/employer-subscriptions`."""

    @post("/api/v1/employer-subscriptions", status_code=201)
    async def add(request: Ask) -> Told:
        desk, credential = await admit_employer(half, request.scope)
        given, _ = await read_json(half, request.scope, request.receive, SubscriptionRequest)
        source = f"employer:{credential.id}"
        left = desk.budgets.spend(source)
        if not left.allowed:
            raise SpentBudget(left)
        return told(half.json(await desk.subscriptions.add(given, credential), 201))

    @get("/api/v1/employer-subscriptions")
    async def page(request: Ask) -> Told:
        desk, credential = await admit_employer(half, request.scope)
        after = request.query_params.get("after", "")
        if after and not _NUMBER.fullmatch(after):
            _refuse("after", "number", "应为证书编号。", "This is a certificate number.")
        found = await desk.subscriptions.page(credential, after)
        more = f"/api/v1/employer-subscriptions?after={found[-1].number}" if len(found) == PAGE else None
        return told(half.json({"subscriptions": found, "next": more}))

    @delete("/api/v1/employer-subscriptions/{number:str}", status_code=200)
    async def remove(request: Ask, number: Named) -> Told:
        desk, credential = await admit_employer(half, request.scope)
        await desk.subscriptions.remove(number, credential)
        return told(half.json({"removed": number}))

    return [add, page, remove]


def feed_handlers(half: OfficeHalf) -> list[HTTPRouteHandler]:
    """`/api/v1/employer-events`."""
    waiting: dict[str, int] = {}

    @get("/api/v1/employer-events")
    async def feed(request: Ask) -> Told:
        desk, credential = await admit_employer(half, request.scope)
        asked = request.query_params
        limit = _count(asked.get("limit", str(EVENTS)), "limit", EVENTS) or 1
        wait_s = _count(asked.get("wait", "0"), "wait", WAIT_S)
        if waiting.get(credential.id, 0) >= WAITING:
            wait_s = 0
        waiting[credential.id] = waiting.get(credential.id, 0) + 1
        try:
            page = await desk.subscriptions.feed(
                credential, asked.get("after", "0"), limit=limit, wait_s=wait_s
            )
        finally:
            waiting[credential.id] -= 1
            if not waiting[credential.id]:
                del waiting[credential.id]
        shown = desk.settings.revoked_public
        events = [event_view(notice, revoked_public=shown) for notice in page.notices]
        return told(half.json({"events": events, "next": str(page.following), "more": page.more}))

    return [feed]


def webhook_handlers(half: OfficeHalf) -> list[HTTPRouteHandler]:
    """`/api/v1/employer-webhooks`."""

    @post("/api/v1/employer-webhooks", status_code=201)
    async def add(request: Ask) -> Told:
        desk, credential = await admit_employer(half, request.scope)
        given, _ = await read_json(half, request.scope, request.receive, WebhookRequest)
        made = await desk.webhooks.add(given, credential)
        return told(half.json(_view(made), 201, location(f"/api/v1/employer-webhooks/{made.id}")))

    @get("/api/v1/employer-webhooks")
    async def all_of(request: Ask) -> Told:
        desk, credential = await admit_employer(half, request.scope)
        found = await desk.webhooks.all_of(credential)
        return told(half.json({"webhooks": [_view(hook) for hook in found]}))

    @get("/api/v1/employer-webhooks/{webhook:str}")
    async def find(request: Ask, webhook: Named) -> Told:
        desk, credential = await admit_employer(half, request.scope)
        return told(half.json(_view(await desk.webhooks.find(webhook, credential))))

    @delete("/api/v1/employer-webhooks/{webhook:str}", status_code=200)
    async def remove(request: Ask, webhook: Named) -> Told:
        desk, credential = await admit_employer(half, request.scope)
        await desk.webhooks.remove(webhook, credential)
        return told(half.json({"removed": webhook}))

    return [add, all_of, find, remove, *_webhook_steps(half)]


def _webhook_steps(half: OfficeHalf) -> list[HTTPRouteHandler]:
    @post("/api/v1/employer-webhooks/{webhook:str}/activation", status_code=200)
    async def activate(request: Ask, webhook: Named) -> Told:
        desk, credential = await admit_employer(half, request.scope)
        await _no_body(half, request)
        return told(half.json(_view(await desk.webhooks.activate(webhook, credential))))

    @post("/api/v1/employer-webhooks/{webhook:str}/ping", status_code=200)
    async def ping(request: Ask, webhook: Named) -> Told:
        desk, credential = await admit_employer(half, request.scope)
        await _no_body(half, request)
        return told(half.json(await desk.webhooks.ping(webhook, credential)))

    @post("/api/v1/employer-webhooks/{webhook:str}/replay", status_code=200)
    async def replay(request: Ask, webhook: Named) -> Told:
        desk, credential = await admit_employer(half, request.scope)
        given, _ = await read_json(half, request.scope, request.receive, ReplayRequest)
        return told(half.json(_view(await desk.webhooks.replay(webhook, given, credential))))

    @get("/api/v1/employer-webhooks/{webhook:str}/deliveries")
    async def deliveries(request: Ask, webhook: Named) -> Told:
        desk, credential = await admit_employer(half, request.scope)
        found = await desk.webhooks.deliveries(webhook, credential)
        return told(half.json({"deliveries": found}))

    return [activate, ping, replay, deliveries]


async def _no_body(half: OfficeHalf, request: Ask) -> None:
    await read_body(request.scope, request.receive, limit=half.body_limit, timeout_s=half.body_timeout_s)


def _view(hook: Webhook) -> dict[str, Any]:
    address = f"/api/v1/employer-webhooks/{hook.id}"
    return {
        "id": hook.id, "url": hook.url, "state": hook.state, "created_at": hook.created_at,
        "told": str(hook.told), "failures": hook.failures, "failing_since": hook.failing_since,
        "next_try_at": hook.next_try_at if hook.failures and hook.state == "active" else None,
        "links": {"self": address, "deliveries": f"{address}/deliveries"},
    }  # fmt: skip


def _count(text: str, name: str, most: int) -> int:
    if not _COUNT.fullmatch(text):
        _refuse(name, "count", "应为整数。", "This is a whole number.")
    return min(int(text), most)


def _refuse(name: str, code: str, zh: str, en: str) -> NoReturn:
    raise Invalid(faults=(Fault(f"/{name}", code, Words(zh, en)),))
