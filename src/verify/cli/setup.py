"""`init`, `config` and `serve`."""

from pathlib import Path

import click
import msgspec

from verify.cli import errand
from verify.cli.deployment import FILES, deployment_file
from verify.cli.service import run_service
from verify.config import PREFIX, Settings
from verify.errors import Words
from verify.wiring import Role
from verify.wiring.settings import FILE_NAME
from verify.wiring.setup import Done, set_up, write_settings_file

_SECRET = ("key_passphrase",)
_URLS = ("database_url", "redis_url", "witness")


@click.command()
@click.option("--operator", default="证书核验服务", show_default=True, help="Name of the operator, Chinese.")
@click.option("--operator-en", default="Certificate verification service", show_default=True, help="English.")
@errand.json_option
def init(operator: str, operator_en: str, as_json: bool) -> None:
    """Make an installation here: database, keys, settings file.

    Asks for nothing. Run it again after an update: it brings the schema up to date and leaves everything else as
    it is. Without VERIFY_KEY_PASSPHRASE or VERIFY_KEY_PASSPHRASE_FILE it makes a passphrase file, mode 0600.

    \b
    Example:
      VERIFY_PUBLIC_URL=https://cert.example.cn verify init --operator 某省职业技能鉴定中心
    """
    settings, done = errand.run(set_up(errand.settings(), Words(operator, operator_en), errand.actor()))
    done.append(write_settings_file(Path(FILE_NAME), settings))
    if as_json:
        errand.put_json(done)
        return
    for step in done:
        click.echo(_line(step))
    click.echo("next: verify agency add CODE --name NAME, verify filing add, verify key create CODE")


@click.command()
@click.option("--template", type=click.Choice(list(FILES)), help="Print a deployment file instead.")
@errand.json_option
def config(as_json: bool, template: str | None) -> None:
    """Show the settings in force, secrets masked.

    They come from VERIFY_* variables, and below them from ./verify.env or the file named by VERIFY_SETTINGS_FILE.

    \b
    Example:
      verify config --json
      verify config --template systemd > /etc/systemd/system/verify@.service
    """
    if template is not None:
        click.echo(deployment_file(template), nl=False)
        return
    shown = {PREFIX + name.upper(): value for name, value in masked(errand.settings()).items()}
    if as_json:
        errand.put_json(shown)
    else:
        for name, value in shown.items():
            click.echo(f"{name}={'' if value is None else value}")


@click.command()
@click.option("--role", type=click.Choice([role.value for role in Role]), default="all", show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
def serve(role: str, workers: int, host: str, port: int) -> None:
    """Run the service until it is stopped.

    A node with --role public needs the data keys and the passphrase, never a signing key. A dependency that is
    missing at the start is waited for: /livez answers 200, /readyz 503 until it is there.

    \b
    Example:
      verify serve --role public --workers 2 --host 0.0.0.0 --port 8000
    """
    run_service(errand.settings(), Role(role), workers=workers, host=host, port=port)


def masked(settings: Settings) -> dict[str, object]:
    """The settings by name; passphrases and the passwords inside addresses are not shown."""
    shown = msgspec.structs.asdict(settings)
    for name in _SECRET:
        shown[name] = None if shown[name] is None else "********"
    for name in _URLS:
        shown[name] = None if shown[name] is None else _without_password(str(shown[name]))
    return shown


def _without_password(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    login, at, place = rest.rpartition("@")
    if not at:
        return url
    user, colon, _ = login.partition(":")
    return f"{scheme}{mark}{user}{colon and ':********'}@{place}"


def _line(step: Done) -> str:
    state = "made" if step.fresh else "there"
    return f"{step.what:<11} {state:<6} {step.where}" + (f"  ({step.note})" if step.note else "")
