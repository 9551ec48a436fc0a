"""Programs for what holders decide: links that they give away, and whether a search by person shows a certificate."""

import datetime as dt
from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec

from verify.certificate.record import CopyState
from verify.errors import Conflict, NotFound, Words
from verify.store.contract import Program, Row, run
from verify.store.documents import documents_of
from verify.store.journal import EventKind, Origin, from_micros, open_journal, to_micros
from verify.store.reads import read_certificates

SHOWN = 200
"""Links and counts shown at most, newest first."""
HELD = 40
"""Certificates of one person in one session at most: it must fit into a cookie."""
DEFAULT_FORM = "certificate"
CHINA = dt.timezone(dt.timedelta(hours=8))


class Share(msgspec.Struct, frozen=True):
    """One link."""

    id: str
    number: str
    sealed: bytes
    """Its code and label."""
    created_at: dt.datetime
    expires_at: dt.datetime
    withdrawn_at: dt.datetime | None

    def open_at(self, at: dt.datetime) -> bool:
        """Whether the link leads anywhere at `at`."""
        return self.withdrawn_at is None and at < self.expires_at


Visited: TypeAlias = Literal["sign-in", "document", "picture"]
"""What somebody did as the holder of a certificate."""


class Asked(msgspec.Struct, frozen=True):
    """How often a certificate was asked about, or visited as its holder's, on a day; never by whom."""

    day: str
    """In China."""
    kind: str
    """Employers': `list`, `receipt`. As the holder: `sign-in`, `document`, `picture`."""
    times: int


class Newest(msgspec.Struct, frozen=True):
    """The last copy of a certificate, as its holder needs it."""

    scan_code: str
    current: bool
    """Whether it is in use: only then a first file is made."""
    kept: bool
    """Whether its file was made already."""


def holdings(number: str, tags: Sequence[bytes]) -> Program[list[str]]:
    """The certificate that both tags, of person and of name, lead to, and after it what a search for the person
    shows besides; nothing when they do not."""
    if not (yield from is_holder(number, tags)):
        return []
    others = yield from run("find_tags", list(tags[:1]))
    return [number, *(other for _, other in others if other != number)][:HELD]


def newest_copy(number: str) -> Program[Newest | None]:
    """The last copy; None for what was never issued."""
    one = (yield from read_certificates([number])).certificates.get(number)
    if one is None:
        return None
    last = one.copies[-1]
    kept = {line.copy for line in (yield from documents_of([number])) if line.kind == DEFAULT_FORM}
    return Newest(last.scan_code, last.state is CopyState.CURRENT, last.number in kept)


def count_visit(number: str, kind: Visited, at: dt.datetime) -> Program[None]:
    """One more visit on that day. It changes no certificate, so the ledger has nothing of it."""
    yield from run("count_visit", number, kind, at.astimezone(CHINA).date().isoformat())


def is_holder(number: str, tags: Sequence[bytes]) -> Program[bool]:
    """Whether both tags, of person and of name, lead to this certificate."""
    ((count,),) = yield from run("count_finders", number, list(tags))
    return int(count) == len(tags)


def add_share(share: Share, tag: bytes, limit: int, origin: Origin) -> Program[Share]:
    """Make a link. Raises Conflict when the certificate has `limit` open ones."""
    at = to_micros(origin.at)
    ((count,),) = yield from run("count_open_shares", share.number, at)
    if count >= limit:
        what = Words(
            f"最多同时有{limit}个有效链接，请先撤回一个。",
            f"A certificate may have {limit} open links; withdraw one first.",
        )
        raise Conflict(what)
    yield from run("insert_share", share.id, tag, share.number, share.sealed, to_micros(share.created_at),
                   to_micros(share.expires_at))  # fmt: skip
    journal = yield from open_journal(origin)
    journal.add(EventKind.SHARE_MADE, {"id": share.id, "until": to_micros(share.expires_at)})
    yield from journal.close()
    return share


def withdraw_share(share_id: str, number: str, origin: Origin) -> Program[Share]:
    """End a link at once; twice is the same as once. Raises NotFound for another certificate's."""
    for share in (yield from list_shares(number)):
        if share.id != share_id:
            continue
        if share.withdrawn_at is not None:
            return share
        yield from run("withdraw_share", share_id, to_micros(origin.at))
        journal = yield from open_journal(origin)
        journal.add(EventKind.SHARE_WITHDRAWN, {"id": share_id})
        yield from journal.close()
        return msgspec.structs.replace(share, withdrawn_at=origin.at)
    raise NotFound


def list_shares(number: str) -> Program[list[Share]]:
    """The links of a certificate, newest first, ended ones included."""
    return [_share(row) for row in (yield from run("list_shares", number, SHOWN))]


def follow_share(tag: bytes, at: dt.datetime) -> Program[tuple[Share, str] | None]:
    """An open link and the scan code of the certificate's newest copy; None for every other tag."""
    rows = yield from run("find_share", tag)
    share = _share(rows[0]) if rows else None
    number = share.number if share is not None and share.open_at(at) else tag.hex()
    one = (yield from read_certificates([number])).certificates.get(number)
    return None if share is None or one is None else (share, one.copies[-1].scan_code)


def is_listed(number: str) -> Program[bool]:
    """Whether a search by person shows the certificate."""
    return not (yield from run("find_unlisted", number))


def set_listed(number: str, tag: bytes, listed: bool, origin: Origin) -> Program[bool]:
    """Show the certificate in searches by person, or not; true from the next look-up on. The same again is nothing."""
    if (yield from is_listed(number)) == listed:
        return listed
    if listed:
        yield from run("delete_unlisted", number)
    else:
        yield from run("insert_unlisted", number, tag, to_micros(origin.at))
    journal = yield from open_journal(origin)
    journal.add(EventKind.NAME_SEARCH_SET, {"certificate": number, "listed": listed})
    yield from journal.close()
    return listed


def asked_about(number: str) -> Program[list[Asked]]:
    """Employers' checks and holders' visits by day and kind, newest first."""
    return [Asked(*row) for row in (yield from run("checks_of_number", number, SHOWN))]


def drop_counts(before: dt.date, limit: int) -> Program[int]:
    """Forget at most `limit` counts of either kind of days before `before`; how many went of the larger part."""
    visits = yield from run("drop_visits", before.isoformat(), limit)
    checked = yield from run("drop_checked", before.isoformat(), limit)
    return max(len(visits), len(checked))


def end_session(tag: bytes, until: dt.datetime) -> Program[None]:
    """A session counts no more, on any node; twice is the same as once. The ledger has nothing of sessions."""
    yield from run("end_session", tag, to_micros(until))


def is_ended(tag: bytes) -> Program[bool]:
    """Whether a session was ended before its time."""
    return bool((yield from run("find_ended_session", tag)))


def drop_ended(before: dt.datetime) -> Program[None]:
    """Forget ended sessions whose own time was over before `before`."""
    yield from run("delete_ended_sessions", to_micros(before))


def _share(row: Row) -> Share:
    key, number, sealed, created_at, expires_at, withdrawn_at = row
    ended = None if withdrawn_at is None else from_micros(withdrawn_at)
    return Share(key, number, sealed, from_micros(created_at), from_micros(expires_at), ended)
