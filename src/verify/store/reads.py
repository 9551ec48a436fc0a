"""Programs that read what look-ups, pages and audits need."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence

import msgspec

from verify.certificate.record import Certificate, Copy, CopyCause, CopyState, Face, Status
from verify.errors import Words
from verify.proof.public import PublicKey
from verify.store.contract import Program, Row, Rows, run
from verify.store.journal import Event, decode_event, from_micros
from verify.store.register import find_key

WINDOW = 5000
"""Changes told one by one; a reader that is further behind drops everything it holds."""


class Change(msgspec.Struct, frozen=True, array_like=True):
    """One ledger line as a cache sees it."""

    seq: int
    number: str | None
    scope: str | None
    """`agency:CODE`, `key:KID`: everything that depends on it is touched."""


class Head(msgspec.Struct, frozen=True):
    """The ledger head and what changed since the caller last looked, in one snapshot."""

    seq: int
    changes: tuple[Change, ...]
    complete: bool
    """False when too much changed to tell: drop everything."""
    history: str = ""
    """Which history of this register it belongs to: a restore begins another one, and what was read in the one
    before may be of events that this one never had."""


class Found(msgspec.Struct, frozen=True):
    """What scan codes and blind-index tags lead to. Absent keys were not found."""

    scan_codes: Mapping[str, str]
    tags: Mapping[bytes, tuple[str, ...]]


class Lost(msgspec.Struct, frozen=True):
    """What the ledger issued and a restore did not bring back, as long as the operator has not settled it."""

    any: bool
    """Whether there is anything: a scan code or a person that leads nowhere may then lead there."""
    numbers: frozenset[str]
    """Those of the asked numbers that are lost."""


NOTHING_LOST = Lost(False, frozenset())


class Snapshot(msgspec.Struct, frozen=True):
    """Certificates as they were at ledger sequence `seq`. Prepared and void ones are left out."""

    seq: int
    certificates: Mapping[str, Certificate]
    history: str = ""
    """See `Head`."""
    lost: Lost = NOTHING_LOST


class Faces(msgspec.Struct, frozen=True):
    """What a number alone tells, as it was at ledger sequence `seq`. Prepared and void ones are left out."""

    seq: int
    rows: Rows
    """Number, face (JSON), status, revision, since, reason, until (microseconds since 1970 UTC), agency code."""
    agencies: Mapping[str, Words]
    """Names of the agencies that the caller did not know."""
    history: str = ""
    """See `Head`."""
    lost: Lost = NOTHING_LOST


class Whole(msgspec.Struct, frozen=True):
    """Certificates and the names of the agencies that the caller did not know, in one snapshot."""

    seq: int
    certificates: Mapping[str, Certificate]
    agencies: Mapping[str, Words]
    history: str = ""
    """See `Head`."""
    lost: Lost = NOTHING_LOST


class Proven(msgspec.Struct, frozen=True):
    """All that the check of one presented copy needs, in one snapshot."""

    certificate: Certificate | None
    agency: Words
    keys: Mapping[str, PublicKey]
    """Those of the asked ids that exist."""
    issued: tuple[int, bytes, bytes] | None
    """Copy number, and sealed token and credential as they were signed for the copy with the asked scan code."""
    lost: Lost = NOTHING_LOST


def read_head(since: int) -> Program[Head]:
    """The head, and the changes after `since`; one statement when nothing changed."""
    ((seq, history, _),) = yield from run("read_place")
    if seq == since:
        return Head(seq, (), True, history)
    rows = yield from run("read_changes", since, WINDOW + 1)
    if len(rows) > WINDOW:
        return Head(seq, (), False, history)
    return Head(seq, tuple(Change(*row) for row in rows), True, history)


def find(scan_codes: Sequence[str], tags: Sequence[bytes]) -> Program[Found]:
    """Resolve scan codes and tags to numbers."""
    by_code: dict[str, str] = {}
    by_tag: dict[bytes, tuple[str, ...]] = {}
    if scan_codes:
        by_code = dict((yield from run("find_scan_codes", list(scan_codes))))
    if tags:
        for tag, number in (yield from run("find_tags", list(tags))):
            by_tag[tag] = (*by_tag.get(tag, ()), number)
    return Found(by_code, by_tag)


def look(
    since: int | None, scan_codes: Sequence[str], tags: Sequence[bytes]
) -> Program[tuple[Head, Found | None]]:
    """The head, the changes after `since` (`None`: the first look, nothing is held yet), and what codes and
    tags lead to, in one snapshot. `None` in place of `Found` when nothing was asked for."""
    if since is None:
        ((seq, history, _),) = yield from run("read_place")
        head = Head(seq, (), True, history)
    else:
        head = yield from read_head(since)
    if not scan_codes and not tags:
        return head, None
    return head, (yield from find(scan_codes, tags))


def read_faces(numbers: Sequence[str], knows: Callable[[str], bool]) -> Program[Faces]:
    """What the numbers alone tell, without copies and holders; names of agencies unless `knows(code)`."""
    ((seq, history, count),) = yield from run("read_place")
    rows = yield from run("read_faces", list(numbers))
    names = yield from _agency_names({row[7] for row in rows}, knows)
    return Faces(seq, rows, names, history, (yield from find_lost(count, numbers)))


def read_whole(
    numbers: Sequence[str], knows: Callable[[str], bool], asked: Sequence[str] = ()
) -> Program[Whole]:
    """The certificates as `read_certificates` gives them; names of agencies unless `knows(code)`.

    `asked`: numbers that were named, of which it is told whether a restore lost them.
    """
    snapshot = yield from read_certificates(numbers, asked)
    codes = {one.face.agency for one in snapshot.certificates.values()}
    names = yield from _agency_names(codes, knows)
    return Whole(snapshot.seq, snapshot.certificates, names, snapshot.history, snapshot.lost)


def find_lost(count: int, numbers: Sequence[str]) -> Program[Lost]:
    """What a restore did not bring back, where the head counts any: in the usual case nobody asks the table."""
    if not count:
        return NOTHING_LOST
    rows = yield from run("find_lost", list(numbers))
    return Lost(True, frozenset(number for (number,) in rows))


def read_proven(scan_code: str, kids: Sequence[str]) -> Program[Proven]:
    """The certificate behind a scan code, the keys with these ids, and what was signed for that copy."""
    keys = {}
    for kid in kids:
        if (key := (yield from find_key(kid))) is not None:
            keys[kid] = key
    number = (yield from find([scan_code], [])).scan_codes.get(scan_code, "")
    snapshot = yield from read_certificates([number])
    certificate = snapshot.certificates.get(number)
    if certificate is None:
        return Proven(None, Words("", ""), keys, None, snapshot.lost)
    names = yield from _agency_names({certificate.face.agency}, lambda _: False)
    copy = next(copy.number for copy in certificate.copies if copy.scan_code == scan_code)
    signed = yield from read_copy(number, copy)
    issued = None if signed is None else (copy, *signed)
    return Proven(certificate, names[certificate.face.agency], keys, issued)


def _agency_names(codes: set[str], knows: Callable[[str], bool]) -> Program[dict[str, Words]]:
    unknown = [code for code in codes if not knows(code)]
    rows = (yield from run("agency_names", unknown)) if unknown else []
    return {code: Words(zh, en) for code, zh, en in rows}


def read_certificates(numbers: Sequence[str], asked: Sequence[str] = ()) -> Program[Snapshot]:
    """The certificates of these numbers, with their copies and the sequence they are true at; `asked` as in
    `read_whole`."""
    ((seq, history, count),) = yield from run("read_place")
    found = yield from run("read_certificates", list(numbers))
    rows = [row for row in found if row[10] > 0]  # a prepared one costs what one that does not exist costs
    copies: dict[str, list[Row]] = {}
    for row in (yield from run("read_copies", [row[0] for row in rows])) if rows else ():
        copies.setdefault(row[0], []).append(row)
    certificates = {row[0]: _certificate(row, copies.get(row[0], ())) for row in rows}
    return Snapshot(seq, certificates, history, (yield from find_lost(count, asked)))


def read_history(number: str) -> Program[list[tuple[Event, bytes | None]]]:
    """Every event of one certificate with its sealed note, oldest first."""
    rows = yield from run("read_history", number)
    return [(decode_event(body), sealed) for _, body, sealed in rows]


def read_copy(number: str, copy: int) -> Program[tuple[bytes, bytes] | None]:
    """Sealed token and credential of one issued copy."""
    rows = yield from run("find_copy", number, copy)
    return (rows[0][9], rows[0][10]) if rows and rows[0][8] == "issued" else None


def read_photo(number: str, copy: int) -> Program[bytes | None]:
    """The sealed photo that copy `copy` carries."""
    rows = yield from run("find_photo", number, copy)
    return rows[0][0] if rows else None


_decode_face = msgspec.json.Decoder(Face).decode
_STATUS = {status.value: status for status in Status}
_CAUSE = {cause.value: cause for cause in CopyCause}


def _certificate(row: Row, copies: Sequence[Row]) -> Certificate:
    (number, face, status, revision, seq, since, reason, until, replaced_by, replaces, current, sealed) = row
    return Certificate(
        number=number,
        face=_decode_face(face),
        status=_STATUS[status],
        revision=revision,
        seq=seq,
        since=from_micros(since),
        reason=reason,
        until=None if until is None else from_micros(until),
        replaced_by=replaced_by,
        replaces=replaces,
        holder_sealed=sealed,
        copies=_copies(copies, current, _STATUS[status], from_micros(since)),
    )


def _copies(rows: Sequence[Row], current: int, status: Status, since: dt.datetime) -> tuple[Copy, ...]:
    """States follow from one number: copies below the current one are replaced."""
    ended = status in (Status.REVOKED, Status.REPLACED)
    made = []
    later: dt.datetime | None = None
    for _, number, scan_code, cause, kid, issued_at, blank_serial, remark in sorted(
        rows, key=_copy, reverse=True
    ):
        if number == current:
            state, ended_at = (CopyState.RECALLED, since) if ended else (CopyState.CURRENT, None)
        else:
            state, ended_at = CopyState.REPLACED, later
        later = from_micros(issued_at)
        made.append(Copy(number, scan_code, state, _CAUSE[cause], kid, later, ended_at, blank_serial, remark))
    return tuple(reversed(made))


def _copy(row: Row) -> int:
    return int(row[1])
