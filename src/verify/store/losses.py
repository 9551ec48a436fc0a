"""Programs for what a restore did not bring back: what it is, and that the operator has settled it.

Until then a look-up of it ends in "could not check": the ledger says that it was issued, so `unknown` would be a lie,
and nothing more is known. Settled means that its holder has another certificate or copy, or will get none.
"""

import datetime as dt
from collections.abc import Sequence

import msgspec

from verify.errors import NotFound, Words
from verify.store.contract import Program, run
from verify.store.journal import EventKind, Origin, from_micros, open_journal, to_micros


class Loss(msgspec.Struct, frozen=True):
    """One certificate (its first copy) or later copy."""

    number: str
    copy: int
    agency: str
    issued_at: dt.datetime
    status: str
    """The last that the ledger says of the certificate, when the register does not have it."""
    until: dt.datetime | None
    settled_at: dt.datetime | None
    settled_by: str | None


def list_losses() -> Program[list[Loss]]:
    """All of them, settled ones too, by number and copy."""
    found = []
    for number, copy, agency, issued_at, status, until, settled_at, settled_by in (
        yield from run("list_lost")
    ):
        end = None if until is None else from_micros(until)
        settled = None if settled_at is None else from_micros(settled_at)
        found.append(Loss(number, copy, agency, from_micros(issued_at), status, end, settled, settled_by))
    return found


def settle_losses(numbers: Sequence[str], origin: Origin) -> Program[list[str]]:
    """From now on look-ups call these unknown; the numbers that were open. Raises NotFound for one that is not lost."""
    losses = yield from list_losses()
    known = {one.number for one in losses}
    for number in numbers:
        if number not in known:
            raise NotFound(Words(f"{number} 不在丢失清单中。", f"{number} is not among what was lost."))
    open_ones = {one.number for one in losses if one.settled_at is None}
    wanted = sorted(open_ones.intersection(numbers))
    journal = yield from open_journal(origin)
    for number in wanted:
        yield from run("settle_lost", number, to_micros(origin.at), origin.actor)
        journal.add(EventKind.LOSS_SETTLED, {}, number=number)
    yield from journal.close()
    return wanted
