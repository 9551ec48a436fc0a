"""A holder with a session objects to an error on the certificate, and follows it without a receipt."""

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from verify.cases.told import HolderObjectionRequest
from verify.web.cases.door import Doors, request_tag
from verify.web.framework import Ask, Told, told
from verify.web.holders.door import admit_holder
from verify.web.office.access import read_json

HOLDER_CASE_BODIES: dict[str, type] = {"HolderObjectionRequest": HolderObjectionRequest}


def holder_case_handlers(doors: Doors) -> list[HTTPRouteHandler]:
    """`/api/v1/holder/objections`."""
    half = doors.half

    @post("/api/v1/holder/objections", status_code=201)
    async def object_to(request: Ask) -> Told:
        scope = request.scope
        desk, session = await admit_holder(half, scope, tight=True)
        given, body = await read_json(half, scope, request.receive, HolderObjectionRequest)
        opened = await desk.desk.objection_of(session.number, given, request_tag(desk, scope, body))
        return told(doors.opened(opened, "/objections"))

    @get("/api/v1/holder/objections")
    async def objections(request: Ask) -> Told:
        desk, session = await admit_holder(half, request.scope, tight=True)
        found = await desk.desk.objections_of(session.number)
        return told(half.json({"objections": [msgspec.to_builtins(one) for one in found]}))

    return [object_to, objections]
