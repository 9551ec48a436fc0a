"""Programs that change the status of certificates: one commit for one or for many, one event for each."""

import datetime as dt
from collections.abc import Sequence

import msgspec

from verify.certificate.record import Status
from verify.certificate.status import Move, move
from verify.errors import Conflict, NotFound, Words
from verify.store.contract import Program, Row, run
from verify.store.journal import EventKind, Origin, from_micros, open_journal, to_micros


class Change(msgspec.Struct, frozen=True):
    """One change of status that somebody with the right to it asks for."""

    number: str
    move: Move
    reason: str
    until: dt.datetime | None = None
    """UTC; end of a suspension."""
    note: bytes | None = None
    """Sealed free text."""


class Changed(msgspec.Struct, frozen=True):
    """What became of one change."""

    number: str
    revision: int
    fresh: bool
    """False when the certificate already stood exactly so: no event was written."""


_EVENTS = {
    Move.SUSPEND: EventKind.SUSPENDED,
    Move.REINSTATE: EventKind.REINSTATED,
    Move.REVOKE: EventKind.REVOKED,
}


def change_status(changes: Sequence[Change], owner: str | None, origin: Origin) -> Program[list[Changed]]:
    """Carry out all changes in one commit, or none.

    `owner` is the agency that asks, or None for the operator. Raises NotFound for a number that is not the
    owner's (whether it exists or not), ForbiddenArrow when the table of arrows has no such change.
    """
    journal = yield from open_journal(origin)
    rows = {row[0]: row for row in (yield from run("read_state", [change.number for change in changes]))}
    done = []
    for change in changes:
        row = rows.get(change.number)
        if row is None or row[6] == 0 or (owner is not None and row[1] != owner):
            raise NotFound(
                Words(f"未找到证书 {change.number}。", f"There is no certificate {change.number} here.")
            )
        _, _, status, revision, until, *_ = row
        if _stands(change, row, origin.at):
            done.append(Changed(change.number, revision, fresh=False))
            continue
        before = _effective(Status(status), until, origin.at)
        after = move(before, change.move)
        since, ends = to_micros(origin.at), _micros(change.until)
        data = {"status": after.value, "revision": revision + 1, "since": since, "reason": change.reason,
                "until": ends, "replaced_by": None}  # fmt: skip
        seq = journal.add(_EVENTS[change.move], data, number=change.number, note=change.note)
        kept = ends if after is Status.SUSPENDED else None
        yield from run(
            "change_certificate", change.number, after.value, seq, since, change.reason, kept, None
        )
        rows[change.number] = (
            change.number, row[1], after.value, revision + 1, kept, change.reason, *row[6:])  # fmt: skip
        done.append(Changed(change.number, revision + 1, fresh=True))
    yield from journal.close()
    return done


def _stands(change: Change, row: Row, at: dt.datetime) -> bool:
    """The same change again: same target, reason and end."""
    _, _, status, _, until, reason, *_ = row
    effective = _effective(Status(status), until, at)
    if change.move is Move.REINSTATE:
        return effective is Status.VALID and reason == change.reason
    target = {Move.SUSPEND: Status.SUSPENDED, Move.REVOKE: Status.REVOKED}[change.move]
    return effective is target and reason == change.reason and until == _micros(change.until)


def _effective(status: Status, until: int | None, at: dt.datetime) -> Status:
    if status is Status.SUSPENDED and until is not None and from_micros(until) <= at:
        return Status.VALID
    return status


def _micros(at: dt.datetime | None) -> int | None:
    return None if at is None else to_micros(at)


class Proposal(msgspec.Struct, frozen=True):
    """A bulk revocation that waits for a second person."""

    id: str
    agency: str | None
    reason: str
    numbers: tuple[str, ...]
    proposed_by: str
    proposed_at: dt.datetime
    note_sealed: bytes | None
    state: str
    decided_by: str | None
    decided_at: dt.datetime | None


def propose_revocation(
    proposal: Proposal, batch: str | None, origin: Origin, *, batch_agency: str | None = None
) -> Program[Proposal]:
    """Record a proposal; for a batch label, its numbers are the batch's living certificates now.

    `batch_agency` names the agency whose label it is when the operator proposes.

    Raises NotFound when a number is not the agency's or the batch is empty.
    """
    numbers: list[str] = list(proposal.numbers)
    if batch is not None:
        numbers = [n for (n,) in (yield from run("batch_numbers", proposal.agency or batch_agency, batch))]
    rows = {row[0]: row for row in (yield from run("read_state", numbers))}
    for number in numbers:
        row = rows.get(number)
        if row is None or row[6] == 0 or (proposal.agency is not None and row[1] != proposal.agency):
            raise NotFound(Words(f"未找到证书 {number}。", f"There is no certificate {number} here."))
    if not numbers:
        raise NotFound(Words("该批次没有可撤销的证书。", "This batch has no certificate to revoke."))
    proposal = msgspec.structs.replace(proposal, numbers=tuple(numbers))
    yield from run("insert_proposal", proposal.id, proposal.agency, proposal.reason,
                   msgspec.json.encode(numbers).decode(), proposal.proposed_by, to_micros(proposal.proposed_at),
                   proposal.note_sealed)  # fmt: skip
    journal = yield from open_journal(origin)
    journal.add(
        EventKind.REVOCATION_PROPOSED, {"id": proposal.id, "count": len(numbers), "reason": proposal.reason}
    )
    yield from journal.close()
    return proposal


def find_proposal(proposal_id: str) -> Program[Proposal | None]:
    """One proposal."""
    rows = yield from run("find_proposal", proposal_id)
    return _proposal(rows[0]) if rows else None


def decide_proposal(
    proposal_id: str, owner: str | None, approve: bool, person: str, origin: Origin
) -> Program[tuple[Proposal, list[Changed]]]:
    """Carry a proposal out, or withdraw it; the revocations and the decision are one commit.

    Certificates that were revoked or replaced meanwhile are left as they are. Raises NotFound when it is not
    the owner's, Conflict when the approver proposed it or it was decided before.
    """
    proposal = yield from find_proposal(proposal_id)
    if proposal is None or (owner is not None and proposal.agency != owner):
        raise NotFound(Words("没有该撤销申请。", "There is no such proposal."))
    if proposal.state != "waiting":
        if proposal.state == ("carried-out" if approve else "withdrawn"):
            return proposal, []
        raise Conflict(Words("该申请已处理。", "This proposal was decided before."))
    if approve and person == proposal.proposed_by:
        raise Conflict(
            Words("须由另一人批准。", "A second person must approve."),
            hint="approve with another person's API key",
        )
    rows = yield from run("read_state", list(proposal.numbers))
    living = [row[0] for row in rows if row[2] in ("valid", "suspended")]
    done: list[Changed] = []
    if approve and living:
        changes = [Change(n, Move.REVOKE, proposal.reason, note=proposal.note_sealed) for n in sorted(living)]
        done = yield from change_status(changes, None, origin)
    state = "carried-out" if approve else "withdrawn"
    yield from run("decide_proposal", proposal_id, state, person, to_micros(origin.at))
    journal = yield from open_journal(origin)
    journal.add(EventKind.REVOCATION_DECIDED, {"id": proposal_id, "state": state, "revoked": len(done)})
    yield from journal.close()
    proposal = msgspec.structs.replace(proposal, state=state, decided_by=person, decided_at=origin.at)
    return proposal, done


def _proposal(row: Row) -> Proposal:
    key, agency, reason, numbers, by, at, note, state, decided_by, decided_at = row
    return Proposal(
        key, agency, reason, tuple(msgspec.json.decode(numbers, type=list[str])), by, from_micros(at), note, state,
        decided_by, None if decided_at is None else from_micros(decided_at),
    )  # fmt: skip
