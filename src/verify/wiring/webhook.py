"""The wire to addresses that employers named: TLS, one judged connection, no redirect, a bounded answer."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from verify.employers.addresses import is_refused
from verify.employers.messages import Outcome, Sent

CONNECT_S = 5.0
TOTAL_S = 10.0
BODY_S = 2.0
"""For the answer's body once its status is there."""
ANSWER_BYTES = 4096
LINES_BYTES = 4096
CONNECTIONS = 32

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Name and port → IP addresses. Raises OSError."""


class AddressRefused(OSError):
    """A name leads to an address that is never called."""


async def resolve_name(name: str, port: int) -> Sequence[str]:
    """By the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return [str(line[4][0]) for line in found]


class WebhookPost:
    """See `employers.messages.Post`. One per process; connections stay open for a while."""

    def __init__(
        self,
        *,
        loopback: bool,
        resolve: Resolve = resolve_name,
        tls: ssl.SSLContext | None = None,
        total_s: float = TOTAL_S,
    ) -> None:
        """`loopback` allows this very machine; `tls` replaces the system's trusted authorities."""
        self._loopback = loopback
        self._resolve = resolve
        self._tls = tls
        self._limit = aiohttp.ClientTimeout(total=total_s, connect=CONNECT_S, sock_connect=CONNECT_S)
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, url: str, fields: Mapping[str, str], body: bytes) -> Sent:
        """POST `body` to `url`, as `employers.addresses.parse_target` gave it."""
        begun = time.monotonic()
        outcome, status, answer = Outcome.UNREACHABLE, None, b""
        try:
            async with self._open().post(
                URL(url, encoded=True), data=body, headers=fields, allow_redirects=False
            ) as reply:
                status = reply.status
                outcome = _outcome(status)
                answer = await _beginning(reply)
        except TimeoutError:
            outcome = Outcome.TOO_SLOW
        except (aiohttp.ClientError, OSError, ValueError) as error:
            outcome = Outcome.ADDRESS_REFUSED if _is_refusal(error) else Outcome.UNREACHABLE
        return Sent(outcome, status, round((time.monotonic() - begun) * 1000), answer)

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        """Made inside of the event loop, at the first use."""
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=_Judge(self._resolve, self._loopback),
                use_dns_cache=False,
                socket_factory=self._socket,
                ssl=self._tls or True,
                limit=CONNECTIONS,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=self._limit,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                max_line_size=LINES_BYTES,
                max_field_size=LINES_BYTES,
                read_bufsize=ANSWER_BYTES,
                headers={"Accept-Encoding": "identity", "User-Agent": "verify-webhook/1"},
            )
        return self._session

    def _socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        """The last wall, for addresses that need no resolver: nothing is connected to that was not judged."""
        family, kind, protocol, _, address = info
        if is_refused(str(address[0]), loopback=self._loopback):
            raise AddressRefused(str(address[0]))
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made


class _Judge(AbstractResolver):
    """Resolves a name once for each connection; one bad address among its addresses spoils the name."""

    def __init__(self, resolve: Resolve, loopback: bool) -> None:
        self._resolve = resolve
        self._loopback = loopback

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = list(dict.fromkeys(await self._resolve(host, port)))
        for address in found:
            if is_refused(address, loopback=self._loopback):
                raise AddressRefused(address)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in found
        ]

    async def close(self) -> None:
        """Nothing is held."""


def _outcome(status: int) -> Outcome:
    if 200 <= status < 300:
        return Outcome.DELIVERED
    return Outcome.REDIRECTED if 300 <= status < 400 else Outcome.REFUSED


async def _beginning(reply: aiohttp.ClientResponse) -> bytes:
    """The first bytes of an answer; whoever sends more or dawdles loses the connection, not the status."""
    body = b""
    with contextlib.suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(BODY_S):
            while len(body) < ANSWER_BYTES and (part := await reply.content.read(ANSWER_BYTES - len(body))):
                body += part
    if not reply.content.at_eof():
        reply.close()
    return body


def _is_refusal(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, AddressRefused):
            return True
        if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, AddressRefused):
            return True
        error = error.__cause__
    return False
