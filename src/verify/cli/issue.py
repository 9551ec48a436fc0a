"""`issue`."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import click

from verify.certificate.reason import Role as Acting
from verify.cli import errand
from verify.cli.progress import Progress
from verify.cli.rosters import Outcome, issue_roster, only_agency
from verify.documents.sheet import Sheet
from verify.errors import Conflict, Words
from verify.issuance.caller import Caller
from verify.wiring.desks import OfficeHouse
from verify.wiring.press import PRESSES

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.argument("file", type=FILE)
@click.option("--agency", help="Code of the agency; may be left out when there is only one.")
@click.option("--out", type=FOLDER, help="Write the PDF of every certificate into this folder.")
@errand.json_option
def issue(file: Path, agency: str | None, out: Path | None, as_json: bool) -> None:
    """Issue a roster: CSV, NDJSON or a JSON array.

    Writes FILE.result.csv beside it, with the number or what is wrong for each row. Run it again after a break
    or with corrected rows: what was issued keeps its number. Exit code 1 when any row was refused.

    \b
    Example:
      verify issue roster.csv --agency S000035000123 --out certificates/
    """

    size = max(file.stat().st_size, 1)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)

    async def go(house: OfficeHouse) -> Outcome:
        code = agency or await only_agency(house)
        with Progress("issuing", size) as bar:
            outcome, numbers = await issue_roster(
                house, code, file, errand.actor(), lambda read, rows: bar.reach(read, f"{rows} rows")
            )
        if out is not None:
            with Progress("printing", max(len(numbers), 1)) as bar:
                await write_pdfs(house, numbers, out, lambda done: bar.reach(done, f"{done} PDFs"))
        return outcome

    outcome = errand.in_office(go)
    if as_json:
        errand.put_json(outcome)
    else:
        click.echo(
            f"{outcome.rows} rows: {outcome.issued} issued, {outcome.already} issued before, {outcome.failed} refused"
        )
        click.echo(f"results: {outcome.result}")
    if outcome.failed:
        errand.note(
            Words(
                "有未通过的行，请更正后重新运行。", "Some rows were refused: correct them and run it again."
            )
        )
        raise SystemExit(errand.BAD_NEWS)


async def write_pdfs(
    house: OfficeHouse, numbers: list[str], folder: Path, advance: Callable[[int], None]
) -> list[Path]:
    """Write the current copy of each certificate into an existing folder, those that may no longer be printed left out.

    Raises NotFound, BadDocument.
    """
    caller = Caller(errand.actor(), Acting.OPERATOR)
    room = asyncio.Semaphore(2 * PRESSES)
    written: list[Path] = []

    async def one(number: str) -> None:
        async with room:
            try:
                sheet = await house.views.sheet_for(number, caller)
            except Conflict:
                return  # no new paper leaves the house for it
            path = folder / pdf_name(sheet)
            data = await house.press.pdf(sheet)
            await asyncio.to_thread(path.write_bytes, data)
            written.append(path)
            advance(len(written))

    await asyncio.gather(*(one(number) for number in dict.fromkeys(numbers)))
    return sorted(written)


def pdf_name(sheet: Sheet) -> str:
    """File name of a document: the number, and from the second copy on which copy it is."""
    return f"{sheet.number}.pdf" if sheet.copy_number == 1 else f"{sheet.number}-{sheet.copy_number}.pdf"
