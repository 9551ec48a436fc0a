"""`case …` and `imitation …`: the operator's end of the desk."""

import datetime as dt
from pathlib import Path

import click

from verify.cases.imitations import readable
from verify.cases.matters import MATTERS, OUTCOMES, STATES
from verify.cases.queue import OPEN, Page, Whole
from verify.cases.told import Answer
from verify.cli import errand
from verify.cli.change import agency_option, caller
from verify.errors import Words
from verify.store.cases import CaseKind, CaseState
from verify.wiring.desks import OfficeHouse

DATE = click.DateTime(["%Y-%m-%d"])


@click.group()
def case() -> None:
    """What people told the desk: reports of forgeries, objections to certificates.

    \b
    Example:
      verify case list
    """


@case.command("list")
@click.option(
    "--state", "states", multiple=True, type=click.Choice([one.value for one in CaseState]),
    help="Repeat for several; what waits when left out.",
)  # fmt: skip
@click.option("--kind", "kinds", multiple=True, type=click.Choice([one.value for one in CaseKind]))
@click.option("--after", default="", metavar="CASE", help="Begin after this case.")
@agency_option
@errand.json_option
def list_cases(
    states: tuple[str, ...], kinds: tuple[str, ...], after: str, agency: str | None, as_json: bool
) -> None:
    """The queue, oldest first, fifty at a time.

    \b
    Example:
      verify case list --kind objection --json
    """

    async def read(house: OfficeHouse) -> Page:
        return await house.queue.list(caller(agency), states=states or OPEN, kinds=kinds, after=after)

    page = errand.in_office(read)
    if as_json:
        errand.put_json(page)
        return
    rows = [
        (c.id, c.kind, c.state, f"{c.received_at:%Y-%m-%d}", _due(c.due_at, c.overdue), c.agency,
         MATTERS[CaseKind(c.kind)][c.matter].en)
        for c in page.cases
    ]  # fmt: skip
    errand.put_table(("case", "kind", "state", "received", "due", "agency", "about"), rows)
    if page.next:
        click.echo(f"next: verify case list --after {page.next}", err=True)


@case.command("show")
@click.argument("case_id", metavar="CASE")
@click.option(
    "--picture", type=click.Path(dir_okay=False, path_type=Path), help="Write its picture (JPEG) here."
)
@agency_option
@errand.json_option
def show_case(case_id: str, picture: Path | None, agency: str | None, as_json: bool) -> None:
    """One case with what was told; it may hold personal data, so mind who looks on.

    \b
    Example:
      verify case show cs_661140f84590255a8 --picture report.jpg
    """

    async def read(house: OfficeHouse) -> tuple[Whole, bytes]:
        whole = await house.queue.show(case_id, caller(agency))
        data = await house.queue.picture(case_id, caller(agency)) if picture and whole.pictured else b""
        return whole, data

    whole, data = errand.in_office(read)
    if picture is not None and data:
        picture.write_bytes(data)
    _put(whole, as_json)


@case.command("accept")
@click.argument("case_id", metavar="CASE")
@agency_option
@errand.json_option
def accept(case_id: str, agency: str | None, as_json: bool) -> None:
    """Say that somebody looks at it now.

    \b
    Example:
      verify case accept cs_661140f84590255a8
    """
    _put(errand.in_office(lambda house: house.queue.accept(case_id, caller(agency))), as_json)


@case.command("assign")
@click.argument("case_id", metavar="CASE")
@click.argument("agency", metavar="AGENCY")
@errand.json_option
def assign(case_id: str, agency: str, as_json: bool) -> None:
    """Put a case into an agency's queue.

    \b
    Example:
      verify case assign cs_661140f84590255a8 S000035000123
    """
    _put(errand.in_office(lambda house: house.queue.assign(case_id, agency, caller(None))), as_json)


@case.command("answer")
@click.argument("case_id", metavar="CASE")
@click.option(
    "--outcome", required=True, type=click.Choice([name for table in OUTCOMES.values() for name in table]),
    help="Reports: confirmed, not-confirmed, passed-on. Objections: upheld, refused.",
)  # fmt: skip
@click.option("--words", required=True, help="The reasons; whoever has the receipt reads them.")
@click.option("--number", help="The certificate that holds the correction.")
@agency_option
@errand.json_option
def answer(
    case_id: str, outcome: str, words: str, number: str | None, agency: str | None, as_json: bool
) -> None:
    """Answer a case for good.

    \b
    Example:
      verify case answer cs_661140f84590255a8 --outcome confirmed --words "该网站已列入假冒网站名单。"
    """
    given = Answer(outcome, words, number)
    _put(errand.in_office(lambda house: house.queue.answer(case_id, given, caller(agency))), as_json)


@case.command("close")
@click.argument("case_id", metavar="CASE")
@click.option("--note", default="", help="For the office alone.")
@agency_option
@errand.json_option
def close(case_id: str, note: str, agency: str | None, as_json: bool) -> None:
    """Put a case away; an objection only after its answer.

    \b
    Example:
      verify case close cs_661140f84590255a8 --note 重复
    """
    _put(errand.in_office(lambda house: house.queue.close(case_id, caller(agency), note)), as_json)


@click.group()
def imitation() -> None:
    """Sites that imitate this one; the list is public at /imitations.

    \b
    Example:
      verify imitation list
    """


@imitation.command("list")
@errand.json_option
def list_imitations(as_json: bool) -> None:
    """What is listed now, newest first.

    \b
    Example:
      verify imitation list --json
    """
    sites = errand.in_office(lambda house: house.imitations.listed())
    if as_json:
        errand.put_json(sites)
        return
    rows = [
        (s.domain, readable(s.domain), s.seen_on, f"{s.added_at:%Y-%m-%d}", s.added_by, s.note) for s in sites
    ]
    errand.put_table(("domain", "readable", "seen", "listed", "by", "note"), rows)


@imitation.command("add")
@click.argument("domain")
@click.option("--note", default="", help="Public: what it asks for, what it looks like.")
@click.option("--seen", type=DATE, help="When it was seen, YYYY-MM-DD; today when left out.")
@errand.json_option
def add_imitation(domain: str, note: str, seen: dt.datetime | None, as_json: bool) -> None:
    """List a site. DOMAIN may be a pasted address; it is not opened.

    \b
    Example:
      verify imitation add verify-check.example.net --note 要求付费 --seen 2026-11-20
    """
    seen_on = None if seen is None else seen.date()
    site = errand.in_office(
        lambda house: house.imitations.add(domain, note=note, seen_on=seen_on, actor=errand.actor())
    )
    if as_json:
        errand.put_json(site)
    else:
        click.echo(f"{site.domain} is listed at /imitations")


@imitation.command("remove")
@click.argument("domain")
@errand.json_option
def remove_imitation(domain: str, as_json: bool) -> None:
    """Take a site off the list; that it was on it stays recorded.

    \b
    Example:
      verify imitation remove verify-check.example.net
    """
    site = errand.in_office(lambda house: house.imitations.remove(domain, actor=errand.actor()))
    if as_json:
        errand.put_json(site)
    else:
        click.echo(f"{site.domain} is not listed any more")


def _due(due_at: dt.datetime | None, overdue: bool) -> str | None:
    return None if due_at is None else f"{due_at:%Y-%m-%d}{' overdue' if overdue else ''}"


def _put(whole: Whole, as_json: bool) -> None:
    if as_json:
        errand.put_json(whole)
        return
    one, told, kind = whole.case, whole.told, CaseKind(whole.case.kind)
    matter, state = MATTERS[kind][one.matter], STATES[one.state]
    errand.put_pairs(
        {
            "case": one.id, "kind": one.kind, "about": _both(matter), "state": _both(state),
            "agency": one.agency, "certificate": one.number, "received": f"{one.received_at:%Y-%m-%d %H:%M} UTC",
            "due": _due(one.due_at, one.overdue), "told": _indented(told.words),
            "address": told.address, "number or code": told.code,
            "name": told.name, "document": " ".join((told.id_type, told.id_number)).strip(),
            "picture": "yes" if whole.pictured else None,
        }
    )  # fmt: skip
    if whole.answer is not None:
        errand.put_pairs(
            {"answer": _both(OUTCOMES[kind][whole.answer.outcome]), "words": _indented(whole.answer.words),
             "correction": whole.answer.number}
        )  # fmt: skip
    click.echo()
    rows = [(f"{s.at:%Y-%m-%d %H:%M}", s.event, s.by, s.actor, s.note) for s in whole.steps]
    errand.put_table(("UTC", "what", "by", "who", "note"), rows)


def _both(words: Words) -> str:
    return f"{words.en} {words.zh}"


def _indented(text: str) -> str:
    """A stranger's second line must not pass for one of ours."""
    return text.replace("\n", "\n    ")
