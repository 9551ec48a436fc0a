"""`issue`."""

import asyncio
import contextlib
import csv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click

from verify.certificate.reason import Role as Acting
from verify.cli import errand
from verify.cli.progress import Progress
from verify.cli.rosters import Outcome, issue_roster, lines_of, only_agency
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
    size = lines_of(file)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)

    async def go(house: OfficeHouse) -> Outcome:
        code = agency or await only_agency(house)
        with Progress("issuing", size) as bar:
            outcome = await issue_roster(
                house, code, file, errand.actor(), lambda line, rows: bar.reach(line, f"{rows} rows")
            )
        if out is not None:
            with Progress("printing", max(outcome.issued + outcome.already, 1)) as bar:
                numbers = issued_in(Path(outcome.result))
                await write_pdfs(house, numbers, out, lambda done: bar.reach(done, f"{done} PDFs"))
        return outcome

    try:
        outcome = errand.in_office(go)
    except KeyboardInterrupt:
        errand.note(
            Words(
                "已中断。请重新运行：已颁发的保留编号。",
                "Stopped. Run it again: what was issued keeps its number.",
            )
        )
        raise SystemExit(errand.STOPPED) from None
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
    house: OfficeHouse, numbers: Iterable[str], folder: Path, advance: Callable[[int], None]
) -> None:
    """Write the signed PDF of each certificate into an existing folder, those that may no longer be printed left out.

    Some files are in memory at a time. A run that broke off is taken up by running it again: what was made is kept
    in the register and only read. Files are there whole or not at all. Raises NotFound, BadDocument, BadKey.
    """
    caller = Caller(errand.actor(), Acting.OPERATOR)
    under_way: set[asyncio.Task[None]] = set()
    done = 0

    async def one(number: str) -> None:
        with contextlib.suppress(Conflict):  # no new paper leaves the house for it
            paper = await house.papers.pdf(number, caller)
            await asyncio.to_thread(write_whole, folder / paper.name, paper.data)

    async def settle(room: int) -> None:
        nonlocal done, under_way
        while len(under_way) > room:
            ready, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            for task in ready:
                task.result()
                done += 1
            advance(done)

    try:
        for number in numbers:
            under_way.add(asyncio.create_task(one(number)))
            await settle(2 * PRESSES - 1)
        await settle(0)
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that is there complete or not at all."""
    draft = path.with_name(f".{path.name}.part")
    draft.write_bytes(data)
    draft.replace(path)


def issued_in(result: Path) -> Iterator[str]:
    """The numbers in a result file, line by line."""
    with result.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            if row["number"]:
                yield row["number"]
