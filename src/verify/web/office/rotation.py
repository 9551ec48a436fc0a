"""Another secret for an API key: asked for by the operator, or by the key itself, whoever's it is."""

import datetime as dt
from typing import Annotated, Any, Final

import msgspec
from litestar import delete, post
from litestar.handlers import HTTPRouteHandler

from verify.certificate.agency import parse_agency_code
from verify.office.credentials import EMPLOYER_ROLE, MAX_OVERLAP, OVERLAP
from verify.web.framework import Ask, Named, Told, told
from verify.web.office.access import (
    admit_operator,
    authenticated,
    bearer,
    read_json,
    request_digest,
    request_tag,
)
from verify.web.office.administration import credential_view
from verify.web.office.desk import OfficeHalf
from verify.web.route import Answer, Body, Parameter, Route
from verify.web.schemas import ref, text

_BODY: Final = Body("application/json", ref("RotationRequest"), {"overlap_s": 86_400})
_NEW: Final = Answer("The API key with its new secret, shown once.", schema=ref("Credential"))
_ENDED: Final = Answer("The API key.", schema=ref("Credential"))
_AGENCY: Final = (
    Parameter("code", "path", "Agency code: 13 characters or 8 digits.", text(), example="Y000044010000"),
    Parameter("credential", "path", "Id of an API key.", text(), example="0123456789ab"),
)
_EMPLOYER: Final = (Parameter("employer", "path", "Id of an employer.", text(), example="0123456789ab"),)


def _pair(path: str, whose: str, auth: Any, parameters: tuple[Parameter, ...] = ()) -> tuple[Route, Route]:
    return (
        Route(
            method="POST", path=f"{path}/rotation", tag="administration", auth=auth, parameters=parameters,
            summary=f"Give {whose} a new secret; the old one counts for overlap_s more, 0 to 30 days.",
            bodies=(_BODY,), answers={201: _NEW}, problems=(409,),
        ),
        Route(
            method="DELETE", path=f"{path}/old-secret", tag="administration", auth=auth, parameters=parameters,
            summary=f"Let the old secret of {whose} end now.", answers={200: _ENDED}, problems=(409, 422),
        ),
    )  # fmt: skip


OPERATOR_ROTATION_ROUTES: Final = (
    *_pair("/api/v1/agencies/{code}/credentials/{credential}", "an agency's API key", "operator", _AGENCY),
    *_pair("/api/v1/employers/{employer}", "an employer", "operator", _EMPLOYER),
)
OWN_ROTATION_ROUTES: Final = _pair("/api/v1/credential", "the API key that asks", "key")
ROTATION_ROUTES: Final = (*OPERATOR_ROTATION_ROUTES, *OWN_ROTATION_ROUTES)


class RotationRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For how many seconds the old secret counts beside the new one; 0 ends it at once."""

    overlap_s: Annotated[int, msgspec.Meta(ge=0, le=int(MAX_OVERLAP.total_seconds()))] = int(
        OVERLAP.total_seconds()
    )


def rotation_handlers(half: OfficeHalf) -> list[HTTPRouteHandler]:
    """Every address of the tables above."""
    return [*_own(half), *_of_agency(half), *_of_employer(half)]


def _own(half: OfficeHalf) -> list[HTTPRouteHandler]:
    @post("/api/v1/credential/rotation", status_code=201)
    async def rotate(request: Ask) -> Told:
        desk, credential = await authenticated(half, request.scope)
        given, body = await read_json(half, request.scope, request.receive, RotationRequest)
        made, secret = await desk.office.credentials.rotate(
            credential.id, overlap=dt.timedelta(seconds=given.overlap_s), present=bearer(request.scope), actor=credential.id,
            request=request_digest(desk, "POST", request.scope["path"], body),
        )  # fmt: skip
        return told(half.json(credential_view(made) | {"secret": secret}, 201))

    @delete("/api/v1/credential/old-secret", status_code=200)
    async def end_old(request: Ask) -> Told:
        desk, credential = await authenticated(half, request.scope)
        done = await desk.office.credentials.end_old(
            credential.id, present=bearer(request.scope), actor=credential.id,
            request=request_digest(desk, "DELETE", request.scope["path"], b""),
        )  # fmt: skip
        return told(half.json(credential_view(done)))

    return [rotate, end_old]


def _of_agency(half: OfficeHalf) -> list[HTTPRouteHandler]:
    @post("/api/v1/agencies/{code:str}/credentials/{credential:str}/rotation", status_code=201)
    async def rotate(request: Ask, code: Named, credential: Named) -> Told:
        return await _rotate(half, request, credential, code=code)

    @delete("/api/v1/agencies/{code:str}/credentials/{credential:str}/old-secret", status_code=200)
    async def end_old(request: Ask, code: Named, credential: Named) -> Told:
        return await _end_old(half, request, credential, code=code)

    return [rotate, end_old]


def _of_employer(half: OfficeHalf) -> list[HTTPRouteHandler]:
    @post("/api/v1/employers/{employer:str}/rotation", status_code=201)
    async def rotate(request: Ask, employer: Named) -> Told:
        return await _rotate(half, request, employer, role=EMPLOYER_ROLE)

    @delete("/api/v1/employers/{employer:str}/old-secret", status_code=200)
    async def end_old(request: Ask, employer: Named) -> Told:
        return await _end_old(half, request, employer, role=EMPLOYER_ROLE)

    return [rotate, end_old]


async def _rotate(
    half: OfficeHalf, request: Ask, key: str, *, code: str | None = None, role: str | None = None
) -> Told:
    caller = await admit_operator(half, request.scope)
    given, body = await read_json(half, request.scope, request.receive, RotationRequest)
    made, secret = await caller.desk.office.credentials.rotate(
        key, overlap=dt.timedelta(seconds=given.overlap_s), owner=_owner(code), role=role, actor=caller.actor,
        request=request_tag(caller, "POST", request.scope["path"], body),
    )  # fmt: skip
    return told(half.json(credential_view(made) | {"secret": secret}, 201))


async def _end_old(
    half: OfficeHalf, request: Ask, key: str, *, code: str | None = None, role: str | None = None
) -> Told:
    caller = await admit_operator(half, request.scope)
    done = await caller.desk.office.credentials.end_old(
        key, owner=_owner(code), role=role, actor=caller.actor,
        request=request_tag(caller, "DELETE", request.scope["path"], b""),
    )  # fmt: skip
    return told(half.json(credential_view(done)))


def _owner(code: str | None) -> str | None:
    """The agency below which the key is addressed. Raises Invalid."""
    return None if code is None else str(parse_agency_code(code)[0])
