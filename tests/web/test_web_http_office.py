"""The office's door on a real server: issuing, changing, reissuing, batches, documents, the administration."""

import datetime as dt
import io
import json
from typing import Any

import httpx
import pytest
from PIL import Image
from test_web_http_public import assert_secure
from web_http_world import HOLDER, OTHER, SKILL, Server, issue_request, resident_id, wait_until


def issue(client: httpx.Client, serial: int, key: str | None = None, **changes: Any) -> httpx.Response:
    body = issue_request(serial, **changes)
    return client.post("/api/v1/certificates", json=body, headers={"idempotency-key": key or f"one-{serial}"})


def test_the_first_time_is_201_and_again_is_200_with_the_same_body(server: Server) -> None:
    with server.client(server.installation.agency_key) as client:
        first = issue(client, 1001)
        again = issue(client, 1001)
        quoted = client.post(
            "/api/v1/certificates", json=issue_request(1001), headers={"idempotency-key": '"one-1001"'}
        )
        other_body = issue(client, 1002, key="one-1001")
        other_key = issue(client, 1001, key="another")
    body = first.json()
    assert (first.status_code, again.status_code, quoted.status_code) == (201, 200, 200)
    assert first.content == again.content == quoted.content
    assert first.headers["location"] == f"/api/v1/certificates/{body['number']}"
    assert body["answer"]["verdict"] == "valid" and body["copy"] == 1
    assert body["scan_url"].endswith(f"/V/{body['scan_code']}") and body["token"].isdigit()
    assert other_body.status_code == 422 and other_body.json()["code"] == "idempotency-key-reused"
    assert other_key.status_code == 409 and other_key.json()["code"] == "duplicate"
    for told in (first, again, other_body, other_key):
        assert_secure(told.headers)
        assert told.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("key", [None, "", "x" * 256, "中文".encode().decode("latin-1"), '"a', "a b"])
def test_a_key_that_is_missing_or_none_is_400(server: Server, key: str | None) -> None:
    headers = {} if key is None else {"idempotency-key": key.encode("latin-1")}
    with server.client(server.installation.agency_key) as client:
        for address in ("/api/v1/certificates", "/api/v1/batches", f"/api/v1/certificates/{SKILL}/reissues"):
            told = client.post(address, json={}, headers=headers)
            assert (told.status_code, told.json()["code"]) == (400, "malformed"), address


def test_every_fault_is_told_at_once_with_its_pointer(server: Server) -> None:
    bad = issue_request(1003, level="9", issued_on="tomorrow", results={"theory": 12, "practical": 91})
    bad["holder"]["id_number"] = "990001199001010000"
    with server.client(server.installation.agency_key) as client:
        told = client.post("/api/v1/certificates", json=bad, headers={"idempotency-key": "bad"})
        scope = issue(client, 1004, occupation={"code": "6-18-01-02", "name": "铣工"})
    assert told.status_code == 422
    assert {"/holder/id_number", "/level", "/issued_on"} <= {e["pointer"] for e in told.json()["errors"]}
    assert scope.status_code == 403 and scope.json()["code"] == "out-of-scope"


def test_a_certificate_lives_through_suspension_reinstatement_and_revocation(server: Server) -> None:
    with server.client(server.installation.agency_key) as client, server.client() as public:
        made = issue(client, 1005).json()
        at = f"/api/v1/certificates/{made['number']}"
        until = (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).isoformat()
        for step, reason, verdict in (
            ("suspension", "UNDER_REVIEW", "suspended"),
            ("reinstatement", "REVIEW_CLEARED", "valid"),
            ("revocation", "FORGED", "revoked"),
        ):
            body = {"reason": reason, "note": "say why"} | ({"until": until} if step == "suspension" else {})
            changed = client.post(f"{at}/{step}", json=body)
            again = client.post(f"{at}/{step}", json=body)
            seen = public.get(at).json()
            assert (changed.status_code, again.status_code) == (200, 200), changed.text
            assert changed.json()["verdict"] == seen["verdict"] == verdict
            assert changed.json()["revision"] == again.json()["revision"] == seen["revision"]
        refused = client.post(f"{at}/reinstatement", json={"reason": "REVIEW_CLEARED"})
        history = client.get(f"{at}/history").json()["events"]
        paper = client.get(f"{at}/document.pdf")
        owner = client.get(at).json()
        issued_again = issue(client, 1005)
    assert refused.status_code == 409 and refused.json()["code"] == "forbidden-arrow"
    assert [e["kind"] for e in history][-3:] == ["suspended", "reinstated", "revoked"]
    assert history[-1]["note"] == "say why"
    assert paper.status_code == 409
    assert owner["holder"]["id_number"] == resident_id(1005) and owner["answer"]["verdict"] == "revoked"
    assert issued_again.status_code == 200 and issued_again.json()["answer"]["verdict"] == "revoked"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"reason": "NO_SUCH"}, "/reason"),
        ({"reason": "UNDER_REVIEW", "until": "2030-01-01T00:00:00"}, "/until"),
        ({"reason": "UNDER_REVIEW", "until": "2020-01-01T00:00:00Z"}, "/until"),
        ({"reason": "UNDER_REVIEW", "until": "soon"}, "/until"),
        ({}, "/reason"),
        ({"reason": "UNDER_REVIEW", "who": "me"}, "/who"),
    ],
)
def test_a_change_that_is_not_acceptable_names_the_field(
    server: Server, body: dict[str, Any], pointer: str
) -> None:
    number = server.installation.numbers[3]
    with server.client(server.installation.agency_key) as client:
        told = client.post(f"/api/v1/certificates/{number}/suspension", json=body)
    assert told.status_code == 422 and told.json()["errors"][0]["pointer"] == pointer, told.text


def test_a_reissue_makes_a_new_copy_current_and_the_old_one_replaced(server: Server) -> None:
    with server.client(server.installation.agency_key) as client, server.client() as public:
        made = issue(client, 1006).json()
        at = f"/api/v1/certificates/{made['number']}/reissues"
        first = client.post(at, json={"cause": "lost"}, headers={"idempotency-key": "re-1006"})
        again = client.post(at, json={"cause": "lost"}, headers={"idempotency-key": "re-1006"})
        wrong = client.post(at, json={"cause": "stolen"}, headers={"idempotency-key": "re-1006-b"})
        old = public.get(f"/V/{made['scan_code']}").json()
        new = public.get(f"/V/{first.json()['scan_code']}").json()
    assert (first.status_code, again.status_code) == (201, 200) and first.content == again.content
    assert old["copy"]["current"] is False and old["copy"]["current_number"] == 2
    assert new["copy"] | {"ended_at": None} == new["copy"] and new["copy"]["current"] is True
    assert wrong.status_code == 422 and wrong.json()["errors"][0]["pointer"] == "/cause"


def test_documents_are_what_they_say(server: Server) -> None:
    at = f"/api/v1/certificates/{server.installation.numbers[4]}"
    with server.client(server.installation.agency_key) as client:
        pdf, png = client.get(f"{at}/document.pdf"), client.get(f"{at}/document.png")
        qr, svg = client.get(f"{at}/qr.png"), client.get(f"{at}/qr.svg")
    assert pdf.content.startswith(b"%PDF") and pdf.headers["content-type"] == "application/pdf"
    assert (
        Image.open(io.BytesIO(png.content)).size[0] > 500 and Image.open(io.BytesIO(qr.content)).size[0] > 100
    )
    assert svg.text.startswith("<svg") and svg.headers["content-type"] == "image/svg+xml"
    for told in (pdf, png, qr, svg):
        assert told.headers["cache-control"] == "no-store"
        assert_secure(told.headers)


# --- batches --------------------------------------------------------------------------------------------


def _done(client: httpx.Client, location: str) -> dict[str, Any]:
    wait_until(lambda: client.get(location).json()["state"] == "done", what=lambda: client.get(location).text)
    return client.get(location).json()


def test_a_batch_in_each_format_is_issued_and_a_bad_row_stops_no_other(server: Server) -> None:
    rows = [issue_request(2000 + i) for i in range(3)]
    bad = issue_request(2003, level="9")
    header = "row_id,name,id_type,id_number,occupation_code,occupation_name,level,issued_on,theory,practical"
    lines = [
        f"R{i},{HOLDER},RESIDENT_ID,{resident_id(2020 + i)},6-18-01-01,车工,3,2026-11-20,{score},91"
        for i, score in enumerate((82, 82, 12))
    ]
    uploads = {
        "application/json": json.dumps([*rows, bad]).encode(),
        "application/x-ndjson": b"\n".join(
            json.dumps(r).encode() for r in (issue_request(2010), issue_request(2011, level="9"))
        ),
        "text/csv": "\r\n".join([header, *lines]).encode("gb18030"),
    }
    with server.client(server.installation.agency_key) as client:
        for media, body in uploads.items():
            headers = {"content-type": media, "idempotency-key": f"batch-{media}"}
            sent = client.post("/api/v1/batches", content=body, headers=headers)
            again = client.post("/api/v1/batches", content=body, headers=headers)
            other = client.post("/api/v1/batches", content=body + b"\n", headers=headers)
            assert sent.status_code == 202 and again.json()["id"] == sent.json()["id"], sent.text
            assert other.status_code == 422 and other.json()["code"] == "idempotency-key-reused"
            done = _done(client, sent.headers["location"])
            assert (done["failed"], done["waiting"]) == (1, 0) and done["issued"] == done["total"] - 1
            failed = client.get(f"{sent.headers['location']}/rows?state=failed").json()
            assert len(failed["rows"]) == 1 and failed["rows"][0]["errors"] and failed["next"] is None
            everything = client.get(f"{sent.headers['location']}/rows").json()["rows"]
            assert [r["row"] for r in everything] == list(range(1, done["total"] + 1))
            ndjson = client.get(
                f"{sent.headers['location']}/rows", headers={"accept": "application/x-ndjson"}
            )
            assert len(ndjson.text.splitlines()) == done["total"]
            table = client.get(f"{sent.headers['location']}/rows", headers={"accept": "text/csv"})
            assert table.text.startswith("\ufeffrow,line,row_id,state,number")
            for told in (ndjson, table):
                assert resident_id(2020) not in told.text and HOLDER not in told.text


@pytest.mark.parametrize(
    ("media", "body", "status"),
    [
        ("text/csv", b"", 400),
        ("text/csv", b"no,such,columns\n1,2,3\n", 422),
        ("application/json", b'{"not":"an array"}', 400),
        ("application/json", b"[" * 5000, 400),
        ("application/json", b"\xff\xfe", 400),
        ("application/xml", b"<rows/>", 415),
        ("multipart/form-data; boundary=x", b"--x--", 415),
    ],
)
def test_a_roster_that_cannot_be_read_is_refused_whole(
    server: Server, media: str, body: bytes, status: int
) -> None:
    headers = {"content-type": media, "idempotency-key": f"unreadable-{hash((media, body))}"}
    with server.client(server.installation.agency_key) as client:
        told = client.post("/api/v1/batches", content=body, headers=headers)
    assert told.status_code == status, told.text
    assert told.headers["content-type"] == "application/problem+json"


# --- many at once ---------------------------------------------------------------------------------------


def test_a_bulk_revocation_needs_a_second_person(server: Server) -> None:
    made = server.installation
    with (
        server.client(made.agency_key) as one,
        server.client(made.second_key) as two,
        server.client() as public,
    ):
        numbers = [issue(one, 1010 + i, batch="bulk").json()["number"] for i in range(3)]
        proposed = one.post("/api/v1/revocations", json={"reason": "FORGED", "numbers": numbers})
        at = proposed.headers["location"]
        own = one.post(f"{at}/approval")
        before = public.get(f"/api/v1/certificates/{numbers[0]}").json()["verdict"]
        approved = two.post(f"{at}/approval")
        after = [public.get(f"/api/v1/certificates/{number}").json()["verdict"] for number in numbers]
        again = two.post(f"{at}/approval")
        too_late = one.post(f"{at}/withdrawal")
        shown = one.get(at).json()
        empty = one.post("/api/v1/revocations", json={"reason": "FORGED"})
    assert proposed.status_code == 202 and own.status_code == 409 and before == "valid"
    assert approved.status_code == 200 and approved.json()["revoked"] == 3 and after == ["revoked"] * 3
    assert again.status_code == 200 and too_late.status_code == 409
    assert shown["state"] == "carried-out" and empty.status_code == 422


# --- administration -------------------------------------------------------------------------------------


def test_the_operator_registers_files_keys_and_credentials_and_the_agency_then_issues(server: Server) -> None:
    code = "S000044000460"
    at = f"/api/v1/agencies/{code}"
    with server.client(server.installation.operator_key) as client:
        made = client.post("/api/v1/agencies", json={"code": code, "name_zh": "新机构"})
        twice = client.post("/api/v1/agencies", json={"code": code, "name_zh": "新机构"})
        filing = client.post(
            f"{at}/filings",
            json={
                "occupation_code": "6-18-01-01",
                "occupation_name": "车工",
                "levels": ["3"],
                "from_on": "2026-01-01",
            },
        )
        key = client.post(f"{at}/keys", json={"purpose": "token"})
        active = client.post(f"{at}/keys/{key.json()['kid']}/activation")
        astray = client.post(f"/api/v1/agencies/{OTHER}/keys/{key.json()['kid']}/retirement")
        credential = client.post(f"{at}/credentials", json={"name": "系统"})
        listed = client.get(f"{at}/credentials")
        secret = credential.json()["secret"]
        with server.client(secret) as agency:
            issued = issue(agency, 3001)
            own_filings = agency.get(f"{at}/filings")
            foreign = agency.get(f"/api/v1/agencies/{OTHER}/filings")
            suspended = client.post(f"{at}/suspension", json={"reason": "ANNUAL_INSPECTION"})
            blocked = issue(agency, 3002)
            reinstated = client.post(f"{at}/reinstatement", json={"reason": "REVIEW_CLEARED"})
            ended = client.post(f"{at}/filings/{filing.json()['id']}/end", json={"to_on": "2026-06-30"})
            outside = issue(agency, 3003)
            since = dt.datetime.now(dt.UTC).isoformat()
            compromised = client.post(f"{at}/keys/{key.json()['kid']}/compromise", json={"since": since})
            revoked = client.delete(f"{at}/credentials/{credential.json()['id']}")
            late = issue(agency, 3004)
    assert (made.status_code, twice.status_code, filing.status_code) == (201, 409, 201)
    assert (key.status_code, active.json()["state"], astray.status_code) == (201, "active", 404)
    assert credential.status_code == 201 and "secret" not in listed.json()["credentials"][0]
    assert secret not in listed.text and "hash" not in listed.text
    assert issued.status_code == 201 and own_filings.status_code == 200 and foreign.status_code == 403
    assert suspended.json()["state"] == "suspended" and blocked.status_code == 403
    assert reinstated.json()["state"] == "active" and ended.json()["to_on"] == "2026-06-30"
    assert outside.status_code == 403 and compromised.json()["state"] == "compromised"
    assert revoked.status_code == 200 and late.status_code == 401
    assert late.headers["www-authenticate"].startswith("Bearer")


def test_the_log_names_nobody(server: Server) -> None:
    log = server.log.read_text()
    made = server.installation
    for secret in (HOLDER, resident_id(0), resident_id(1001), *made.scan_codes, made.agency_key, "say why"):
        assert secret not in log
    assert "Traceback" not in log and '"error"' not in log, log
