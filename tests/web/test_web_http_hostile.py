"""Hostile clients: malformed HTTP, garbage bodies, slow senders. Nothing of it is a 5xx, nothing stops others."""

import random
import socket
import threading
import time

import httpx
import pytest
from test_web_http_hygiene import HOSTILE
from test_web_http_public import assert_secure
from web_http_world import Server

JSON_ADDRESSES = (
    "/api/v1/lookups",
    "/api/v1/checks",
    "/api/v1/certificates",
    "/api/v1/certificates/S000044000456263000001/suspension",
    "/api/v1/certificates/S000044000456263000001/reissues",
    "/api/v1/revocations",
)


@pytest.mark.parametrize("address", JSON_ADDRESSES)
def test_hostile_json_is_400_everywhere(server: Server, address: str) -> None:
    headers = {"content-type": "application/json", "idempotency-key": "hostile"}
    with server.client(server.installation.agency_key) as client:
        for name, body in HOSTILE.items():
            told = client.post(address, content=body, headers=headers)
            assert told.status_code == 400, (name, told.text)
            assert told.headers["content-type"] == "application/problem+json"
            assert_secure(told.headers)


@pytest.mark.parametrize("address", [*JSON_ADDRESSES, "/", "/checks", "/api/v1/batches"])
def test_a_wrong_content_type_and_a_packed_body_are_415(server: Server, address: str) -> None:
    with server.client(server.installation.agency_key) as client:
        for headers in (
            {"content-type": "application/xml"},
            {},
            {"content-type": "text/plain"},
        ):
            told = client.post(address, content=b"{}", headers={"idempotency-key": "x"} | headers)
            assert told.status_code == 415, (headers, told.text)
            assert_secure(told.headers)
        media = {"/": "application/x-www-form-urlencoded", "/checks": "multipart/form-data; boundary=x"}.get(
            address, "application/json"
        )
        packed = {"content-type": media, "content-encoding": "gzip", "idempotency-key": "x"}
        assert client.post(address, content=b"\x1f\x8b", headers=packed).status_code == 415


def test_a_body_that_is_too_large_is_413(server: Server) -> None:
    big = b'{"number":"' + b"A" * (200 << 10) + b'"}'
    headers = {"content-type": "application/json", "idempotency-key": "big"}
    with server.client(server.installation.agency_key) as client:
        for address in JSON_ADDRESSES[:5]:
            told = client.post(address, content=big, headers=headers)
            streamed = client.post(address, content=iter([big[:1000], big[1000:]]), headers=headers)
            assert told.status_code == streamed.status_code == 413, (address, told.text)
        photo = b'{"photo":"' + b"A" * (90 << 10) + b'"}'
        assert client.post("/api/v1/certificates", content=photo, headers=headers).status_code == 422


def test_garbage_of_every_size_is_never_a_5xx(server: Server) -> None:
    dice = random.Random(20261125)
    medias = (
        "application/json",
        "text/csv",
        "application/x-ndjson",
        "multipart/form-data; boundary=B",
        "application/x-www-form-urlencoded",
        "",
    )
    with server.client(server.installation.agency_key) as client:
        for turn in range(150):
            address = dice.choice((*JSON_ADDRESSES, "/", "/checks", "/api/v1/batches"))
            body = dice.randbytes(dice.choice((0, 1, 7, 300, 5000)))
            headers = {"content-type": dice.choice(medias), "idempotency-key": f"garbage-{turn}"}
            told = client.post(address, content=body, headers=headers)
            assert 400 <= told.status_code < 500 or address == "/api/v1/batches" or told.status_code == 200, (
                address,
                body,
                told.text,
            )
            assert_secure(told.headers)


@pytest.mark.parametrize(
    "path",
    ["/V/%00", "/V/%ff%fe", "/V/%zz", "/V/..%2f..%2fetc", "/api/v1/certificates/%00", "/api/v1/certificates/%ff", "/%c0%af",
     "/api/v1/certificates/" + "A" * 4000, "/static/../app.py", "/static/%2e%2e/app.py", "//", "/api/v1//lookups", "/V/", "/V//x",
     "/api/v1/batches/%0a", "/api/v1/agencies/%F0%9F%98%80", "/?lang=%ff", "/V/a?b=%00"],
)  # fmt: skip
def test_an_odd_address_is_a_4xx_or_a_page(server: Server, path: str) -> None:
    for key in (b"", b"Authorization: Bearer " + server.installation.agency_key.encode() + b"\r\n"):
        answer = server.raw(
            b"GET " + path.encode() + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + key + b"\r\n"
        )
        status = int(answer.split(b" ")[1])
        assert status in (200, 400, 404, 405, 414, 422), answer[:300]
        assert b"content-security-policy" in answer.lower()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /\r\n\r\n",
        b"G\x00T / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 600_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
        b"POST /api/v1/lookups HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"POST /api/v1/lookups HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1/lookups HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=[
        "version",
        "tls",
        "no version",
        "NUL",
        "long header",
        "many headers",
        "two lengths",
        "negative",
        "bad chunk",
    ],
)
def test_bytes_that_are_no_http_get_a_4xx_or_a_closed_door(server: Server, request_bytes: bytes) -> None:
    try:
        answer = server.raw(request_bytes)
    except ConnectionError:
        answer = b""
    assert answer == b"" or answer.split(b" ")[1][:1] in (b"2", b"4"), answer[:200]
    with server.client() as client:
        assert client.get("/livez").status_code == 200


def test_a_body_that_stalls_is_refused_and_others_are_served_meanwhile(server: Server) -> None:
    stalled = []

    def stall(address: str) -> None:
        head = f"POST {address} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
        stalled.append(server.raw(head.encode(), wait_s=6))

    threads = [threading.Thread(target=stall, args=("/api/v1/lookups",)) for _ in range(20)]
    for thread in threads:
        thread.start()
    number = server.installation.numbers[0]
    with server.client() as client:
        for _ in range(50):
            assert client.get(f"/api/v1/certificates/{number}").status_code == 200
    for thread in threads:
        thread.join()
    assert len(stalled) == 20 and all(b" 408 " in answer and b'"too-slow"' in answer for answer in stalled)


def test_clients_that_leave_in_the_middle_harm_nobody(server: Server) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.port)) as line:
            line.sendall(
                b"POST /api/v1/lookups HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
            )
    time.sleep(0.2)
    with server.client() as client:
        assert client.get("/livez").status_code == 200
    assert "Traceback" not in server.log.read_text()


def test_a_field_that_a_form_does_not_know_or_sends_twice_is_harmless(server: Server) -> None:
    with server.client(accept="text/html") as client:
        headers = {"content-type": "application/x-www-form-urlencoded"}
        for body in (
            b"number=1&number=2",
            b"name=%00",
            b"name=%ff&number=1",
            b"&&&",
            b"=" * 500,
            b"ask=person",
        ):
            told = client.post("/", content=body, headers=headers)
            assert told.status_code in (400, 422), (body, told.status_code)
            assert "<html" in told.text


def test_two_authorizations_are_none(server: Server) -> None:
    key = server.installation.agency_key
    number = server.installation.numbers[0]
    with server.client() as client:
        headers = [("authorization", f"Bearer {key}"), ("authorization", f"Bearer {key}")]
        assert client.get(f"/api/v1/certificates/{number}", headers=httpx.Headers(headers)).status_code == 401
        for text in ("", "Bearer", "Basic abc", f"Bearer {key} x", "Bearer vk_000000000000_" + "0" * 64):
            told = client.get(f"/api/v1/certificates/{number}", headers={"authorization": text})
            assert told.status_code == 401 and "Bearer" in told.headers["www-authenticate"], text
