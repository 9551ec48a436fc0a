"""Which of several servers is the primary: the one out of recovery that is on the newest timeline.

After a failover the old primary may come back and take connections as if nothing had happened. A promotion
begins a new timeline, so of two servers that both think they are primaries the newer one is known.
"""

import asyncio
import urllib.parse
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg

from verify.store.fence import READ_TIMELINE

CONNECT_S = 5.0
GRACE_S = 0.5
"""How long others may take to answer once one primary was found."""

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]


async def connect_primary(dsn: str | None = None, **how: Any) -> "Connection":
    """Connect to the newest primary among the hosts of `dsn` (`host=a,b`, or `@a:5432,b:5432`).

    With one host, that host, whatever it is. Raises what asyncpg raises when none is a primary.
    """
    each = split_hosts(dsn or "")
    if len(each) == 1:
        return await asyncpg.connect(each[0], **how)
    tries = [asyncio.ensure_future(_probe(one, how)) for one in each]
    chosen: Connection | None = None
    try:
        await asyncio.wait(tries, timeout=CONNECT_S, return_when=asyncio.FIRST_COMPLETED)
        if not any(_found(one) for one in tries):
            await asyncio.wait(tries, timeout=CONNECT_S)
        elif not all(one.done() for one in tries):
            await asyncio.wait(tries, timeout=GRACE_S)
        chosen = _choose(tries)
        return chosen
    finally:  # nothing is waited for here: whoever asked may have been cancelled, and is perhaps again
        for one in tries:
            one.cancel()
            one.add_done_callback(partial(_let_go, chosen))


def _let_go(chosen: "Connection | None", one: "asyncio.Future[_Probe | None]") -> None:
    """Close what was opened and not chosen; an error of a server that was not chosen is nobody's."""
    if one.cancelled() or one.exception() is not None:
        return
    probe = one.result()
    if probe is not None and probe.connection is not chosen:
        probe.connection.terminate()


def split_hosts(dsn: str) -> list[str]:
    """One address for each host of `dsn`. `target_session_attrs` is left out: the choice is made here."""
    parts = urllib.parse.urlsplit(dsn)
    query = [
        (name, value)
        for name, value in urllib.parse.parse_qsl(parts.query, keep_blank_values=True)
        if name != "target_session_attrs"
    ]
    login, at, hosts = parts.netloc.rpartition("@")
    named = [value for name, value in query if name == "host"]
    if hosts:
        return [_with(parts, f"{login}{at}{host}", query) for host in hosts.split(",")]
    if not named:
        return [_with(parts, parts.netloc, query)]
    rest = [(name, value) for name, value in query if name != "host"]
    return [_with(parts, parts.netloc, [*rest, ("host", host)]) for host in named[-1].split(",")]


def _with(parts: urllib.parse.SplitResult, netloc: str, query: list[tuple[str, str]]) -> str:
    text = urllib.parse.urlencode(query, safe="/", quote_via=urllib.parse.quote)
    return f"{parts.scheme}://{netloc}{parts.path}" + (f"?{text}" if text else "")


class _Probe:
    """A connection to a primary, and its timeline."""

    def __init__(self, connection: "Connection", timeline: int) -> None:
        self.connection = connection
        self.timeline = timeline


async def _probe(dsn: str, how: dict[str, Any]) -> _Probe | None:
    """A primary, or None for a standby."""
    connection: Connection = await asyncpg.connect(dsn, **how)
    try:
        if not await connection.fetchval("select pg_is_in_recovery()"):
            return _Probe(connection, await connection.fetchval(READ_TIMELINE))
    except BaseException:
        connection.terminate()
        raise
    await connection.close(timeout=CONNECT_S)
    return None


def _found(one: "asyncio.Future[_Probe | None]") -> bool:
    return one.done() and one.exception() is None and one.result() is not None


def _choose(tries: "Sequence[asyncio.Future[_Probe | None]]") -> "Connection":
    found = [probe for one in tries if _found(one) and (probe := one.result()) is not None]
    if found:
        return max(found, key=lambda probe: probe.timeline).connection
    for one in tries:
        if one.done() and (error := one.exception()) is not None:
            raise error
    raise asyncpg.InterfaceError("none of the servers is a primary")
