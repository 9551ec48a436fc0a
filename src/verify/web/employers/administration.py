"""Employers as the operator keeps them: registered with an API key, listed, and shut out at once."""

from typing import Any, Final

from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler

from verify.errors import NotFound, Words
from verify.office.credentials import EMPLOYER_ROLE
from verify.store.register import Credential
from verify.web.framework import Ask, Named, Told, told
from verify.web.office.access import Admitted, admit_operator, read_json, request_tag
from verify.web.office.administration import CredentialRequest
from verify.web.office.desk import OfficeHalf, location
from verify.web.route import Answer, Body, Parameter, Route
from verify.web.schemas import INSTANT, INTEGER, listed, maybe, record, ref, text

ADMINISTRATION_ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="GET", path="/api/v1/employers", tag="administration", auth="operator",
        summary="Employers with an API key, those shut out included.",
        answers={200: Answer("Oldest first.", schema=ref("Employers"))},
        components={
            "Employer": record(
                ("id", "name", "created_at", "revoked_at", "rotations", "old_until"),
                {"secret": text("The API key itself, shown once.")},
                id=text(), name=text(), created_at=INSTANT, revoked_at=maybe(INSTANT), rotations=INTEGER,
                old_until=maybe(INSTANT),
            ),
            "Employers": listed("employers", ref("Employer")),
        },
    ),
    Route(
        method="POST", path="/api/v1/employers", tag="administration", auth="operator",
        summary="Register an employer and make its API key; the secret is shown once.",
        bodies=(Body("application/json", ref("CredentialRequest"), {"name": "岭南机械有限公司"}),),
        answers={201: Answer("The employer.", schema=ref("Employer"), headers=("Location",))},
    ),
    Route(
        method="GET", path="/api/v1/employers/{employer}", tag="administration", auth="operator",
        summary="One employer.", parameters=(
            Parameter("employer", "path", "Id of an employer.", text(), example="0123456789ab"),),
        answers={200: Answer("The employer.", schema=ref("Employer"))},
    ),
    Route(
        method="DELETE", path="/api/v1/employers/{employer}", tag="administration", auth="operator",
        summary="End an employer's API key at once; it is told nothing more, its records stay.", parameters=(
            Parameter("employer", "path", "Id of an employer.", text(), example="0123456789ab"),),
        answers={200: Answer("The employer.", schema=ref("Employer"))},
    ),
)  # fmt: skip


def administration_handlers(half: OfficeHalf) -> list[HTTPRouteHandler]:
    """`/api/v1/employers`."""

    @get("/api/v1/employers")
    async def all_of(request: Ask) -> Told:
        caller = await admit_operator(half, request.scope)
        found = await caller.desk.office.credentials.list_credentials()
        return told(half.json({"employers": [_view(one) for one in found if one.role == EMPLOYER_ROLE]}))

    @post("/api/v1/employers", status_code=201)
    async def create(request: Ask) -> Told:
        caller = await admit_operator(half, request.scope)
        given, body = await read_json(half, request.scope, request.receive, CredentialRequest)
        tag = request_tag(caller, "POST", request.scope["path"], body)
        made, secret = await caller.desk.office.credentials.create(
            given.name, agency=None, employer=True, actor=caller.actor, request=tag
        )
        where = location(f"/api/v1/employers/{made.id}")
        return told(half.json(_view(made) | {"secret": secret}, 201, where))

    @get("/api/v1/employers/{employer:str}")
    async def find(request: Ask, employer: Named) -> Told:
        caller = await admit_operator(half, request.scope)
        return told(half.json(_view(await _found(caller, employer))))

    @delete("/api/v1/employers/{employer:str}", status_code=200)
    async def revoke(request: Ask, employer: Named) -> Told:
        caller = await admit_operator(half, request.scope)
        found = await _found(caller, employer)
        tag = request_tag(caller, "DELETE", request.scope["path"], b"")
        revoked = await caller.desk.office.credentials.revoke(
            found.id, owner=None, actor=caller.actor, request=tag
        )
        return told(half.json(_view(revoked)))

    return [all_of, create, find, revoke]


async def _found(caller: Admitted, employer: str) -> Credential:
    """Raises NotFound, also for a key of an agency or the operator: those are not ended here."""
    for one in await caller.desk.office.credentials.list_credentials():
        if one.id == employer and one.role == EMPLOYER_ROLE:
            return one
    raise NotFound(Words("没有该用人单位。", "There is no such employer."))


def _view(one: Credential) -> dict[str, Any]:
    return {
        "id": one.id, "name": one.name, "created_at": one.created_at, "revoked_at": one.revoked_at,
        "rotations": one.rotations, "old_until": one.old_until,
    }  # fmt: skip
