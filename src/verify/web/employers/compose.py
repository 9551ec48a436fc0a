"""The employers' door, put together: handlers, routes, bodies, and the work beside requests."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from litestar.handlers import HTTPRouteHandler

from verify.employers.questions import Question
from verify.employers.subscriptions import SubscriptionRequest
from verify.employers.webhooks import ReplayRequest, WebhookRequest
from verify.errors import VerifyError
from verify.telemetry import log
from verify.web.employers.administration import administration_handlers
from verify.web.employers.door import list_handlers, receipt_handlers
from verify.web.employers.subscriptions_door import feed_handlers, subscription_handlers, webhook_handlers
from verify.web.office.desk import OfficeHalf
from verify.web.opening import Derived, Opening
from verify.wiring import House
from verify.wiring.desks import OfficeHouse

SWEEP_S: Final = 3600
EMPLOYER_BODIES: Final[dict[str, type]] = {
    "Question": Question,
    "SubscriptionRequest": SubscriptionRequest,
    "WebhookRequest": WebhookRequest,
    "ReplayRequest": ReplayRequest,
}


def employer_handlers(half: OfficeHalf) -> list[HTTPRouteHandler]:
    """Everything that employers may call, and what the operator does about them."""
    return [
        *list_handlers(half),
        *receipt_handlers(half),
        *subscription_handlers(half),
        *feed_handlers(half),
        *webhook_handlers(half),
        *administration_handlers(half),
    ]


def employer_work(
    house: Opening[House], opening: Derived[OfficeHouse]
) -> list[Callable[[], Awaitable[None]]]:
    """The work loop over lists, the dispatcher of events, and the hourly sweep of old results."""
    return [
        lambda: _keep_on(house, lambda: opening.now().lists.work(), "the loop over employers' lists"),
        lambda: _keep_on(house, lambda: opening.now().dispatcher.work(), "the dispatcher of events"),
        lambda: _sweep(house, opening),
    ]


async def _keep_on(house: Opening[House], work: Callable[[], Awaitable[None]], name: str) -> None:
    """A loop that never ends by itself; an error that nobody foresaw is logged, and it goes on."""
    await house.wait()
    running = True
    while running:
        try:
            await work()
            running = False
        except Exception as error:  # one that cannot be dealt with must not end the work on all others
            log.error(f"{name} stumbled", kind=type(error).__qualname__)
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
