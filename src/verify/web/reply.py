"""One finished HTTP answer, and how it is sent. Nothing here knows what the answer says."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple, TypeAlias

from verify.web.headers import Headers

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


class Reply(NamedTuple):
    """Status, header list and body. The server adds Content-Length, and drops the body of a HEAD."""

    status: int
    headers: Headers
    body: bytes


async def send_reply(send: Send, reply: Reply) -> None:
    """Send `reply` whole. A client that went away meanwhile is not an error of ours."""
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
    await send({"type": "http.response.body", "body": reply.body})


def header(scope: Scope, name: bytes) -> bytes | None:
    """The value of the header `name` (lower case), the first if it came more than once."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return None


def with_headers(reply: Reply, *extra: tuple[bytes, bytes]) -> Reply:
    """The same answer with more headers."""
    return Reply(reply.status, [*reply.headers, *extra], reply.body)
