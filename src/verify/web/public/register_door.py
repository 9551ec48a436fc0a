"""The public register of agencies, revocation lists, what a problem type means, metrics, and the API's description."""

from typing import Any

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler

from verify.certificate.agency import parse_agency_code
from verify.certificate.record import Agency, Filing
from verify.errors import NotFound
from verify.store import register
from verify.store.contract import Program
from verify.telemetry import CONTENT_TYPE, Readings, render_metrics
from verify.web.framework import Named, Told, told
from verify.web.public.half import PublicHalf
from verify.web.reply import Reply

CRL = "application/pkix-crl"
"""RFC 2585 §4.2."""
CRL_MAX_AGE_S = 60
"""A compromised key is seen as one within a minute, as with the trust list."""

_encode = msgspec.json.Encoder().encode


def register_handlers(half: PublicHalf, document: bytes, readings: Readings) -> list[HTTPRouteHandler]:
    """Routes of this module; `document` is the OpenAPI document, `readings` are taken at each scrape."""

    @get("/api/v1/agencies")
    async def agencies() -> Told:
        found = await half.opening.now().store.read(register.list_agencies)
        return told(Reply(200, half.headers.json, _encode({"agencies": found})))

    @get("/api/v1/agencies/{code:str}")
    async def agency(code: Named) -> Told:
        parsed = str(parse_agency_code(code)[0])
        found = await half.opening.now().store.read(lambda: agency_with_filings(parsed))
        if found is None:
            raise NotFound
        return told(Reply(200, half.headers.json, _encode(with_filings(*found))))

    @get("/crl/{kid:str}")
    async def revocations(kid: Named) -> Told:
        found = await half.opening.now().store.read(lambda: register.find_revocation_list(kid))
        if found is None:
            raise NotFound
        return told(Reply(200, half.headers.cached(CRL, f"public, max-age={CRL_MAX_AGE_S}"), found.document))

    @get("/problems/{code:str}")
    async def problem_kind(code: Named) -> Told:
        body = half.problems.explain(code)
        if body is None:
            raise NotFound
        return told(Reply(200, half.headers.json, body))

    @get("/schema/openapi.json")
    async def schema() -> Told:
        return told(Reply(200, half.headers.cached("application/json", "public, max-age=300"), document))

    @get("/metrics")
    async def metrics() -> Told:
        return told(Reply(200, half.headers.cached(CONTENT_TYPE, "no-store"), render_metrics(readings)))

    return [agencies, agency, revocations, problem_kind, schema, metrics]


def with_filings(agency: Agency, filings: list[Filing]) -> dict[str, Any]:
    """An agency with what it may assess, as the register shows it."""
    shown: dict[str, Any] = msgspec.to_builtins(agency)
    shown["filings"] = msgspec.to_builtins(filings)
    return shown


def agency_with_filings(code: str) -> Program[tuple[Agency, list[Filing]] | None]:
    """An agency and its filings in one snapshot; None for an unknown code."""
    agency = yield from register.find_agency(code)
    if agency is None:
        return None
    return agency, (yield from register.list_filings(code))
