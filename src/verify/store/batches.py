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


def open_batch(
    batch_id: str, agency: str, key: str, request: bytes, origin: Origin
) -> Program[tuple[Batch, bool] | None]:
    """Begin an upload under an idempotency key, or find the one it began; None when the key is another's.

    The flag tells whether rows may be received: an upload that broke off starts again from its first row.
    """
    known = yield from run("find_idempotency", agency, [key])
    if known:
        _, earlier, result = known[0]
        batch = (yield from find_batch(result)) if earlier == request else None
        if batch is None:
            return None
        if batch.state == "receiving":
            yield from run("clear_batch_rows", batch.id)
        return batch, batch.state == "receiving"
    yield from run("insert_idempotency", agency, key, request, batch_id)
    yield from run("insert_batch", batch_id, agency, origin.actor, to_micros(origin.at))
    return Batch(batch_id, agency, origin.actor, origin.at, "receiving", 0, 0, 0), True


def add_rows(batch_id: str, rows: Sequence[WaitingRow]) -> Program[None]:
    """Store a chunk of an upload."""
    values = [(batch_id, r.row, "failed" if r.faults else "waiting", r.sealed, r.faults) for r in rows]
    yield from run_many("insert_batch_row", values)


def close_upload(batch_id: str, agency: str, total: int, failed: int, origin: Origin) -> Program[None]:
    """The upload is complete: its rows may be issued."""
    yield from run("ready_batch", batch_id, total, failed)
    yield from run("count_batch", batch_id, 0, 0)
    journal = yield from open_journal(origin)
    data = {"id": batch_id, "agency": agency, "rows": total, "unreadable": failed}
    journal.add(EventKind.BATCH_RECEIVED, data)
    yield from journal.close()


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
