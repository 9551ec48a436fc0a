"""Webhooks: the addresses that an employer wants to be told at, proven to be its own before anything is told there."""

import datetime as dt
import hmac
import os
from collections.abc import Callable
from typing import Any, Final

import msgspec

from verify.employers.addresses import parse_target
from verify.employers.messages import Outcome, Post, Sent, signed_post
from verify.employers.operator import OperatorSigner
from verify.errors import Conflict, TooMany, Words
from verify.proof.sealing import DataKeys
from verify.store.contract import Store
from verify.store.journal import Origin
from verify.store.notices import Place, parse_place
from verify.store.register import Credential
from verify.store.subscriptions import (
    Delivery,
    Webhook,
    add_webhook,
    delete_webhook,
    find_webhook,
    keep_delivery,
    list_deliveries,
    list_webhooks,
    set_webhook,
)

MAX_WEBHOOKS: Final = 5
"""Addresses of one employer."""
TRY_AGAIN: Final = dt.timedelta(seconds=10)
"""Between two pings or challenges of one address: this service is nobody's tool to knock at doors with."""
PING: Final = "ping"
CHALLENGE: Final = "challenge"
CHALLENGE_BYTES: Final = 24


class WebhookRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to tell."""

    url: str


class ReplayRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From where on to tell again."""

    after: str
    """A cursor of the feed or the id of an event; what follows it is delivered."""


_CHALLENGE_WORDS: Final[dict[Outcome, Words]] = {
    Outcome.DELIVERED: Words(
        "回调地址的应答中没有质询值。", "The address answered, but did not repeat the challenge."
    ),
    Outcome.REFUSED: Words("回调地址拒绝了请求。", "The address refused the request."),
    Outcome.REDIRECTED: Words(
        "回调地址转向他处；不跟随转向。", "The address redirects; redirects are not followed."
    ),
    Outcome.UNREACHABLE: Words(
        "无法连接回调地址，或其 TLS 证书无效。", "No connection, or no valid TLS certificate."
    ),
    Outcome.ADDRESS_REFUSED: Words(
        "回调地址指向不允许访问的网络地址。", "The name leads to a network address that is never called."
    ),
    Outcome.TOO_SLOW: Words("回调地址应答超时。", "The address took too long to answer."),
}


class Webhooks:
    """The desk. Safe to call concurrently."""

    def __init__(
        self,
        store: Store,
        signer: OperatorSigner,
        post: Post,
        *,
        data_keys: DataKeys,
        loopback: bool,
        now: Callable[[], dt.datetime],
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """`loopback` lets addresses of this machine be named, for development; `now` gives aware UTC."""
        self._store = store
        self._signer = signer
        self._post = post
        self._keys = data_keys
        self._loopback = loopback
        self._now = now
        self._random = random

    async def add(self, request: WebhookRequest, credential: Credential) -> Webhook:
        """Keep an address. Nothing is delivered before `activate`, and then everything since now.

        Raises Invalid for an address that is never called, Conflict past `MAX_WEBHOOKS`.
        """
        url = parse_target(request.url, loopback=self._loopback)
        now = self._now()
        hook = Webhook(
            f"wh_{self._random(12).hex()}", credential.id, url, "unproven", now, Place(0), 0, None, now
        )
        origin = self._origin(credential, f"webhook\0{url}")
        return await self._store.write(lambda: add_webhook(hook, MAX_WEBHOOKS, origin))

    async def find(self, hook_id: str, credential: Credential) -> Webhook:
        """One address. Raises NotFound, for another employer's too."""
        return await self._store.read(lambda: find_webhook(hook_id, credential.id))

    async def all_of(self, credential: Credential) -> list[Webhook]:
        """The employer's addresses, oldest first."""
        return await self._store.read(lambda: list_webhooks(credential.id))

    async def remove(self, hook_id: str, credential: Credential) -> None:
        """Tell nothing there any more. Raises NotFound."""
        origin = self._origin(credential, f"delete\0{hook_id}")
        await self._store.write(lambda: delete_webhook(hook_id, credential.id, origin))

    async def activate(self, hook_id: str, credential: Credential) -> Webhook:
        """Ask the address to repeat a random value, signed as everything sent there; then deliver to it.

        Only who answers at the address can pass: nobody makes this service call a stranger again and again.
        Also how a parked address comes back. Raises NotFound, TooMany, BadKey, Conflict with what was wrong.
        """
        hook = await self.find(hook_id, credential)
        value = self._random(CHALLENGE_BYTES).hex()
        sent = await self._knock(hook, CHALLENGE, {"type": CHALLENGE, "webhook": hook.id, "challenge": value})
        if sent.outcome is not Outcome.DELIVERED or not _repeats(sent.answer, value):
            raise Conflict(_CHALLENGE_WORDS[sent.outcome])
        origin = self._origin(credential, f"activate\0{hook.id}")
        return await self._store.write(lambda: set_webhook(hook.id, credential.id, origin, activate=True))

    async def ping(self, hook_id: str, credential: Credential) -> Delivery:
        """Send a test that tells nothing. Raises NotFound, Conflict before activation, TooMany, BadKey."""
        hook = await self.find(hook_id, credential)
        if hook.state == "unproven":
            raise Conflict(Words("该地址尚未激活。", "This webhook is not activated yet."))
        sent = await self._knock(hook, PING, {"type": PING, "webhook": hook.id})
        return Delivery(PING, self._now(), sent.outcome, sent.status, sent.took_ms)

    async def replay(self, hook_id: str, request: ReplayRequest, credential: Credential) -> Webhook:
        """Deliver everything after a cursor again, in order. Raises NotFound, Invalid, Conflict."""
        place = parse_place(request.after)
        origin = self._origin(credential, f"replay\0{hook_id}\0{place}")
        return await self._store.write(lambda: set_webhook(hook_id, credential.id, origin, told=place))

    async def deliveries(self, hook_id: str, credential: Credential) -> list[Delivery]:
        """The last ones with their results, newest first. Raises NotFound."""
        hook = await self.find(hook_id, credential)
        return await self._store.read(lambda: list_deliveries(hook.id))

    async def _knock(self, hook: Webhook, event: str, content: dict[str, Any]) -> Sent:
        at = self._now()
        last = await self._store.read(lambda: list_deliveries(hook.id))
        if any(one.event in (PING, CHALLENGE) and at - one.at < TRY_AGAIN for one in last):
            raise TooMany(Words("请间隔十秒再试。", "Wait ten seconds between two tries."))
        sent = await signed_post(self._post, self._signer, hook.url, event, content, int(at.timestamp()))
        kept = Delivery(event, at, sent.outcome, sent.status, sent.took_ms)
        await self._store.write(lambda: keep_delivery(hook.id, kept))
        return sent

    def _origin(self, credential: Credential, what: str) -> Origin:
        return Origin(credential.id, self._now(), self._keys.request_tag(what.encode()))


def _repeats(answer: bytes, value: str) -> bool:
    """The value alone, or a JSON object with it as `challenge`."""
    text = answer.strip()
    try:
        if text.startswith(b"{"):
            found = msgspec.json.decode(text, type=dict[str, Any]).get("challenge")
            text = found.encode() if isinstance(found, str) else b""
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return hmac.compare_digest(text, value.encode())
