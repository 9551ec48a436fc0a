"""The settings file of `verify init`: every setting with its comment, and nothing that changes what is in force."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cli_shell import Shell

from verify.config import PREFIX, Settings, describe_settings, load_settings
from verify.wiring.settings import read_settings
from verify.wiring.setup import write_settings_file

OTHERS: dict[str, Any] = {
    "database_url": "postgresql://u@h/d", "redis_url": "redis://h", "far_cache": True, "budget_workers": 6,
    "witness": "/w", "journal": Path("/j"), "trusted_proxies": 2, "revoked_public": False, "body_timeout_s": 2.5,
    "near_cache_bytes": 1 << 21, "canary_urls": "http://a http://b", "data_font": Path("/f"), "pack_every_s": 0,
}  # fmt: skip


def written(folder: Path, settings: Settings) -> str:
    write_settings_file(folder / "verify.env", settings)
    return (folder / "verify.env").read_text("utf-8")


def test_every_setting_stands_there_once_under_a_comment_of_its_own(tmp_path: Path) -> None:
    lines = written(tmp_path, Settings()).splitlines()
    for field in Settings.__struct_fields__:
        name = PREFIX + field.upper()
        places = [i for i, line in enumerate(lines) if line.removeprefix("# ").startswith(f"{name}=")]
        assert len(places) == 1, name
        above = lines[places[0] - 1]
        assert above.startswith("# ") and len(above) > 10 and "=" not in above.split(" ")[1], name
    assert list(describe_settings()) == list(Settings.__struct_fields__)


@pytest.mark.parametrize("settings", [Settings(), Settings(**OTHERS)])
def test_the_file_says_what_was_in_force(tmp_path: Path, settings: Settings) -> None:
    written(tmp_path, settings)
    assert read_settings({}, tmp_path) == settings


def test_an_example_or_default_behind_a_hash_is_one_that_is_accepted(tmp_path: Path) -> None:
    for line in written(tmp_path, Settings()).splitlines():
        name, equals, value = line.removeprefix("# ").partition("=")
        if equals and name.startswith(PREFIX) and not name.endswith("PASSPHRASE_FILE"):
            load_settings({name: value})


def test_a_passphrase_is_never_written(tmp_path: Path) -> None:
    assert "open sesame" not in written(tmp_path, Settings(key_passphrase="open sesame"))


def test_init_writes_it_and_leaves_one_that_is_there(bare: Shell) -> None:
    bare("init")
    file = bare.folder / "verify.env"
    assert "# VERIFY_REDIS_URL=" in file.read_text("utf-8")
    settings = read_settings(os.environ, bare.folder)
    assert msgspec.structs.replace(settings, key_passphrase=None, key_passphrase_file=None) == Settings()
    file.write_text("VERIFY_TRUSTED_PROXIES=1\nVERIFY_KEY_PASSPHRASE_FILE=keys/passphrase\n")
    bare("init")
    assert file.read_text().count("\n") == 2
