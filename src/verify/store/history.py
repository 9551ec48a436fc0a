"""What happened to a certificate, as the public may hear it: when and why, never by whom."""

from collections.abc import Sequence

import msgspec

from verify.store.contract import Program, run
from verify.store.journal import decode_event


class Turn(msgspec.Struct, frozen=True):
    """One event that made a new revision of a certificate."""

    revision: int
    at: int
    """Microseconds since 1970 UTC."""
    event: str
    """`issued`, `copy-issued`, `suspended`, `reinstated`, `revoked`, `replaced`."""
    reason: str | None = None
    """Code of `certificate/reason.py`; for a new copy its cause."""
    until: int | None = None
    """End of a suspension, if one was set; microseconds since 1970 UTC."""
    copy: int | None = None
    """The copy that was issued."""


def read_turns(numbers: Sequence[str]) -> Program[dict[str, list[Turn]]]:
    """The life of each certificate from its ledger, oldest first. Actors, digests and notes are not read out."""
    turns: dict[str, list[Turn]] = {}
    for number, kind, body in (yield from run("read_turns", list(numbers))):
        event = decode_event(body)
        data = event.data
        turn = Turn(
            data["revision"], event.at, kind, data.get("reason") or data.get("cause"), data.get("until"),
            data.get("copy"),
        )  # fmt: skip
        turns.setdefault(number, []).append(turn)
    return turns
