"""The served register of the web tests, and a small world on either engine."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

import servers
from world import World

for room in ("web", "store", "cli"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / room))

from store_engines import Engine, Postgres, Sqlite  # noqa: E402 - their rooms are put on the path above
from web_http_world import Server, install, serving  # noqa: E402


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Both halves over a register with two agencies and a dozen certificates; budgets off."""
    with serving(install(tmp_path_factory.mktemp("cases"))) as running:
        yield running


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[servers.Postgres]:
    """One server for the session."""
    with servers.postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    """A fresh database with the schema."""
    made: Engine
    if request.param == "sqlite":
        made = Sqlite(tmp_path / "verify.db")
    else:
        made = Postgres(request.getfixturevalue("postgres_server").dsn)
    await made.create()
    return made


@pytest.fixture
async def world(engine: Engine, tmp_path: Path) -> AsyncIterator[World]:
    """A world with two agencies on that database."""
    async with World.open(tmp_path, store=await engine.open()) as opened:
        yield opened
