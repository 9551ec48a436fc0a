"""A name with a character that no font has: refused with the way out, filed, accepted, printed, found again."""

import io
import json
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import page
import pytest
from archive_world import AGENCY, OPERATOR, Past, past
from PIL import Image, ImageDraw, ImageFont
from web_http_world import HOLDER, OTHER, ROOT, SKILL, Server, issue_request, resident_id

import servers
from verify.certificate.form import IssueRequest
from verify.certificate.reason import Role
from verify.documents.glyphs import BUNDLED_FONT
from verify.documents.standin import marks_in
from verify.errors import Conflict, Invalid, NotFound
from verify.issuance.caller import Caller
from verify.issuance.issue import Issued, Row
from verify.issuance.stand_ins import Picture

PRIVATE, DESCRIBED = "\ue5e5", "⿰亻⿱龍天"
AT = f"/api/v1/agencies/{SKILL}/stand-ins"


def glyph(text: str = "龘") -> bytes:
    """A character as somebody would draw it: 256 pixels, black on white."""
    picture = Image.new("L", (256, 256), 255)
    font = ImageFont.truetype(str(BUNDLED_FONT), 200)
    ImageDraw.Draw(picture).text((128, 128), text, fill=0, font=font, anchor="mm")
    return png(picture)


def png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


EVIDENCE = png(Image.new("RGB", (640, 400), (200, 210, 220)))


def file(server: Server, character: str, key: str | None = None, **changes: Any) -> httpx.Response:
    """File a picture; `changes` replace parts."""
    parts = {"character": (None, character), "note": (None, "居民户口簿"), "picture": ("g.png", glyph()),
             "evidence": ("e.png", EVIDENCE)} | changes  # fmt: skip
    with server.client(key or server.installation.agency_key) as client:
        return client.post(AT, files=parts)


def decide(server: Server, filed: dict[str, Any], step: str, key: str | None = None) -> httpx.Response:
    with server.client(key or server.installation.operator_key) as client:
        return client.post(f"{AT}/{filed['id']}/{step}", json={"reason": "与户口簿一致"})


def ask(server: Server, serial: int, name: str) -> httpx.Response:
    holder = {"name": name, "id_type": "RESIDENT_ID", "id_number": resident_id(serial)}
    with server.client(server.installation.agency_key) as client:
        return client.post(
            "/api/v1/certificates", json=issue_request(serial, holder=holder),
            headers={"idempotency-key": f"s-{serial}"},
        )  # fmt: skip


def checked(server: Server, pdf: bytes) -> dict[str, Any]:
    with server.client() as client:
        report: dict[str, Any] = client.post("/api/v1/checks", files={"file": ("a.pdf", pdf)}).json()
    return report


@pytest.mark.parametrize(("serial", "character"), [(7100, PRIVATE), (7101, DESCRIBED)])
def test_a_refused_name_is_issued_once_its_picture_is_accepted(
    server: Server, serial: int, character: str, tmp_path: Path
) -> None:
    name = f"张{character}丰"
    assert marks_in(name) == [character]
    problem = ask(server, serial, name)
    (fault,) = problem.json()["errors"]
    assert problem.status_code == 422 and (fault["pointer"], fault["code"]) == ("/holder/name", "unprintable")
    said = json.dumps(fault, ensure_ascii=False)
    assert (
        f"POST {AT}" in said and f"verify stand-in file {SKILL} {character}" in said and "--picture" in said
    )

    filed = file(server, character)
    assert filed.status_code == 201, filed.text
    filing = filed.json()
    assert filing["state"] == "waiting" and filing["character"] == character
    assert ask(server, serial, name).status_code == 422, "not before the operator has seen it"
    assert decide(server, filing, "acceptance", server.installation.agency_key).status_code == 403
    with server.client(server.installation.operator_key) as client:
        shown = client.get(filed.headers["location"]).json()
    assert shown["picture"] and shown["evidence"] and shown["note"] == "居民户口簿"
    assert decide(server, filing, "acceptance").json()["state"] == "accepted"

    made = ask(server, serial, name)
    assert made.status_code == 201, made.text
    number = made.json()["number"]
    with server.client(server.installation.agency_key) as client:
        pdf = client.get(f"/api/v1/certificates/{number}/document.pdf").content
        card = client.get(f"/api/v1/certificates/{number}/share.png")
        picture = client.get(f"/api/v1/certificates/{number}/document.png")
    (tmp_path / "page.png").write_bytes(picture.content)
    assert card.status_code == picture.status_code == 200
    assert "字形图片".encode("utf-16-be") in pdf or b"Figure" in pdf
    report = checked(server, pdf)
    assert report["verdict"] == "valid" and {one["outcome"] for one in report["checks"]} == {"passed"}
    assert report["holder"]["name"] == name
    for profile in ("3a", "ua1"):
        failures = page.validate_pdf_bytes(pdf, profile=profile).failures
        assert [f.rule_id for f in failures if "GLYPH-WIDTH" not in f.rule_id] == []


def test_nobody_elses_picture_serves_and_nobody_else_sees_it(server: Server) -> None:
    character = "\ue5e6"
    filing = file(server, character).json()
    assert file(server, character).status_code == 409, "once"
    assert file(server, character, server.installation.other_key).status_code == 404
    with server.client(server.installation.other_key) as client:
        assert client.get(f"{AT}/{filing['id']}").status_code == 404
        assert client.get(AT).status_code == 404
        assert client.get(AT.replace(SKILL, OTHER)).json() == {"stand_ins": []}
    with server.client(server.installation.operator_key) as client:
        assert client.get(f"{AT.replace(SKILL, OTHER)}/{filing['id']}").status_code == 404
    decide(server, filing, "acceptance")
    holder = {"name": f"李{character}", "id_type": "RESIDENT_ID", "id_number": resident_id(7200)}
    with server.client(server.installation.other_key) as client:
        asked = client.post(
            "/api/v1/certificates", json=issue_request(7200, holder=holder), headers={"idempotency-key": "o"}
        )
    assert asked.status_code == 422 and OTHER in asked.text


def test_what_cannot_stand_in_is_refused_with_every_fault(server: Server) -> None:
    blank = png(Image.new("L", (256, 256), 255))
    bad = file(server, "张", picture=("g.png", blank), evidence=("e.txt", b"no picture"), note=(None, ""))
    assert bad.status_code == 422
    assert {fault["pointer"] for fault in bad.json()["errors"]} == {
        "/character",
        "/picture",
        "/evidence",
        "/note",
    }
    assert file(server, PRIVATE + DESCRIBED).json()["errors"][0]["pointer"] == "/character"
    assert file(server, "\ue5e7", picture=("g.svg", b"<svg><script/></svg>")).status_code == 422
    assert file(server, "").status_code == 422


def test_a_refused_picture_prints_no_more_but_kept_files_stay(server: Server) -> None:
    character = "\ue5e8"
    filing = file(server, character).json()
    decide(server, filing, "acceptance")
    numbers = [ask(server, serial, f"王{character}").json()["number"] for serial in (7300, 7301)]
    with server.client(server.installation.agency_key) as client:
        kept = client.get(f"/api/v1/certificates/{numbers[0]}/document.pdf").content
        assert decide(server, filing, "refusal").json()["state"] == "refused"
        assert decide(server, filing, "acceptance").status_code == 409
        assert client.get(f"/api/v1/certificates/{numbers[0]}/document.pdf").content == kept
        assert client.get(f"/api/v1/certificates/{numbers[1]}/document.pdf").status_code == 422
    assert ask(server, 7302, f"王{character}").status_code == 422
    assert file(server, character).status_code == 201, "a better one may follow"


def test_it_lies_sealed_and_the_ledger_tells_who_when_and_why(server: Server) -> None:
    character = "⿱艹⿰𤣩且"
    filing = file(server, character).json()
    decide(server, filing, "acceptance")
    made = server.installation
    with sqlite3.connect(made.database) as register:
        rows = register.execute(
            "select e.kind, e.body, n.sealed from event e left join event_note n on n.seq = e.seq where e.body like ?",
            (f"%{filing['id']}%",),
        ).fetchall()
        register.execute("pragma wal_checkpoint(truncate)")
    assert [row[0] for row in rows] == ["stand-in-filed", "stand-in-decided"]
    actors = [msgspec.json.decode(body)["actor"] for _, body, _ in rows]
    assert actors[0] == filing["filed_by"] and actors[1] != actors[0] and all(sealed for *_, sealed in rows)
    data = made.database.read_bytes()
    for secret in (
        character.encode(),
        "居民户口簿".encode(),
        "与户口簿一致".encode(),
        glyph()[:64],
        EVIDENCE[:64],
    ):
        assert secret not in data


def test_the_same_from_the_command_line(server: Server, tmp_path: Path) -> None:
    made, character = server.installation, "\ue5e9"
    (tmp_path / "g.png").write_bytes(glyph("靐"))
    (tmp_path / "e.png").write_bytes(EVIDENCE)

    def verify(*words: str, code: int = 0) -> Any:
        done = subprocess.run(
            [sys.executable, "-c", "from verify.cli import main; main()", "stand-in", *words], cwd=tmp_path,
            capture_output=True, text=True,
            env=made.environment | {"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        )  # fmt: skip
        assert done.returncode == code, done.stderr + done.stdout
        return json.loads(done.stdout)["stand_ins"] if "--json" in words else done.stderr

    paths = ("--picture", "g.png", "--evidence", "e.png", "--note", "护照")
    (filed,) = verify("file", SKILL, character, *paths, "--json")
    assert filed["filed_by"].startswith("cli:")
    assert "already" in verify("file", SKILL, character, *paths, code=1)
    verify("show", filed["id"], "--out", "out")
    assert (tmp_path / "out" / f"{filed['id']}-picture.png").read_bytes() == glyph("靐")
    (done,) = verify("accept", filed["id"], "--reason", "一致", "--json")
    assert done["state"] == "accepted"
    assert filed["id"] in {one["id"] for one in verify("list", SKILL, "--json")}
    assert ask(server, 7400, f"赵{character}").status_code == 201
    (done,) = verify("refuse", filed["id"], "--reason", "不符", "--json")
    assert done["state"] == "refused"


def test_an_ordinary_name_asks_for_no_picture(server: Server) -> None:
    assert marks_in(HOLDER) == [] and ask(server, 7500, HOLDER).status_code == 201


@pytest.fixture(scope="module")
def postgres() -> Iterator[servers.Postgres]:
    with servers.postgres() as running:
        yield running


@pytest.fixture
async def networked(postgres: servers.Postgres, tmp_path: Path) -> AsyncIterator[Past]:
    connection = await asyncpg.connect(postgres.dsn)
    await connection.execute("create database stand_ins")
    await connection.close()
    async with past(tmp_path, postgres.dsn.replace("/postgres?", "/stand_ins?"), count=0) as world:
        yield world


async def test_the_same_on_postgresql(networked: Past) -> None:
    house, agency = networked.house, Caller("one", Role.AGENCY, AGENCY)
    given = Picture(DESCRIBED, glyph(), EVIDENCE, "户口簿")
    request = msgspec.convert(
        issue_request(1, kind="qualification", issued_on="2012-11-20", holder={
            "name": f"张{DESCRIBED}", "id_type": "RESIDENT_ID", "id_number": resident_id(1)}), IssueRequest,
    )  # fmt: skip
    filed = await house.stand_ins.file(AGENCY, given, agency)
    with pytest.raises(Conflict):
        await house.stand_ins.file(AGENCY, given, agency)
    (refused,) = await house.issuance.issue_many(AGENCY, [Row("k", request)], "one")
    assert isinstance(refused, Invalid)
    with pytest.raises(NotFound):
        await house.stand_ins.show(filed.id, Caller("two", Role.AGENCY, SKILL))
    await house.stand_ins.decide(filed.id, accepted=True, reason="一致", caller=OPERATOR)
    (made,) = await house.issuance.issue_many(AGENCY, [Row("k", request)], "one")
    assert isinstance(made, Issued)
    assert (await networked.pdf(made.number)).startswith(b"%PDF-")
    with pytest.raises(Conflict):
        for accepted in (False, True):
            await house.stand_ins.decide(filed.id, accepted=accepted, reason="x", caller=OPERATOR)
