"""The OpenAPI document against the running service: same addresses, closed bodies, true answers, no open door."""

import re
from typing import Any

import hypothesis
import pytest
import schemathesis
from litestar.routes import HTTPRoute
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from test_web_http_public import assert_secure
from web_http_world import OTHER, SKILL, Server, issue_request

from verify.config import Settings
from verify.web.app import build_app
from verify.web.office.documents import ShortWay
from verify.web.office.routes import OFFICE_ROUTES
from verify.web.public.front import Front
from verify.web.public.routes import NUMBER_ROUTE, PUBLIC_ROUTES
from verify.web.route import Route
from verify.wiring import Role

ROUTES = (*PUBLIC_ROUTES, NUMBER_ROUTE, *OFFICE_ROUTES)
GUARDED = [route for route in ROUTES if route.auth not in ("none", "optional")]
CONTRACT = {
    "GET /", "POST /", "GET /V/{scan_code}", "GET /api/v1/certificates/{number}", "POST /api/v1/lookups",
    "POST /api/v1/checks", "GET /api/v1/agencies", "GET /api/v1/agencies/{code}", "GET /trust.json",
    "GET /.well-known/jwks.json", "GET /livez", "GET /readyz", "GET /metrics", "GET /schema/openapi.json",
    "POST /api/v1/certificates", "POST /api/v1/batches", "GET /api/v1/batches/{batch}",
    "GET /api/v1/batches/{batch}/rows", "POST /api/v1/certificates/{number}/suspension",
    "POST /api/v1/certificates/{number}/reinstatement", "POST /api/v1/certificates/{number}/revocation",
    "POST /api/v1/certificates/{number}/reissues", "POST /api/v1/revocations",
    "GET /api/v1/certificates/{number}/history", "GET /api/v1/certificates/{number}/document.pdf",
    "GET /api/v1/certificates/{number}/document.png", "GET /api/v1/certificates/{number}/qr.png",
    "GET /api/v1/certificates/{number}/qr.svg", "POST /api/v1/agencies", "POST /api/v1/agencies/{code}/filings",
    "POST /api/v1/agencies/{code}/keys", "POST /api/v1/agencies/{code}/credentials",
}  # fmt: skip


def _name(route: Route) -> str:
    return f"{route.method} {route.path}"


@pytest.fixture(scope="module")
def document(server: Server) -> dict[str, Any]:
    with server.client() as client:
        found: dict[str, Any] = client.get("/schema/openapi.json").json()
    return found


def test_document_contract_and_dispatch_name_the_same_addresses(document: dict[str, Any]) -> None:
    documented = {
        f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods
    }
    front = build_app(Settings(), Role.ALL)
    assert isinstance(front, Front)
    answered = {f"{method} {path}" for method, path in front.addresses()}
    framework = front.rest.rest if isinstance(front.rest, ShortWay) else front.rest
    for route in framework.routes:
        assert isinstance(route, HTTPRoute)
        answered |= {f"{method} {route.path_format}" for method in route.methods if method != "OPTIONS"}
    assert documented == answered
    assert documented >= CONTRACT
    assert document["openapi"] == "3.1.0"


def test_every_request_body_is_closed_and_has_an_example(document: dict[str, Any]) -> None:
    def resolve(schema: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return schema

    def check(schema: dict[str, Any], where: str) -> None:
        schema = resolve(schema)
        if schema.get("type") == "object" or "properties" in schema:
            assert schema["additionalProperties"] is False, where
        for name, inner in schema.get("properties", {}).items():
            check(inner, f"{where}/{name}")
        for inner in (*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else ())):
            check(inner, where)

    bodies = 0
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for media, content in operation.get("requestBody", {}).get("content", {}).items():
                check(content["schema"], f"{method} {path} {media}")
                bodies += 1
                if media == "application/json":
                    assert content["example"] is not None, path
    assert bodies >= 20


@pytest.fixture(scope="module")
def owned(server: Server) -> dict[str, str]:
    """Things of the agency `SKILL`, by the name of the path parameter that leads to them."""
    made = server.installation
    with server.client(made.agency_key) as client, server.client(made.operator_key) as operator:
        batch = client.post(
            "/api/v1/batches", json=[issue_request(4000)], headers={"idempotency-key": "matrix"}
        )
        proposal = client.post("/api/v1/revocations", json={"reason": "FORGED", "numbers": [made.numbers[6]]})
        key = operator.get(f"/api/v1/agencies/{SKILL}/keys").json()["keys"][0]
        filing = operator.get(f"/api/v1/agencies/{SKILL}/filings").json()["filings"][0]
        credential = operator.get(f"/api/v1/agencies/{SKILL}/credentials").json()["credentials"][0]
    return {
        "number": made.numbers[5], "batch": batch.json()["id"], "proposal": proposal.json()["id"], "code": SKILL,
        "kid": key["kid"], "filing": filing["id"], "credential": credential["id"],
    }  # fmt: skip


def _send(server: Server, route: Route, owned: dict[str, str], key: str | None) -> Any:
    path = re.sub(r"{(\w+)}", lambda m: owned[m[1]], route.path)
    headers = {"idempotency-key": "matrix-write"}
    with server.client(key) as client:
        body = next((b for b in route.bodies if b.media == "application/json"), None)
        return client.request(route.method, path, json=body.example if body else None, headers=headers)


@pytest.mark.parametrize("route", GUARDED, ids=_name)
def test_no_door_of_the_office_opens_without_the_right_key(
    server: Server, owned: dict[str, str], route: Route
) -> None:
    made = server.installation
    # 1. Nobody, and somebody with a key that was made up.
    for key in (None, "vk_0123456789ab_" + "0" * 64, made.agency_key[:-1] + "x"):
        told = _send(server, route, owned, key)
        assert (told.status_code, told.json()["code"]) == (401, "unauthenticated"), told.text
        assert told.headers["www-authenticate"].startswith("Bearer")
        assert_secure(told.headers)
    # 2. An agency where the operator is asked for.
    if route.auth == "operator":
        told = _send(server, route, owned, made.agency_key)
        assert (told.status_code, told.json()["code"]) == (403, "forbidden"), told.text
    # 3. Another agency's key at what is not its own: the same as if it were not there.
    if "{" in route.path:
        told = _send(server, route, owned, made.other_key)
        assert told.status_code in (403, 404), told.text
        if "{code}" not in route.path:
            absent = _send(
                server,
                route,
                owned | {"number": "S000044000456263999999", "batch": "b_0", "proposal": "rv_0"},
                made.other_key,
            )
            assert (told.status_code, absent.status_code) == (404, 404)
            assert told.json().keys() == absent.json().keys()
    # 4. The operator where only an agency may.
    if route.auth == "agency":
        assert _send(server, route, owned, made.operator_key).status_code == 403


def test_after_all_that_nothing_has_changed(server: Server, owned: dict[str, str]) -> None:
    with server.client() as client, server.client(server.installation.operator_key) as operator:
        answer = client.get(f"/api/v1/certificates/{owned['number']}").json()
        keys = operator.get(f"/api/v1/agencies/{SKILL}/keys").json()["keys"]
        others = operator.get(f"/api/v1/agencies/{OTHER}/filings").json()["filings"]
        assert operator.get(f"/api/v1/agencies/{SKILL}").json()["state"] == "active"
    assert (answer["verdict"], answer["revision"]) == ("valid", 1)
    assert [key["state"] for key in keys] == ["active"] and len(others) == 1


@pytest.mark.parametrize("route", ROUTES, ids=_name)
def test_generated_requests_get_only_documented_answers(
    server: Server, document: dict[str, Any], route: Route
) -> None:
    """schemathesis: whatever fits the schema, and what does not, is answered as the document says, never a 5xx."""
    schema = schemathesis.openapi.from_dict(document)
    operation = schema[route.path][route.method]
    key = server.installation.operator_key if route.auth == "operator" else server.installation.other_key
    headers = {} if route.auth in ("none", "optional") else {"Authorization": f"Bearer {key}"}

    @hypothesis.settings(
        max_examples=6, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    @hypothesis.given(case=operation.as_strategy())
    def run(case: Any) -> None:
        response = case.call(base_url=server.url, headers=headers)
        case.validate_response(
            response,
            checks=[
                not_a_server_error,
                status_code_conformance,
                content_type_conformance,
                response_schema_conformance,
            ],
        )

    run()
