"""Programs that keep the files of certificates: the first rendering of each copy, sealed, for ever the same.

The file lies in the table, its SHA-256 in the ledger. It holds the full identity number, so it is sealed before
it comes here, and bound to the copy it belongs to. A renewal (PAdES B-LTA) appends: what it added is a part of its
own, so the first file is a prefix of every later one by construction, and no row is ever changed but for its due date.
"""

import datetime as dt
from collections.abc import Sequence

import msgspec

from verify.proof.sealing import DataKeys
from verify.store.contract import Program, Row, run
from verify.store.journal import EventKind, Origin, from_micros, open_journal, to_micros


class Kept(msgspec.Struct, frozen=True):
    """One part of a kept file."""

    number: str
    copy: int
    kind: str
    """The form it was printed in."""
    part: int
    """0 is the file as it was first made; each later one is what a renewal appended."""
    sealed: bytes
    digest: bytes
    """SHA-256 of the file up to the end of this part."""
    due_at: dt.datetime | None
    """When the next part is wanted; None for all but the last, and for files that are never renewed."""


class KeptLine(msgspec.Struct, frozen=True):
    """The same without its bytes."""

    number: str
    copy: int
    kind: str
    part: int
    digest: bytes


class Due(msgspec.Struct, frozen=True):
    """A file whose next part is wanted."""

    number: str
    copy: int
    kind: str
    part: int
    """The last one it has."""
    due_at: dt.datetime


def seal_document(keys: DataKeys, number: str, copy: int, kind: str, part: int, data: bytes) -> bytes:
    """A part as it is stored; it opens as this part of this form of this copy only."""
    return keys.seal(data, _place(number, copy, kind, part))


def unseal_document(keys: DataKeys, parts: Sequence[Kept]) -> bytes:
    """The file, from its parts in order. Raises BadKey for an unknown data key, ProofFailed when one was altered or
    moved."""
    return b"".join(
        keys.unseal(one.sealed, _place(one.number, one.copy, one.kind, nth)) for nth, one in enumerate(parts)
    )


def find_document(number: str, copy: int, kind: str) -> Program[list[Kept]]:
    """The parts of the file that is kept for this copy in this form, in order; none when there is no file."""
    return [_kept(row) for row in (yield from run("find_document", number, copy, kind))]


def find_current_document(number: str, kind: str) -> Program[tuple[str, list[Kept]] | None]:
    """The agency of a certificate and the parts of its last copy's file in this form; None when no file is kept, or
    there is no such certificate. One statement: files are asked for again and again."""
    rows = yield from run("find_current_document", number, kind)
    return (str(rows[0][0]), [_kept(row[1:]) for row in rows]) if rows else None


def documents_of(numbers: Sequence[str]) -> Program[list[KeptLine]]:
    """Which files are kept for these certificates, part by part."""
    rows: list[Row] = yield from run("documents_of", list(numbers))
    return [KeptLine(*row) for row in rows]


def keep_document(file: Kept, origin: Origin) -> Program[list[Kept]]:
    """Keep a file unless one is kept already; what is kept comes back. The certificate's revision stays."""
    journal = yield from open_journal(origin)  # its lock lets one of two first renderings win
    found = yield from find_document(file.number, file.copy, file.kind)
    if found:
        return found
    yield from _insert(file)
    data = {"copy": file.copy, "kind": file.kind, "digest": file.digest.hex()}
    journal.add(EventKind.DOCUMENT_KEPT, data, number=file.number)
    yield from journal.close()
    return [file]


def append_document(part: Kept, origin: Origin) -> Program[bool]:
    """Append a renewal to a kept file; False, and nothing is done, when the file has grown or gone meanwhile."""
    journal = yield from open_journal(origin)
    found = yield from find_document(part.number, part.copy, part.kind)
    if not found or found[-1].part != part.part - 1:
        return False
    yield from run("set_document_due", part.number, part.copy, part.kind, part.part - 1, None)
    yield from _insert(part)
    data = {"copy": part.copy, "kind": part.kind, "part": part.part, "digest": part.digest.hex()}
    journal.add(EventKind.DOCUMENT_RENEWED, data, number=part.number)
    yield from journal.close()
    return True


def due_documents(before: dt.datetime, limit: int) -> Program[list[Due]]:
    """Files whose next part is wanted by `before`, the longest waiting first."""
    rows = yield from run("due_documents", to_micros(before), limit)
    return [Due(number, copy, kind, part, from_micros(at)) for number, copy, kind, part, at in rows]


def count_due(before: dt.datetime) -> Program[int]:
    """How many those are."""
    ((count,),) = yield from run("count_due_documents", to_micros(before))
    return int(count)


def postpone_document(due: Due, until: dt.datetime) -> Program[None]:
    """Want the next part later: it cannot be made now."""
    yield from run("set_document_due", due.number, due.copy, due.kind, due.part, to_micros(until))


def _insert(part: Kept) -> Program[None]:
    due = None if part.due_at is None else to_micros(part.due_at)
    yield from run(
        "insert_document", part.number, part.copy, part.kind, part.part, part.sealed, part.digest, due
    )


def _kept(row: Row) -> Kept:
    number, copy, kind, part, sealed, digest, due = row
    return Kept(number, copy, kind, part, sealed, digest, None if due is None else from_micros(due))


def _place(number: str, copy: int, kind: str, part: int) -> bytes:
    return f"{number}/{copy}/document/{kind}/{part}".encode()
