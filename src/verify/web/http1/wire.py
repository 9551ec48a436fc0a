"""Heads of responses as bytes, made with as little work as possible, and the few answers that come from here."""

import time
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Final

import msgspec

from verify.web.headers import DATA_POLICY, Made

STATUS_LINES: Final = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
CLOSE: Final = b"connection: close\r\n"
KEEP: Final = b"connection: keep-alive\r\n"
"""Only an HTTP/1.0 client has to be told."""
CHUNKED: Final = b"transfer-encoding: chunked\r\n"
LAST_CHUNK: Final = b"0\r\n\r\n"
NO_BODY: Final = frozenset({204, 304})
"""Statuses without a body and without a length (RFC 9110 §8.6)."""


class _Date:
    """The `Date` header of this second."""

    second = 0
    line = b""


def date_line() -> bytes:
    """`date: …` and the end of its line; made once a second."""
    second = int(time.time())
    if second != _Date.second:
        _Date.second, _Date.line = second, f"date: {formatdate(second, usegmt=True)}\r\n".encode()
    return _Date.line


def header_block(headers: Any) -> bytes:
    """The lines of a header list. Raises ValueError when a name or value would begin a line of its own."""
    if type(headers) is Made:
        return headers.block
    block = b"".join([part for name, value in headers for part in (name, b": ", value, b"\r\n")])
    if block.count(b"\n") != len(headers) or block.count(b"\r") != len(headers) or b"\x00" in block:
        raise ValueError("a header holds a control character")
    return block


def _refusal(status: int, code: str, title: str) -> bytes:
    problem = {"type": f"/problems/{code}", "title": title, "status": status, "code": code}
    body = msgspec.json.encode(problem)
    head = (
        f"content-type: application/problem+json\r\ncontent-length: {len(body)}\r\ncache-control: no-store\r\n"
        f"x-content-type-options: nosniff\r\ncontent-security-policy: {DATA_POLICY}\r\n"
    )
    return STATUS_LINES[status] + head.encode() + CLOSE + b"\r\n" + body


MALFORMED: Final = _refusal(400, "malformed", "This is not a valid HTTP request.")
TOO_SLOW: Final = _refusal(408, "too-slow", "The request did not arrive in time.")
HEAD_TOO_LARGE: Final = _refusal(431, "too-large", "The header fields are too large.")
BROKEN: Final = _refusal(500, "internal", "Something went wrong here; it has been recorded.")
FULL: Final = _refusal(503, "unavailable", "Too many connections; try again in a moment.")
