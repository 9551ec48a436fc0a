"""The issue request as an agency sends it: JSON, or a CSV row with the same names as columns.

Fields that have a closed set of values arrive as text, so that a wrong one becomes a fault beside the others
instead of ending the reading at the first.
"""

import difflib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from verify.certificate.text import invalid
from verify.errors import Fault, Words


class HolderInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The person, as the agency wrote it."""

    name: str
    id_type: str
    """An identifier of the table of documents, e.g. `RESIDENT_ID`."""
    id_number: str


class OccupationInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was assessed; the edition is that of the filing which covers it."""

    code: str
    name: str


class ResultsInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Scores from 0 to 100."""

    theory: float | None = None
    practical: float | None = None
    review: float | None = None


class IssueRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One certificate to issue."""

    kind: str | None = None
    """`skill_level` or `qualification`; the agency's kind when left out."""
    holder: HolderInput
    occupation: OccupationInput
    work_type: str | None = None
    """Null, empty or `--` when there is none."""
    level: str
    """`5` … `1`, `special`, `chief`."""
    issued_on: str
    """`YYYY-MM-DD`, not in the future."""
    results: ResultsInput = ResultsInput()
    batch: str | None = None
    blank_serial: str | None = None
    remark: str | None = None
    number: str | None = None
    """Only when the province gave one; otherwise the service numbers."""
    allow_duplicate: bool = False
    """True when a second certificate for the same person, occupation, level and batch is meant."""
    photo: str | None = None
    """Base64 of a PNG or JPEG of at most 50 KB."""


COLUMN_POINTERS: Final[dict[str, str]] = {
    "kind": "/kind",
    "name": "/holder/name",
    "id_type": "/holder/id_type",
    "id_number": "/holder/id_number",
    "occupation_code": "/occupation/code",
    "occupation_name": "/occupation/name",
    "work_type": "/work_type",
    "level": "/level",
    "issued_on": "/issued_on",
    "theory": "/results/theory",
    "practical": "/results/practical",
    "review": "/results/review",
    "batch": "/batch",
    "blank_serial": "/blank_serial",
    "remark": "/remark",
    "number": "/number",
    "allow_duplicate": "/allow_duplicate",
}
"""Columns and where their cells go. `row_id` is the agency's own and goes nowhere."""

REQUIRED_COLUMNS: Final = (
    "name",
    "id_type",
    "id_number",
    "occupation_code",
    "occupation_name",
    "level",
    "issued_on",
)

_KNOWN = frozenset(COLUMN_POINTERS) | {"row_id"}
_COLUMNS = {pointer: column for column, pointer in COLUMN_POINTERS.items()}
_TRUTH = {
    "": False,
    "0": False,
    "false": False,
    "no": False,
    "否": False,
    "1": True,
    "true": True,
    "yes": True,
    "是": True,
}


def column_of(pointer: str) -> str | None:
    """The column behind a fault's pointer; a pointer to a whole object gives None."""
    return _COLUMNS.get(pointer)


def parse_row(row: Mapping[str, str]) -> IssueRequest:
    """Read one CSV row as `csv.DictReader` gives it; cells are trimmed, empty ones mean absent.

    Raises Invalid for columns that are unknown, missing or too many, scores that are no numbers, and an
    `allow_duplicate` that is neither yes nor no. Everything else is left to `check_request`.
    """
    faults: list[Fault] = []
    if not row.keys() <= _KNOWN:
        faults += _unknown_columns(row)
    raw: Mapping[Any, Any] = row  # csv.DictReader keeps surplus cells under None and missing ones as None
    cells: dict[str, str] = {column: cell.strip() for column, cell in raw.items() if isinstance(cell, str)}
    for column in REQUIRED_COLUMNS:
        if not cells.get(column):
            what = Words(f"缺少{column}列的内容。", f"The column {column} is empty or missing.")
            faults.append(Fault(COLUMN_POINTERS[column], "missing", what))
    results = ResultsInput(*(_score(cells, part, faults) for part in ("theory", "practical", "review")))
    truth = _TRUTH.get(cells.get("allow_duplicate", "").lower())
    if truth is None:
        what = Words(
            "allow_duplicate 可用：1、0、true、false、是、否。",
            "Accepted in allow_duplicate: 1, 0, true, false, yes, no.",
        )
        faults.append(Fault("/allow_duplicate", "truth", what))
    if faults:
        raise invalid(*faults)
    get = cells.get
    return IssueRequest(
        kind=get("kind") or None,
        holder=HolderInput(cells["name"], cells["id_type"], cells["id_number"]),
        occupation=OccupationInput(cells["occupation_code"], cells["occupation_name"]),
        work_type=get("work_type") or None,
        level=cells["level"],
        issued_on=cells["issued_on"],
        results=results,
        batch=get("batch") or None,
        blank_serial=get("blank_serial") or None,
        remark=get("remark") or None,
        number=get("number") or None,
        allow_duplicate=bool(truth),
    )


def _score(cells: Mapping[str, str], part: str, faults: list[Fault]) -> float | None:
    text = cells.get(part, "")
    if not text:
        return None
    try:
        if text.isascii() and "_" not in text:
            return float(text)
    except ValueError:
        pass
    what = Words(
        f"成绩“{text[:20]}”不是数字，可用0至100。",
        f"The score “{text[:20]}” is no number; accepted: 0 to 100.",
    )
    faults.append(Fault(COLUMN_POINTERS[part], "score", what))
    return None


def _unknown_columns(row: Mapping[Any, Any]) -> list[Fault]:
    faults = []
    for column in row:
        if column in _KNOWN:
            continue
        if column is None:
            what = Words("本行的单元格多于表头。", "This row has more cells than the header.")
            faults.append(Fault("", "surplus-cells", what))
            continue
        near = difflib.get_close_matches(column, _KNOWN, n=1)
        hint = near[0] if near else ", ".join(COLUMN_POINTERS)
        what = Words(
            f"未知的列{column[:40]}，可用：{hint}。", f"Unknown column {column[:40]}; accepted: {hint}."
        )
        faults.append(Fault("", "unknown-column", what))
    return faults
