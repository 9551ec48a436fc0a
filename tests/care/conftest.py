"""Fixtures: one PostgreSQL for the tests here that need no standby, and an empty installation."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from care_shell import Shell, fresh_database

import servers


@pytest.fixture(scope="session")
def care_server() -> Iterator[servers.Postgres]:
    """A server of its own."""
    with servers.postgres() as server:
        yield server


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """An empty directory; `other` stands for another disk."""
    for name in [name for name in os.environ if name.startswith("VERIFY_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    return Shell(tmp_path, monkeypatch)


ENGINES = ("sqlite", "postgresql")


@pytest.fixture(params=ENGINES)
def shell(request: pytest.FixtureRequest, bare: Shell) -> Shell:
    """An installation with witness and journal on another disk."""
    if request.param == "postgresql":
        server: servers.Postgres = request.getfixturevalue("care_server")
        bare.set("VERIFY_DATABASE_URL", fresh_database(server.dsn))
    bare.set("VERIFY_WITNESS", str(bare.folder / "other/witness"))
    bare.set("VERIFY_JOURNAL", str(bare.folder / "other/journal"))
    bare.prepare()
    return bare


@pytest.fixture
def lose(shell: Shell, request: pytest.FixtureRequest) -> Callable[[], list[str]]:
    """Lose the database; returns what `restore` needs besides."""

    def lost() -> list[str]:
        if "VERIFY_DATABASE_URL" not in os.environ:
            return ["--force"]
        server: servers.Postgres = request.getfixturevalue("care_server")
        shell.set("VERIFY_DATABASE_URL", fresh_database(server.dsn))
        return []

    return lost
