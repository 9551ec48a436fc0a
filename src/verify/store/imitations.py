"""Programs for the list of sites that imitate this one. Each listing is a row for ever, and its own record."""

import datetime as dt

import msgspec

from verify.errors import Conflict, NotFound, Words
from verify.store.contract import Program, Row, run
from verify.store.journal import from_micros, to_micros


class Imitation(msgspec.Struct, frozen=True):
    """A site that imitates this one."""

    domain: str
    added_at: dt.datetime
    added_by: str
    seen_on: dt.date
    note: str
    """Public."""
    removed_at: dt.datetime | None = None
    removed_by: str | None = None


def list_imitations() -> Program[list[Imitation]]:
    """What is listed now, newest first."""
    return [_imitation(row) for row in (yield from run("list_imitations"))]


def add_imitation(site: Imitation) -> Program[Imitation]:
    """List a site. Raises Conflict when it is listed."""
    if (yield from run("find_imitation", site.domain)):
        raise Conflict(Words(f"{site.domain} 已在名单中。", f"{site.domain} is listed already."))
    yield from run("insert_imitation", site.domain, to_micros(site.added_at), site.added_by,
                   site.seen_on.isoformat(), site.note)  # fmt: skip
    return site


def remove_imitation(domain: str, at: dt.datetime, actor: str) -> Program[Imitation]:
    """Take a listing back; the row stays. Raises NotFound."""
    rows = yield from run("find_imitation", domain)
    if not rows:
        raise NotFound
    yield from run("remove_imitation", domain, to_micros(at), actor)
    return msgspec.structs.replace(_imitation(rows[0]), removed_at=at, removed_by=actor)


def _imitation(row: Row) -> Imitation:
    domain, added_at, added_by, seen_on, note, removed_at, removed_by = row
    return Imitation(domain, from_micros(added_at), added_by, dt.date.fromisoformat(seen_on), note,
                     None if removed_at is None else from_micros(removed_at), removed_by)  # fmt: skip
