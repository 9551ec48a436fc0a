"""Fixtures: one PostgreSQL for the tests here that need no standby, and an empty installation."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from care_shell import Shell

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
