"""The deployment files that ship: accepted by the programs they are for, true to this one, and silent about askers."""

import contextlib
import datetime as dt
import http.client
import http.server
import json
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from verify.cli.deployment import FILES, deployment_file
from verify.cli.main import main
from verify.config import PREFIX, Settings
from verify.web.public.routes import PUBLIC_ROUTES

KNOWN = {PREFIX + name.upper() for name in Settings.__struct_fields__} | {"VERIFY_SETTINGS_FILE"}
PATHS = {route.path for route in PUBLIC_ROUTES} | {"/livez", "/readyz"}
SCAN_CODE = "7K3MN8QRSTVWXYZ2"
PR_SET_MDWE = 65


@pytest.mark.parametrize("name", FILES)
def test_the_command_prints_the_file_and_every_setting_in_it_exists(name: str) -> None:
    done = CliRunner().invoke(main, ["config", "--template", name])
    assert done.exit_code == 0
    assert done.output == deployment_file(name)
    assert set(re.findall(r"VERIFY_[A-Z_]+", done.output)) <= KNOWN
    assert (
        "was not run" in done.output
        or "Not run" in done.output
        or "Checked by the tests with nginx -t" in done.output
    )


@pytest.mark.parametrize("name", FILES)
def test_every_way_to_start_the_service_is_one_that_it_accepts(name: str) -> None:
    text = deployment_file(name).replace("${WORKERS}", "2").replace("${PORT}", "8000")
    for words in re.findall(r"verify\"?,? \"?serve([^\n\]]*)", text):
        options = [word for word in re.split(r"[,\s\"]+", words) if word]
        known = [re.sub(r"^%i$", "public", option) for option in options]
        asked = CliRunner().invoke(main, ["serve", *known, "--help"])
        assert asked.exit_code == 0, (name, known, asked.output)


# --- compose ----------------------------------------------------------------------------------------------


def test_compose_gives_the_office_alone_the_signing_keys_and_nobody_but_nginx_a_port() -> None:
    compose = yaml.safe_load(deployment_file("compose"))
    services = compose["services"]
    assert {"postgres", "redis", "office", "public", "nginx"} <= set(services)
    assert services["public"]["volumes"] == ["public-keys:/keys:ro"]
    assert services["office"]["volumes"] == ["keys:/keys"]
    assert {name for name, one in services.items() if "ports" in one} == {"nginx"}
    assert compose["networks"]["inside"]["internal"] is True
    logins = {
        name: services[name]["environment"]["VERIFY_DATABASE_URL"].split(":")[1]
        for name in ("office", "public", "init")
    }
    assert logins == {"office": "//office", "public": "//public_node", "init": "//owner"}
    for name in ("office", "public"):
        assert services[name]["read_only"] and services[name]["user"] != "0" and services[name]["healthcheck"]
        assert services[name]["command"][:4] == ["verify", "serve", "--role", name]


def test_compose_refers_only_to_what_it_defines() -> None:
    compose = yaml.safe_load(deployment_file("compose"))
    for name, service in compose["services"].items():
        assert set(service.get("secrets", ())) <= set(compose["secrets"]), name
        assert set(service.get("networks", ())) <= set(compose["networks"]), name
        assert set(service.get("depends_on", ())) <= set(compose["services"]), name
        assert {one["source"] for one in service.get("configs", ())} <= set(compose["configs"]), name
        named = {one.split(":")[0] for one in service.get("volumes", ()) if not one.startswith(".")}
        assert named <= set(compose["volumes"]), name


def test_the_logins_of_compose_are_sql_that_the_roles_of_the_register_follow() -> None:
    content = yaml.safe_load(deployment_file("compose"))["configs"]["logins"]["content"]
    made = re.findall(r"create role (\w+)", content)
    assert made == ["verify_office", "verify_public", "office", "public_node"]
    assert "in role verify_public" in content and "in role verify_office" in content


# --- Kubernetes -------------------------------------------------------------------------------------------


def kubernetes() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(deployment_file("kubernetes")))


def pods() -> dict[str, dict[str, Any]]:
    return {
        one["metadata"]["name"]: one["spec"]["template"]["spec"]
        for one in kubernetes()
        if one["kind"] in ("Deployment", "Job")
    }


def test_kubernetes_takes_no_node_away_before_another_is_ready() -> None:
    deployments = [one for one in kubernetes() if one["kind"] == "Deployment"]
    assert {one["metadata"]["name"] for one in deployments} == {"verify-public", "verify-office"}
    for one in deployments:
        assert one["spec"]["strategy"] == {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
        }
        template = one["spec"]["template"]
        assert template["metadata"]["labels"].items() >= one["spec"]["selector"]["matchLabels"].items()
        (container,) = template["spec"]["containers"]
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        # A dependency that is away must not have the process killed: it waits for it by itself.
        assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
        probes = ("readinessProbe", "livenessProbe", "startupProbe")
        assert {container[probe]["httpGet"]["path"] for probe in probes} <= PATHS
        assert template["spec"]["terminationGracePeriodSeconds"] > 5 + 20


def test_kubernetes_refers_only_to_what_it_defines_or_tells_how_to_make() -> None:
    known = {(one["kind"], one["metadata"]["name"]) for one in kubernetes()} | {
        ("Secret", "verify-data-keys")
    }
    for name, spec in pods().items():
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        for volume in volumes.values():
            if "secret" in volume:
                assert ("Secret", volume["secret"]["secretName"]) in known, name
            if "persistentVolumeClaim" in volume:
                assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in known, name
        for container in [*spec["containers"], *spec.get("initContainers", ())]:
            assert {mount["name"] for mount in container["volumeMounts"]} <= set(volumes), name
            for source in container.get("envFrom", ()):
                ((kind, of),) = source.items()
                assert ({"configMapRef": "ConfigMap", "secretRef": "Secret"}[kind], of["name"]) in known, name


def test_kubernetes_runs_nothing_as_root_and_gives_public_nodes_no_signing_key() -> None:
    for name, spec in pods().items():
        assert spec["securityContext"]["runAsNonRoot"] and not spec["automountServiceAccountToken"], name
        for container in [*spec["containers"], *spec.get("initContainers", ())]:
            confined = container["securityContext"]
            assert confined["readOnlyRootFilesystem"] and not confined["allowPrivilegeEscalation"], name
            assert confined["capabilities"] == {"drop": ["ALL"]}, name
    assert not any("persistentVolumeClaim" in volume for volume in pods()["verify-public"]["volumes"])


# --- systemd ----------------------------------------------------------------------------------------------


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    if shutil.which("systemd-analyze") is None:
        pytest.skip(
            "SKIPPED: systemd-analyze is not installed (apt-get install systemd): the unit was only read"
        )
    path = tmp_path / "verify@public.service"
    path.write_text(deployment_file("systemd").replace("/opt/verify/bin/verify", "/bin/true"))
    return path


def test_systemd_accepts_the_unit(unit: Path) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert unit.name not in done.stderr, done.stderr


def test_systemd_finds_the_unit_well_confined(unit: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "nrecognized option" in done.stderr:
        pytest.skip("SKIPPED: this systemd cannot judge a unit offline")
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr


CONFINED = f"""
import ctypes, os, sys
if ctypes.CDLL(None, use_errno=True).prctl({PR_SET_MDWE}, 1, 0, 0, 0):
    sys.exit(77)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
WORK = """
import asyncio, verify.web.app, verify.web.http1.serve, uvloop
from verify.documents.press import Press
from verify.documents.qr import read_qr, render_qr_png
from verify.proof.keys import generate_p256
Press()
generate_p256()
code = "HTTPS://CERT.EXAMPLE.CN/V/7K3MN8QRSTVWXYZ2"
assert read_qr(render_qr_png(code)) == [code]
uvloop.run(asyncio.sleep(0))
"""


def test_the_service_lives_with_the_ban_of_memory_that_is_written_and_then_executed() -> None:
    assert "MemoryDenyWriteExecute=yes" in deployment_file("systemd")
    command = [sys.executable, "-c", CONFINED, "-c", WORK]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip("SKIPPED: this kernel does not know PR_SET_MDWE (6.3)")
    assert done.returncode == 0, done.stderr


# --- proxies ----------------------------------------------------------------------------------------------


class Recorder(http.server.BaseHTTPRequestHandler):
    """A node that tells what reached it."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        size = int(self.headers.get("content-length", 0))
        body = json.dumps({"path": self.path, "forwarded": self.headers.get("x-forwarded-for"), "size": size})
        self.rfile.read(size)
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    do_POST = do_GET

    def log_message(self, *args: Any) -> None:
        """Nothing."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cert.example.cn")])
    now = dt.datetime.now(dt.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(days=1))
    certificate = made.sign(key, hashes.SHA256())
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """The nginx example as it ships, on free ports, before a node that tells what reached it."""
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(nginx).exists():
        pytest.skip(
            "SKIPPED: nginx is not installed (apt-get install nginx-light): its example was only read"
        )
    write_certificate(tmp_path)
    node = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    threading.Thread(target=node.serve_forever, daemon=True).start()
    port = free_port()
    text = (
        deployment_file("nginx")
        .replace("/etc/ssl/verify", str(tmp_path))
        .replace("/var/log/nginx", str(tmp_path))
    )
    text = re.sub(r"listen \[::\][^;]*;", "", text).replace("listen 80;", f"listen 127.0.0.1:{free_port()};")
    text = text.replace("listen 443 ", f"listen 127.0.0.1:{port} ")
    text = text.replace("127.0.0.1:8000", f"127.0.0.1:{node.server_port}").replace(
        "127.0.0.1:8001", "127.0.0.1:1"
    )
    temporary = " ".join(
        f"{kind}_temp_path {tmp_path}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    start = f"daemon off; worker_processes 1; pid {tmp_path}/pid; error_log {tmp_path}/main.log emerg;\n"
    if Path(nginx).stat().st_uid == 0 and Path("/proc/self").stat().st_uid == 0:
        start = f"user root; {start}"
    whole = f"{start}events {{}}\nhttp {{ {temporary}\n{text}\n}}\n"
    (tmp_path / "nginx.conf").write_text(whole)
    command = [nginx, "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)]
    tried = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert tried.returncode == 0 and "[warn]" not in tried.stderr, tried.stderr
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(200):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.02)
            yield port, tmp_path
        finally:
            process.terminate()
            node.shutdown()
            node.server_close()


def ask(port: int, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    host = headers.pop("host", "cert.example.cn")
    line = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=10)
    try:
        line.request(method, path, body, {"host": host, **headers})
        reply = line.getresponse()
        return reply.status, reply.read()
    finally:
        line.close()


def test_nginx_passes_questions_on_limits_what_comes_and_logs_nobody_s_question(
    proxy: tuple[int, Path],
) -> None:
    port, folder = proxy
    # 1. Passed on, with the asker's address behind whatever the client claims.
    status, body = ask(port, "GET", f"/V/{SCAN_CODE}", **{"x-forwarded-for": "203.0.113.9"})
    told = json.loads(body)
    assert (status, told["path"]) == (200, f"/V/{SCAN_CODE}")
    assert told["forwarded"] == "203.0.113.9, 127.0.0.1"
    # 2. Limits: headers, bodies, and the larger ones where they are needed.
    assert ask(port, "GET", "/", **{"x-large": "a" * 20_000})[0] in (400, 431, 494)
    assert ask(port, "POST", "/api/v1/lookups", b"a" * 70_000)[0] == 413
    assert ask(port, "POST", "/api/v1/checks", b"a" * (8 << 20))[0] == 200
    assert ask(port, "GET", "/metrics")[0] == 404
    # 3. The office has a door of its own, and is away here.
    assert ask(port, "GET", f"/api/v1/certificates/{SCAN_CODE}", host="office.cert.example.cn")[0] == 502
    assert ask(port, "POST", "/api/v1/receipts", b"{}")[0] == 502
    # 4. Neither what was asked nor what went wrong on the way stands in any log.
    ask(port, "GET", "/", **{"referer": f"https://cert.example.cn/V/{SCAN_CODE}"})
    logs = b"".join(path.read_bytes() for path in folder.glob("*.log"))
    assert SCAN_CODE.encode() not in logs and b"127.0.0.1 [" in logs


@pytest.mark.long
def test_nginx_turns_away_one_address_that_opens_too_many_connections(proxy: tuple[int, Path]) -> None:
    port, _ = proxy
    assert "limit_conn verify_connections 50;" in deployment_file("nginx")
    statuses = [ask(port, "GET", "/")[0] for _ in range(130)]
    assert statuses[:50] == [200] * 50 and set(statuses) <= {200, 429}


def test_caddy_accepts_its_example(tmp_path: Path) -> None:
    caddy = shutil.which("caddy")
    if caddy is None:
        pytest.skip("SKIPPED: caddy is not installed (apt-get install caddy): its example was only read")
    (tmp_path / "Caddyfile").write_text(deployment_file("caddy"))
    command = [caddy, "validate", "--adapter", "caddyfile", "--config", str(tmp_path / "Caddyfile")]
    home = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "XDG_DATA_HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=home)
    assert done.returncode == 0, done.stderr[-1500:]
    assert "is not formatted" not in done.stderr
