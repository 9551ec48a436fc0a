"""One finished HTTP answer, and how it is sent. Nothing here knows what the answer says."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from verify.web.headers import Headers

Scope: TypeAlias = Mapping[str, Any]
"""ASGI's connection scope."""
Message: TypeAlias = Any
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Any, Any, Any], Awaitable[None]]
"""Anything that speaks ASGI."""


class Reply(NamedTuple):
    """Status, header list and body. The server adds Content-Length, and drops the body of a HEAD."""

    status: int
    headers: Headers
    body: bytes


def header(scope: Scope, name: bytes) -> bytes | None:
    """The value of the header `name` (lower case), the first if it came more than once."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return None
