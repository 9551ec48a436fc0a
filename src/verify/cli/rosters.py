"""A roster file from the command line: issued through the normal flow, answered row by row beside the file."""

import contextlib
import csv
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import IO

import msgspec

from verify.certificate.form import column_of
from verify.errors import Malformed, NotFound, Words
from verify.issuance.roster import Format
from verify.issuance.rows import FILE_PIECE_BYTES, RowResult, issue_file
from verify.wiring.desks import OfficeHouse

SUFFIX = ".result.csv"
COLUMNS = ("row", "line", "row_id", "state", "number", "scan_code", "code", "columns", "detail", "detail_zh")

_FORMATS = {".csv": Format.CSV, ".ndjson": Format.NDJSON, ".jsonl": Format.NDJSON, ".json": Format.JSON}


class Outcome(msgspec.Struct, frozen=True):
    """What became of a file."""

    result: str
    """The file with an answer for each row."""
    rows: int
    issued: int
    already: int
    """Issued by an earlier run over the same rows."""
    failed: int


async def issue_roster(
    house: OfficeHouse, agency: str, path: Path, actor: str, advance: Callable[[int, int], None]
) -> Outcome:
    """Issue every row of `path` and write the result file, which has the numbers.

    `advance` is told the line of the row that is done, of `lines_of(path)`, and how many rows are done. A run that
    broke off is taken up by running it again: rows that were issued give their numbers again.

    Raises Malformed or Invalid for a file that cannot be read at all,
    BadKey, NotFound (the agency), StoreFailed.
    """
    form = format_of(path)
    result = path.with_name(path.name + SUFFIX)
    counts = {"issued": 0, "already": 0, "failed": 0}
    with _written_whole(result) as out:
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        async for row in issue_file(house.issuance, agency, _pieces(path), form, actor):
            state = state_of(row)
            counts[state] += 1
            writer.writerow(_line(row, state))
            advance(row.line, sum(counts.values()))
    return Outcome(str(result), sum(counts.values()), **counts)


async def only_agency(house: OfficeHouse) -> str:
    """The one agency there is. Raises NotFound when there is none, or more than one to choose from."""
    agencies = await house.office.agencies.list_agencies()
    if len(agencies) == 1:
        return agencies[0].code
    listed = ", ".join(agency.code for agency in agencies) or "none"
    what = Words(f"请指明机构：{listed}。", f"Say for which agency: {listed}.")
    raise NotFound(what, hint="verify issue FILE --agency CODE")


def format_of(path: Path) -> Format:
    """How the file is written, by its ending. Raises Malformed."""
    form = _FORMATS.get(path.suffix.lower())
    if form is None:
        listed = ", ".join(_FORMATS)
        what = Words(f"文件名应以 {listed} 结尾。", f"The file's name must end in one of {listed}.")
        raise Malformed(what, hint="save the sheet as CSV UTF-8 and run it again")
    return form


def lines_of(path: Path) -> int:
    """How many lines the file has, 1 at least: how much there is to do. Raises OSError."""
    with path.open("rb") as file:
        return max(1, sum(piece.count(b"\n") for piece in iter(lambda: file.read(FILE_PIECE_BYTES), b"")))


def state_of(row: RowResult) -> str:
    """`issued`, `already` or `failed`."""
    if row.number is None:
        return "failed"
    return "already" if row.already else "issued"


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(FILE_PIECE_BYTES):
            yield piece


@contextlib.contextmanager
def _written_whole(path: Path) -> Iterator[IO[str]]:
    """A file that is there complete or not at all; spreadsheets need the mark to see UTF-8."""
    draft = path.with_name(f".{path.name}.part")
    try:
        with draft.open("w", encoding="utf-8-sig", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _line(row: RowResult, state: str) -> tuple[object, ...]:
    columns = [column_of(fault.pointer) or fault.pointer for fault in row.faults]
    return (
        row.row,
        row.line,
        row.row_id,
        state,
        row.number or "",
        row.scan_code or "",
        " ".join(fault.code for fault in row.faults) or row.code,
        " ".join(dict.fromkeys(column for column in columns if column)),
        " ".join(fault.detail.en for fault in row.faults),
        "".join(fault.detail.zh for fault in row.faults),
    )
