"""Programs for batches that arrive over HTTP: rows wait sealed, are dealt with in chunks, and keep their result."""

import datetime as dt
from collections.abc import Sequence

import msgspec

from verify.store.contract import Program, Row, run, run_many
from verify.store.journal import EventKind, Origin, from_micros, open_journal, to_micros


class Batch(msgspec.Struct, frozen=True):
    """One upload and how far it got."""

    id: str
    agency: str
    actor: str
    created_at: dt.datetime
    state: str
    """`receiving` until the upload is complete, `ready` while rows wait, `done`."""
    total: int
    issued: int
    failed: int


class WaitingRow(msgspec.Struct, frozen=True):
    """A row as received: its sealed request, or the faults that kept it from being read."""

    row: int
    sealed: bytes | None
    faults: str | None = None
    """JSON; the row has failed already."""


class RowResult(msgspec.Struct, frozen=True):
    """What became of a row."""

    row: int
    state: str
    """`waiting`, `issued` or `failed`."""
    number: str | None
    faults: str | None


def open_batch(batch_id: str, agency: str, origin: Origin) -> Program[Batch]:
    """Begin an upload. Nobody sees it before `close_upload`; what breaks off is swept away later."""
    yield from run("insert_batch", batch_id, agency, origin.actor, to_micros(origin.at))
    return Batch(batch_id, agency, origin.actor, origin.at, "receiving", 0, 0, 0)


def add_rows(batch_id: str, rows: Sequence[WaitingRow]) -> Program[None]:
    """Store a chunk of an upload."""
    values = [(batch_id, r.row, "failed" if r.faults else "waiting", r.sealed, r.faults) for r in rows]
    yield from run_many("insert_batch_row", values)


class KeyTaken(msgspec.Struct, frozen=True):
    """The idempotency key belongs to another request."""


def close_upload(
    batch_id: str, agency: str, key: str, request: bytes, total: int, failed: int, origin: Origin
) -> Program[Batch | KeyTaken]:
    """The upload is complete: it takes its idempotency key and its rows may be issued, in one commit.

    `request` is the keyed digest of the body, known only now that all of it was read. When the key was used
    before, this upload is thrown away: the answer is the earlier batch, or KeyTaken when the bodies differ.
    """
    journal = yield from open_journal(origin)
    known = yield from run("find_idempotency", agency, [key])
    if known:
        yield from discard_batch(batch_id)
        _, earlier, result = known[0]
        batch = (yield from find_batch(result)) if earlier == request else None
        return batch or KeyTaken()
    yield from run("insert_idempotency", agency, key, request, batch_id)
    yield from run("ready_batch", batch_id, total, failed)
    yield from run("count_batch", batch_id, 0, 0)
    data = {"id": batch_id, "agency": agency, "rows": total, "unreadable": failed}
    journal.add(EventKind.BATCH_RECEIVED, data)
    yield from journal.close()
    batch = yield from find_batch(batch_id)
    assert batch is not None
    return batch


def discard_batch(batch_id: str) -> Program[None]:
    """Throw an upload away that was never completed; a completed one stays."""
    batch = yield from find_batch(batch_id)
    if batch is not None and batch.state == "receiving":
        yield from run("clear_batch_rows", batch_id)
        yield from run("delete_batch", batch_id)


def broken_uploads(before: dt.datetime) -> Program[list[str]]:
    """Uploads begun before that instant and never completed."""
    return [batch for (batch,) in (yield from run("broken_uploads", to_micros(before)))]


def ready_batches() -> Program[list[Batch]]:
    """Batches with rows that wait, oldest first."""
    return [_batch(row) for row in (yield from run("ready_batches"))]


def waiting_rows(batch_id: str, limit: int) -> Program[list[tuple[int, bytes]]]:
    """The next rows to deal with: row number and sealed request."""
    return [(row, sealed) for row, sealed in (yield from run("waiting_rows", batch_id, limit))]


def finish_rows(batch_id: str, results: Sequence[RowResult]) -> Program[None]:
    """Record results of rows that still wait and count them; a row counts once, whoever finishes it."""
    still = {row for (row,) in (yield from run("still_waiting", batch_id, [r.row for r in results]))}
    fresh = [r for r in results if r.row in still]
    yield from run_many("finish_batch_row", [(batch_id, r.row, r.state, r.number, r.faults) for r in fresh])
    issued = sum(r.state == "issued" for r in fresh)
    yield from run("count_batch", batch_id, issued, len(fresh) - issued)


def find_batch(batch_id: str) -> Program[Batch | None]:
    """One batch."""
    rows = yield from run("find_batch", batch_id)
    return _batch(rows[0]) if rows else None


def batch_rows(batch_id: str, after: int, states: Sequence[str], limit: int) -> Program[list[RowResult]]:
    """A page of results in row order, for rows after `after`."""
    rows = yield from run("batch_rows", batch_id, after, list(states), limit)
    return [RowResult(*row) for row in rows]


def _batch(row: Row) -> Batch:
    key, agency, actor, created_at, state, total, issued, failed = row
    return Batch(key, agency, actor, from_micros(created_at), state, total, issued, failed)
