"""Issuing, reissuing and showing certificates to the agency that owns them."""

from typing import Any, Final

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from verify.certificate.form import IssueRequest
from verify.issuance.issue import Issued
from verify.issuance.reissue import ReissueRequest
from verify.issuance.view import View
from verify.proof.digits import encode_digits
from verify.web.framework import Ask, Named, Told, told
from verify.web.office.access import Admitted, admit, admit_agency, idempotency_key, read_json
from verify.web.office.desk import OfficeHalf, location

DOCUMENTS: Final = ("document.pdf", "document.png", "share.png", "qr.png", "qr.svg", "history")

_decode = msgspec.json.Decoder().decode


def certificate_handlers(half: OfficeHalf) -> list[HTTPRouteHandler]:
    """`/api/v1/certificates`, as far as it needs an API key."""

    @post("/api/v1/certificates", status_code=201)
    async def issue(request: Ask) -> Told:
        # 1. An agency asks, under a key of its own choice.
        asked, agency = await admit_agency(half, request.scope)
        key = idempotency_key(request.scope)
        given, _ = await read_json(half, request.scope, request.receive, IssueRequest, limit=half.issue_limit)
        # 2. Issued: numbered, signed, durable, public. The same key again finds the same certificate.
        issued = await asked.desk.issuance.issue(agency, given, key, asked.actor)
        # 3. Told: 201 the first time, 200 with the same body when it was there.
        return told(await _made(half, asked, issued))

    @post("/api/v1/certificates/{number:str}/reissues", status_code=201)
    async def reissue(request: Ask, number: Named) -> Told:
        asked = await admit(half, request.scope)
        key = idempotency_key(request.scope)
        given, _ = await read_json(
            half, request.scope, request.receive, ReissueRequest, limit=half.issue_limit
        )
        issued = await asked.desk.reissues.reissue(number, given, key, asked.caller)
        return told(await _made(half, asked, issued))

    @get("/api/v1/certificates/{number:str}")
    async def show(request: Ask, number: Named) -> Told:
        asked = await admit(half, request.scope)
        view = await asked.desk.views.show(number, asked.caller)
        return told(half.json(owner_view(view, await _answer(asked, view.scan_code))))

    @get("/api/v1/certificates/{number:str}/history")
    async def history(request: Ask, number: Named) -> Told:
        asked = await admit(half, request.scope)
        return told(half.json({"events": await asked.desk.views.history(number, asked.caller)}))

    return [issue, reissue, show, history]


async def _made(half: OfficeHalf, asked: Admitted, issued: Issued) -> Any:
    """What the maker of a copy is told: the same bytes each time, until the certificate itself changes."""
    base = f"/api/v1/certificates/{issued.number}"
    answer = await _answer(asked, issued.scan_code)
    if answer is not None:
        answer["as_of"] = _first_true(answer, issued)
    body = {
        "number": issued.number,
        "scan_code": issued.scan_code,
        "scan_url": f"{half.public_url}/V/{issued.scan_code}",
        "copy": issued.copy,
        "token": encode_digits(issued.token),
        "credential": issued.credential,
        "issued_at": issued.issued_at,
        "answer": answer,
        "links": {"self": half.public_url + base}
        | {name.replace(".", "_"): f"{half.public_url}{base}/{name}" for name in DOCUMENTS},
    }
    return half.json(body, 200 if issued.already else 201, location(base))


async def _answer(asked: Admitted, scan_code: str) -> dict[str, Any] | None:
    """The public's answer; None when the public is not shown this certificate any more."""
    found = await asked.desk.lookup.by_scan_code(scan_code)
    answer: dict[str, Any] | None = _decode(found.answers[0]) if found.answers else None
    return answer


def _first_true(answer: dict[str, Any], issued: Issued) -> str:
    """When the state that `answer` shows began to be true, if nothing changed since this copy was issued.

    Otherwise the time of the look-up: a later change is told with its own time.
    """
    at = issued.issued_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    unchanged = answer["status"]["since"] <= at and answer["copy"]["current"] and answer["verdict"] == "valid"
    return at if unchanged else str(answer["as_of"])


def owner_view(view: View, answer: dict[str, Any] | None) -> dict[str, Any]:
    """Everything the agency entered and the service made of it, holder in full, and what the public sees."""
    shown: dict[str, Any] = msgspec.to_builtins(view)
    shown["answer"] = answer
    return shown
