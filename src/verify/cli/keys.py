"""`key …` and `credential …`."""

import datetime as dt

import click

from verify.cli import errand
from verify.errors import Invalid, Words
from verify.office.credentials import MAX_OVERLAP, OVERLAP
from verify.office.office import Office
from verify.proof.public import OPERATOR, KeyPurpose, PublicKey

HOUR = dt.timedelta(hours=1)


@click.group()
def key() -> None:
    """The keys that sign.

    \b
    Example:
      verify key list
    """


@key.command("create")
@click.argument("owner")
@click.option(
    "--purpose", type=click.Choice([p.value for p in KeyPurpose]), help="Left out: both of an agency."
)
@click.option("--activate", is_flag=True, help="Put into use at once.")
@errand.json_option
def create_key(owner: str, purpose: str | None, activate: bool, as_json: bool) -> None:
    """Make keys for an agency, or for `operator` with --purpose root, statement or log.

    The private half stays in the key store, encrypted, mode 0600. A new key is pending: it signs nothing before
    it is activated, and the trust list announces it meanwhile.

    \b
    Example:
      verify key create S000035000123 --activate
    """

    async def go(office: Office) -> list[PublicKey]:
        if purpose is None and owner == OPERATOR:
            raise Invalid(
                Words("请用 --purpose root、statement 或 log。", "Say --purpose root, statement or log.")
            )
        if purpose is None:
            made = await office.keys.create_pair(owner, actor=errand.actor())
        else:
            made = [await office.keys.create(owner, KeyPurpose(purpose), actor=errand.actor())]
        if activate:
            made = [await office.keys.activate(one.kid, actor=errand.actor()) for one in made]
        return made

    _put(errand.in_office(lambda house: go(house.office)), as_json)


@key.command("list")
@click.option("--owner", help="Agency code, or `operator`.")
@click.option("--check", is_flag=True, help="Load every active key, sign and verify; exit 1 if one cannot.")
@errand.json_option
def list_keys(owner: str | None, check: bool, as_json: bool) -> None:
    """All keys with their windows.

    \b
    Example:
      verify key list --owner S000035000123 --check
    """

    async def go(office: Office) -> tuple[list[PublicKey], list[tuple[str, Words, str]]]:
        faults = await office.keys.check() if check else []
        return await office.keys.list_keys(owner), [(f.kid, f.detail, f.hint) for f in faults]

    keys, faults = errand.in_office(lambda house: go(house.office))
    _put(keys, as_json)
    for kid, detail, hint in faults:
        click.echo(f"error: {kid}: {detail.en} {detail.zh}\nnext: {hint}", err=True)
    if faults:
        raise SystemExit(errand.BAD_NEWS)


@key.command("activate")
@click.argument("kid")
@errand.json_option
def activate_key(kid: str, as_json: bool) -> None:
    """Let a pending key sign; the key it follows is retired in the same moment.

    \b
    Example:
      verify key activate ab12cd34
    """
    done = errand.in_office(lambda house: house.office.keys.activate(kid, actor=errand.actor()))
    _put([done], as_json)


@key.command("retire")
@click.argument("kid")
@errand.json_option
def retire_key(kid: str, as_json: bool) -> None:
    """Let a key sign nothing more; what it signed stays good for ever.

    \b
    Example:
      verify key retire ab12cd34
    """
    done = errand.in_office(lambda house: house.office.keys.retire(kid, actor=errand.actor()))
    _put([done], as_json)


@key.command("compromise")
@click.argument("kid")
@click.option(
    "--since", required=True, help="When it may have left your hands, with zone: 2026-11-20T08:00:00Z."
)
@errand.json_option
def compromise_key(kid: str, since: str, as_json: bool) -> None:
    """Declare that a key may be in other hands since a moment in the past.

    It signs no more. What the ledger shows as signed before that moment stays good; an offline reader warns of
    everything after it. Revoke what a thief may have signed: verify revoke.

    \b
    Example:
      verify key compromise ab12cd34 --since 2026-11-20T08:00:00Z
    """
    done = errand.in_office(
        lambda house: house.office.keys.compromise(kid, instant(since), actor=errand.actor())
    )
    _put([done], as_json)


@click.group()
def credential() -> None:
    """API keys: who may call the office's addresses.

    \b
    Example:
      verify credential list
    """


@credential.command("create")
@click.option("--agency", "agency_code", help="The agency it speaks for; left out: the operator.")
@click.option("--operator", "operator", is_flag=True, help="Say so when it is for the operator.")
@click.option("--employer", help="The registered name of an employer that checks certificates.")
@click.option("--name", help="The person or system it is given to; an employer's is its name.")
@errand.json_option
def create_credential(
    agency_code: str | None, operator: bool, employer: str | None, name: str | None, as_json: bool
) -> None:
    """Make an API key and show it once.

    \b
    Example:
      verify credential create --agency S000035000123 --name 教务系统
      verify credential create --employer 岭南机械有限公司
    """
    if (agency_code is not None) + operator + (employer is not None) != 1:
        raise click.UsageError("Say one of --agency CODE, --operator and --employer NAME.")
    given_to = employer or name
    if not given_to:
        raise click.UsageError("Say with --name whom it is given to.")
    made, bearer = errand.in_office(
        lambda house: house.office.credentials.create(
            given_to, agency=agency_code, employer=employer is not None, actor=errand.actor()
        )
    )
    if as_json:
        errand.put_json({"id": made.id, "role": made.role, "agency": made.agency, "bearer": bearer})
        return
    click.echo(bearer)
    errand.note(
        Words(
            "该密钥只显示这一次，请立即妥善保存。", "This key is shown this once: keep it somewhere safe now."
        )
    )


@credential.command("list")
@click.option("--agency", "agency_code", help="Of one agency only.")
@errand.json_option
def list_credentials(agency_code: str | None, as_json: bool) -> None:
    """All API keys, never their secrets.

    \b
    Example:
      verify credential list --agency S000035000123
    """
    found = errand.in_office(lambda house: house.office.credentials.list_credentials(agency_code))
    names = ("id", "role", "agency", "name", "created_at", "revoked_at", "rotations", "old_until")
    if as_json:
        errand.put_json([{name: getattr(one, name) for name in names} for one in found])
        return
    rows = [
        (c.id, c.role, c.agency, c.name, _day(c.created_at), "revoked" if c.revoked_at else "in use")
        for c in found
    ]
    errand.put_table(("id", "role", "agency", "name", "created", "state"), rows)


@credential.command("rotate")
@click.argument("credential_id", metavar="ID")
@click.option(
    "--overlap",
    "hours",
    type=click.FloatRange(0, MAX_OVERLAP / HOUR),
    default=OVERLAP / HOUR,
    show_default=True,
    help="Hours for which the old secret counts beside the new one; 0 ends it now.",
)
@errand.json_option
def rotate_credential(credential_id: str, hours: float, as_json: bool) -> None:
    """Give an API key a new secret and show it once; an employer keeps its subscriptions and records.

    \b
    Example:
      verify credential rotate 0a1b2c3d4e5f
      verify credential rotate 0a1b2c3d4e5f --overlap 0
    """
    made, bearer = errand.in_office(
        lambda house: house.office.credentials.rotate(
            credential_id, overlap=hours * HOUR, actor=errand.actor()
        )
    )
    if as_json:
        errand.put_json(
            {"id": made.id, "rotations": made.rotations, "old_until": made.old_until, "bearer": bearer}
        )
        return
    click.echo(bearer)
    assert made.old_until is not None  # there is an old one now
    until = f"{made.old_until:%Y-%m-%d %H:%M} UTC"
    errand.note(
        Words(
            f"新密钥只显示这一次，请立即妥善保存。旧密钥有效至 {until}。",
            f"This key is shown this once: keep it somewhere safe now. The old one counts until {until}.",
        )
    )


@credential.command("end-old")
@click.argument("credential_id", metavar="ID")
@errand.json_option
def end_old_secret(credential_id: str, as_json: bool) -> None:
    """Let the secret before the present one end now, before its time.

    \b
    Example:
      verify credential end-old 0a1b2c3d4e5f
    """
    done = errand.in_office(
        lambda house: house.office.credentials.end_old(credential_id, actor=errand.actor())
    )
    if as_json:
        errand.put_json({"id": done.id, "rotations": done.rotations, "old_until": done.old_until})
    elif done.old_until is None:
        click.echo(f"{done.id} has had one secret only")
    else:
        click.echo(f"the old secret of {done.id} ended at {done.old_until:%Y-%m-%d %H:%M} UTC")


@credential.command("revoke")
@click.argument("credential_id", metavar="ID")
@errand.json_option
def revoke_credential(credential_id: str, as_json: bool) -> None:
    """End an API key: the next request with it is refused.

    \b
    Example:
      verify credential revoke 0a1b2c3d4e5f
    """
    done = errand.in_office(
        lambda house: house.office.credentials.revoke(credential_id, owner=None, actor=errand.actor())
    )
    if as_json:
        errand.put_json({"id": done.id, "revoked_at": done.revoked_at})
    else:
        click.echo(f"{done.id} is revoked since {done.revoked_at:%Y-%m-%d %H:%M} UTC")


def instant(text: str) -> dt.datetime:
    """An aware instant. Raises Invalid for anything else."""
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        what = Words(
            f"时间 {text} 应带时区，例如 2026-11-20T08:00:00Z。",
            f"{text} is no time with a zone; write 2026-11-20T08:00:00Z.",
        )
        raise Invalid(what)
    return at.astimezone(dt.UTC)


def _put(keys: list[PublicKey], as_json: bool) -> None:
    if as_json:
        errand.put_json(
            [
                {
                    "kid": k.kid, "owner": k.owner, "purpose": k.purpose, "alg": k.alg, "state": k.state,
                    "created_at": k.created_at, "active_from": k.active_from, "active_to": k.active_to,
                    "compromised_at": k.compromised_at,
                }
                for k in keys
            ]
        )  # fmt: skip
        return
    rows = [
        (
            k.kid,
            k.owner,
            k.purpose,
            k.alg,
            k.state,
            _day(k.active_from),
            _day(k.active_to),
            _day(k.compromised_at),
        )
        for k in keys
    ]
    errand.put_table(("kid", "owner", "purpose", "alg", "state", "from", "to", "compromised"), rows)


def _day(at: dt.datetime | None) -> str | None:
    return None if at is None else f"{at:%Y-%m-%d %H:%M}"
