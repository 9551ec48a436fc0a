"""Rosters: CSV, NDJSON or a JSON array, turned into requests or faults row by row, in constant memory.

A roster is fed in pieces of any size, as they come from a file or a network. A bad row is that row's fault
and stops no other; only what spoils every row (encoding, header) refuses the file, with the reason.
"""

import csv
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from difflib import get_close_matches
from enum import StrEnum
from typing import Protocol

import msgspec

from verify.certificate.form import COLUMN_POINTERS, REQUIRED_COLUMNS, IssueRequest, column_of, parse_row
from verify.errors import Fault, Invalid, Malformed, TooLarge, VerifyError, Words
from verify.issuance.encoding import RowDecoder, too_long

MAX_ROW_BYTES = 128 << 10
"""A row with a photo (NDJSON) stays below 80 KiB; CSV rows below one. Python's csv reads cells of up to 128 KiB."""
MAX_CELL_LINES = 50
"""Line breaks inside one quoted CSV row: beyond it the opening quote is taken for a slip."""
MAX_ARRAY_BYTES = 64 << 20
"""A JSON array must be whole before it can be read; larger rosters come as NDJSON."""

_COLUMNS = (*COLUMN_POINTERS, "row_id")


class Format(StrEnum):
    """How a roster is written."""

    CSV = "csv"
    NDJSON = "ndjson"
    JSON = "json"


class RosterRow(msgspec.Struct, frozen=True):
    """One row as read: a request, or what is wrong with it."""

    row: int
    """1 is the first row of data."""
    line: int
    """Line of the file on which it begins; for a JSON array the same as `row`."""
    request: IssueRequest | None
    faults: tuple[Fault, ...] = ()
    row_id: str = ""
    """The agency's own name of the row, repeated in the results."""


class Reader(Protocol):
    """Takes a roster in pieces."""

    def feed(self, piece: bytes) -> list[RosterRow]:
        """The rows that are complete now. Raises Malformed or Invalid when the whole file must be refused."""
        ...

    def finish(self) -> list[RosterRow]:
        """The last rows; call it once, when nothing more comes. Raises as `feed` does."""
        ...


def open_reader(form: Format) -> Reader:
    """The reader of one format."""
    match form:
        case Format.CSV:
            return CsvReader()
        case Format.NDJSON:
            return NdjsonReader()
        case Format.JSON:
            return ArrayReader()


async def read_roster(pieces: AsyncIterator[bytes], form: Format) -> AsyncIterator[list[RosterRow]]:
    """Rows in the portions in which they become complete. Raises as `Reader.feed` does."""
    reader = open_reader(form)
    async for piece in pieces:
        rows = reader.feed(piece)
        if rows:
            yield rows
    rows = reader.finish()
    if rows:
        yield rows


class CsvReader:
    """A roster as CSV: UTF-8 with or without mark, or GB 18030; LF or CRLF; quoted cells with line breaks."""

    def __init__(self) -> None:
        """Begin a file."""
        self._lines = RowDecoder(MAX_ROW_BYTES)
        self._columns: list[str] | None = None
        self._row = 0
        self._line = 0
        self._begun = 1
        self._held: list[str] = []
        """Lines of a row whose quoted cell is still open."""
        self._open = False

    def feed(self, piece: bytes) -> list[RosterRow]:
        """See `Reader`."""
        return list(self._take(self._lines.feed(piece)))

    def finish(self) -> list[RosterRow]:
        """See `Reader`."""
        rows = list(self._take(self._lines.finish()))
        while self._held:
            rows += self._slip()
        if self._columns is None:
            what = Words("文件为空，第一行应为列名。", "The file is empty; its first line names the columns.")
            raise Malformed(what)
        return rows

    def _take(self, lines: Iterable[str | Fault]) -> Iterator[RosterRow]:
        for line in lines:
            self._line += 1
            yield from self._take_line(line)

    def _take_line(self, line: str | Fault) -> Iterator[RosterRow]:
        if isinstance(line, Fault):
            at = self._line
            while self._held:  # a row that broke off before this line
                yield from self._slip()
            self._line = at
            yield self._fault(line, at)
            return
        if not self._held:
            self._begun = self._line
        self._held.append(line)
        self._open = _is_open(line, self._open)
        if not self._open:
            text = "".join(self._held)
            self._held = []
            yield from self._row_of(text)
        elif len(self._held) > MAX_CELL_LINES or sum(map(len, self._held)) > MAX_ROW_BYTES:
            yield from self._slip()

    def _slip(self) -> Iterator[RosterRow]:
        """A quote that nothing closes: its line is refused, and what follows is read anew."""
        held, self._held, self._open = self._held, [], False
        what = Words("引号没有闭合。", 'A quoted cell has no closing quote (").')
        self._line = self._begun
        yield self._fault(Fault("", "open-quote", what, "RFC 4180 §2"), self._begun)
        for line in held[1:]:
            self._line += 1
            yield from self._take_line(line)

    def _row_of(self, text: str) -> Iterator[RosterRow]:
        try:
            cells = next(csv.reader([text], strict=True), [])
        except csv.Error:
            what = Words("引号使用有误。", "A quote stands where none may; double it inside a quoted cell.")
            yield self._fault(Fault("", "quote", what, "RFC 4180 §2"), self._begun)
            return
        if self._columns is None:
            if any(cell.strip() for cell in cells):
                self._columns = read_header(cells)
            return
        if not any(cell.strip() for cell in cells):
            return  # an empty line is no row
        yield self._request(cells)

    def _request(self, cells: list[str]) -> RosterRow:
        assert self._columns is not None
        self._row += 1
        fault = _count_fault(len(cells), len(self._columns))
        row_id = ""
        if fault is None:
            row = dict(zip(self._columns, cells, strict=True))
            row_id = _starred(row.get("row_id", "").strip()[:64], row.get("id_number", "").strip())
            try:
                return RosterRow(self._row, self._begun, parse_row(row), (), row_id)
            except Invalid as error:
                return RosterRow(self._row, self._begun, None, error.faults, row_id)
        return RosterRow(self._row, self._begun, None, (fault,), row_id)

    def _fault(self, fault: Fault, line: int) -> RosterRow:
        if self._columns is None:
            raise Malformed(fault.detail, faults=[fault])
        self._row += 1
        return RosterRow(self._row, line, None, (fault,))


class NdjsonReader:
    """A roster with one JSON request on each line."""

    def __init__(self) -> None:
        """Begin a file."""
        self._lines = RowDecoder(MAX_ROW_BYTES)
        self._row = 0
        self._line = 0

    def feed(self, piece: bytes) -> list[RosterRow]:
        """See `Reader`."""
        return list(self._take(self._lines.feed(piece)))

    def finish(self) -> list[RosterRow]:
        """See `Reader`."""
        return list(self._take(self._lines.finish()))

    def _take(self, lines: Iterable[str | Fault]) -> Iterator[RosterRow]:
        for line in lines:
            self._line += 1
            if isinstance(line, str) and not line.strip():
                continue
            self._row += 1
            if isinstance(line, Fault):
                yield RosterRow(self._row, self._line, None, (line,))
            else:
                yield read_json_row(self._row, self._line, line.encode())


class ArrayReader:
    """A roster as one JSON array; it is held in memory, so it is bounded."""

    def __init__(self) -> None:
        """Begin a file."""
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> list[RosterRow]:
        """See `Reader`. Raises TooLarge past the bound."""
        self._size += len(piece)
        if self._size > MAX_ARRAY_BYTES:
            mib = MAX_ARRAY_BYTES >> 20
            what = Words(f"JSON数组最大{mib} MiB。", f"A JSON array may have {mib} MiB.")
            raise TooLarge(what, hint="send one object on each line (application/x-ndjson)")
        self._pieces.append(piece)
        return []

    def finish(self) -> list[RosterRow]:
        """See `Reader`."""
        data = b"".join(self._pieces)
        self._pieces = []
        try:
            items = msgspec.json.decode(data.removeprefix(b"\xef\xbb\xbf"), type=list[msgspec.Raw])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            why = str(error) if isinstance(error, msgspec.DecodeError) else "no text, or nested too deep"
            what = Words(f"不是JSON数组：{why}。", f"This is not a JSON array of requests: {why}.")
            raise Malformed(what, hint="write [{…}, {…}], or one object on each line (.ndjson)") from error
        return [read_json_row(i, i, bytes(item)) for i, item in enumerate(items, 1)]


# --- parts ----------------------------------------------------------------------------------------------


def read_header(cells: list[str]) -> list[str]:
    """The columns of a CSV roster. Raises Invalid when one is unknown, twice there, or missing."""
    columns = [cell.strip().lower() for cell in cells]
    while columns and not columns[-1]:
        columns.pop()  # spreadsheets leave empty columns at the end
    faults = [_unknown(column) for column in columns if column not in _COLUMNS]
    for column in {column for column in columns if column and columns.count(column) > 1}:
        what = Words(f"列{column}出现了两次。", f"The column {column} stands there twice.")
        faults.append(Fault("", "column-twice", what))
    for column in REQUIRED_COLUMNS:
        if column not in columns:
            what = Words(
                f"缺少列{column}；必需的列：{'、'.join(REQUIRED_COLUMNS)}。",
                f"The column {column} is missing; needed: {', '.join(REQUIRED_COLUMNS)}.",
            )
            faults.append(Fault(COLUMN_POINTERS[column], "column-missing", what))
    if faults:
        raise Invalid(faults[0].detail, faults=faults)
    return columns


def _unknown(column: str) -> Fault:
    near = get_close_matches(column, _COLUMNS, n=1)
    zh = f"是否为{near[0]}？" if near else f"可用：{'、'.join(_COLUMNS)}。"
    en = f"did you mean {near[0]}?" if near else f"accepted: {', '.join(_COLUMNS)}."
    what = Words(f"未知的列“{column[:40]}”，{zh}", f"Unknown column “{column[:40]}”; {en}")
    return Fault("", "unknown-column", what)


def _count_fault(cells: int, columns: int) -> Fault | None:
    if cells == columns:
        return None
    what = Words(
        f"本行有{cells}个单元格，表头有{columns}列；含逗号的内容请加引号。",
        f"This row has {cells} cells, the header {columns} columns; quote what holds a comma.",
    )
    return Fault("", "cell-count", what, "RFC 4180 §2")


_AT = re.compile(r" - at `\$([^`]*)`$")
_decode_request = msgspec.json.Decoder(IssueRequest).decode


def read_json_row(row: int, line: int, data: bytes) -> RosterRow:
    """One JSON request of a roster, or its faults with JSON pointers."""
    if len(data) > MAX_ROW_BYTES:
        return RosterRow(row, line, None, (too_long(MAX_ROW_BYTES),))
    try:
        return RosterRow(row, line, _decode_request(data))
    except msgspec.ValidationError as error:
        text = str(error)
        at = _AT.search(text)
        pointer = at[1].replace(".", "/").replace("[", "/").replace("]", "") if at else ""
        text = text[: at.start()] if at else text
        what = Words(f"字段不符合要求：{text}。", f"The field is not as it must be: {text}.")
        return RosterRow(row, line, None, (Fault(pointer, "field", what),))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        what = Words("该行不是JSON对象。", "This row is not a JSON object.")
        return RosterRow(row, line, None, (Fault("", "json", what, "RFC 8259"),))


_QUOTED = re.compile(r'(?:^|,)"')
_CLOSE = re.compile(r'[^"]*(?:""[^"]*)*"(?!")')


def _is_open(line: str, inside: bool) -> bool:
    """Whether a quoted cell is open at the end of `line`; `inside` tells whether one was at its beginning."""
    if '"' not in line:
        return inside
    at = 0
    if inside:
        closed = _CLOSE.match(line)
        if closed is None:
            return True
        at = closed.end()
        if not line.startswith(",", at):  # text after the closing quote: the row is wrong, and told so later
            at = max(line.find(",", at), at)
    while (opened := _QUOTED.search(line, at)) is not None:
        closed = _CLOSE.match(line, opened.end())
        if closed is None:
            return True
        at = closed.end()
    return False


_RESIDENT = re.compile(r"(?<![0-9])[0-9]{15}(?:[0-9]{2}[0-9Xx])?(?![0-9])")


def without_identity(fault: Fault, id_number: str = "") -> Fault:
    """The fault with every ID number in its text starred: columns that slipped must not carry one into it."""
    zh, en = (_starred(text, id_number) for text in (fault.detail.zh, fault.detail.en))
    if (zh, en) == (fault.detail.zh, fault.detail.en):
        return fault
    return msgspec.structs.replace(fault, detail=Words(zh, en))


def _starred(text: str, id_number: str) -> str:
    if len(id_number) > 4 and id_number in text:
        text = text.replace(id_number, "*" * len(id_number))
    return _RESIDENT.sub(lambda m: "*" * len(m.group()), text)


def faults_of(error: VerifyError, row: RosterRow) -> tuple[Fault, ...]:
    """What a refused row is told: its faults, or the error itself as one; never an ID number."""
    number = row.request.holder.id_number.strip() if row.request else ""
    faults = error.faults or (Fault("", error.code, error.detail),)
    return tuple(without_identity(fault, number) for fault in faults)


def column_words(fault: Fault) -> str:
    """The column of a fault as a roster names it; its pointer where there is none."""
    return column_of(fault.pointer) or fault.pointer
