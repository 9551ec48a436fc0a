"""Changes of status over HTTP, one or many: the answer leaves only when every later read shows the change."""

import datetime as dt
from typing import Any

import msgspec
from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from verify.certificate.status import Move
from verify.errors import Fault, Invalid, Words
from verify.store.changes import Proposal
from verify.web.framework import Ask, Named, Told, told
from verify.web.hygiene import read_body
from verify.web.office.access import admit, read_json
from verify.web.office.desk import OfficeHalf, location
from verify.web.reply import Reply

_encode = msgspec.json.Encoder().encode
_MOVES = {"suspension": Move.SUSPEND, "reinstatement": Move.REINSTATE, "revocation": Move.REVOKE}


class ChangeRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a certificate changes; `until` ends a suspension."""

    reason: str
    note: str | None = None
    until: dt.datetime | None = None


class RevocationRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Many to revoke: a list of numbers, or the label of a batch (with its agency when the operator asks)."""

    reason: str
    numbers: tuple[str, ...] = ()
    batch: str | None = None
    agency: str | None = None
    note: str | None = None


def change_handlers(half: OfficeHalf) -> list[HTTPRouteHandler]:
    """`POST /api/v1/certificates/{number}/suspension|reinstatement|revocation`."""
    return [_change(half, step, move) for step, move in _MOVES.items()]


def _change(half: OfficeHalf, step: str, move: Move) -> HTTPRouteHandler:
    @post(f"/api/v1/certificates/{{number:str}}/{step}", status_code=200)
    async def change(request: Ask, number: Named) -> Told:
        # 1. Who asks, and for what.
        asked = await admit(half, request.scope)
        given, _ = await read_json(half, request.scope, request.receive, ChangeRequest)
        if given.until is not None and given.until.tzinfo is None:
            what = Words(
                "须注明时区，如 2026-12-31T16:00:00Z。", "A time zone is needed: 2026-12-31T16:00:00Z."
            )
            raise Invalid(faults=(Fault("/until", "time-zone", what),))
        # 2. Changed: durable, and shown by every later read.
        (done,) = await asked.desk.changes.change_many(
            [number], move, given.reason, asked.caller, until=given.until, note=given.note
        )
        # 3. The new answer, asked of the same look-up as everybody else's.
        found = await asked.desk.lookup.by_number(done.number)
        return told(
            Reply(200, half.headers.json, found.answers[0] if found.answers else _hidden(done.number))
        )

    return change


def _hidden(number: str) -> bytes:
    """The answer for a certificate that the public is not shown any more (`VERIFY_REVOKED_PUBLIC=false`)."""
    return _encode({"number": number, "verdict": "unknown"})


def revocation_handlers(half: OfficeHalf) -> list[HTTPRouteHandler]:
    """`/api/v1/revocations`: proposed by one person, approved by another."""

    @post("/api/v1/revocations", status_code=202)
    async def propose(request: Ask) -> Told:
        asked = await admit(half, request.scope)
        given, _ = await read_json(
            half, request.scope, request.receive, RevocationRequest, limit=half.list_limit
        )
        made = await asked.desk.revocations.propose(
            given.reason, asked.caller, numbers=given.numbers, batch=given.batch, agency=given.agency,
            note=given.note,
        )  # fmt: skip
        return told(half.json(proposal_view(made), 202, location(f"/api/v1/revocations/{made.id}")))

    @get("/api/v1/revocations/{proposal:str}")
    async def show(request: Ask, proposal: Named) -> Told:
        asked = await admit(half, request.scope)
        return told(half.json(proposal_view(await asked.desk.revocations.find(proposal, asked.caller))))

    @post("/api/v1/revocations/{proposal:str}/approval", status_code=200)
    async def approve(request: Ask, proposal: Named) -> Told:
        asked = await admit(half, request.scope)
        await _no_body(half, request)
        decided, changed = await asked.desk.revocations.approve(proposal, asked.caller)
        return told(half.json(proposal_view(decided) | {"revoked": len(changed)}))

    @post("/api/v1/revocations/{proposal:str}/withdrawal", status_code=200)
    async def withdraw(request: Ask, proposal: Named) -> Told:
        asked = await admit(half, request.scope)
        await _no_body(half, request)
        return told(half.json(proposal_view(await asked.desk.revocations.withdraw(proposal, asked.caller))))

    return [propose, show, approve, withdraw]


def proposal_view(proposal: Proposal) -> dict[str, Any]:
    """A proposal without its sealed note."""
    return {
        "id": proposal.id, "agency": proposal.agency, "reason": proposal.reason, "state": proposal.state,
        "numbers": proposal.numbers, "proposed_by": proposal.proposed_by, "proposed_at": proposal.proposed_at,
        "decided_by": proposal.decided_by, "decided_at": proposal.decided_at,
    }  # fmt: skip


async def _no_body(half: OfficeHalf, request: Ask) -> None:
    """The address says everything; a small body is read and let go."""
    await read_body(request.scope, request.receive, limit=half.body_limit, timeout_s=half.body_timeout_s)
