"""A house opened for one process: what it stands on is asserted first, then its desks are set up."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from verify.config import Settings
from verify.errors import BadSettings, LedgerBroken, NotReady, StoreFailed, VerifyError, Words
from verify.lookup.budget import Budgets
from verify.lookup.check import Checker
from verify.lookup.far import FarCache
from verify.lookup.link import SCHEMES
from verify.lookup.link import Link as RedisLink
from verify.lookup.pool import Pool
from verify.lookup.scan import Lookup
from verify.proof.datafile import FILE_NAME, load_data_keys
from verify.proof.ledger import START, Head, Link, check_chain
from verify.proof.sealing import DataKeys
from verify.store.contract import Program, Store, run
from verify.store.postgres import migrate_postgres, open_postgres
from verify.store.sqlite import SqliteStore, migrate_sqlite
from verify.wiring.probes import Probe, clock_agrees, database_answers, witness_agrees
from verify.wiring.settings import Role, sqlite_path
from verify.wiring.watch import find_witness, watch_store

POSTGRES = ("postgresql://", "postgres://")
LAST_ROWS = 1000
"""Ledger lines whose chain is followed at start; `verify audit` follows all."""


class Shared(msgspec.Struct, frozen=True):
    """What this process shares with other nodes through Redis. All of it may be missing at any time."""

    link: RedisLink
    pool: Pool
    far: FarCache | None

    async def close(self) -> None:
        """Let go of Redis."""
        await self.pool.close()
        await self.link.close()


class House(msgspec.Struct, frozen=True):
    """What answers the public. Close it when done."""

    settings: Settings
    role: Role
    store: Store
    data_keys: DataKeys
    lookup: Lookup
    budgets: Budgets
    checker: Checker
    shared: Shared | None

    def probes(self) -> dict[str, Probe]:
        """What `/readyz` asks, by the name of the dependency; what this installation does not have is not asked."""
        store = self.store
        asked: dict[str, Probe] = {
            "database": lambda: database_answers(store),
            "clock": lambda: clock_agrees(store),
        }
        if (witness := find_witness(self.settings)) is not None:
            asked["witness"] = lambda: witness_agrees(store, witness)
        if self.shared is not None:
            asked["redis"] = self.shared.link.answers
        return asked

    async def close(self) -> None:
        """Finish what is under way and let go of the database."""
        await self.lookup.close()
        if self.shared is not None:
            await self.shared.close()
        await self.store.close()


def utc_now() -> dt.datetime:
    """The clock that everything below is given."""
    return dt.datetime.now(dt.UTC)


async def open_public(
    settings: Settings, role: Role, *, read_only: bool, now: Callable[[], dt.datetime] = utc_now
) -> House:
    """The half that needs no signing key. Raises as `opening.open_house`."""
    # 1. The database, which refuses to open unless its own settings are right.
    with about("database"):
        store = await open_store(settings.database_url, read_only=read_only)
    try:
        # 2. The end of the ledger is whole, and no restored backup's: the witness knows how far it had come.
        with about("database"):
            await store.read(check_ledger_end)
        with about("witness"):
            store = await watch_store(store, settings, writes=not read_only)
        # 3. The data keys: without them nobody can be found and nothing unsealed.
        with about("keys"):
            data_keys = await asyncio.to_thread(_data_keys, settings)
        # 4. Redis, if there is to be one: a link that connects by itself, now or later.
        shared = _open_shared(settings, data_keys)
        # 5. The desks.
        lookup = Lookup(
            store,
            data_keys=data_keys,
            near_cache_bytes=settings.near_cache_bytes,
            deadline_s=settings.read_deadline_ms / 1000,
            revoked_public=settings.revoked_public,
            far=None if shared is None else shared.far,
            now=now,
        )
        checker = Checker(
            store,
            data_keys=data_keys,
            deadline_s=settings.read_deadline_ms / 1000,
            revoked_public=settings.revoked_public,
            now=now,
        )
        budgets = Budgets(
            per_source=settings.budget_per_source,
            per_target=settings.budget_per_target,
            workers=settings.budget_workers,
            pool=None if shared is None else shared.pool,
        )
        return House(settings, role, store, data_keys, lookup, budgets, checker, shared)
    except BaseException:
        await store.close()
        raise


def _open_shared(settings: Settings, data_keys: DataKeys) -> Shared | None:
    """The far cache only beside a networked register: a file answers sooner than Redis could.

    Raises BadSettings for an address that is none; whether anything answers there is seen later.
    """
    if settings.redis_url is None:
        return None
    if not settings.redis_url.startswith(SCHEMES):
        what = Words("VERIFY_REDIS_URL 的格式有误。", "VERIFY_REDIS_URL is no address of a Redis server.")
        raise BadSettings(what, hint=f"it begins with one of: {' '.join(SCHEMES)}")
    link = RedisLink(settings.redis_url)
    link.start()
    far = None
    if settings.far_cache and settings.database_url.startswith(POSTGRES):
        far = FarCache(link, data_keys, revoked_public=settings.revoked_public)
    return Shared(link, Pool(link, data_keys), far)


async def open_store(url: str, *, read_only: bool) -> Store:
    """The engine behind `sqlite:///…` or `postgresql://…`. Raises NotReady, BadSettings."""
    if url.startswith(POSTGRES):
        return await open_postgres(url, read_only=read_only)
    return SqliteStore(sqlite_path(url), read_only=read_only)


async def migrate(url: str) -> int:
    """Create the schema or bring it up to date; returns its version. Raises NotReady."""
    if url.startswith(POSTGRES):
        return await migrate_postgres(url)
    return await asyncio.to_thread(migrate_sqlite, sqlite_path(url))


@contextlib.contextmanager
def about(dependency: str) -> Iterator[None]:
    """What fails here tells of this dependency, unless it knows better: `/readyz` names it."""
    try:
        yield
    except VerifyError as error:
        error.about = error.about or ("database" if isinstance(error, StoreFailed) else dependency)
        raise


async def close_quietly(house: House) -> None:
    """Let go of a house that could not be opened whole; its own trouble must not hide the first."""
    with contextlib.suppress(VerifyError):
        await house.close()


def check_ledger_end() -> Program[Head]:
    """Follow the last thousand rows to the head. Raises LedgerBroken where they do not agree."""
    ((seq, digest),) = yield from run("read_head")
    rows = yield from run("read_last_events", seq, LAST_ROWS + 1)
    links = [Link(row[0], row[4].encode(), row[5]) for row in rows]
    after = START
    if seq > LAST_ROWS and links:
        first, *links = links
        after = Head(first.seq, first.hash)
    end = check_chain(links, after)
    if end != Head(seq, digest):
        what = Words("台账末尾与其记录的头不一致。", "The ledger does not end where its head says.")
        raise LedgerBroken(what, hint="stop issuing, keep the database as it is, then: verify audit")
    return end


def passphrase(settings: Settings) -> str:
    """What opens the key files. Raises NotReady with what to set."""
    if settings.key_passphrase is None:
        what = Words("未设置密钥口令。", "No key passphrase is set.")
        raise NotReady(
            what, hint="set VERIFY_KEY_PASSPHRASE_FILE, or run `verify init` for a new installation"
        )
    return settings.key_passphrase


def _data_keys(settings: Settings) -> DataKeys:
    secret = passphrase(settings)
    path: Path = settings.keys_dir / FILE_NAME
    if not path.exists():
        what = Words(f"缺少数据密钥文件 {path}。", f"The data keys {path} are missing.")
        raise NotReady(
            what, hint=f"copy {FILE_NAME} from the node that made it; on a new installation: verify init"
        )
    return load_data_keys(settings.keys_dir, secret)
