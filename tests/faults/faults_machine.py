"""What faults are done to: nodes as processes, and a Redis that may die."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from faults_network import PORT, REDIS, Wire

import servers

ROOT = Path(__file__).resolve().parents[2]
READY_S = 180.0
"""A machine with many other things to do takes a minute to start a node; one that cannot start ends at once."""
READY_ANSWER_S = 10.0
"""For one answer of `/readyz`, which itself gives its dependencies two seconds each."""
VERIFY = (sys.executable, "-c", "from verify.cli import main; main()")


class Footprint(NamedTuple):
    """What a node takes of the machine."""

    rss_mib: float
    descriptors: int
    threads: int


class Node:
    """`verify serve` in a process group of its own, so that a signal reaches its workers too."""

    def __init__(
        self, name: str, role: str, folder: Path, environment: Mapping[str, str], *, workers: int = 1,
        wire: Wire | None = None,
    ) -> None:  # fmt: skip
        """Not started yet. Its log is `folder/NAME.log` and survives restarts.

        `wire`: the network namespace in which it runs; without one it runs beside the test.
        """
        self.name = name
        self.role = role
        self.wire = wire
        self.host = "127.0.0.1" if wire is None else wire.front
        self.port = free_port() if wire is None else PORT
        self.log = folder / f"{name}.log"
        self.environment = dict(environment)
        self._folder = folder
        self.count = workers
        """Of its workers."""
        self._log_from = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **more: str) -> None:
        """Start the process; `more` goes into its environment."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("VERIFY_")}
        self._log_from = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._within(), *self.command()], cwd=self._folder, stdout=log, stderr=log, start_new_session=True,
                env=kept | {"PYTHONPATH": str(ROOT / "src")} | self.environment | more,
            )  # fmt: skip

    def command(self) -> list[str]:
        """What is run."""
        place = ["--workers", str(self.count), "--host", self.host, "--port", str(self.port)]
        return [*VERIFY, "serve", "--role", self.role, *place]

    def _within(self) -> list[str]:
        return [] if self.wire is None else self.wire.within

    def signal(self, how: int) -> None:
        """To the whole group."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, how)

    def kill(self) -> None:
        """As a crash would, workers and all."""
        self.signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait(20)

    def end(self) -> int | None:
        """Stop as an operator would; killed when that takes longer than it may. Its exit code."""
        if self._process is None:
            return None
        self.signal(signal.SIGCONT)
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def workers(self) -> list[int]:
        """Process ids of the workers."""
        assert self._process is not None
        return [
            pid for pid in self.pids() if pid != self._process.pid and b"resource_tracker" not in _line(pid)
        ]

    def pids(self) -> list[int]:
        """Everything in its process group."""
        assert self._process is not None
        group, found = self._process.pid, []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError, ValueError):
                    if int((entry / "stat").read_text().rpartition(")")[2].split()[2]) == group:
                        found.append(int(entry.name))
        return found

    def footprint(self) -> Footprint:
        """Of all its processes together."""
        rss = descriptors = threads = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                status = dict(
                    line.split(":", 1)
                    for line in Path(f"/proc/{pid}/status").read_text().splitlines()
                    if ":" in line
                )
                rss += int(status.get("VmRSS", "0 kB").split()[0])
                threads += int(status["Threads"])
                descriptors += len(list(Path(f"/proc/{pid}/fd").iterdir()))
        return Footprint(rss / 1024, descriptors, threads)

    def get(self, path: str, timeout_s: float = 3) -> tuple[int, bytes]:
        """One request on a connection of its own; status 0 when there was no answer."""
        return self._ask("GET", path, None, {"accept": "application/json"}, timeout_s)

    def post(self, path: str, body: object, bearer: str, timeout_s: float = 10) -> tuple[int, bytes]:
        """The same with a body and an API key."""
        headers = {"content-type": "application/json", "authorization": f"Bearer {bearer}"}
        return self._ask("POST", path, json.dumps(body), headers, timeout_s)

    def _ask(
        self, method: str, path: str, body: str | None, headers: dict[str, str], timeout_s: float
    ) -> tuple[int, bytes]:
        line = http.client.HTTPConnection(self.host, self.port, timeout=timeout_s)
        try:
            line.request(method, path, body, headers)
            reply = line.getresponse()
            return reply.status, reply.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            line.close()

    def wait_ready(self, limit_s: float = READY_S) -> None:
        """Until it says so; what it said instead, and the end of its log, where it does not in time."""
        end, told = time.monotonic() + limit_s, (0, b"")
        while time.monotonic() < end:
            assert self.is_running(), f"{self.name} ended: {self._end_of_log()}"
            told = self.get("/readyz", READY_ANSWER_S)
            if told[0] == 200 and self._serving() >= self.count:
                return
            time.sleep(0.05)
        raise AssertionError(
            f"{self.name} is not ready after {limit_s:.0f} s, load {os.getloadavg()}; it said {told}; its log"
            f" ends: {self._end_of_log()}"
        )

    def is_running(self) -> bool:
        """Whether its first process is there."""
        return self._process is not None and self._process.poll() is None

    def _serving(self) -> int:
        """Workers that said so since the start: one that is ready answers for those that are not there yet."""
        return self.log.read_bytes()[self._log_from :].count(b'"message": "serving"')

    def _end_of_log(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]


class WrongNode(Node):
    """Serves an application that is wrong on purpose in the place of the product's own."""

    module = ""
    """Where its `create_app` stands."""

    def command(self) -> list[str]:
        """The same server with another application."""
        self.environment["PYTHONPATH"] = f"{ROOT / 'src'}:{ROOT / 'tests' / 'faults'}"
        served = f"serve('{self.module}:create_app', host='{self.host}', port={self.port})"
        return [sys.executable, "-c", f"from verify.web.http1.serve import serve; {served}"]


class StaleNode(WrongNode):
    """What it answered once, it answers again for half a second."""

    module = "faults_ttl_node"


class LateNode(WrongNode):
    """A public node whose lease counts from the reply."""

    module = "faults_lease_node"


def _line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def wait_until(true: Callable[[], bool], what: str, limit_s: float = 40) -> None:
    """Ask again and again until it is so."""
    end = time.monotonic() + limit_s
    while not true():
        if time.monotonic() > end:
            raise AssertionError(what)
        time.sleep(0.05)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RedisServer:
    """A Redis or Valkey on a socket that a schedule may pause, empty, kill and start again.

    `address`: where it listens as well.
    """

    def __init__(self, home: Path, address: str | None = None) -> None:
        """Not started yet."""
        self._address = address
        self.socket = str(home / "redis.sock")
        self.log = home / "redis.log"
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait for its socket."""
        Path(self.socket).unlink(missing_ok=True)
        program = servers._find_redis()
        place = ["--port", "0"] if self._address is None else ["--port", str(REDIS), "--bind", self._address]
        args = [
            program, *place, "--protected-mode", "no", "--unixsocket", self.socket, "--dir", str(self._home), "--save", "",
            "--logfile", str(self.log), "--loglevel", "verbose",
        ]  # fmt: skip
        self._process = subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: Path(self.socket).exists(), "Redis did not start", 30)

    def kill(self) -> None:
        """As a crash would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def command(self, *words: str) -> bytes:
        """One command in the protocol of Redis; what it answers first."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(5)
            line.connect(self.socket)
            parts = b"".join(b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()) for word in words)
            line.sendall(b"*%d\r\n%s" % (len(words), parts))
            return line.recv(1 << 20)

    def dump(self) -> bytes:
        """Everything in it, as the file it would save."""
        self.command("SAVE")
        return (self._home / "dump.rdb").read_bytes() if (self._home / "dump.rdb").exists() else b""

    def end(self) -> None:
        """Stop it."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(10)
