"""Roster rows on their way to certificates: their idempotency keys, their results, and a file as a whole.

A row's key is a keyed digest of what it says, so a roster that is sent again, whole or corrected, issues
what is new and finds what is there, whatever its order and however often it broke off.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

import msgspec

from verify.certificate.form import IssueRequest
from verify.errors import Fault, StoreFailed, VerifyError
from verify.issuance.drafting import request_digest
from verify.issuance.issue import AHEAD, CHUNK, Issuance, Issued, Row
from verify.issuance.roster import Format, RosterRow, faults_of, read_roster, without_identity
from verify.proof.sealing import DataKeys

FILE_PIECE_BYTES = 256 << 10
STRIDE = AHEAD * CHUNK
"""Rows of a file that are under way at once."""


class RowResult(msgspec.Struct, frozen=True):
    """What became of one row of a roster."""

    row: int
    """1 is the first row of data."""
    line: int
    row_id: str
    number: str | None
    """The certificate; None when the row was refused."""
    scan_code: str | None = None
    already: bool = False
    """True when the certificate was there before this run."""
    code: str = ""
    """Code of the error that refused the row."""
    faults: tuple[Fault, ...] = ()
    """Why it was refused; never with an ID number."""


class RowKeys:
    """Idempotency keys of rows: what the row says, and how often it was said before in the same roster.

    The second of two equal rows has a key of its own, so that it is judged by itself: refused as a
    duplicate, unless a second certificate is meant.
    """

    def __init__(self, data_keys: DataKeys, agency: str) -> None:
        """Begin a roster of `agency`. Remembers eight bytes of each row's digest."""
        self._data_keys = data_keys
        self._agency = agency
        self._seen: dict[int, int] = {}

    def key(self, request: IssueRequest) -> str:
        """The key of the next row."""
        digest = request_digest(self._data_keys, self._agency, request)
        short = int.from_bytes(digest[:8], "big")
        nth = self._seen.get(short, 0)
        self._seen[short] = nth + 1
        return f"row:{digest[:16].hex()}:{nth}"


async def issue_rows(
    desk: Issuance, agency: str, rows: Sequence[tuple[RosterRow, str]], actor: str
) -> list[RowResult]:
    """Issue rows, each with its key, through the normal flow; one result for each, in order.

    Raises StoreFailed, BadKey, NotReady (the clock) and NotFound (of the agency): the row is not to blame, and may be sent again.
    """
    asked = [Row(key, row.request) for row, key in rows if row.request is not None]
    answers = iter(await desk.issue_many(agency, asked, actor) if asked else ())
    return [result_of(row, None if row.request is None else next(answers)) for row, _ in rows]


def result_of(row: RosterRow, answer: Issued | VerifyError | None) -> RowResult:
    """The result of one row. Raises the answer when it is an error that no row can cause."""
    if isinstance(answer, Issued):
        return RowResult(
            row.row, row.line, row.row_id, answer.number, answer.scan_code, already=answer.already
        )
    if answer is None:
        faults = tuple(without_identity(fault) for fault in row.faults)
        return RowResult(row.row, row.line, row.row_id, None, code="invalid", faults=faults)
    if isinstance(answer, StoreFailed) or answer.code in ("bad-key", "not-ready"):
        raise answer
    return RowResult(row.row, row.line, row.row_id, None, code=answer.code, faults=faults_of(answer, row))


async def issue_file(
    desk: Issuance, agency: str, pieces: AsyncIterator[bytes], form: Format, actor: str
) -> AsyncIterator[RowResult]:
    """Issue a whole roster, chunk by chunk; a result for each row, in order, as soon as it is certain.

    Whatever stops it, run it again with the same file: rows that were issued give their numbers again.
    Raises Malformed or Invalid when the file as a whole cannot be read, and what `issue_rows` raises.
    """
    keys = RowKeys(desk.data_keys, agency)
    waiting: list[tuple[RosterRow, str]] = []
    async for rows in read_roster(pieces, form):
        waiting += ((row, keys.key(row.request) if row.request else "") for row in rows)
        while len(waiting) >= STRIDE:
            for result in await issue_rows(desk, agency, waiting[:STRIDE], actor):
                yield result
            del waiting[:STRIDE]
    for result in await issue_rows(desk, agency, waiting, actor):
        yield result


async def in_pieces(data: Iterable[bytes] | bytes) -> AsyncIterator[bytes]:
    """Bytes, or an open binary file, as the pieces that the readers take."""
    for piece in _cut(data) if isinstance(data, bytes) else data:
        yield piece


def _cut(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), FILE_PIECE_BYTES):
        yield data[at : at + FILE_PIECE_BYTES]
