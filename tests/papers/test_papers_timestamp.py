"""With a timestamp service every first file carries its time; without an answer there is no file.

The service is the tests' own, whose clock stands in 2012.
"""

import sqlite3
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pades_world import Authority, serve
from web_http_world import install, serving

from verify.proof.pades_check import check_pdf


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
