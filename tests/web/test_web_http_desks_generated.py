"""Generated requests at the employers' and holders' doors: only what the document describes, never a 5xx."""

import asyncio
import datetime as dt
from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from web_http_world import HOLDER, Server, resident_id

from verify.office.credentials import Credentials
from verify.store.sqlite import SqliteStore
from verify.web.employers.administration import ADMINISTRATION_ROUTES
from verify.web.employers.routes import EMPLOYER_ROUTES
from verify.web.holders.routes import HOLDER_PAGE_ROUTES, HOLDER_ROUTES, LINK_ROUTES
from verify.web.route import Route

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


async def _employer(server: Server) -> str:
    store = SqliteStore(server.installation.database)
    try:
        desk = Credentials(store, now=lambda: dt.datetime.now(dt.UTC))
        return (await desk.create("某公司", agency=None, employer=True, actor="test"))[1]
    finally:
        await store.close()


@pytest.fixture
def keys(server: Server) -> dict[str, str]:
    """What opens each door; a session of its own for each, since one of them ends it."""
    number, who = server.installation.numbers[10], resident_id(10)
    with server.client() as client:
        session = client.post(
            "/api/v1/holder-sessions",
            json={"number": number, "name": HOLDER, "id_type": "RESIDENT_ID", "id_number": who},
        ).json()["token"]
    return {
        "employer": asyncio.run(_employer(server)),
        "holder": session,
        "operator": server.installation.operator_key,
    }


@pytest.mark.parametrize(
    "route",
    (*EMPLOYER_ROUTES, *ADMINISTRATION_ROUTES, *HOLDER_ROUTES, *HOLDER_PAGE_ROUTES, *LINK_ROUTES),
    ids=lambda route: f"{route.method} {route.path}",
)
def test_generated_requests_get_only_documented_answers(
    server: Server, keys: dict[str, str], route: Route
) -> None:
    with server.client() as client:
        schema = schemathesis.openapi.from_dict(client.get("/schema/openapi.json").json())
    headers = {"Authorization": f"Bearer {keys[route.auth]}"} if route.auth in keys else {}
    if route.auth == "holder-cookie":
        headers = {"Cookie": f"verify-holder={keys['holder']}"}

    @hypothesis.settings(
        max_examples=5, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    @hypothesis.given(case=schema[route.path][route.method].as_strategy())
    def run(case: Any) -> None:
        case.validate_response(case.call(base_url=server.url, headers=headers), checks=CHECKS)

    run()
