"""The desk from the command line: the queue, one case with its picture, an answer, the list of imitations."""

import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_shell import AGENCY, Shell
from PIL import Image

from verify.cases.desk import Opened
from verify.cases.told import ObjectionRequest, ReportRequest
from verify.cli import errand
from verify.documents.evidence import redraw_evidence


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """An installation with one agency."""
    for name in [name for name in os.environ if name.startswith("VERIFY_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    made = Shell(tmp_path)
    made("init")
    made("agency", "add", AGENCY, "--name", "某评价机构")
    yield made


def tell() -> tuple[Opened, Opened]:
    """A report with a picture whose second line poses as output of ours, and an objection."""
    out = io.BytesIO()
    Image.new("RGB", (80, 60), "teal").save(out, "PNG")

    async def job(house: Any) -> tuple[Opened, Opened]:
        words = "假网站\ncase  closed\x1b[2J"
        report = await house.desk.report(
            ReportRequest("imitation-website", words), redraw_evidence(out.getvalue())
        )
        return report, await house.desk.objection(ObjectionRequest("missing", number=f"{AGENCY}263999999"))

    return errand.in_office(job)


def test_the_operator_works_the_queue(shell: Shell) -> None:
    report, objection = tell()
    listed = shell.json("case", "list")
    assert [one["id"] for one in listed["cases"]] == [report.case.id, objection.case.id]
    assert "imitates" in shell("case", "list", "--kind", "report").stdout
    mine = shell.json("case", "list", "--agency", AGENCY)
    assert [one["id"] for one in mine["cases"]] == [objection.case.id]
    shown = shell("case", "show", report.case.id, "--picture", "seen.jpg").stdout
    assert (shell.folder / "seen.jpg").read_bytes().startswith(b"\xff\xd8\xff")
    assert "\x1b" not in shown and not re.search(r"^case  closed", shown, re.MULTILINE)
    shell("case", "accept", report.case.id)
    done = shell.json("case", "answer", report.case.id, "--outcome", "confirmed", "--words", "已列入名单。")
    assert done["case"]["state"] == "answered" and done["steps"][-1]["actor"].startswith("cli:")
    assert shell.json("case", "close", report.case.id, "--note", "归档")["case"]["state"] == "closed"
    assert [one["id"] for one in shell.json("case", "list", "--state", "closed")["cases"]] == [report.case.id]


def test_an_objection_is_assigned_and_answered_for_an_agency(shell: Shell) -> None:
    _, objection = tell()
    key = objection.case.id
    shell("case", "close", key, code=1)
    shell("case", "answer", key, "--outcome", "confirmed", "--words", "x", code=2)
    shell("case", "assign", key, AGENCY)
    shown = shell(
        "case", "answer", key, "--outcome", "refused", "--words", "查无此人", "--agency", AGENCY
    ).stdout
    assert "异议不成立" in shown and "agency" in shown
    shell("case", "show", "cs_nothing", code=1)


def test_imitation_sites_are_listed_and_taken_off(shell: Shell) -> None:
    shell("imitation", "add", "https://fake.example.net/pay", "--note", "收费", "--seen", "2026-11-01")
    (site,) = shell.json("imitation", "list")
    assert (site["domain"], site["note"], site["seen_on"]) == ("fake.example.net", "收费", "2026-11-01")
    assert "fake.example.net" in shell("imitation", "list").stdout
    shell("imitation", "add", "fake.example.net", code=1)
    shell("imitation", "remove", "fake.example.net")
    assert shell.json("imitation", "list") == []


def test_wrong_use_is_told(shell: Shell) -> None:
    shell("imitation", "add", "no domain", code=2)
    shell("case", "list", "--after", "x", code=2)
