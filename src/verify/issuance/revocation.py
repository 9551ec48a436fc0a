"""Many revoked at once: one person proposes, another approves, and all of it is one commit."""

import datetime as dt
import os
from collections.abc import Callable, Sequence

import msgspec

from verify.certificate.number import canonical_number
from verify.certificate.status import Move, check_change
from verify.errors import Fault, Forbidden, Invalid, NotFound, Words
from verify.issuance.caller import Caller
from verify.issuance.change import seal_note
from verify.proof.sealing import DataKeys
from verify.store.changes import (
    Changed,
    Proposal,
    decide_proposal,
    find_proposal,
    propose_revocation,
)
from verify.store.contract import Store
from verify.store.journal import Origin

MAX_NUMBERS = 100_000

_body = msgspec.json.Encoder().encode


class Revocations:
    """The desk for bulk revocations. Safe to call concurrently."""

    def __init__(
        self,
        store: Store,
        *,
        data_keys: DataKeys,
        now: Callable[[], dt.datetime],
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """`now` gives aware UTC."""
        self._store = store
        self._data_keys = data_keys
        self._now = now
        self._random = random

    async def propose(
        self,
        reason: str,
        caller: Caller,
        *,
        numbers: Sequence[str] = (),
        batch: str | None = None,
        agency: str | None = None,
        note: str | None = None,
    ) -> Proposal:
        """Propose to revoke a list of numbers, or what lives of a batch; nothing is revoked yet.

        `agency` tells the operator's proposal whose batch label it is. Raises Invalid (neither or both of list
        and batch, a wrong reason, too many), Forbidden (the reason is not for this role), NotFound (a number
        that is not the caller's, or an empty batch).
        """
        at = self._now()
        check_change(Move.REVOKE, reason, caller.role, None, at)
        _check_target(numbers, batch, caller, agency)
        wanted = tuple(canonical_number(number) for number in dict.fromkeys(numbers))
        proposal = Proposal(
            id=f"rv_{self._random(12).hex()}",
            agency=caller.agency,
            reason=reason,
            numbers=wanted,
            proposed_by=caller.who,
            proposed_at=at,
            note_sealed=seal_note(self._data_keys, note),
            state="waiting",
            decided_by=None,
            decided_at=None,
        )
        origin = self._origin(caller, at, ("propose", wanted, batch, agency, reason, note))
        return await self._store.write(
            lambda: propose_revocation(proposal, batch, origin, batch_agency=agency)
        )

    async def find(self, proposal_id: str, caller: Caller) -> Proposal:
        """One proposal of the caller's. Raises NotFound, for another agency's too."""
        proposal = await self._store.read(lambda: find_proposal(proposal_id))
        if proposal is None or (caller.agency is not None and proposal.agency != caller.agency):
            raise NotFound(Words("没有该撤销申请。", "There is no such proposal."))
        return proposal

    async def approve(self, proposal_id: str, caller: Caller) -> tuple[Proposal, list[Changed]]:
        """Revoke everything that the proposal names and that still lives, in one commit with the decision.

        Approving again changes nothing. Raises NotFound, Forbidden (the reason is not for this role), Conflict
        when the caller proposed it or it was withdrawn.
        """
        return await self._decide(proposal_id, caller, approve=True)

    async def withdraw(self, proposal_id: str, caller: Caller) -> Proposal:
        """End a waiting proposal; anybody of the same agency may. Raises NotFound, or Conflict when carried out."""
        proposal, _ = await self._decide(proposal_id, caller, approve=False)
        return proposal

    async def _decide(
        self, proposal_id: str, caller: Caller, *, approve: bool
    ) -> tuple[Proposal, list[Changed]]:
        at = self._now()
        proposal = await self.find(proposal_id, caller)
        if approve:
            check_change(Move.REVOKE, proposal.reason, caller.role, None, at)
        origin = self._origin(caller, at, ("approve" if approve else "withdraw", proposal_id))
        return await self._store.write(
            lambda: decide_proposal(proposal_id, caller.agency, approve, caller.who, origin)
        )

    def _origin(self, caller: Caller, at: dt.datetime, body: object) -> Origin:
        return Origin(caller.actor, at, self._data_keys.request_tag(b"revocation\0" + _body(body)))


def _check_target(numbers: Sequence[str], batch: str | None, caller: Caller, agency: str | None) -> None:
    if bool(numbers) == bool(batch):
        what = Words("请给出批次或编号列表之一。", "Give either a batch or a list of numbers.")
        raise Invalid(what, faults=[Fault("/batch", "one-of", what)])
    if len(numbers) > MAX_NUMBERS:
        what = Words(f"一次最多{MAX_NUMBERS}个编号。", f"At most {MAX_NUMBERS} numbers at once.")
        raise Invalid(what, faults=[Fault("/numbers", "too-many", what)])
    if caller.agency is None and batch and agency is None:
        what = Words("请指明批次所属机构。", "Name the agency whose batch it is.")
        raise Invalid(what, faults=[Fault("/agency", "missing", what)])
    if caller.agency is not None and agency not in (None, caller.agency):
        raise Forbidden
