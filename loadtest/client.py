"""A small HTTP/1.1 client for answers that are read and checked one by one: keep-alive, one request at a time."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import msgspec

TIMEOUT_S = 15.0

decode = msgspec.json.Decoder().decode


class Answer(NamedTuple):
    """One answer."""

    status: int
    head: bytes
    body: bytes
    took_ms: float

    def json(self) -> Any:
        """The body as JSON."""
        return decode(self.body)

    def header(self, name: str) -> str | None:
        """The value of a header, or None."""
        wanted = name.lower().encode() + b":"
        for line in self.head.split(b"\r\n"):
            if line.lower().startswith(wanted):
                return line.partition(b":")[2].strip().decode()
        return None


class Caller(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        """Made by `connect`."""
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Answer] | None = None
        self._data = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        if end < 0 or self._waiting is None:
            return
        head = self._data[:end]
        at = head.lower().find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._data) < end + 4 + length:
            return
        body, self._data = self._data[end + 4 : end + 4 + length], self._data[end + 4 + length :]
        waiting, self._waiting = self._waiting, None
        if not waiting.done():
            waiting.set_result(Answer(int(head[9:12]), head, body, (time.perf_counter() - self._began) * 1e3))

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the loop."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error or ConnectionResetError("the server hung up"))

    async def ask(self, request: bytes) -> Answer:
        """Send one request and wait for its whole answer. Raises OSError, TimeoutError."""
        assert self._transport is not None
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting, self._began = waiting, time.perf_counter()
        self._transport.write(request)
        async with asyncio.timeout(TIMEOUT_S):
            return await waiting

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


@contextlib.asynccontextmanager
async def connect(port: int, *, source: str | None = None) -> AsyncIterator[Caller]:
    """A connection to loopback, from another loopback address if `source` names one."""
    loop = asyncio.get_running_loop()
    local = (source, 0) if source else None
    _, caller = await loop.create_connection(Caller, "127.0.0.1", port, local_addr=local)
    try:
        yield caller
    finally:
        caller.close()


def get(path: str, *, accept: str = "application/json", bearer: str = "") -> bytes:
    """A GET request."""
    key = f"Authorization: Bearer {bearer}\r\n" if bearer else ""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: {accept}\r\n{key}\r\n".encode()


def post(path: str, body: bytes, *, bearer: str = "", key: str = "", kind: str = "application/json") -> bytes:
    """A POST request."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
    ]
    if bearer:
        lines.append(f"Authorization: Bearer {bearer}")
    if key:
        lines.append(f"Idempotency-Key: {key}")
    return "\r\n".join([*lines, "", ""]).encode() + body
