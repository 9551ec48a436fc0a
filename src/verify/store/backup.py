"""A copy of the embedded register while it is in use: SQLite's own online backup, on disk when it returns."""

import os
from pathlib import Path

import apsw

from verify.errors import NotReady, StoreFailed, Words

PAGES = 4096
"""Pages copied between two chances for writers: 16 MiB."""


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy the register at `source` to `target`, which must not exist: one moment of it, whole and checked.

    Writers go on meanwhile. Durable when it returns; on failure no `target` is left. Raises NotReady when there
    is no source or the target exists, StoreFailed when the copy is not sound or the disk refuses.
    """
    if not source.is_file():
        what = Words(f"没有数据库 {source}。", f"There is no database {source}.")
        raise NotReady(what, hint="check VERIFY_DATABASE_URL: verify config")
    if target.exists():
        what = Words(f"{target} 已存在。", f"{target} exists; nothing was overwritten.")
        raise NotReady(what, hint="choose another place, or move it away first")
    draft = target.with_name(f".{target.name}.part")
    try:
        draft.unlink(missing_ok=True)
        _copy(source, draft)
        _sync(draft)
        draft.replace(target)
        _sync(target.parent)
    except (apsw.Error, OSError) as error:
        what = Words("数据库复制失败。", f"The database could not be copied: {error}.")
        raise StoreFailed(what, hint=f"check the space and the rights at {target.parent}") from error
    finally:
        for file in (draft, *(draft.with_name(draft.name + end) for end in ("-wal", "-shm", "-journal"))):
            file.unlink(missing_ok=True)


def _copy(source: Path, draft: Path) -> None:
    old = apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READONLY)
    new = apsw.Connection(str(draft))
    try:
        with new.backup("main", old, "main") as backup:
            while not backup.done:
                backup.step(PAGES)
        (verdict,) = new.execute("pragma quick_check(1)").fetchone() or ("no answer",)
        if verdict != "ok":
            raise StoreFailed(
                Words("副本校验失败。", f"The copy is not sound: {verdict}."), hint="verify audit"
            )
        new.pragma("journal_mode", "delete")
        new.pragma("journal_mode", "wal")
    finally:
        new.close()
        old.close()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
