"""What an employer is told of: the ledger as far as its subscriptions are concerned, in the ledger's order.

Nothing is written when a certificate changes. A place in the ledger and a number within it name what was told
last; whoever reads on from there misses nothing and sees nothing twice.
"""

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from verify.certificate.record import Status
from verify.errors import Fault, Invalid, Words
from verify.store.contract import Program, Row, run
from verify.store.journal import Event, EventKind, Origin, decode_event, open_journal, to_micros

NEAR = 2000
"""Ledger entries that are gone through one by one; over a longer way each subscription is looked up instead."""
SCOPES = 20
"""Changes of agencies and keys read at once."""

_PLACE = re.compile(r"(0|[1-9][0-9]{0,17})(?:\.([0-9A-Z]{1,32}))?")
_COMPROMISED = "compromised"


class Place(NamedTuple):
    """How far somebody was told: everything before `seq`, and of `seq` up to `number`; all of it when that is empty.

    Compared by `order`, for an empty number stands last.
    """

    seq: int
    number: str = ""

    @property
    def order(self) -> tuple[int, bool, str]:
        """What places are sorted by."""
        return self.seq, not self.number, self.number

    def __str__(self) -> str:
        """The cursor as the world sees it; the id of the event that stands there."""
        return f"{self.seq}.{self.number}" if self.number else str(self.seq)


class Notice(msgspec.Struct, frozen=True):
    """One thing that became of one certificate. Nothing about its holder."""

    seq: int
    number: str
    change: str
    """`copy-issued`, `suspended`, `suspension-ended`, `reinstated`, `revoked`, `replaced`; of its agency
    `agency-suspended`, `agency-cancelled`, `agency-active`; of the key that signed a copy `key-compromised`."""
    status: Status
    """Of the certificate after that entry."""
    revision: int
    since: int
    """Microseconds since 1970 UTC."""
    until: int | None
    reason: str | None

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.seq, self.number)


class Page(msgspec.Struct, frozen=True):
    """Some of what is to be told."""

    notices: tuple[Notice, ...]
    reached: Place
    """Read on from here."""
    more: bool
    """Whether something may be known already that is not on the page."""
    head: int


class _Line(NamedTuple):
    seq: int
    number: str
    change: str


def parse_place(text: str) -> Place:
    """A cursor as `Place` writes it. Raises Invalid."""
    match = _PLACE.fullmatch(text)
    if match is None:
        what = Words(
            "游标应为此前收到的 next 或事件编号。", "A cursor is a `next` or an event id from before."
        )
        raise Invalid(faults=(Fault("/after", "cursor", what),))
    return Place(int(match[1]), match[2] or "")


def read_notices(employer: str, after: Place, limit: int) -> Program[Page]:
    """What is to be told after `after`, in the order of the ledger and then of numbers; all in one snapshot."""
    ((head,),) = yield from run("read_seq")
    ((count, first),) = yield from run("count_subscriptions", employer)
    if not count or after.order >= Place(head).order:
        return Page((), max(after, Place(head), key=lambda place: place.order), False, head)
    if after.order < Place(first).order:  # nobody subscribed to anything before
        after = Place(first)
    near = head - after.seq <= max(NEAR, count)
    name = "subscribed_changes_near" if near else "subscribed_changes_far"
    own = [_Line(*row) for row in (yield from run(name, employer, after.seq, limit + 1))]
    begin = after.seq if after.number else after.seq + 1
    scopes = yield from run("scope_changes", begin, SCOPES)
    # Beyond the last scope that was read, others may stand that were not.
    horizon = int(scopes[-1][0]) if len(scopes) == SCOPES else head
    lines = [line for line in own if line.seq <= horizon]
    for scope in scopes:
        lines += yield from _expanded(employer, scope, after, limit + 1)
    lines.sort()
    shown = lines[:limit]
    notices = yield from _told(shown)
    if len(lines) > limit:
        return Page(notices, notices[-1].place, True, head)
    return Page(notices, Place(horizon), horizon < head, head)


def _expanded(employer: str, scope: Row, after: Place, limit: int) -> Program[list[_Line]]:
    """The subscribed certificates that a change of an agency or key touches."""
    seq, kind, name, body = scope
    what, _, key = name.partition(":")
    state = decode_event(body).data["state"]
    if kind == EventKind.KEY_CHANGED and state != _COMPROMISED:
        return []
    number = after.number if seq == after.seq else ""
    statement = "subscribed_of_agency" if what == "agency" else "subscribed_of_key"
    rows = yield from run(statement, employer, seq, number, key, limit)
    return [_Line(seq, found, f"{what}-{state}") for (found,) in rows]


def _told(lines: Sequence[_Line]) -> Program[tuple[Notice, ...]]:
    """Each with the state of its certificate after that entry, which never changes any more."""
    if not lines:
        return ()
    numbers = sorted({line.number for line in lines})
    lives: dict[str, list[Event]] = {}
    for number, _, _, body in (yield from run("lives_until", numbers, lines[-1].seq)):
        lives.setdefault(number, []).append(decode_event(body))
    return tuple(
        Notice(line.seq, line.number, line.change, **_state(_upto(lives[line.number], line.seq)))
        for line in lines
    )


def _upto(life: Iterable[Event], seq: int) -> list[Event]:
    return [event for event in life if event.seq <= seq]


def _state(life: Sequence[Event]) -> dict[str, Any]:
    """Status, revision, since, until and reason as the events tell them."""
    state: dict[str, Any] = {"until": None, "reason": None}
    for event in life:
        data: Mapping[str, Any] = event.data
        match event.kind:
            case EventKind.COPY_ISSUED:
                state["revision"] = data["revision"]
            case EventKind.SUSPENSION_ENDED:
                state |= {"status": Status.VALID, "since": data["until"], "until": None, "reason": None}
            case _:
                status = Status(data["status"])
                until = data.get("until") if status is Status.SUSPENDED else None
                state |= {"status": status, "revision": data["revision"], "since": data["since"],
                          "until": until, "reason": data.get("reason")}  # fmt: skip
    if life and state["until"] is not None and state["until"] <= life[-1].at:
        state |= {"status": Status.VALID, "since": state["until"], "until": None, "reason": None}
    return state


# --- ends of suspensions ----------------------------------------------------------------------------------


def suspensions_end(since: dt.datetime, at: dt.datetime, limit: int) -> Program[bool]:
    """Whether a suspension that somebody subscribed to ended between the two, and the ledger does not tell it yet."""
    return bool((yield from run("ended_suspensions", to_micros(since), to_micros(at), limit)))


def tell_ended_suspensions(since: dt.datetime, limit: int, origin: Origin) -> Program[int]:
    """Let the ledger tell the ends of suspensions between `since` and now; returns how many, at most `limit`.

    It changes no certificate: a suspension ends by itself. It gives the end a place in the order of things.
    """
    rows = yield from run("ended_suspensions", to_micros(since), to_micros(origin.at), limit)
    if not rows:
        return 0
    journal = yield from open_journal(origin)
    for number, revision, until, seq in rows:
        data = {"revision": revision, "until": until, "suspended_by": seq}
        journal.add(EventKind.SUSPENSION_ENDED, data, number=number)
    yield from journal.close()
    return len(rows)
