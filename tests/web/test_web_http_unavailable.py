"""When the present state cannot be established: 503, never `valid`, never `unknown`, and well again by itself."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest
from test_web_http_public import assert_secure
from web_http_world import HOLDER, Installation, Server, install, resident_id, serving, wait_until


@pytest.fixture
def made(tmp_path: Path) -> Installation:
    return install(tmp_path, count=2)


def look_everywhere(server: Server) -> None:
    """Every look-up answers 503 with Retry-After, as data and as a page."""
    made = server.installation
    person = {"id_type": "RESIDENT_ID", "id_number": resident_id(0), "name": HOLDER}
    with server.client() as client:
        told = [
            client.get(f"/api/v1/certificates/{made.numbers[0]}"),
            client.get(f"/V/{made.scan_codes[0]}"),
            client.post("/api/v1/lookups", json=person),
            client.post("/api/v1/lookups", json={"number": made.numbers[0], "name": HOLDER}),
            client.post("/api/v1/checks", json={"token": made.token}),
        ]
        pages = [
            client.get(f"/V/{made.scan_codes[0]}", headers={"accept": "text/html"}),
            client.post("/", data={"ask": "number", "number": made.numbers[0], "name": HOLDER}),
        ]
    for one in told:
        assert one.status_code == 503 and int(one.headers["retry-after"]) > 0, one.text
        assert one.json()["verdict"] == "unavailable" and one.headers["cache-control"] == "no-store"
        assert_secure(one.headers)
    for page in pages:
        assert page.status_code == 503 and "retry-after" in page.headers and "<html" in page.text
        assert HOLDER not in page.text
        assert_secure(page.headers)


def test_without_a_database_the_process_lives_and_recovers_by_itself(made: Installation) -> None:
    away = made.database.with_suffix(".away")
    shutil.move(made.database, away)
    with serving(made) as server, server.client() as client:
        assert client.get("/livez").status_code == 200
        ready = client.get("/readyz")
        assert ready.status_code == 503 and ready.json()["checks"]["database"] == "failed: not-ready"
        look_everywhere(server)
        with server.client(made.agency_key) as office:
            assert office.get("/api/v1/batches/x").status_code == 503
        shutil.move(away, made.database)
        wait_until(lambda: client.get("/readyz").status_code == 200, limit_s=15)
        assert client.get(f"/api/v1/certificates/{made.numbers[0]}").json()["verdict"] == "valid"
        assert "Traceback" not in server.log.read_text()


def test_without_the_data_keys_nothing_is_answered(made: Installation) -> None:
    with serving(made, key_passphrase="another passphrase") as server, server.client() as client:
        assert client.get("/livez").status_code == 200 and client.get("/readyz").status_code == 503
        assert client.get("/readyz").json()["checks"]["opening"] == "failed: bad-key"
        look_everywhere(server)


@pytest.fixture
def broken(made: Installation) -> Iterator[Server]:
    """A server whose database is overwritten with noise while it runs."""
    with serving(made) as server:
        with server.client() as client:
            assert client.get(f"/api/v1/certificates/{made.numbers[0]}").json()["verdict"] == "valid"
        with apsw.Connection(str(made.database)) as connection:
            connection.pragma("wal_checkpoint(truncate)")
        with made.database.open("r+b") as file:
            file.write(b"\x55" * made.database.stat().st_size)
        yield server


def test_a_database_that_is_noise_answers_nothing(broken: Server) -> None:
    look_everywhere(broken)
    with broken.client() as client:
        assert client.get("/readyz").json()["checks"]["database"].startswith("failed")
        assert client.get("/livez").status_code == 200


def test_a_locked_database_still_answers_look_ups(made: Installation) -> None:
    with serving(made) as server, server.client() as client:
        connection = apsw.Connection(str(made.database))
        connection.execute("begin immediate")
        assert client.get(f"/api/v1/certificates/{made.numbers[0]}").json()["verdict"] == "valid"
        connection.execute("rollback")


def test_a_public_node_serves_the_public_and_holds_no_signing_key(made: Installation) -> None:
    for file in (made.folder / "keys").glob("*.pem"):
        file.unlink()
    with serving(made, "create_public_app") as server, server.client(made.agency_key) as client:
        number = made.numbers[0]
        with server.client() as public:
            assert public.get(f"/api/v1/certificates/{number}").json()["verdict"] == "valid"
            assert public.get("/readyz").status_code == 200
            document = public.get("/schema/openapi.json").json()
        assert client.get(f"/api/v1/certificates/{number}").status_code == 403
        assert (
            client.post("/api/v1/certificates", json={}, headers={"idempotency-key": "x"}).status_code == 404
        )
        assert client.get(f"/api/v1/certificates/{number}/document.pdf").status_code == 404
        assert "/api/v1/batches" not in document["paths"]


def test_past_a_budget_is_429_with_the_time_to_come_back(made: Installation) -> None:
    with serving(made, budget_per_source="30", budget_per_target="8", trusted_proxies="1") as server:
        number = made.numbers[0]
        with server.client() as client:
            first = client.post(
                "/api/v1/lookups",
                json={"number": number, "name": HOLDER},
                headers={"x-forwarded-for": "1.1.1.1, 192.0.2.1"},
            )
            assert (
                first.headers["ratelimit-policy"] == '"target";q=8;w=60' and "ratelimit" not in first.headers
            )
            # One target, many sources: the target's budget ends it.
            told = [
                client.post(
                    "/api/v1/lookups",
                    json={"number": number, "name": HOLDER},
                    headers={"x-forwarded-for": f"192.0.2.{i}"},
                )
                for i in range(2, 14)
            ]
            assert [one.status_code for one in told].count(429) >= 4
            refused = told[-1]
            assert refused.json()["code"] == "too-many" and 0 < int(refused.headers["retry-after"]) <= 60
            assert_secure(refused.headers)
            # One source that guesses: misses cost five times as much.
            guesses = [
                client.get(
                    f"/api/v1/certificates/S0000440004562639{i:05d}",
                    headers={"x-forwarded-for": "198.51.100.7"},
                )
                for i in range(12)
            ]
            assert [one.status_code for one in guesses][-1] == 429 and 404 in {
                one.status_code for one in guesses
            }
            page = client.get(
                f"/V/{made.scan_codes[1]}", headers={"x-forwarded-for": "198.51.100.7", "accept": "text/html"}
            )
            assert page.status_code == 429 and "<html" in page.text and "retry-after" in page.headers
            # What stands left of the trusted proxy's entry is the client's own writing.
            lied = client.get(
                f"/api/v1/certificates/{number}", headers={"x-forwarded-for": "203.0.113.200, 198.51.100.7"}
            )
            assert lied.status_code == 429


def test_a_database_that_was_swapped_for_another_file_is_not_believed_for_ever(made: Installation) -> None:
    """The old file stays open and true for what it holds; a restart on the new file shows the new file."""
    with serving(made) as server, server.client() as client:
        made.database.with_suffix(".db-wal").unlink(missing_ok=True)
        made.database.unlink()
        told = client.get(f"/api/v1/certificates/{made.numbers[0]}")
        assert told.status_code in (200, 503) and "unknown" not in told.text
    with serving(made) as server, server.client() as client:
        assert client.get("/readyz").status_code == 503
        assert client.get(f"/api/v1/certificates/{made.numbers[0]}").status_code == 503


def test_strict_transport_is_promised_only_by_an_https_address(made: Installation) -> None:
    with serving(made, public_url="https://verify.example.org") as server, server.client() as client:
        for path in ("/livez", "/", "/nowhere", "/api/v1/agencies"):
            assert client.get(path).headers["strict-transport-security"].startswith("max-age=31536000")
        assert client.get("/nowhere").json()["type"] == "https://verify.example.org/problems/not-found"
        assert "verify.example.org" in client.get("/", headers={"accept": "text/html"}).text
    with serving(made) as server, server.client() as client:
        assert "strict-transport-security" not in client.get("/livez").headers
