"""Named SQL, kept in `.sql` files and read once.

A statement begins at a line `-- name: NAME` and ends at the next. The text is common to the engines; the few
words that differ are written as macros and put in at load:

    {list $1}     a set of text or integers bound as one argument
    {blobs $1}    a set of byte strings bound as one argument
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)
_MACRO = re.compile(r"\{(list|blobs) \$(\d+)\}")
_SQLITE = {
    "list": r"(select value from json_each(?{n}))",
    "blobs": r"(select unhex(value) from json_each(?{n}))",
}


@cache
def load_sqlite_statements() -> Mapping[str, str]:
    """All statements by name, in SQLite's words."""
    return {name: _to_sqlite(text) for name, text in _load().items()}


def load_migrations(engine: str) -> list[tuple[int, str]]:
    """The numbered migrations of one engine, in order."""
    folder = resources.files("verify.store").joinpath("migrations").joinpath(engine)
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [(int(f.name.split("_", 1)[0]), f.read_text("utf-8")) for f in files]


def _load() -> dict[str, str]:
    found: dict[str, str] = {}
    for file in resources.files("verify.store").joinpath("sql").iterdir():
        parts = _NAME.split(file.read_text("utf-8"))
        for name, text in zip(parts[1::2], parts[2::2], strict=True):
            if name in found:
                raise ValueError(f"statement {name} is written twice")
            found[name] = text.strip()
    return found


def _to_sqlite(text: str) -> str:
    text = _MACRO.sub(lambda m: _SQLITE[m[1]].format(n=m[2]), text)
    return re.sub(r"\$(\d+)", r"?\1", text)
