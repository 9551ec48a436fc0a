"""`agency …` and `filing …`."""

import datetime as dt

import click

from verify.certificate.agency import agency_class
from verify.certificate.record import Agency, AgencyState, Filing
from verify.cli import errand
from verify.office.agencies import FilingRequest, agency_reasons
from verify.office.office import Office
from verify.proof.public import PublicKey

DATE = click.DateTime(["%Y-%m-%d"])


@click.group()
def agency() -> None:
    """Who may issue certificates.

    \b
    Example:
      verify agency list
    """


@agency.command("add")
@click.argument("code")
@click.option("--name", "name_zh", required=True, help="Name exactly as filed and published.")
@click.option("--name-en", default="", help="English name.")
@click.option("--kind", type=click.Choice(["skill_level", "qualification"]), help="Checked against the code.")
@click.option("--contact", help="Where an employer or holder can ask; public.")
@errand.json_option
def add_agency(
    code: str, name_zh: str, name_en: str, kind: str | None, contact: str | None, as_json: bool
) -> None:
    """Register an agency: 13 characters (skill level) or 8 digits (qualification).

    \b
    Example:
      verify agency add S000035000123 --name 某评价机构 --name-en "An agency" --contact 0591-00000000
    """
    made = errand.in_office(
        lambda house: house.office.agencies.add(
            code, name_zh=name_zh, name_en=name_en, kind=kind, contact=contact, actor=errand.actor()
        )
    )
    if as_json:
        errand.put_json(made)
    else:
        click.echo(f"{made.code} registered: {made.name_zh} ({agency_class(made.code).en})")
        click.echo(f"next: verify filing add {made.code} --occupation CODE NAME --levels 5,4,3 --from DATE")


@agency.command("list")
@errand.json_option
def list_agencies(as_json: bool) -> None:
    """All agencies and their state.

    \b
    Example:
      verify agency list --json
    """
    found = errand.in_office(lambda house: house.office.agencies.list_agencies())
    if as_json:
        errand.put_json(found)
    else:
        rows = [(a.code, a.state, f"{a.since:%Y-%m-%d}", a.reason, a.name_zh) for a in found]
        errand.put_table(("code", "state", "since", "reason", "name"), rows)


@agency.command("show")
@click.argument("code")
@errand.json_option
def show_agency(code: str, as_json: bool) -> None:
    """One agency with its filings and keys.

    \b
    Example:
      verify agency show S000035000123
    """

    async def read(office: Office) -> tuple[Agency, list[Filing], list[PublicKey]]:
        found = await office.agencies.find(code)
        return (
            found,
            await office.agencies.list_filings(found.code),
            await office.keys.list_keys(found.code),
        )

    found, filings, keys = errand.in_office(lambda house: read(house.office))
    if as_json:
        errand.put_json({"agency": found, "filings": filings, "keys": keys})
        return
    errand.put_pairs(
        {
            "code": found.code, "class": agency_class(found.code).en, "kind": found.kind, "name": found.name_zh,
            "name (en)": found.name_en, "state": found.state, "since": f"{found.since:%Y-%m-%d %H:%M} UTC",
            "reason": found.reason, "contact": found.contact,
        }
    )  # fmt: skip
    click.echo()
    _put_filings(filings)
    click.echo()
    errand.put_table(
        ("key", "purpose", "state"), [(key.kid, key.purpose.value, key.state.value) for key in keys]
    )


def _change(name: str, state: AgencyState, words: str) -> click.Command:
    reasons = agency_reasons(state)

    @click.argument("code")
    @click.option("--reason", required=True, type=click.Choice(reasons), help="From the closed list.")
    @errand.json_option
    def change(code: str, reason: str, as_json: bool) -> None:
        async def go(office: Office) -> Agency:
            desk = office.agencies
            act = {
                AgencyState.ACTIVE: desk.reinstate,
                AgencyState.SUSPENDED: desk.suspend,
                AgencyState.CANCELLED: desk.cancel,
            }[state]
            return await act(code, reason, actor=errand.actor())

        done = errand.in_office(lambda house: go(house.office))
        if as_json:
            errand.put_json(done)
        else:
            click.echo(f"{done.code} is {done.state} since {done.since:%Y-%m-%d %H:%M} UTC ({done.reason})")

    example = f"\n\n\b\nExample:\n  verify agency {name} S000035000123 --reason {reasons[0]}\n"
    return click.command(name, help=words + example)(change)


agency.add_command(
    _change(
        "suspend", AgencyState.SUSPENDED, "Let an agency issue nothing more for now; its certificates stand."
    )
)
agency.add_command(
    _change("cancel", AgencyState.CANCELLED, "End an agency's filing for good; its certificates stand.")
)
agency.add_command(_change("reinstate", AgencyState.ACTIVE, "Let a suspended agency issue again."))


@click.group()
def filing() -> None:
    """What an agency may issue: occupation, levels, dates.

    \b
    Example:
      verify filing list S000035000123
    """


@filing.command("add")
@click.argument("agency_code", metavar="AGENCY")
@click.option("--occupation", nargs=2, required=True, metavar="CODE NAME", help="As filed.")
@click.option("--levels", required=True, help="Comma-separated: 5,4,3,2,1,special,chief.")
@click.option("--work-type", "work_types", multiple=True, help="Allowed work type; repeat. -- for none.")
@click.option("--from", "from_on", type=DATE, required=True, help="First day, YYYY-MM-DD.")
@click.option("--to", "to_on", type=DATE, help="Last day, YYYY-MM-DD; open when left out.")
@click.option("--edition", default="2022", show_default=True, help="Edition of the occupational dictionary.")
@errand.json_option
def add_filing(
    agency_code: str,
    occupation: tuple[str, str],
    levels: str,
    work_types: tuple[str, ...],
    from_on: dt.datetime,
    to_on: dt.datetime | None,
    edition: str,
    as_json: bool,
) -> None:
    """File an occupation for an agency.

    \b
    Example:
      verify filing add S000035000123 --occupation 6-18-01-01 车工 --levels 5,4,3 --from 2026-01-01
    """
    request = FilingRequest(
        occupation_code=occupation[0],
        occupation_name=occupation[1],
        levels=tuple(level.strip() for level in levels.split(",") if level.strip()),
        work_types=work_types,
        from_on=from_on.date(),
        to_on=None if to_on is None else to_on.date(),
        edition=edition,
    )
    made = errand.in_office(
        lambda house: house.office.agencies.add_filing(agency_code, request, actor=errand.actor())
    )
    if as_json:
        errand.put_json(made)
    else:
        _put_filings([made])


@filing.command("list")
@click.argument("agency_code", metavar="AGENCY")
@errand.json_option
def list_filings(agency_code: str, as_json: bool) -> None:
    """All filings of an agency, ended ones included.

    \b
    Example:
      verify filing list S000035000123
    """
    found = errand.in_office(lambda house: house.office.agencies.list_filings(agency_code))
    if as_json:
        errand.put_json(found)
    else:
        _put_filings(found)


@filing.command("end")
@click.argument("filing_id", metavar="FILING")
@click.option("--on", "to_on", type=DATE, required=True, help="Last day, YYYY-MM-DD.")
@errand.json_option
def end_filing(filing_id: str, to_on: dt.datetime, as_json: bool) -> None:
    """Let a filing end; what was issued under it stands.

    \b
    Example:
      verify filing end 3f9a01c2b4d5 --on 2026-12-31
    """
    ended = errand.in_office(
        lambda house: house.office.agencies.end_filing(filing_id, to_on.date(), actor=errand.actor())
    )
    if as_json:
        errand.put_json(ended)
    else:
        _put_filings([ended])


def _put_filings(filings: list[Filing]) -> None:
    rows = [
        (
            f.id,
            f.occupation.code,
            f.occupation.name,
            [level.value for level in f.levels],
            f.work_types,
            f.from_on,
            f.to_on,
        )
        for f in filings
    ]
    errand.put_table(("filing", "code", "occupation", "levels", "work types", "from", "to"), rows)
