"""Issuing and changing from the command line, and what the public is told afterwards."""

import json
import sqlite3
from pathlib import Path

import pytest
from cli_shell import AGENCY, PEOPLE, Shell

from verify.documents.qr import qr_content, render_qr_png


def test_a_roster_is_answered_row_by_row_and_a_second_run_gives_the_same_numbers(shell: Shell) -> None:
    path = shell.roster(level="1")
    outcome = shell.json("issue", str(path), code=1)
    assert (outcome["rows"], outcome["issued"], outcome["failed"]) == (3, 2, 1)
    first = shell.results(path)
    assert [row["state"] for row in first] == ["issued", "issued", "failed"]
    assert first[2]["row_id"] == "R3"
    assert first[2]["columns"] == "review level" or "level" in first[2]["columns"]
    assert first[2]["detail"]
    assert first[2]["detail_zh"]
    path = shell.roster()  # the last row put right
    outcome = shell.json("issue", str(path))
    assert (outcome["issued"], outcome["already"], outcome["failed"]) == (1, 2, 0)
    second = shell.results(path)
    assert [row["number"] for row in second[:2]] == [row["number"] for row in first[:2]]
    assert len({row["number"] for row in second}) == 3


def test_no_result_file_names_a_document_number(shell: Shell) -> None:
    path = shell.roster(id_number="996072198307149558")
    shell("issue", str(path), code=1)
    text = path.with_name("roster.csv.result.csv").read_text("utf-8-sig")
    for _, _, number in PEOPLE:
        assert number[:17] not in text


def test_a_file_that_cannot_be_read_issues_nothing(shell: Shell) -> None:
    path = shell.folder / "roster.csv"
    path.write_text("name,nonsense\nx,y\n")
    shell("issue", str(path), code=2)
    assert not path.with_name("roster.csv.result.csv").exists()
    other = shell.folder / "roster.xlsx"
    other.write_bytes(b"PK")
    assert "next:" in shell("issue", str(other), code=2).stderr
    shell("issue", "missing.csv", code=2)


def test_the_agency_must_be_said_when_there_are_two(shell: Shell) -> None:
    shell("agency", "add", "10012003", "--name", "某鉴定所")
    told = shell("issue", str(shell.roster()), code=1).stderr
    assert "--agency" in told
    shell("issue", str(shell.roster()), "--agency", AGENCY)


def test_out_writes_the_documents(shell: Shell) -> None:
    path = shell.roster()
    shell("issue", str(path), "--out", str(shell.folder / "pdf"))
    for row in shell.results(path):
        assert (shell.folder / "pdf" / f"{row['number']}.pdf").read_bytes().startswith(b"%PDF-")


def test_a_life_from_valid_to_revoked_as_the_public_sees_it(shell: Shell) -> None:
    number = shell.issued()[0]
    assert shell.json("lookup", number)["answers"][0]["verdict"] == "valid"
    shell("suspend", number, "--reason", "UNDER_REVIEW", "--note", "file 17")
    assert shell.json("lookup", number, code=1)["answers"][0]["verdict"] == "suspended"
    shell("reinstate", number, "--reason", "REVIEW_CLEARED")
    shell("lookup", number)
    done = shell.json("revoke", number, "--reason", "OBTAINED_BY_FRAUD")
    assert done["fresh"]
    assert not shell.json("revoke", number, "--reason", "OBTAINED_BY_FRAUD")["fresh"]
    assert shell.json("lookup", number, code=1)["answers"][0]["verdict"] == "revoked"
    told = shell("reinstate", number, "--reason", "REVIEW_CLEARED", code=1).stderr
    assert "错误：" in told
    kinds = [entry["kind"] for entry in shell.json("history", number)]
    assert kinds == ["issued", "suspended", "reinstated", "revoked"]
    assert shell.json("history", number)[1]["note"] == "file 17"
    shell("audit")


def test_a_suspension_may_have_an_end_and_needs_its_zone(shell: Shell) -> None:
    number = shell.issued()[0]
    shell("suspend", number, "--reason", "UNDER_REVIEW", "--until", "2099-01-01", code=2)
    shell("suspend", number, "--reason", "UNDER_REVIEW", "--until", "2099-01-01T00:00:00+08:00")
    (answer,) = shell.json("lookup", number, code=1)["answers"]
    assert answer["status"]["until"].startswith("2098-12-31T16:00:00")


def test_a_reason_outside_the_list_is_refused_with_the_list(shell: Shell) -> None:
    number = shell.issued()[0]
    assert "OBTAINED_BY_FRAUD" in shell("revoke", number, "--reason", "BECAUSE", code=2).stderr


def test_a_lost_copy_is_made_again_under_its_number(shell: Shell) -> None:
    number = shell.issued()[0]
    old = shell.json("show", number)
    done = shell.json("reissue", number, "--reason", "REPLACED_LOST", "--note", "遗失补发")
    assert (done["number"], done["copy"]) == (number, 2)
    again = shell.json("reissue", number, "--reason", "lost", "--note", "遗失补发", "--key", done["key"])
    assert again["scan_code"] == done["scan_code"]
    report = shell.json("check", old["token"])
    assert {one["name"]: one["outcome"] for one in report["checks"]}["current-copy"] == "failed"
    shell("check", done["scan_code"])
    shell("audit")


def test_a_wrong_name_is_corrected_and_a_wrong_level_gets_a_new_number(shell: Shell) -> None:
    first, second, _ = shell.issued()
    shell("reissue", first, "--reason", "corrected", "--set", "name=魏敏钢")
    assert shell.json("show", first)["holder"]["name"] == "魏敏钢"
    assert shell.json("lookup", first, "--name", "魏敏刚", code=1)["answers"] == []
    shell("lookup", first, "--name", "魏敏钢")
    done = shell.json("reissue", second, "--reason", "corrected", "--set", "level=5")
    assert done["number"] != second
    (answer,) = shell.json("lookup", second, "--name", PEOPLE[1][1], code=1)["answers"]
    assert (answer["verdict"], answer["replaced_by"]) == ("replaced", done["number"])
    shell("reissue", first, "--reason", "corrected", "--set", "colour=red", code=2)
    shell("reissue", first, "--reason", "whim", code=2)
    shell("audit")


def test_a_miss_is_one_miss_whatever_missed(shell: Shell) -> None:
    number = shell.issued()[0]
    wrong_name = shell("lookup", number, "--name", "张三丰", code=1)
    unknown = shell("lookup", number[:-1] + "9", "--name", "魏敏刚", code=1)
    assert wrong_name.output == unknown.output
    shell("lookup", "nonsense", code=2)


def test_another_agency_sees_nothing(shell: Shell) -> None:
    number = shell.issued()[0]
    shell("show", number, "--agency", "10012003", code=1)
    shell("history", number, "--agency", "10012003", code=1)
    shell("revoke", number, "--reason", "OBTAINED_BY_FRAUD", "--agency", "10012003", code=1)
    shell("show", number, "--agency", AGENCY)


def test_whatever_form_the_proof_has_it_is_checked(shell: Shell) -> None:
    number = shell.issued()[0]
    view = shell.json("show", number)
    content = qr_content("http://127.0.0.1:8000", view["scan_code"], view["token"])
    picture = shell.folder / "code.png"
    picture.write_bytes(render_qr_png(content))
    credential = shell.folder / "credential.jwt"
    credential.write_text(view["copies"][0]["credential"])
    for what in (str(picture), str(credential), content, view["token"], view["scan_code"]):
        assert shell.json("check", what)["verdict"] == "valid", what
    assert "valid" in shell("check", "-", stdin=content.encode()).output
    digits = view["token"]
    forged = digits[:-1] + ("0" if digits[-1] != "0" else "1")
    assert shell.json("check", forged, code=1)["verdict"] == "unknown"
    pdf = shell.folder / "x.pdf"
    pdf.write_bytes(b"%PDF-1.7")
    assert shell.json("check", str(pdf), code=1)["checks"][0]["outcome"] == "failed"


def test_offline_it_never_says_valid(shell: Shell) -> None:
    number = shell.issued()[0]
    token = shell.json("show", number)["token"]
    row = sqlite3.connect(shell.folder / "data/verify.db").execute(
        "select document from trust_list order by sequence desc limit 1"
    ).fetchone()  # fmt: skip
    trust = shell.folder / "trust.json"
    trust.write_bytes(row[0])
    result = shell("check", token, "--offline", "--trust", str(trust), "--json", code=1)
    report = json.loads(result.stdout)
    assert report["verdict"] == "unavailable"
    assert "Authentic; status not checked since" in report["message"]["en"]
    assert "fingerprint" in result.stderr
    shell("check", token, "--offline", code=2)
    broken = json.loads(row[0])
    broken["signature"] = "A" + broken["signature"][1:-1] + "A"
    trust.write_text(json.dumps(broken, separators=(",", ":")))
    shell("check", token, "--offline", "--trust", str(trust), code=1)


@pytest.mark.parametrize("server", ["ftp://example.org", "nonsense"])
def test_a_server_is_an_http_address(shell: Shell, server: str) -> None:
    shell("lookup", "S000035000123264000001", "--server", server, code=2)


def test_a_server_that_is_away_is_not_a_miss(shell: Shell) -> None:
    told = shell("lookup", "S000035000123264000001", "--server", "http://127.0.0.1:9", code=1).stderr
    assert "nothing is said about the certificate" in told


# --- care -----------------------------------------------------------------------------------------------


def _harm(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    for (name,) in connection.execute("select name from sqlite_schema where type = 'trigger'").fetchall():
        connection.execute(f"drop trigger {name}")
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_the_audit_is_bad_news_when_somebody_unrevoked_by_hand(shell: Shell) -> None:
    number = shell.issued()[0]
    shell("revoke", number, "--reason", "OBTAINED_BY_FRAUD")
    assert "everything agrees" in shell("audit").output
    _harm(shell.folder / "data/verify.db", "update certificate set status = 'valid', reason = null")
    report = shell.json("audit", code=1)
    assert {(f["check"], f["where"]) for f in report["findings"]} == {
        ("status-fold", f"certificate {number}")
    }
    assert number in shell("audit", code=1).output


def test_a_broken_end_of_the_ledger_refuses_to_open_the_house(shell: Shell) -> None:
    shell.issued()
    _harm(
        shell.folder / "data/verify.db",
        "update event set body = replace(body, 'cli', 'clj') where seq = (select max(seq) from event)",
    )
    told = shell("lookup", "S000035000123264000001", code=1).stderr
    assert "verify audit" in told
    shell("agency", "list", code=1)


def test_a_backup_comes_back_and_holds_what_it_held(shell: Shell) -> None:
    number = shell.issued()[0]
    made = shell.json("backup", str(shell.folder / "backup"))
    shell("revoke", number, "--reason", "OBTAINED_BY_FRAUD")
    told = shell("restore", str(shell.folder / "backup"), code=1).stderr
    assert "--accept-loss" in told
    told = shell("restore", str(shell.folder / "backup"), "--accept-loss", code=1).stderr
    assert "--force" in told
    shell("lookup", number, code=1)
    back = shell.json("restore", str(shell.folder / "backup"), "--force", "--accept-loss")
    assert (back["seq"], back["hash"]) == (made["seq"], made["hash"])
    assert Path(back["aside"]).exists()
    shell("lookup", number)
    shell("audit")


def test_a_backup_is_never_written_over_another(shell: Shell) -> None:
    shell("backup", str(shell.folder / "backup"))
    shell("backup", str(shell.folder / "backup"), code=1)


def test_a_backup_that_was_touched_is_refused(shell: Shell) -> None:
    shell.issued()
    shell("backup", str(shell.folder / "backup"))
    copy = shell.folder / "backup/verify.db"
    _harm(copy, "update certificate set status = 'valid'")
    before = (shell.folder / "data/verify.db").read_bytes()
    assert "manifest" in shell("restore", str(shell.folder / "backup"), "--force", code=1).stderr
    assert (shell.folder / "data/verify.db").read_bytes() == before
    shell("restore", str(shell.folder / "data"), "--force", code=1)
