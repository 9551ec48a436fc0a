"""Another secret for an API key over HTTP: an employer stays who it is, and nobody exchanges what is not theirs."""

import asyncio
import datetime as dt
import re
from collections.abc import Iterator
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
from test_web_http_public import assert_secure
from web_http_world import HOLDER, OTHER, SKILL, Installation, Server, install, serving

from verify.office.credentials import Credentials
from verify.store.sqlite import SqliteStore
from verify.web.office.rotation import OWN_ROTATION_ROUTES, ROTATION_ROUTES
from verify.web.route import Route

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
OWN = "/api/v1/credential"


def _name(route: Route) -> str:
    return f"{route.method} {route.path}"


async def _make(made: Installation, agency: str | None, *, employer: bool) -> str:
    store = SqliteStore(made.database)
    try:
        desk = Credentials(store, now=lambda: dt.datetime.now(dt.UTC))
        return (await desk.create("测试", agency=agency, employer=employer, actor="test"))[1]
    finally:
        await store.close()


def employer(server: Server) -> str:
    return asyncio.run(_make(server.installation, None, employer=True))


def agency(server: Server) -> str:
    return asyncio.run(_make(server.installation, SKILL, employer=False))


def identity(key: str) -> str:
    return key.split("_")[1]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = install(tmp_path_factory.mktemp("rotation"), count=1)
    with serving(made) as running:
        yield running


def statuses(server: Server, path: str, *keys: str) -> list[int]:
    seen = []
    for key in keys:
        with server.client(key) as client:
            seen.append(client.get(path).status_code)
    return seen


def test_an_employer_exchanges_its_key_and_keeps_what_it_is_told_of(server: Server) -> None:
    old, number = employer(server), server.installation.numbers[0]
    with server.client(old) as client:
        added = client.post("/api/v1/employer-subscriptions", json={"number": number, "name": HOLDER})
        rotated = client.post(f"{OWN}/rotation", json={"overlap_s": 3600})
        again = client.post(f"{OWN}/rotation", json={})
    new = rotated.json()["secret"]
    assert (added.status_code, rotated.status_code, again.status_code) == (201, 201, 409)
    assert identity(new) == identity(old) == rotated.json()["id"] and rotated.json()["rotations"] == 1
    with server.client(new) as client:
        kept = client.get("/api/v1/employer-subscriptions").json()["subscriptions"]
        both = statuses(server, "/api/v1/employer-webhooks", old, new)
        ended = client.delete(f"{OWN}/old-secret")
    assert [one["number"] for one in kept] == [number] and both == [200, 200]
    assert ended.status_code == 200 and ended.json()["old_until"] < rotated.json()["old_until"]
    assert statuses(server, "/api/v1/employer-webhooks", old, new) == [401, 200]
    assert_secure(rotated.headers)


def test_an_agencys_and_the_operators_own_keys_are_exchanged_by_the_same_call(server: Server) -> None:
    operator = asyncio.run(_make(server.installation, None, employer=False))
    for old in (agency(server), operator):
        with server.client(old) as client:
            rotated = client.post(f"{OWN}/rotation", json={"overlap_s": 0})
        at = f"/api/v1/agencies/{SKILL}/filings"
        assert statuses(server, at, old, rotated.json()["secret"]) == [401, 200]


def test_the_operator_exchanges_the_keys_of_employers_and_agencies(server: Server) -> None:
    firm, old = employer(server), agency(server)
    places = {firm: f"/api/v1/employers/{identity(firm)}",
              old: f"/api/v1/agencies/{SKILL}/credentials/{identity(old)}"}  # fmt: skip
    doors = {firm: "/api/v1/employer-webhooks", old: f"/api/v1/agencies/{SKILL}/filings"}
    for key, at in places.items():
        with server.client(server.installation.operator_key) as operator:
            first = operator.post(f"{at}/rotation", json={})
            second = operator.post(f"{at}/rotation", json={"overlap_s": 60})
            assert (first.status_code, second.status_code) == (201, 409)
            assert statuses(server, doors[key], key, first.json()["secret"]) == [200, 200]
            assert operator.delete(f"{at}/old-secret").status_code == 200
            assert statuses(server, doors[key], key, first.json()["secret"]) == [401, 200]
            third = operator.post(f"{at}/rotation", json={"overlap_s": 0}).json()["secret"]
            assert statuses(server, doors[key], first.json()["secret"], third) == [401, 200]
            listed = operator.get("/api/v1/employers").json()["employers"]
            assert all("secret" not in one for one in listed)


def test_a_key_is_exchanged_only_where_it_belongs(server: Server) -> None:
    firm, old = employer(server), agency(server)
    with server.client(server.installation.operator_key) as operator:
        seen = [
            operator.post(f"{path}/rotation", json={}).status_code
            for path in (
                f"/api/v1/employers/{identity(old)}",
                f"/api/v1/agencies/{OTHER}/credentials/{identity(old)}",
                f"/api/v1/agencies/{SKILL}/credentials/{identity(firm)}",
                "/api/v1/employers/nobody",
            )
        ]
        bad = [
            operator.post(f"/api/v1/employers/{identity(firm)}/rotation", json=body).status_code
            for body in ({"overlap_s": -1}, {"overlap_s": 2_592_001}, {"overlap_s": 10**30}, {"more": 1})
        ]
    assert seen == [404] * 4 and bad == [422] * 4
    assert statuses(server, "/api/v1/employer-webhooks", firm) == [200]


@pytest.mark.parametrize("route", ROTATION_ROUTES, ids=_name)
def test_nobody_exchanges_a_key_without_the_right_one(server: Server, route: Route) -> None:
    firm, made = employer(server), server.installation
    owned = {"code": SKILL, "credential": identity(made.agency_key), "employer": identity(firm)}
    path = re.sub(r"{(\w+)}", lambda m: owned[m[1]], route.path)
    seen = []
    keys = [None, "vk_0123456789ab_" + "0" * 64, firm[:-1] + "x"]
    for key in (*keys, made.agency_key, made.other_key, firm) if route.auth == "operator" else keys:
        with server.client(key) as client:
            told = client.request(route.method, path, json={} if route.bodies else None)
        seen.append(told.status_code)
        assert told.status_code != 401 or told.headers["www-authenticate"].startswith("Bearer")
        assert_secure(told.headers)
    assert seen == [401, 401, 401] + [403] * (len(seen) - 3)


@pytest.mark.parametrize("route", ROTATION_ROUTES, ids=_name)
def test_generated_requests_get_only_documented_answers(server: Server, route: Route) -> None:
    with server.client() as client:
        schema = schemathesis.openapi.from_dict(client.get("/schema/openapi.json").json())
    key = employer(server) if route in OWN_ROTATION_ROUTES else server.installation.operator_key

    @hypothesis.settings(
        max_examples=5, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    @hypothesis.given(case=schema[route.path][route.method].as_strategy())
    def run(case: Any) -> None:
        case.validate_response(
            case.call(base_url=server.url, headers={"Authorization": f"Bearer {key}"}), checks=CHECKS
        )

    run()
