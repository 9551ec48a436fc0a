"""A route as data: what dispatches, what is documented and what is counted read the same table."""

from typing import Any, Literal, TypeAlias

import msgspec

Auth: TypeAlias = Literal[
    "none", "agency", "operator", "any", "optional", "employer", "key", "holder", "holder-cookie"
]
"""Who may come: nobody asked; an agency's key; an operator's; either; a key changes the answer; an
employer's; any API key; a holder's session; the same in a cookie, for pages."""


class Body(msgspec.Struct, frozen=True):
    """A request body of one content type."""

    media: str
    schema: dict[str, Any]
    example: Any = None


class Answer(msgspec.Struct, frozen=True):
    """An answer of one status."""

    words: str
    media: str = "application/json"
    schema: dict[str, Any] = {}
    headers: tuple[str, ...] = ()
    also: dict[str, dict[str, Any]] = {}
    """Further content types by Accept, with their schemas."""


class Parameter(msgspec.Struct, frozen=True):
    """A path, query or header parameter; every one is text."""

    name: str
    where: Literal["path", "query", "header"]
    words: str
    schema: dict[str, Any]
    required: bool = True
    example: Any = None


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One method at one address."""

    method: str
    path: str
    """Parameters in braces: `/api/v1/certificates/{number}`."""
    summary: str
    tag: str
    auth: Auth = "none"
    parameters: tuple[Parameter, ...] = ()
    bodies: tuple[Body, ...] = ()
    answers: dict[int, Answer] = {}
    problems: tuple[int, ...] = ()
    """Statuses answered with a problem, besides those that every route may give."""
    components: dict[str, dict[str, Any]] = {}
    """Schemas that only this route and its neighbours refer to."""


def allowed_methods(routes: tuple[Route, ...]) -> dict[str, str]:
    """Path template → value of the header `Allow` (RFC 9110 §10.2.1)."""
    methods: dict[str, set[str]] = {}
    for route in routes:
        methods.setdefault(route.path, {"OPTIONS"}).add(route.method)
        if route.method == "GET":
            methods[route.path].add("HEAD")
    return {path: ", ".join(sorted(names)) for path, names in methods.items()}
