"""The front: addresses that many ask are answered here, without a framework; the rest is passed on.

Whoever answers, every answer leaves with the security headers, every error as a problem, and every route counted
under its template: never under its path, which may hold a scan code.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from verify.errors import Forbidden, NotAllowed, NotFound, VerifyError, Words
from verify.telemetry import tally
from verify.web.hygiene import ClientGone, check_path
from verify.web.language import wants_page
from verify.web.public import asks, health, pages_door, published
from verify.web.public.allowance import OverBudget
from verify.web.public.half import PublicHalf
from verify.web.public.kept import PACKS, Kept
from verify.web.reply import App, Message, Receive, Reply, Scope, Send, header

Answerer: TypeAlias = Callable[[Scope, Receive], Awaitable[Reply]]

NUMBERS: Final = "/api/v1/certificates/"
HOLD_S: Final = 0.1
MOST_HELD: Final = 1024
"""Refusals that are held back at a time; each costs a few kilobytes."""
PAGE_PATHS: Final = frozenset({"/", "/checks"})
"""Together with `/V/…`: addresses whose errors people see."""


class Front:
    """The ASGI application that the server calls."""

    def __init__(self, half: PublicHalf, readiness: health.Readiness, rest: App, *, office: bool) -> None:
        """`rest` answers what is not dispatched here; `office` tells whether it has the office's routes."""
        self._half = half
        self.rest = rest
        self._office = office
        self._static = published.StaticFiles(half.assets, half.headers)
        self._search = pages_door.SearchPages(half)
        self._kept = Kept(half)
        self._readiness = readiness
        self._table = self._exact_routes()
        self._allow = _allow(self._table)
        self._security = half.headers.security
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or run the application's life."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.rest(scope, receive, send)
            return
        try:
            reply = await self._answer(scope, receive, send)
        except ClientGone:
            return
        except Exception as error:  # whatever it is, the client gets a problem and nothing of its text
            if isinstance(error, OverBudget):
                await self._hold()
            reply = self._half.problem(error, scope, page=self._is_page(scope), here=_here(scope["path"]))
        if reply is not None:
            await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
            await send({"type": "http.response.body", "body": reply.body})

    async def _hold(self) -> None:
        """Who asks past a budget waits for the refusal: a scan on n connections cannot take more than n refusals in
        `HOLD_S` from those who ask within theirs."""
        if self._held < MOST_HELD:
            self._held += 1
            try:
                await asyncio.sleep(HOLD_S)
            finally:
                self._held -= 1

    def addresses(self) -> set[tuple[str, str]]:
        """Method and path template of everything answered here, static files left out."""
        return {
            *self._table,
            ("GET", NUMBERS + "{number}"),
            ("GET", "/V/{scan_code}"),
            ("GET", PACKS + "{name}"),
        }

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> Reply | None:
        """The reply, or None when the framework has sent its own."""
        path: str = scope["path"]
        method: str = scope["method"]
        counts = tally.requests
        # 1. The two that are asked most.
        if method == "GET" or method == "HEAD":
            if path.startswith(NUMBERS) and "/" not in (text := path[21:]) and text:
                if b"%" in scope["raw_path"]:
                    check_path(scope["raw_path"])
                if header(scope, b"authorization") is None:
                    counts["number"] = counts.get("number", 0) + 1
                    return await asks.answer_number(self._half, scope, text)
                if not self._office:
                    raise _no_office()
            elif path[:3] in ("/V/", "/v/"):
                counts["scan"] = counts.get("scan", 0) + 1
                return await self._scan(scope, path[3:])
        # 2. An address must be plain text before anything looks at it.
        if b"%" in scope["raw_path"] or not path.isascii() or not path.isprintable():
            check_path(scope["raw_path"])
        # 3. The other fixed addresses.
        route = self._table.get(("GET" if method == "HEAD" else method, path))
        if route is not None:
            label, answer = route
            counts[label] = counts.get(label, 0) + 1
            return await answer(scope, receive)
        if path.startswith("/static/") and method in ("GET", "HEAD"):
            return self._static.reply(scope, path)
        if path.startswith(PACKS) and method in ("GET", "HEAD"):
            counts["pack"] = counts.get("pack", 0) + 1
            return await self._kept.pack(scope, path[len(PACKS) :])
        if path in self._allow or path[:3] in ("/V/", "/v/") or path.startswith(("/static/", PACKS)):
            return self._other_method(method, self._allow.get(path, "GET, HEAD, OPTIONS"))
        # 4. Everything else goes to the framework.
        counts["framework"] = counts.get("framework", 0) + 1
        if method == "HEAD":  # the server drops the body, so a HEAD is a GET to everybody behind
            scope = {**scope, "method": "GET"}
        await self.rest(scope, receive, self._guarded(send))
        return None

    def _exact_routes(self) -> dict[tuple[str, str], tuple[str, Answerer]]:
        half = self._half

        async def search(scope: Scope, receive: Receive) -> Reply:
            return self._search.reply(half.language(scope))

        async def submit(scope: Scope, receive: Receive) -> Reply:
            return await pages_door.show_search(half, scope, receive)

        async def lookups(scope: Scope, receive: Receive) -> Reply:
            return await asks.answer_lookups(half, scope, receive)

        async def livez(scope: Scope, receive: Receive) -> Reply:
            return health.live(half.headers)

        async def readyz(scope: Scope, receive: Receive) -> Reply:
            return await self._readiness.reply()

        async def trust(scope: Scope, receive: Receive) -> Reply:
            return await published.trust_list(half)

        async def keys(scope: Scope, receive: Receive) -> Reply:
            return await published.key_set(half)

        async def robots(scope: Scope, receive: Receive) -> Reply:
            return published.robots(half)

        return {
            ("GET", "/"): ("search", search),
            ("POST", "/"): ("search-form", submit),
            ("POST", "/api/v1/lookups"): ("lookups", lookups),
            ("GET", "/livez"): ("livez", livez),
            ("GET", "/readyz"): ("readyz", readyz),
            ("GET", "/trust.json"): ("trust", trust),
            ("GET", "/.well-known/jwks.json"): ("jwks", keys),
            ("GET", "/robots.txt"): ("robots", robots),
            **self._kept.routes(),
        }

    async def _scan(self, scope: Scope, text: str) -> Reply:
        check_path(scope["raw_path"])
        if not text or "/" in text:
            raise NotFound
        if wants_page(header(scope, b"accept")):
            return await pages_door.show_scan(self._half, scope, text)
        return await asks.answer_scan(self._half, scope, text)

    def _other_method(self, method: str, allow: str) -> Reply:
        if method == "OPTIONS":
            return Reply(204, [(b"allow", allow.encode()), *self._security], b"")
        error = NotAllowed()
        error.allow = allow
        raise error

    def _guarded(self, send: Send) -> Send:
        """`send` that adds the security headers to whatever the framework answers."""
        security = self._security

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {key for key, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(pair for pair in security if pair[0] not in present),
                ]
            await send(message)

        return guarded

    def _is_page(self, scope: Scope) -> bool:
        path = scope["path"]
        if scope["method"] == "POST" and path in PAGE_PATHS:
            return True
        on_page = path in PAGE_PATHS or path[:3] in ("/V/", "/v/") or not path.startswith("/api/")
        return on_page and wants_page(header(scope, b"accept"))


def _here(path: str) -> str:
    """Where the page's retry leads: a scanned address is asked again, a form is not."""
    return path if path[:3] in ("/V/", "/v/") and path[3:].isalnum() else "/"


def _allow(table: dict[tuple[str, str], tuple[str, Answerer]]) -> dict[str, str]:
    methods: dict[str, set[str]] = {}
    for method, path in table:
        methods.setdefault(path, {"OPTIONS"}).update({"GET", "HEAD"} if method == "GET" else {method})
    return {path: ", ".join(sorted(names)) for path, names in methods.items()}


def _no_office() -> VerifyError:
    return Forbidden(
        Words("此节点只供公众查询。", "This node serves the public only."), hint="use the office's address"
    )
