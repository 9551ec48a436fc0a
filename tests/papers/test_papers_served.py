"""The PDF that the service hands out: signed, sound to independent readers, and the same bytes for ever."""

import asyncio
import hashlib
import io
import json
import os
import signal
import sqlite3
import subprocess
import threading
import zipfile
from pathlib import Path

import cv2
import httpx
import numpy as np
import page
import pytest
import zxingcpp
from PIL import Image
from web_http_world import Installation, Server, install, issue_request, serving, wait_until

from verify.config import load_settings
from verify.documents.brought import face_on_page
from verify.office.audit import Report, audit
from verify.wiring import Role, open_house


def fetch(server: Server, number: str, **query: str) -> httpx.Response:
    with server.client(server.installation.agency_key) as client:
        return client.get(f"/api/v1/certificates/{number}/document.pdf", params=query)


@pytest.fixture(scope="module")
def pdf(server: Server) -> bytes:
    return fetch(server, server.installation.numbers[0]).content


def test_it_is_the_same_file_on_the_second_asking_and_after_a_restart(tmp_path: Path) -> None:
    made = install(tmp_path, count=2)
    number = made.numbers[0]
    with serving(made) as server:
        first = fetch(server, number)
        assert first.status_code == 200 and first.content.startswith(b"%PDF-")
        assert fetch(server, number).content == first.content
    with serving(made) as server:
        again = fetch(server, number)
        assert again.content == first.content
        assert f'filename="{number}.pdf"' in again.headers["content-disposition"]
        with server.client(made.agency_key) as client:
            history = client.get(f"/api/v1/certificates/{number}/history").json()["events"]
    kept = [event for event in history if event["kind"] == "document-kept"]
    assert [event["data"]["digest"] for event in kept] == [hashlib.sha256(first.content).hexdigest()]


def test_two_first_askings_at_once_get_one_file(server: Server) -> None:
    number = server.installation.numbers[1]
    found: list[bytes] = []
    threads = [threading.Thread(target=lambda: found.append(fetch(server, number).content)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and len(set(found)) == 1 and found[0].startswith(b"%PDF-")


def test_each_form_is_kept_for_itself(server: Server) -> None:
    number = server.installation.numbers[1]
    landscape, portrait = fetch(server, number), fetch(server, number, template="portrait")
    assert portrait.status_code == 200 and portrait.content != landscape.content
    assert fetch(server, number, template="portrait").content == portrait.content
    assert fetch(server, number, template="none-such").status_code == 422
    assert fetch(server, number, template="../x").status_code == 422


def test_a_revoked_certificate_keeps_its_file_and_gets_no_new_one(server: Server) -> None:
    kept, never = server.installation.numbers[2:4]
    before = fetch(server, kept).content
    with server.client(server.installation.agency_key) as client:
        for number in (kept, never):
            done = client.post(f"/api/v1/certificates/{number}/revocation", json={"reason": "VOLUNTARY"})
            done = done if done.status_code == 200 else _revoke(server, number)
            assert done.status_code == 200, done.text
    assert fetch(server, kept).content == before
    assert fetch(server, never).status_code == 409


def _revoke(server: Server, number: str) -> httpx.Response:
    with server.client(server.installation.operator_key) as client:
        return client.post(f"/api/v1/certificates/{number}/revocation", json={"reason": "FORGED"})


def test_a_reissue_makes_a_new_file(server: Server) -> None:
    number = server.installation.numbers[4]
    first = fetch(server, number).content
    with server.client(server.installation.agency_key) as client:
        made = client.post(
            f"/api/v1/certificates/{number}/reissues",
            json={"cause": "lost"},
            headers={"idempotency-key": "l"},
        )
    assert made.status_code == 201, made.text
    second = fetch(server, number)
    assert second.content != first and f"{number}-2.pdf" in second.headers["content-disposition"]


def test_the_short_way_and_the_long_one_tell_the_same(server: Server) -> None:
    """Without a query the framework is passed by; nobody may see a difference."""
    number = server.installation.numbers[1]
    address = f"/api/v1/certificates/{number}/document.pdf"
    for key in (server.installation.agency_key, server.installation.other_key, "vk_nobody_at_all", None):
        with server.client(key) as client:
            for ask in (client.get, client.head):
                short, long = ask(address), ask(f"{address}?template=certificate")
                assert short.status_code == long.status_code and short.content == long.content
                seen = [{k: v for k, v in one.headers.items() if k != "date"} for one in (short, long)]
                assert seen[0] == seen[1]
    with server.client(server.installation.agency_key) as client:
        assert client.get(address.replace(number, number.lower())).content == client.get(address).content
        assert client.get(address.replace(number, "nonsense")).status_code == 422
        assert client.post(address).status_code == 405


def test_another_agency_gets_none(server: Server) -> None:
    with server.client(server.installation.other_key) as client:
        assert (
            client.get(f"/api/v1/certificates/{server.installation.numbers[0]}/document.pdf").status_code
            == 404
        )


def test_pdfsig_and_qpdf_find_it_sound(pdf: bytes, tmp_path: Path) -> None:
    path = tmp_path / "served.pdf"
    path.write_bytes(pdf)
    signature = subprocess.run(["pdfsig", "-nocert", path], capture_output=True, text=True).stdout
    assert "Signature is Valid." in signature and "ETSI.CAdES.detached" in signature
    assert "Total document signed" in signature
    assert subprocess.run(["qpdf", "--check", path], capture_output=True).returncode == 0


@pytest.mark.parametrize("profile", [page.ValidationProfile.PDF_A_3A, page.ValidationProfile.PDF_UA_1])
def test_a_validator_passes_it(pdf: bytes, profile: page.ValidationProfile) -> None:
    """But for the one rule that page-validation 0.11 gets wrong (documents/README.md)."""
    found = {failure.rule_id for failure in page.validate_pdf_bytes(pdf, profile=profile).failures}
    assert {rule for rule in found if "GLYPH-WIDTH" not in rule} == set()


def test_the_audit_names_a_file_that_was_exchanged(tmp_path: Path) -> None:
    made = install(tmp_path, count=2)
    with serving(made) as server:
        for number in made.numbers:
            assert fetch(server, number).status_code == 200
    with sqlite3.connect(made.database) as register:
        register.execute("drop trigger document_is_kept")
        first = register.execute("select sealed, digest from document order by number").fetchone()
        register.execute(
            "update document set sealed = ?, digest = ? where number = ?", (*first, max(made.numbers))
        )
    with serving(made) as server:
        assert fetch(server, max(made.numbers)).status_code == 422
        assert fetch(server, min(made.numbers)).status_code == 200
    report = asyncio.run(_audit(made))
    assert {(found.check, found.where) for found in report.findings} == {
        ("document", f"document {max(made.numbers)}/1/certificate")
    }


async def _audit(made: Installation) -> Report:
    house = await open_house(load_settings(made.environment), Role.PUBLIC)
    try:
        return await audit(house.store, house.data_keys)
    finally:
        await house.close()


def test_two_decoders_read_the_code_on_its_page(pdf: bytes, server: Server) -> None:
    import pypdfium2

    page = pypdfium2.PdfDocument(pdf)[0].render(scale=300 / 72).to_pil().convert("L")
    found = [code.text for code in zxingcpp.read_barcodes(page)]
    assert len(found) == 1 and f"/V/{server.installation.scan_codes[0]}" in found[0]
    text, _, _ = cv2.QRCodeDetector().detectAndDecode(np.asarray(page))
    assert text in ("", found[0])


def test_its_page_says_what_the_register_says_and_carries_the_record(pdf: bytes, server: Server) -> None:
    import pypdfium2

    face = face_on_page(pdf)
    assert (face.number, face.level) == (server.installation.numbers[0], "三级/高级工")
    document = pypdfium2.PdfDocument(pdf)
    files = {}
    for i in range(document.count_attachments()):
        attachment = document.get_attachment(i)
        files[attachment.get_name()] = bytes(attachment.get_data())
    assert set(files) == {"credential.jwt", "record.json"}
    record = json.loads(files["record.json"])
    assert record["credentialSubject"]["certificate"]["number"] == server.installation.numbers[0]
    assert b"/AFRelationship" in pdf


def test_the_share_card_is_a_picture_that_scans(server: Server) -> None:
    number = server.installation.numbers[0]
    with server.client(server.installation.agency_key) as client:
        card = client.get(f"/api/v1/certificates/{number}/share.png")
    picture = Image.open(io.BytesIO(card.content))
    assert picture.size[0] == 1080
    assert len(zxingcpp.read_barcodes(picture)) == 1


def test_a_batch_comes_as_one_zip_and_goes_on_after_a_kill(tmp_path: Path) -> None:
    made = install(tmp_path, count=0, body_timeout_s="10")
    rows = [issue_request(9000 + i) for i in range(50)]
    bad = issue_request(9100, level="1")
    with serving(made) as server, server.client(made.agency_key) as client:
        sent = client.post("/api/v1/batches", json=[*rows, bad], headers={"idempotency-key": "zip"})
        address = f"/api/v1/batches/{sent.json()['id']}"
        wait_until(lambda: client.get(address).json()["state"] == "done", what=lambda: "batch")
        # Killed in the middle of the download.
        with client.stream("GET", f"{address}/documents") as stream:
            got = 0
            try:
                for piece in stream.iter_raw():
                    got += len(piece)
                    if got > 600_000:
                        os.killpg(server.process.pid, signal.SIGKILL)
            except httpx.HTTPError:
                pass
    with serving(made) as server, server.client(made.agency_key) as client:
        whole = client.get(f"{address}/documents", timeout=120).content
        again = client.get(f"{address}/documents", timeout=120).content
        archive = zipfile.ZipFile(io.BytesIO(whole))
        assert archive.testzip() is None
        assert whole == again
        assert len(archive.namelist()) == 50 and 600_000 < got < len(whole)
        numbers = {row["number"] for row in client.get(f"{address}/rows?state=issued").json()["rows"]}
        assert {name.removesuffix(".pdf") for name in archive.namelist()} == numbers
        number = min(numbers)
        assert archive.read(f"{number}.pdf") == fetch(server, number).content
