"""Putting a standby in the place of a primary, so that nobody is shown what the old one still believes.

The order is everything. First the standby stops confirming, so the old primary acknowledges nothing more; then
one lease passes, so that no node trusts what it reads there; only then does the standby become the primary.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import msgspec

from verify.errors import Conflict, NotReady, Words
from verify.proof.ledger import Head
from verify.store.fence import LONGEST_LEASE_MS, READ_TIMELINE, SHORTEST_LEASE_MS
from verify.store.primary import connect_primary, split_hosts

MARGIN_S = 0.5
"""Waited beyond the lease: clocks of two machines do not run at quite one speed."""
STOP_S = 30.0
PROMOTE_S = 60
RETRY_MS = 100
"""How often a standby that receives nothing looks again at the log it has."""
READ_APPLIED = """
select pg_last_wal_replay_lsn(), coalesce(pg_last_wal_receive_lsn(), '0/0'),
       exists (select from pg_stat_activity where backend_type = 'startup' and wait_event = 'RecoveryRetrieveRetryInterval')
"""

_ONE_NAME = re.compile(r'(?:FIRST\s+1\s*\(\s*)?("[^"*]+"|[A-Za-z_][\w-]*)\s*\)?', re.IGNORECASE)
_BROKEN = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, asyncio.TimeoutError)


class Server(msgspec.Struct, frozen=True):
    """One server as `verify recover status` shows it."""

    where: str
    """Host."""
    role: str
    """`primary`, `standby` or `away`."""
    timeline: int | None = None
    seq: int | None = None
    """Ledger head."""
    lease_ms: int | None = None
    beat: int | None = None
    standbys: tuple[str, ...] = ()
    """`name: state, how it counts`, as the primary sees them."""
    trouble: str = ""


class Promoted(msgspec.Struct, frozen=True):
    """What became of a promotion."""

    timeline: int
    seq: int
    hash: str
    """Ledger head of the new primary, hex."""
    waited_s: float
    """For the lease to run out."""
    took_s: float
    """Everything together."""


async def show_servers(dsn: str) -> list[Server]:
    """Every host of `dsn` by itself."""
    return list(await asyncio.gather(*(_show(one) for one in split_hosts(dsn))))


async def find_standby(dsn: str) -> str:
    """The address of the one standby among the hosts of `dsn`. Raises Conflict when there is none, or several."""
    each = split_hosts(dsn)
    shown = await show_servers(dsn)
    found = [one for one, server in zip(each, shown, strict=True) if server.role == "standby"]
    if len(found) != 1:
        what = Words(f"找到 {len(found)} 个备库。", f"{len(found)} standbys answer at this address.")
        raise Conflict(what, hint="name it: verify recover promote --url postgresql://…STANDBY…")
    return found[0]


async def guard(dsn: str, lease_ms: int) -> None:
    """From now on nothing is answered unless the standby followed less than a lease ago.

    Waits for the standby to confirm it. Raises Conflict for a primary without exactly one synchronous standby,
    or a lease outside of what is safe; NotReady when the server does not do it.
    """
    if not SHORTEST_LEASE_MS <= lease_ms <= LONGEST_LEASE_MS:
        what = Words("租期须为 3 至 10 秒。", "A lease is between 3 and 10 seconds.")
        raise Conflict(what, hint="verify recover guard --lease 5")
    async with _server(dsn, newest=True) as primary:
        if await primary.fetchval("select pg_is_in_recovery()"):
            raise _not_primary()
        await _assert_one_standby(primary)
        await primary.execute("update heartbeat set lease_ms = $1 where id = 1", lease_ms)


async def stand_alone(dsn: str) -> None:
    """The register has no standby any more: nothing is proved, and nothing could be promoted.

    Do this only when the standby is certainly gone for good: a primary that was replaced must not be told so.
    Raises Conflict while the server still waits for a standby.
    """
    async with _server(dsn, newest=True) as primary:
        if await primary.fetchval("select pg_is_in_recovery()"):
            raise _not_primary()
        if await primary.fetchval("show synchronous_standby_names"):
            what = Words("该主库仍在等待同步备库。", "This primary still waits for a synchronous standby.")
            hint = (
                "be certain that no standby was promoted; then alter system set synchronous_standby_names = '';"
                " select pg_reload_conf();"
            )
            raise Conflict(what, hint=hint)
        await primary.execute("update heartbeat set lease_ms = 0 where id = 1")


async def promote(
    dsn: str, *, certainly_dead: bool = False, tell: Callable[[Words], None] = lambda words: None
) -> Promoted:
    """Make the standby at `dsn` the primary. `tell` hears each step.

    1. It stops receiving, so that the old primary has nobody to confirm what it would acknowledge. 2. One lease
    and a margin pass: every node that could still read from the old primary has stopped answering. 3. Promotion.
    4. It stands alone until it has a standby of its own.
    Raises Conflict for a server that is no standby, or follows a primary that promised no lease (unless
    `certainly_dead`); NotReady when the server does not do it.
    """
    begun = time.monotonic()
    async with _server(dsn) as standby:
        if not await standby.fetchval("select pg_is_in_recovery()"):
            raise Conflict(
                Words("该数据库已是主库。", "This server is a primary already."), hint="verify recover status"
            )
        before = await _received_settings(standby)
        tell(Words("停止接收旧主库的日志。", "The standby stops receiving from the old primary."))
        await _stop_receiving(standby)
        # What was received is applied before the lease is read: it may hold a longer one.
        await _applied(standby)
        lease_ms = await standby.fetchval("select lease_ms from heartbeat where id = 1")
        if not lease_ms and not certainly_dead:
            await _receive_again(standby, before)
            what = Words(
                "旧主库没有租约，可能仍在作答。", "The old primary holds no lease and may still answer."
            )
            raise Conflict(
                what, hint="stop it and every node that reads from it; then add --old-primary-is-dead"
            )
        waited = (lease_ms or 0) / 1000 + MARGIN_S
        tell(Words(f"等待租约到期：{waited:.1f} 秒。", f"The lease runs out: {waited:.1f} s."))
        await asyncio.sleep(waited)
        tell(Words("提升备库。", "The standby becomes the primary."))
        if not await standby.fetchval("select pg_promote(true, $1)", PROMOTE_S):
            what = Words("提升未按时完成。", "The promotion did not end in time.")
            raise NotReady(what, hint="look at the server's log, then: verify recover promote")
        await _alone_now(standby)
        ((seq, digest),) = await standby.fetch("select seq, hash from ledger_head where id = 1")
        timeline = await standby.fetchval(READ_TIMELINE)
    return Promoted(timeline, seq, digest.hex(), waited, time.monotonic() - begun)


async def read_ledger(dsn: str, seq: int) -> tuple[Head, bytes | None]:
    """The head of one server, standby or not, and the hash of its entry `seq`."""
    async with _server(dsn) as server:
        ((head, digest),) = await server.fetch("select seq, hash from ledger_head where id = 1")
        there = await server.fetchval("select hash from event where seq = $1", seq)
        return Head(head, digest), there


# --- steps ----------------------------------------------------------------------------------------------


async def _stop_receiving(standby: Any) -> None:
    """A standby that neither receives nor restores confirms nothing."""
    await standby.execute("alter system set primary_conninfo = ''")
    await standby.execute("alter system set restore_command = ''")
    await standby.execute(f"alter system set wal_retrieve_retry_interval = {RETRY_MS}")
    await standby.execute("select pg_reload_conf()")
    await _until(standby, "select not exists (select from pg_stat_wal_receiver)")


async def _applied(standby: Any) -> None:
    """Wait until everything received is applied, up to the beginning of a record that did not come whole: nobody
    was told that it was kept. Raises NotReady."""
    end, last, since = time.monotonic() + STOP_S, None, time.monotonic()
    while True:
        replayed, received, idle = await standby.fetchrow(READ_APPLIED)
        now = time.monotonic()
        if replayed != last or not idle:
            last, since = replayed, now
        if replayed >= received or now - since > 10 * RETRY_MS / 1000:
            return
        if now > end:
            what = Words(
                "备库未按时应用已收到的日志。", "The standby did not apply in time what it had received."
            )
            raise NotReady(what, hint="look at the standby's log, then: verify recover promote")
        await asyncio.sleep(RETRY_MS / 1000)


async def _received_settings(standby: Any) -> list[tuple[str, str]]:
    """`ALTER SYSTEM` writes where `pg_basebackup -R` wrote: what stood there must be put back by value."""
    rows = await standby.fetch(
        "select name, setting from pg_settings "
        "where name in ('primary_conninfo', 'restore_command', 'wal_retrieve_retry_interval')"
    )
    return [(row[0], row[1]) for row in rows]


async def _receive_again(standby: Any, before: list[tuple[str, str]]) -> None:
    for name, value in before:
        await standby.execute(
            await standby.fetchval(
                "select format('alter system set %I = %L', $1::text, $2::text)", name, value
            )
        )
    await standby.execute("select pg_reload_conf()")


async def _alone_now(primary: Any) -> None:
    """Settings of the old pair end; the first write of the new primary says that there is no standby."""
    await primary.execute("alter system set synchronous_standby_names = ''")
    await primary.execute("alter system reset wal_retrieve_retry_interval")
    await primary.execute("select pg_reload_conf()")
    await _until(primary, "select current_setting('synchronous_standby_names') = ''")
    await primary.execute("update heartbeat set lease_ms = 0 where id = 1")


async def _until(server: Any, question: str) -> None:
    end = time.monotonic() + STOP_S
    while not await server.fetchval(question):
        if time.monotonic() > end:
            what = Words("服务器未按时响应。", "The server did not follow in time.")
            raise NotReady(what, hint=f"look at the server's log; it was asked: {question}")
        await asyncio.sleep(0.02)


async def _assert_one_standby(primary: Any) -> None:
    names = await primary.fetchval("show synchronous_standby_names")
    if not _ONE_NAME.fullmatch(names.strip()):
        what = Words(
            "synchronous_standby_names 应只写一个备库名。",
            f"synchronous_standby_names must name exactly one standby; it is {names!r}.",
        )
        raise Conflict(
            what, hint="alter system set synchronous_standby_names = 'NAME'; select pg_reload_conf();"
        )
    rows = await primary.fetch(
        "select application_name from pg_stat_replication where state = 'streaming' and sync_state = 'sync'"
    )
    if len(rows) != 1:
        what = Words("没有正在同步的备库。", f"{len(rows)} standbys follow synchronously; there must be one.")
        raise Conflict(what, hint=f"start the standby with application_name={names} in its primary_conninfo")


def _not_primary() -> Conflict:
    return Conflict(Words("该数据库是备库。", "This server is a standby."), hint="name the primary's address")


async def _show(dsn: str) -> Server:
    where = _where(dsn)
    try:
        async with _server(dsn) as server:
            standby = await server.fetchval("select pg_is_in_recovery()")
            row = await server.fetchrow(
                "select h.seq, b.lease_ms, b.beat from ledger_head h cross join heartbeat b"
            )
            seq, lease_ms, beat = row or (None, None, None)
            if standby:
                timeline = await server.fetchval("select received_tli from pg_stat_wal_receiver")
                return Server(where, "standby", timeline, seq, lease_ms, beat)
            rows = await server.fetch("select application_name, state, sync_state from pg_stat_replication")
            timeline = await server.fetchval(READ_TIMELINE)
            followers = tuple(f"{name}: {state}, {how}" for name, state, how in rows)
            return Server(where, "primary", timeline, seq, lease_ms, beat, followers)
    except (*_BROKEN, NotReady) as error:
        return Server(where, "away", trouble=f"{type(error).__name__}: {error}")


def _where(dsn: str) -> str:
    """Host alone: the rest may hold a password."""
    found = re.search(r"[?&]host=([^&]*)", dsn) or re.search(r"(?:@|//)([^/@?]+)(?:[/?]|$)", dsn)
    return found[1] if found else "local"


@contextlib.asynccontextmanager
async def _server(dsn: str, *, newest: bool = False) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """This one server, whatever it is; or, of several, the newest primary."""
    named = {"application_name": "verify-recover"}
    try:
        if newest:
            connection = await connect_primary(dsn, timeout=5, server_settings=named)
        else:
            connection = await asyncpg.connect(dsn, timeout=5, server_settings=named)
    except _BROKEN as error:
        what = Words("无法连接该数据库。", "This server cannot be reached.")
        raise NotReady(what, hint=f"check its address and that it runs: {error}") from error
    try:
        yield connection
    except _BROKEN as error:
        what = Words("数据库拒绝了该操作。", f"The server refused: {error}.")
        raise NotReady(what, hint="use a superuser's login for `verify recover`") from error
    finally:
        with contextlib.suppress(*_BROKEN):
            await connection.close(timeout=5)
