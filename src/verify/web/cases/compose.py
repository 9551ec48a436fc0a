"""The desk's doors, put together: handlers, bodies, and the hourly sweep of old cases."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from litestar.handlers import HTTPRouteHandler

from verify.errors import VerifyError
from verify.telemetry import log, tally
from verify.web.cases.door import CASE_BODIES, Doors, objection_handlers, receipt_handlers, report_handlers
from verify.web.cases.holder_door import HOLDER_CASE_BODIES, holder_case_handlers
from verify.web.cases.queue_door import QUEUE_BODIES, deed_handlers, listing_handlers, queue_handlers
from verify.web.office.desk import OfficeHalf
from verify.web.opening import Derived, Opening
from verify.wiring import House
from verify.wiring.desks import OfficeHouse

SWEEP_S: Final = 3600
COUNT_S: Final = 60
"""How old the figure for metrics may be: one count over an index of the open cases, in the background."""
DESK_BODIES: Final[dict[str, type]] = CASE_BODIES | HOLDER_CASE_BODIES | QUEUE_BODIES


def case_handlers(half: OfficeHalf) -> list[HTTPRouteHandler]:
    """Everything of the desk that may write."""
    doors = Doors(half)
    return [
        *report_handlers(doors),
        *objection_handlers(doors),
        *receipt_handlers(doors),
        *holder_case_handlers(doors),
        *queue_handlers(doors),
        *deed_handlers(doors),
        *listing_handlers(doors),
    ]


def case_work(house: Opening[House], opening: Derived[OfficeHouse]) -> list[Callable[[], Awaitable[None]]]:
    """The hourly sweep, which also tells the operator how many cases wait, and the count of them for metrics."""
    return [lambda: _sweep(house, opening), lambda: _count(house, opening)]


async def _sweep(house: Opening[House], opening: Derived[OfficeHouse]) -> None:
    await house.wait()
    desk, queue = opening.now().desk, opening.now().queue
    while True:
        try:
            closed, deleted = await desk.sweep()
            if closed or deleted:
                log.info("old cases swept", closed=closed, deleted=deleted)
            waiting, overdue = await queue.waiting()
            if waiting:
                tell = log.warning if overdue else log.info
                tell("cases wait for somebody", waiting=waiting, overdue=overdue)
        except VerifyError as error:
            log.warning("old cases could not be swept; it is tried again", code=error.code)
        await asyncio.sleep(SWEEP_S)


async def _count(house: Opening[House], opening: Derived[OfficeHouse]) -> None:
    await house.wait()
    queue = opening.now().queue
    while True:
        try:
            waiting, overdue = await queue.waiting()
            tally.cases = {"waiting": waiting, "overdue": overdue}
        except VerifyError:
            tally.cases = {}  # no figure rather than an old one
        await asyncio.sleep(COUNT_S)
