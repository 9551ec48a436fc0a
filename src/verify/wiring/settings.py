"""Where settings come from: the environment, and under it one file of `NAME=value` lines."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from verify.config import PREFIX, Settings, load_settings
from verify.errors import BadSettings, Words

FILE_NAME = "verify.env"
FILE_VARIABLE = "VERIFY_SETTINGS_FILE"
"""Names another file than `./verify.env`; the one name that is no setting."""

_SQLITE = "sqlite:///"


class Role(StrEnum):
    """Which doors a process opens."""

    ALL = "all"
    PUBLIC = "public"
    """Answers look-ups. Has the data keys, never a signing key."""
    OFFICE = "office"


def read_settings(environ: Mapping[str, str], folder: Path) -> Settings:
    """The settings of `environ` over those of the settings file, if there is one.

    Raises BadSettings for an unknown name (with the nearest known one), a wrong value, a file that cannot be
    read or a line that is no `NAME=value`.
    """
    named = environ.get(FILE_VARIABLE)
    file = Path(named) if named else folder / FILE_NAME
    below = _read_file(file) if named or file.is_file() else {}
    own = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    own.pop(FILE_VARIABLE, None)
    return load_settings({**below, **own})


def sqlite_path(url: str) -> Path:
    """The file behind `sqlite:///relative` or `sqlite:////absolute`. Raises BadSettings for another address."""
    if not url.startswith(_SQLITE) or len(url) == len(_SQLITE):
        what = Words(
            "这不是 SQLite 数据库地址，应为 sqlite:///文件路径。",
            "This is no address of an SQLite database; that is sqlite:///PATH.",
        )
        raise BadSettings(
            what,
            hint="VERIFY_DATABASE_URL=sqlite:///data/verify.db, or sqlite:////absolute/path;"
            " a service may use postgresql://USER@HOST/DATABASE as well",
        )
    return Path(url.removeprefix(_SQLITE))


def _read_file(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        what = Words(f"无法读取配置文件 {path}。", f"The settings file {path} cannot be read.")
        raise BadSettings(what, hint=f"ls -l {path}; or unset {FILE_VARIABLE}") from error
    found = {}
    for count, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or not name.strip().startswith(PREFIX):
            what = Words(
                f"{path} 第 {count} 行不是 {PREFIX}名称=值。",
                f"Line {count} of {path} is no {PREFIX}NAME=value.",
            )
            raise BadSettings(what, hint="comments begin with #")
        found[name.strip()] = value.strip().strip('"')
    return found
