"""Employers over HTTP: lists, results, signatures and receipts on a real server, and no other key gets in."""

import asyncio
import contextlib
import datetime as dt
import hashlib
import http.server
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import httpx
import jwcrypto.jwk
import pytest
from http_message_signatures import HTTPMessageVerifier, MappingKeyResolver
from http_message_signatures.algorithms import ECDSA_P256_SHA256
from web_http_world import (
    HOLDER,
    Installation,
    Server,
    install,
    issue_request,
    resident_id,
    serving,
    wait_until,
)

from verify.office.credentials import Credentials
from verify.proof.http_signature import content_digest
from verify.proof.public import PublicKey, by_kid
from verify.proof.receipt import verify_receipt, verify_result_list
from verify.store.register import list_keys
from verify.store.sqlite import SqliteStore
from verify.web.employers.administration import ADMINISTRATION_ROUTES
from verify.web.employers.routes import EMPLOYER_ROUTES
from verify.web.route import Route

EMPLOYER = "岭南机械有限公司"


async def _prepare(made: Installation) -> tuple[str, str, dict[str, PublicKey]]:
    store = SqliteStore(made.database)
    try:
        desk = Credentials(store, now=lambda: dt.datetime.now(dt.UTC))
        one = await desk.create(EMPLOYER, agency=None, employer=True, actor="test")
        two = await desk.create("别家公司", agency=None, employer=True, actor="test")
        return one[1], two[1], by_kid(await store.read(list_keys))
    finally:
        await store.close()


class Place:
    """A server with two employers."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.made = server.installation
        self.key, self.other, self.keys = asyncio.run(_prepare(self.made))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = install(tmp_path_factory.mktemp("employers"), count=12)
    with serving(made) as server:
        yield Place(server)


def _done(client: httpx.Client, location: str) -> dict[str, Any]:
    wait_until(lambda: client.get(location).json()["state"] == "done", what=lambda: client.get(location).text)
    found: dict[str, Any] = client.get(location).json()
    return found


def _csv_list(made: Installation) -> bytes:
    lines = ["ref,number,name,id_type,id_number,scan_code,token"]
    lines += [f"E{i},{number},{HOLDER},,,," for i, number in enumerate(made.numbers)]
    lines.append(f"wrong,{made.numbers[0]},别人,,,,")
    lines.append(f"person,,{HOLDER},RESIDENT_ID,{resident_id(3)},,")
    lines.append(f"scan,,,,,{made.scan_codes[4]},")
    lines.append(f"token,,,,,,{made.token}")
    lines.append("nothing,,,,,,")
    lines.append("bad,12345,王某,,,,")
    return "\r\n".join(lines).encode()


def test_a_list_is_answered_row_by_row_and_its_file_is_signed(place: Place) -> None:
    body = _csv_list(place.made)
    headers = {"content-type": "text/csv", "idempotency-key": "list-1"}
    with place.server.client(place.key) as client, place.server.client(place.other) as other:
        sent = client.post("/api/v1/employer-checks", content=body, headers=headers)
        assert sent.status_code == 202, sent.text
        again = client.post("/api/v1/employer-checks", content=body, headers=headers)
        reused = client.post("/api/v1/employer-checks", content=body + b"\r\n", headers=headers)
        at = sent.headers["location"]
        done = _done(client, at)
        results = client.get(f"{at}/results").json()
        ndjson = client.get(f"{at}/results", headers={"accept": "application/x-ndjson"})
        table = client.get(f"{at}/results", headers={"accept": "text/csv"})
        signed = client.get(f"{at}/signature")
        hidden = [other.get(f"{at}{part}").status_code for part in ("", "/results", "/signature")]
    assert again.json()["id"] == sent.json()["id"] and reused.json()["code"] == "idempotency-key-reused"
    assert (done["total"], done["found"], done["missed"], done["failed"]) == (18, 15, 1, 2)
    by_ref = {row.get("ref", ""): row for row in results["results"]}
    assert (
        by_ref["E0"]["verdict"] == "valid" and by_ref["E0"]["answers"][0]["number"] == place.made.numbers[0]
    )
    assert by_ref["wrong"] == by_ref["wrong"] | {"state": "missed", "verdict": "unknown"}
    assert by_ref["person"]["answers"][0]["number"] == place.made.numbers[3]
    assert by_ref["scan"]["verdict"] == by_ref["token"]["verdict"] == "valid"
    assert by_ref["bad"]["state"] == "failed" and by_ref["bad"]["errors"]
    assert hidden == [404, 404, 404]
    claims = verify_result_list(signed.text, place.keys)
    assert claims.results_sha256 == hashlib.sha256(ndjson.content).hexdigest()
    assert (claims.employer, claims.total) == (EMPLOYER, 18)
    assert len(ndjson.text.splitlines()) == 18 and table.text.startswith("\ufeffrow,ref,state")


def test_what_was_asked_lies_nowhere_in_plain(place: Place) -> None:
    stored = b"".join(file.read_bytes() for file in place.made.folder.glob("verify.db*"))
    log = place.server.log.read_bytes()
    for secret in (resident_id(3), HOLDER, "别人"):
        assert secret.encode() not in stored and secret.encode() not in log


@pytest.mark.parametrize(
    ("media", "body", "status"),
    [
        ("text/csv", b"", 400),
        ("text/csv", b"no,such\n1,2\n", 400),
        ("text/csv", b"number,name\n", 400),
        ("application/x-ndjson", b"\xff\xff\xff", 400),
        ("application/json", b"[]", 415),
        ("text/csv", b"number,name\n" + b"1,2\n" * 10_001, 413),
    ],
)
def test_a_list_that_cannot_be_read_is_refused_whole(
    place: Place, media: str, body: bytes, status: int
) -> None:
    headers = {"content-type": media, "idempotency-key": f"bad-{hash((media, body))}"}
    with place.server.client(place.key) as client:
        told = client.post("/api/v1/employer-checks", content=body, headers=headers)
    assert told.status_code == status, told.text


def test_a_receipt_says_later_what_was_said_then_and_what_holds_now(place: Place) -> None:
    number = place.made.numbers[7]
    with place.server.client(place.key) as client, place.server.client() as anybody:
        given = client.post("/api/v1/receipts", json={"number": number, "name": HOLDER})
        assert given.status_code == 201, given.text
        receipt = given.json()["receipt"]
        before = anybody.post("/api/v1/checks", json={"token": receipt}).json()
        with place.server.client(place.made.agency_key) as agency:
            revoked = agency.post(f"/api/v1/certificates/{number}/revocation", json={"reason": "FORGED"})
        after = anybody.post("/api/v1/checks", json={"token": receipt}).json()
        head, payload, signature = receipt.split(".")
        altered = anybody.post("/api/v1/checks", json={"token": f"{head}.{payload}.{'A' * 86}"}).json()
        miss = client.post("/api/v1/receipts", json={"number": number, "name": "别人"})
    claims, _ = verify_receipt(receipt, place.keys)
    assert claims.employer == EMPLOYER and claims.answers[0].number == number
    assert before["verdict"] == "valid" and revoked.status_code == 200, before
    assert after["verdict"] == "revoked"
    assert after["receipt"]["then"][0]["verdict"] == "valid"
    assert after["receipt"]["now"] == [{"number": number, "verdict": "revoked"}]
    assert [one["outcome"] for one in before["checks"][:5]] == ["passed"] * 5
    assert altered["verdict"] == "unknown" and "receipt" not in altered and signature
    assert miss.status_code == 201 and miss.json()["verdict"] == "unknown"
    assert HOLDER not in json.dumps(payload) and resident_id(7) not in receipt


def test_the_page_tells_what_a_receipt_or_signed_list_says(place: Place) -> None:
    number = place.made.numbers[9]
    rows = f"number,name\n{number},{HOLDER}\n".encode()
    headers = {"content-type": "text/csv", "idempotency-key": "page"}
    with place.server.client(place.key) as client, place.server.client(accept="text/html") as anybody:
        receipt = client.post("/api/v1/receipts", json={"number": number, "name": HOLDER}).json()["receipt"]
        miss = client.post("/api/v1/receipts", json={"number": number, "name": "别人"}).json()["receipt"]
        at = client.post("/api/v1/employer-checks", content=rows, headers=headers).headers["location"]
        _done(client, at)
        signed = client.get(f"{at}/signature").text
        lines = client.get(f"{at}/results", headers={"accept": "application/x-ndjson"}).content
        pages = {
            name: anybody.post("/checks?lang=en", files={"file": (f"{name}.jwt", text.encode())})
            for name, text in (("receipt", receipt), ("miss", miss), ("list", signed))
        }
        data = anybody.post("/api/v1/checks", json={"token": signed}).json()
    assert all(page.status_code == 200 for page in pages.values())
    assert "is-valid" in pages["receipt"].text and EMPLOYER in pages["receipt"].text
    assert "Then: Valid; now: Valid" in pages["receipt"].text
    assert "is-unknown" in pages["miss"].text and "Result then" in pages["miss"].text
    assert "is-authentic" in pages["list"].text and EMPLOYER in pages["list"].text
    digest = hashlib.sha256(lines).hexdigest()
    assert digest in pages["list"].text and data["results"]["results_sha256"] == digest
    assert data["verdict"] == "unavailable" and all(one["outcome"] != "failed" for one in data["checks"])
    assert HOLDER not in "".join(page.text for page in pages.values())


@pytest.mark.parametrize("route", EMPLOYER_ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_only_an_employers_key_opens_the_employers_door(place: Place, route: Route) -> None:
    path = re.sub(r"{(\w+)}", "ec_0", route.path)
    seen = []
    for key in (None, place.made.agency_key[:-1] + "x", place.made.agency_key, place.made.operator_key):
        with place.server.client(key) as client:
            body = next((b for b in route.bodies if b.media == "application/json"), None)
            told = client.request(
                route.method, path, json=body.example if body else None, headers={"idempotency-key": "x"}
            )
        seen.append(told.status_code)
    assert seen == [401, 401, 403, 403]


@pytest.mark.parametrize("route", ADMINISTRATION_ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_only_the_operator_keeps_employers(place: Place, route: Route) -> None:
    path = route.path.replace("{employer}", place.key.split("_")[1])
    seen = []
    for key in (None, place.made.agency_key[:-1] + "x", place.made.agency_key, place.key):
        with place.server.client(key) as client:
            body = route.bodies[0].example if route.bodies else None
            seen.append(client.request(route.method, path, json=body).status_code)
    assert seen == [401, 401, 403, 403]


def test_an_employer_is_registered_used_and_shut_out_over_http(place: Place) -> None:
    operator, made = place.server.client(place.made.operator_key), place.made
    with operator:
        new = operator.post("/api/v1/employers", json={"name": "新公司"})
        at, secret = new.headers["location"], new.json()["secret"]
        listed = operator.get("/api/v1/employers").json()["employers"]
        shown = operator.get(at).json()
        with place.server.client(secret) as client:
            asked = {"number": made.numbers[1], "name": HOLDER}
            before = client.post("/api/v1/receipts", json=asked).status_code
            ended = operator.delete(at)
            after = client.post("/api/v1/receipts", json=asked).status_code
        again = operator.delete(at)
        agency_key = made.agency_key.split("_")[1]
        others = [operator.delete(f"/api/v1/employers/{one}").status_code for one in (agency_key, "nobody")]
        nameless = operator.post("/api/v1/employers", json={"name": " "})
    with place.server.client(made.agency_key) as agency:
        assert agency.get(f"/api/v1/certificates/{made.numbers[1]}/history").status_code == 200
    assert new.status_code == 201 and secret.startswith("vk_")
    assert "secret" not in shown and all("secret" not in one for one in listed)
    assert {EMPLOYER, "新公司"} <= {one["name"] for one in listed}
    assert (before, ended.status_code, after) == (201, 200, 401)
    assert again.json()["revoked_at"] == ended.json()["revoked_at"] is not None
    assert others == [404, 404] and nameless.status_code == 422


def test_an_employers_key_opens_nothing_of_the_office(place: Place) -> None:
    number = place.made.numbers[0]
    with place.server.client(place.key) as client:
        seen = [
            client.get(f"/api/v1/certificates/{number}").status_code,
            client.get(f"/api/v1/certificates/{number}/history").status_code,
            client.get(f"/api/v1/certificates/{number}/document.pdf").status_code,
            client.post(f"/api/v1/certificates/{number}/revocation", json={"reason": "FORGED"}).status_code,
            client.post("/api/v1/agencies", json={"code": "S000044000460", "name_zh": "x"}).status_code,
            client.get("/api/v1/agencies/S000044000456/keys").status_code,
            client.post(
                "/api/v1/certificates", json=issue_request(9001), headers={"idempotency-key": "e"}
            ).status_code,
        ]
    assert seen == [403] * 7


def test_a_node_of_the_public_has_no_employers_door(tmp_path: Path) -> None:
    made = install(tmp_path, count=0)
    with serving(made, "create_public_app") as server, server.client() as client:
        assert client.post("/api/v1/receipts", json={}).status_code == 404


def test_lists_have_a_daily_bound_and_a_repeated_one_costs_nothing(tmp_path: Path) -> None:
    made = install(tmp_path, count=12)
    with serving(made, employer_rows_per_day="4") as server:
        where = Place(server)
        body = _csv_list(made).splitlines()
        one, two = b"\n".join(body[:4]), b"\n".join((body[0], *body[2:4]))
        with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {where.key}"}) as client:

            def send(key: str, rows: bytes) -> httpx.Response:
                headers = {"Idempotency-Key": key, "Content-Type": "text/csv"}
                return client.post("/api/v1/employer-checks", headers=headers, content=rows)

            assert send("a", one).status_code == 202
            assert send("a", one).status_code in (200, 202)
            refused = send("b", two)
            assert refused.status_code == 429
            assert refused.json()["type"].endswith("too-many")


class _Hook(http.server.BaseHTTPRequestHandler):
    """Repeats a challenge and keeps what it is sent."""

    kept: ClassVar[list[tuple[dict[str, str], bytes]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.kept.append(({name.lower(): value for name, value in self.headers.items()}, body))
        answer = json.dumps({"challenge": json.loads(body).get("challenge")}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def _hook() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Hook)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hr"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_subscribed_certificate_is_told_by_feed_and_webhook_and_the_jwks_has_the_key(
    tmp_path: Path,
) -> None:
    made = install(tmp_path, count=3, webhook_loopback="true")
    _Hook.kept.clear()
    with serving(made) as server, _hook() as url:
        place = Place(server)
        with server.client(place.key) as client, server.client(made.agency_key) as agency:
            for number in made.numbers[:2]:
                asked = {"number": number, "name": HOLDER}
                assert client.post("/api/v1/employer-subscriptions", json=asked).status_code == 201
            miss = client.post("/api/v1/employer-subscriptions", json=asked | {"name": "别人"})
            listed = client.get("/api/v1/employer-subscriptions").json()
            hook = client.post("/api/v1/employer-webhooks", json={"url": url})
            at = hook.headers["location"]
            assert client.get(at).json()["state"] == "unproven"
            active = client.post(f"{at}/activation")
            assert (active.status_code, active.json()["state"]) == (200, "active"), active.text
            again = client.post(f"{at}/ping")
            for number in made.numbers:
                change = {"reason": "FORGED"}
                assert (
                    agency.post(f"/api/v1/certificates/{number}/revocation", json=change).status_code == 200
                )
            wait_until(lambda: len(_Hook.kept) == 3, what=lambda: server.log.read_text())
            feed = client.get("/api/v1/employer-events", params={"limit": "1", "wait": "5"}).json()
            rest = client.get("/api/v1/employer-events", params={"after": feed["next"]}).json()
            sent = client.get(f"{at}/deliveries").json()["deliveries"]
            bad = client.get("/api/v1/employer-events?after=x")
            replayed = client.post(f"{at}/replay", json={"after": "0"})
            wait_until(lambda: len(_Hook.kept) == 5, what=lambda: server.log.read_text())
            gone = [client.delete(at).status_code, client.get(at).status_code]
            jwks = client.get("/.well-known/jwks.json").json()["keys"]
        with server.client(place.other) as other:
            hidden = [
                other.get("/api/v1/employer-events").json()["events"],
                other.get("/api/v1/employer-subscriptions").json()["subscriptions"],
            ]
        log = server.log.read_text()
    assert miss.status_code == 404 and [one["number"] for one in listed["subscriptions"]] == made.numbers[:2]
    assert again.status_code == 429 and "retry-after" in again.headers
    events = [*feed["events"], *rest["events"]]
    assert feed["more"] and not rest["more"]
    assert [(one["number"], one["verdict"], one["reason"]) for one in events] == [
        (number, "revoked", "FORGED") for number in made.numbers[:2]
    ]
    told = [json.loads(body) for _, body in _Hook.kept]
    assert [one["type"] for one in told] == ["challenge", *["certificate"] * 4]
    assert [{k: v for k, v in one.items() if k != "type"} for one in told[1:3]] == events
    assert told[1:3] == told[3:5] and replayed.json()["state"] == "active"
    assert [one["outcome"] for one in sent] == ["delivered"] * 3
    assert bad.status_code == 422 and gone == [200, 404] and hidden == [[], []]
    # Anybody can verify what came with nothing but the published keys.
    public = {one["kid"]: jwcrypto.jwk.JWK(**one) for one in jwks}
    for fields, body in _Hook.kept:
        message = _Sent("POST", url, fields)
        resolver = MappingKeyResolver(
            public_keys={kid: key.export_to_pem() for kid, key in public.items()}, private_keys={}
        )
        verifier = HTTPMessageVerifier(signature_algorithm=ECDSA_P256_SHA256, key_resolver=resolver)
        assert verifier.verify(message, max_age=dt.timedelta(minutes=5))
        assert fields["content-digest"] == content_digest(body)
        assert HOLDER not in body.decode() and HOLDER.encode("unicode_escape").decode() not in body.decode()
    assert url not in log and HOLDER not in log


class _Sent:
    def __init__(self, method: str, url: str, headers: dict[str, str]) -> None:
        self.method, self.url, self.headers = method, url, headers
