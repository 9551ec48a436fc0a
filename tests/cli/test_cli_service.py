"""The real program: `verify serve` as a process, what it waits for, and what a public node cannot reach."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cli_shell import Shell

VERIFY = [sys.executable, "-c", "from verify.cli import main; main()"]
SOURCE = str(Path(__file__).parents[2] / "src")


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VERIFY_")}
    return kept | {"PYTHONPATH": SOURCE} | more


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def get(port: int, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


def wait_for(port: int, path: str, status: int, seconds: float = 60) -> bytes:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found, body = get(port, path)
        if found == status:
            return body
        time.sleep(0.2)
    raise AssertionError(f"{path} did not answer {status}, last {found} {body!r}")


@contextmanager
def serving(folder: Path, *args: str, **more: str) -> Iterator[tuple[int, "subprocess.Popen[bytes]"]]:
    port = free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*VERIFY, "serve", "--port", str(port), *args],
            cwd=folder,
            env=environment(**more),
            stderr=log,
            stdout=log,
        )
        try:
            yield port, process
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) in (0, -signal.SIGTERM), (folder / "log").read_text()


def test_workers_that_share_nothing_are_told_so(shell: Shell) -> None:
    for args, said in (((), False), (("--workers", "2"), True)):
        with serving(shell.folder, *args) as (port, _):
            wait_for(port, "/livez", 200)
        assert ("a solved challenge counts once in each" in (shell.folder / "log").read_text()) is said


def test_the_entry_point_answers(bare: Shell) -> None:
    done = subprocess.run(
        [*VERIFY, "--version"], capture_output=True, text=True, env=environment(), check=True
    )
    assert done.stdout.startswith("verify, version")
    done = subprocess.run(
        [*VERIFY, "agency", "list"],
        cwd=bare.folder,
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert done.returncode == 1
    assert "verify init" in done.stderr


def test_a_service_without_its_database_stays_up_says_so_and_recovers_by_itself(bare: Shell) -> None:
    secret = {"VERIFY_KEY_PASSPHRASE": "a passphrase from the vault"}
    with serving(bare.folder, **secret) as (port, _):
        wait_for(port, "/livez", 200)
        assert get(port, "/readyz")[0] == 503
        assert get(port, "/api/v1/certificates/S000035000123264000001")[0] == 503
        log = (bare.folder / "log").read_text()
        assert "verify init" in log
        told = subprocess.run(
            [*VERIFY, "init"], cwd=bare.folder, env=environment(**secret), check=False, capture_output=True
        )
        assert told.returncode == 0, told.stderr
        wait_for(port, "/readyz", 200)
        assert get(port, "/api/v1/certificates/S000035000123264000001")[0] == 404


def test_a_running_service_answers_what_the_command_line_asks(shell: Shell) -> None:
    number = shell.issued()[0]
    with serving(shell.folder) as (port, _):
        wait_for(port, "/readyz", 200)
        server = f"http://127.0.0.1:{port}"
        assert shell.json("lookup", number, "--server", server)["answers"][0]["verdict"] == "valid"
        token = shell.json("show", number)["token"]
        assert shell.json("check", token, "--server", server)["verdict"] == "valid"
        shell("revoke", number, "--reason", "OBTAINED_BY_FRAUD")
        (answer,) = shell.json("lookup", number, "--name", "魏敏刚", "--server", server, code=1)["answers"]
        assert answer["verdict"] == "revoked"
        assert shell.json("lookup", number, "--name", "张三丰", "--server", server, code=1)["answers"] == []


def test_a_public_node_runs_without_a_single_signing_key(shell: Shell) -> None:
    number = shell.issued()[0]
    for file in (shell.folder / "keys").glob("*.pem"):
        file.unlink()
    with serving(shell.folder, "--role", "public") as (port, _):
        wait_for(port, "/readyz", 200)
        status, body = get(port, f"/api/v1/certificates/{number}")
        assert (status, json.loads(body)["verdict"]) == (200, "valid")


@pytest.mark.parametrize(
    ("workers", "named", "most"),
    [
        pytest.param(1, "", 8, marks=pytest.mark.long),
        (4, "", 8),
        pytest.param(4, "8", 4, marks=pytest.mark.long),
    ],
)
def test_workers_share_a_budget_without_being_told_by_hand(
    shell: Shell, workers: int, named: str, most: int
) -> None:
    number = shell.issued()[0]
    more = {"VERIFY_BUDGET_PER_SOURCE": "8"} | ({"VERIFY_BUDGET_WORKERS": named} if named else {})
    with serving(shell.folder, "--workers", str(workers), **more) as (port, _):
        wait_for(port, "/readyz", 200)
        # A connection each, so that every worker is asked; two tokens are what four workers have of eight.
        granted = sum(get(port, f"/api/v1/certificates/{number}")[0] == 200 for _ in range(100))
    assert most / workers <= granted <= most + 1  # one token may come back meanwhile


PROBE = """
import asyncio, os, sys
from pathlib import Path
from verify.wiring import Role, open_house, read_settings
async def go():
    house = await open_house(read_settings(os.environ, Path.cwd()), Role(sys.argv[1]))
    await house.close()
asyncio.run(go())
print([name for name in sys.modules if name.startswith(("verify.proof.keys", "verify.proof.keyfiles",
    "verify.proof.signer", "verify.proof.pkcs8", "verify.issuance", "verify.office"))])
"""


@pytest.mark.parametrize("role", ["public", "all"])
def test_only_an_office_loads_code_that_reads_private_keys(shell: Shell, role: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE, role], cwd=shell.folder, env=environment(), capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert (done.stdout.strip() == "[]") is (role == "public")


def test_the_demonstration_shows_every_fate_and_leaves_only_documents(bare: Shell) -> None:
    shown = bare("demo", "--no-serve", "--rows", "20", "--out", str(bare.folder / "pdf")).output
    for word in ("valid", "revoked", "suspended", "copy 2", "replaced", "vk_", "curl"):
        assert word in shown
    assert shown.count("http://127.0.0.1:8000/V/") == 14, "with their codes, and once more at the end"
    assert "/holder  sign in: " in shown
    assert len(list((bare.folder / "pdf").glob("*.pdf"))) == 7
    assert [path.name for path in bare.folder.iterdir()] == ["pdf"]
    folder = Path(next(word for word in shown.split() if "verify-demo-" in word))
    assert not folder.exists()
