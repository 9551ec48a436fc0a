"""After a restore Redis may remember a future that never was: no node shows any of it, and nobody flushes anything."""

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from care_shell import Shell, fresh_database
from redis import Redis

import servers
from verify.lookup.far import FarCache
from verify.lookup.scan import Lookup
from verify.store.contract import Store
from verify.wiring import Role, open_house, read_settings


@pytest.fixture
def redis_url() -> Iterator[str]:
    """A real server on a socket; its folder's name must be short."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("apt-get install redis-server")
    with tempfile.TemporaryDirectory(prefix="care") as home:
        socket = f"{home}/s"
        command = [program, "--port", "0", "--unixsocket", socket, "--dir", home, "--save", ""]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            while not Path(socket).exists():
                time.sleep(0.02)
            yield f"unix://{socket}"
        finally:
            process.terminate()
            process.wait(10)


def node(number: str) -> tuple[str, int]:
    """A public node that has just started is asked: what it says, and how many answers came out of Redis."""

    async def go() -> tuple[str, int]:
        house = await open_house(read_settings(os.environ, Path.cwd()), Role.PUBLIC)
        try:
            assert house.shared is not None and house.shared.far is not None
            async with asyncio.timeout(20):
                while not house.shared.link.up:
                    await asyncio.sleep(0.01)
            reply = await house.lookup.by_number(number)
            far = house.shared.far
            async with asyncio.timeout(20):
                while far._writing is not None or far._waiting:
                    await asyncio.sleep(0.01)
            said = msgspec.json.decode(reply.answers[0])["verdict"] if reply.answers else "unknown"
            return str(said), house.lookup.figures.far
        finally:
            await house.close()

    return asyncio.run(go())


def abandon(bare: Shell, care_server: servers.Postgres, redis_url: str) -> tuple[str, str]:
    """Two certificates of a restored register, revoked since; Redis has both as valid, sealed at a later entry."""
    bare.set("VERIFY_DATABASE_URL", fresh_database(care_server.dsn))
    bare.set("VERIFY_REDIS_URL", redis_url)
    bare.set("VERIFY_FAR_CACHE", "true")
    bare.prepare()
    first, second, third = bare.issue(3)
    bare("backup", "backup")
    for number in (first, second):  # a future in which both were looked into, and cleared
        bare("suspend", number, "--reason", "UNDER_REVIEW")
        bare("reinstate", number, "--reason", "REVIEW_CLEARED")
    assert [node(one) for one in (first, second)] == [("valid", 0)] * 2
    assert [node(one) for one in (first, second)] == [("valid", 1)] * 2
    with Redis.from_url(redis_url) as client:
        assert len(client.keys("verify:n:*")) == 2  # type: ignore[arg-type]  # the library's union with a coroutine
    bare.set("VERIFY_DATABASE_URL", fresh_database(care_server.dsn))
    told = bare("restore", "backup", "--accept-loss").stdout
    assert "of another history" in told
    for number in (first, second):
        bare("revoke", number, "--reason", "OBTAINED_BY_FRAUD")
    for _ in range(3):  # this history grows past the abandoned one
        bare("suspend", third, "--reason", "UNDER_REVIEW")
        bare("reinstate", third, "--reason", "REVIEW_CLEARED")
    return first, second


def test_a_restored_register_is_shown_whatever_redis_remembers(
    bare: Shell, care_server: servers.Postgres, redis_url: str
) -> None:
    numbers = abandon(bare, care_server, redis_url)
    assert [node(one) for one in numbers] == [("revoked", 0)] * 2
    # And the cache goes on: what this history says is kept in it.
    assert [node(one) for one in numbers] == [("revoked", 1)] * 2


def test_a_seal_without_the_history_shows_the_abandoned_future(
    bare: Shell, care_server: servers.Postgres, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = FarCache._aad

    def mutant(self: FarCache, kind: type, number: str, history: str) -> bytes:
        return sealed(self, kind, number, "")

    monkeypatch.setattr(FarCache, "_aad", mutant)
    numbers = abandon(bare, care_server, redis_url)
    assert [node(one) for one in numbers] == [("valid", 1)] * 2


# --- a node that runs on while the register under it is replaced ------------------------------------------


def swapped(bare: Shell, care_server: servers.Postgres, kind: Callable[[Lookup], None]) -> str:
    """What a node says that had looked at the abandoned history, and is not started anew."""
    bare.set("VERIFY_DATABASE_URL", fresh_database(care_server.dsn))
    bare.prepare()
    number, other = bare.issue(2)
    bare("backup", "backup")
    bare("suspend", number, "--reason", "UNDER_REVIEW")
    bare("reinstate", number, "--reason", "REVIEW_CLEARED")
    old = read_settings(os.environ, Path.cwd())
    bare.set("VERIFY_DATABASE_URL", fresh_database(care_server.dsn))
    new = read_settings(os.environ, Path.cwd())

    async def go() -> str:
        house, later = await open_house(old, Role.PUBLIC), None
        try:
            kind(house.lookup)
            (before,) = (await house.lookup.by_number(number)).answers
            assert b'"valid"' in before
            await asyncio.to_thread(replace)
            later = await open_house(new, Role.PUBLIC)
            store: Store = later.store  # the same address now leads to the restored database
            house.lookup._store = store
            reply = await house.lookup.by_number(number)
            return str(msgspec.json.decode(reply.answers[0])["verdict"])
        finally:
            await house.close()
            if later is not None:
                await later.close()

    def replace() -> None:
        bare("restore", "backup", "--accept-loss")
        bare("revoke", number, "--reason", "OBTAINED_BY_FRAUD")
        for _ in range(3):
            bare("suspend", other, "--reason", "UNDER_REVIEW")
            bare("reinstate", other, "--reason", "REVIEW_CLEARED")

    return asyncio.run(go())


@pytest.mark.long
def test_a_node_forgets_what_it_held_of_another_history(bare: Shell, care_server: servers.Postgres) -> None:
    assert swapped(bare, care_server, lambda lookup: None) == "revoked"


@pytest.mark.long
def test_a_node_that_does_not_look_at_the_history_is_caught(
    bare: Shell, care_server: servers.Postgres
) -> None:
    def blind(lookup: Lookup) -> None:
        def keep(history: str) -> None:
            lookup._history = history

        lookup._begin_history = keep  # type: ignore[method-assign]  # the mutant

    assert swapped(bare, care_server, blind) == "valid"
