"""`stand-in …`: pictures of characters that no font has."""

from pathlib import Path

import click

from verify.certificate.reason import Role as Acting
from verify.cli import errand
from verify.cli.issue import write_whole
from verify.issuance.caller import Caller
from verify.issuance.stand_ins import Filing, Picture, StandIns

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group("stand-in")
def stand_in() -> None:
    """Names with a character that no font has: its picture is filed with evidence, accepted, and printed.

    \b
    Example:
      verify stand-in list S000035000123
    """


@stand_in.command("file")
@click.argument("agency")
@click.argument("character")
@click.option("--picture", type=FILE, required=True, help="PNG of 128 pixels or more, or SVG of paths.")
@click.option("--evidence", type=FILE, required=True, help="PNG or JPEG of the document that shows it.")
@click.option("--note", required=True, help="What the evidence is.")
@errand.json_option
def file_picture(
    agency: str, character: str, picture: Path, evidence: Path, note: str, as_json: bool
) -> None:
    """File the picture of one character: itself, or a description such as ⿰亻⿱龍天. Another person accepts it.

    \b
    Example:
      verify stand-in file S000035000123 ⿰亻⿱龍天 --picture glyph.png --evidence id-card.jpg --note 户口簿
    """
    given = Picture(character, picture.read_bytes(), evidence.read_bytes(), note)
    _put([errand.in_office(lambda house: house.stand_ins.file(agency, given, _caller()))], as_json)


@stand_in.command("list")
@click.argument("agency")
@errand.json_option
def list_pictures(agency: str, as_json: bool) -> None:
    """All pictures of an agency, refused ones included.

    \b
    Example:
      verify stand-in list S000035000123
    """
    _put(errand.in_office(lambda house: house.stand_ins.list_filings(agency, _caller())), as_json)


@stand_in.command("show")
@click.argument("stand_in_id", metavar="ID")
@click.option("--out", type=FOLDER, required=True, help="Where picture and evidence are written.")
@errand.json_option
def show_picture(stand_in_id: str, out: Path, as_json: bool) -> None:
    """Write the picture and its evidence into a folder, to compare them.

    \b
    Example:
      verify stand-in show si_0a1b2c3d4e5f --out compare/
    """
    filing, opened = errand.in_office(lambda house: house.stand_ins.show(stand_in_id, _caller()))
    out.mkdir(parents=True, exist_ok=True)
    form = "png" if opened.picture.startswith(b"\x89PNG") else "svg"
    write_whole(out / f"{filing.id}-picture.{form}", opened.picture)
    write_whole(out / f"{filing.id}-evidence.jpg", opened.evidence)
    _put([filing], as_json)


@stand_in.command("accept")
@click.argument("stand_in_id", metavar="ID")
@click.option("--reason", required=True, help="What it was compared with.")
@errand.json_option
def accept_picture(stand_in_id: str, reason: str, as_json: bool) -> None:
    """Let names of this agency print with the picture from now on.

    \b
    Example:
      verify stand-in accept si_0a1b2c3d4e5f --reason 与户口簿一致
    """
    _decide(stand_in_id, True, reason, as_json)


@stand_in.command("refuse")
@click.argument("stand_in_id", metavar="ID")
@click.option("--reason", required=True, help="What is wrong with it.")
@errand.json_option
def refuse_picture(stand_in_id: str, reason: str, as_json: bool) -> None:
    """Send a picture back, also one that was accepted: nothing more is printed with it.

    \b
    Example:
      verify stand-in refuse si_0a1b2c3d4e5f --reason 字形与证件不符
    """
    _decide(stand_in_id, False, reason, as_json)


def _decide(stand_in_id: str, accepted: bool, reason: str, as_json: bool) -> None:
    async def go(desk: StandIns) -> Filing:
        return await desk.decide(stand_in_id, accepted=accepted, reason=reason, caller=_caller())

    _put([errand.in_office(lambda house: go(house.stand_ins))], as_json)


def _caller() -> Caller:
    return Caller(errand.actor(), Acting.OPERATOR)


def _put(filings: list[Filing], as_json: bool) -> None:
    if as_json:
        errand.put_json({"stand_ins": filings})
        return
    heads = ("id", "agency", "character", "code points", "state", "filed by", "note")
    rows = [(f.id, f.agency, f.character, f.code_points, f.state, f.filed_by, f.note) for f in filings]
    errand.put_table(heads, rows)
