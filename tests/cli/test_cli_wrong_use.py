"""What the command line says to whoever uses it wrongly, and what a break in the middle leaves."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from cli_shell import Shell

from verify.documents.press import Press
from verify.wiring.press import PressRoom


def test_a_hint_names_the_command_that_was_asked_and_says_a_fault_once(shell: Shell) -> None:
    told = shell("agency", "add", "S12", "--name", "x", code=2).stderr
    assert "main agency add --help" in told
    assert told.count("13 characters") == 1
    assert "main show --help" in shell("show", "S000035000123264000009", code=1).stderr


def test_a_folder_that_cannot_be_made_is_told_with_what_to_do(shell: Shell) -> None:
    told = shell("issue", str(shell.roster()), "--out", "/proc/nowhere", code=1).stderr
    assert "/proc/nowhere" in told and "无法读写" in told
    assert "next: ls -ld" in told


def test_a_name_of_a_file_that_is_not_there_is_not_judged_as_a_certificate(shell: Shell) -> None:
    told = shell("check", "scan/certificate.pdf", code=1)
    assert "There is no file scan/certificate.pdf." in told.stderr
    assert "unknown" not in told.output
    assert "readable" in shell("check", "a.b.c-d", code=1).output


def test_a_wrong_value_is_told_by_the_name_of_the_setting(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERIFY_READ_DEADLINE_MS", "soon")
    assert "VERIFY_READ_DEADLINE_MS has a wrong value" in shell("config", code=2).stderr


def test_what_is_no_array_is_told_with_a_form_that_is(shell: Shell) -> None:
    path = shell.folder / "roster.json"
    path.write_text('{"holder": 1}')
    assert "[{…}, {…}]" in shell("issue", str(path), code=2).stderr


def test_progress_counts_rows_that_are_certain(shell: Shell) -> None:
    told = shell("issue", str(shell.roster())).stderr
    assert "issuing: 50 % (1 rows)" in told
    assert "issuing: 100 % (3 rows)" in told


def test_a_room_closes_while_a_page_still_asks_the_loop() -> None:
    asked = threading.Event()

    async def answer() -> int:
        return 7

    async def close_in_the_middle() -> None:
        room, loop = PressRoom(1), asyncio.get_running_loop()

        def job(press: Press) -> int:
            asked.set()
            return asyncio.run_coroutine_threadsafe(answer(), loop).result()

        page = asyncio.create_task(room.work(job))
        await asyncio.to_thread(asked.wait)
        page.cancel()
        await asyncio.wait_for(room.close(), 30)

    asyncio.run(close_in_the_middle())


def test_a_break_while_printing_ends_the_command_and_a_second_run_finishes(shell: Shell) -> None:
    path, out = shell.roster(), shell.folder / "pdf"
    command = [
        sys.executable,
        "-c",
        "from verify.cli import main; main()",
        "issue",
        str(path),
        "--out",
        str(out),
    ]
    broken = subprocess.Popen(command, cwd=shell.folder, env=dict(os.environ), stderr=subprocess.PIPE)
    while not _any(out) and broken.poll() is None:
        time.sleep(0.01)
    broken.send_signal(signal.SIGINT)
    told = broken.communicate(timeout=60)[1].decode()
    assert broken.returncode == 0 or "Run it again" in told
    shell("issue", str(path), "--out", str(out))
    assert len(list(out.iterdir())) == 3


def _any(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())
