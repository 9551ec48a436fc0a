"""Both engines, each test on a fresh database."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from store_engines import Engine, Postgres, Sqlite
from store_samples import add_world

import servers
from verify.store.contract import Store


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[servers.Postgres]:
    """One server for the session, of the system or from the wheel."""
    with servers.postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    """A fresh database with the schema."""
    made: Engine
    if request.param == "sqlite":
        made = Sqlite(tmp_path / "verify.db")
    else:
        server: servers.Postgres = request.getfixturevalue("postgres_server")
        made = Postgres(server.dsn)
    await made.create()
    return made


@pytest.fixture
async def store(engine: Engine) -> AsyncIterator[Store]:
    """An open store with one agency and its key."""
    store = await engine.open()
    await add_world(store)
    yield store
    await store.close()


@pytest.fixture
async def sqlite_engine(tmp_path: Path) -> Sqlite:
    """The embedded engine alone."""
    made = Sqlite(tmp_path / "verify.db")
    await made.create()
    return made
