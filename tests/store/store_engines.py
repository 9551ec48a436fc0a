"""The two engines as the contract suite sees them: open a store, run raw SQL as the owner, dump everything."""

import uuid
from pathlib import Path
from typing import Any, Protocol

import apsw
import asyncpg

from verify.store.contract import Store
from verify.store.postgres import migrate_postgres, open_postgres
from verify.store.sqlite import SqliteStore, migrate_sqlite


class Engine(Protocol):
    """One fresh database."""

    refusal: type[Exception]

    async def create(self) -> None: ...

    async def open(self) -> Store: ...

    async def sql(self, text: str) -> list[tuple[Any, ...]]: ...

    async def dump(self) -> dict[str, list[tuple[Any, ...]]]: ...


class Sqlite:
    """A file."""

    refusal: type[Exception] = apsw.ConstraintError

    def __init__(self, path: Path) -> None:
        self.path = path

    async def create(self) -> None:
        migrate_sqlite(self.path)

    async def open(self) -> Store:
        return SqliteStore(self.path)

    async def sql(self, text: str) -> list[tuple[Any, ...]]:
        connection = apsw.Connection(str(self.path))
        connection.execute("pragma foreign_keys = on")
        return list(connection.execute(text))

    async def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        names = await self.sql("select name from sqlite_schema where type = 'table' order by name")
        return {name: await self.sql(f"select * from {name}") for (name,) in names}


_empty: dict[str, str] = {}
"""The database to copy, by server."""


class Postgres:
    """A database of its own on a running server."""

    refusal: type[Exception] = asyncpg.PostgresError

    def __init__(self, server_dsn: str) -> None:
        self.server_dsn = server_dsn
        self.name = f"verify_{uuid.uuid4().hex[:12]}"
        self.dsn = server_dsn.replace("/postgres?", f"/{self.name}?")

    async def create(self) -> None:
        """A copy of an empty register, which is made once for each server."""
        if self.server_dsn not in _empty:
            _empty[self.server_dsn] = f"empty_{uuid.uuid4().hex[:12]}"
            await self._run(f"create database {_empty[self.server_dsn]}")
            await migrate_postgres(self.server_dsn.replace("/postgres?", f"/{_empty[self.server_dsn]}?"))
        await self._run(f"create database {self.name} template {_empty[self.server_dsn]}")

    async def _run(self, text: str) -> None:
        connection = await asyncpg.connect(self.server_dsn)
        await connection.execute(text)
        await connection.close()

    async def open(self) -> Store:
        return await open_postgres(self.dsn)

    async def sql(self, text: str) -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(self.dsn)
        try:
            return [tuple(row) for row in await connection.fetch(text)]
        finally:
            await connection.close()

    async def dump(self) -> dict[str, list[tuple[Any, ...]]]:
        names = await self.sql("select tablename from pg_tables where schemaname = 'public' order by 1")
        return {name: sorted(await self.sql(f"select * from {name}"), key=repr) for (name,) in names}
