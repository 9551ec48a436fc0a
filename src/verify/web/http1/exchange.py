"""One request and its response: the ASGI side of a connection."""

import asyncio
from typing import TYPE_CHECKING, Any

from verify.telemetry import log
from verify.web.headers import Made
from verify.web.http1 import wire

if TYPE_CHECKING:
    from verify.web.http1.connection import Connection

BODY_AHEAD = 64 << 10
"""Bytes of a body that are read before the application asks for them."""


class Exchange:
    """Runs the application for one request. `receive` and `send` are what ASGI 3 says they are."""

    __slots__ = (
        "_begun", "_body", "_chunked", "_connection", "_expects", "_headers", "_old", "_scope", "_status", "_told",
        "_waiter", "finished", "gone", "keep_alive", "leaving", "more",
    )  # fmt: skip

    def __init__(
        self, connection: "Connection", scope: dict[str, Any], *, keep_alive: bool, old: bool, expects: bool
    ) -> None:
        """Of a request whose head has been read. `old`: HTTP/1.0. `expects`: the client waits for a 100."""
        self._connection = connection
        self._scope = scope
        self._old = old
        self._expects = expects
        self._body = b""
        self._told = False
        self._waiter: asyncio.Future[None] | None = None
        self._status = 0
        self._headers: Any = ()
        self._begun = False
        self._chunked = False
        self.keep_alive = keep_alive
        self.more = True
        """Whether more of the request's body may come."""
        self.finished = False
        """Whether the response has been written."""
        self.leaving = False
        """Whether the client has closed its side: it may be gone, or may still read."""
        self.gone = False
        """Whether nobody reads the response any more."""

    @property
    def begun(self) -> bool:
        """Whether a part of the response has been written."""
        return self._begun

    async def run(self, app: Any) -> None:
        """Answer, whatever the application does: what it leaves open is closed here."""
        try:
            await app(self._scope, self.receive, self.send)
        except ConnectionResetError:
            if not self.gone:
                raise
        except Exception as error:  # nothing of it may reach the client, and the others go on
            log.error("application failed", error=type(error).__name__)
        finally:
            if not self.finished and not self.gone:
                self._break_off()

    # --- the request's body -----------------------------------------------------------------------------

    def feed(self, data: bytes) -> bool:
        """Take in a piece of the body; tells whether no more should be read for now."""
        self._body = self._body + data if self._body else data
        self.wake()
        return len(self._body) > BODY_AHEAD

    def wake(self) -> None:
        """Something came, or nothing will come any more."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def receive(self) -> dict[str, Any]:
        """The next piece of the body. After the last one it waits for the end, which is `http.disconnect`."""
        if self._told:
            while not self.gone and not self.finished and not self.leaving:
                await self._wait()
            return {"type": "http.disconnect"}
        if self._expects and self.more and not self._body and not self._begun:
            self._connection.write(wire.CONTINUE)
        self._expects = False
        while not self._body and self.more and not self.gone:
            self._connection.read_on()
            await self._wait()
        if self.gone:
            return {"type": "http.disconnect"}
        body, self._body = self._body, b""
        self._told = not self.more
        return {"type": "http.request", "body": body, "more_body": self.more}

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    # --- the response -----------------------------------------------------------------------------------

    async def send(self, message: dict[str, Any]) -> None:
        """Write a part of the response; returns when the client has taken enough of what was written.

        Raises ConnectionResetError when the client is gone, RuntimeError for a message out of turn.
        """
        if message["type"] == "http.response.start":
            if self._status:
                raise RuntimeError("the response has begun already")
            self._status, self._headers = message["status"], message["headers"]
            return
        if not self._status or self.finished:
            raise RuntimeError(f"{message['type']} out of turn")
        if self.gone:
            raise ConnectionResetError
        connection, more = self._connection, message.get("more_body", False)
        connection.write(self._part(message.get("body", b""), more))
        if connection.stalled is not None:
            await connection.drained()
        if not more:
            self.finished = True
            self.wake()
            connection.finish(self)

    def _part(self, body: bytes, more: bool) -> bytes:
        if self._begun:
            if not self._chunked:
                return b"" if self._scope["method"] == "HEAD" else body
            piece = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            return piece if more else piece + wire.LAST_CHUNK
        if self.more or self._connection.closing:  # what was not read of a body would be read as a request
            self.keep_alive = False
        if type(self._headers) is Made and not more and self._scope["method"] != "HEAD":
            length: bytes = b"content-length: %d\r\n" % len(body)
        else:
            length, body = self._framing(body, more)
        block = wire.header_block(self._headers)
        self._begun = True
        return b"".join(
            (wire.STATUS_LINES[self._status], wire.date_line(), block, length,
             self._persistence(), b"\r\n", body)
        )  # fmt: skip

    def _framing(self, body: bytes, more: bool) -> tuple[bytes, bytes]:
        """The header that tells where the body ends, and what is written of its first part."""
        if self._status in wire.NO_BODY:
            return b"", b""
        told = any(name.lower() == b"content-length" for name, _ in self._headers)
        if self._scope["method"] == "HEAD":
            return (b"" if told or more else b"content-length: %d\r\n" % len(body)), b""
        if told or not more:
            return (b"" if told else b"content-length: %d\r\n" % len(body)), body
        if self._old:  # the end of the connection is the end of the body
            self.keep_alive = False
            return b"", body
        self._chunked = True
        return wire.CHUNKED, b"%x\r\n%b\r\n" % (len(body), body) if body else b""

    def _persistence(self) -> bytes:
        if not self.keep_alive:
            return wire.CLOSE
        return wire.KEEP if self._old else b""

    def _break_off(self) -> None:
        """The application ended without a whole response."""
        self.keep_alive = False
        self.finished = True
        if self._begun:  # cut off, so that nobody takes the part for the whole
            self._connection.abort()
            return
        self._begun = True
        self._connection.write(wire.BROKEN)
        self._connection.finish(self)
