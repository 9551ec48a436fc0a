"""`demo`: a whole service on a throw-away directory, with something to look at."""

import asyncio
import contextlib
import csv
import datetime as dt
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from types import FrameType

import click
import msgspec

from verify.certificate.identity import check_character
from verify.certificate.occupation import NO_WORK_TYPE
from verify.certificate.reason import Role as Acting
from verify.certificate.record import Level
from verify.cli.issue import issued_in, write_pdfs
from verify.cli.rosters import issue_roster
from verify.cli.service import run_service
from verify.config import Settings
from verify.documents.qr import render_qr_terminal
from verify.errors import Words
from verify.issuance.caller import Caller
from verify.issuance.papers import paper_name
from verify.issuance.reissue import Corrections, ReissueRequest
from verify.office.agencies import FilingRequest
from verify.wiring import Role
from verify.wiring.desks import OfficeHouse, open_office_house
from verify.wiring.setup import set_up

ROSTER = "roster.csv"
SKILL = "S000035000123"
"""A social assessment organisation first filed with a province, Fujian; made up."""
QUALIFICATION = "10012003"
"""A local testing station; made up in the shape of the rule's own example."""
LEVELS = ("5", "4", "3", "2", "1")
ROWS = 2000
QUALIFICATION_ROWS = 5
OPERATOR = Words("示例运营机构", "Demonstration operator")


class Shown(msgspec.Struct, frozen=True):
    """One of the certificates that the demonstration points at."""

    what: Words
    number: str
    name: str
    id_number: str
    url: str
    qr: str
    pdf: str
    """File name of its document."""


@click.command()
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    envvar="PORT",
    default=8000,
    show_default=True,
    help="To serve on.",
)
@click.option(
    "--rows", type=click.IntRange(10), envvar="ROWS", default=ROWS, show_default=True, help="To issue."
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default="demo",
    show_default=True,
    help="For the PDFs.",
)
@click.option("--serve/--no-serve", default=True, help="Serve until stopped, or end when all is made.")
def demo(port: int, rows: int, out: Path, serve: bool) -> None:
    """Show everything: two agencies, a roster issued, one certificate revoked, one suspended, one reissued.

    Works in a temporary directory that is deleted at the end; the PDFs stay in --out. PORT and ROWS may come
    from the environment.

    \b
    Example:
      ROWS=200 PORT=8080 verify demo
    """
    with throw_away() as folder:
        settings = Settings(
            database_url=f"sqlite:///{folder}/verify.db",
            keys_dir=folder / "keys",
            public_url=f"http://127.0.0.1:{port}",
        )
        out.mkdir(parents=True, exist_ok=True)
        settings = asyncio.run(furnish(settings, folder, rows, out))
        if serve:
            _use(settings)
            run_service(settings, Role.ALL, workers=1, host="127.0.0.1", port=port)


@contextlib.contextmanager
def throw_away() -> Iterator[Path]:
    """A directory that is gone afterwards, however the command ends."""
    folder = Path(tempfile.mkdtemp(prefix="verify-demo-"))
    before = signal.signal(signal.SIGTERM, _end)  # as Ctrl-C: the keys in there must not outlive the process
    try:
        yield folder
    finally:
        signal.signal(signal.SIGTERM, before)
        shutil.rmtree(folder, ignore_errors=True)


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


async def furnish(settings: Settings, folder: Path, rows: int, out: Path) -> Settings:
    """Make everything that the demonstration shows, and say so; the settings it is served with come back."""
    began = time.monotonic()
    settings, _ = await set_up(settings, OPERATOR, "demo")
    house = await open_office_house(settings)
    try:
        skill_file, qualification_file = _cut_roster(folder, rows)
        _say(f"operator, keys, register: {folder}")
        await _agencies(house)
        _say(f"agencies {SKILL} and {QUALIFICATION}, with keys and filings")
        numbers = await _issue(house, SKILL, skill_file) + await _issue(
            house, QUALIFICATION, qualification_file
        )
        _say(f"{len(numbers)} certificates issued after {time.monotonic() - began:.1f} s")
        shown = await _change(house, numbers, out)
        for one in shown:
            _show(one, out)
        _, bearer = await house.office.credentials.create("demo", agency=SKILL, actor="demo")
        _tell_pages(settings.public_url, out, shown)
        _tell_call(settings.public_url, bearer, shown[0])
        return settings
    finally:
        await house.close()


async def _agencies(house: OfficeHouse) -> None:
    desk = house.office.agencies
    await desk.add(
        SKILL, name_zh="闽江示例职业技能评价中心", name_en="Minjiang Demonstration Skills Centre",
        contact="demo@example.cn", actor="demo",
    )  # fmt: skip
    await desk.add(
        QUALIFICATION, name_zh="江南示例职业技能鉴定所", name_en="Jiangnan Demonstration Testing Station",
        contact="demo@example.cn", actor="demo",
    )  # fmt: skip
    for code in (SKILL, QUALIFICATION):
        for key in await house.office.keys.create_pair(code, actor="demo"):
            await house.office.keys.activate(key.kid, actor="demo")
        for filing in _filings():
            await desk.add_filing(code, filing, actor="demo")


def _filings() -> list[FilingRequest]:
    """One filing for every occupation of the roster, with the work types that it uses."""
    names: dict[str, str] = {}
    types: dict[str, set[str]] = {}
    for row in _rows():
        names[row["occupation_code"]] = row["occupation_name"]
        types.setdefault(row["occupation_code"], set()).add(row["work_type"] or NO_WORK_TYPE)
    return [
        FilingRequest(
            occupation_code=code,
            occupation_name=name,
            levels=LEVELS,
            work_types=tuple(sorted(types[code])),
            from_on=dt.date(2020, 1, 1),
        )
        for code, name in names.items()
    ]


def _rows() -> list[dict[str, str]]:
    text = resources.files("verify.cli").joinpath("data").joinpath(ROSTER).read_text("utf-8-sig")
    return list(csv.DictReader(text.splitlines()))


def _cut_roster(folder: Path, rows: int) -> tuple[Path, Path]:
    """The roster of each agency: `rows` in all, the sample told again under other batches when it is too short."""
    sample = _rows()
    today = _today().isoformat()
    files = (folder / "skill.csv", folder / "qualification.csv")
    counts = (max(rows - QUALIFICATION_ROWS, 1), min(QUALIFICATION_ROWS, rows - 1))
    for path, count in zip(files, counts, strict=True):
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, [*sample[0], "batch"])
            writer.writeheader()
            for i in range(count):
                row = sample[i % len(sample)]
                issued_on = min(row["issued_on"], today)
                writer.writerow({**row, "issued_on": issued_on, "batch": f"demo-{i // len(sample) + 1}"})
    return files


async def _issue(house: OfficeHouse, agency: str, path: Path) -> list[str]:
    outcome = await issue_roster(house, agency, path, "demo", lambda read, rows: None)
    if outcome.failed:
        _say(f"{outcome.failed} rows were refused: see {outcome.result}")
    return list(issued_in(Path(outcome.result)))


async def _change(house: OfficeHouse, numbers: list[str], out: Path) -> list[Shown]:
    """One of each fate. What was printed before its end stays printed, as in life."""
    operator = Caller("demo", Acting.OPERATOR)
    good, revoked, suspended, lost, wrong = numbers[:5]
    await write_pdfs(house, numbers[:5], out, lambda done: None)
    pages = [
        await _shown(house, good, Words("有效", "valid")),
        await _shown(house, revoked, Words("已撤销", "revoked")),
        await _shown(house, suspended, Words("已暂停", "suspended")),
        await _shown(house, lost, Words("遗失补发前的第一份", "copy 1, lost and reissued since")),
        await _shown(house, wrong, Words("已换发新编号", "replaced by a certificate with another number")),
    ]
    await house.changes.revoke(revoked, "OBTAINED_BY_FRAUD", operator, note="demonstration")
    await house.changes.suspend(suspended, "UNDER_REVIEW", operator)
    await house.reissues.reissue(lost, ReissueRequest("lost"), "demo-lost", operator)
    level = "4" if (await house.views.show(wrong, operator)).face.level == Level.FIVE else "5"
    fixed = ReissueRequest("corrected", Corrections(level=level))
    new = await house.reissues.reissue(wrong, fixed, "demo-corrected", operator)
    await write_pdfs(house, [lost, new.number], out, lambda done: None)
    return [
        *pages[:4],
        await _shown(house, lost, Words("遗失补发的第二份", "copy 2, the current one")),
        pages[4],
        await _shown(
            house, new.number, Words("更正等级后的新证书", "the new certificate, its level corrected")
        ),
    ]


async def _shown(house: OfficeHouse, number: str, what: Words) -> Shown:
    sheet = await house.views.sheet_for(number, Caller("demo", Acting.OPERATOR))
    url = f"{house.settings.public_url}/V/{sheet.scan_code}"
    pdf = paper_name(sheet.number, sheet.copy_number)
    return Shown(what, number, sheet.name, sheet.id_number, url, sheet.qr_content, pdf)


def _show(one: Shown, out: Path) -> None:
    click.echo()
    click.echo(f"■ {one.what.en} {one.what.zh}: {one.number} {one.name}")
    click.echo(f"  {one.url}")
    click.echo(f"  {out / one.pdf}")
    click.echo(render_qr_terminal(one.qr, colour=sys.stdout.isatty()))


def _tell_pages(url: str, out: Path, shown: list[Shown]) -> None:
    """What there is to look at, once more without the codes, which have scrolled away by now."""
    one = shown[0]
    click.echo()
    click.echo("Look:")
    for each in shown:
        click.echo(f"  {each.url}  {each.what.en}")
    click.echo(f"  {url}/  search: {one.number} {one.name}; or check {out / one.pdf}")
    click.echo(f"  {url}/holder  sign in: {one.number} {one.name} {one.id_number}")
    click.echo(f"  {url}/agencies, {url}/reports, {url}/imitations")


def _tell_call(url: str, bearer: str, one: Shown) -> None:
    click.echo()
    click.echo(f"API key of agency {SKILL}: {bearer}")
    click.echo("Try:")
    click.echo(f"  curl -s {url}/api/v1/certificates/{one.number}")
    click.echo(
        f"  curl -s -H 'Authorization: Bearer {bearer}' {url}/api/v1/certificates/{one.number}/history"
    )
    click.echo(
        f"  curl -s -H 'Authorization: Bearer {bearer}' -H 'Idempotency-Key: demo-1' -H 'Content-Type: application/json'"
        f" -d '{_sample()}' {url}/api/v1/certificates"
    )
    click.echo("Suspend the valid one, and reload its page:")
    click.echo(
        f"  curl -s -H 'Authorization: Bearer {bearer}' -H 'Content-Type: application/json'"
        f' -d \'{{"reason":"UNDER_REVIEW"}}\' {url}/api/v1/certificates/{one.number}/suspension'
    )
    click.echo()


def _sample() -> str:
    """An issue request for somebody who does not exist; its resident ID lies in an area that does not either."""
    body = "99010119900101001"
    request = {
        "holder": {
            "name": "林安然",
            "id_type": "RESIDENT_ID",
            "id_number": body + check_character(body + "0"),
        },
        "occupation": {"code": "6-18-01-02", "name": "铣工"},
        "level": "4",
        "issued_on": _today().isoformat(),
        "results": {"theory": 88, "practical": 91},
    }
    return msgspec.json.encode(request).decode()


def _today() -> dt.date:
    """The date in China."""
    return dt.datetime.now(dt.timezone(dt.timedelta(hours=8))).date()


def _use(settings: Settings) -> None:
    """Hand the settings to the worker processes, which read the environment."""
    for name in [name for name in os.environ if name.startswith("VERIFY_")]:
        del os.environ[name]
    os.environ["VERIFY_DATABASE_URL"] = settings.database_url
    os.environ["VERIFY_KEYS_DIR"] = str(settings.keys_dir)
    os.environ["VERIFY_PUBLIC_URL"] = settings.public_url
    os.environ["VERIFY_KEY_PASSPHRASE_FILE"] = str(settings.key_passphrase_file)


def _say(text: str) -> None:
    click.echo(text, err=True)
