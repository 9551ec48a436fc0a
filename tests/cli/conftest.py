"""Fixtures: an empty directory, and an installation in one."""

import os
from pathlib import Path

import pytest
from cli_shell import AGENCY, Shell


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """An empty directory."""
    for name in [name for name in os.environ if name.startswith("VERIFY_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path)


@pytest.fixture
def shell(bare: Shell) -> Shell:
    """An installation with one agency that may issue."""
    bare("init")
    bare("agency", "add", AGENCY, "--name", "某评价机构", "--name-en", "An agency")
    bare(
        "filing",
        "add",
        AGENCY,
        "--occupation",
        "6-18-01-01",
        "车工",
        "--levels",
        "5,4,3",
        "--from",
        "2020-01-01",
    )
    bare("key", "create", AGENCY, "--activate")
    return bare
