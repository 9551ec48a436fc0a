"""The embedded engine: SQLite in WAL mode with full synchronisation, through apsw.

Reads run on the caller's thread, which is the event loop's: a keyed read costs microseconds, a hop to a
thread would cost a hundred. Writes run on one thread that takes every waiting program into one transaction,
each in a savepoint of its own, and commits once: the disk is asked once for many callers.
"""

import asyncio
import concurrent.futures
import contextlib
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import apsw
import msgspec

from verify.errors import NotReady, StoreFailed, VerifyError, Words
from verify.store.contract import Program, Run, Step
from verify.store.statements import load_migrations, load_sqlite_statements

T = TypeVar("T")

BUSY_MS = 10_000
"""How long a writer waits for another process to finish its transaction."""
GROUP = 256
"""Programs committed together at most."""
OLDEST_SQLITE = (3, 51, 3)
"""From here on a WAL that is reset during a checkpoint cannot lose a commit."""


class SqliteStore:
    """One database file. Promises what `contract.Store` promises."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open `path`, which must hold the schema of this version.

        Raises NotReady with the command to run when the file, its settings or its schema are not right.
        """
        self._path = path
        self._reader = connect_sqlite(path, read_only=True)
        assert_sqlite_ready(self._reader, path)
        self._statements = load_sqlite_statements()
        self._writer = None if read_only else _Writer(path, self._statements)

    async def read(self, program: Callable[[], Program[T]], *, snapshot: bool = True) -> T:
        """Run `program` in one snapshot; never waits for a writer."""
        return self.read_now(program)

    def read_now(self, program: Callable[[], Program[T]]) -> T:
        """The same without an event loop."""
        try:
            self._reader.execute("begin")
            try:
                return _drive(self._reader, self._statements, program())
            finally:
                self._reader.execute("rollback")
        except apsw.Error as error:
            raise StoreFailed(hint=str(error)) from error

    async def write(self, program: Callable[[], Program[T]]) -> T:
        """Run `program` in one durable transaction, committed together with those that wait beside it."""
        if self._writer is None:
            raise NotReady(
                Words("此节点只读。", "This node only reads."), hint="run the office role to write"
            )
        return await asyncio.wrap_future(self._writer.put(program))

    async def close(self) -> None:
        """Finish the writes under way and close the file."""
        if self._writer is not None:
            await asyncio.to_thread(self._writer.close)
        self._reader.close()


class _Writer:
    """The one thread that writes."""

    def __init__(self, path: Path, statements: Any) -> None:
        self._connection = connect_sqlite(path, read_only=False)
        self._statements = statements
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="verify-writer", daemon=True)
        self._thread.start()

    def put(self, program: Callable[[], Program[T]]) -> "concurrent.futures.Future[T]":
        job = _Job(program)
        self._jobs.put(job)
        return job.done

    def close(self) -> None:
        self._jobs.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            group, last = [job], False
            with contextlib.suppress(queue.Empty):
                while len(group) < GROUP:
                    if (more := self._jobs.get_nowait()) is None:
                        last = True
                        break
                    group.append(more)
            self._commit(group)
            if last:
                return

    def _commit(self, group: "list[_Job]") -> None:
        """One transaction for the group; acknowledged only after the commit came back."""
        try:
            self._connection.execute("begin immediate")
            for job in group:
                self._attempt(job)
            self._connection.execute("commit")
        except apsw.Error as error:
            self._abandon()
            failure = StoreFailed(hint=str(error))
            failure.__cause__ = error
            for job in group:
                job.fail(failure)
            return
        for job in group:
            job.acknowledge()

    def _attempt(self, job: "_Job") -> None:
        """Run one program in its savepoint: what it refuses leaves nothing, and its neighbours stand."""
        self._connection.execute("savepoint program")
        try:
            job.value = _drive(self._connection, self._statements, job.program())
        except apsw.ConstraintError as error:
            self._undo()
            job.error = StoreFailed(
                Words("数据库拒绝了该写入。", "The database refused this write."), hint=str(error)
            )
            job.error.__cause__ = error
        except apsw.Error:
            raise
        except Exception as error:  # the program's own refusal travels to its caller
            self._undo()
            job.error = error
        else:
            self._connection.execute("release program")

    def _undo(self) -> None:
        self._connection.execute("rollback to program")
        self._connection.execute("release program")

    def _abandon(self) -> None:
        with contextlib.suppress(apsw.Error):
            if self._connection.in_transaction:
                self._connection.execute("rollback")


class _Job:
    """A program on its way through the writer."""

    def __init__(self, program: Callable[[], Program[Any]]) -> None:
        self.program = program
        self.value: Any = None
        self.error: BaseException | None = None
        self.done: concurrent.futures.Future[Any] = concurrent.futures.Future()
        # A caller that is cancelled stops waiting, no more: its program may be committed already.
        self.done.set_running_or_notify_cancel()

    def acknowledge(self) -> None:
        if self.error is not None:
            self.done.set_exception(self.error)
        else:
            self.done.set_result(self.value)

    def fail(self, error: VerifyError) -> None:
        self.done.set_exception(self.error or error)


_json = msgspec.json.Encoder()


def _drive(connection: apsw.Connection, statements: Any, program: Program[T]) -> T:
    """Feed a program its rows until it returns."""
    try:
        step: Step = next(program)
        while True:
            if isinstance(step, Run):
                rows = connection.execute(statements[step.name], _bind(step.args)).fetchall()
            else:
                connection.executemany(statements[step.name], step.rows)
                rows = []
            step = program.send(rows)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]  # StopIteration.value is untyped in typeshed


def _bind(args: tuple[Any, ...]) -> tuple[Any, ...]:
    for arg in args:
        if type(arg) is list:
            return tuple(_set(a) if type(a) is list else a for a in args)
    return args


def _set(values: list[Any]) -> str:
    if values and type(values[0]) is bytes:
        return _json.encode([value.hex() for value in values]).decode()
    return _json.encode(values).decode()


def connect_sqlite(path: Path, *, read_only: bool) -> apsw.Connection:
    """One connection with the settings that every promise rests on. Raises NotReady.

    Readers open the file for writing too and then forbid it: after a crash, whoever comes first must be
    able to recover the WAL.
    """
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE, statementcachesize=256)
        connection.set_busy_timeout(BUSY_MS)
        connection.execute("pragma synchronous = full")
        connection.execute("pragma foreign_keys = on")
        connection.execute(f"pragma query_only = {int(read_only)}")
        connection.execute("pragma mmap_size = 67108864")
        connection.execute("pragma cache_size = -16384")
        connection.execute("pragma wal_autocheckpoint = 4000")  # 16 MiB: fewer, larger checkpoints
    except apsw.Error as error:
        what = Words(f"无法打开数据库 {path}。", f"The database {path} cannot be opened.")
        raise NotReady(what, hint="run `verify init` first, or set VERIFY_DATABASE_URL") from error
    return connection


def assert_sqlite_ready(connection: apsw.Connection, path: Path) -> None:
    """Refuse to start on anything that would break a promise later. Raises NotReady."""
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    try:
        journal = connection.pragma("journal_mode")
        schema = connection.pragma("user_version")
        level = connection.pragma("synchronous")
    except apsw.Error as error:
        raise NotReady(Words(f"{path} 不是可用的数据库。", f"{path} is not a usable database.")) from error
    wanted = load_migrations("sqlite")[-1][0]
    if version < OLDEST_SQLITE:
        raise NotReady(Words("SQLite 版本过旧。", "SQLite is too old."), hint="pip install -U apsw")
    if journal != "wal" or level != 2:
        what = Words(
            "数据库未启用 WAL 与完全同步。", "The database is not in WAL mode with full synchronisation."
        )
        raise NotReady(what, hint="run `verify init`")
    if schema != wanted:
        what = Words(
            f"数据库结构版本为 {schema}，程序需要 {wanted}。",
            f"The schema is version {schema}, this program needs {wanted}.",
        )
        raise NotReady(what, hint="run `verify init` to create or upgrade it")


def migrate_sqlite(path: Path) -> int:
    """Create the file or bring its schema up to date; returns the version. Each step is one transaction.

    Raises NotReady when the database is newer than this program or a step fails; the old schema then stands.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(BUSY_MS)
    try:
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        for number, text in load_migrations("sqlite"):
            _migrate(connection, number, text)
        return int(connection.pragma("user_version"))
    except apsw.Error as error:
        raise NotReady(
            Words("数据库升级失败，原结构未变。", "The upgrade failed; the old schema stands."),
            hint=str(error),
        ) from error
    finally:
        connection.close()


def _migrate(connection: apsw.Connection, number: int, text: str) -> None:
    connection.execute("begin immediate")
    try:
        version = int(connection.pragma("user_version"))
        last = load_migrations("sqlite")[-1][0]
        if version > last:
            what = Words("数据库比程序新。", "The database is newer than this program.")
            raise NotReady(what, hint="install the newer version of verify")
        if version < number:
            connection.execute(text)
            connection.execute(f"pragma user_version = {number}")
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
