"""Litestar, tamed: handlers give a `Reply`, every error becomes a problem, nothing is read or guessed for them."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from litestar import Litestar, Request, Response
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from verify.errors import Malformed, NotAllowed, NotFound, TooLarge, VerifyError
from verify.web.hygiene import ClientGone
from verify.web.reply import Reply, Scope

Ask: TypeAlias = Request[Any, Any, Any]
Told: TypeAlias = Response[bytes]
Named: TypeAlias = FromPath[str]
"""A part of the path, as text."""
TellProblem: TypeAlias = Callable[[BaseException, Scope], Reply]

_FROM_STATUS: dict[int, type[VerifyError]] = {400: Malformed, 404: NotFound, 405: NotAllowed, 413: TooLarge}


def told(reply: Reply) -> Told:
    """A `Reply` as the framework wants it; the front adds the security headers."""
    headers = {key.decode(): value.decode("latin-1") for key, value in reply.headers}
    return Response(
        reply.body,
        status_code=reply.status,
        headers=headers,
        media_type=headers.get("content-type", "application/octet-stream"),
    )


def build_framework(
    handlers: Sequence[HTTPRouteHandler],
    tell: TellProblem,
    *,
    on_startup: Sequence[Callable[[], Any]],
    on_shutdown: Sequence[Callable[[], Any]],
) -> Litestar:
    """The framework's application over `handlers`."""

    def problem(request: Ask, error: Exception) -> Told:
        return told(tell(translate(error), request.scope))

    return Litestar(
        route_handlers=list(handlers),
        openapi_config=None,
        logging_config=None,
        debug=False,
        exception_handlers={Exception: problem, HTTPException: problem, VerifyError: problem},
        on_startup=list(on_startup),
        on_shutdown=list(on_shutdown),
    )


def translate(error: Exception) -> Exception:
    """The framework's own errors in our words; ours and the unforeseen pass through."""
    if isinstance(error, ClientGone):
        return Malformed()
    if not isinstance(error, HTTPException):
        return error
    kind = _FROM_STATUS.get(error.status_code)
    if kind is None:
        return error
    made = kind()
    if isinstance(made, NotAllowed) and error.headers:
        made.allow = _with_head(error.headers.get("allow") or error.headers.get("Allow") or "")
    return made


def _with_head(allow: str) -> str:
    """The front answers HEAD wherever GET is answered."""
    methods = {method.strip() for method in allow.split(",") if method.strip()}
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
