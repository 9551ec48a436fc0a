"""What faults are done to: nodes as processes, a proxy that loses one direction, a Redis that may die."""

import asyncio
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

import servers

ROOT = Path(__file__).resolve().parents[2]
VERIFY = (sys.executable, "-c", "from verify.cli import main; main()")


class Footprint(NamedTuple):
    """What a node takes of the machine."""

    rss_mib: float
    descriptors: int
    threads: int


class Node:
    """`verify serve` in a process group of its own, so that a signal reaches its workers too."""

    def __init__(
        self, name: str, role: str, folder: Path, environment: Mapping[str, str], *, workers: int = 1
    ) -> None:
        """Not started yet. Its log is `folder/NAME.log` and survives restarts."""
        self.name = name
        self.role = role
        self.port = free_port()
        self.log = folder / f"{name}.log"
        self.environment = dict(environment)
        self._folder = folder
        self._workers = workers
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **more: str) -> None:
        """Start the process; `more` goes into its environment."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("VERIFY_")}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), cwd=self._folder, stdout=log, stderr=log, start_new_session=True,
                env=kept | {"PYTHONPATH": str(ROOT / "src")} | self.environment | more,
            )  # fmt: skip

    def command(self) -> list[str]:
        """What is run."""
        place = ["--workers", str(self._workers), "--port", str(self.port)]
        return [*VERIFY, "serve", "--role", self.role, *place]

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
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            line.request(method, path, body, headers)
            reply = line.getresponse()
            return reply.status, reply.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            line.close()

    def wait_ready(self, limit_s: float = 60) -> None:
        """Until it says so."""
        wait_until(self._is_ready, f"{self.name} is not ready", limit_s)

    def is_running(self) -> bool:
        """Whether its first process is there."""
        return self._process is not None and self._process.poll() is None

    def _is_ready(self) -> bool:
        assert self.is_running(), self.log.read_text()[-2000:]
        return self.get("/readyz")[0] == 200


class StaleNode(Node):
    """Serves `faults_ttl_node`, which is wrong on purpose, in the place of the product's own application."""

    def command(self) -> list[str]:
        """The same server with another application."""
        self.environment["PYTHONPATH"] = f"{ROOT / 'src'}:{ROOT / 'tests' / 'faults'}"
        served = f"serve('faults_ttl_node:create_app', host='127.0.0.1', port={self.port})"
        return [sys.executable, "-c", f"from verify.web.http1.serve import serve; {served}"]


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


class Proxy:
    """A line between a node and a server that can lose one direction, both, or everybody.

    What a stalled direction holds back arrives when it flows again, as after a real partition.
    """

    def __init__(self, socket_path: str) -> None:
        """To the server that listens on `socket_path`; `open` begins to listen."""
        self.port = 0
        self.refusing = False
        self._path = socket_path
        self._server: asyncio.Server | None = None
        self._flow = {"to": asyncio.Event(), "from": asyncio.Event()}
        self._lines: set[asyncio.Task[None]] = set()
        for event in self._flow.values():
            event.set()

    async def open(self) -> None:
        """Listen on a port of loopback."""
        self._server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def stall(self, direction: str) -> None:
        """`to`: the server hears nothing more. `from`: it hears, but its answers do not arrive."""
        self._flow[direction].clear()

    def reset(self) -> None:
        """Cut every connection there is."""
        for line in tuple(self._lines):
            line.cancel()

    def heal(self) -> None:
        """Everything flows."""
        self.refusing = False
        for event in self._flow.values():
            event.set()

    async def close(self) -> None:
        """Stop listening and cut."""
        if self._server is not None:
            self._server.close()
        self.heal()
        self.reset()
        await asyncio.gather(*self._lines, return_exceptions=True)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.current_task()
        assert line is not None
        self._lines.add(line)
        far: asyncio.StreamWriter | None = None
        try:
            if self.refusing:
                return
            back, far = await asyncio.open_unix_connection(self._path)
            ways = [
                asyncio.ensure_future(self._carry(reader, far, "to")),
                asyncio.ensure_future(self._carry(back, writer, "from")),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass  # the server is down, or the cut was meant
        finally:
            self._lines.discard(line)
            for end in (writer, far):
                if end is not None:
                    end.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                await self._flow[way].wait()
                writer.write(data)
                await writer.drain()


class RedisServer:
    """A Redis or Valkey on a socket that a schedule may pause, empty, kill and start again."""

    def __init__(self, home: Path) -> None:
        """Not started yet."""
        self.socket = str(home / "redis.sock")
        self.log = home / "redis.log"
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait for its socket."""
        Path(self.socket).unlink(missing_ok=True)
        program = servers._find_redis()
        args = [
            program, "--port", "0", "--unixsocket", self.socket, "--dir", str(self._home), "--save", "",
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
