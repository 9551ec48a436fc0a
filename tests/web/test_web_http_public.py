"""The public's door on a real server: what each address answers, and what no answer ever lacks."""

import json
import re

import pytest
from web_http_world import HOLDER, SKILL, Server, resident_id

SECURITY = {
    "content-security-policy": "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "permissions-policy": "geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-robots-tag": "noindex",
}
UNKNOWN = "S000044000456263999999"


def assert_secure(headers: object) -> None:
    for name, part in SECURITY.items():
        assert part in headers[name], name  # type: ignore[index]


def test_a_number_alone_tells_the_status_and_nothing_of_the_holder(server: Server) -> None:
    number = server.installation.numbers[0]
    with server.client() as client:
        told = client.get(f"/api/v1/certificates/{number}")
        spaced = client.get(f"/api/v1/certificates/{number.lower()}")
    answer = told.json()
    assert told.status_code == 200 and spaced.status_code == 200
    assert answer["verdict"] == "valid" and answer["number"] == number
    assert HOLDER not in told.text and "holder" not in answer and "copy" not in answer
    assert told.headers["cache-control"] == "no-store" and "etag" not in told.headers
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", answer["as_of"])
    assert_secure(told.headers)


def test_three_ways_of_asking_show_the_full_face_with_the_id_masked(server: Server) -> None:
    made = server.installation
    asks = [
        {"number": made.numbers[1], "name": HOLDER.replace("·", "・")},
        {"id_type": "RESIDENT_ID", "id_number": resident_id(1), "name": HOLDER},
        {"scan_code": made.scan_codes[1]},
    ]
    with server.client() as client:
        for ask in asks:
            told = client.post("/api/v1/lookups", json=ask)
            (answer,) = told.json()["answers"]
            assert told.status_code == 200 and answer["holder"]["name"] == HOLDER
            assert resident_id(1) not in told.text and answer["holder"]["id_number_masked"].count("*") == 16


def test_every_miss_is_the_same_miss(server: Server) -> None:
    number, other = server.installation.numbers[:2]
    with server.client() as client:
        misses = [
            client.post("/api/v1/lookups", json={"number": number, "name": "张三"}),
            client.post("/api/v1/lookups", json={"number": UNKNOWN, "name": HOLDER}),
            client.post("/api/v1/lookups", json={"number": other, "name": "王小明"}),
            client.post(
                "/api/v1/lookups", json={"id_type": "RESIDENT_ID", "id_number": resident_id(0), "name": "张"}
            ),
            client.post(
                "/api/v1/lookups",
                json={"id_type": "RESIDENT_ID", "id_number": resident_id(777), "name": HOLDER},
            ),
            client.post("/api/v1/lookups", json={"scan_code": "000000000000000" + "0"}),
            client.get(f"/api/v1/certificates/{UNKNOWN}"),
        ]
    shapes = set()
    for miss in misses:
        headers = {k: v for k, v in miss.headers.items() if k != "date"}
        body = miss.json()
        body.pop("as_of")
        shapes.add((miss.status_code, len(miss.content), json.dumps(headers), json.dumps(body)))
    assert len(shapes) == 1, shapes
    assert next(iter(shapes))[0] == 404


def test_a_scan_code_shows_a_page_to_people_and_data_to_programs(server: Server) -> None:
    code = server.installation.scan_codes[0]
    with server.client() as client:
        data = client.get(f"/V/{code}")
        page = client.get(f"/v/{code.lower()}", headers={"accept": "text/html"})
        english = client.get(f"/V/{code}?lang=en", headers={"accept": "text/html"})
        miss = client.get("/V/ZZZZZZZZZZZZZZZZ", headers={"accept": "text/html"})
        data_miss = client.get("/V/not-a-code")
    assert data.json()["copy"]["current"] is True
    assert (
        page.status_code == 200
        and HOLDER in page.text
        and page.headers["content-type"].startswith("text/html")
    )
    assert 'lang="en"' in english.text
    assert miss.status_code == 404 and data_miss.status_code == 404
    assert data_miss.json()["verdict"] == "unknown"
    for told in (data, page, miss):
        assert told.headers["cache-control"] == "no-store"
        assert_secure(told.headers)


def test_the_form_answers_without_script(server: Server) -> None:
    number = server.installation.numbers[0]
    with server.client(accept="text/html") as client:
        search = client.get("/")
        alone = client.post("/", data={"ask": "number", "number": number, "name": ""})
        named = client.post("/", data={"ask": "number", "number": number, "name": HOLDER})
        person = client.post(
            "/", data={"ask": "person", "name": HOLDER, "id_type": "RESIDENT_ID", "id_number": resident_id(0)}
        )
        wrong = client.post("/", data={"ask": "number", "number": "12", "name": HOLDER})
        missed = client.post("/", data={"ask": "number", "number": number, "name": "张三"})
    assert search.status_code == 200 and "<form" in search.text
    assert alone.status_code == 200 and HOLDER not in alone.text
    assert named.status_code == 200 and HOLDER in named.text
    assert person.status_code == 200 and resident_id(0) not in person.text
    assert wrong.status_code == 422 and 'value="12"' in wrong.text
    assert missed.status_code == 404


def test_the_three_forms_of_a_check_report_every_check_by_name(server: Server) -> None:
    made = server.installation
    with server.client(made.agency_key) as client:
        picture = client.get(f"/api/v1/certificates/{made.numbers[0]}/qr.png").content
    with server.client() as client:
        token = client.post("/api/v1/checks", json={"token": made.token})
        photo = client.post("/api/v1/checks", files={"file": ("a.png", picture, "image/png")})
        nothing = client.post(
            "/api/v1/checks", files={"file": ("a.png", b"\x89PNG\r\n\x1a\nbroken", "image/png")}
        )
        page = client.post(
            "/checks", files={"file": ("a.png", picture, "image/png")}, headers={"accept": "text/html"}
        )
    for told in (token, photo):
        outcomes = {check["name"]: check["outcome"] for check in told.json()["checks"]}
        skipped = {name for name, outcome in outcomes.items() if outcome != "passed"}
        assert told.json()["verdict"] == "valid" and skipped <= {"face-matches"}, told.text
        assert (outcomes.get("face-matches") == "skipped") == (
            told is photo
        )  # no file proves what a picture shows
    assert {c["name"]: c["outcome"] for c in nothing.json()["checks"]}["readable"] == "failed"
    assert page.status_code == 200 and HOLDER in page.text


def test_public_objects_say_how_long_they_may_be_kept(server: Server) -> None:
    with server.client() as client:
        keys = client.get("/.well-known/jwks.json")
        trust = client.get("/trust.json")
        page = client.get("/", headers={"accept": "text/html"}).text
        style = re.search(r'href="([^"]*site[^"]*\.css)"', page.replace("&#x2f;", "/"))
        assert style is not None
        packed = client.get(style[1])
        plain = client.get(style[1], headers={"accept-encoding": "identity"})
    assert keys.headers["content-type"] == "application/jwk-set+json" and keys.json()["keys"]
    assert set(trust.json()) == {"payload", "protected", "signature"}
    assert "max-age=60" in keys.headers["cache-control"] == trust.headers["cache-control"]
    assert "immutable" in packed.headers["cache-control"]
    assert packed.headers["content-encoding"] == "gzip" and packed.content == plain.content


def test_the_register_of_agencies_is_public(server: Server) -> None:
    with server.client() as client:
        listed = client.get("/api/v1/agencies").json()["agencies"]
        one = client.get(f"/api/v1/agencies/{SKILL}").json()
        unknown = client.get("/api/v1/agencies/S000044000999")
        malformed = client.get("/api/v1/agencies/xx")
    assert {agency["code"] for agency in listed} >= {SKILL}
    assert one["filings"][0]["levels"] == ["5", "4", "3"]
    assert unknown.status_code == 404 and malformed.status_code == 422


def test_problems_are_told_in_the_readers_language_with_a_type_that_explains_itself(server: Server) -> None:
    with server.client() as client:
        chinese = client.get("/api/v1/certificates/12")
        english = client.get("/api/v1/certificates/12", headers={"accept-language": "en"})
        kind = client.get(chinese.json()["type"].replace("http://127.0.0.1:8000", ""))
    for told in (chinese, english):
        body = told.json()
        assert told.status_code == 422 and told.headers["content-type"] == "application/problem+json"
        assert body["type"].endswith("/" + body["code"]) and body["errors"][0]["pointer"] == "/number"
    assert chinese.json()["detail"] != english.json()["detail"] and english.json()["detail"].isascii()
    assert kind.json()["title"]["zh"] == chinese.json()["title"]


@pytest.mark.parametrize("path", ["/", "/livez", "/api/v1/agencies", "/trust.json", "/schema/openapi.json"])
def test_head_is_a_get_without_a_body(server: Server, path: str) -> None:
    with server.client() as client:
        head, get = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(get.content)) or "gzip" in get.headers.get(
        "content-encoding", ""
    )
    assert_secure(head.headers)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/", "GET, HEAD, OPTIONS, POST"),
        ("GET", "/api/v1/lookups", "OPTIONS, POST"),
        ("POST", "/V/0000000000000000", "GET, HEAD, OPTIONS"),
        ("PUT", "/livez", "GET, HEAD, OPTIONS"),
        ("PATCH", "/api/v1/agencies", "GET, HEAD, OPTIONS, POST"),
        ("PROPFIND", "/trust.json", "GET, HEAD, OPTIONS"),
    ],
)
def test_a_method_that_an_address_does_not_know_is_405_with_allow(
    server: Server, method: str, path: str, allow: str
) -> None:
    with server.client() as client:
        refused, options = client.request(method, path), client.request("OPTIONS", path)
    assert refused.status_code == 405 and refused.headers["allow"] == allow
    assert refused.json()["code"] == "method-not-allowed"
    assert options.status_code == 204 and set(options.headers["allow"].split(", ")) >= {"OPTIONS"}
    assert_secure(refused.headers)
    assert_secure(options.headers)


def test_metrics_count_without_telling_who_was_asked_for(server: Server) -> None:
    made = server.installation
    with server.client() as client:
        client.get(f"/V/{made.scan_codes[2]}")
        metrics = client.get("/metrics")
    assert "verify_lookups_total" in metrics.text and 'outcome="scan/found"' in metrics.text
    for secret in (*made.scan_codes, *made.numbers, resident_id(0), HOLDER):
        assert secret not in metrics.text
