"""Care of the data: backups, restores that take nothing back, moves to another engine."""

import asyncio
import datetime as dt
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec

from verify.certificate.identity import parse_identity
from verify.certificate.name import fold_name
from verify.config import Settings
from verify.errors import BadKey, BadSettings, Conflict, LedgerBroken, NotReady, Words
from verify.office.audit import Report, audit
from verify.proof.datafile import load_data_keys
from verify.proof.ledger import Head, Link, check_chain
from verify.proof.sealing import DataKeys
from verify.store.backup import copy_sqlite
from verify.store.contract import Program, run
from verify.store.dump import dump_postgres, undump_postgres
from verify.store.logbook import read_logbooks, sync_folder
from verify.store.manifest import FORMAT, Manifest, Part, digest_file, read_manifest, write_manifest
from verify.store.moving import move_to_postgres
from verify.store.personal import person_tag, unseal_personal
from verify.store.replay import Replayed, replay
from verify.store.sqlite import SqliteStore
from verify.wiring.house import POSTGRES, check_ledger_end, migrate, open_store, passphrase
from verify.wiring.settings import sqlite_path
from verify.wiring.watch import find_witness

DATABASE = "verify.db"
PAGE = 5000


class Restored(msgspec.Struct, frozen=True):
    """What a restore did."""

    restored: str
    seq: int
    hash: str
    """Ledger head now, hex."""
    backup_seq: int
    aside: str | None
    """Where the register before lies."""
    replayed: Replayed


class Moved(msgspec.Struct, frozen=True):
    """What a move did, and that both sides agree with themselves and each other."""

    rows: dict[str, int]
    seq: int
    hash: str
    certificates: int
    copies: int


async def make_backup(settings: Settings, folder: Path, tell: Callable[[str], None]) -> Manifest:
    """Copy the register into `folder`, which is made or must be empty, while the service runs.

    Raises NotReady, StoreFailed, LedgerBroken; a folder without a manifest is no backup.
    """
    _make_room(folder)
    if settings.database_url.startswith(POSTGRES):
        return await dump_postgres(settings.database_url, folder, tell)
    copy = folder / DATABASE
    await asyncio.to_thread(copy_sqlite, sqlite_path(settings.database_url), copy)
    head = await _follow(copy)
    parts = {DATABASE: Part(await asyncio.to_thread(digest_file, copy))}
    manifest = Manifest(FORMAT, "sqlite", dt.datetime.now(dt.UTC), head.seq, head.hash.hex(), parts)
    write_manifest(folder, manifest)
    return manifest


async def restore_backup(
    settings: Settings,
    folder: Path,
    *,
    journals: Sequence[Path] = (),
    force: bool = False,
    loss_accepted: bool = False,
    gaps_allowed: bool = False,
) -> Restored:
    """Put a backup in place and apply what the journal knows of the time after it. Stop the service first.

    1. The backup's parts are what its manifest says. 2. Journal or witness show that nothing is left out, or the
    loss is accepted. 3. Backup, ledger and journal are followed and applied aside. 4. Only then is it put in place,
    and the witness told where that was necessary.
    Raises NotReady, Conflict, LedgerBroken; nothing is then in place.
    """
    manifest = await asyncio.to_thread(read_manifest, folder)
    engine = "postgresql" if settings.database_url.startswith(POSTGRES) else "sqlite"
    if manifest.engine != engine:
        what = Words(
            "备份来自另一种数据库。", f"This backup is of {manifest.engine}, VERIFY_DATABASE_URL is not."
        )
        raise BadSettings(
            what, hint="restore it on its own engine; verify migrate moves from SQLite to PostgreSQL"
        )
    if not journals and settings.journal is not None and settings.journal.exists():
        journals = (settings.journal,)
    links = await asyncio.to_thread(read_logbooks, journals, manifest.seq)
    await _assert_nothing_left_out(settings, manifest, links, journals, loss_accepted)
    again = partial(
        replay,
        links,
        history=secrets.token_hex(16),
        person_tag=_Tags(settings).tag,
        gaps_allowed=gaps_allowed,
    )
    if engine == "postgresql":
        where, aside = "postgresql", None
        replayed = await undump_postgres(settings.database_url, folder, manifest, again)
    else:
        where = str(sqlite_path(settings.database_url))
        replayed, aside = await _restore_sqlite(Path(where), folder, manifest, again, force)
    if loss_accepted or replayed.missing:
        await _accept(settings, Head(replayed.seq, bytes.fromhex(replayed.hash)))
    return Restored(where, replayed.seq, replayed.hash, manifest.seq, aside, replayed)


async def accept_register(settings: Settings) -> Head:
    """Tell the witness that the register as it is now is the true one, whatever was noted before.

    What caches hold of any other history is void from here on. Raises LedgerBroken when the end of its ledger is not
    whole, BadSettings when there is nobody to tell.
    """
    if settings.witness is None and settings.journal is None:
        what = Words("未设置见证或日志簿。", "Neither a witness nor a journal is set.")
        raise BadSettings(what, hint="set VERIFY_WITNESS")
    store = await open_store(settings.database_url, read_only=False)
    try:
        head = await store.read(check_ledger_end)
        history = secrets.token_hex(16)
        await store.write(lambda: run("begin_history", history))
        await _accept(settings, head)
        return head
    finally:
        await store.close()


async def witness_first(settings: Settings) -> str | None:
    """Tell a witness that knows nothing yet of a register that was just made; where it is, or None."""
    witness = find_witness(settings)
    if witness is None or await asyncio.to_thread(witness.last) is not None:
        return None
    store = await open_store(settings.database_url, read_only=True)
    try:
        await asyncio.to_thread(witness.note, await store.read(check_ledger_end))
    finally:
        await store.close()
    return witness.where


async def move_register(settings: Settings, source: str, target: str, tell: Callable[[Words], None]) -> Moved:
    """Move a register from SQLite to PostgreSQL, audited before and after. Stop the service first.

    Raises BadSettings for other addresses, Conflict when the target holds anything, LedgerBroken when a side does
    not agree with itself; the source stays as it is.
    """
    if not target.startswith(POSTGRES):
        what = Words("目标须为 postgresql:// 地址。", "--to must be a postgresql:// address.")
        raise BadSettings(what, hint="verify migrate --from sqlite:///data/verify.db --to postgresql://…")
    path = sqlite_path(source)
    data_keys = await asyncio.to_thread(load_data_keys, settings.keys_dir, passphrase(settings))
    tell(Words("核对原库。", "Auditing the source."))
    before = await _audited(source, data_keys)
    await migrate(target)
    tell(Words("复制。", "Copying."))
    moved = await move_to_postgres(path, target)
    tell(Words("核对新库。", "Auditing the target."))
    after = await _audited(target, data_keys)
    if msgspec.structs.replace(after, findings=()) != msgspec.structs.replace(before, findings=()):
        what = Words("迁移前后不一致。", "The target is not what the source was.")
        raise LedgerBroken(
            what, hint="was the service still running? drop the target database and move again"
        )
    return Moved(moved.rows, moved.seq, after.hash, after.certificates, after.copies)


# --- steps ----------------------------------------------------------------------------------------------


async def _assert_nothing_left_out(
    settings: Settings, manifest: Manifest, links: Sequence[Link], journals: Sequence[Path], accepted: bool
) -> None:
    """A restored register must not take back what was acknowledged after its backup."""
    if accepted:
        return
    end = links[-1].seq if links else manifest.seq
    witness = find_witness(settings)
    noted = None if witness is None else await asyncio.to_thread(witness.last)
    hint = "--journal FILE (VERIFY_JOURNAL); or, when the changes since are lost for good: --accept-loss"
    if noted is None and not journals:
        what = Words(
            "没有日志簿或见证，无法得知备份之后的变更。",
            "Neither journal nor witness: nobody knows what was changed after this backup, revocations among it.",
        )
        raise NotReady(what, hint=hint)
    if noted is not None and noted.seq > end:
        what = Words(
            f"见证已记到第 {noted.seq} 条，备份与日志簿只到第 {end} 条。",
            f"The witness noted entry {noted.seq}; backup and journal end at {end}.",
        )
        raise NotReady(what, hint=hint)


class _Tags:
    """The persons of holders who left the search by person after the backup. The data keys are opened for them alone."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys: DataKeys | None = None

    def tag(self, number: str, sealed: bytes) -> bytes:
        """See `replay.PersonTag`. Raises NotReady when the data keys are not here."""
        if self._keys is None:
            self._keys = self._open()
        holder = unseal_personal(self._keys, number, sealed).holder
        identity = parse_identity(holder.id_type, holder.id_number, dt.date.max)
        return person_tag(self._keys, identity, fold_name(holder.name))

    def _open(self) -> DataKeys:
        try:
            return load_data_keys(self._settings.keys_dir, passphrase(self._settings))
        except (BadKey, NotReady) as error:
            what = Words(
                "有持证人在备份之后选择不列入按人查询，恢复此选择需要数据密钥。",
                "A holder left the search by person after the backup; keeping that needs the data keys.",
            )
            raise NotReady(
                what, hint=f"VERIFY_KEYS_DIR with data.keys and its passphrase: {error.hint}"
            ) from error


async def _restore_sqlite(
    path: Path, folder: Path, manifest: Manifest, again: Callable[[], Program[Replayed]], force: bool
) -> tuple[Replayed, str | None]:
    draft = _begin_draft(path, force)
    try:
        await asyncio.to_thread(copy_sqlite, folder / DATABASE, draft)
        head = await _follow(draft)
        if (head.seq, head.hash.hex()) != (manifest.seq, manifest.hash):
            what = Words(
                "备份的台账与清单不符。", "The ledger in the backup does not end where its manifest says."
            )
            raise LedgerBroken(what, hint="use another backup")
        store = SqliteStore(draft)
        try:
            replayed = await store.write(again)
        finally:
            await store.close()  # the last to close folds the log back into the file
        await _follow(draft)
        aside = _put_in_place(draft, path)
    finally:
        _remove(draft)
    return replayed, aside


def _make_room(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        what = Words(f"{folder} 不是空目录。", f"{folder} is not empty; nothing was overwritten.")
        raise NotReady(what, hint="choose another place, or move it away first")
    folder.mkdir(parents=True, exist_ok=True)


def _begin_draft(path: Path, force: bool) -> Path:
    if path.exists() and not force:
        what = Words(f"{path} 已存在。", f"{path} exists; nothing was overwritten.")
        raise Conflict(
            what, hint="stop the service, then run it again with --force; the present one is kept aside"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.restored")
    _remove(draft)
    return draft


def _put_in_place(draft: Path, path: Path) -> str | None:
    aside = _set_aside(path) if path.exists() else None
    draft.replace(path)
    sync_folder(path.parent)
    return aside


def _remove(path: Path) -> None:
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def _set_aside(path: Path) -> str:
    """Move a register out of the way, its log with it, so that nothing is lost and nothing is mixed."""
    aside = path.with_name(f"{path.name}.before-{_stamp()}")
    for end in ("", "-wal", "-shm"):
        file = path.with_name(path.name + end)
        if file.exists():
            file.replace(aside.with_name(aside.name + end))
    return str(aside)


def _stamp() -> str:
    return f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%S%fZ}"


async def _accept(settings: Settings, head: Head) -> None:
    """The witness hears it by name; a journal of another past is kept aside."""
    witness = find_witness(settings)
    if witness is not None:
        await asyncio.to_thread(witness.note, head, accepted=True)
    journal = settings.journal
    if journal is None or not journal.exists():
        return
    later = await asyncio.to_thread(read_logbooks, [journal], 0)
    if later and (later[-1].seq, later[-1].hash) != (head.seq, head.hash):
        journal.replace(journal.with_name(f"{journal.name}.before-{_stamp()}"))


async def _audited(url: str, data_keys: DataKeys) -> Report:
    store = await open_store(url, read_only=True)
    try:
        report = await audit(store, data_keys)
    finally:
        await store.close()
    if report.count:
        first = report.findings[0]
        what = Words(
            f"{first.where}：{first.detail.zh}（共 {report.count} 处）",
            f"{first.where}: {first.detail.en} ({report.count} disagreements)",
        )
        raise LedgerBroken(
            what, hint="verify audit; nothing is moved from or to a register that disagrees with itself"
        )
    return report


async def _follow(path: Path) -> Head:
    """The head of a database, after following its whole chain. Raises LedgerBroken, NotReady."""
    store = SqliteStore(path, read_only=True)
    try:
        return await store.read(_whole_chain)
    finally:
        await store.close()


def _whole_chain() -> Program[Head]:
    ((seq, digest),) = yield from run("read_head")
    head = check_chain(())
    while rows := (yield from run("read_events", head.seq, PAGE)):
        head = check_chain((Link(row[0], row[4].encode(), row[5]) for row in rows), head)
    if head != Head(seq, digest):
        what = Words("台账末尾与其记录的头不一致。", "The ledger does not end where its head says.")
        raise LedgerBroken(what, hint="use another backup")
    return head
