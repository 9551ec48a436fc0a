"""The holders' work beside requests: what is kept about their visits and sessions ends by itself."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from verify.errors import VerifyError
from verify.telemetry import log
from verify.web.opening import Derived, Opening
from verify.wiring import House
from verify.wiring.desks import OfficeHouse

SWEEP_S: Final = 3600


def holder_work(house: Opening[House], opening: Derived[OfficeHouse]) -> list[Callable[[], Awaitable[None]]]:
    """The hourly sweep of old counts and of ended sessions."""
    return [lambda: _sweep(house, opening)]


async def _sweep(house: Opening[House], opening: Derived[OfficeHouse]) -> None:
    await house.wait()
    desk = opening.now()
    while True:
        try:
            await desk.sessions.sweep()
            await desk.choices.sweep()
        except VerifyError as error:
            log.warning("old counts of visits could not be dropped; it is tried again", code=error.code)
        await asyncio.sleep(SWEEP_S)
