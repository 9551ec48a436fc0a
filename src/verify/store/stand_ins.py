"""Programs for stand-ins: pictures of characters that no font has, filed by an agency, accepted by the operator.

Character, picture and evidence are parts of somebody's name, so they are sealed before they come here.
"""

import datetime as dt

import msgspec

from verify.errors import Conflict, NotFound, Words
from verify.store.contract import Program, Row, run
from verify.store.journal import EventKind, Origin, from_micros, open_journal, to_micros

WAITING, ACCEPTED, REFUSED = "waiting", "accepted", "refused"
MAX_OF_AGENCY = 2000
"""All of an agency's are read when a name needs one."""


class FiledStandIn(msgspec.Struct, frozen=True):
    """One filing."""

    id: str
    agency: str
    tag: bytes
    """Keyed digest of agency and character."""
    sealed: bytes
    state: str
    """`waiting`, `accepted` or `refused`."""
    filed_by: str
    filed_at: dt.datetime
    decided_by: str | None = None
    decided_at: dt.datetime | None = None


def file_stand_in(filed: FiledStandIn, note: bytes | None, origin: Origin) -> Program[FiledStandIn]:
    """Record a filing; `note` is the sealed reason. Raises Conflict when this character is filed already and was not
    refused, or the agency has too many; NotFound without such an agency."""
    if not (yield from run("find_agency", filed.agency)):
        raise NotFound(Words(f"没有机构 {filed.agency}。", f"There is no agency {filed.agency}."))
    found = yield from run("find_stand_in_of", filed.agency, filed.tag)
    if found:
        what = Words(f"该字已提交：{found[0][0]}。", f"This character was filed already, as {found[0][0]}.")
        raise Conflict(what, hint="verify stand-in list")
    if len((yield from run("list_stand_ins", filed.agency))) >= MAX_OF_AGENCY:
        raise Conflict(Words("该机构的代用字形过多。", "This agency has too many stand-ins."))
    yield from run("insert_stand_in", filed.id, filed.agency, filed.tag, filed.sealed, filed.filed_by,
                   to_micros(filed.filed_at))  # fmt: skip
    journal = yield from open_journal(origin)
    journal.add(EventKind.STAND_IN_FILED, {"id": filed.id, "agency": filed.agency}, note=note)
    yield from journal.close()
    return filed


def decide_stand_in(
    stand_in_id: str, state: str, note: bytes | None, origin: Origin
) -> Program[FiledStandIn]:
    """Accept or refuse a filing. An accepted one may be refused later, and prints no more; a refused one is filed anew.

    Raises NotFound, or Conflict for a refused one.
    """
    filed = yield from find_stand_in(stand_in_id)
    if filed.state == state:
        return filed
    if filed.state == REFUSED:
        raise Conflict(Words("该代用字形已被退回。", "This stand-in was refused; file it anew."))
    yield from run("decide_stand_in", stand_in_id, state, origin.actor, to_micros(origin.at))
    journal = yield from open_journal(origin)
    journal.add(EventKind.STAND_IN_DECIDED, {"id": stand_in_id, "state": state}, note=note)
    yield from journal.close()
    return msgspec.structs.replace(filed, state=state, decided_by=origin.actor, decided_at=origin.at)


def find_stand_in(stand_in_id: str) -> Program[FiledStandIn]:
    """One filing. Raises NotFound."""
    rows = yield from run("find_stand_in", stand_in_id)
    if not rows:
        raise NotFound(Words("没有该代用字形。", "There is no such stand-in."), hint="verify stand-in list")
    return _filed(rows[0])


def list_stand_ins(agency: str) -> Program[list[FiledStandIn]]:
    """All filings of an agency, oldest first."""
    return [_filed(row) for row in (yield from run("list_stand_ins", agency))]


def _filed(row: Row) -> FiledStandIn:
    key, agency, tag, sealed, state, filed_by, filed_at, decided_by, decided_at = row
    at = None if decided_at is None else from_micros(decided_at)
    return FiledStandIn(key, agency, tag, sealed, state, filed_by, from_micros(filed_at), decided_by, at)
