"""One client's connection: bytes in, requests to the application in turn, responses out.

httptools (llhttp) parses and refuses what is ambiguous; here are the limits that keep a slow, huge or silent client
from the others, and the order of pipelined requests. One timer for all connections looks at them once a second.
"""

import asyncio
import resource
import urllib.parse
import weakref
from collections import deque
from typing import Any, Final, Protocol, cast

import httptools

from verify.web.http1 import wire
from verify.web.http1.exchange import Exchange

HEAD_S: Final = 10.0
"""From a request's first byte to the end of its head."""
KEEP_ALIVE_S: Final = 75.0
"""Between requests; longer than a reverse proxy keeps its own end (60 s), so that it never meets a closed one."""
STALL_S: Final = 30.0
"""How long a client may leave what was written for it unread."""
LINGER_S: Final = 2.0
LINGER_BYTES: Final = 1 << 20
"""A refused client is read from a little longer: it would never see the answer behind the reset."""
HEAD_BYTES: Final = 64 << 10
MAX_HEADERS: Final = 100
PIPELINED: Final = 64
"""Requests that may wait for their turn on one connection."""
READ_AHEAD: Final = 8
"""With so many waiting, no more is read."""
CONNECTIONS: Final = 8192
NEVER: Final = float("inf")

_METHODS: Final = {
    name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
}


class ServerState(Protocol):
    """What uvicorn keeps of a running server."""

    connections: set[Any]
    tasks: set[asyncio.Task[None]]


class _Refused(Exception):
    """The request breaks a limit; `Connection._refusal` is its answer."""


class Connection(asyncio.Protocol):
    """Made by uvicorn for each accepted socket, as its `http` class."""

    def __init__(
        self, config: Any, server_state: ServerState, app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:  # fmt: skip
        """`config.loaded_app` is the application."""
        if not config.loaded:
            config.load()
        self._app = config.loaded_app
        self._state = server_state
        self._app_state = app_state
        self._loop = _loop or asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._parser: Any = httptools.HttpRequestParser(self)
        self._client: tuple[str, int] | None = None
        self._server: tuple[str, int] | None = None
        # The request whose head or body is being read.
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._hosts = 0
        self._expects = False
        self._in_head = False
        self._head_bytes = -1
        self._incoming: Exchange | None = None
        # Those to be answered.
        self._current: Exchange | None = None
        self._queue: deque[Exchange] = deque()
        self._refusal = b""
        self._deaf = False
        self._lingered = 0
        self._eof = False
        self._paused = False
        self.closing = False
        """Whether this response is the last one."""
        self.stalled: asyncio.Future[None] | None = None
        """Until the client has read enough of what was written."""
        self.deadline = NEVER
        """When it is closed if nothing happens before; the loop's time."""

    # --- the socket -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        self._transport = cast(asyncio.Transport, transport)
        if len(self._state.connections) >= _most():
            self.write(wire.FULL)
            self._transport.close()
            return
        self._state.connections.add(self)
        self._client, self._server = _address(transport, "peername"), _address(transport, "sockname")
        self.deadline = self._loop.time() + HEAD_S
        if self._state not in _watches:
            _watches[self._state] = _Watch(self._state, self._loop)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone; whatever still works for it hears of it."""
        self._state.connections.discard(self)
        self._deaf = True
        for exchange in (self._current, self._incoming, *self._queue):
            if exchange is not None:
                exchange.gone = True
                exchange.wake()
        self._queue.clear()
        self.resume_writing()

    def eof_received(self) -> bool | None:
        """The client will send no more. It may still read the answer to what it sent whole."""
        self._eof = True
        current = self._current
        if current is None or (self._incoming is not None and self._incoming.more):
            return None
        current.leaving = True
        current.wake()
        return True

    def data_received(self, data: bytes) -> None:
        """Bytes of one or more requests, or a part of one."""
        if self._deaf:
            self._lingered += len(data)
            if self._lingered > LINGER_BYTES:
                self.abort()
            return
        try:
            self._parser.feed_data(data)
            if self._in_head:
                self._count_head(len(data))
        except httptools.HttpParserUpgrade:  # no protocol is offered: what follows is not HTTP
            self._deaf = True
        except (httptools.HttpParserError, _Refused):
            self._refuse(self._refusal or wire.MALFORMED)

    def pause_writing(self) -> None:
        """The client does not read."""
        self.stalled = self._loop.create_future()
        self.deadline = self._loop.time() + STALL_S

    def resume_writing(self) -> None:
        """It reads again."""
        if self.stalled is not None:
            self.stalled.set_result(None)
            self.stalled = None
            self.deadline = NEVER

    async def drained(self) -> None:
        """Wait until the client has read enough. Raises ConnectionResetError when it never will."""
        if self.stalled is not None:
            await asyncio.shield(self.stalled)
        if self._transport.is_closing():
            raise ConnectionResetError

    def write(self, data: bytes) -> None:
        """Send bytes, unless the client is gone."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def read_on(self) -> None:
        """More of the request is wanted."""
        if self._paused and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    def abort(self) -> None:
        """Cut the connection off; what was not sent yet is lost."""
        self._transport.abort()

    def shutdown(self) -> None:
        """The server stops: finish what is under way and close."""
        self.closing = True
        if self._current is None:
            self._transport.close()

    def expire(self) -> None:
        """The deadline has passed."""
        if self._in_head and self._current is None and not self._deaf:
            self._refuse(wire.TOO_SLOW)
        elif self._current is not None or self._deaf:
            self.abort()
        else:
            self._transport.close()

    # --- what the parser finds --------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins."""
        self._url, self._headers, self._hosts, self._expects = b"", [], 0, False
        self._in_head, self._head_bytes = True, -1
        if self._current is None:
            self.deadline = self._loop.time() + HEAD_S

    def on_url(self, url: bytes) -> None:
        """A part of the request's target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        name = name.lower()
        self._headers.append((name, value))
        if name == b"host":
            self._hosts += 1
        elif name == b"expect":
            self._expects = value.lower() == b"100-continue"

    def on_headers_complete(self) -> None:
        """The head is whole."""
        parser, old = self._parser, self._parser.get_http_version() == "1.0"
        self._in_head = False
        if len(self._headers) > MAX_HEADERS:
            self._stop(wire.HEAD_TOO_LARGE)
        if self._hosts > 1 or (self._hosts == 0 and not old):  # RFC 9112 §3.2
            self._stop(wire.MALFORMED)
        path, _, query = self._target().partition(b"?")
        text = path.decode("ascii")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.0" if old else "1.1",
            "method": self._method(),
            "scheme": "http",
            "path": urllib.parse.unquote(text) if "%" in text else text,
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": self._headers,
            "client": self._client,
            "server": self._server,
            "state": dict(self._app_state),
        }
        keep = parser.should_keep_alive() and not parser.should_upgrade()
        self._incoming = Exchange(self, scope, keep_alive=keep, old=old, expects=self._expects)
        self._take(self._incoming)

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if self._incoming is not None and self._incoming.feed(body):
            self._pause()

    def on_message_complete(self) -> None:
        """The request is whole."""
        incoming = self._incoming
        if incoming is not None:
            incoming.more = False
            incoming.wake()
            if not incoming.keep_alive:
                self._deaf = True  # whatever follows is no request

    def _method(self) -> str:
        name: bytes = self._parser.get_method()
        return _METHODS.get(name) or name.decode("ascii")

    def _target(self) -> bytes:
        """Path and query. A proxy may be asked with the whole address (RFC 9112 §3.2.2)."""
        url = self._url
        if not url.isascii():
            self._stop(wire.MALFORMED)
        if url.startswith(b"/"):
            return url
        parsed = httptools.parse_url(url)
        if not parsed.schema or not parsed.host:
            self._stop(wire.MALFORMED)
        path: bytes = parsed.path or b"/"
        return path + b"?" + parsed.query if parsed.query else path

    def _count_head(self, size: int) -> None:
        if self._head_bytes < 0:  # the chunk in which the head began may hold the end of a body
            self._head_bytes = 0
            return
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES:
            self._stop(wire.HEAD_TOO_LARGE)

    def _stop(self, refusal: bytes) -> None:
        self._refusal = refusal
        raise _Refused

    # --- whose turn it is -------------------------------------------------------------------------------

    def _take(self, exchange: Exchange) -> None:
        if self._current is None:
            self._start(exchange)
            return
        if len(self._queue) >= PIPELINED:
            self._stop(wire.MALFORMED)
        self._queue.append(exchange)
        if len(self._queue) >= READ_AHEAD:
            self._pause()

    def _start(self, exchange: Exchange) -> None:
        self._current = exchange
        self.deadline = NEVER
        task = self._loop.create_task(exchange.run(self._app))
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)

    def finish(self, exchange: Exchange) -> None:
        """The response of `exchange` has been written: the next one's turn, or the end."""
        self._current = None
        if not exchange.keep_alive or self.closing:
            self._end(unread=exchange.more)
        elif self._queue:
            self._start(self._queue.popleft())
            if len(self._queue) < READ_AHEAD:
                self.read_on()
        elif self._refusal:
            self.write(self._refusal)
            self._end(unread=True)
        elif self._eof:
            self._transport.close()
        else:
            self.read_on()
            self.deadline = self._loop.time() + (HEAD_S if self._in_head else KEEP_ALIVE_S)

    def _refuse(self, answer: bytes) -> None:
        """What came is no request, or a broken body: answer it in its turn, and hear no more."""
        self._deaf, self._refusal = True, answer
        broken = self._incoming
        if broken is not None and broken.more:  # the body under way will never be whole
            broken.gone = True
            broken.wake()
            if broken is self._current:
                self._current = None
                if broken.begun:
                    self.abort()
                    return
            elif broken in self._queue:
                self._queue.remove(broken)
        if self._current is None:
            self.write(answer)
            self._end(unread=True)

    def _end(self, *, unread: bool) -> None:
        """Close once everything is sent; with `unread` input, only after the client has had time to see it."""
        if not unread or self._eof:
            self._transport.close()
        elif not self._transport.is_closing():
            self._deaf = True
            self.deadline = self._loop.time() + LINGER_S
            self._transport.write_eof()
            self.read_on()

    def _pause(self) -> None:
        if not self._paused:
            self._paused = True
            self._transport.pause_reading()


class _Watch:
    """Looks once a second for connections whose deadline has passed."""

    EVERY_S = 1.0

    def __init__(self, state: ServerState, loop: asyncio.AbstractEventLoop) -> None:
        self._state = state
        self._loop = loop
        self._timer = loop.call_later(self.EVERY_S, self._look)

    def _look(self) -> None:
        now = self._loop.time()
        for one in [one for one in self._state.connections if one.deadline <= now]:
            one.deadline = now + LINGER_S
            one.expire()
        if self._state.connections:
            self._timer = self._loop.call_later(self.EVERY_S, self._look)
        else:
            _watches.pop(self._state, None)


_watches: "weakref.WeakKeyDictionary[Any, _Watch]" = weakref.WeakKeyDictionary()
"""By the server whose connections they watch."""


def _address(transport: asyncio.BaseTransport, name: str) -> tuple[str, int] | None:
    found = transport.get_extra_info(name)
    return (found[0], found[1]) if isinstance(found, tuple) and len(found) >= 2 else None


def _most() -> int:
    """Connections of one process at a time: files are needed for the database too."""
    return min(CONNECTIONS, max(64, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - 256))
