"""Programs for what employers ask: lists that are worked off in chunks, receipts, and whom to tell of changes.

What was asked and what was answered lie sealed; the record of a check says who, when, how many, and a keyed digest.
"""

import datetime as dt
from collections.abc import Mapping, Sequence

import msgspec

from verify.certificate.record import Certificate
from verify.proof.public import PublicKey
from verify.store.contract import Program, Row, run, run_many
from verify.store.journal import EventKind, Origin, from_micros, open_journal, to_micros
from verify.store.reads import NOTHING_LOST, Lost, read_certificates
from verify.store.register import find_key


class EmployerCheck(msgspec.Struct, frozen=True):
    """One list and how far it got."""

    id: str
    employer: str
    """The API key that brought it."""
    created_at: dt.datetime
    done_at: dt.datetime | None
    total: int
    found: int
    missed: int
    failed: int
    """Rows that could not be read or asked."""
    request: bytes
    """Keyed digest of the list as it came."""


class SealedRow(msgspec.Struct, frozen=True):
    """A row of a list: the sealed question while it waits, the sealed result afterwards."""

    row: int
    state: str
    """`waiting`, `found`, `missed` or `failed`."""
    sealed: bytes


class SignedList(msgspec.Struct, frozen=True):
    """What is kept of a finished list for whoever is shown its signature."""

    done_at: dt.datetime | None
    counts: tuple[int, int, int, int]
    """Rows: all, found, missed, failed."""
    digest: bytes | None
    """SHA-256 of the file of results as it was signed; None before."""


class KeyTaken(msgspec.Struct, frozen=True):
    """The idempotency key belongs to another list."""


class GivenReceipt(msgspec.Struct, frozen=True):
    """That a receipt was given."""

    id: str
    employer: str
    digest: bytes
    """SHA-256 of the signed payload."""
    given_at: dt.datetime


Tally = Mapping[str, int]
"""Certificate number → how often it was found."""


class QuotaSpent(msgspec.Struct, frozen=True):
    """The employer has asked about as many rows as a day allows."""

    free_at: dt.datetime
    """UTC; when the oldest list of the day stops counting."""


DAY = dt.timedelta(days=1)


def open_check(
    check: EmployerCheck, key: str, rows: Sequence[SealedRow], origin: Origin, *, daily_rows: int
) -> Program[EmployerCheck | KeyTaken | QuotaSpent]:
    """Take in a whole list in one commit, or give back the one that came earlier under the same key.

    `daily_rows`: rows that one employer may ask about in 24 hours; 0 sets no bound.
    """
    known = yield from run("find_employer_check_by_key", check.employer, key)
    if known:
        earlier, request = known[0]
        return (yield from find_check(earlier)) or KeyTaken() if request == check.request else KeyTaken()
    since = to_micros(check.created_at - DAY)
    ((spent, oldest),) = yield from run("employer_rows_since", check.employer, since)
    if daily_rows and spent and int(spent) + check.total > daily_rows:
        return QuotaSpent(from_micros(int(oldest)) + DAY)
    yield from run("insert_employer_check", check.id, check.employer, key, check.request,
                   to_micros(check.created_at), check.total, check.failed)  # fmt: skip
    yield from run_many("insert_employer_check_row", [(check.id, r.row, r.state, r.sealed) for r in rows])
    yield from run("count_employer_check", check.id, 0, 0, 0, to_micros(check.created_at))
    journal = yield from open_journal(origin)
    data = {"id": check.id, "rows": check.total, "unreadable": check.failed}
    journal.add(EventKind.CHECK_RECEIVED, data)
    yield from journal.close()
    return (yield from find_check(check.id)) or check


def find_check(check_id: str) -> Program[EmployerCheck | None]:
    """One list."""
    rows = yield from run("find_employer_check", check_id)
    return _check(rows[0]) if rows else None


def unfinished_checks() -> Program[list[EmployerCheck]]:
    """Lists with rows that wait, oldest first."""
    return [_check(row) for row in (yield from run("unfinished_employer_checks"))]


def waiting_questions(check_id: str, limit: int) -> Program[list[tuple[int, bytes]]]:
    """The next questions: row number and sealed question."""
    return [(row, sealed) for row, sealed in (yield from run("waiting_questions", check_id, limit))]


def finish_questions(
    check: EmployerCheck, results: Sequence[SealedRow], tally: Tally, at: dt.datetime
) -> Program[None]:
    """Put results in the place of questions that still wait, and count; a row counts once, whoever answers it."""
    rows = yield from run("questions_still_waiting", check.id, [r.row for r in results])
    still = {row for (row,) in rows}
    fresh = [r for r in results if r.row in still]
    yield from run_many("answer_question", [(check.id, r.row, r.state, r.sealed) for r in fresh])
    counts = [sum(r.state == state for r in fresh) for state in ("found", "missed", "failed")]
    yield from run("count_employer_check", check.id, *counts, to_micros(at))
    if len(fresh) == len(results):
        yield from _count(check.employer, "list", tally, at)


def check_rows(check_id: str, after: int, limit: int) -> Program[list[SealedRow]]:
    """A page of rows in order."""
    return [SealedRow(*row) for row in (yield from run("employer_check_rows", check_id, after, limit))]


def result_place(check_id: str, row: int) -> bytes:
    """What binds a sealed question or result to its place (associated data of the seal)."""
    return f"{check_id}/{row}".encode()


def keep_digest(check_id: str, digest: bytes, origin: Origin) -> Program[None]:
    """Keep for ever which file of results was signed, in the ledger too; the first one counts."""
    rows = yield from run("find_signed_check", check_id)
    if not rows or rows[0][5] is not None:
        return
    yield from run("keep_check_digest", check_id, digest)
    journal = yield from open_journal(origin)
    journal.add(EventKind.CHECK_SIGNED, {"id": check_id, "digest": digest.hex()})
    yield from journal.close()


def read_signed_list(kid: str, check_id: str) -> Program[tuple[SignedList | None, PublicKey | None]]:
    """What is kept of a list, and the key that its signature names, in one snapshot."""
    key = yield from find_key(kid)
    rows = yield from run("find_signed_check", check_id)
    if not rows:
        return None, key
    done_at, total, found, missed, failed, digest = rows[0]
    done = None if done_at is None else from_micros(done_at)
    return SignedList(done, (total, found, missed, failed), digest), key


def drop_rows(before: dt.datetime) -> Program[None]:
    """Forget what lists said that were done before that instant; that there was a list stays known."""
    yield from run("drop_employer_check_rows", to_micros(before))


def add_receipt(receipt: GivenReceipt, request: bytes, tally: Tally, origin: Origin) -> Program[GivenReceipt]:
    """Record a receipt before it is handed out."""
    yield from run("insert_receipt", receipt.id, receipt.employer, request, receipt.digest,
                   to_micros(receipt.given_at))  # fmt: skip
    yield from _count(receipt.employer, "receipt", tally, receipt.given_at)
    journal = yield from open_journal(origin)
    journal.add(EventKind.RECEIPT_GIVEN, {"id": receipt.id, "digest": receipt.digest.hex()})
    yield from journal.close()
    return receipt


def find_receipt(receipt_id: str) -> Program[GivenReceipt | None]:
    """That a receipt with this id was given."""
    rows = yield from run("find_receipt", receipt_id)
    if not rows:
        return None
    key, employer, digest, given_at = rows[0]
    return GivenReceipt(key, employer, digest, from_micros(given_at))


class Kept(msgspec.Struct, frozen=True):
    """All that the check of one presented receipt needs, in one snapshot."""

    given: GivenReceipt | None
    key: PublicKey | None
    now: Mapping[str, Certificate]
    """The certificates that it names, as they are."""
    lost: Lost = NOTHING_LOST


def read_kept(kid: str, receipt_id: str, numbers: Sequence[str]) -> Program[Kept]:
    """What is kept of a receipt, the key that it names, and the certificates that it names."""
    given = yield from find_receipt(receipt_id)
    key = yield from find_key(kid)
    snapshot = yield from read_certificates(numbers, numbers)
    return Kept(given, key, snapshot.certificates, snapshot.lost)


def _count(employer: str, kind: str, tally: Tally, at: dt.datetime) -> Program[None]:
    """Holders may see these counts: a day in China, a kind, an employer, and no more."""
    day = at.astimezone(dt.timezone(dt.timedelta(hours=8))).date().isoformat()
    rows = [(number, employer, kind, day, times) for number, times in sorted(tally.items())]
    yield from run_many("count_checked", rows)


def _check(row: Row) -> EmployerCheck:
    key, employer, created_at, done_at, total, found, missed, failed, request = row
    done = None if done_at is None else from_micros(done_at)
    return EmployerCheck(key, employer, from_micros(created_at), done, total, found, missed, failed, request)
