"""The office's queue over HTTP: an agency's key opens its own cases, the operator's all; and the list of imitations."""

import datetime as dt
from typing import Any, Final

import msgspec
from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler

from verify.cases.queue import Whole
from verify.cases.told import Answer
from verify.web.cases.door import Doors, request_tag
from verify.web.cases.imitations_door import imitation_view
from verify.web.framework import Ask, Named, Told, told
from verify.web.office.access import admit, admit_operator, read_json
from verify.web.office.desk import OfficeHalf, location
from verify.web.reply import Reply


class AnswerRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a case ends, with reasons; `number`: the certificate that holds the correction."""

    outcome: str
    words: str
    number: str | None = None


class CloseRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A note for the office alone."""

    note: str = ""


class AssignRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The agency that is to deal with it."""

    agency: str


class ImitationRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A site to list. The note is public; without a day it was seen today."""

    domain: str
    note: str = ""
    seen_on: dt.date | None = None


QUEUE_BODIES: Final[dict[str, type]] = {
    "AnswerRequest": AnswerRequest,
    "CloseRequest": CloseRequest,
    "AssignRequest": AssignRequest,
    "ImitationRequest": ImitationRequest,
}


def queue_handlers(doors: Doors) -> list[HTTPRouteHandler]:
    """`/api/v1/cases`."""
    half = doors.half

    @get("/api/v1/cases")
    async def cases(request: Ask) -> Told:
        caller = await admit(half, request.scope)
        asked = request.query_params
        page = await caller.desk.queue.list(
            caller.caller, states=asked.getall("state", []), kinds=asked.getall("kind", []),
            after=asked.get("after", ""),
        )  # fmt: skip
        following = None if page.next is None else _next(request, page.next)
        return told(half.json({"cases": page.cases, "next": following}))

    @get("/api/v1/cases/{case:str}")
    async def show(request: Ask, case: Named) -> Told:
        caller = await admit(half, request.scope)
        return told(_whole(half, await caller.desk.queue.show(case, caller.caller)))

    @get("/api/v1/cases/{case:str}/picture")
    async def picture(request: Ask, case: Named) -> Told:
        caller = await admit(half, request.scope)
        data = await caller.desk.queue.picture(case, caller.caller)
        return told(Reply(200, half.headers.cached("image/jpeg", "no-store"), data))

    return [cases, show, picture]


def deed_handlers(doors: Doors) -> list[HTTPRouteHandler]:
    """`/api/v1/cases/{case}/acceptance|assignment|answer|closure`."""
    half = doors.half

    @post("/api/v1/cases/{case:str}/acceptance", status_code=200)
    async def accept(request: Ask, case: Named) -> Told:
        scope = request.scope
        caller = await admit(half, scope)
        body = await doors.body(scope, request.receive, half.body_limit)
        tag = request_tag(caller.desk, scope, body)
        return told(_whole(half, await caller.desk.queue.accept(case, caller.caller, tag)))

    @post("/api/v1/cases/{case:str}/assignment", status_code=200)
    async def assign(request: Ask, case: Named) -> Told:
        scope = request.scope
        caller = await admit_operator(half, scope)
        given, body = await read_json(half, scope, request.receive, AssignRequest)
        tag = request_tag(caller.desk, scope, body)
        return told(_whole(half, await caller.desk.queue.assign(case, given.agency, caller.caller, tag)))

    @post("/api/v1/cases/{case:str}/answer", status_code=200)
    async def answer(request: Ask, case: Named) -> Told:
        scope = request.scope
        caller = await admit(half, scope)
        given, body = await read_json(half, scope, request.receive, AnswerRequest)
        tag = request_tag(caller.desk, scope, body)
        said = Answer(given.outcome, given.words, given.number)
        return told(_whole(half, await caller.desk.queue.answer(case, said, caller.caller, tag)))

    @post("/api/v1/cases/{case:str}/closure", status_code=200)
    async def close(request: Ask, case: Named) -> Told:
        scope = request.scope
        caller = await admit(half, scope)
        given, body = await read_json(half, scope, request.receive, CloseRequest)
        tag = request_tag(caller.desk, scope, body)
        return told(_whole(half, await caller.desk.queue.close(case, caller.caller, given.note, tag)))

    return [accept, assign, answer, close]


def listing_handlers(doors: Doors) -> list[HTTPRouteHandler]:
    """Adding to the list of imitation sites, and taking off it."""
    half = doors.half

    @post("/api/v1/imitations", status_code=201)
    async def add(request: Ask) -> Told:
        caller = await admit_operator(half, request.scope)
        given, _ = await read_json(half, request.scope, request.receive, ImitationRequest)
        site = await caller.desk.imitations.add(
            given.domain, note=given.note, seen_on=given.seen_on, actor=caller.actor
        )
        return told(half.json(imitation_view(site), 201, location("/api/v1/imitations")))

    @delete("/api/v1/imitations/{domain:str}", status_code=200)
    async def remove(request: Ask, domain: Named) -> Told:
        caller = await admit_operator(half, request.scope)
        site = await caller.desk.imitations.remove(domain, actor=caller.actor)
        return told(half.json(imitation_view(site)))

    return [add, remove]


def _whole(half: OfficeHalf, whole: Whole) -> Reply:
    """A case as one object, the queue's fields first."""
    shown: dict[str, Any] = msgspec.to_builtins(whole.case)
    address = f"/api/v1/cases/{whole.case.id}"
    links = {"self": address} | ({"picture": f"{address}/picture"} if whole.pictured else {})
    return half.json(
        shown | {"told": whole.told, "steps": whole.steps, "answer": whole.answer, "links": links}
    )


def _next(request: Ask, after: str) -> str:
    kept = [(key, value) for key, value in request.query_params.multi_items() if key in ("state", "kind")]
    return "/api/v1/cases?" + "&".join(f"{key}={value}" for key, value in [*kept, ("after", after)])
