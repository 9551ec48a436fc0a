"""One question in each of the ways that the public may ask, and what it is told; lists are read row by row."""

import csv
import io
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from verify.certificate.status import Verdict
from verify.certificate.text import REFUSED
from verify.errors import Fault, Invalid, Malformed, ProofFailed, TooLarge, Words
from verify.lookup.check import Checker
from verify.lookup.scan import Lookup

MAX_ROWS = 10_000
MAX_REF = 64
COLUMNS = ("ref", "number", "name", "id_type", "id_number", "scan_code", "token")

Asked = Literal["name", "person", "scan", "token"]


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One of: number + name; ID type + ID number + name; a scan code; what a QR code or credential holds."""

    ref: str = ""
    """The employer's own word for the row, told again with the result."""
    number: str | None = None
    name: str | None = None
    id_type: str | None = None
    id_number: str | None = None
    scan_code: str | None = None
    token: str | None = None


class Found(msgspec.Struct, frozen=True):
    """What a question was told."""

    asked: Asked
    verdict: str
    as_of: str
    answers: tuple[bytes, ...]
    """Finished answers; empty for a miss."""


Row = Question | tuple[Fault, ...]


async def ask(question: Question, lookup: Lookup, checker: Checker) -> Found:
    """Ask as the public does. Raises Invalid, ProofFailed for what cannot be asked, Unavailable."""
    asked = what_is_asked(question)
    if asked == "token":
        report = await checker.check(question.token or "")
        answers = () if report.answer is None else (report.answer,)
        return Found(asked, report.verdict, report.as_of, answers)
    if asked == "scan":
        reply = await lookup.by_scan_code(question.scan_code or "")
    elif asked == "person":
        reply = await lookup.by_person(question.id_type or "", question.id_number or "", question.name or "")
    else:
        reply = await lookup.by_number_and_name(question.number or "", question.name or "")
    return Found(asked, overall(reply.answers), reply.as_of, reply.answers)


def what_is_asked(question: Question) -> Asked:
    """Which of the four it is. Raises Invalid naming the field that is missing, or when it is not one of them."""
    person = bool(question.id_type or question.id_number)
    ways: list[Asked] = []
    if question.number:
        ways.append("name")
    if person:
        ways.append("person")
    if question.scan_code:
        ways.append("scan")
    if question.token:
        ways.append("token")
    if len(ways) != 1:
        what = Words(
            "请只提供以下之一：编号+姓名、证件类型+证件号码+姓名、扫码编号、二维码内容。",
            "Bring one of: number + name; id_type + id_number + name; scan_code; token.",
        )
        raise Invalid(faults=(Fault("", "one-of-four", what),))
    needed = {"name": ("name",), "person": ("name", "id_type", "id_number")}.get(ways[0], ())
    for field in needed:
        if not getattr(question, field):
            raise Invalid(
                faults=(Fault(f"/{field}", "missing", Words("缺少此字段。", "This field is missing.")),)
            )
    return ways[0]


def overall(answers: tuple[bytes, ...]) -> str:
    """`unknown` for none, `valid` when all are, else the first that is not."""
    verdicts = [str(seen["verdict"]) for seen in map(msgspec.json.decode, answers)]
    if not verdicts:
        return Verdict.UNKNOWN.value
    return next((verdict for verdict in verdicts if verdict != Verdict.VALID), Verdict.VALID.value)


# --- lists ----------------------------------------------------------------------------------------------


def read_list(body: bytes, form: Literal["csv", "ndjson"]) -> list[Row]:
    """Rows of a whole list; a bad row is that row's fault.

    Raises Malformed when the list as a whole cannot be read, TooLarge beyond `MAX_ROWS`.
    """
    text = _text(body)
    rows: list[Row] = []
    for row in _csv_rows(text) if form == "csv" else _json_rows(text):
        if len(rows) == MAX_ROWS:
            what = Words(f"一次最多{MAX_ROWS}行。", f"A list may have {MAX_ROWS} rows.")
            raise TooLarge(what)
        rows.append(row)
    if not rows:
        raise Malformed(Words("没有可查的行。", "The list has no rows."))
    return rows


def _text(body: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = body.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise Malformed(Words("应为 UTF-8 或 GB 18030 编码。", "The list must be UTF-8 or GB 18030."))


def _csv_rows(text: str) -> Iterator[Row]:
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = [cell.strip().lower() for cell in next(lines, [])]
        if not columns or not set(columns) <= set(COLUMNS) or len(set(columns)) < len(columns):
            what = Words(
                f"第一行应为列名，可用：{'、'.join(COLUMNS)}。",
                f"The first line names the columns: {', '.join(COLUMNS)}.",
            )
            raise Malformed(what)
        for cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(columns):
                what = Words("单元格数与列数不符。", "The row has another number of cells than the header.")
                yield (Fault("", "cell-count", what, "RFC 4180 §2"),)
                continue
            yield _checked(Question(**dict(zip(columns, map(str.strip, cells), strict=True))))
    except csv.Error as error:
        raise Malformed(Words("CSV 引号使用有误。", "A quote stands where none may.")) from error


def _json_rows(text: str) -> Iterator[Row]:
    for line in text.splitlines():
        if not line.strip():
            continue
        try:
            yield _checked(msgspec.json.decode(line, type=Question))
        except (msgspec.DecodeError, RecursionError):
            what = Words(
                "该行不是所需的 JSON 对象。", "This line is not a JSON object of the form asked for."
            )
            yield (Fault("", "json", what, "RFC 8259"),)


def _checked(question: Question) -> Row:
    for field in COLUMNS:
        text = getattr(question, field)
        if text and REFUSED.search(text):
            return (
                Fault(f"/{field}", "character", Words("有不可用的字符。", "It holds a refused character.")),
            )
    if len(question.ref) > MAX_REF:
        what = Words(f"最多{MAX_REF}个字符。", f"At most {MAX_REF} characters.")
        return (Fault("/ref", "too-long", what),)
    try:
        what_is_asked(question)
    except Invalid as error:
        return error.faults
    return question


def trimmed(answer: bytes) -> dict[str, Any]:
    """An answer as a result row keeps it: without the holder, whom the asker named."""
    whole = msgspec.json.decode(answer)
    kept = ("number", "verdict", "revision", "certificate", "copy", "status", "replaced_by")
    return {name: whole[name] for name in kept if name in whole}


def faults_of(error: Invalid | ProofFailed) -> tuple[Fault, ...]:
    """What a question that could not be asked is told."""
    return error.faults or (Fault("", error.code, error.detail),)
