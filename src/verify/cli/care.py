"""`audit`, `backup`, `restore`."""

from pathlib import Path

import click

from verify.cli import errand
from verify.errors import Words
from verify.office.audit import Report
from verify.office.audit import audit as run_audit
from verify.store.journal import EventKind
from verify.wiring.care import Restored, make_backup, restore_backup
from verify.wiring.desks import OfficeHouse

FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, exists=True, path_type=Path)


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

    SQLite: its own online backup. PostgreSQL: one moment of every table; for a loss of seconds instead of hours,
    archive the WAL beside pg_basebackup as well. Key files are not in it: keep their copies elsewhere, with other
    hands. DEST must not exist or be empty.

    \b
    Example:
      verify backup /mnt/backup/2026-11-21
    """
    tell = (lambda table: click.echo(f"backup: {table}", err=True)) if errand.is_terminal() else _quietly
    manifest = errand.run(make_backup(errand.settings(), dest, tell))
    if as_json:
        errand.put_json(manifest)
    else:
        click.echo(f"{dest}: ledger entry {manifest.seq}, {manifest.hash}")
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
    "--journal", multiple=True, type=FILE, help="Journal of a node; every node's. Default: VERIFY_JOURNAL."
)
@click.option(
    "--force", is_flag=True, help="SQLite: put it in the place of the present register, which is kept aside."
)
@click.option(
    "--accept-loss", is_flag=True, help="Changes after the backup are lost for good; go on without them."
)
@click.option(
    "--allow-gaps", is_flag=True, help="The journal has gaps; apply what is there under new entries."
)
@errand.json_option
def restore(
    source: Path, journal: tuple[Path, ...], force: bool, accept_loss: bool, allow_gaps: bool, as_json: bool
) -> None:
    """Put a backup in place, and apply to it what the journal knows of the time after. Stop the service first.

    A register must not take back a revocation: without journal or witness it is refused unless the loss is accepted
    by name. PostgreSQL: VERIFY_DATABASE_URL names an empty database. Then: verify audit.

    \b
    Example:
      verify restore /mnt/backup/2026-11-21 --journal /mnt/other/verify.journal --force
    """
    restored = errand.run(
        restore_backup(
            errand.settings(), source,
            journals=journal, force=force, loss_accepted=accept_loss, gaps_allowed=allow_gaps,
        )
    )  # fmt: skip
    if as_json:
        errand.put_json(restored)
    else:
        _put_restored(restored)


def _put_restored(restored: Restored) -> None:
    what = restored.replayed
    click.echo(f"{restored.restored}: ledger entry {restored.seq}, {restored.hash}")
    if restored.aside:
        click.echo(f"before: {restored.aside}")
    click.echo(f"backup ended at {restored.backup_seq}; {what.changes} later changes applied")
    for words, lost in (
        (
            "lost certificates, their numbers spent: issue again, then verify recover settle",
            what.lost_certificates,
        ),
        ("lost copies: reissue once more", what.lost_copies),
        ("lost API keys: make new ones", what.lost_credentials),
        ("keys without their X.509 certificate", what.lost_key_certificates),
        *((_OTHERS[kind], ids) for kind, ids in what.lost_others.items()),
        ("ledger entries that nobody has", tuple(str(seq) for seq in what.missing)),
    ):
        if lost:
            click.echo(f"{words} ({len(lost)}): {' '.join(lost)}")
    if what.lost_certificates or what.lost_copies:
        click.echo(
            "until they are settled, whoever asks for one of them is told that it could not be checked"
        )
    click.echo(
        "entries that Redis holds of the time before are of another history: no node reads them, flush nothing"
    )
    click.echo("next: verify audit")


_OTHERS: dict[str, str] = {
    EventKind.CREDENTIAL_ROTATED: "API keys whose new secret is lost: exchange it again (verify credential rotate)",
    EventKind.DOCUMENT_KEPT: "files made since: they are made anew when asked for",
    EventKind.STAND_IN_FILED: "pictures of rare characters that are lost: their agencies file them again",
    EventKind.BATCH_RECEIVED: "lost uploads: their agencies send them again",
    EventKind.REVOCATION_PROPOSED: "lost proposals: propose again",
    EventKind.CHECK_RECEIVED: "lost lists of employers: they send them again",
    EventKind.RECEIPT_GIVEN: "lost receipts, of API keys that are lost",
    EventKind.SUBSCRIPTIONS_CHANGED: "employers whose subscriptions changed since: tell them to compare and subscribe again",
    EventKind.WEBHOOK_CHANGED: "webhooks made or proven since: their employers prove them again",
    EventKind.SHARE_MADE: "lost links of holders: they lead nowhere",
}


def _quietly(table: str) -> None:
    """Nobody watches."""


def _put(report: Report) -> None:
    click.echo(f"ledger: {report.seq} entries, head {report.hash}")
    click.echo(f"certificates: {report.certificates}, copies: {report.copies}")
    for finding in report.findings:
        click.echo(f"{finding.where}: {finding.check}: {finding.detail.en} {finding.detail.zh}")
    if report.count > len(report.findings):
        click.echo(f"… and {report.count - len(report.findings)} more")
    click.echo("everything agrees" if not report.count else f"{report.count} disagreements")
