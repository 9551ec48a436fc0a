"""A primary and its synchronous standby, as an operator would set them up: real servers on sockets."""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import servers
from verify.store.postgres import migrate_postgres

NAME = "standby_b"
DATABASE = "register"


@dataclass
class Pair:
    """`a` begins as the primary."""

    a: servers.Postgres
    b: servers.Postgres
    dsn_a: str
    dsn_b: str
    dsn: str
    """Both, the old primary first: as nodes are configured."""


@contextlib.contextmanager
def first_server() -> Iterator[tuple[servers.Postgres, str]]:
    """A server that could have a standby; skips, loudly, where PostgreSQL comes without pg_basebackup."""
    with servers.postgres() as server:
        if not server.command or not (Path(server.command[0]).parent / "pg_basebackup").exists():
            pytest.skip(
                "THE FAILOVER DRILL DID NOT RUN: this PostgreSQL has no pg_basebackup (apt-get install postgresql)"
            )
        yield server, server.dsn.replace("/postgres?", f"/{DATABASE}?")


@contextlib.contextmanager
def make_pair(a: servers.Postgres, dsn_a: str) -> Iterator[Pair]:
    """Give `a` a standby that follows synchronously."""
    b, sockets = _make_standby(a)
    try:
        asyncio.run(_synchronous(a))
        yield Pair(a, b, dsn_a, f"postgresql://postgres@/{DATABASE}?host={sockets}", f"{dsn_a},{sockets}")
    finally:
        b.stop()


@contextlib.asynccontextmanager
async def open_pair() -> AsyncIterator[Pair]:
    """A register on a primary, its standby following and synchronous; the lease is not switched on yet."""
    with first_server() as (a, dsn_a):
        await run_sql(a.dsn, f"create database {DATABASE}")
        await migrate_postgres(dsn_a)
        made = make_pair(a, dsn_a)
        pair = await asyncio.to_thread(made.__enter__)
        try:
            yield pair
        finally:
            await asyncio.to_thread(made.__exit__, None, None, None)


async def _synchronous(a: servers.Postgres) -> None:
    await run_sql(a.dsn, f"alter system set synchronous_standby_names = '{NAME}'")
    await run_sql(a.dsn, "select pg_reload_conf()")
    await until(lambda: run_sql(a.dsn, "select sync_state from pg_stat_replication"), [("sync",)])


def _make_standby(a: servers.Postgres) -> tuple[servers.Postgres, str]:
    binaries, home = Path(a.command[0]).parent, Path(a.how["cwd"])
    sockets = home / "b"
    sockets.mkdir()
    if "user" in a.how:
        os.chown(sockets, a.how["user"], a.how["group"])
    source = f"host={home} user=postgres application_name={NAME}"
    backup = [binaries / "pg_basebackup", "-d", source, "-D", "data-b", "-R", "-c", "fast", "--no-sync"]
    subprocess.run(backup, check=True, stdout=subprocess.DEVNULL, **a.how)
    command = [str(binaries / "postgres"), "-D", "data-b", "-k", str(sockets), "-c", "listen_addresses="]
    is_ready = [binaries / "pg_isready", "-q", "-h", str(sockets)]
    b = servers.Postgres(
        f"postgresql://postgres@/postgres?host={sockets}", command, a.how,
        ready=lambda: subprocess.run(is_ready, check=False, **a.how).returncode == 0,
    )  # fmt: skip
    b.start()
    return b, str(sockets)


async def run_sql(dsn: str, text: str) -> list[tuple[Any, ...]]:
    """One statement as the superuser."""
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(text)]
    finally:
        await connection.close()


async def until(ask: Callable[[], Any], wanted: Any, limit: float = 20.0) -> None:
    """Ask again until it is so."""
    async with asyncio.timeout(limit):
        while await ask() != wanted:  # it happens in another process
            await asyncio.sleep(0.05)
