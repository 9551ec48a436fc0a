"""`recover` and `migrate`: what an operator does on a bad day, and on the day of the move."""

import asyncio

import click

from verify.cli import errand
from verify.config import Settings
from verify.errors import BadSettings, LedgerBroken, Words
from verify.store.failover import (
    MARGIN_S,
    Promoted,
    find_standby,
    guard,
    promote,
    read_ledger,
    show_servers,
    stand_alone,
)
from verify.store.journal import Origin
from verify.store.losses import Loss, list_losses, settle_losses
from verify.wiring.care import accept_register, move_register
from verify.wiring.desks import OfficeHouse
from verify.wiring.house import POSTGRES, utc_now
from verify.wiring.watch import find_witness

url_option = click.option(
    "--url", help="PostgreSQL address with a superuser's login. Default: VERIFY_DATABASE_URL."
)


@click.group()
def recover() -> None:
    """Standby, failover, and a register that its witness does not know.

    \b
    Example:
      verify recover status
    """


@recover.command()
@url_option
@errand.json_option
def status(url: str | None, as_json: bool) -> None:
    """Show every server of the address: which is the primary, who follows, and the lease.

    \b
    Example:
      verify recover status --url 'postgresql://postgres@/verify?host=/run/a,/run/b'
    """
    servers = errand.run(show_servers(_address(url)))
    if as_json:
        errand.put_json(servers)
        return
    headings = ("SERVER", "ROLE", "TIMELINE", "LEDGER", "LEASE MS", "BEAT", "STANDBYS", "")
    rows = [(s.where, s.role, s.timeline, s.seq, s.lease_ms, s.beat, s.standbys, s.trouble) for s in servers]
    errand.put_table(headings, rows)


@recover.command("guard")
@click.option("--lease", default=5.0, show_default=True, help="Seconds, 3 to 10.")
@url_option
def guard_command(lease: float, url: str | None) -> None:
    """From now on answer only while the synchronous standby demonstrably follows.

    Until nodes have seen the first beats, for about three seconds, look-ups are unavailable. An office node must
    run. The lease is kept in the register, so that all nodes and the standby know the same.

    \b
    Example:
      verify recover guard --lease 5
    """
    errand.run(guard(_address(url), round(lease * 1000)))
    click.echo(f"guarded: nothing is answered unless the standby confirmed something in the last {lease} s")


@recover.command()
@url_option
def alone(url: str | None) -> None:
    """The standby is gone for good: answer without one.

    Never on a primary whose standby may have been promoted: it would answer from the past.

    \b
    Example:
      verify recover alone
    """
    errand.run(stand_alone(_address(url)))
    click.echo("alone: nothing protects the register against the loss of this server; make a standby")


@recover.command("promote")
@url_option
@click.option("--old-primary-is-dead", is_flag=True, help="It held no lease, and certainly answers nobody.")
@errand.json_option
def promote_command(url: str | None, old_primary_is_dead: bool, as_json: bool) -> None:
    """Make the standby the primary, so that nobody is shown what the old one still believes.

    It stops the standby from confirming, waits one lease, promotes, and compares the ledger with the witness.

    \b
    Example:
      verify recover promote --url 'postgresql://postgres@standby.example.cn/verify'
    """
    address = _address(url)
    settings = errand.settings()

    async def go() -> Promoted:
        standby = await find_standby(address)
        done = await promote(standby, certainly_dead=old_primary_is_dead, tell=errand.note)
        await _compare(settings, standby)
        return done

    done = errand.run(go())
    if as_json:
        errand.put_json(done)
        return
    click.echo(f"primary now: timeline {done.timeline}, ledger entry {done.seq}, {done.hash}")
    click.echo(f"it took {done.took_s:.1f} s, of which the lease {done.waited_s - MARGIN_S:.1f} s")
    for line in _AFTERWARDS:
        click.echo(line)


@recover.command()
def accept() -> None:
    """Tell the witness that this register is the true one, whatever it noted before. What is missing is lost.

    \b
    Example:
      verify recover accept
    """
    head = errand.run(accept_register(errand.settings()))
    click.echo(f"accepted: ledger entry {head.seq}, {head.hash.hex()}")


@recover.command()
@errand.json_option
def lost(as_json: bool) -> None:
    """Show what a restore did not bring back. Until it is settled, a look-up of it could not be checked.

    \b
    Example:
      verify recover lost
    """

    async def go(house: OfficeHouse) -> list[Loss]:
        return await house.store.read(list_losses)

    losses = errand.in_office(go)
    if as_json:
        errand.put_json(losses)
        return
    headings = ("NUMBER", "COPY", "AGENCY", "ISSUED", "LEDGER SAYS", "SETTLED", "BY")
    rows = [(o.number, o.copy, o.agency, o.issued_at, o.status, o.settled_at, o.settled_by) for o in losses]
    errand.put_table(headings, rows)


@recover.command()
@click.argument("numbers", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Everything that is lost and not settled.")
@errand.json_option
def settle(numbers: tuple[str, ...], every: bool, as_json: bool) -> None:
    """Answer for certificates that a restore did not bring back: from now on look-ups call them unknown.

    Do it when the agency has issued them again, or will not. It is recorded in the ledger and not taken back.

    \b
    Example:
      verify recover settle S000035000123264000017
    """
    if bool(numbers) == every:
        raise click.UsageError("name certificate numbers, or --all")

    async def go(house: OfficeHouse) -> list[str]:
        wanted = list(numbers) or [one.number for one in await house.store.read(list_losses)]
        origin = Origin(errand.actor(), utc_now())
        return await house.store.write(lambda: settle_losses(wanted, origin))

    settled = errand.in_office(go)
    if as_json:
        errand.put_json(settled)
        return
    click.echo(f"settled ({len(settled)}): {' '.join(settled)}" if settled else "nothing was open")


@click.command()
@click.option("--from", "source", required=True, help="sqlite:///PATH")
@click.option("--to", "target", required=True, help="postgresql://… of an empty database.")
@errand.json_option
def migrate(source: str, target: str, as_json: bool) -> None:
    """Move a register from SQLite to PostgreSQL, audited on both sides. Stop the service first.

    \b
    Example:
      verify migrate --from sqlite:///data/verify.db --to postgresql://verify@db.example.cn/verify
    """

    moved = errand.run(move_register(errand.settings(), source, target, errand.note))
    if as_json:
        errand.put_json(moved)
        return
    click.echo(
        f"moved: {moved.certificates} certificates, {moved.copies} copies, ledger entry {moved.seq}, {moved.hash}"
    )
    click.echo("both sides were audited and agree")
    click.echo(
        "next: set VERIFY_DATABASE_URL to the target, verify init, verify serve; keep the file, write no more"
    )


_AFTERWARDS = (
    "next:",
    "  1. do not start the old primary again; its data directory must be made anew",
    "  2. nodes with both hosts in VERIFY_DATABASE_URL follow by themselves; others need the new address",
    "  3. make a standby: pg_basebackup -R -D DATA -d 'host=THIS application_name=NAME'",
    "  4. here: alter system set synchronous_standby_names = 'NAME'; select pg_reload_conf();",
    "  5. verify recover guard",
)


async def _compare(settings: Settings, standby: str) -> None:
    """The new primary must hold what the witness noted. Raises LedgerBroken."""
    witness = find_witness(settings)
    noted = None if witness is None else await asyncio.to_thread(witness.last)
    if noted is None:
        words = Words("没有见证可供比对。", "There is no witness to compare the ledger with.")
        errand.note(words)
        return
    head, there = await read_ledger(standby, noted.seq)
    if noted.seq and there != noted.hash:
        what = Words(
            f"新主库止于第 {head.seq} 条，与见证所记第 {noted.seq} 条不符；各节点将不作答。",
            f"The new primary ends at {head.seq} and does not hold entry {noted.seq} as the witness noted it;"
            " nodes will not answer.",
        )
        raise LedgerBroken(
            what, hint="was it synchronous? find the old primary's disk; if it is lost: verify recover accept"
        )


def _address(url: str | None) -> str:
    address = url or errand.settings().database_url
    if not address.startswith(POSTGRES):
        what = Words("该命令只用于 PostgreSQL。", "This command is for PostgreSQL.")
        raise BadSettings(what, hint="SQLite has no standby: keep backups and a journal (VERIFY_JOURNAL)")
    return address
