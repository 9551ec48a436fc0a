"""The office's half, put together: its handlers, its routes, its request bodies, and its work beside requests."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from litestar.handlers import HTTPRouteHandler

from verify.certificate.form import IssueRequest
from verify.config import Settings
from verify.errors import VerifyError
from verify.issuance.reissue import ReissueRequest
from verify.office.agencies import FilingRequest
from verify.telemetry import log
from verify.web.cases.compose import DESK_BODIES, case_handlers, case_work
from verify.web.cases.routes import CASE_ROUTES
from verify.web.employers.administration import ADMINISTRATION_ROUTES
from verify.web.employers.compose import EMPLOYER_BODIES, employer_handlers, employer_work
from verify.web.employers.routes import EMPLOYER_ROUTES
from verify.web.holders.compose import holder_work
from verify.web.holders.door import HOLDER_BODIES, holder_handlers
from verify.web.holders.pages_door import holder_page_handlers
from verify.web.holders.routes import HOLDER_PAGE_ROUTES, HOLDER_ROUTES
from verify.web.office import administration, changes
from verify.web.office.administration import agency_handlers, credential_handlers, key_handlers
from verify.web.office.batches_door import batch_handlers
from verify.web.office.canary import Canary, ask_node, keep_singing
from verify.web.office.certificates import certificate_handlers
from verify.web.office.changes import change_handlers, revocation_handlers
from verify.web.office.desk import OfficeHalf
from verify.web.office.documents import ShortWay, document_handlers
from verify.web.office.rotation import ROTATION_ROUTES, RotationRequest, rotation_handlers
from verify.web.office.routes import OFFICE_ROUTES
from verify.web.office.stand_ins import STAND_IN_ROUTES, StandInDecision, stand_in_handlers
from verify.web.opening import Derived, Opening
from verify.web.public.half import PublicHalf, utc_now
from verify.web.reply import App
from verify.web.route import Route
from verify.wiring import House
from verify.wiring.desks import OfficeHouse

HOUSEKEEPING_S: Final = 600
"""How often the trust list's age and broken-off uploads are looked at."""

BODIES: Final[dict[str, type]] = {
    "IssueRequest": IssueRequest,
    "ReissueRequest": ReissueRequest,
    "ChangeRequest": changes.ChangeRequest,
    "RevocationRequest": changes.RevocationRequest,
    "AgencyRequest": administration.AgencyRequest,
    "ReasonRequest": administration.ReasonRequest,
    "FilingRequest": FilingRequest,
    "EndRequest": administration.EndRequest,
    "KeyRequest": administration.KeyRequest,
    "CompromiseRequest": administration.CompromiseRequest,
    "CredentialRequest": administration.CredentialRequest,
    "StandInDecision": StandInDecision,
    "RotationRequest": RotationRequest,
}


class Composed(msgspec.Struct, frozen=True):
    """What the application adds for the office's role."""

    handlers: list[HTTPRouteHandler]
    routes: tuple[Route, ...]
    bodies: dict[str, type]
    work: list[Callable[[], Awaitable[None]]]
    """Runs as long as the process serves."""
    shorten: Callable[[App], App]
    """Puts a short way for what is asked again and again in front of the framework."""


def compose_office(settings: Settings, house: Opening[House], public: PublicHalf) -> Composed:
    """Everything of the office over a house that may open later."""
    opening = Derived(house, _furnished)
    half = OfficeHalf(settings, opening, public)
    handlers = [
        *certificate_handlers(half),
        *document_handlers(half),
        *batch_handlers(half),
        *change_handlers(half),
        *revocation_handlers(half),
        *agency_handlers(half),
        *key_handlers(half),
        *credential_handlers(half),
        *stand_in_handlers(half),
        *rotation_handlers(half),
        *employer_handlers(half),
        *holder_handlers(half),
        *holder_page_handlers(half),
        *case_handlers(half),
    ]
    return Composed(
        handlers,
        (
            *OFFICE_ROUTES,
            *STAND_IN_ROUTES,
            *ROTATION_ROUTES,
            *EMPLOYER_ROUTES,
            *ADMINISTRATION_ROUTES,
            *HOLDER_ROUTES,
            *HOLDER_PAGE_ROUTES,
            *CASE_ROUTES,
        ),
        BODIES | EMPLOYER_BODIES | HOLDER_BODIES | DESK_BODIES,
        [
            lambda: _issue_batches(house, opening),
            lambda: _keep_house(house, opening),
            lambda: _renew_papers(house, opening),
            lambda: _publish_packs(house, opening, settings.pack_every_s),
            *employer_work(house, opening),
            *case_work(house, opening),
            *holder_work(house, opening),
            lambda: _keep_canary(house, opening, settings),
        ],
        lambda rest: ShortWay(half, rest),
    )


def _furnished(house: House) -> OfficeHouse:
    """The house that every role but the public's opens."""
    assert isinstance(house, OfficeHouse)
    return house


async def _issue_batches(house: Opening[House], opening: Derived[OfficeHouse]) -> None:
    """The work loop over uploads. An error that nobody foresaw is logged, and the loop goes on."""
    await house.wait()
    office = opening.now()
    running = True
    while running:
        try:
            await office.batches.work()
            running = False
        except (
            Exception
        ) as error:  # one batch that cannot be dealt with must not end the issuing of all others
            log.error("the batch loop stumbled", kind=type(error).__qualname__)
            await asyncio.sleep(1)


async def _keep_house(house: Opening[House], opening: Derived[OfficeHouse]) -> None:
    """Renew the trust list and the revocation lists before they are old, and sweep broken uploads."""
    await house.wait()
    office = opening.now()
    while True:
        await asyncio.sleep(HOUSEKEEPING_S)
        try:
            await office.office.trust.refresh("system")
            await office.office.crl.refresh()
            await office.batches.sweep()
        except VerifyError as error:
            log.warning("housekeeping failed; it is tried again", code=error.code)


async def _renew_papers(house: Opening[House], opening: Derived[OfficeHouse]) -> None:
    """Archive timestamps for kept files as they become due. An error that nobody foresaw is logged, and it goes on."""
    await house.wait()
    archive = opening.now().archive
    running = True
    while running:
        try:
            await archive.work()
            running = False
        except Exception as error:  # one bad file must not end the renewal of all others
            log.error("the renewal of kept files stumbled", kind=type(error).__qualname__)
            await asyncio.sleep(60)


async def _publish_packs(house: Opening[House], opening: Derived[OfficeHouse], every_s: float) -> None:
    """Make a status pack now and every `every_s`, unless another node just has; 0 makes none."""
    await house.wait()
    desk = opening.now().office.packs
    while every_s:
        try:
            await desk.refresh(every_s)
        except VerifyError as error:
            log.warning("no status pack could be made; it is tried again", code=error.code, hint=error.hint)
        await asyncio.sleep(every_s)


async def _keep_canary(house: Opening[House], opening: Derived[OfficeHouse], settings: Settings) -> None:
    """The canary, if the operator wants one."""
    await house.wait()
    urls = settings.canary_urls.split()
    if settings.canary_every_s and settings.canary_agency:
        canary = Canary(opening.now(), settings.canary_agency, urls, utc_now, ask_node)
        await keep_singing(canary, settings.canary_every_s)
