"""What `/readyz` asks of an open house: each dependency by name, asked again only when it may have changed."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from verify.errors import NotReady, Words
from verify.store.contract import Program, Store, run
from verify.store.watched import WatchedStore
from verify.store.witness import Witness, check_witness

Probe: TypeAlias = Callable[[], Awaitable[bool]]
"""False: away, and the service goes on as truly without it. Raises VerifyError when nothing should be asked here."""

CLOCK_S: Final = 5.0
"""How far this host's clock and the database's may be apart: changes are dated by the one, ends judged by the other."""


async def database_answers(store: Store) -> bool:
    """The head can be read now, and what was noted outside does not speak against it. Raises StoreFailed, Unavailable."""
    await store.read(lambda: run("read_seq"), snapshot=False)
    return True


async def clock_agrees(store: Store, clock: Callable[[], float] = time.time) -> bool:
    """Raises NotReady when this clock (seconds since 1970) and the database's are more than `CLOCK_S` apart."""
    before = clock()
    there = await store.read(_read_clock, snapshot=False)
    apart = max(before - there, there - clock())
    if apart > CLOCK_S:
        what = Words(
            f"本机时钟与数据库相差 {apart:.0f} 秒。",
            f"This clock and the database's are {apart:.0f} s apart.",
        )
        raise NotReady(what, hint="set both by NTP: timedatectl set-ntp true")
    return True


def _read_clock() -> Program[float]:
    ((there,),) = yield from run("read_clock")
    return float(there)


async def witness_agrees(store: Store, witness: Witness) -> bool:
    """False while the witness is away. Raises LedgerBroken or Unavailable when the register is not what it noted."""
    if isinstance(store, WatchedStore):
        store.assert_true()
    try:
        noted = await asyncio.to_thread(witness.last)
    except NotReady:
        return False
    if noted is None:
        return False
    await store.read(lambda: check_witness(lambda: noted))
    return True
