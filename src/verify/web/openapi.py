"""The OpenAPI 3.1 document, made from the same table of routes that the tests hold against the running service."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from verify.web.route import Answer, Parameter, Route
from verify.web.schemas import COMPONENTS, REF, ref

VERSION: Final = "1.0.0"
_EVERYWHERE: Final = (400, 404, 405, 500)
_WITH_STORE: Final = (503,)
_WORDS: Final = {
    400: "The request cannot be read, or a header it needs is missing.",
    401: "A valid API key is needed.",
    403: "This API key may not do that, or the filing does not cover it.",
    404: "Nothing here answers to that.",
    405: "This address does not know this method.",
    408: "The body did not arrive in time.",
    409: "The record is not in a state that allows this.",
    413: "The body is larger than this address accepts.",
    415: "This content type is not accepted.",
    422: "It can be read, but some fields are not acceptable; each is listed.",
    429: "Too many requests; Retry-After says when to come back.",
    500: "Something went wrong here.",
    503: "The present state could not be established; nothing is said about any certificate.",
}
_HEADERS: Final = {
    "Retry-After": {"description": "Seconds (RFC 9110 §10.2.3).", "schema": {"type": "integer"}},
    "RateLimit": {"description": "draft-ietf-httpapi-ratelimit-headers-11.", "schema": {"type": "string"}},
    "RateLimit-Policy": {"description": "The same draft.", "schema": {"type": "string"}},
    "Location": {"description": "Where what was made can be asked for.", "schema": {"type": "string"}},
    "WWW-Authenticate": {"description": "Bearer.", "schema": {"type": "string"}},
    "Allow": {"description": "Methods of this address.", "schema": {"type": "string"}},
}
_PROBLEM_HEADERS: Final = {
    401: ("WWW-Authenticate",),
    405: ("Allow",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}


def build_document(routes: Sequence[Route], *, public_url: str, bodies: Mapping[str, type]) -> bytes:
    """The whole document as JSON; `bodies` are the request bodies by component name."""
    schemas: dict[str, Any] = dict(COMPONENTS)
    _, described = msgspec.json.schema_components(list(bodies.values()), ref_template=REF + "{name}")
    schemas.update(described)
    for route in routes:
        schemas.update(route.components)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "verify",
            "version": VERSION,
            "description": "Signed vocational certificates and their public verification. "
            "Validity is what the service says now: answers with a status are never cached.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": public_url}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "apiKey": {"type": "http", "scheme": "bearer", "description": "`vk_…`, or a holder's `hs_…`"},
                "holderCookie": {"type": "apiKey", "in": "cookie", "name": "__Host-verify-holder"},
            },
        },
    }
    return msgspec.json.encode(document)


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "tags": [route.tag],
        "responses": _responses(route),
    }
    if route.parameters:
        operation["parameters"] = [_parameter(parameter) for parameter in route.parameters]
    if route.bodies:
        operation["requestBody"] = {
            "required": True,
            "content": {
                body.media: {"schema": body.schema}
                | ({"example": body.example} if body.example is not None else {})
                for body in route.bodies
            },
        }
    if route.auth == "optional":
        operation["security"] = [{}, {"apiKey": []}]
    elif route.auth != "none":
        operation["security"] = [{"holderCookie" if route.auth == "holder-cookie" else "apiKey": []}]
        operation["x-role"] = route.auth
    return operation


def _operation_id(route: Route) -> str:
    words = re.sub(r"[^A-Za-z0-9]+", "_", route.path).strip("_") or "search"
    return f"{route.method.lower()}_{words}"


def _parameter(parameter: Parameter) -> dict[str, Any]:
    described = {
        "name": parameter.name,
        "in": parameter.where,
        "description": parameter.words,
        "required": parameter.required,
        "schema": parameter.schema,
    }
    return described | ({"example": parameter.example} if parameter.example is not None else {})


def _responses(route: Route) -> dict[str, Any]:
    statuses = set(_EVERYWHERE) | set(route.problems)
    if route.auth not in ("none", "optional"):
        statuses |= {401, 403, 503}
    if route.auth == "optional":
        statuses |= {401, 403}
    if route.bodies:
        statuses |= {408, 413, 415, 422}
    responses = {
        str(status): _problem(status, page=route.tag == "pages") for status in statuses - set(route.answers)
    }
    responses |= {str(status): _answer(answer) for status, answer in route.answers.items()}
    return dict(sorted(responses.items()))


def _problem(status: int, *, page: bool) -> dict[str, Any]:
    content: dict[str, Any] = {"application/problem+json": {"schema": ref("Problem")}}
    if page:
        content["text/html"] = {"schema": {"type": "string"}}
    headers = {name: _HEADERS[name] for name in _PROBLEM_HEADERS.get(status, ())}
    return {"description": _WORDS[status], "content": content} | ({"headers": headers} if headers else {})


def _answer(answer: Answer) -> dict[str, Any]:
    described: dict[str, Any] = {"description": answer.words}
    if answer.media:
        described["content"] = {answer.media: {"schema": answer.schema}}
        for media, schema in answer.also.items():
            described["content"][media] = {"schema": schema}
    if answer.headers:
        described["headers"] = {name: _HEADERS[name] for name in answer.headers}
    return described
