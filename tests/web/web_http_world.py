"""A real server over a real database: the service as a subprocess, agencies, keys and certificates made beforehand."""

import asyncio
import contextlib
import datetime as dt
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec

from verify.certificate.form import IssueRequest
from verify.certificate.identity import check_character
from verify.config import Settings
from verify.errors import VerifyError, Words
from verify.issuance.issue import Issued, Row
from verify.office.agencies import FilingRequest
from verify.proof.public import KeyPurpose
from verify.wiring import Role, open_house
from verify.wiring.desks import OfficeHouse
from verify.wiring.setup import set_up

PASSPHRASE = "a passphrase of the tests"
SKILL = "S000044000456"
OTHER = "S000044000457"
ROOT = Path(__file__).resolve().parents[2]
HOLDER = "买买提·艾力"


def resident_id(serial: int) -> str:
    """A synthetic resident ID: area 990001 does not exist."""
    born = dt.date(1990, 1, 1) - dt.timedelta(days=serial // 1000)
    body = f"990001{born:%Y%m%d}{serial % 1000:03d}"
    return body + check_character(body + "0")


def issue_request(serial: int, **changes: Any) -> dict[str, Any]:
    """A request for a new person, as the API takes it."""
    return {
        "kind": "skill_level",
        "holder": {"name": HOLDER, "id_type": "RESIDENT_ID", "id_number": resident_id(serial)},
        "occupation": {"code": "6-18-01-01", "name": "车工"},
        "level": "3",
        "issued_on": "2026-11-20",
        "results": {"theory": 82, "practical": 91},
        "batch": "2026-11-A",
    } | changes


class Installation(msgspec.Struct, frozen=True):
    """A data directory with everything in it."""

    folder: Path
    environment: dict[str, str]
    numbers: list[str]
    """Certificates of `SKILL`."""
    scan_codes: list[str]
    agency_key: str
    second_key: str
    """Another person's of the same agency."""
    other_key: str
    """Of the agency `OTHER`."""
    operator_key: str
    token: str

    @property
    def database(self) -> Path:
        return self.folder / "verify.db"


def install(folder: Path, *, count: int = 12, **settings: str) -> Installation:
    """Set up a register with two agencies and `count` certificates."""
    environment = {
        "VERIFY_DATABASE_URL": f"sqlite:///{folder}/verify.db",
        "VERIFY_KEYS_DIR": str(folder / "keys"),
        "VERIFY_KEY_PASSPHRASE": PASSPHRASE,
        "VERIFY_BUDGET_PER_SOURCE": "0",
        "VERIFY_BUDGET_PER_TARGET": "0",
        "VERIFY_BODY_TIMEOUT_S": "1.5",
    } | {f"VERIFY_{name.upper()}": value for name, value in settings.items()}
    return asyncio.run(_install(folder, environment, count))


async def _install(folder: Path, environment: dict[str, str], count: int) -> Installation:
    given = Settings(
        database_url=environment["VERIFY_DATABASE_URL"], keys_dir=folder / "keys", key_passphrase=PASSPHRASE
    )
    made, _ = await set_up(given, Words("运营方", "Operator"), "cli:test")
    house = await open_house(made, Role.ALL)
    assert isinstance(house, OfficeHouse)
    office, keys = house.office, {}
    for code, name in ((SKILL, "岭南技能评价中心"), (OTHER, "另一评价中心")):
        await office.agencies.add(code, name_zh=name, name_en="Centre", actor="test")
        filing = FilingRequest(
            occupation_code="6-18-01-01", occupation_name="车工", levels=("5", "4", "3"),
            from_on=dt.date(2020, 1, 1),
        )  # fmt: skip
        await office.agencies.add_filing(code, filing, actor="test")
        key = await office.keys.create(code, KeyPurpose.TOKEN, actor="test")
        await office.keys.activate(key.kid, actor="test")
        keys[code] = (await office.credentials.create(name, agency=code, actor="test"))[1]
    second = (await office.credentials.create("另一人", agency=SKILL, actor="test"))[1]
    operator = (await office.credentials.create("运营", agency=None, actor="test"))[1]
    rows = [Row(f"first-{i}", msgspec.convert(issue_request(i), IssueRequest)) for i in range(count)]
    issued: list[Issued | VerifyError] = await house.issuance.issue_many(SKILL, rows, "test")
    good = [one for one in issued if isinstance(one, Issued)]
    assert len(good) == count, issued
    view = None
    if good:
        from verify.certificate.reason import Role as Who
        from verify.issuance.caller import Caller

        view = await house.views.show(good[0].number, Caller("test", Who.OPERATOR))
    await house.close()
    return Installation(
        folder, environment, [one.number for one in good], [one.scan_code for one in good], keys[SKILL], second,
        keys[OTHER], operator, view.token if view else "",
    )  # fmt: skip


class Server(msgspec.Struct, frozen=True):
    """A running server."""

    installation: Installation
    port: int
    process: Any
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, key: str | None = None, **headers: str) -> httpx.Client:
        """An HTTP client, with an API key if given."""
        sent = {"accept": "application/json"} | headers
        if key is not None:
            sent["authorization"] = f"Bearer {key}"
        return httpx.Client(base_url=self.url, headers=sent, timeout=20, trust_env=False)

    def raw(self, data: bytes, *, wait_s: float = 5) -> bytes:
        """Send bytes as they are; what comes back until the server closes or is silent for `wait_s`."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait_s) as line:
            line.sendall(data)
            answer = b""
            with contextlib.suppress(TimeoutError, ConnectionError):
                while piece := line.recv(65536):
                    answer += piece
                    head, gap, body = answer.partition(b"\r\n\r\n")
                    length = [x for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")]
                    if gap and length and len(body) >= int(length[0].split(b":")[1]):
                        break
            return answer


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(installation: Installation, factory: str = "create_app", **settings: str) -> Iterator[Server]:
    """The installation behind its server, until the end of the block."""
    port = free_port()
    log = installation.folder / f"server-{port}.log"
    own = {name: value for name, value in os.environ.items() if not name.startswith("VERIFY_")}
    changed = {f"VERIFY_{name.upper()}": value for name, value in settings.items()}
    environment = own | installation.environment | changed | {"PYTHONPATH": str(ROOT / "src")}
    starting = f"from verify.web.http1.serve import serve; serve('verify.web.app:{factory}', host='127.0.0.1', port={port})"
    command = [sys.executable, "-c", starting]
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, env=environment, cwd=installation.folder, stdout=out, stderr=out, start_new_session=True
        )
    try:
        server = Server(installation, port, process, log)
        wait_until(lambda: _lives(server), what=lambda: log.read_text())
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def _lives(server: Server) -> bool:
    assert server.process.poll() is None, server.log.read_text()
    try:
        return httpx.get(server.url + "/livez", timeout=1, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def wait_until(true: Any, *, limit_s: float = 40, what: Any = lambda: "") -> None:
    """Ask again and again until it is so."""
    end = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < end, what()
        time.sleep(0.05)
