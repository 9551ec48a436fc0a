"""`template` and `overprint`: forms of one's own, and printing into numbered blanks."""

from pathlib import Path
from typing import cast

import click
import msgspec

from verify.certificate.reason import Role as Acting
from verify.certificate.record import Kind
from verify.cli import errand
from verify.cli.issue import write_whole
from verify.documents.gate import run_gate, trial_sheet
from verify.documents.overprint import (
    Calibration,
    default_calibration,
    load_calibration,
    render_calibration_sheet,
    render_overprint,
)
from verify.documents.press import Press
from verify.documents.templates import load_template, record_path
from verify.errors import Unreadable, Words
from verify.issuance.caller import Caller
from verify.wiring.desks import OfficeHouse

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
OUT = click.Path(dir_okay=False, path_type=Path)


@click.group()
def template() -> None:
    """Forms in which certificates are printed.

    \b
    Example:
      verify template check forms/house.typ
    """


@template.command("check")
@click.argument("file", type=FILE)
@errand.json_option
def check_template(file: Path, as_json: bool) -> None:
    """Try a form: does its code scan after what happens to paper? Writes FILE's record when it does.

    The form may be used from the next start of the service, until a byte of it changes. Exit code 1 when it failed.

    \b
    Example:
      verify template check forms/house.typ
    """
    form = load_template(file)
    report = run_gate(Press(), form)
    record = report.record()
    if report.passed:
        write_whole(record_path(file), msgspec.json.encode(record))
    if as_json:
        errand.put_json(record)
    else:
        errand.put_table(report.table()[0], report.table()[1:])
        click.echo("passed" if report.passed else "failed")
    if not report.passed:
        lacks = ", ".join(report.missing) or "-"
        what = Words(f"模板未通过测试；缺少：{lacks}。", f"The form did not pass; it lacks: {lacks}.")
        errand.note(what)
        raise SystemExit(errand.BAD_NEWS)


@template.command("list")
@errand.json_option
def list_templates(as_json: bool) -> None:
    """The forms that there are, and which of them may be used.

    \b
    Example:
      verify template list
    """
    folder = errand.settings().templates_dir
    registry = Press(templates_dir=folder).templates
    rows = []
    for form in registry:
        origin = "product" if form.built_in else str(folder)
        kinds = ",".join(sorted(kind.value for kind in form.kinds))
        rows.append((form.name, form.title, kinds, form.orientation, origin, registry.active(form)))
    heads = ("name", "title", "kinds", "orientation", "from", "usable")
    if as_json:
        errand.put_json({"templates": [dict(zip(heads, row, strict=True)) for row in rows]})
    else:
        errand.put_table(heads, rows)


@click.command()
@click.argument("number", required=False)
@click.option("--calibration", type=FILE, help="What was measured: TOML or JSON.")
@click.option("--sheet", is_flag=True, help="The test sheet to lay on a blank, instead of a certificate.")
@click.option("--out", type=OUT, required=True, help="The PDF to write.")
def overprint(number: str | None, calibration: Path | None, sheet: bool, out: Path) -> None:
    """Print the data of a certificate alone, into a numbered blank; or the test sheet for it.

    \b
    Example:
      verify overprint --sheet --out sheet.pdf
      verify overprint S000035000123263000001 --calibration blank.toml --out page.pdf
    """
    if sheet == (number is not None):
        raise click.UsageError("Give a NUMBER, or --sheet.")
    measured = None if calibration is None else load_calibration(_text(calibration))
    if sheet:
        press = Press(data_font=errand.settings().data_font)
        trial = trial_sheet(Kind.SKILL_LEVEL, "typical")
        data = render_calibration_sheet(press, measured or default_calibration(press, trial))
    else:
        data = errand.in_office(lambda house: _data_of(house, cast(str, number), measured))
    write_whole(out, data)
    click.echo(str(out))


async def _data_of(house: OfficeHouse, number: str, measured: Calibration | None) -> bytes:
    sheet = await house.views.sheet_for(number, Caller(errand.actor(), Acting.OPERATOR))
    return await house.press.work(
        lambda press: render_overprint(press, sheet, measured or default_calibration(press, sheet))
    )


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        what = Words(f"无法读取 {path}。", f"{path} cannot be read.")
        raise Unreadable(what, hint="save it as UTF-8 text") from error
