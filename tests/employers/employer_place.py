"""An employer, a register, and a receiving server on loopback that behaves as told and verifies what it is sent."""

import asyncio
import contextlib
import datetime as dt
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec
from http_message_signatures import HTTPMessageVerifier, MappingKeyResolver
from http_message_signatures.algorithms import ECDSA_P256_SHA256

from verify.employers.dispatcher import Dispatcher
from verify.employers.lists import Lists
from verify.employers.messages import Post
from verify.employers.receipts import Receipts
from verify.employers.subscriptions import SubscriptionRequest, Subscriptions
from verify.employers.webhooks import WebhookRequest, Webhooks
from verify.issuance.issue import Issued
from verify.lookup.check import Checker
from verify.lookup.scan import Lookup
from verify.office.credentials import Credentials
from verify.office.trust import statement_in_use
from verify.proof.http_signature import content_digest
from verify.proof.public import PublicKey, load_public
from verify.proof.signer import SoftSigner, sign_and_read_back
from verify.store.contract import Store
from verify.store.register import Credential, list_keys
from verify.store.subscriptions import Webhook
from verify.wiring.webhook import WebhookPost
from world import PUBLIC_URL, World

EMPLOYER = "岭南机械有限公司"


class Signer:
    """The operator's signature in a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.used: list[PublicKey] = []

    async def in_use(self) -> tuple[PublicKey, SoftSigner]:
        key = statement_in_use(await self.world.store.read(list_keys))
        return key, SoftSigner(self.world.pairs[key.kid])

    async def sign(self, make: Callable[[PublicKey], bytes]) -> tuple[bytes, bytes]:
        key = statement_in_use(await self.world.store.read(list_keys))
        self.used.append(key)
        message = make(key)
        (signature,) = await sign_and_read_back(self.world.open_signer(key.kid), key, [message])
        return message, signature


class Place:
    """One employer's desks in a world."""

    def __init__(self, world: World, credential: Credential, post: Post) -> None:
        self.world, self.credential, self.post = world, credential, post
        self.signer = Signer(world)
        store, keys, now = world.store, world.data_keys, world.clock
        self.lookup = Lookup(store, data_keys=keys, near_cache_bytes=1 << 20, deadline_s=5, now=now)
        self.checker = Checker(store, data_keys=keys, deadline_s=5, now=now)
        asking: Any = {"data_keys": keys, "public_url": PUBLIC_URL, "now": now}
        self.lists = Lists(store, self.lookup, self.checker, self.signer, **asking)
        self.receipts = Receipts(store, self.lookup, self.checker, self.signer, **asking)
        self.subscriptions = Subscriptions(store, self.lookup, self.lists, data_keys=keys, now=now)
        self.webhooks = Webhooks(store, self.signer, post, data_keys=keys, loopback=True, now=now)
        self.dispatcher = self.new_dispatcher()

    def new_dispatcher(
        self, kind: type[Dispatcher] = Dispatcher, post: Post | None = None, store: Store | None = None
    ) -> Dispatcher:
        """Another process, or the same one after a crash."""
        return kind(
            store or self.world.store,
            self.signer,
            post or self.post,
            revoked_public=True,
            now=self.world.clock,
        )

    async def follow(self, *issued: Issued, name: str) -> None:
        """Subscribe to certificates of one name."""
        for one in issued:
            await self.subscriptions.add(SubscriptionRequest(number=one.number, name=name), self.credential)

    async def open_hook(self, url: str) -> Webhook:
        """A proven address."""
        made = await self.webhooks.add(WebhookRequest(url), self.credential)
        return await self.webhooks.activate(made.id, self.credential)

    async def all_events(self, after: str = "0", limit: int = 100) -> list[str]:
        """Ids of the whole feed, page by page."""
        found: list[str] = []
        while True:
            page = await self.subscriptions.feed(self.credential, after, limit=limit, wait_s=0)
            found += [str(notice.place) for notice in page.notices]
            after = str(page.following)
            if not page.more:
                return found


@contextlib.asynccontextmanager
async def employer(world: World, post: Post | None = None) -> AsyncIterator[Place]:
    """A registered employer with an API key."""
    desk = Credentials(world.store, now=world.clock)
    credential, _ = await desk.create(EMPLOYER, agency=None, employer=True, actor="test")
    own = WebhookPost(loopback=True, total_s=1.0)
    place = Place(world, credential, post or own)
    try:
        yield place
    finally:
        await place.lookup.close()
        await own.close()


class Receiver:
    """Answers as `mode` says, keeps what it was sent, and refuses what is not signed by the operator's key."""

    def __init__(self) -> None:
        self.mode: Callable[[web.Request], Any] | None = None
        """In the place of the usual answer."""
        self.seen: list[tuple[str, dict[str, Any]]] = []
        """Event id and content of every request that was signed well, in order."""
        self.keys: dict[str, PublicKey] = {}
        self.headers: list[dict[str, str]] = []
        self.url = ""
        self.wrong: list[str] = []

    @property
    def events(self) -> list[str]:
        """Ids of the events of certificates, as they came."""
        return [key for key, content in self.seen if content["type"] == "certificate"]

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        try:
            self._verify(request, body)
        except Exception as error:  # told in the assertion at the end
            self.wrong.append(repr(error))
            return web.Response(status=401)
        if self.mode is not None:
            answer = self.mode(request)
            return await answer if asyncio.iscoroutine(answer) else answer
        content = json.loads(body)
        self.headers.append(dict(request.headers))
        self.seen.append((request.headers["Verify-Event-Id"], content))
        return web.json_response({"challenge": content.get("challenge")})

    def _verify(self, request: web.Request, body: bytes) -> None:
        keys = {kid: load_public(key.alg, key.key_bytes) for kid, key in self.keys.items()}
        for key in keys.values():
            assert isinstance(key, ec.EllipticCurvePublicKey)
        resolver = MappingKeyResolver(public_keys=keys, private_keys={})
        verifier = HTTPMessageVerifier(signature_algorithm=ECDSA_P256_SHA256, key_resolver=resolver)
        message = _Message("POST", str(request.url), dict(request.headers))
        # The world's clock is not the machine's, so the age is the test's business and not the library's.
        verifier.max_clock_skew = dt.timedelta(days=3650)
        (result,) = verifier.verify(message, max_age=dt.timedelta(days=3650))
        assert result.parameters["tag"] == "verify-webhook"
        covered = set(result.covered_components)
        assert {'"@method"', '"@target-uri"', '"content-digest"', '"verify-event-id"'} <= covered
        assert request.headers["Content-Digest"] == content_digest(body)


class _Message:
    def __init__(self, method: str, url: str, headers: dict[str, str]) -> None:
        self.method, self.url, self.headers = method, url, headers


@contextlib.asynccontextmanager
async def receiving(place: Place) -> AsyncIterator[Receiver]:
    """A receiver on loopback that trusts the keys of the register."""
    receiver = Receiver()
    receiver.keys = {
        key.kid: key for key in await place.world.store.read(list_keys) if key.owner == "operator"
    }
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    (address,) = runner.addresses
    receiver.url = f"http://127.0.0.1:{address[1]}/hook?tenant=1"
    try:
        yield receiver
    finally:
        await runner.cleanup()
    assert receiver.wrong == []
