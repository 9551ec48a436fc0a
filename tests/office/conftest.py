"""A small administration on a real database and a real key store, with a clock that the test moves."""

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from verify.errors import Words
from verify.office.office import Office, open_office
from verify.proof.keyfiles import KeyStore
from verify.store.sqlite import SqliteStore, migrate_sqlite

PASSPHRASE = "a passphrase of the tests"


class Clock:
    """Aware UTC, moved by hand."""

    def __init__(self) -> None:
        self.at = dt.datetime(2026, 11, 20, 4, 0, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self.at

    def forward(self, **parts: float) -> None:
        self.at += dt.timedelta(**parts)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    file = tmp_path / "verify.db"
    migrate_sqlite(file)
    return file


@pytest.fixture
async def store(database: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(database)
    yield opened
    await opened.close()


@pytest.fixture
def key_store(tmp_path: Path) -> KeyStore:
    return KeyStore(tmp_path / "keys", PASSPHRASE)


@pytest.fixture
def office(store: SqliteStore, key_store: KeyStore, clock: Clock) -> Office:
    return open_office(store, key_store, trust_max_age_s=9 * 3600, now=clock)


@pytest.fixture
async def rooted(office: Office) -> Office:
    await office.keys.open_root(Words("省鉴定中心", "Provincial Centre"), actor="tester")
    return office
