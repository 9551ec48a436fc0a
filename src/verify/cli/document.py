"""`document`: the care of kept files."""

import datetime as dt

import click

from verify.cli import errand
from verify.errors import Words
from verify.issuance.archive import LIMIT, Outcome, Round
from verify.telemetry import setup_logging
from verify.wiring.desks import OfficeHouse


@click.group()
def document() -> None:
    """The signed files that are kept of certificates.

    \b
    Example:
      verify document renew
    """


@document.command("renew")
@click.option(
    "--due-before",
    type=click.DateTime(formats=["%Y-%m-%d"]),
    help="Also files that are due before this day (UTC): when the end of an algorithm was announced.",
)
@click.option("--limit", type=click.IntRange(1), default=LIMIT, show_default=True, help="Files at most.")
@errand.json_option
def renew(due_before: dt.datetime | None, limit: int, as_json: bool) -> None:
    """Append evidence and an archive timestamp to kept files that are due (PAdES B-LTA).

    An office node does this by itself while it serves; run it by hand after an outage, or to be early. Files only
    grow: whoever holds an older one holds the beginning of the new one. Run it again to go on. Exit code 1 when the
    timestamp service did not answer, or a file does not check.

    \b
    Example:
      verify document renew
      verify document renew --due-before 2031-01-01 --limit 5000
    """
    setup_logging("warning")  # to standard error: what is printed is the answer
    before = None if due_before is None else due_before.replace(tzinfo=dt.UTC)

    async def go(house: OfficeHouse) -> Round:
        return await house.archive.renew(before, limit=limit, actor=errand.actor())

    done = errand.in_office(go)
    if as_json:
        errand.put_json(done)
    else:
        told = (
            ", ".join(f"{count} {outcome}" for outcome, count in done.outcomes.items()) or "nothing was due"
        )
        click.echo(f"{told}; {done.left} still due")
        for file in done.refused:
            click.echo(f"does not check: {file}")
    if Outcome.UNAVAILABLE in done.outcomes:
        errand.note(
            Words("时间戳服务没有应答，文件未变，请稍后重试。",
                  "The timestamp service did not answer; every file is as it was. Run it again later.")
        )  # fmt: skip
    if Outcome.UNAVAILABLE in done.outcomes or done.refused:
        raise SystemExit(errand.BAD_NEWS)
