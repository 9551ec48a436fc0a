"""Processes: spread, replaced, ended, and never two servers on one port."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SRC = HERE.parents[1] / "src"


def command(port: int, workers: int) -> list[str]:
    call = f"serve('http1_small_app:create_app', host='127.0.0.1', port={port}, workers={workers})"
    return [sys.executable, "-c", f"from verify.web.http1.serve import serve; {call}"]


def ask(port: int, path: str = "/") -> str:
    """The body of one answer, on a connection of its own; empty when nobody answers."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 10) as line:
        line.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        told = b""
        while piece := line.recv(4096):
            told += piece
        return told.partition(b"\r\n\r\n")[2].decode()
    return ""


def until(true: Callable[[], bool], limit_s: float = 60) -> None:
    end = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def asked_often(port: int) -> set[str]:
    return {ask(port) for _ in range(40)} - {""}


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(port: int, workers: int) -> Iterator["subprocess.Popen[bytes]"]:
    environment = os.environ | {"PYTHONPATH": f"{SRC}{os.pathsep}{HERE}"}
    with subprocess.Popen(command(port, workers), env=environment, start_new_session=True) as process:
        try:
            until(lambda: len(asked_often(port)) == workers)
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_connections_are_spread_and_a_worker_that_dies_is_replaced(port: int) -> None:
    with serving(port, 2) as process:
        first = asked_often(port)
        assert len(first) == 2 and str(process.pid) not in first
        dead = int(first.pop())
        os.kill(dead, signal.SIGKILL)
        until(lambda: len(asked_often(port)) == 2)
        assert str(dead) not in asked_often(port)


def children(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def test_a_worker_that_is_killed_while_it_starts_is_replaced_and_holds_up_nobody(port: int) -> None:
    with serving(port, 2) as process:
        before = children(process.pid)
        dead = int(asked_often(port).pop())
        os.kill(dead, signal.SIGKILL)
        until(lambda: bool(children(process.pid) - before))
        (starting,) = children(process.pid) - before
        os.kill(starting, signal.SIGSTOP)
        time.sleep(1.5)  # the parent has asked it meanwhile, and it could not answer yet
        os.kill(starting, signal.SIGKILL)
        os.kill(int(asked_often(port).pop()), signal.SIGKILL)
        until(lambda: len(asked_often(port)) == 2, limit_s=30)
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stop_lets_the_requests_under_way_finish(port: int, workers: int) -> None:
    with serving(port, workers) as process, ThreadPoolExecutor(1) as pool:
        slow = pool.submit(ask, port, "/slow")
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        assert slow.result(20).isdigit()
        process.wait(20)
        assert ask(port) == ""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_port_that_somebody_serves_is_refused_with_what_to_do(port: int, workers: int) -> None:
    with serving(port, 2):
        second = subprocess.run(
            command(port, workers), env=os.environ | {"PYTHONPATH": f"{SRC}{os.pathsep}{HERE}"},
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert second.returncode == 1 and "--port" in second.stderr
