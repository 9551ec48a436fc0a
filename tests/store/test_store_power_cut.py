"""A power cut: only what was synced to the disk is still there, and every acknowledged commit is in it."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from verify.certificate.record import Agency, AgencyState, Kind
from verify.store.contract import Program
from verify.store.journal import Origin
from verify.store.register import add_agency, list_agencies
from verify.store.sqlite import SqliteStore, migrate_sqlite

NOON = dt.datetime(2026, 11, 20, 4, 0, tzinfo=dt.UTC)
COMMITS = 12


class Disk(apsw.VFS):
    """Passes everything to the system and remembers what each file held when it was last synced."""

    def __init__(self) -> None:
        self.platter: dict[str, bytearray] = {}
        self.beneath = apsw.vfs_names()[0]
        super().__init__("disk", self.beneath, makedefault=True)

    def xOpen(self, name: object, flags: list[int]) -> apsw.VFSFile:
        return DiskFile(self, name, flags)

    def xDelete(self, name: str, sync_folder: bool) -> None:
        super().xDelete(name, sync_folder)
        self.platter.pop(name, None)

    def cut_power(self, folder: Path, into: Path) -> Path:
        """The files as a machine would find them after the cut."""
        into.mkdir()
        for name, content in self.platter.items():
            if Path(name).parent == folder:
                (into / Path(name).name).write_bytes(content)
        return into / "verify.db"


class DiskFile(apsw.VFSFile):
    """A file whose unsynced writes are lost in a cut."""

    def __init__(self, disk: Disk, name: object, flags: list[int]) -> None:
        self.disk = disk
        self.name = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        self.waiting: list[tuple[int, bytes | None]] = []
        super().__init__(self.disk.beneath, name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        self.waiting.append((offset, bytes(data)))

    def xTruncate(self, size: int) -> None:
        super().xTruncate(size)
        self.waiting.append((size, None))

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        content = self.disk.platter.setdefault(self.name, bytearray())
        for offset, data in self.waiting:
            if data is None:
                del content[offset:]
                continue
            content.extend(bytes(max(0, offset + len(data) - len(content))))
            content[offset : offset + len(data)] = data
        self.waiting.clear()


@pytest.fixture
def disk() -> Iterator[Disk]:
    disk = Disk()
    yield disk
    disk.unregister()


def agency(i: int) -> Agency:
    return Agency(f"S000035{i:06d}", Kind.SKILL_LEVEL, f"机构{i}", f"Agency {i}", AgencyState.ACTIVE, NOON)


def add(i: int) -> Program[Agency]:
    return add_agency(agency(i), Origin("tester", NOON))


async def survivors(disk: Disk, folder: Path, *, full: bool) -> list[int]:
    """Cut the power after each acknowledged commit; how many agencies the next start finds."""
    path = folder / "verify.db"
    migrate_sqlite(path)
    store = SqliteStore(path)
    if not full:  # the mutant: what many programs run with
        assert store._writer is not None
        store._writer._connection.pragma("synchronous", "normal")
    found = []
    for i in range(COMMITS):
        await store.write(lambda i=i: add(i))
        after = SqliteStore(disk.cut_power(folder, folder / f"cut{i}"))
        found.append(len(await after.read(list_agencies)))
        await after.close()
    await store.close()
    return found


async def test_every_acknowledged_commit_survives_a_power_cut(disk: Disk, tmp_path: Path) -> None:
    assert await survivors(disk, tmp_path, full=True) == [i + 1 for i in range(COMMITS)]


async def test_with_normal_synchronisation_acknowledged_commits_are_lost(disk: Disk, tmp_path: Path) -> None:
    assert await survivors(disk, tmp_path, full=False) != [i + 1 for i in range(COMMITS)]
