"""Readiness names the dependency that fails: each real part is broken under a running service."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest
from web_http_world import Installation, install, serving, wait_until

import servers
from verify.web.public.health import _Kept
from verify.wiring import read_settings
from verify.wiring.care import accept_register


def told(client: httpx.Client) -> tuple[int, dict[str, str]]:
    answer = client.get("/readyz")
    body = answer.json()
    assert set(body["words"]) == set(body["checks"])
    assert all(words["zh"] and words["en"] for words in body["words"].values())
    assert body["ready"] is (answer.status_code == 200) and answer.headers["cache-control"] == "no-store"
    return answer.status_code, body["checks"]


def wait_for(client: httpx.Client, name: str, outcome: str, status: int) -> dict[str, str]:
    """Wait until this dependency is told so; what else is told then."""
    wait_until(lambda: told(client)[1].get(name) == outcome, limit_s=20)
    found, checks = told(client)
    assert found == status, checks
    return checks


def failing(checks: dict[str, str]) -> set[str]:
    return {name for name, outcome in checks.items() if outcome.startswith("failed")}


def test_a_key_file_that_no_longer_opens_is_told_and_so_is_its_return(tmp_path: Path) -> None:
    made = install(tmp_path, count=1)
    with serving(made) as server, server.client() as client:
        assert told(client) == (
            200, {"opening": "passed", "database": "passed", "clock": "passed", "keys": "passed"},
        )  # fmt: skip
        one = sorted((tmp_path / "keys").glob("*.pem"))[0]
        kept = one.read_bytes()
        one.chmod(0o644)
        assert failing(wait_for(client, "keys", "failed: bad-key", 503)) == {"keys"}
        one.chmod(0o600)
        wait_for(client, "keys", "passed", 200)
        one.write_bytes(kept[:200])
        wait_for(client, "keys", "failed: bad-key", 503)
        one.write_bytes(kept)
        wait_for(client, "keys", "passed", 200)
        one.rename(tmp_path / "away.pem")
        wait_for(client, "keys", "failed: bad-key", 503)
        assert "cannot sign" in server.log.read_text() and one.stem in server.log.read_text()
        # Look-ups need no signing key: whoever asks is still answered.
        assert client.get(f"/api/v1/certificates/{made.numbers[0]}").json()["verdict"] == "valid"


def test_a_public_node_has_no_key_files_to_tell_of(tmp_path: Path) -> None:
    made = install(tmp_path, count=1)
    with serving(made, "create_public_app") as server, server.client() as client:
        assert set(told(client)[1]) == {"opening", "database", "clock"}


@pytest.mark.parametrize("trouble", ["keys", "database", "witness"])
def test_what_is_missing_at_the_start_is_named(tmp_path: Path, trouble: str) -> None:
    made = install(tmp_path, count=1)
    settings = {}
    if trouble == "keys":
        sorted((tmp_path / "keys").glob("*.pem"))[0].unlink()
    elif trouble == "database":
        made.database.rename(tmp_path / "away")
    else:
        settings = {"witness": str(tmp_path / "nobody-mounted-it" / "witness")}
    with serving(made, **settings) as server, server.client() as client:
        status, checks = told(client)
        assert status == 503 and failing(checks) == {"opening", trouble}


@pytest.fixture
def witnessed(tmp_path: Path) -> tuple[Installation, Path]:
    """An installation whose witness, on other storage, knows the register."""
    witness = tmp_path / "other" / "witness"
    witness.parent.mkdir()
    made = install(tmp_path / "here", count=1, witness=str(witness))
    witness.unlink(missing_ok=True)
    settings = read_settings(made.environment, tmp_path)
    asyncio.run(accept_register(settings))
    return made, witness


def test_a_witness_that_is_away_degrades_and_one_that_disagrees_fails(
    witnessed: tuple[Installation, Path],
) -> None:
    made, witness = witnessed
    with serving(made) as server, server.client() as client:
        assert told(client)[1]["witness"] == "passed"
        # The whole folder goes, as a mount does; the file alone would be made anew by the next note.
        away = witness.parent.rename(witness.parent.with_name("unmounted"))
        wait_for(client, "witness", "degraded", 200)
        away.rename(witness.parent)
        wait_for(client, "witness", "passed", 200)
        ahead = {"seq": 1_000_000, "hash": "00" * 32, "accepted": False}
        witness.write_text(json.dumps(ahead) + "\n")
        assert failing(wait_for(client, "witness", "failed: ledger-broken", 503)) == {"witness"}


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Postgres]:
    with servers.postgres() as running:
        yield running


def sql(dsn: str, text: str) -> None:
    async def go() -> None:
        connection = await asyncpg.connect(dsn)
        await connection.execute(text)
        await connection.close()

    asyncio.run(go())


@pytest.fixture
def networked(server: servers.Postgres, tmp_path: Path) -> tuple[Installation, str]:
    """An installation on PostgreSQL, and the address of its database."""
    name = f"ready_{uuid.uuid4().hex[:10]}"
    sql(server.dsn, f"create database {name}")
    dsn = server.dsn.replace("/postgres?", f"/{name}?")
    return install(tmp_path, count=1, database_url=dsn), dsn


@pytest.mark.long
def test_a_database_whose_clock_is_another_is_told(networked: tuple[Installation, str]) -> None:
    made, dsn = networked
    with serving(made) as running, running.client() as client:
        assert told(client)[1]["clock"] == "passed"
        # New sessions are told a time that is an hour off, as by a host whose clock is wrong.
        sql(dsn, "create schema wrong")
        sql(dsn, "create function wrong.clock_timestamp() returns timestamptz language sql as "
                 "$$ select pg_catalog.clock_timestamp() + interval '1 hour' $$")  # fmt: skip
        name = dsn.partition("?")[0].rpartition("/")[2]
        sql(dsn, f"alter database {name} set search_path = wrong, pg_catalog, public")
        sql(dsn, "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
                 " and pid <> pg_backend_pid()")  # fmt: skip
        assert failing(wait_for(client, "clock", "failed: not-ready", 503)) == {"clock"}
        assert "3600 s apart" in running.log.read_text()
        sql(dsn, f"alter database {name} reset search_path")
        sql(dsn, "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
                 " and pid <> pg_backend_pid()")  # fmt: skip
        wait_for(client, "clock", "passed", 200)


def test_a_database_that_is_gone_is_told_and_found_again(
    networked: tuple[Installation, str], server: servers.Postgres
) -> None:
    made, _ = networked
    with serving(made) as running, running.client() as client:
        assert told(client)[0] == 200
        server.kill()
        wait_until(lambda: "database" in failing(told(client)[1]), limit_s=20)
        assert told(client)[0] == 503
        server.start()
        wait_for(client, "database", "passed", 200)


async def test_many_who_ask_cost_one_probe_and_an_outcome_stands_for_a_while() -> None:
    asked = 0

    async def probe() -> bool:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.02)
        return True

    kept = _Kept("clock")
    assert set(await asyncio.gather(*(kept.ask(probe) for _ in range(200)))) == {"passed"}
    assert await kept.ask(probe) == "passed"
    assert asked == 1
