"""The employers' door, put together: handlers, routes, bodies, and the work beside requests."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from litestar.handlers import HTTPRouteHandler

from verify.employers.questions import Question
from verify.errors import VerifyError
from verify.telemetry import log
from verify.web.employers.door import list_handlers, receipt_handlers
from verify.web.office.desk import OfficeHalf
from verify.web.opening import Derived, Opening
from verify.wiring import House
from verify.wiring.desks import OfficeHouse

SWEEP_S: Final = 3600
EMPLOYER_BODIES: Final[dict[str, type]] = {"Question": Question}


def employer_handlers(half: OfficeHalf) -> list[HTTPRouteHandler]:
    """Everything that employers may call."""
    return [*list_handlers(half), *receipt_handlers(half)]


def employer_work(
    house: Opening[House], opening: Derived[OfficeHouse]
) -> list[Callable[[], Awaitable[None]]]:
    """The work loop over lists, and the hourly sweep of old results."""
    return [lambda: _answer_lists(house, opening), lambda: _sweep(house, opening)]


async def _answer_lists(house: Opening[House], opening: Derived[OfficeHouse]) -> None:
    """An error that nobody foresaw is logged, and the loop goes on."""
    await house.wait()
    lists = opening.now().lists
    running = True
    while running:
        try:
            await lists.work()
            running = False
        except Exception as error:  # one list that cannot be dealt with must not end the work on all others
            log.error("the loop over employers' lists stumbled", kind=type(error).__qualname__)
            await asyncio.sleep(1)


async def _sweep(house: Opening[House], opening: Derived[OfficeHouse]) -> None:
    await house.wait()
    lists = opening.now().lists
    while True:
        try:
            await lists.sweep()
        except VerifyError as error:
            log.warning("old results could not be dropped; it is tried again", code=error.code)
        await asyncio.sleep(SWEEP_S)
