"""What people bring: the served file, and everything that is done to it, named by the running service."""

import io
from typing import Any

import msgspec
import pypdfium2
import pytest
import zxingcpp
from papers_forgeries import (
    append_page,
    flip_signed_byte,
    forge_face,
    overlay_name,
    remove_attachment,
    resign_by_stranger,
    strip_signature,
)
from PIL import Image
from web_http_world import HOLDER, Server

from verify.documents.qr import render_qr_png

NAMES = {"document-signature", "document-unchanged", "face-matches"}


@pytest.fixture(scope="module")
def pdf(server: Server) -> bytes:
    with server.client(server.installation.agency_key) as client:
        found = client.get(f"/api/v1/certificates/{server.installation.numbers[0]}/document.pdf")
    return found.content


def check(server: Server, file: bytes) -> dict[str, Any]:
    with server.client() as client:
        found = client.post("/api/v1/checks", files={"file": ("a.pdf", file, "application/pdf")})
    assert found.status_code == 200, found.text
    report: dict[str, Any] = found.json()
    report["outcomes"] = {one["name"]: one["outcome"] for one in report["checks"]}
    report["details"] = {one["name"]: one["detail"]["en"] for one in report["checks"]}
    return report


def test_the_served_file_passes_every_check(server: Server, pdf: bytes) -> None:
    report = check(server, pdf)
    assert set(report["outcomes"].values()) == {"passed"}, report["details"]
    assert report["verdict"] == "valid" and report["holder"]["name"] == HOLDER
    assert set(report["outcomes"]) >= NAMES
    assert "Byte for byte" in report["details"]["document-signature"]


def test_a_flipped_byte_is_named(server: Server, pdf: bytes) -> None:
    report = check(server, flip_signed_byte(pdf))
    assert report["verdict"] == "unknown" and "answer" not in report and "holder" not in report
    assert "failed" in (report["outcomes"]["document-signature"], report["outcomes"]["document-unchanged"])


@pytest.mark.parametrize(
    ("forge", "says"),
    [
        (append_page, "Pages were added"),
        (overlay_name, "laid over a page"),
        (remove_attachment, "attachment"),
    ],
)
def test_what_was_done_after_signing_is_named(server: Server, pdf: bytes, forge: Any, says: str) -> None:
    report = check(server, forge(pdf))
    assert report["verdict"] == "unknown"
    assert report["outcomes"]["document-unchanged"] == "failed"
    assert says in report["details"]["document-unchanged"]


def test_another_operators_signature_is_named(server: Server, pdf: bytes) -> None:
    report = check(server, resign_by_stranger(pdf))
    assert report["verdict"] == "unknown"
    assert "not issued by this service" in report["details"]["document-signature"]


def test_a_file_that_lost_its_signature_is_not_valid(server: Server, pdf: bytes) -> None:
    report = check(server, strip_signature(pdf))
    assert report["verdict"] == "unknown" and report["outcomes"]["document-signature"] == "failed"


def test_an_edited_name_under_a_genuine_code_is_named(server: Server, pdf: bytes) -> None:
    report = check(server, forge_face(pdf))
    assert report["outcomes"]["authentic"] == "passed"
    assert report["verdict"] == "unknown"
    assert "The name on the page is not the name that was signed." in report["details"]["face-matches"]


def scan(pdf: bytes, form: str) -> bytes:
    """The page as a flatbed gives it: a PDF of one picture, or a photo's JPEG."""
    picture = pypdfium2.PdfDocument(pdf)[0].render(scale=200 / 72).to_pil().convert("RGB")
    out = io.BytesIO()
    picture.save(out, form, resolution=200)
    return out.getvalue()


@pytest.mark.parametrize("form", ["PDF", "JPEG", "PNG"])
@pytest.mark.parametrize("forge", [bytes, forge_face])
def test_of_a_picture_the_code_alone_is_judged_and_the_words_say_so(
    server: Server, pdf: bytes, form: str, forge: Any
) -> None:
    """A genuine page and one with another name under the genuine code look the same to a program."""
    brought = scan(forge(pdf), form)
    report = check(server, brought)
    assert report["verdict"] == "valid" and report["holder"]["name"] == HOLDER
    assert report["outcomes"]["face-matches"] == "skipped"
    assert "is a picture; compare it by eye with what is shown" in report["details"]["face-matches"]
    assert report["outcomes"].get("document-signature", "skipped") == "skipped"
    assert report["details"]["matches-register"].startswith("The code: ")
    assert report["message"]["en"].startswith("This is about the register entry that the code leads to")
    assert report["message"]["zh"].endswith("用肉眼与下面显示的内容逐项核对。")
    with server.client(accept="text/html") as client:
        shown = client.post("/checks?lang=en", files={"file": ("a", brought)}).text
    assert "Entry valid – page not compared" in shown and "verdict is-valid" not in shown
    assert "compare it by eye" in shown and HOLDER in shown


def test_a_picture_of_a_dead_certificate_says_so(server: Server) -> None:
    number = server.installation.numbers[5]
    with server.client(server.installation.operator_key) as client:
        file = client.get(f"/api/v1/certificates/{number}/document.pdf").content
        client.post(f"/api/v1/certificates/{number}/revocation", json={"reason": "FORGED"})
    report = check(server, scan(file, "JPEG"))
    assert report["verdict"] == "revoked" and "revoked" in report["message"]["en"]


def test_the_code_of_another_register_is_not_excused_for_being_a_picture(server: Server, pdf: bytes) -> None:
    code = next(x.text for x in zxingcpp.read_barcodes(Image.open(io.BytesIO(scan(pdf, "PNG")))))
    wrong = render_qr_png(code[:-9] + ("1" if code[-9] != "1" else "2") + code[-8:])
    report = check(server, wrong)
    assert report["verdict"] == "unknown" and "face-matches" not in report["outcomes"]


@pytest.mark.parametrize("junk", [b"%PDF-1.7\n" + b"x" * 5000, b"%PDF-1.4\n%%EOF", b"%PDF-" * 1000])
def test_junk_is_unreadable_and_no_error(server: Server, junk: bytes) -> None:
    report = check(server, junk)
    assert (report["verdict"], report["outcomes"]["readable"]) == ("unknown", "failed")


def test_the_page_shows_the_checks_in_words(server: Server, pdf: bytes) -> None:
    with server.client(accept="text/html") as client:
        fine = client.post("/checks?lang=en", files={"file": ("a.pdf", pdf)}).text
        bad = client.post("/checks?lang=en", files={"file": ("a.pdf", append_page(pdf))}).text
    assert "Signature of the file" in fine and "File unchanged" in fine
    assert "Pages were added" in bad
    assert msgspec.json.encode(HOLDER).decode().strip('"') in fine
