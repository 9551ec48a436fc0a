"""`suspend`, `reinstate`, `revoke`, `reissue`, `show`, `history`."""

import datetime as dt
import uuid
from typing import Any

import click
import msgspec

from verify.certificate.form import COLUMN_POINTERS
from verify.certificate.reason import REASONS, Move, reasons_for
from verify.certificate.reason import Role as Acting
from verify.certificate.record import CopyCause
from verify.cli import errand
from verify.cli.keys import instant
from verify.errors import Invalid, Words
from verify.issuance.caller import Caller
from verify.issuance.issue import Issued
from verify.issuance.reissue import Corrections, ReissueRequest
from verify.store.changes import Changed
from verify.wiring.desks import OfficeHouse

_PAST = {Move.SUSPEND: "suspended", Move.REINSTATE: "reinstated", Move.REVOKE: "revoked"}

agency_option = click.option("--agency", help="Act in the name of this agency instead of the operator's.")
note_option = click.option("--note", help="Free text for the file; sealed, never public.")


def caller(agency: str | None) -> Caller:
    """The operator, or somebody who acts for an agency."""
    if agency is None:
        return Caller(errand.actor(), Acting.OPERATOR)
    return Caller(errand.actor(), Acting.AGENCY, agency)


def _listed(move: Move) -> str:
    return ", ".join(reason.code for reason in reasons_for(move))


def _change(
    number: str,
    move: Move,
    reason: str,
    note: str | None,
    until: dt.datetime | None,
    agency: str | None,
    as_json: bool,
) -> None:
    async def go(house: OfficeHouse) -> Changed:
        done = await house.changes.change_many([number], move, reason, caller(agency), until=until, note=note)
        return done[0]

    done = errand.in_office(go)
    if as_json:
        errand.put_json(done)
    else:
        how = _PAST[move] if done.fresh else f"already {_PAST[move]} so; nothing was written"
        click.echo(f"{done.number} {how} (revision {done.revision})")


@click.command(
    help=f"""Suspend a certificate until it is reinstated, or until a moment.

Reasons: {_listed(Move.SUSPEND)}.

\b
Example:
  verify suspend S000035000123263000001 --reason UNDER_REVIEW --until 2026-12-31T16:00:00Z
"""
)
@click.argument("number")
@click.option("--reason", required=True, help="Code of the closed list.")
@click.option("--until", help="End, with zone: 2026-12-31T16:00:00Z.")
@note_option
@agency_option
@errand.json_option
def suspend(
    number: str, reason: str, until: str | None, note: str | None, agency: str | None, as_json: bool
) -> None:
    end = None if until is None else instant(until)
    _change(number, Move.SUSPEND, reason, note, end, agency, as_json)


@click.command(
    help=f"""End a suspension.

Reasons: {_listed(Move.REINSTATE)}.

\b
Example:
  verify reinstate S000035000123263000001 --reason REVIEW_CLEARED
"""
)
@click.argument("number")
@click.option("--reason", required=True, help="Code of the closed list.")
@note_option
@agency_option
@errand.json_option
def reinstate(number: str, reason: str, note: str | None, agency: str | None, as_json: bool) -> None:
    _change(number, Move.REINSTATE, reason, note, None, agency, as_json)


@click.command(
    help=f"""Revoke a certificate, for ever.

When the command returns, every look-up anywhere answers `revoked`. Reasons: {_listed(Move.REVOKE)}.

\b
Example:
  verify revoke S000035000123263000001 --reason OBTAINED_BY_FRAUD --note "file 2026-17"
"""
)
@click.argument("number")
@click.option("--reason", required=True, help="Code of the closed list.")
@note_option
@agency_option
@errand.json_option
def revoke(number: str, reason: str, note: str | None, agency: str | None, as_json: bool) -> None:
    _change(number, Move.REVOKE, reason, note, None, agency, as_json)


@click.command()
@click.argument("number")
@click.option("--reason", required=True, help="lost, damaged, corrected, or the reason's code.")
@click.option("--set", "changes", multiple=True, metavar="COLUMN=VALUE", help="What to correct; repeat.")
@click.option("--blank-serial", help="Serial of the numbered blank it is printed on.")
@click.option("--note", "remark", help="Remark printed on the new copy.")
@click.option("--key", help="Idempotency key; the same key again gives the same copy.")
@agency_option
@errand.json_option
def reissue(
    number: str,
    reason: str,
    changes: tuple[str, ...],
    blank_serial: str | None,
    remark: str | None,
    key: str | None,
    agency: str | None,
    as_json: bool,
) -> None:
    """Make a new copy in the place of a lost, damaged or wrong one.

    The number stays; the old copy is replaced in the same moment. When a correction changes the level or the
    year, which stand inside the number, a new certificate takes the old one's place.

    \b
    Example:
      verify reissue S000035000123263000001 --reason lost
      verify reissue S000035000123263000001 --reason corrected --set name=魏敏钢
    """
    request = ReissueRequest(_cause(reason), corrections(changes), blank_serial, remark)
    idempotency = key or f"cli-{uuid.uuid4()}"

    async def go(house: OfficeHouse) -> Issued:
        return await house.reissues.reissue(number, request, idempotency, caller(agency))

    done = errand.in_office(go)
    if as_json:
        errand.put_json(
            {"number": done.number, "copy": done.copy, "scan_code": done.scan_code, "key": idempotency}
        )
    else:
        click.echo(f"{done.number}: copy {done.copy}, scan code {done.scan_code}")


@click.command()
@click.argument("number")
@agency_option
@errand.json_option
def show(number: str, agency: str | None, as_json: bool) -> None:
    """The office's view of a certificate, the holder in full.

    \b
    Example:
      verify show S000035000123263000001
    """
    view = errand.in_office(lambda house: house.views.show(number, caller(agency)))
    if as_json:
        errand.put_json(view)
        return
    face = view.face
    errand.put_pairs(
        {
            "number": view.number, "status": view.status, "since": view.since, "reason": view.reason,
            "until": view.until, "revision": view.revision, "replaced by": view.replaced_by,
            "replaces": view.replaces, "holder": view.holder.name,
            "document": f"{view.holder.id_type} {view.holder.id_number}",
            "occupation": f"{face.occupation.code} {face.occupation.name}", "work type": face.work_type,
            "level": face.level, "issued on": face.issued_on, "agency": face.agency, "batch": face.batch,
            "page": view.scan_url,
        }
    )  # fmt: skip
    click.echo()
    rows = [
        (
            copy.number,
            copy.state,
            copy.cause,
            copy.scan_code,
            copy.blank_serial,
            f"{copy.issued_at:%Y-%m-%d %H:%M}",
        )
        for copy in view.copies
    ]
    errand.put_table(("copy", "state", "cause", "scan code", "blank", "issued"), rows)


@click.command()
@click.argument("number")
@agency_option
@errand.json_option
def history(number: str, agency: str | None, as_json: bool) -> None:
    """Everything that happened to a certificate, oldest first.

    \b
    Example:
      verify history S000035000123263000001
    """
    entries = errand.in_office(lambda house: house.views.history(number, caller(agency)))
    if as_json:
        errand.put_json(entries)
        return
    rows = [
        (
            e.seq,
            f"{e.at:%Y-%m-%d %H:%M:%S}",
            e.kind,
            e.data.get("reason") or e.data.get("cause"),
            e.actor,
            e.note,
        )
        for e in entries
    ]
    errand.put_table(("seq", "at (UTC)", "what", "reason", "who", "note"), rows)


def corrections(changes: tuple[str, ...]) -> Corrections:
    """`COLUMN=VALUE` with the columns of a roster, as the tree of the issue request. Raises Invalid."""
    tree: dict[str, Any] = {}
    for change in changes:
        column, equals, value = change.partition("=")
        pointer = COLUMN_POINTERS.get(column)
        if not equals or pointer is None:
            listed = ", ".join(COLUMN_POINTERS)
            raise Invalid(
                Words(
                    f"“{change}”应为 列名=值；列名：{listed}。",
                    f"{change} is no COLUMN=VALUE; columns: {listed}.",
                )
            )
        *path, last = pointer.strip("/").split("/")
        place = tree
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value or None
    try:
        return msgspec.convert(tree, Corrections, strict=False)
    except msgspec.ValidationError as error:
        raise Invalid(
            Words(f"更正内容有误：{error}。", f"The correction is not acceptable: {error}.")
        ) from error


def _cause(reason: str) -> str:
    """`lost`, or `REPLACED_LOST`: people and the closed list call it differently."""
    known = REASONS.get(reason.upper())
    if known is not None and known.cause is not None:
        return known.cause.value
    if reason in {cause.value for cause in CopyCause if cause is not CopyCause.ORIGINAL}:
        return reason
    listed = ", ".join(r.code for r in REASONS.values() if r.cause is not None)
    what = Words(
        f"原因应为 lost、damaged、corrected 或 {listed}。",
        f"The reason is lost, damaged, corrected, or one of {listed}.",
    )
    raise Invalid(what)
