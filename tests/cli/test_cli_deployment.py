"""The deployment files that ship: well-formed, true to the program's options and settings, and private in their logs."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from verify.cli.deployment import FILES, deployment_file
from verify.cli.main import main
from verify.config import PREFIX, Settings
from verify.web.public.routes import PUBLIC_ROUTES

KNOWN = {PREFIX + name.upper() for name in Settings.__struct_fields__} | {"VERIFY_SETTINGS_FILE"}


@pytest.mark.parametrize("name", FILES)
def test_the_command_prints_the_file_and_every_setting_in_it_exists(name: str) -> None:
    done = CliRunner().invoke(main, ["config", "--template", name])
    assert done.exit_code == 0
    assert done.output == deployment_file(name)
    assert set(re.findall(r"VERIFY_[A-Z_]+", done.output)) <= KNOWN


@pytest.mark.parametrize("name", FILES)
def test_every_way_to_start_the_service_is_one_that_it_accepts(name: str) -> None:
    text = deployment_file(name)
    for words in re.findall(r"verify,? serve([^\n\]]*)", text):
        options = [word for word in re.split(r"[,\s\"]+", words) if word]
        known = [re.sub(r"^%i$", "public", option) for option in options]
        asked = CliRunner().invoke(main, ["serve", *known, "--help"])
        assert asked.exit_code == 0, (name, known, asked.output)


def test_only_the_office_has_the_signing_keys() -> None:
    compose = yaml.safe_load(deployment_file("compose"))
    assert compose["services"]["public"]["volumes"] == ["data-keys:/keys:ro"]
    assert compose["services"]["office"]["volumes"] == ["signing-keys:/keys"]
    assert all(
        port.startswith("127.0.0.1:") for s in compose["services"].values() for port in s.get("ports", ())
    )
    assert "HOST_AUTH_METHOD" not in deployment_file("compose")


def test_kubernetes_takes_no_public_node_away_before_another_is_ready() -> None:
    documents: list[dict[str, Any]] = list(yaml.safe_load_all(deployment_file("kubernetes")))
    kinds = {(one["kind"], one["metadata"]["name"]) for one in documents}
    assert {("Deployment", "verify-public"), ("StatefulSet", "verify-office")} <= kinds
    public = next(one for one in documents if one["kind"] == "Deployment")
    assert public["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    for one in documents:
        if one["kind"] == "Service":
            continue
        template = one["spec"]["template"]
        assert template["metadata"]["labels"].items() >= one["spec"]["selector"]["matchLabels"].items()
        (container,) = template["spec"]["containers"]
        paths = {route.path for route in PUBLIC_ROUTES} | {"/livez", "/readyz"}
        assert {container[probe]["httpGet"]["path"] for probe in ("readinessProbe", "livenessProbe")} <= paths


def test_the_proxy_logs_no_address_and_limits_what_comes(tmp_path: Path) -> None:
    text = deployment_file("nginx")
    (logged,) = re.findall(r"log_format \S+ '([^']*)'", text)
    assert not {"$request", "$request_uri", "$uri", "$args"} & set(re.findall(r"\$\w+", logged))
    assert re.search(r"client_header_timeout\s+\d+s", text)
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(nginx).exists():
        pytest.skip("nginx is not installed: its configuration was read, not tried")
    whole = f"error_log stderr; pid {tmp_path}/pid; events {{}}\nhttp {{\n{text}\n}}\n"
    whole = whole.replace("/var/log/nginx/verify.log", f"{tmp_path}/log").replace(
        "listen 80;", "listen 127.0.0.1:18080;"
    )
    (tmp_path / "nginx.conf").write_text(whole)
    done = subprocess.run(
        [nginx, "-t", "-c", str(tmp_path / "nginx.conf")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed: the unit was read, not tried")
    unit = tmp_path / "verify@public.service"
    unit.write_text(deployment_file("systemd").replace("/opt/verify/bin/verify", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert "verify@public.service" not in done.stderr, done.stderr
