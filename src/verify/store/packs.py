"""The program that reads what a status pack holds: how far every counter is, and every number that is not valid."""

import datetime as dt

import msgspec

from verify.proof.pack import Listed
from verify.store.contract import Program, run
from verify.store.journal import to_micros

PAGE = 20_000
"""Rows fetched at once; all pages belong to one snapshot."""

_STATES = {state.name.lower(): state for state in Listed if state is not Listed.CLEAR}


class Standing(msgspec.Struct, frozen=True):
    """The register as a pack sees it, true at ledger sequence `seq`."""

    seq: int
    counters: tuple[tuple[str, int], ...]
    """Prefix and the next serial."""
    listed: tuple[tuple[str, Listed], ...]
    """Numbers by which something is wrong, ascending. Prepared ones are nobody's business and left out."""


def read_standing(at: dt.datetime) -> Program[Standing]:
    """Counters and every suspended, revoked, replaced or void number. A suspension that has ended by `at` (aware
    UTC) is over, as it is for look-ups."""
    ((seq,),) = yield from run("read_seq")
    counters = yield from run("list_counters")
    listed: list[tuple[str, Listed]] = []
    last = ""
    while True:
        rows = yield from run("list_not_valid", to_micros(at), last, PAGE)
        listed += [(number, _STATES[status]) for number, status in rows]
        if len(rows) < PAGE:
            return Standing(seq, tuple((prefix, following) for prefix, following in counters), tuple(listed))
        last = rows[-1][0]
