"""The work beside a networked store: beats that the standby must confirm, and looks that keep the lease young."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

from verify.errors import VerifyError
from verify.store.fence import BEAT_S, BEGIN_BEAT, CONFIRM_BEAT, END_BEAT, Fence

IDLE_S = 2.0
"""How often a register without a standby is looked at, in case it gets one."""
TIMEOUT_S = 15.0
BROKEN = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, asyncio.TimeoutError)

Connect = Callable[[], Awaitable["asyncpg.Connection[asyncpg.Record]"]]


class Heart:
    """The tasks of one open store. `beats` belongs to nodes that may write."""

    def __init__(
        self,
        fence: Fence,
        look: Callable[[], Awaitable[Any]],
        connect: Connect | None,
        beat_s: float = BEAT_S,
    ) -> None:
        """`look` reads the head, `connect` opens a connection that may write; None: this node makes no beats."""
        self._fence = fence
        self._look = look
        self._connect = connect
        self._beat_s = beat_s
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._warned = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        self._tasks = [asyncio.create_task(self._watch(), name="watch the lease")]
        if self._connect is not None:
            self._tasks.append(asyncio.create_task(self._beat_on(self._connect), name="beat"))

    async def stop(self) -> None:
        """End; what was under way is given up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._connection is not None:
            self._connection.terminate()

    async def _watch(self) -> None:
        """A node that nobody asks must still know that the standby follows when somebody does."""
        while True:
            with contextlib.suppress(VerifyError):
                await self._look()
            await asyncio.sleep(self._beat_s / 3 if self._fence.guarded else IDLE_S)

    async def _beat_on(self, connect: Connect) -> None:
        while True:
            if self._fence.guarded:
                await self._beat(connect)
            await asyncio.sleep(self._beat_s if self._fence.guarded else self._beat_s / 3)

    async def _beat(self, connect: Connect) -> None:
        """One beat; whatever goes wrong, it was not heard."""
        try:
            connection = await self._connected(connect)
            self._warned = False
            beat = await connection.fetchval(BEGIN_BEAT)
            await connection.execute("begin")
            confirmed = await connection.fetchval(CONFIRM_BEAT)
            done = await connection.execute("commit")
            if confirmed and done == "COMMIT" and not self._warned:
                await connection.execute(END_BEAT, beat)
        except (*BROKEN, VerifyError):
            self._drop()

    async def _connected(self, connect: Connect) -> "asyncpg.Connection[asyncpg.Record]":
        if self._connection is None or self._connection.is_closed():
            self._connection = await connect()
            self._connection.add_log_listener(self._hear)
        return self._connection

    def _hear(self, _: object, message: Any) -> None:
        """A cancelled wait for the standby comes as a warning beside a successful commit."""
        if message.sqlstate == "01000":
            self._warned = True

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
