"""Suspend, reinstate, revoke: checked against the list of reasons, carried out in one commit, seen at return."""

import datetime as dt
from collections.abc import Callable, Sequence

import msgspec

from verify.certificate.number import canonical_number
from verify.certificate.status import Move, check_change
from verify.certificate.text import free_text
from verify.errors import Fault, Invalid
from verify.issuance.caller import MAX_NOTE, Caller
from verify.proof.sealing import DataKeys
from verify.store.changes import Change, Changed, change_status
from verify.store.contract import Store
from verify.store.journal import Origin

NOTE_PLACE = b"note"
"""What sealed notes are bound to: one note may stand beside many events."""

_body = msgspec.json.Encoder().encode


class Changes:
    """The desk for changes of status. Safe to call concurrently."""

    def __init__(self, store: Store, *, data_keys: DataKeys, now: Callable[[], dt.datetime]) -> None:
        """`now` gives aware UTC."""
        self._store = store
        self._data_keys = data_keys
        self._now = now

    async def suspend(
        self,
        number: str,
        reason: str,
        caller: Caller,
        *,
        until: dt.datetime | None = None,
        note: str | None = None,
    ) -> Changed:
        """Suspend until reinstated, or until the aware future instant `until`. See `change_many`."""
        changed = await self.change_many([number], Move.SUSPEND, reason, caller, until=until, note=note)
        return changed[0]

    async def reinstate(
        self, number: str, reason: str, caller: Caller, *, note: str | None = None
    ) -> Changed:
        """End a suspension. See `change_many`."""
        return (await self.change_many([number], Move.REINSTATE, reason, caller, note=note))[0]

    async def revoke(self, number: str, reason: str, caller: Caller, *, note: str | None = None) -> Changed:
        """Revoke for ever. See `change_many`."""
        return (await self.change_many([number], Move.REVOKE, reason, caller, note=note))[0]

    async def change_many(
        self,
        numbers: Sequence[str],
        move: Move,
        reason: str,
        caller: Caller,
        *,
        until: dt.datetime | None = None,
        note: str | None = None,
    ) -> list[Changed]:
        """Change all these certificates in one commit, or none; one answer for each number, in order.

        Every read begun after the return shows the change. The same change again writes no event. Raises
        Invalid (reason, end, note, a number that is none), Forbidden (the reason is not for this role),
        NotFound (unknown, or another agency's: the same answer), ForbiddenArrow.
        """
        at = self._now()
        # 1. Checked: nothing of this depends on what the register holds, so nothing of it can tell.
        check_change(move, reason, caller.role, until, at)
        wanted = [canonical_number(number) for number in dict.fromkeys(numbers)]
        sealed = seal_note(self._data_keys, note)
        # 2. Carried out and published: one commit, one event for each certificate that really changes.
        body = _body((list(wanted), move.value, reason, until, note))
        origin = Origin(caller.actor, at, self._data_keys.request_tag(b"change\0" + body))
        changes = [Change(number, move, reason, until, sealed) for number in wanted]
        return await self._store.write(lambda: change_status(changes, caller.agency, origin))


def seal_note(data_keys: DataKeys, note: str | None) -> bytes | None:
    """The free text beside a change, sealed: it may name people. Raises Invalid when it is too long."""
    faults: list[Fault] = []
    text = free_text(note, "/note", MAX_NOTE, faults)
    if faults:
        raise Invalid(faults[0].detail, faults=faults)
    return None if text is None else data_keys.seal(text.encode(), NOTE_PLACE)


def unseal_note(data_keys: DataKeys, sealed: bytes | None) -> str | None:
    """The text that `seal_note` sealed. Raises ProofFailed when it was altered."""
    return None if sealed is None else data_keys.unseal(sealed, NOTE_PLACE).decode()
