"""The ASGI applications that the server loads: the public's half, the office's half, or both in one process.

    granian --interface asgi --loop uvloop --factory verify.web.app:create_app

The office's modules are loaded only by a process that has that role, so that a public node cannot reach a
signing key even by mistake.
"""

import asyncio
import os
from pathlib import Path
from typing import Any

from litestar.handlers import HTTPRouteHandler

from verify.config import Settings
from verify.telemetry import log, setup_logging
from verify.web.assets import load_assets
from verify.web.framework import build_framework
from verify.web.openapi import build_document
from verify.web.opening import Opening
from verify.web.public.asks import LookupRequest
from verify.web.public.checks import CheckRequest, check_handlers
from verify.web.public.front import Front
from verify.web.public.half import PublicDesk, PublicHalf
from verify.web.public.health import Readiness
from verify.web.public.register_door import register_handlers
from verify.web.public.routes import NUMBER_ROUTE, PUBLIC_ROUTES
from verify.web.reply import App
from verify.web.route import Route
from verify.wiring import House, Role, open_house, read_settings

TRUST_REFRESH_S = 600


def create_app() -> App:
    """Both halves. Settings come from the environment and the settings file in the working directory."""
    return build_app(_settings(), Role.ALL)


def create_public_app() -> App:
    """The public's half alone."""
    return build_app(_settings(), Role.PUBLIC)


def create_office_app() -> App:
    """The office's half, with the public addresses that it shares a process with."""
    return build_app(_settings(), Role.OFFICE)


def _settings() -> Settings:
    return read_settings(os.environ, Path.cwd())


def find_static() -> Path:
    """The folder of static files: beside the package when installed, at the repository's top when not."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "static"
    return installed if installed.is_dir() else package.parents[1] / "static"


def build_app(settings: Settings, role: Role) -> App:
    """Compose what `role` needs. Nothing is opened yet: that begins with the server's life."""
    setup_logging(settings.log_level)
    house: Opening[House] = Opening("house", lambda: open_house(settings, role))
    public = PublicHalf(settings, _public_desk(house, settings), load_assets(find_static()))
    readiness = Readiness(public)
    office_handlers: list[HTTPRouteHandler] = []
    office_routes: tuple[Route, ...] = ()
    structs: dict[str, type] = {"LookupRequest": LookupRequest, "CheckRequest": CheckRequest}
    work: list[Any] = []
    if role is not Role.PUBLIC:
        from verify.web.office.compose import compose_office

        composed = compose_office(settings, house, public)
        office_handlers, office_routes = composed.handlers, composed.routes
        structs |= composed.structs
        work = composed.work
    routes = (*PUBLIC_ROUTES, NUMBER_ROUTE, *office_routes)
    document = build_document(routes, public_url=public.public_url, structs=structs)
    life = _Life(house, work)
    framework = build_framework(
        [*check_handlers(public), *register_handlers(public, document), *office_handlers],
        public.problem,
        on_startup=[life.begin],
        on_shutdown=[life.end],
    )
    return Front(public, readiness, framework, office=role is not Role.PUBLIC)


class _Life:
    """Opens the house when the server starts, works beside it, and closes it at the end."""

    def __init__(self, house: Opening[House], work: list[Any]) -> None:
        self._house = house
        self._work = work
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self) -> None:
        await self._house.start()
        self._tasks = [asyncio.create_task(one()) for one in self._work]
        log.info("serving", open=self._house.get() is not None)

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        house = await self._house.stop()
        if house is not None:
            await house.close()


class _PublicOpening(Opening[PublicDesk]):
    """The public's part of a house, as soon as that is open."""

    def __init__(self, house: Opening[House], settings: Settings) -> None:
        super().__init__("public", self._nothing)
        self._house = house
        self._settings = settings
        self._desk: PublicDesk | None = None

    def now(self) -> PublicDesk:
        if self._desk is None:
            house = self._house.now()
            self._desk = PublicDesk(house.store, house.lookup, None, None)
        return self._desk

    async def _nothing(self) -> PublicDesk:
        return self.now()


def _public_desk(house: Opening[House], settings: Settings) -> Opening[PublicDesk]:
    return _PublicOpening(house, settings)
