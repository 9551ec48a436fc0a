"""Reading connections of one process: a pool, and one that is kept out of it while reads come.

A look at the ledger head is the read that every look-up waits for. Taking its connection out of the pool and
putting it back would cost a third of it, so the last one used stays at hand; what more is wanted at a time comes
from the pool.
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg


class Readers:
    """Lends connections, each to one read at a time."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        """Lend those of `pool`."""
        self._pool = pool
        self._at_hand: Any = None

    @contextlib.asynccontextmanager
    async def lend(self) -> AsyncIterator[Any]:
        """One connection for one read. Raises what asyncpg raises when none can be made."""
        connection, self._at_hand = self._at_hand, None
        if connection is not None and not _is_open(connection):
            await self._pool.release(connection)
            connection = None
        if connection is None:
            connection = await self._pool.acquire()
        try:
            yield connection
        except BaseException:  # the pool finds out what is left of it
            await self._pool.release(connection)
            raise
        if self._at_hand is None and _is_open(connection):
            self._at_hand = connection
        else:
            await self._pool.release(connection)

    async def expire(self) -> None:
        """The next reads use new connections: another server may be the primary by now."""
        await self._put_back()
        await self._pool.expire_connections()

    async def close(self) -> None:
        """Close them all, once the reads under way have ended."""
        await self._put_back()
        await self._pool.close()

    async def _put_back(self) -> None:
        connection, self._at_hand = self._at_hand, None
        if connection is not None:
            await self._pool.release(connection)


def _is_open(connection: Any) -> bool:
    """Whether the server has not ended it; the pool takes one that was ended back by itself."""
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:
        return False
