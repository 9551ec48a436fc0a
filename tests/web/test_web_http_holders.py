"""Holders over HTTP: a session for the three together, links that end, and a search by person that obeys."""

import datetime as dt
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from test_web_http_public import assert_secure
from web_http_world import HOLDER, Server, install, resident_id, serving

from verify.web.holders.routes import HOLDER_ROUTES
from verify.web.route import Route

MINE = 8
"""The certificate that these tests speak about."""


def _who(server: Server, **changes: str) -> dict[str, str]:
    return {
        "number": server.installation.numbers[MINE], "name": HOLDER, "id_type": "RESIDENT_ID",
        "id_number": resident_id(MINE),
    } | changes  # fmt: skip


def _session(server: Server) -> httpx.Client:
    with server.client() as client:
        made = client.post("/api/v1/holder-sessions", json=_who(server))
    assert made.status_code == 201, made.text
    return server.client(made.json()["token"])


def _person(client: httpx.Client) -> httpx.Response:
    return client.post(
        "/api/v1/lookups", json={"id_type": "RESIDENT_ID", "id_number": resident_id(MINE), "name": HOLDER}
    )


@pytest.mark.parametrize(
    "changes",
    [{"name": "别人"}, {"id_number": resident_id(MINE + 1)}, {"number": "S000044000456263999999"}, {}],
    ids=["name", "document", "number", "number of somebody else"],
)
def test_a_session_needs_all_three_and_every_miss_is_the_same(
    server: Server, changes: dict[str, str]
) -> None:
    other = changes or {"number": server.installation.numbers[MINE + 1]}
    with server.client() as client:
        told = client.post("/api/v1/holder-sessions", json=_who(server, **other))
    body = told.json()
    assert told.status_code == 404 and body["verdict"] == "unknown" and body["answers"] == []
    assert set(body) == {"answers", "verdict", "as_of", "message"}


def test_a_link_shows_the_face_until_it_is_withdrawn(server: Server) -> None:
    with _session(server) as mine, server.client() as anybody:
        made = mine.post("/api/v1/holder/shares", json={"days": 3, "label": "应聘<b>"})
        assert made.status_code == 201, made.text
        path = "/S/" + made.json()["address"].rpartition("/")[2]
        data = anybody.get(path)
        page = anybody.get(path.lower().replace("/s/", "/S/"), headers={"accept": "text/html"})
        listed = mine.get("/api/v1/holder/shares").json()["shares"]
        for _ in range(2):
            ended = mine.post(f"/api/v1/holder/shares/{made.json()['id']}/withdrawal")
        after = anybody.get(path)
        never = anybody.get("/S/" + "0" * 16)
        gone = anybody.get(path, headers={"accept": "text/html"})
    shown = data.json()
    assert shown["verdict"] == "valid" and shown["holder"]["name"] == HOLDER
    assert shown["shared"]["by"] == "holder" and resident_id(MINE) not in data.text
    until = dt.datetime.fromisoformat(shown["shared"]["until"])
    assert dt.timedelta(days=2) < until - dt.datetime.now(dt.UTC) < dt.timedelta(days=3)
    assert page.status_code == 200 and "持证人" in page.text and "应聘&lt;b&gt;" in page.text, page.text
    assert_secure(page.headers)
    assert listed[0]["id"] == made.json()["id"]
    assert ended.status_code == 200 and ended.json()["withdrawn_at"]
    assert (after.status_code, gone.status_code) == (404, 404)
    drop = re.compile(r'"as_of":"[^"]*"')
    assert drop.sub("", after.text) == drop.sub("", never.text)
    assert data.headers["cache-control"] == "no-store"


def test_who_leaves_the_search_by_person_is_found_by_number_and_name_alone(server: Server) -> None:
    with _session(server) as mine, server.client() as anybody:
        before = _person(anybody)
        off = mine.put("/api/v1/holder/name-search", json={"listed": False})
        hidden = _person(anybody)
        named = anybody.post(
            "/api/v1/lookups", json={"number": server.installation.numbers[MINE], "name": HOLDER}
        )
        asked = mine.get("/api/v1/holder/name-search").json()
        again = _session(server)  # the holder's own way in stays open
        on = mine.put("/api/v1/holder/name-search", json={"listed": True})
        after = _person(anybody)
        again.close()
    assert before.status_code == 200 and off.json() == asked == {"listed": False}
    assert hidden.status_code == 404 and named.status_code == 200
    assert on.json() == {"listed": True} and after.status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"days": 0}, 422),
        ({"days": 91}, 422),
        ({"label": "x" * 41}, 422),
        ({"days": "3"}, 422),
        ({"to": 1}, 422),
    ],
)
def test_a_link_without_an_end_in_sight_is_refused(server: Server, body: dict[str, Any], status: int) -> None:
    with _session(server) as mine:
        assert mine.post("/api/v1/holder/shares", json=body).status_code == status


@pytest.mark.parametrize(
    "route",
    [r for r in HOLDER_ROUTES if r.auth == "holder"],
    ids=lambda route: f"{route.method} {route.path}",
)
def test_only_a_session_opens_the_holders_door(server: Server, route: Route) -> None:
    made = server.installation
    path = route.path.replace("{share}", "sh_0")
    with _session(server) as mine:
        token = mine.headers["authorization"].partition(" ")[2]
    body = route.bodies[0].example if route.bodies else None
    for key in (
        None,
        token[:-2] + ("AA" if token[-2:] != "AA" else "BB"),
        "hs_",
        token[3:],
        made.agency_key,
        made.operator_key,
    ):
        with server.client(key) as client:
            assert client.request(route.method, path, json=body).status_code == 401, key


def test_signing_out_ends_a_session_on_the_server(server: Server) -> None:
    with _session(server) as mine, _session(server) as other:
        before = mine.get("/api/v1/holder/shares")
        ended = mine.delete("/api/v1/holder-sessions")
        after = [mine.get("/api/v1/holder/shares"), mine.delete("/api/v1/holder-sessions")]
        cookie = {"cookie": f"verify-holder={mine.headers['authorization'].partition(' ')[2]}"}
        with server.client(None, accept="text/html", **cookie) as browser:
            page = browser.get("/holder/1")
        kept = other.get("/api/v1/holder/shares")
    assert (before.status_code, ended.status_code, ended.json()) == (200, 200, {"ended": True})
    assert [one.status_code for one in (*after, page)] == [401] * 3 and kept.status_code == 200


def test_objections_cost_what_a_look_up_costs(tmp_path: Path) -> None:
    made = install(tmp_path, count=12, budget_per_source="6")
    with serving(made) as server, _session(server) as mine:
        seen = [mine.get("/api/v1/holder/objections?certificate=1") for _ in range(6)]
        given = {"matter": "name", "words": "x"}
        refused = mine.post("/api/v1/holder/objections?certificate=1", json=given)
    assert [one.status_code for one in seen][:3] == [200] * 3 and seen[-1].status_code == 429
    assert refused.status_code == 429 and "challenge" in refused.json()


def test_a_session_opens_nothing_of_the_office_and_no_link_of_another(server: Server) -> None:
    with _session(server) as mine:
        share = mine.post("/api/v1/holder/shares", json={"days": 1}).json()["id"]
        office = mine.get(f"/api/v1/certificates/{server.installation.numbers[MINE]}/history")
        with server.client() as client:
            other = client.post(
                "/api/v1/holder-sessions",
                json=_who(server, number=server.installation.numbers[9], id_number=resident_id(9)),
            ).json()["token"]
        with server.client(other) as client:
            foreign = client.post(f"/api/v1/holder/shares/{share}/withdrawal")
    assert (office.status_code, foreign.status_code) == (401, 404)


def test_neither_code_nor_document_stands_in_the_log(server: Server) -> None:
    with _session(server) as mine:
        code = mine.post("/api/v1/holder/shares", json={"days": 1}).json()["address"].rpartition("/")[2]
        mine.get(f"/S/{code}")
    log = server.log.read_text()
    stored = b"".join(file.read_bytes() for file in server.installation.folder.glob("verify.db*"))
    assert code not in log and resident_id(MINE) not in log and code.encode() not in stored
