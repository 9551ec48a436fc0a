"""Named SQL, kept in `.sql` files and read once.

A statement begins at a line `-- name: NAME` and ends at the next. The text is common to the engines; the few
words that differ are written as macros and put in at load:

    in {texts $1}     a set of text bound as one argument; also {ints $1} and {blobs $1}
    {greatest a, b}   the larger of two values

Where PostgreSQL needs another text to be as fast, that stands behind the common one:

    -- postgres: NAME        takes its place there, with the same arguments
    -- postgres rows: NAME   stands for it when it is run for many rows: each argument is an array, one item a row
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import NamedTuple

_NAME = re.compile(r"^-- ((?:name|postgres|postgres rows): \w+)\s*$", re.MULTILINE)
_SET = re.compile(r"in \{(texts|ints|blobs) \$(\d+)\}")
_GREATEST = re.compile(r"\{greatest ([^}]*)\}")
_INSERT = re.compile(r"insert into (\w+) \(([^)]*)\)\s+values \(([^)]*)\)\s*", re.IGNORECASE)

_SQLITE_SETS = {
    "texts": "in (select value from json_each(?{n}))",
    "ints": "in (select value from json_each(?{n}))",
    "blobs": "in (select unhex(value) from json_each(?{n}))",
}
_POSTGRES_SETS = {
    "texts": "= any(${n}::text[])",
    "ints": "= any(${n}::bigint[])",
    "blobs": "= any(${n}::bytea[])",
}


@cache
def load_sqlite_statements() -> Mapping[str, str]:
    """All statements by name, in SQLite's words."""
    return {name: _to_sqlite(text) for name, text in _load("name").items()}


@cache
def load_postgres_statements() -> Mapping[str, str]:
    """All statements by name, in PostgreSQL's words."""
    return {name: _to_postgres(text) for name, text in (_load("name") | _load("postgres")).items()}


@cache
def load_row_statements() -> Mapping[str, str]:
    """PostgreSQL's texts that do for many rows at once what the statement of that name does for one."""
    return {name: _to_postgres(text) for name, text in _load("postgres rows").items()}


class Copying(NamedTuple):
    """A plain insert, told as what COPY needs."""

    table: str
    columns: tuple[str, ...]
    values: tuple[tuple[int, int | str | None], ...]
    """For each column the place of its argument (0 is the first), or -1 and a constant."""


@cache
def load_copyings() -> Mapping[str, Copying]:
    """The plain inserts among the statements: those that a COPY can stand for."""
    found = {}
    for name, text in _load("name").items():
        match = _INSERT.fullmatch(text)
        if match and "+" not in match[3]:
            table, columns, values = match.groups()
            names = tuple(column.strip() for column in columns.split(","))
            found[name] = Copying(table, names, tuple(_value(v.strip()) for v in values.split(",")))
    return found


def load_migrations(engine: str) -> list[tuple[int, str]]:
    """The numbered migrations of one engine, in order."""
    folder = resources.files("verify.store").joinpath("migrations").joinpath(engine)
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [(int(f.name.split("_", 1)[0]), f.read_text("utf-8")) for f in files]


def _load(kind: str) -> dict[str, str]:
    """The texts of one kind (`name`, `postgres`, `postgres rows`) by the name of their statement."""
    head = f"{kind}: "
    return {name.removeprefix(head): text for name, text in _read().items() if name.startswith(head)}


@cache
def _read() -> dict[str, str]:
    found: dict[str, str] = {}
    for file in resources.files("verify.store").joinpath("sql").iterdir():
        parts = _NAME.split(file.read_text("utf-8"))
        for name, text in zip(parts[1::2], parts[2::2], strict=True):
            if name in found:
                raise ValueError(f"statement {name} is written twice")
            found[name] = text.strip()
    return found


def _to_sqlite(text: str) -> str:
    text = _SET.sub(lambda m: _SQLITE_SETS[m[1]].format(n=m[2]), text)
    text = _GREATEST.sub(r"max(\1)", text).replace(" {for update}", "")
    return re.sub(r"\$(\d+)", r"?\1", text)


def _to_postgres(text: str) -> str:
    text = _SET.sub(lambda m: _POSTGRES_SETS[m[1]].format(n=m[2]), text)
    return _GREATEST.sub(r"greatest(\1)", text).replace("{for update}", "for update")


def _value(text: str) -> tuple[int, int | str | None]:
    if text.startswith("$"):
        return int(text[1:]) - 1, None
    if text == "null":
        return -1, None
    return -1, text.strip("'") if text.startswith("'") else int(text)
