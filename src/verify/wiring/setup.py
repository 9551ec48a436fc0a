"""A first installation: database, keys, settings file. Every step may be run again and then changes nothing."""

import asyncio
import os
import secrets
import textwrap
from pathlib import Path

import msgspec

from verify.config import Settings, describe_settings
from verify.errors import NotReady, Words
from verify.office.office import open_office
from verify.proof.datafile import FILE_NAME as DATA_FILE
from verify.proof.datafile import create_data_keys
from verify.proof.keyfiles import KeyStore
from verify.proof.secretfiles import write_secret
from verify.store.postgres import grant_postgres
from verify.wiring.care import witness_first
from verify.wiring.house import POSTGRES, check_ledger_end, migrate, open_store, utc_now
from verify.wiring.settings import sqlite_path

OPENER_FILE = "passphrase"
WIDTH = 110
_SECRETS = ("key_passphrase",)
"""Never written into the settings file, which is read by many."""
_SHOWN = ("database_url", "public_url", "keys_dir", "key_passphrase_file")
"""Written plainly even where they are as by default: whoever opens the file looks for them."""


class Done(msgspec.Struct, frozen=True):
    """One step of an installation."""

    what: str
    """`database`, `roles`, `passphrase`, `data-keys`, `root-key`, `witness`, `settings`."""
    where: str
    fresh: bool
    """False when it was there already."""
    note: str = ""


async def set_up(settings: Settings, operator: Words, actor: str) -> tuple[Settings, list[Done]]:
    """Make what is missing: schema, passphrase, data keys, root and log key, first trust list.

    Returns the settings with the passphrase that is now in force. Raises NotReady when the schema cannot be
    brought up to date, BadKey when a key file refuses.
    """
    done = []
    done.append(await _database(settings.database_url))
    if settings.database_url.startswith(POSTGRES):
        done.append(await _roles(settings.database_url))
    settings, step = _passphrase(settings)
    done.append(step)
    secret = settings.key_passphrase or ""
    data_file = settings.keys_dir / DATA_FILE
    fresh = not data_file.exists()
    if fresh:
        await asyncio.to_thread(create_data_keys, settings.keys_dir, secret)
    done.append(Done("data-keys", str(data_file), fresh))
    done.append(await _root(settings, secret, operator, actor))
    if done[-1].fresh and (where := await witness_first(settings)) is not None:
        done.append(Done("witness", where, fresh=True))
    return settings, done


async def _database(url: str) -> Done:
    if url.startswith(POSTGRES):
        return Done("database", "postgresql", fresh=False, note=f"schema {await migrate(url)}")
    path = sqlite_path(url)
    fresh = not path.exists()
    return Done("database", str(path), fresh, note=f"schema {await migrate(url)}")


async def _roles(url: str) -> Done:
    """The two roles of nodes; an installation whose login may not make them works without, under that login."""
    try:
        await grant_postgres(url)
    except NotReady as error:
        return Done("roles", "postgresql", fresh=False, note=f"not made ({error.hint}); nodes use this login")
    lines = "grant verify_office to OFFICE_LOGIN; grant verify_public to PUBLIC_LOGIN;"
    return Done(
        "roles", "verify_office, verify_public", fresh=False, note=f"give nodes their own logins: {lines}"
    )


def write_settings_file(path: Path, settings: Settings) -> Done:
    """The settings file with a comment over every line; an existing one is left as it is."""
    if path.exists():
        return Done("settings", str(path), fresh=False)
    path.write_text(_settings_text(settings), "utf-8")
    return Done("settings", str(path), fresh=True, note="the environment goes before this file")


def _passphrase(settings: Settings) -> tuple[Settings, Done]:
    if settings.key_passphrase is not None:
        where = str(settings.key_passphrase_file or "VERIFY_KEY_PASSPHRASE")
        return settings, Done("passphrase", where, fresh=False)
    file = settings.keys_dir / OPENER_FILE
    fresh = not file.exists()
    if fresh:
        write_secret(file, secrets.token_urlsafe(32).encode() + b"\n")
    text = file.read_text("utf-8").strip()
    note = "made for you, mode 0600: keep a copy away from this machine; without it the keys are lost"
    kept = msgspec.structs.replace(settings, key_passphrase=text, key_passphrase_file=file)
    return kept, Done("passphrase", str(file), fresh, note if fresh else "")


async def _root(settings: Settings, secret: str, operator: Words, actor: str) -> Done:
    store = await open_store(settings.database_url, read_only=False)
    try:
        await store.read(check_ledger_end)
        office = open_office(
            store,
            KeyStore(settings.keys_dir, secret),
            trust_max_age_s=settings.trust_max_age_s,
            now=utc_now,
            random=os.urandom,
            public_url=settings.public_url.rstrip("/"),
        )
        before = {key.kid for key in await office.keys.list_keys()}
        root = await office.keys.open_root(operator, actor=actor)
        return Done("root-key", str(settings.keys_dir / f"{root.kid}.pem"), root.kid not in before)
    finally:
        await store.close()


def _settings_text(settings: Settings) -> str:
    """Every setting under its comment; what is as it is by default stands behind a #, and so does every secret."""
    lines = [
        "# Settings of verify. A variable of the same name in the environment goes before a line here.",
        "# A line that begins with # counts for nothing: it shows the default, or an example. In force: verify config",
    ]
    plain = Settings()
    for field, about in describe_settings().items():
        value, usual = getattr(settings, field), getattr(plain, field)
        lines += ["", *(f"# {line}" for line in textwrap.wrap(about.words, WIDTH))]
        if field in _SECRETS:
            lines.append(f"# {about.name}=")
        elif value != usual or field in _SHOWN:
            lines.append(
                f"{about.name}={_text(value)}" if value is not None else f"# {about.name}={about.example}"
            )
        else:
            shown = about.example if usual is None else _text(usual)
            lines.append(f"# {about.name}={shown}")
    return "\n".join([*lines, ""])


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
