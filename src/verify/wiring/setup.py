"""A first installation: database, keys, settings file. Every step may be run again and then changes nothing."""

import asyncio
import os
import secrets
from pathlib import Path

import msgspec

from verify.config import Settings
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
    lines = [
        "# Settings of verify. A variable of the same name in the environment goes before a line here.",
        "# All names: verify config",
        "",
        "# Where the register lies.",
        f"VERIFY_DATABASE_URL={settings.database_url}",
        "",
        "# Scheme and host that QR codes carry. Printed certificates keep it for ever: set it before issuing.",
        f"VERIFY_PUBLIC_URL={settings.public_url}",
        "",
        "# The key store, and the file whose first line opens it (mode 0600; better on other storage).",
        f"VERIFY_KEYS_DIR={settings.keys_dir}",
    ]
    if settings.key_passphrase_file is not None:
        lines.append(f"VERIFY_KEY_PASSPHRASE_FILE={settings.key_passphrase_file}")
    else:
        lines.append("# VERIFY_KEY_PASSPHRASE_FILE=/run/secrets/verify-passphrase")
    lines += [
        "",
        "# How many proxies in front append to X-Forwarded-For. 0: the socket's address is the asker's.",
        f"VERIFY_TRUSTED_PROXIES={settings.trusted_proxies}",
        "",
        "# Look-ups a minute from one address, and of one number or person. 0 switches a budget off.",
        f"VERIFY_BUDGET_PER_SOURCE={settings.budget_per_source}",
        f"VERIFY_BUDGET_PER_TARGET={settings.budget_per_target}",
        "",
        "# On other storage: how far the ledger had come (a file, or http(s) of `verify witness`), and every event",
        "# before its change is acknowledged. With them a restored backup takes no revocation back.",
        _line("VERIFY_WITNESS", settings.witness, "/mnt/other/verify.witness"),
        _line("VERIFY_JOURNAL", settings.journal, "/mnt/other/verify.journal"),
        "",
        "# How long, in seconds, an offline reader may rely on a trust list.",
        f"VERIFY_TRUST_MAX_AGE_S={settings.trust_max_age_s}",
        "",
    ]
    return "\n".join(lines)


def _line(name: str, value: object, example: str) -> str:
    return f"# {name}={example}" if value is None else f"{name}={value}"
