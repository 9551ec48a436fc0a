"""The holders' pages over HTTP: sign in, one page for each certificate, and the forms on it. No address holds anything
personal: a certificate is named by its place in the session.

Only nodes that may write carry it.
"""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from verify.cases.told import HolderObjectionRequest
from verify.documents.qr import render_qr_png
from verify.errors import Conflict, Forbidden, Invalid, Malformed, NotFound, Unauthenticated, VerifyError
from verify.holders.session import Session
from verify.web.cases.forms import URLENCODED, read_urlencoded
from verify.web.framework import Ask, Named, Told, told
from verify.web.holders.access import (
    FIELD,
    FOREIGN,
    Cookies,
    check_site,
    form_belongs,
    form_token,
    new_guest,
)
from verify.web.holders.door import document_file, open_session, picture_file
from verify.web.holders.pages import Held, HolderPages, Home
from verify.web.hygiene import convert, read_body, require_media
from verify.web.office.desk import OfficeHalf, location
from verify.web.public.allowance import asker, spend
from verify.web.public.half import utc_now
from verify.web.reply import Receive, Reply, Scope
from verify.web.understanding import read_id_number, read_number
from verify.wiring.desks import OfficeHouse

SIGN_IN: Final = frozenset({"number", "name", "id_type", "id_number"})
QR_DOTS: Final = 8
"""Pixels for each module: sharp on a phone's screen, and still small."""

_decode = msgspec.json.Decoder().decode


class Visit(msgspec.Struct, frozen=True):
    """A request by somebody who is signed in."""

    desk: OfficeHouse
    session: Session
    cookie: str
    place: int


class Doors:
    """What the routes below share."""

    def __init__(self, half: OfficeHalf) -> None:
        """Serve `half`."""
        public = half.public
        self.half = half
        self.pages = HolderPages(public.pages, public.host, half.public_url)
        self.cookies = Cookies(https=half.public_url.startswith("https:"))

    @property
    def not_signed_in(self) -> dict[type[Exception] | int, Callable[[Ask, Unauthenticated], Told]]:
        """What a page does with Unauthenticated: it shows the form."""

        def over(request: Ask, error: Unauthenticated) -> Told:
            return self.sign_in(request.scope, 401, "over")

        return {Unauthenticated: over}

    # --- coming in --------------------------------------------------------------------------------------

    async def visit(self, scope: Scope, place: str, *, tight: bool = False) -> Visit:
        """Who is signed in, speaking about the certificate at `place`; one look-up is taken from the asker's budget,
        and with `tight` one from the certificate's.

        Raises Unauthenticated, NotFound for a place that is none, OverBudget with a challenge.
        """
        public, desk = self.half.public.opening.now(), self.half.opening.now()
        cookie = self.cookies.session.sent(scope)
        session = await desk.sessions.read(cookie)
        if not place.isascii() or not place.isdigit() or len(place) > 3:
            raise NotFound
        session = session.choose(int(place))
        source = asker(scope, self.half.public.trusted_proxies)
        await spend(public, scope, source, session.number if tight else None)
        return Visit(desk, session, cookie, int(place))

    async def form(self, scope: Scope, receive: Receive, known: Iterable[str]) -> dict[str, str]:
        """The fields of a form. Raises as `hygiene` and `read_urlencoded`."""
        require_media(scope, URLENCODED)
        body = await read_body(scope, receive, limit=self.half.body_limit, timeout_s=self.half.body_timeout_s)
        return read_urlencoded(body, {FIELD, *known}).fields

    async def act(
        self, scope: Scope, receive: Receive, place: str, known: Iterable[str] = ()
    ) -> tuple[Visit, dict[str, str]]:
        """As `visit`, for a form that changes something. Raises Forbidden for one that is not ours."""
        check_site(scope, self.half.public.host)
        visit = await self.visit(scope, place, tight=True)
        form = await self.form(scope, receive, known)
        if not form_belongs(visit.desk.data_keys, visit.cookie, form.get(FIELD, "")):
            raise Forbidden(FOREIGN)
        return visit, form

    # --- answers ----------------------------------------------------------------------------------------

    def page(self, body: bytes, status: int = 200, *extra: tuple[bytes, bytes]) -> Told:
        """A page of ours."""
        return told(Reply(status, [*self.half.headers.page, *extra], body))

    def see_other(self, scope: Scope, path: str, *extra: tuple[bytes, bytes]) -> Told:
        """The way on after a form: asking for the page again sends nothing twice (RFC 9110 §15.4.4)."""
        path, mark, part = path.partition("#")
        joined = "&" if "?" in path else "?"
        at = f"{path}{joined}lang={self.half.public.language(scope)}{mark}{part}"
        return self.page(b"", 303, location(at), *extra)

    def sign_in(
        self,
        scope: Scope,
        status: int,
        said: str = "",
        form: Mapping[str, str] | None = None,
        problem: Mapping[str, Any] | None = None,
    ) -> Told:
        """The form, for a browser that has a guest's cookie or gets one."""
        cookie = self.cookies.guest.sent(scope) or new_guest()
        keys = self.half.opening.now().data_keys
        lang = self.half.public.language(scope)
        body = self.pages.sign_in(lang, form_token(keys, cookie), said, form, problem)
        extra = [self.cookies.guest.give(cookie)]
        if status == 401:
            extra.append((b"www-authenticate", b'Bearer realm="verify"'))
        return self.page(body, status, *extra)

    def refused(self, scope: Scope, error: VerifyError) -> tuple[int, dict[str, Any]]:
        """Status and problem of a form that is shown again."""
        _, status, problem = self.half.public.problems.describe(error, self.half.public.language(scope))
        return status, problem

    def held(self, visit: Visit) -> Held:
        """What every page of a session is made from."""
        until = dt.datetime.fromtimestamp(visit.session.until, dt.UTC)
        token = form_token(visit.desk.data_keys, visit.cookie)
        return Held(place=visit.place, number=visit.session.number, until=until, token=token)

    async def home(
        self,
        scope: Scope,
        visit: Visit,
        status: int = 200,
        label: str = "",
        problem: Mapping[str, Any] | None = None,
    ) -> Told:
        """The page of one certificate."""
        desk, session = visit.desk, visit.session
        newest = await desk.files.newest(session)
        others = [(at, one) for at, one in enumerate(session.numbers, 1) if at != visit.place]
        shown = await asyncio.gather(*(desk.lookup.by_number(number) for _, number in others))
        found = await desk.lookup.by_scan_code(newest.scan_code)
        home = Home(
            answer=_decode(found.answers[0]) if found.answers else None,
            newest=newest,
            links=await desk.links.list(session),
            listed=await desk.choices.is_listed(session),
            asked=await desk.choices.asked_about(session),
            objections=len(await desk.desk.objections_of(session.number)),
            others=[
                (at, number, _decode(one.answers[0]) if one.answers else None)
                for (at, number), one in zip(others, shown, strict=True)
            ],
            now=utc_now(),
        )
        lang = self.half.public.language(scope)
        return self.page(self.pages.home(lang, self.held(visit), home, label, problem), status)


def holder_page_handlers(half: OfficeHalf) -> list[HTTPRouteHandler]:
    """`/holder` and what is below it."""
    doors = Doors(half)
    return [
        *_session_handlers(doors),
        *_certificate_handlers(doors),
        *_link_handlers(doors),
        *_objection_handlers(doors),
    ]


def _session_handlers(doors: Doors) -> list[HTTPRouteHandler]:
    half = doors.half

    @get("/holder")
    async def enter(request: Ask) -> Told:
        scope = request.scope
        try:
            visit = await doors.visit(scope, "1")
        except Unauthenticated:
            said = "over" if doors.cookies.session.sent(scope) else ""
            left = b"left=yes" in scope["query_string"].split(b"&")
            return doors.sign_in(scope, 200, "left" if left else said)
        return await doors.home(scope, visit)

    @post("/holder", status_code=303)
    async def sign_in(request: Ask) -> Told:
        scope = request.scope
        check_site(scope, half.public.host)
        form = await doors.form(scope, request.receive, SIGN_IN)
        guest = doors.cookies.guest.sent(scope)
        if not form_belongs(half.opening.now().data_keys, guest, form.get(FIELD, "")):
            return doors.sign_in(scope, 403, "refused", form)
        id_type = form.get("id_type", "")
        number = read_number(form.get("number", "")).text
        id_number, _ = read_id_number(id_type, form.get("id_number", ""))
        try:
            text, _ = await open_session(half, scope, number, form.get("name", ""), id_type, id_number)
        except Invalid as error:
            status, problem = doors.refused(scope, error)
            return doors.sign_in(scope, status, "", form, problem)
        except NotFound:
            return doors.sign_in(scope, 404, "missed", form)
        return doors.see_other(scope, "/holder", doors.cookies.session.give(text))

    @post("/holder/sign-out", status_code=303)
    async def sign_out(request: Ask) -> Told:
        scope, desk = request.scope, half.opening.now()
        check_site(scope, half.public.host)
        cookie, form = doors.cookies.session.sent(scope), await doors.form(scope, request.receive, ())
        with contextlib.suppress(Unauthenticated):
            await desk.sessions.read(cookie)  # whoever is not signed in is out already, with any form
            if not form_belongs(desk.data_keys, cookie, form.get(FIELD, "")):
                raise Forbidden(FOREIGN)
            await desk.sessions.end(cookie)  # no budget holds it back
        return doors.see_other(scope, "/holder?left=yes", doors.cookies.session.take())

    return [enter, sign_in, sign_out]


def _certificate_handlers(doors: Doors) -> list[HTTPRouteHandler]:
    half = doors.half

    @get("/holder/{place:str}", exception_handlers=doors.not_signed_in)
    async def certificate(request: Ask, place: Named) -> Told:
        visit = await doors.visit(request.scope, place)
        return await doors.home(request.scope, visit)

    @get("/holder/{place:str}/document.pdf", exception_handlers=doors.not_signed_in)
    async def pdf(request: Ask, place: Named) -> Told:
        visit = await doors.visit(request.scope, place, tight=True)
        return told(document_file(half, await visit.desk.files.document(visit.session)))

    @get("/holder/{place:str}/document.png", exception_handlers=doors.not_signed_in)
    async def png(request: Ask, place: Named) -> Told:
        visit = await doors.visit(request.scope, place, tight=True)
        return told(picture_file(half, await visit.desk.files.picture(visit.session)))

    @get("/holder/{place:str}/picture", exception_handlers=doors.not_signed_in)
    async def picture(request: Ask, place: Named) -> Told:
        scope = request.scope
        visit = await doors.visit(scope, place)
        return doors.page(doors.pages.picture(half.public.language(scope), doors.held(visit)))

    @post("/holder/{place:str}/name-search", status_code=303, exception_handlers=doors.not_signed_in)
    async def name_search(request: Ask, place: Named) -> Told:
        scope = request.scope
        visit, form = await doors.act(scope, request.receive, place, ["listed"])
        wish = {"yes": True, "no": False}.get(form.get("listed", ""))
        if wish is None:
            raise Malformed
        await visit.desk.choices.set_listed(visit.session, wish)
        return doors.see_other(scope, f"/holder/{visit.place}#name-search")

    return [certificate, pdf, png, picture, name_search]


def _link_handlers(doors: Doors) -> list[HTTPRouteHandler]:
    half = doors.half

    @post("/holder/{place:str}/links", status_code=303, exception_handlers=doors.not_signed_in)
    async def make(request: Ask, place: Named) -> Told:
        scope = request.scope
        visit, form = await doors.act(scope, request.receive, place, ["days", "label"])
        days, label = form.get("days", ""), form.get("label", "")
        try:
            link = await visit.desk.links.make(visit.session, int(days) if _is_days(days) else 0, label)
        except (Invalid, Conflict) as error:
            status, problem = doors.refused(scope, error)
            return await doors.home(scope, visit, status, label, problem)
        return doors.see_other(scope, f"/holder/{visit.place}/links/{link.id}")

    @get("/holder/{place:str}/links/{share:str}", exception_handlers=doors.not_signed_in)
    async def link(request: Ask, place: Named, share: Named) -> Told:
        scope = request.scope
        visit = await doors.visit(scope, place)
        found = next((one for one in await visit.desk.links.list(visit.session) if one.id == share), None)
        if found is None:
            raise NotFound
        address = f"{half.public_url}/S/{found.code}"
        qr = await asyncio.to_thread(partial(render_qr_png, address, dots_per_module=QR_DOTS))
        body = doors.pages.link(half.public.language(scope), doors.held(visit), found, qr, utc_now())
        return doors.page(body)

    @post(
        "/holder/{place:str}/links/{share:str}/withdrawal",
        status_code=303,
        exception_handlers=doors.not_signed_in,
    )
    async def withdraw(request: Ask, place: Named, share: Named) -> Told:
        scope = request.scope
        visit, _ = await doors.act(scope, request.receive, place)
        await visit.desk.links.withdraw(visit.session, share)
        return doors.see_other(scope, f"/holder/{visit.place}#links")

    return [make, link, withdraw]


def _objection_handlers(doors: Doors) -> list[HTTPRouteHandler]:
    half = doors.half

    @get("/holder/{place:str}/objections", exception_handlers=doors.not_signed_in)
    async def objections(request: Ask, place: Named) -> Told:
        scope = request.scope
        visit = await doors.visit(scope, place)
        seen = await visit.desk.desk.objections_of(visit.session.number)
        return doors.page(doors.pages.objections(half.public.language(scope), doors.held(visit), seen))

    @post("/holder/{place:str}/objections", status_code=303, exception_handlers=doors.not_signed_in)
    async def object_to(request: Ask, place: Named) -> Told:
        scope = request.scope
        visit, form = await doors.act(scope, request.receive, place, ["matter", "words"])
        desk, number = visit.desk.desk, visit.session.number
        tag = visit.desk.data_keys.request_tag(msgspec.json.encode([scope["path"], form]))
        told_us = {key: form.get(key, "") for key in ("matter", "words")}
        try:
            given = convert(msgspec.convert, told_us, HolderObjectionRequest)
            await desk.objection_of(number, given, tag)
        except (Invalid, Conflict) as error:
            status, problem = doors.refused(scope, error)
            seen = await desk.objections_of(number)
            body = doors.pages.objections(
                half.public.language(scope), doors.held(visit), seen, told_us, problem
            )
            return doors.page(body, status)
        return doors.see_other(scope, f"/holder/{visit.place}/objections")

    return [objections, object_to]


def _is_days(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 3
