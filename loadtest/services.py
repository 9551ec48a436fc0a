"""Starting and ending what is measured: the product, its floors, PostgreSQL. Each in processes of its own."""

import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from loadtest.floor import Constant
from loadtest.installation import Site
from loadtest.machine import SERVER_CORE, find_program, pinned

ROOT = Path(__file__).resolve().parents[1]
READY_S = 60.0


class Service(msgspec.Struct):
    """A running server."""

    name: str
    port: int
    pid: int
    command: str
    ready_s: float = 0.0
    """From the start of the process to its first 200."""

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def product(
    site: Site,
    *,
    role: str = "all",
    workers: int = 1,
    core: int | None = SERVER_CORE,
    port: int = 0,
    **settings: str,
) -> Iterator[Service]:
    """`verify serve` on an installation, ready to answer."""
    command = [
        str(Path(sys.executable).with_name("verify")), "serve", "--role", role, "--workers", str(workers),
        "--host", "127.0.0.1", "--port", str(port := port or free_port()),
    ]  # fmt: skip
    environment = _plain_environment() | site.environment(**settings)
    with _running(
        f"product ({site.engine}, {role}, {workers})", command, environment, port, "/readyz", core
    ) as one:
        yield one


@contextlib.contextmanager
def floor(
    constant: Constant,
    status: int = 200,
    *,
    name: str = "bare ASGI",
    core: int = SERVER_CORE,
    server: str = "granian",
) -> Iterator[Service]:
    """The bare application of `floor`, with a constant answer."""
    with tempfile.NamedTemporaryFile(prefix="floor-", suffix=".json") as file:
        file.write(msgspec.json.encode(constant))
        file.flush()
        port = free_port()
        command = [sys.executable, "-m", "loadtest.floor", str(port), str(status), file.name, server]
        with _running(name, command, _plain_environment(), port, "/", core, any_status=True) as one:
            yield one


@contextlib.contextmanager
def nginx(constant: Constant, *, core: int = SERVER_CORE) -> Iterator[Service | None]:
    """nginx with one worker and the same body as a static file; None where nginx is not installed."""
    program = find_program("nginx")
    if program is None:
        print("SKIPPED: nginx is not installed (apt-get install nginx-light): no nginx floor")
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="nginx-") as home:
        folder, port = Path(home), free_port()
        folder.chmod(0o755)
        (folder / "answer.json").write_bytes(constant.body)
        headers = "\n".join(
            f'add_header {name} "{value}";' for name, value in constant.headers if name != "content-type"
        )
        (folder / "nginx.conf").write_text(
            f"daemon off; worker_processes 1; pid {home}/pid; error_log {home}/error.log;\n"
            "events { worker_connections 1024; }\n"
            f"http {{ access_log off; keepalive_requests 1000000000; sendfile on; {_temporary(home)}\n"
            f"server {{ listen 127.0.0.1:{port}; location / {{ root {home}; try_files /answer.json =404;\n"
            f"default_type application/json; types {{ }}\n{headers}\n}} }} }}\n"
        )
        command = [program, "-c", f"{home}/nginx.conf", "-p", home]
        with _running("nginx static file", command, _plain_environment(), port, "/", core) as one:
            yield one


def _temporary(home: str) -> str:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return " ".join(f"{kind}_temp_path {home}/{kind};" for kind in kinds)


@contextlib.contextmanager
def postgres() -> Iterator[Any]:
    """A PostgreSQL of its own, as the tests start it; see `tests/servers.py`."""
    spec = importlib.util.spec_from_file_location("servers", ROOT / "tests" / "servers.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["servers"] = module
    spec.loader.exec_module(module)
    with module.postgres() as server:
        yield server


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def _running(
    name: str, command: list[str], environment: dict[str, str], port: int, path: str, core: int | None, *,
    any_status: bool = False,
) -> Iterator[Service]:  # fmt: skip
    full = command if core is None else pinned(core, command)
    began = time.monotonic()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            full, cwd=ROOT if "loadtest.floor" in command else tempfile.gettempdir(), env=environment,
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            if not _wait_ready(process, port, path, any_status):
                log.seek(0)
                raise RuntimeError(f"{name} did not become ready:\n{log.read().decode()[-2000:]}")
            shown = " ".join(Path(part).name if part == command[0] else part for part in full)
            yield Service(name, port, process.pid, shown, time.monotonic() - began)
        finally:
            _end(process)


def _wait_ready(process: "subprocess.Popen[bytes]", port: int, path: str, any_status: bool) -> bool:
    end = time.monotonic() + READY_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5):
                return True
        except urllib.error.HTTPError:
            if any_status:
                return True
            time.sleep(0.01)
        except OSError:
            time.sleep(0.01)
    return False


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(25)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # its own session: nobody else's processes are in it
        process.wait(10)


def _plain_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("VERIFY_")}
    return kept | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"}
