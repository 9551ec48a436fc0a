"""Agencies, filings, keys and API keys over HTTP: the operator's role, except for what an agency may see of itself."""

import datetime as dt
from typing import Any, TypeVar

import msgspec
from litestar import delete, get, post
from litestar.handlers import HTTPRouteHandler

from verify.certificate.agency import parse_agency_code
from verify.errors import Fault, Forbidden, Invalid, NotFound, Words
from verify.office.agencies import FilingRequest
from verify.proof.public import KeyPurpose, PublicKey, to_jwk
from verify.store.register import Credential
from verify.web.framework import Ask, Named, Told, told
from verify.web.hygiene import read_body
from verify.web.office.access import Admitted, admit, admit_operator, read_json, request_tag
from verify.web.office.desk import OfficeHalf, location

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode


class AgencyRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An agency to register."""

    code: str
    name_zh: str
    name_en: str = ""
    kind: str | None = None
    contact: str | None = None


class ReasonRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why an agency is suspended, cancelled or reinstated."""

    reason: str


class EndRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last day of a filing."""

    to_on: dt.date


class KeyRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the key is for."""

    purpose: KeyPurpose


class CompromiseRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From when on its signatures prove nothing."""

    since: dt.datetime


class CredentialRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom the API key is for."""

    name: str


def agency_handlers(half: OfficeHalf) -> list[HTTPRouteHandler]:
    """Agencies and filings."""

    @post("/api/v1/agencies", status_code=201)
    async def add_agency(request: Ask) -> Told:
        caller, given, tag = await _operator(half, request, AgencyRequest)
        made = await caller.desk.office.agencies.add(
            given.code, name_zh=given.name_zh, name_en=given.name_en, kind=given.kind, contact=given.contact,
            actor=caller.actor, request=tag,
        )  # fmt: skip
        return told(half.json(made, 201, location(f"/api/v1/agencies/{made.code}")))

    @get("/api/v1/agencies/{code:str}/filings")
    async def filings(request: Ask, code: Named) -> Told:
        caller = await admit(half, request.scope)
        found = await caller.desk.office.agencies.list_filings(_own(caller, code))
        return told(half.json({"filings": found}))

    @post("/api/v1/agencies/{code:str}/filings", status_code=201)
    async def add_filing(request: Ask, code: Named) -> Told:
        caller, given, tag = await _operator(half, request, FilingRequest)
        made = await caller.desk.office.agencies.add_filing(code, given, actor=caller.actor, request=tag)
        return told(half.json(made, 201))

    @post("/api/v1/agencies/{code:str}/filings/{filing:str}/end", status_code=200)
    async def end_filing(request: Ask, code: Named, filing: Named) -> Told:
        caller, given, tag = await _operator(half, request, EndRequest)
        owner = str(parse_agency_code(code)[0])
        ended = await caller.desk.office.agencies.end_filing(
            filing, given.to_on, owner=owner, actor=caller.actor, request=tag
        )
        return told(half.json(ended))

    return [add_agency, filings, add_filing, end_filing, *_steps(half)]


def _steps(half: OfficeHalf) -> list[HTTPRouteHandler]:
    return [_agency_step(half, step) for step in ("suspension", "cancellation", "reinstatement")]


def _agency_step(half: OfficeHalf, step: str) -> HTTPRouteHandler:
    @post(f"/api/v1/agencies/{{code:str}}/{step}", status_code=200)
    async def change(request: Ask, code: Named) -> Told:
        caller, given, tag = await _operator(half, request, ReasonRequest)
        desk = caller.desk.office.agencies
        steps = {"suspension": desk.suspend, "cancellation": desk.cancel, "reinstatement": desk.reinstate}
        return told(half.json(await steps[step](code, given.reason, actor=caller.actor, request=tag)))

    return change


def key_handlers(half: OfficeHalf) -> list[HTTPRouteHandler]:
    """The keys of an agency."""

    @get("/api/v1/agencies/{code:str}/keys")
    async def keys(request: Ask, code: Named) -> Told:
        caller = await admit(half, request.scope)
        found = await caller.desk.office.keys.list_keys(_own(caller, code))
        return told(half.json({"keys": [key_view(key) for key in found]}))

    @post("/api/v1/agencies/{code:str}/keys", status_code=201)
    async def create(request: Ask, code: Named) -> Told:
        caller, given, tag = await _operator(half, request, KeyRequest)
        owner = str(parse_agency_code(code)[0])
        made = await caller.desk.office.keys.create(owner, given.purpose, actor=caller.actor, request=tag)
        return told(half.json(key_view(made), 201))

    @post("/api/v1/agencies/{code:str}/keys/{kid:str}/activation", status_code=200)
    async def activate(request: Ask, code: Named, kid: Named) -> Told:
        caller, tag = await _key_of(half, request, code, kid)
        return told(
            half.json(key_view(await caller.desk.office.keys.activate(kid, actor=caller.actor, request=tag)))
        )

    @post("/api/v1/agencies/{code:str}/keys/{kid:str}/retirement", status_code=200)
    async def retire(request: Ask, code: Named, kid: Named) -> Told:
        caller, tag = await _key_of(half, request, code, kid)
        return told(
            half.json(key_view(await caller.desk.office.keys.retire(kid, actor=caller.actor, request=tag)))
        )

    @post("/api/v1/agencies/{code:str}/keys/{kid:str}/compromise", status_code=200)
    async def compromise(request: Ask, code: Named, kid: Named) -> Told:
        caller, given, tag = await _operator(half, request, CompromiseRequest)
        await _check_key_owner(caller, code, kid)
        if given.since.tzinfo is None:
            what = Words(
                "须注明时区，如 2026-11-20T08:00:00Z。", "A time zone is needed: 2026-11-20T08:00:00Z."
            )
            raise Invalid(faults=(Fault("/since", "time-zone", what),))
        changed = await caller.desk.office.keys.compromise(kid, given.since, actor=caller.actor, request=tag)
        return told(half.json(key_view(changed)))

    return [keys, create, activate, retire, compromise]


def credential_handlers(half: OfficeHalf) -> list[HTTPRouteHandler]:
    """The API keys of an agency."""

    @get("/api/v1/agencies/{code:str}/credentials")
    async def credentials(request: Ask, code: Named) -> Told:
        caller = await admit_operator(half, request.scope)
        owner = str(parse_agency_code(code)[0])
        found = await caller.desk.office.credentials.list_credentials(owner)
        return told(half.json({"credentials": [credential_view(one) for one in found]}))

    @post("/api/v1/agencies/{code:str}/credentials", status_code=201)
    async def create(request: Ask, code: Named) -> Told:
        caller, given, tag = await _operator(half, request, CredentialRequest)
        made, secret = await caller.desk.office.credentials.create(
            given.name, agency=code, actor=caller.actor, request=tag
        )
        return told(half.json(credential_view(made) | {"secret": secret}, 201))

    @delete("/api/v1/agencies/{code:str}/credentials/{credential:str}", status_code=200)
    async def revoke(request: Ask, code: Named, credential: Named) -> Told:
        caller = await admit_operator(half, request.scope)
        tag = request_tag(caller, "DELETE", request.scope["path"], b"")
        revoked = await caller.desk.office.credentials.revoke(
            credential, owner=str(parse_agency_code(code)[0]), actor=caller.actor, request=tag
        )
        return told(half.json(credential_view(revoked)))

    return [credentials, create, revoke]


def key_view(key: PublicKey) -> dict[str, Any]:
    """A key as the office sees it: the public half alone."""
    return {
        "kid": key.kid, "alg": key.alg, "owner": key.owner, "purpose": key.purpose, "state": key.state,
        "created_at": key.created_at, "active_from": key.active_from, "active_to": key.active_to,
        "compromised_at": key.compromised_at, "jwk": msgspec.to_builtins(to_jwk(key.alg, key.key_bytes)),
    }  # fmt: skip


def credential_view(one: Credential) -> dict[str, Any]:
    """An API key without its secret, which nobody has."""
    return {
        "id": one.id, "role": one.role, "agency": one.agency, "name": one.name,
        "created_at": one.created_at, "revoked_at": one.revoked_at, "rotations": one.rotations,
        "old_until": one.old_until,
    }  # fmt: skip


async def _operator(half: OfficeHalf, request: Ask, kind: type[T]) -> tuple[Admitted, T, bytes]:
    """The operator, the body, and the digest of both for the ledger."""
    caller = await admit_operator(half, request.scope)
    given, body = await read_json(half, request.scope, request.receive, kind)
    return caller, given, request_tag(caller, request.scope["method"], request.scope["path"], body)


async def _key_of(half: OfficeHalf, request: Ask, code: str, kid: str) -> tuple[Admitted, bytes]:
    caller = await admit_operator(half, request.scope)
    await read_body(request.scope, request.receive, limit=half.body_limit, timeout_s=half.body_timeout_s)
    await _check_key_owner(caller, code, kid)
    return caller, request_tag(caller, request.scope["method"], request.scope["path"], b"")


async def _check_key_owner(caller: Admitted, code: str, kid: str) -> None:
    """A key is addressed below its owner. Raises NotFound below anybody else."""
    if (await caller.desk.office.keys.find(kid)).owner != str(parse_agency_code(code)[0]):
        raise NotFound


def _own(caller: Admitted, code: str) -> str:
    """The agency whose records are asked for. Raises Forbidden when it is not the caller's own."""
    parsed = str(parse_agency_code(code)[0])
    if caller.owner not in (None, parsed):
        raise Forbidden
    return parsed
