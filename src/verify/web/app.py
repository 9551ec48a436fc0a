"""The ASGI applications that the server loads: the public's half, the office's half, or both in one process.

    serve("verify.web.app:create_app", host=…, port=…)     # http1/serve.py; any ASGI server can run it

The office's modules are loaded only by a process that has that role, so that a public node cannot reach a
signing key even by mistake.
"""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

from litestar.handlers import HTTPRouteHandler

from verify.cases.imitations import Imitations
from verify.config import Settings
from verify.holders.links import Links
from verify.lookup.challenge import Challenges
from verify.lookup.solved import Solved
from verify.telemetry import (
    FAR_ANSWERS,
    LEDGER_LOOKS,
    NEAR_ANSWERS,
    OPEN,
    STORE_READS,
    Readings,
    log,
    setup_logging,
)
from verify.web.assets import load_assets
from verify.web.cases.imitations_door import imitation_handlers
from verify.web.cases.routes import IMITATION_ROUTES
from verify.web.framework import build_framework
from verify.web.holders.links_door import link_handlers
from verify.web.holders.routes import LINK_ROUTES
from verify.web.openapi import build_document
from verify.web.opening import Derived, Opening
from verify.web.public.agencies_door import agency_page_handlers
from verify.web.public.asks import LookupRequest
from verify.web.public.checks import CheckRequest, check_handlers
from verify.web.public.front import Front
from verify.web.public.half import PublicDesk, PublicHalf, utc_now
from verify.web.public.health import Readiness
from verify.web.public.kept import keep_pins
from verify.web.public.register_door import register_handlers
from verify.web.public.routes import NUMBER_ROUTE, PUBLIC_ROUTES
from verify.web.reply import App
from verify.web.route import Route
from verify.wiring import House, Role, open_house, read_settings

Work = Callable[[], Awaitable[None]]

SWITCH_S = 0.0005
"""How long the event loop may keep the interpreter while the writer's thread waits for it. A change takes the
interpreter some twenty times on its way to the disk, so with Python's 5 ms it would wait 100 ms beside a full
load of look-ups."""


def create_app() -> App:
    """Both halves. Settings come from the environment and the settings file in the working directory."""
    return build_app(read_settings(os.environ, Path.cwd()), Role.ALL)


def create_public_app() -> App:
    """The public's half alone."""
    return build_app(read_settings(os.environ, Path.cwd()), Role.PUBLIC)


def create_office_app() -> App:
    """The office's half, with the public addresses that it shares a process with."""
    return build_app(read_settings(os.environ, Path.cwd()), Role.OFFICE)


def find_static() -> Path:
    """The folder of static files: inside the package when installed, at the repository's top when not."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "static"
    return installed if installed.is_dir() else package.parents[1] / "static"


def build_app(settings: Settings, role: Role) -> App:
    """Compose what `role` needs. Nothing is opened yet: that begins with the server's life."""
    setup_logging(settings.log_level)
    house: Opening[House] = Opening("house", lambda: open_house(settings, role))
    public = PublicHalf(settings, Derived(house, _public_desk), load_assets(find_static()))
    handlers: list[HTTPRouteHandler] = []
    routes: tuple[Route, ...] = (*PUBLIC_ROUTES, NUMBER_ROUTE, *LINK_ROUTES, *IMITATION_ROUTES)
    bodies: dict[str, type] = {"LookupRequest": LookupRequest, "CheckRequest": CheckRequest}
    work: list[Work] = [lambda: keep_pins(public, house.wait)]
    shorten: Callable[[App], App] = _as_it_is
    if role is not Role.PUBLIC:
        sys.setswitchinterval(SWITCH_S)
        from verify.web.office.compose import compose_office

        office = compose_office(settings, house, public)
        handlers, work = office.handlers, [*work, *office.work]
        routes, bodies = (*routes, *office.routes), bodies | office.bodies
        shorten = office.shorten
    document = build_document(routes, public_url=public.public_url, bodies=bodies)
    life = _Life(house, work)
    framework = build_framework(
        [
            *check_handlers(public),
            *agency_page_handlers(public),
            *link_handlers(public, Derived(house, _links)),
            *imitation_handlers(public, Derived(house, _imitations)),
            *register_handlers(public, document, _readings(house)),
            *handlers,
        ],
        public.problem,
        on_startup=[life.begin],
        on_shutdown=[life.end],
    )
    return Front(public, Readiness(public), shorten(framework), office=role is not Role.PUBLIC)


def _as_it_is(rest: App) -> App:
    return rest


def _public_desk(house: House) -> PublicDesk:
    claim = None if house.shared is None else Solved(house.shared.link, house.data_keys).claim
    challenges = Challenges(house.data_keys.challenge_tag, now=time.time, claim=claim)
    return PublicDesk(house.store, house.lookup, house.budgets, house.checker, challenges, house.probes())


def _links(house: House) -> Links:
    return Links(house.store, house.lookup, data_keys=house.data_keys, now=utc_now)


def _imitations(house: House) -> Imitations:
    return Imitations(house.store, host=urlsplit(house.settings.public_url).netloc, now=utc_now)


def _readings(house: Opening[House]) -> Readings:
    """What the house counts by itself; nothing while it is closed."""

    def figure(name: str) -> Callable[[], float]:
        def read() -> float:
            opened = house.get()
            return 0.0 if opened is None else float(getattr(opened.lookup.figures, name))

        return read

    return {
        OPEN: lambda: float(house.get() is not None),
        LEDGER_LOOKS: figure("looks"),
        NEAR_ANSWERS: figure("near"),
        FAR_ANSWERS: figure("far"),
        STORE_READS: figure("read"),
    }


class _Life:
    """Opens the house when the server starts, works beside it, and closes it at the end."""

    def __init__(self, house: Opening[House], work: list[Work]) -> None:
        self._house = house
        self._work = work
        self._tasks: list[asyncio.Future[None]] = []

    async def begin(self) -> None:
        await self._house.start()
        self._tasks = [asyncio.ensure_future(one()) for one in self._work]
        log.info("serving", open=self._house.get() is not None)

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        house = await self._house.stop()
        if house is not None:
            await house.close()
