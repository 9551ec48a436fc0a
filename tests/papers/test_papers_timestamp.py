"""With a timestamp service every first file carries its time; without an answer there is no file. Later it grows.

The service is the tests' own, whose clock stands in 2012 unless it is set.
"""

import datetime as dt
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pades_world import AGENCY_ENDS, NOW, ROOT_DER, YEAR, Authority, serve
from proof_world import DAY, PAIR
from proof_world import ROOT as OPERATOR_PAIR
from web_http_world import ROOT, Installation, Server, install, serving, wait_until

from verify.proof.authority import agency_certificate
from verify.proof.pades_check import check_pdf
from verify.proof.revocation import list_addresses


def test_a_first_file_is_stamped_and_waits_for_the_service(tmp_path: Path) -> None:
    authority = Authority()
    roots = tmp_path / "tsa.pem"
    roots.write_bytes(x509.load_der_x509_certificate(authority.root_der).public_bytes(Encoding.PEM))
    made = install(tmp_path, count=2)
    kept, waiting = (f"/api/v1/certificates/{number}/document.pdf" for number in made.numbers)
    with (
        serve(authority) as url,
        serving(made, timestamp_url=url, timestamp_roots=str(roots)) as server,
        server.client(made.agency_key) as client,
    ):
        pdf = client.get(kept).content
        authority.manners = "refuses"
        assert client.get(waiting).status_code == 422
        assert client.get(kept).content == pdf
        authority.manners = "good"
        assert client.get(waiting).status_code == 200
        verdict = client.post("/api/v1/checks", files={"file": ("a.pdf", pdf)}).json()["verdict"]
    with sqlite3.connect(made.database) as register:
        (root,) = register.execute("select certificate from signing_key where purpose = 'root'").fetchone()
    report = check_pdf(pdf, [root], authority.now, timestamp_roots=[authority.root_der])
    assert report.signature is not None and report.signature.timestamp is not None
    assert report.signature.timestamp.trusted
    assert verdict == "valid"


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def renew(made: Installation, *words: str, code: int) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-c", "from verify.cli import main; main()", "document", "renew", *words],
        cwd=made.folder, capture_output=True, text=True,
        env=made.environment | {"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
    )  # fmt: skip
    assert done.returncode == code, done.stderr + done.stdout
    return done


def test_files_are_renewed_by_a_command_and_what_is_served_begins_with_the_first(tmp_path: Path) -> None:
    authority = Authority(ends=NOW + 20 * YEAR)
    roots = tmp_path / "tsa.pem"
    roots.write_bytes(x509.load_der_x509_certificate(authority.root_der).public_bytes(Encoding.PEM))
    with serve(authority) as url:
        made = install(
            tmp_path,
            count=2,
            timestamp_url=url,
            timestamp_roots=str(roots),
            timestamp_lists=url,
            body_timeout_s="10",
        )
        address = f"/api/v1/certificates/{made.numbers[0]}/document.pdf"
        with serving(made) as server, server.client(made.agency_key) as client:
            authority.now = dt.datetime.now(dt.UTC).replace(microsecond=0)
            first = client.get(address).content
            assert "nothing was due" in renew(made, code=0).stdout
            authority.now += dt.timedelta(seconds=1)
            early = (dt.datetime.now(dt.UTC) + 2 * DAY).date().isoformat()
            authority.manners = "redirects"
            assert "did not answer" in renew(made, "--due-before", early, code=1).stderr
            authority.manners = "good"
            told = json.loads(renew(made, "--due-before", early, "--json", code=0).stdout)
            assert told == {"outcomes": {"renewed": 1}, "refused": [], "left": 1}, (
                "the second pass is a day away"
            )
            grown = client.get(address).content
            assert grown.startswith(first) and len(grown) > len(first)
            for file in (first, grown):
                report = client.post("/api/v1/checks", files={"file": ("a.pdf", file)}).json()
                signature = next(one for one in report["checks"] if one["name"] == "document-signature")
                assert report["verdict"] == "valid" and "Byte for byte" in signature["detail"]["en"]
        # The service does the same by itself, from its start on.
        authority.now = dt.datetime.now(dt.UTC).replace(microsecond=0)
        with sqlite3.connect(made.database) as register:
            register.execute("update document set due_at = 1 where due_at is not null")
        with serving(made) as server, server.client(made.agency_key) as client:
            wait_until(lambda: len(client.get(address).content) > len(grown), what=server.log.read_text)
            assert client.get(address).content.startswith(grown)
            told_by = client.get("/metrics").text
            assert 'verify_archive_renewals_total{outcome="renewed"' in told_by
            assert made.numbers[0] not in server.log.read_text()
    bare = install(_folder(tmp_path / "bare"), count=0)
    assert "VERIFY_TIMESTAMP_URL" in renew(bare, code=1).stderr


def test_certificates_name_the_revocation_list_and_it_is_served(server: Server) -> None:
    made = server.installation
    with sqlite3.connect(made.database) as register:
        rows = register.execute(
            "select kid, purpose, certificate from signing_key where certificate is not null"
        )
        certificates = {purpose: (kid, der) for kid, purpose, der in rows}
    kid, root = certificates["root"]
    (address,) = list_addresses(certificates["token"][1])
    assert address.endswith(f"/crl/{kid}")
    with server.client() as client:
        found = client.get(f"/crl/{kid}")
        assert found.status_code == 200 and found.headers["content-type"] == "application/pkix-crl"
        assert "max-age=60" in found.headers["cache-control"]
        assert client.get("/crl/00000000").status_code == 404
    table = x509.load_der_x509_crl(found.content)
    assert table.is_signature_valid(x509.load_der_x509_certificate(root).public_key())  # type: ignore[arg-type]
    assert list(table) == []


@pytest.mark.parametrize("address", ["ldap://x/y", "ftp://x/y"])
def test_only_web_addresses_are_taken_from_certificates(address: str) -> None:
    der = agency_certificate(
        OPERATOR_PAIR, ROOT_DER, PAIR.key_bytes, agency="x", agency_name="x", serial=b"1" * 16, not_before=NOW,
        not_after=AGENCY_ENDS, lists_at=address,
    )  # fmt: skip
    assert list_addresses(der) == ()
