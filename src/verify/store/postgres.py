"""The networked engine: PostgreSQL as the truth, through asyncpg.

Every write transaction of every node begins by locking the ledger head, so that programs run one after the
other as they do on the embedded engine and the order of the ledger is the order of commits. One connection of
a node writes; whatever waits while it commits goes into the next transaction together. A program that refuses
before it wrote leaves nothing anyway; when one refuses later, the transaction is rolled back and run again with
each program in a savepoint of its own.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, TypeVar

import asyncpg

from verify.errors import NotReady, StoreFailed, VerifyError, Words
from verify.store.contract import Program, Run, Step, run
from verify.store.fence import BEAT_S, READ_GUARD, READ_TIMELINE, SHORTEST_LEASE_MS, Fence, Guard
from verify.store.heartbeat import Heart
from verify.store.primary import connect_primary, split_hosts
from verify.store.readers import Readers
from verify.store.statements import (
    Copying,
    load_copyings,
    load_migrations,
    load_postgres_statements,
    load_row_statements,
)

T = TypeVar("T")

GROUP = 256
"""Programs committed together at most."""
COPY_FROM = 8
"""From this many rows on a plain insert goes by COPY, unless it has a text for many rows."""
STATEMENT_MS = 15_000
LOCK_MS = 10_000
IDLE_MS = 30_000
WRITER_IDLE_MS = 5_000
"""Between two statements of a program that writes pass milliseconds. A machine that vanished in the middle of one
holds the ledger head, and with it every writer, until the server gives it up; others wait `LOCK_MS` at most."""
KEEPALIVE_S = (10, 5, 3)
"""When the server asks a silent connection whether anybody is there, how often again, and how many times: one whose
end never arrived would else stand for hours."""
READERS = 4
"""Reading connections of one process; look-ups are batched, so few are busy at a time."""

BROKEN = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a server that ends a session in the middle of an answer
    OSError,
    asyncio.TimeoutError,
)


class PostgresStore:
    """One database of one primary. Promises what `contract.Store` promises; opened by `open_postgres`."""

    def __init__(
        self, dsn: str, pool: "asyncpg.Pool[asyncpg.Record]", *, read_only: bool, fence: Fence, beat_s: float
    ) -> None:
        """Take over an open pool."""
        self._readers = Readers(pool)
        self._fence = fence
        self._several = len(split_hosts(dsn)) > 1
        self._expired_at = 0.0
        self._writer = None if read_only else _Writer(dsn)
        connect = None if read_only else lambda: _connect(dsn)
        self._heart = Heart(fence, lambda: self.read(_read_seq, snapshot=False), connect, beat_s)
        self._heart.start()

    async def read(self, program: Callable[[], Program[T]], *, snapshot: bool = True) -> T:
        """Run `program` in one snapshot of the primary.

        A program that reads the ledger head is refused with StoreFailed while it is not proved that this still
        is the primary; see `fence.py`.
        """
        try:
            async with self._readers.lend() as connection:
                judge = _Judge(self._fence, time.monotonic(), self._writer)
                if not snapshot:
                    return await drive(connection, program(), judge)
                async with connection.transaction(isolation="repeatable_read", readonly=True):
                    return await drive(connection, program(), judge)
        except BROKEN as error:
            raise StoreFailed(hint=f"{type(error).__name__}: {error}") from error
        except StoreFailed:
            await self._look_elsewhere()
            raise

    async def settle(self) -> None:
        """Wait for the first proof that this is the primary, for as long as one should take; then go on."""
        end = time.monotonic() + SHORTEST_LEASE_MS / 1000
        while time.monotonic() < end:
            with contextlib.suppress(StoreFailed):
                await self.read(_read_seq, snapshot=False)
                return
            await asyncio.sleep(0.05)

    async def _look_elsewhere(self) -> None:
        """Another of the servers may be the primary by now; ask at most once a second."""
        if self._several and time.monotonic() > self._expired_at + 1:
            self._expired_at = time.monotonic()
            await self._readers.expire()

    async def write(self, program: Callable[[], Program[T]]) -> T:
        """Run `program` in one durable transaction, committed together with those that wait beside it."""
        if self._writer is None:
            raise NotReady(
                Words("此节点只读。", "This node only reads."), hint="use the office role to write"
            )
        return await self._writer.put(program)

    async def close(self) -> None:
        """Finish the writes under way and close the connections."""
        await self._heart.stop()
        if self._writer is not None:
            await self._writer.close()
        with contextlib.suppress(*BROKEN):
            await asyncio.wait_for(self._readers.close(), 10)


async def open_postgres(dsn: str, *, read_only: bool = False, beat_s: float = BEAT_S) -> PostgresStore:
    """Connect, and refuse a server or schema on which a promise could break.

    With several hosts in `dsn`, the newest primary among them is taken, and looked for again when it is lost.
    Where the register has a standby, a node that writes makes a beat every `beat_s` seconds.
    Raises NotReady with what to do.
    """
    pool: asyncpg.Pool[asyncpg.Record] | None = None
    try:
        pool = await asyncpg.create_pool(
            dsn, connect=connect_primary, min_size=1, max_size=READERS, command_timeout=STATEMENT_MS / 1000,
            server_settings=_session(), timeout=5, reset=_as_it_is,
        )  # fmt: skip
        async with pool.acquire() as connection:
            await _assert_ready(connection)
            await _assert_clock(connection)
    except BROKEN as error:
        what = Words("无法连接数据库。", "The database cannot be reached.")
        raise NotReady(what, hint=f"check VERIFY_DATABASE_URL and the server: {error}") from error
    except NotReady:
        if pool is not None:
            await pool.close()
        raise
    store = PostgresStore(dsn, pool, read_only=read_only, fence=Fence(), beat_s=beat_s)
    await store.settle()
    return store


class _Writer:
    """The one connection that writes, and the task that fills its transactions."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._timeline = 0
        self._waiting: list[_Job] = []
        self._task: asyncio.Task[None] | None = None
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._warned = False

    async def put(self, program: Callable[[], Program[T]]) -> T:
        job = _Job(program)
        self._waiting.append(job)
        if self._task is None:
            self._task = asyncio.ensure_future(self._run())
        result: T = await asyncio.shield(job.done)
        return result

    async def close(self) -> None:
        if self._task is not None:
            await self._task
        if self._connection is not None:
            with contextlib.suppress(*BROKEN):
                await self._connection.close(timeout=5)

    def leave_older(self, timeline: int) -> None:
        """Readers have found a newer primary: what waits for the old one's commit is told that it is unknown."""
        if self._connection is not None and self._timeline < timeline:
            self._connection.terminate()

    async def _run(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
                await self._commit(group)
        finally:
            self._task = None

    async def _commit(self, group: "list[_Job]") -> None:
        """One transaction for the group; acknowledged only after the server said COMMIT without a warning."""
        try:
            connection = await self._connect()
            self._warned = False
            await connection.execute(_BEGIN)
            if not await _attempt_all(connection, group):
                await connection.execute("rollback")
                if len(group) > 1:
                    await connection.execute(_BEGIN)
                    for job in group:
                        await _attempt(connection, job)
            if all(job.error for job in group):
                await self._roll_back()
            elif await connection.execute("commit") != "COMMIT" or self._warned:
                raise asyncpg.InterfaceError("the commit was not confirmed on the standby")
        except (
            Exception
        ) as error:  # whatever it was: nobody knows what is committed, and those who wait must hear
            self._forget()
            failure = StoreFailed(hint=f"{type(error).__name__}: {error}")
            failure.__cause__ = error
            for job in group:
                job.settle(failure)
        else:
            for job in group:
                job.settle(StoreFailed())

    async def _connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        if self._connection is None or self._connection.is_closed():
            connection = await _connect(self._dsn)
            try:
                timeline = await connection.fetchval(READ_TIMELINE)
            except BaseException:
                connection.terminate()
                raise
            connection.add_log_listener(self._hear)
            # Shown only with its timeline: readers end a connection whose timeline is older than theirs.
            self._connection, self._timeline = connection, timeline
        return self._connection

    def _hear(self, _: object, message: Any) -> None:
        """A cancelled wait for the standby comes as a warning beside a successful commit: it is neither."""
        if message.sqlstate == "01000":
            self._warned = True

    async def _roll_back(self) -> None:
        """Every program of the transaction refused; there is nothing to commit."""
        connection = self._connection
        if connection is not None and connection.is_in_transaction():
            try:
                await connection.execute("rollback")
            except BROKEN:
                self._forget()

    def _forget(self) -> None:
        """After a failure nobody knows what the connection holds."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


class _Job:
    """A program on its way through the writer."""

    def __init__(self, program: Callable[[], Program[Any]]) -> None:
        self.program = program
        self.value: Any = None
        self.ran = False
        self.wrote = False
        self.error: BaseException | None = None
        self.done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def run(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Run the program; its refusal, or the database's of what it wrote, is kept. Raises what BROKEN lists."""
        self.value, self.ran, self.wrote, self.error = None, False, False, None
        try:
            self.value = await drive(connection, self.program(), note=self._note)
            self.ran = True
        except asyncpg.IntegrityConstraintViolationError as error:
            what = Words("数据库拒绝了该写入。", "The database refused this write.")
            self.error = StoreFailed(what, hint=str(error))
            self.error.__cause__ = error
        except BROKEN:
            raise
        except Exception as error:  # the program's own refusal travels to its caller
            self.error = error

    def _note(self, step: Step) -> None:
        self.wrote = self.wrote or not (isinstance(step, Run) and _only_reads(step.name))

    def settle(self, failure: VerifyError) -> None:
        """Tell the caller: its own refusal, else its value, else `failure`."""
        if self.done.done():
            return
        if self.error is not None:
            self.done.set_exception(self.error)
        elif self.ran and failure.__cause__ is None:
            self.done.set_result(self.value)
        else:
            self.done.set_exception(failure)
        self.done.exception()  # a caller that went away leaves no complaint behind


_HEADS = ("read_seq", "read_place")
"""What reads the ledger head for somebody who answers: the lease is judged there."""

_BEGIN = "begin; select 1 from ledger_head where id = 1 for update"


async def _attempt_all(connection: "asyncpg.Connection[asyncpg.Record]", group: Sequence[_Job]) -> bool:
    """Run the programs one after the other; False when one refused after it wrote: then nothing stands."""
    for job in group:
        await job.run(connection)
        if job.error is not None and job.wrote:
            return False
    return True


async def _attempt(connection: "asyncpg.Connection[asyncpg.Record]", job: _Job) -> None:
    """Run one program in a savepoint: what it refuses leaves nothing, and its neighbours stand."""
    await connection.execute("savepoint program")
    await job.run(connection)
    await connection.execute("rollback to program" if job.error else "release program")


@cache
def _only_reads(name: str) -> bool:
    return load_postgres_statements()[name].startswith("select")


class _Judge:
    """Whether what one read found may be shown."""

    def __init__(self, fence: Fence, sent: float, writer: "_Writer | None") -> None:
        """`sent`: before the first statement of the read, and so before its snapshot."""
        self._fence = fence
        self._sent = sent
        self._writer = writer

    async def read(self, connection: Any, name: str) -> list[tuple[Any, ...]]:
        """The head, once the lease is shown to hold. Raises StoreFailed.

        To a cache a promotion is another history too: what PostgreSQL restored to an earlier instant is promoted.
        """
        guard = Guard(*await connection.fetchrow(READ_GUARD))
        self._fence.judge(guard, self._sent)
        if self._writer is not None:
            self._writer.leave_older(guard.timeline)
        if name == "read_seq":
            return [(guard.seq,)]
        return [(guard.seq, f"{guard.history}/{guard.timeline}", guard.lost)]


async def drive(
    connection: Any,
    program: Program[T],
    judge: _Judge | None = None,
    note: Callable[[Step], None] = lambda step: None,
) -> T:
    """Feed a program its rows, on this connection and in its transaction, until it returns.

    `note` hears of each step before it is taken.
    """
    statements, copyings, many = load_postgres_statements(), load_copyings(), load_row_statements()
    try:
        step: Step = next(program)
        while True:
            note(step)
            rows: list[tuple[Any, ...]] = []
            if isinstance(step, Run) and step.name in _HEADS and judge is not None:
                rows = await judge.read(connection, step.name)
            elif isinstance(step, Run):
                rows = [tuple(row) for row in await connection.fetch(statements[step.name], *step.args)]
            elif len(step.rows) > 1 and step.name in many:
                await connection.execute(many[step.name], *map(list, zip(*step.rows, strict=True)))
            elif len(step.rows) >= COPY_FROM and step.name in copyings:
                await _copy(connection, copyings[step.name], step.rows)
            else:
                await connection.executemany(statements[step.name], step.rows)
            step = program.send(rows)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]  # StopIteration.value is untyped in typeshed


async def _copy(connection: Any, to: Copying, rows: Sequence[tuple[Any, ...]]) -> None:
    values = to.values
    records = [tuple(row[place] if place >= 0 else constant for place, constant in values) for row in rows]
    await connection.copy_records_to_table(to.table, records=records, columns=to.columns)


def _read_seq() -> Program[int]:
    ((seq,),) = yield from run("read_seq")
    return int(seq)


async def _connect(dsn: str) -> "asyncpg.Connection[asyncpg.Record]":
    """A connection of the service, to a server that keeps the promises. Raises NotReady, or what BROKEN lists."""
    connection = await connect_primary(
        dsn, timeout=5, command_timeout=STATEMENT_MS / 1000, server_settings=_session() | _BY_KEY | _WRITING
    )
    try:
        await _assert_ready(connection)
    except BaseException:
        connection.terminate()
        raise
    return connection


async def _as_it_is(_: object) -> None:
    """Readers set nothing in their session, so the pool need not ask the server to forget it: that question
    would cost every read a round trip. A transaction left open is rolled back all the same."""


def _session() -> dict[str, str]:
    idle_s, interval_s, count = KEEPALIVE_S
    return {
        "application_name": "verify",
        "statement_timeout": str(STATEMENT_MS),
        "lock_timeout": str(LOCK_MS),
        "idle_in_transaction_session_timeout": str(IDLE_MS),
        "tcp_keepalives_idle": str(idle_s),
        "tcp_keepalives_interval": str(interval_s),
        "tcp_keepalives_count": str(count),
        "tcp_user_timeout": str((idle_s + interval_s * count) * 1000),
        "default_transaction_isolation": "read committed",
    }


_WRITING = {"idle_in_transaction_session_timeout": str(WRITER_IDLE_MS)}

_BY_KEY = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}
"""Programs that write ask by key. A plan made while a table was small, or before it was ever analysed, walks
it, and is kept while it grows: so no plan may walk where there is an index."""


async def _assert_ready(connection: Any) -> None:
    """Refuse to start on anything that would break a promise later."""
    settings: Mapping[str, str] = {
        row[0]: row[1]
        for row in await connection.fetch(
            "select name, setting from pg_settings where name in "
            "('fsync', 'full_page_writes', 'synchronous_commit', 'server_version_num')"
        )
    }
    if int(settings["server_version_num"]) < 150000:
        raise NotReady(
            Words("PostgreSQL 版本过旧。", "PostgreSQL is too old."), hint="use version 15 or newer"
        )
    for name, wanted in (("fsync", ("on",)), ("full_page_writes", ("on",)), ("synchronous_commit", _DURABLE)):
        if settings[name] not in wanted:
            what = Words(f"数据库设置 {name} 不安全。", f"The server runs with {name} = {settings[name]}.")
            raise NotReady(what, hint=f"set {name} = on: acknowledged changes would not survive a crash")
    if await connection.fetchval("select pg_is_in_recovery()"):
        what = Words("这是备库，不能回答证书状态。", "This is a standby; it may not answer a status.")
        raise NotReady(what, hint="point VERIFY_DATABASE_URL at the primary")
    known = await connection.fetchval("select to_regclass('schema_version') is not null")
    version = await connection.fetchval("select version from schema_version") if known else 0
    wanted_version = load_migrations("postgres")[-1][0]
    if version != wanted_version:
        what = Words(
            f"数据库结构版本为 {version}，程序需要 {wanted_version}。",
            f"The schema is version {version}, this program needs {wanted_version}.",
        )
        raise NotReady(what, hint="run `verify init` to create or upgrade it")


async def _assert_clock(connection: Any) -> None:
    """Refuse a clock that is not the database's: changes are dated by the one, and ends judged by the other."""
    before = time.time()
    there = await connection.fetchval("select extract(epoch from clock_timestamp())::float8")
    apart = max(before - there, there - time.time())
    if apart > CLOCK_S:
        what = Words(
            f"本机时钟与数据库相差 {apart:.0f} 秒。",
            f"This clock and the database's are {apart:.0f} s apart.",
        )
        error = NotReady(what, hint="set both by NTP: timedatectl set-ntp true")
        error.about = "clock"
        raise error


CLOCK_S = 5.0
_DURABLE = ("on", "remote_write", "remote_apply")

MIGRATION_LOCK = 0x7665726966790001
"""Advisory lock: one migration at a time."""


async def migrate_postgres(dsn: str) -> int:
    """Create the schema or bring it up to date in one transaction; returns the version.

    Raises NotReady when it is newer than this program or a step fails; the old schema then stands.
    """
    steps = load_migrations("postgres")
    try:
        async with _connected(dsn) as connection, connection.transaction():
            await connection.execute("select pg_advisory_xact_lock($1)", MIGRATION_LOCK)
            version = await _version(connection)
            if version > steps[-1][0]:
                what = Words("数据库比程序新。", "The database is newer than this program.")
                raise NotReady(what, hint="install the newer version of verify")
            for number, text in steps:
                if number > version:
                    await connection.execute(text)
                    await connection.execute("delete from schema_version")
                    await connection.execute("insert into schema_version (version) values ($1)", number)
        return steps[-1][0]
    except BROKEN as error:
        what = Words("数据库升级失败，原结构未变。", "The upgrade failed; the old schema stands.")
        raise NotReady(what, hint=str(error)) from error


async def grant_postgres(dsn: str) -> None:
    """Make the roles `verify_office` and `verify_public` and give each exactly what it needs.

    Run as the owner of the schema. Raises NotReady when that login may not create roles.
    """
    text = resources.files("verify.store").joinpath("roles.sql").read_text("utf-8")
    try:
        async with _connected(dsn) as connection, connection.transaction():
            await connection.execute("select pg_advisory_xact_lock($1)", MIGRATION_LOCK)
            await connection.execute(text)
    except BROKEN as error:
        what = Words("无法创建数据库角色。", "The database roles could not be made.")
        raise NotReady(
            what, hint=f"the schema's owner with CREATEROLE runs `verify init`: {error}"
        ) from error


async def _version(connection: Any) -> int:
    known = await connection.fetchval("select to_regclass('schema_version') is not null")
    return int(await connection.fetchval("select version from schema_version")) if known else 0


async def connect_postgres(dsn: str) -> "asyncpg.Connection[asyncpg.Record]":
    """One plain connection, for work that is not the service's. Raises what `BROKEN` lists."""
    return await connect_primary(dsn, timeout=5)


@contextlib.asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await connect_postgres(dsn)
    try:
        yield connection
    finally:
        await connection.close(timeout=5)
