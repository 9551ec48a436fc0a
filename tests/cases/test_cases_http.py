"""The desk over HTTP: nobody is asked who they are, nothing told comes out, no door opens without its key."""

import io
import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from PIL import Image
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from test_web_challenge import solve
from test_web_http_hygiene import HOSTILE
from test_web_http_public import assert_secure
from web_http_world import (
    HOLDER,
    OTHER,
    SKILL,
    Installation,
    Server,
    install,
    resident_id,
    serving,
    wait_until,
)

from verify.web.cases.routes import (
    CASE_ROUTES,
    HOLDER_CASE_ROUTES,
    IMITATION_ROUTES,
    QUEUE_ROUTES,
)
from verify.web.route import Route

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
HTML = {"accept": "text/html"}
PLANTED = resident_id(991)
"""An ID number that people type where it does not belong."""


def _name(route: Route) -> str:
    return f"{route.method} {route.path}"


def picture() -> bytes:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = PLANTED
    Image.new("RGB", (600, 400), "teal").save(out, "JPEG", exif=exif)
    return out.getvalue()


def report(client: httpx.Client, **fields: str) -> str:
    """A receipt for a report."""
    told = client.post("/api/v1/reports", json={"matter": "other", "words": "x"} | fields)
    assert told.status_code == 201, told.text
    return str(told.json()["receipt"])


def objection(client: httpx.Client, **fields: str) -> tuple[str, dict[str, Any]]:
    """A receipt for an objection to a certificate of `SKILL`, and what was answered."""
    told = client.post(
        "/api/v1/objections", json={"matter": "missing", "number": f"{SKILL}263999999"} | fields
    )
    assert told.status_code == 201, told.text
    return told.json()["receipt"], told.json()


def newest(client: httpx.Client, **query: str) -> dict[str, Any]:
    """The last case of the queue."""
    path: str | None = "/api/v1/cases?" + "&".join(f"{key}={value}" for key, value in query.items())
    cases: list[dict[str, Any]] = []
    while path:
        page = client.get(path).json()
        cases, path = [*cases, *page["cases"]], page["next"]
    return cases[-1]


# --- reports --------------------------------------------------------------------------------------------


def test_a_report_by_form_ends_on_a_page_that_may_be_asked_for_again(server: Server) -> None:
    with server.client(**HTML) as browser, server.client(server.installation.operator_key) as operator:
        sent = browser.post(
            "/reports?lang=zh",
            data={
                "matter": "edited-certificate",
                "words": f"第一行\r\n{PLANTED}",
                "address": "",
                "code": "ABC",
            },
            files={"picture": ("IMG_1.jpg", picture(), "image/jpeg")},
        )
        assert sent.status_code == 303 and sent.content == b""
        where = sent.headers["location"]
        assert re.fullmatch(r"/reports/([0-9A-Z]{4}-){4}[0-9A-Z]{4}\?lang=zh", where)
        page = browser.get(where)
        data = browser.get(where, headers={"accept": "application/json"})
        typed = browser.post("/objections/status?lang=en", data={"receipt": where[9:33].lower()})
        case = newest(operator, kind="report")
        whole = operator.get(f"/api/v1/cases/{case['id']}").json()
        shown = operator.get(whole["links"]["picture"])
    assert page.status_code == 200 and "已收到" in page.text and "改动过的证书" in page.text
    assert typed.status_code == 200 and "Received" in typed.text
    assert data.json()["state"] == "received" and data.json()["steps"][0]["by"] == "public"
    for told in (sent, page, data, typed, shown):
        assert_secure(told.headers)
        assert told.headers["cache-control"] == "no-store" and "etag" not in told.headers
    for told in (page, data, typed):
        assert PLANTED not in told.text and "第一行" not in told.text
    assert whole["told"] == {"words": f"第一行\n{PLANTED}", "code": "ABC"}
    assert shown.headers["content-type"] == "image/jpeg" and PLANTED.encode() not in shown.content
    assert "script" not in shown.headers["content-security-policy"]


def test_a_refused_form_comes_back_with_what_was_typed_and_never_the_id_number(server: Server) -> None:
    with server.client(**HTML) as browser:
        empty = browser.post("/reports?lang=zh", files={"matter": (None, "other"), "words": (None, " ")})
        bad = browser.post(
            "/reports?lang=zh",
            data={"matter": "other", "words": '"><script>x</script>'},
            files={"picture": ("a.gif", b"GIF89a", "image/gif")},
        )
        person = browser.post(
            "/objections?lang=zh",
            data={
                "matter": "missing",
                "name": "王小明",
                "id_type": "RESIDENT_ID",
                "id_number": PLANTED[:-1] + "0",
            },
        )
        choice = browser.post("/objections", data={"matter": "nonsense", "number": "1"})
    assert [told.status_code for told in (empty, bad, person, choice)] == [422] * 4
    assert "请至少填写" in empty.text and 'id="words-error"' in empty.text
    assert "<script>x" not in bad.text and "&lt;script&gt;" in bad.text and 'id="picture-error"' in bad.text
    assert 'value="王小明"' in person.text and 'id="id-number-error"' in person.text
    assert PLANTED[:17] not in person.text and 'id="matter-error"' in choice.text
    for told in (empty, bad, person, choice):
        assert_secure(told.headers)


def test_a_verdict_page_brings_its_code_to_the_form_in_the_body(server: Server) -> None:
    code = server.installation.scan_codes[0]
    with server.client(**HTML) as browser:
        for path, brought in ((f"/V/{code}", code), ("/V/zzzz-zzzz-zzzz-zzzz", "")):
            page = browser.get(path).text
            assert (
                f'action="/reports/form?lang=zh"><input type="hidden" name="code" value="{brought}">' in page
            )
        never = "0" * 16
        assert f'name="code" value="{never}"' in browser.get(f"/V/{never}").text
        form = browser.post("/reports/form?lang=zh", data={"code": code})
        odd = browser.post("/reports/form", data={"code": '"><b>'})
        number = browser.post("/", data={"ask": "number", "number": "S000044000456263999999"})
    assert (
        f'value="{code}"' in form.text and "<b>" not in odd.text.partition("<main")[2].partition("</main")[0]
    )
    assert 'name="code" value="S000044000456263999999"' in number.text
    assert not re.search(r'(href|action)="[^"]*' + code, form.text)


def test_no_form_of_the_desk_asks_for_money_a_login_or_a_phone_number(server: Server) -> None:
    with server.client(**HTML) as browser:
        for path in ("/reports", "/objections", "/imitations"):
            page = browser.get(path).text
            assert not re.search(r'type="(tel|email|password)"|name="(phone|mobile|contact|email)"', page)
            for form in re.findall(r"<form[^>]*>", page):
                assert 'method="post"' in form


# --- receipts that lead nowhere -------------------------------------------------------------------------


def _miss(told: httpx.Response) -> tuple[Any, ...]:
    headers = {key: value for key, value in told.headers.items() if key != "date"}
    return told.status_code, len(told.content), json.dumps(headers), told.content


def test_every_wrong_receipt_gets_the_same_bytes(server: Server) -> None:
    with server.client() as client, server.client(**HTML) as browser:
        real = report(client)
        near = ("1" if real[0] != "1" else "2") + real[1:]
        wrong = [
            near,
            "0000-0000-0000-0000-0000",
            "0",
            "x" * 300,
            real[:-1],
            "cs_0123456789abcdef0",
            "%F0%9F%92%A5",
        ]
        for prefix in ("/reports", "/objections"):
            for who in (client, browser):
                misses = {_miss(who.get(f"{prefix}/{one}")) for one in wrong}
                assert len(misses) == 1, misses
                assert next(iter(misses))[0] == 404
            typed = {_miss(browser.post(f"{prefix}/status", data={"receipt": one})) for one in wrong}
            assert len(typed) == 1
        assert client.get(f"/objections/{real}").status_code == 200


# --- objections -----------------------------------------------------------------------------------------


def test_an_objection_is_answered_by_its_agency_and_the_receipt_tells_it(server: Server) -> None:
    made = server.installation
    with server.client() as anybody, server.client(made.agency_key) as agency:
        receipt, told = objection(anybody, words="查不到")
        assert told["due_at"] > told["received_at"] and told["links"]["status"].endswith(receipt)
        case = newest(agency)
        address = f"/api/v1/cases/{case['id']}"
        assert agency.post(f"{address}/acceptance").json()["state"] == "accepted"
        early = agency.post(f"{address}/closure", json={})
        answered = agency.post(
            f"{address}/answer", json={"outcome": "upheld", "words": "已上传。<i>", "number": made.numbers[0]}
        )
        again = agency.post(f"{address}/answer", json={"outcome": "refused", "words": "x"})
        seen = anybody.get(f"/objections/{receipt}").json()
        page = anybody.get(f"/objections/{receipt}", headers=HTML).text
        closed = agency.post(f"{address}/closure", json={"note": "n"})
    assert (early.status_code, answered.status_code, again.status_code, closed.status_code) == (
        409,
        200,
        409,
        200,
    )
    assert seen["answer"] == {"outcome": "upheld", "words": "已上传。<i>", "number": made.numbers[0]}
    assert seen["agency"]["code"] == SKILL
    assert [(one["event"], one["by"]) for one in seen["steps"]] == [
        ("received", "public"), ("accepted", "agency"), ("answered", "agency"),
    ]  # fmt: skip
    assert "已上传。&lt;i&gt;" in page and made.numbers[0] in page and "异议成立" in page


def test_slips_in_a_typed_number_are_read_as_on_the_search_page(server: Server) -> None:
    with server.client(**HTML) as browser, server.client(server.installation.agency_key) as agency:
        sent = browser.post(
            "/objections", data={"matter": "missing", "number": "s ooo o44-ooo456 263 99l999"}
        )
        assert sent.status_code == 303 and sent.headers["location"].startswith("/objections/")
        case = newest(agency)
        assert agency.get(f"/api/v1/cases/{case['id']}").json()["told"]["code"] == "S000044000456263991999"


def test_metrics_say_how_many_cases_wait_and_how_many_are_overdue(tmp_path: Path) -> None:
    made = install(tmp_path, count=1)
    with serving(made) as running, running.client() as client:
        wait_until(lambda: 'verify_cases{state="waiting"' in client.get("/metrics").text)
        for _ in range(3):
            objection(client)
    with sqlite3.connect(made.database) as register:
        register.execute("update case_file set due_at = 1 where id = (select min(id) from case_file)")
    register.close()
    with serving(made) as running, running.client() as client:

        def figures() -> dict[str, float]:
            told = client.get("/metrics").text
            lines = re.findall(r'^verify_cases\{state="(\w+)",worker="\d+"\} (\S+)$', told, re.MULTILINE)
            return {state: float(count) for state, count in lines}

        wait_until(lambda: figures() == {"waiting": 3.0, "overdue": 1.0}, what=figures)
        assert "# TYPE verify_cases gauge" in client.get("/metrics").text
    with serving(made, "create_public_app") as running, running.client() as client:
        assert "verify_cases{" not in client.get("/metrics").text


@pytest.fixture
def holder(server: Server) -> Iterator[httpx.Client]:
    with server.client() as client:
        made = client.post(
            "/api/v1/holder-sessions",
            json={"number": server.installation.numbers[11], "name": HOLDER, "id_type": "RESIDENT_ID",
                  "id_number": resident_id(11)},
        )  # fmt: skip
    with server.client(made.json()["token"]) as mine:
        yield mine


def test_a_holder_objects_and_follows_it_in_the_session(server: Server, holder: httpx.Client) -> None:
    made = holder.post("/api/v1/holder/objections", json={"matter": "photo", "words": "不是我"})
    assert made.status_code == 201, made.text
    (mine,) = holder.get("/api/v1/holder/objections").json()["objections"]
    assert (mine["state"], mine["matter"], mine["agency"]["code"]) == ("received", "photo", SKILL)
    missing = holder.post("/api/v1/holder/objections", json={"matter": "missing", "words": "x"})
    empty = holder.post("/api/v1/holder/objections", json={"matter": "name"})
    assert (missing.status_code, empty.status_code) == (422, 422)
    with server.client() as client:
        assert client.get(f"/reports/{made.json()['receipt']}").status_code == 200


# --- who may ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def owned(server: Server) -> dict[str, str]:
    """A case of `SKILL` and a listed site."""
    with server.client() as client, server.client(server.installation.operator_key) as operator:
        objection(client)
        operator.post("/api/v1/imitations", json={"domain": "matrix.example.net"})
    with server.client(server.installation.agency_key) as agency:
        return {"case": newest(agency)["id"], "domain": "matrix.example.net"}


def _send(server: Server, route: Route, owned: dict[str, str], key: str | None) -> httpx.Response:
    path = re.sub(r"{(\w+)}", lambda m: owned[m[1]], route.path)
    with server.client(key) as client:
        return client.request(route.method, path, json=route.bodies[0].example if route.bodies else None)


@pytest.mark.parametrize("route", QUEUE_ROUTES, ids=_name)
def test_no_door_of_the_queue_opens_without_the_right_key(
    server: Server, owned: dict[str, str], holder: httpx.Client, route: Route
) -> None:
    made, session = server.installation, holder.headers["authorization"].partition(" ")[2]
    for key in (None, "vk_0123456789ab_" + "0" * 64, made.agency_key[:-1] + "x", session):
        told = _send(server, route, owned, key)
        assert (told.status_code, told.json()["code"]) == (401, "unauthenticated"), told.text
        assert_secure(told.headers)
    if route.auth == "operator":
        assert _send(server, route, owned, made.agency_key).status_code == 403
    elif "{case}" in route.path:
        told = _send(server, route, owned, made.other_key)
        absent = _send(server, route, owned | {"case": "cs_00000000000000000"}, made.other_key)
        assert (told.status_code, told.content) == (404, absent.content), told.text
    with server.client(made.agency_key) as agency:
        assert agency.get(f"/api/v1/cases/{owned['case']}").json()["state"] == "received"


@pytest.mark.parametrize("route", HOLDER_CASE_ROUTES, ids=_name)
def test_only_a_session_opens_the_holders_objections(server: Server, route: Route) -> None:
    made = server.installation
    for key in (None, "hs_", made.agency_key, made.operator_key):
        assert _send(server, route, {}, key).status_code == 401


def test_another_agency_sees_an_empty_queue_and_an_employer_none(
    server: Server, owned: dict[str, str]
) -> None:
    with server.client(server.installation.other_key) as other:
        assert other.get("/api/v1/cases").json() == {"cases": [], "next": None}
        for query in ("state=gone", "kind=x", "after=1", "state=received&state=x"):
            assert other.get(f"/api/v1/cases?{query}").status_code == 422


def test_the_operator_passes_a_case_on(server: Server) -> None:
    made = server.installation
    with (
        server.client() as client,
        server.client(made.operator_key) as operator,
        server.client(made.other_key) as other,
    ):
        objection(client, number="看不清")
        key = newest(operator)["id"]
        assert other.get(f"/api/v1/cases/{key}").status_code == 404
        operator.post(f"/api/v1/cases/{key}/assignment", json={"agency": OTHER})
        assert other.get(f"/api/v1/cases/{key}").json()["agency"] == OTHER
        assert (
            other.post(
                f"/api/v1/cases/{key}/answer", json={"outcome": "refused", "words": "无此人"}
            ).status_code
            == 200
        )


# --- imitation sites ------------------------------------------------------------------------------------


def test_the_list_of_imitations_is_public_and_the_operators_alone_to_change(server: Server) -> None:
    with server.client() as anybody, server.client(server.installation.operator_key) as operator:
        made = operator.post(
            "/api/v1/imitations",
            json={"domain": "http://vеrify.example.org/", "note": "<img src=x>", "seen_on": "2026-11-01"},
        )
        assert made.status_code == 201, made.text
        domain = made.json()["domain"]
        twice = operator.post("/api/v1/imitations", json={"domain": domain})
        data = anybody.get("/api/v1/imitations")
        pages = [anybody.get(f"/imitations?lang={lang}", headers=HTML) for lang in ("zh", "en")]
        gone = operator.delete(f"/api/v1/imitations/{domain}")
        again = operator.delete(f"/api/v1/imitations/{domain}")
        after = anybody.get("/api/v1/imitations").text
    assert twice.status_code == 409 and domain.startswith("xn--")
    assert data.json()["host"] and domain in [one["domain"] for one in data.json()["imitations"]]
    for page in pages:
        assert_secure(page.headers)
        assert domain in page.text and "<img src=x>" not in page.text
        assert not re.search(r'href="[^"]*' + re.escape(domain), page.text)
    assert "从不要求" in pages[0].text and "never asks for" in pages[1].text
    assert (gone.status_code, again.status_code) == (200, 404) and domain not in after


def test_nodes_of_the_public_show_the_list_and_take_nothing_in(server: Server) -> None:
    with serving(server.installation, "create_public_app") as public, public.client() as client:
        assert client.get("/api/v1/imitations").status_code == 200
        assert client.get("/imitations", headers=HTML).status_code == 200
        assert client.post("/api/v1/reports", json={"matter": "other", "words": "x"}).status_code == 404
        assert client.get("/api/v1/cases").status_code == 404
        assert client.post("/api/v1/imitations", json={"domain": "a.example"}).status_code == 405


# --- hostile ---------------------------------------------------------------------------------------------

JSON_ADDRESSES = ("/api/v1/reports", "/api/v1/objections", "/api/v1/cases/cs_0/answer", "/api/v1/imitations")


@pytest.mark.parametrize("address", JSON_ADDRESSES)
def test_hostile_json_is_400(server: Server, address: str) -> None:
    with server.client(server.installation.operator_key) as client:
        for name, body in HOSTILE.items():
            told = client.post(address, content=body, headers={"content-type": "application/json"})
            assert told.status_code == 400, (name, told.text)
            assert_secure(told.headers)


@pytest.mark.parametrize(
    ("address", "media", "body", "status"),
    [
        ("/reports", "application/json", b"{}", 415),
        ("/reports", "", b"", 415),
        ("/reports", "multipart/form-data", b"x", 400),
        ("/reports", "multipart/form-data; boundary=B", b"--B\r\n", 400),
        ("/reports", "multipart/form-data; boundary=B",
         b'--B\r\nContent-Disposition: form-data; name="words"\r\n\r\n\xff\xfe\r\n--B--', 400),
        ("/reports", "multipart/form-data; boundary=B",
         b'--B\r\nContent-Disposition: form-data; name="words"\r\n\r\n\x00\r\n--B--', 400),
        ("/reports", "multipart/form-data; boundary=B", b"--B\r\n" * 100, 400),
        ("/objections", "application/x-www-form-urlencoded", b"number=%ff", 400),
        ("/objections", "application/x-www-form-urlencoded", b"number=1&number=2", 400),
        ("/objections", "application/x-www-form-urlencoded", b"a=1&" * 40, 400),
        ("/objections", "application/x-www-form-urlencoded", b"words=%00", 400),
        ("/objections", "application/x-www-form-urlencoded", b"words=" + b"a" * 70_000, 413),
        ("/reports/form", "application/x-www-form-urlencoded", b"code=%ff", 400),
        ("/reports/status", "text/plain", b"receipt=x", 415),
        ("/reports", "multipart/form-data; boundary=B", b"x" * (9 << 20), 413),
        ("/api/v1/reports", "application/json", b'{"matter":"other","phone":"1"}', 422),
        ("/api/v1/reports", "application/json", b'{"matter":"other","words":' + b'"x"' + b"}" + b" " * 70_000, 413),
    ],
)  # fmt: skip
def test_hostile_forms_are_4xx(server: Server, address: str, media: str, body: bytes, status: int) -> None:
    for accept in ("text/html", "application/json"):
        headers = {"accept": accept} | ({"content-type": media} if media else {})
        with server.client(**headers) as client:
            told = client.post(address, content=body)
        assert told.status_code == status, told.text
        assert_secure(told.headers)


@pytest.mark.parametrize("route", (*CASE_ROUTES, *IMITATION_ROUTES), ids=_name)
def test_generated_requests_get_only_documented_answers(
    server: Server, holder: httpx.Client, route: Route
) -> None:
    with server.client() as client:
        schema = schemathesis.openapi.from_dict(client.get("/schema/openapi.json").json())
    made = server.installation
    keys = {"any": made.other_key, "operator": made.operator_key,
            "holder": holder.headers["authorization"].partition(" ")[2]}  # fmt: skip
    headers = {"Authorization": f"Bearer {keys[route.auth]}"} if route.auth in keys else {}

    @hypothesis.settings(
        max_examples=8, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    @hypothesis.given(case=schema[route.path][route.method].as_strategy())
    def run(case: Any) -> None:
        case.validate_response(
            case.call(base_url=server.url, headers=headers, allow_redirects=False), checks=CHECKS
        )

    run()


# --- budgets ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Ten look-ups a minute for each client behind the proxy."""
    made = install(tmp_path_factory.mktemp("busy"), count=0, budget_per_source="10", trusted_proxies="1")
    with serving(made) as running:
        yield running


def test_a_case_costs_what_a_miss_costs_and_past_the_budget_work_is_asked_for(busy: Server) -> None:
    body = {"matter": "other", "words": "x"}
    with busy.client(**{"x-forwarded-for": "203.0.113.7"}) as client:
        codes = [client.post("/api/v1/reports", json=body).status_code for _ in range(4)]
        assert codes[:2] == [201, 201] and codes[-1] == 429
        refused = client.post("/api/v1/reports", json=body)
        solution = {"verify-challenge-solution": solve(refused.json()["challenge"])}
        assert client.post("/api/v1/reports", json=body, headers=solution).status_code == 201
        assert client.post("/api/v1/reports", json=body, headers=solution).status_code == 429
        page = client.post("/objections", data={"matter": "missing", "number": "1"}, headers=HTML)
        assert page.status_code == 429 and 'id="challenge"' in page.text
    with busy.client(**{"x-forwarded-for": "203.0.113.8"}) as other:
        assert other.post("/api/v1/reports", json=body).status_code == 201


def test_who_guesses_receipts_is_stopped_after_a_few(busy: Server) -> None:
    with busy.client(**{"x-forwarded-for": "203.0.113.9"}) as client:
        codes = [client.get(f"/reports/{n:020d}").status_code for n in range(5)]
    assert codes[0] == 404 and codes[-1] == 429


# --- nothing leaks ----------------------------------------------------------------------------------------


def test_what_was_told_stands_in_no_log_no_metric_and_no_page_of_the_database(server: Server) -> None:
    words, address = "甲乙丙丁的证书", "http://leak.example/x"
    with server.client() as client, server.client(server.installation.operator_key) as operator:
        receipt = report(client, words=f"{words}{PLANTED}", address=address, code=PLANTED)
        objection(client, name="戊己庚", id_type="RESIDENT_ID", id_number=PLANTED, words=words)
        key = newest(operator)["id"]
        operator.post(
            f"/api/v1/cases/{key}/answer", json={"outcome": "refused", "words": f"{words}{PLANTED}"}
        )
        client.get(f"/reports/{receipt}")
        metrics = client.get("/metrics").text
    made: Installation = server.installation
    with sqlite3.connect(made.database) as base:
        base.execute("pragma wal_checkpoint(passive)")
    stored = b"".join(file.read_bytes() for file in made.folder.glob("verify.db*"))
    logged = server.log.read_text() + metrics
    for secret in (PLANTED, words, address, "戊己庚", receipt, receipt.replace("-", "")):
        assert secret not in logged
        assert secret.encode() not in stored
