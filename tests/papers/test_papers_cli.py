"""Files from the command line: written, checked with and without the register, forms and overprints."""

import csv
import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from papers_forgeries import append_page, forge_face
from web_http_world import ROOT, SKILL, Installation, Server, install, issue_request, serving

FORM = """//! kinds: skill_level qualification
//! orientation: portrait
#import "vocabulary.typ": *
#show: sheet
#at(24mm, 27mm, width: 162mm, align(center, title()))
#at(26mm, 60mm, body(width: 110mm))
#at(149mm, 55mm, photo())
#at(26mm, 110mm, fields(width: 158mm, height: 95mm))
#at(26mm, 215mm, qr())
#at(60mm, 215mm, host(width: 60mm))
#at(26mm, 246mm, addresses())
#at(120mm, 215mm, agency(width: 66mm))
#at(120mm, 240mm, issued(width: 66mm))
#at(26mm, 272mm, note())
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return install(tmp_path_factory.mktemp("cli"), count=1)


def verify(made: Installation, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-c", "from verify.cli import main; main()", *words], cwd=made.folder, capture_output=True, text=True,
        env=made.environment | {"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
    )  # fmt: skip
    assert done.returncode == code, done.stderr + done.stdout
    return done


def roster(path: Path, count: int) -> Path:
    rows = [issue_request(8000 + i) for i in range(count)]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def test_issue_writes_signed_files_and_writes_the_same_again(made: Installation) -> None:
    file = roster(made.folder / "r.ndjson", 5)
    out = made.folder / "out"
    verify(made, "issue", str(file), "--agency", SKILL, "--out", str(out))
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    with (made.folder / "r.ndjson.result.csv").open(encoding="utf-8-sig", newline="") as lines:
        assert set(first) == {f"{row['number']}.pdf" for row in csv.DictReader(lines)}
    next(out.iterdir()).unlink()
    verify(made, "issue", str(file), "--agency", SKILL, "--out", str(out))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == first
    verify(made, "audit")


def test_a_file_is_checked_here_offline_and_by_a_server(made: Installation) -> None:
    out = made.folder / "out"
    verify(made, "issue", str(roster(made.folder / "s.ndjson", 1)), "--agency", SKILL, "--out", str(out))
    genuine = sorted(out.iterdir())[0]
    for forge in (append_page, forge_face):
        forged = made.folder / f"{forge.__name__}.pdf"
        forged.write_bytes(forge(genuine.read_bytes()))
    assert json.loads(verify(made, "check", str(genuine), "--json").stdout)["verdict"] == "valid"
    trust = made.folder / "trust.json"
    with sqlite3.connect(made.database) as register:
        trust.write_bytes(
            register.execute("select document from trust_list order by sequence desc").fetchone()[0]
        )
    for forged_name, check in (("append_page", "document-unchanged"), ("forge_face", "face-matches")):
        for more in ((), ("--offline", "--trust", str(trust))):
            done = verify(made, "check", f"{forged_name}.pdf", "--json", *more, code=1)
            report = json.loads(done.stdout)
            outcomes = {one["name"]: one["outcome"] for one in report["checks"]}
            assert (report["verdict"], outcomes[check]) == ("unknown", "failed")
    offline = json.loads(
        verify(made, "check", str(genuine), "--json", "--offline", "--trust", str(trust), code=1).stdout
    )
    outcomes = {one["name"]: one["outcome"] for one in offline["checks"]}
    assert offline["verdict"] == "unavailable" and outcomes["document-signature"] == "passed"
    with serving(made) as server:
        assert '"valid"' in verify(made, "check", str(genuine), "--json", "--server", server.url).stdout


def test_a_form_of_ones_own_is_tried_listed_and_then_prints(made: Installation) -> None:
    forms = made.folder / "forms"
    forms.mkdir()
    form = forms / "house.typ"
    form.write_text(FORM)
    bad = forms / "bare.typ"
    bad.write_text(FORM.replace("#at(26mm, 215mm, qr())\n", ""))
    assert verify(made, "template", "check", str(bad), code=1).stdout or True
    bad.unlink()
    assert not json.loads(_listed(made, forms))["house"]
    verify(made, "template", "check", str(form))
    assert json.loads(_listed(made, forms))["house"]
    with serving(made, templates_dir=str(forms)) as server:
        assert _fetch(server, made.numbers[0]).startswith(b"%PDF-")


def _listed(made: Installation, forms: Path) -> str:
    environment = made.environment | {"VERIFY_TEMPLATES_DIR": str(forms)}
    given = Installation(
        **{f: getattr(made, f) for f in made.__struct_fields__} | {"environment": environment}
    )
    found = json.loads(verify(given, "template", "list", "--json").stdout)["templates"]
    return json.dumps({one["name"]: one["usable"] for one in found})


def _fetch(server: Server, number: str) -> bytes:
    with server.client(server.installation.agency_key) as client:
        return client.get(f"/api/v1/certificates/{number}/document.pdf?template=house").content


def test_overprints_are_written(made: Installation) -> None:
    verify(made, "overprint", "--sheet", "--out", "sheet.pdf")
    verify(made, "overprint", made.numbers[0], "--out", "page.pdf")
    verify(made, "overprint", "--out", "x.pdf", code=2)
    assert (
        (made.folder / "sheet.pdf").read_bytes()[:5]
        == (made.folder / "page.pdf").read_bytes()[:5]
        == b"%PDF-"
    )
