"""A receipt on paper: checked like the receipt inside of it, and nobody can alter the page or seal another."""

import asyncio
import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pypdfium2
import pytest
from click.testing import CliRunner
from papers_forgeries import (
    append_page,
    flip_signed_byte,
    overlay_name,
    remove_attachment,
    resign_by_stranger,
    strip_signature,
)
from web_http_world import HOLDER, PASSPHRASE, SKILL, Server

from verify.cli.main import main as cli
from verify.errors import Words
from verify.office.credentials import Credentials
from verify.proof.keyfiles import KeyStore
from verify.proof.pades import sign_pdf
from verify.proof.public import KeyPurpose, PublicKey, by_kid
from verify.proof.signer import SoftSigner
from verify.store.register import list_keys
from verify.store.sqlite import SqliteStore

EMPLOYER = "岭南机械有限公司"


class Place:
    """The server, an employer's key, and the register's keys."""

    def __init__(self, server: Server) -> None:
        self.server, self.made = server, server.installation
        self.key, self.keys = asyncio.run(self._prepare())

    async def _prepare(self) -> tuple[str, dict[str, PublicKey]]:
        store = SqliteStore(self.made.database)
        try:
            desk = Credentials(store, now=lambda: dt.datetime.now(dt.UTC))
            _, secret = await desk.create(EMPLOYER, agency=None, employer=True, actor="test")
            return secret, by_kid(await store.read(list_keys))
        finally:
            await store.close()


@pytest.fixture
def place(server: Server) -> Iterator[Place]:
    yield Place(server)


def test_a_receipt_on_paper_is_checked_like_the_receipt_and_every_forgery_is_named(place: Place) -> None:
    number = place.made.numbers[8]
    with place.server.client(place.key, accept="application/pdf") as client:
        given = client.post("/api/v1/receipts", json={"number": number, "name": HOLDER})
        again = client.post("/api/v1/receipts", json={"number": number, "name": "别人"})
    assert (given.status_code, given.headers["content-type"]) == (201, "application/pdf"), given.text
    pdf, miss = given.content, again.content
    assert pdf.startswith(b"%PDF-") and len(pdf) < 120_000
    text = pypdfium2.PdfDocument(pdf)[0].get_textpage().get_text_bounded()
    assert EMPLOYER in text and number in text and "有效" in text and HOLDER not in text
    forgeries = {
        "flipped": flip_signed_byte(pdf), "page": append_page(pdf), "overlay": overlay_name(pdf),
        "unsigned": strip_signature(pdf), "emptied": remove_attachment(pdf), "added": pdf + b"\n%more",
        "stranger": resign_by_stranger(pdf),
    }  # fmt: skip
    with place.server.client() as anybody:

        def check(data: bytes) -> dict[str, Any]:
            told = anybody.post("/api/v1/checks", files={"file": ("receipt.pdf", data)})
            assert told.status_code == 200, told.text
            found: dict[str, Any] = told.json()
            return found

        good, none = check(pdf), check(miss)
        bad = {name: check(data) for name, data in forgeries.items()}
        agency = check(asyncio.run(_sealed_by_an_agency(place, pdf)))
        page = anybody.post(
            "/checks?lang=en", files={"file": ("receipt.pdf", pdf)}, headers={"accept": "text/html"}
        ).text
        trust = place.made.folder / "trust.json"
        trust.write_bytes(anybody.get("/trust.json").content)
    assert good["verdict"] == "valid" and good["receipt"]["now"] == [{"number": number, "verdict": "valid"}]
    assert all(one["outcome"] in ("passed", "skipped") for one in good["checks"]), good
    assert {one["name"]: one["outcome"] for one in good["checks"]}["document-signature"] == "passed"
    assert none["verdict"] == "unknown" and none["receipt"]["then"] == []
    for name, report in (*bad.items(), ("agency", agency)):
        assert report["verdict"] == "unknown" and "receipt" not in report, (name, report)
    failed = [one["name"] for one in agency["checks"] if one["outcome"] == "failed"]
    assert failed == ["document-signature"]
    assert "is-valid" in page and "Verification receipt" in page
    # Offline, with nothing but the trust list.
    file = place.made.folder / "receipt.pdf"
    file.write_bytes(pdf)
    told = CliRunner().invoke(cli, ["check", str(file), "--offline", "--trust", str(trust), "--json"])
    report = json.loads(told.stdout)
    assert report["verdict"] == "unavailable" and report["receipt"]["employer"] == EMPLOYER
    assert not [one for one in report["checks"] if one["outcome"] == "failed"], report


async def _sealed_by_an_agency(place: Place, pdf: bytes) -> bytes:
    """The same page under an agency's key, which is registered and certified by the same root."""
    keys = place.keys.values()
    key = next(one for one in keys if one.owner == SKILL and one.purpose is KeyPurpose.TOKEN)
    root = next(one for one in keys if one.purpose is KeyPurpose.ROOT)
    assert key.certificate is not None and root.certificate is not None
    signer = SoftSigner(KeyStore(place.made.folder / "keys", PASSPHRASE).load(key.kid))
    return await sign_pdf(
        strip_signature(pdf), signer=signer, certificate=key.certificate, chain=[root.certificate],
        signed_at=dt.datetime.now(dt.UTC), reason=Words("回执", "receipt"),
    )  # fmt: skip
