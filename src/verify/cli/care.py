"""`audit`, `backup`, `restore`."""

import datetime as dt
import hashlib
import os
from pathlib import Path

import click
import msgspec

from verify.cli import errand
from verify.errors import BadSettings, LedgerBroken, NotReady, Words
from verify.office.audit import Report
from verify.office.audit import audit as run_audit
from verify.proof.ledger import Head, Link, check_chain
from verify.store.backup import copy_sqlite
from verify.store.contract import Program, run
from verify.store.sqlite import SqliteStore
from verify.wiring.desks import OfficeHouse
from verify.wiring.house import POSTGRES
from verify.wiring.settings import sqlite_path

DATABASE = "verify.db"
MANIFEST = "manifest.json"
PAGE = 5000
FOLDER = click.Path(file_okay=False, path_type=Path)


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a backup holds."""

    format: int
    made_at: dt.datetime
    """UTC."""
    seq: int
    """The last ledger entry inside; note it elsewhere, and no older backup can pass for this one."""
    hash: str
    """Its hash, hex."""
    sha256: str
    """Of the database file."""


@click.command()
@errand.json_option
def audit(as_json: bool) -> None:
    """Hold the whole register against itself, and say what does not agree, and where.

    Ledger chain, status tables as the fold of the ledger, signatures of every token and credential, numbers,
    copies, counters, sealed holders, blind indexes. Changes nothing. Exit code 1 when anything disagrees.

    \b
    Example:
      verify audit
    """
    told = [0]

    def tell(done: int) -> None:
        if done >= told[0] + 10_000:
            told[0] = done
            click.echo(f"audit: {done} certificates", err=True)

    async def go(house: OfficeHouse) -> Report:
        return await run_audit(house.store, house.data_keys, tell)

    report = errand.in_office(go)
    if as_json:
        errand.put_json(report)
    else:
        _put(report)
    if report.count:
        errand.note(
            Words(
                "登记库存在不一致：停止签发，保留现状，并与最近的备份比对。",
                "The register disagrees with itself: stop issuing, keep it as it is, compare with the last backup.",
            )
        )
        raise SystemExit(errand.BAD_NEWS)


@click.command()
@click.argument("dest", type=FOLDER)
@errand.json_option
def backup(dest: Path, as_json: bool) -> None:
    """Copy the register into a new folder while the service runs.

    Key files are not in it: keep their copies elsewhere, with other hands. DEST must not exist or be empty.

    \b
    Example:
      verify backup /mnt/backup/2026-11-21
    """
    path = _embedded()
    dest.mkdir(parents=True, exist_ok=True)
    copy_sqlite(path, dest / DATABASE)
    head = errand.run(_follow(dest / DATABASE))
    manifest = Manifest(1, dt.datetime.now(dt.UTC), head.seq, head.hash.hex(), _digest(dest / DATABASE))
    _write(dest / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=2))
    if as_json:
        errand.put_json(manifest)
    else:
        click.echo(f"{dest / DATABASE}: ledger entry {head.seq}, {head.hash.hex()}")
    keys = errand.settings().keys_dir
    errand.note(
        Words(
            f"密钥目录 {keys} 不在备份内，请另行保管。",
            f"The keys in {keys} are not in the backup: keep them elsewhere.",
        )
    )


@click.command()
@click.argument("source", type=FOLDER)
@click.option(
    "--force", is_flag=True, help="Put it in the place of the present register, which is kept aside."
)
@errand.json_option
def restore(source: Path, force: bool, as_json: bool) -> None:
    """Put a backup in place, after following its whole ledger. Stop the service first.

    Changes made after the backup are lost, revocations among them: compare the ledger entry it shows with what
    you noted of the register before. Then: verify audit.

    \b
    Example:
      verify restore /mnt/backup/2026-11-21
    """
    path = _embedded()
    manifest = _manifest(source)
    if _digest(source / DATABASE) != manifest.sha256:
        what = Words("备份文件与清单不符。", "The database in the backup is not the one of its manifest.")
        raise LedgerBroken(what, hint="use another backup")
    if path.exists() and not force:
        what = Words(f"{path} 已存在。", f"{path} exists; nothing was overwritten.")
        raise NotReady(
            what, hint="stop the service, then run it again with --force; the present one is kept aside"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.restored")
    draft.unlink(missing_ok=True)
    copy_sqlite(source / DATABASE, draft)
    head = errand.run(_follow(draft))
    if (head.seq, head.hash.hex()) != (manifest.seq, manifest.hash):
        draft.unlink()
        what = Words(
            "备份的台账与清单不符。", "The ledger in the backup does not end where its manifest says."
        )
        raise LedgerBroken(what, hint="use another backup")
    aside = _set_aside(path) if path.exists() else None
    draft.replace(path)
    if as_json:
        errand.put_json({"restored": str(path), "seq": head.seq, "hash": head.hash.hex(), "aside": aside})
    else:
        click.echo(
            f"{path}: ledger entry {head.seq}, {head.hash.hex()}" + (f"; before: {aside}" if aside else "")
        )
        click.echo("next: verify audit")


def _put(report: Report) -> None:
    click.echo(f"ledger: {report.seq} entries, head {report.hash}")
    click.echo(f"certificates: {report.certificates}, copies: {report.copies}")
    for finding in report.findings:
        click.echo(f"{finding.where}: {finding.check}: {finding.detail.en} {finding.detail.zh}")
    if report.count > len(report.findings):
        click.echo(f"… and {report.count - len(report.findings)} more")
    click.echo("everything agrees" if not report.count else f"{report.count} disagreements")


def _embedded() -> Path:
    url = errand.settings().database_url
    if url.startswith(POSTGRES):
        what = Words("该命令只用于 SQLite。", "This command is for the embedded register.")
        raise BadSettings(what, hint="for PostgreSQL use pg_basebackup with WAL archiving")
    return sqlite_path(url)


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


def _manifest(source: Path) -> Manifest:
    try:
        return msgspec.json.decode((source / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        what = Words(f"{source} 不是备份。", f"{source} is no backup: its {MANIFEST} is missing or damaged.")
        raise NotReady(what, hint="name the folder that `verify backup` made") from error


def _set_aside(path: Path) -> str:
    """Move a register out of the way, its log with it, so that nothing is lost and nothing is mixed."""
    stamp = f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}"
    aside = path.with_name(f"{path.name}.before-{stamp}")
    for end in ("", "-wal", "-shm"):
        file = path.with_name(path.name + end)
        if file.exists():
            file.replace(aside.with_name(aside.name + end))
    return str(aside)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        what = Words(f"无法读取 {path}。", f"{path} cannot be read.")
        raise NotReady(what, hint="name the folder that `verify backup` made") from error


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
