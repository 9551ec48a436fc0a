"""The one gate: lint, format, types, import contracts and what may stand in the tree."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.xdist_group("gate")


def tool(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout: the rules on tracked files cannot be tried")
    return [name for name in listed.stdout.splitlines() if (ROOT / name).exists()]


@pytest.mark.parametrize("command", [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]])
def test_lint_format_and_types_are_clean(command: list[str]) -> None:
    done = tool(*command)
    assert done.returncode == 0, done.stdout + done.stderr


def test_imports_run_downhill_only() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_top_level_holds_only_what_the_readme_names() -> None:
    allowed = {
        ".ci", ".gitignore", "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "keys", "loadtest", "pyproject.toml",
        "requirements.lock", "requirements-test.lock", "src", "static", "tests",
    }  # fmt: skip
    assert {name.split("/")[0] for name in tracked()} <= allowed


def test_every_room_has_a_readme_and_a_caption() -> None:
    for room in (
        path for path in (ROOT / "src/verify").iterdir() if path.is_dir() and path.name != "__pycache__"
    ):
        assert (room / "README.md").exists(), room
        assert (room / "__init__.py").read_text("utf-8").startswith('"""'), room


def test_no_private_key_or_password_is_in_the_tree() -> None:
    secret = re.compile(rb"BEGIN (EC |RSA |ENCRYPTED )?PRIVATE " + rb"KEY-----\s*\n[A-Za-z0-9+/]{60}")
    assert [name for name in tracked() if secret.search((ROOT / name).read_bytes())] == []


def test_lock_files_carry_hashes_and_no_address() -> None:
    for name in ("requirements.lock", "requirements-test.lock"):
        text = (ROOT / name).read_text("utf-8")
        assert "--hash=sha256:" in text
        assert "://" not in text


def test_only_the_named_rooms_touch_the_outside() -> None:
    """What import-linter cannot say: which third-party package belongs to which room."""
    owners = {
        "cryptography": {"proof"}, "cbor2": {"proof"}, "PIL": {"documents"}, "qrcode": {"documents"},
        "typst": {"documents"}, "zxingcpp": {"documents"}, "apsw": {"store"}, "redis": {"lookup"},
        "litestar": {"web"}, "minijinja": {"web"}, "click": {"cli"}, "rich": {"cli"}, "uvicorn": {"web"}, "httptools": {"web"},
    }  # fmt: skip
    found = []
    for path in (ROOT / "src/verify").rglob("*.py"):
        room = path.relative_to(ROOT / "src/verify").parts[0].removesuffix(".py")
        for package in re.findall(r"^\s*(?:import|from) (\w+)", path.read_text("utf-8"), re.MULTILINE):
            if room not in owners.get(package, {room}):
                found.append((str(path), package))
    assert found == []


def test_pure_rooms_read_no_clock_and_open_no_socket() -> None:
    clock = re.compile(
        r"\b(datetime\.now|date\.today|dt\.date\.today|time\.time|utcnow"
        r"|import socket|urllib\.request|http\.client|aiohttp)\b"
    )
    for room in ("certificate", "proof", "documents"):
        for path in (ROOT / "src/verify" / room).rglob("*.py"):
            assert not clock.search(path.read_text("utf-8")), path
