"""The administration from the command line: what is promised happens, and what is wrong says what to do."""

import os
import stat
from pathlib import Path

import pytest
from cli_shell import AGENCY, Shell


def test_init_asks_for_nothing_and_changes_nothing_the_second_time(bare: Shell) -> None:
    first = bare.json("init")
    assert {step["what"]: step["fresh"] for step in first} == {
        "database": True, "passphrase": True, "data-keys": True, "root-key": True, "settings": True,
    }  # fmt: skip
    before = {path: path.read_bytes() for path in bare.folder.rglob("*.pem")}
    second = bare.json("init")
    assert not any(step["fresh"] for step in second)
    assert {path: path.read_bytes() for path in bare.folder.rglob("*.pem")} == before
    assert len(bare.json("key", "list")) == 3


def test_every_secret_file_is_for_one_user(bare: Shell) -> None:
    bare("init")
    for path in (bare.folder / "keys").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE((bare.folder / "keys").stat().st_mode) == 0o700


def test_init_uses_the_passphrase_it_is_given_and_writes_it_nowhere(
    bare: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERIFY_KEY_PASSPHRASE", "a passphrase from the vault")
    bare("init")
    files = [path for path in bare.folder.rglob("*") if path.is_file()]
    assert not any(b"from the vault" in path.read_bytes() for path in files)
    assert not (bare.folder / "keys" / "passphrase").exists()
    monkeypatch.delenv("VERIFY_KEY_PASSPHRASE")
    told = bare("agency", "list", code=1).stderr
    assert "VERIFY_KEY_PASSPHRASE" in told
    monkeypatch.setenv("VERIFY_KEY_PASSPHRASE", "another passphrase")
    assert "next:" in bare("agency", "list", code=1).stderr


def test_the_settings_file_is_read_and_the_environment_goes_before_it(
    bare: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERIFY_PUBLIC_URL", "https://first.example.cn")
    bare("init")
    monkeypatch.delenv("VERIFY_PUBLIC_URL")
    assert bare.json("config")["VERIFY_PUBLIC_URL"] == "https://first.example.cn"
    monkeypatch.setenv("VERIFY_PUBLIC_URL", "https://second.example.cn")
    assert bare.json("config")["VERIFY_PUBLIC_URL"] == "https://second.example.cn"


def test_an_unknown_setting_is_named_with_its_nearest(bare: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERIFY_DATABASE_URI", "sqlite:///x.db")
    assert "VERIFY_DATABASE_URL" in bare("config", code=2).stderr
    monkeypatch.delenv("VERIFY_DATABASE_URI")
    (bare.folder / "verify.env").write_text("VERIFY_PUBLIC_URI=x\n")
    assert "VERIFY_PUBLIC_URL" in bare("config", code=2).stderr
    (bare.folder / "verify.env").write_text("just words\n")
    assert "Line 1" in bare("config", code=2).stderr


def test_config_shows_no_secret(bare: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERIFY_KEY_PASSPHRASE", "a passphrase from the vault")
    monkeypatch.setenv("VERIFY_DATABASE_URL", "postgresql://user:hunter22@db/verify")
    monkeypatch.setenv("VERIFY_REDIS_URL", "redis://:hunter33@cache/0")
    for shown in (bare("config").output, bare("config", "--json").output):
        assert "vault" not in shown
        assert "hunter" not in shown
        assert "db/verify" in shown


def test_without_an_installation_every_command_says_init(bare: Shell) -> None:
    for args in (["agency", "list"], ["lookup", "S000035000123264000001"], ["audit"], ["key", "list"]):
        assert "verify init" in bare(*args, code=1).stderr


def test_errors_come_in_both_languages_with_faults_and_the_next_step(shell: Shell) -> None:
    told = shell("agency", "add", "X12", "--name", "某机构", code=2).stderr
    assert "error:" in told
    assert "错误：" in told
    assert "/code" in told
    assert "next:" in told
    told = shell("agency", "add", AGENCY, "--name", "某机构", code=1).stderr
    assert "exists" in told
    told = shell("filing", "add", AGENCY, "--occupation", "6-18-01-01", "车工", "--levels", "special", "--from",
                 "2020-01-01", code=2).stderr  # fmt: skip
    assert "/levels/0" in told


def test_an_agency_is_shown_with_its_filings_and_keys(shell: Shell) -> None:
    shown = shell.json("agency", "show", AGENCY)
    assert shown["agency"]["name_zh"] == "某评价机构"
    assert [filing["levels"] for filing in shown["filings"]] == [["5", "4", "3"]]
    assert {key["state"] for key in shown["keys"]} == {"active"}
    assert "车工" in shell("agency", "show", AGENCY).output
    assert AGENCY in shell("agency", "list").output


def test_a_suspended_agency_issues_nothing_until_it_is_reinstated(shell: Shell) -> None:
    shell("agency", "suspend", AGENCY, "--reason", "UNDER_REVIEW")
    path = shell.roster()
    shell("issue", str(path), code=1)
    assert {row["code"] for row in shell.results(path)} == {"agency-blocked"}
    shell("agency", "reinstate", AGENCY, "--reason", "REVIEW_CLEARED")
    shell("issue", str(path))
    assert all(row["number"] for row in shell.results(path))


def test_a_filing_that_ended_covers_nothing_after(shell: Shell) -> None:
    (filing,) = shell.json("filing", "list", AGENCY)
    ended = shell.json("filing", "end", filing["id"], "--on", "2025-12-31")
    assert ended["to_on"] == "2025-12-31"
    path = shell.roster()
    shell("issue", str(path), code=1)
    assert {row["code"] for row in shell.results(path)} == {"filing-no-longer-in-force"}


def test_a_rotated_key_signs_and_the_old_one_stays_good(shell: Shell) -> None:
    (first, *_) = shell.issued()
    (new,) = shell.json("key", "create", AGENCY, "--purpose", "token", "--activate")
    path = shell.roster("later.csv", level="3")
    shell("issue", str(path))
    states = [
        key["state"] for key in shell.json("key", "list", "--owner", AGENCY) if key["purpose"] == "token"
    ]
    assert states == ["retired", "active"]
    number = shell.results(path)[-1]["number"]
    assert shell.json("show", number)["copies"][0]["kid"] == new["kid"]
    shell("check", shell.json("show", first)["token"])
    shell("audit")


def test_a_key_that_can_no_longer_be_trusted_signs_nothing(shell: Shell) -> None:
    token = next(k for k in shell.json("key", "list", "--owner", AGENCY) if k["purpose"] == "token")
    shell("key", "compromise", token["kid"], "--since", "2026-01-01T00:00:00", code=2)
    shell("key", "compromise", token["kid"], "--since", "2026-01-01T00:00:00Z")
    told = shell("issue", str(shell.roster()), code=1).stderr
    assert "verify key create" in told
    shell("key", "activate", token["kid"], code=1)


@pytest.mark.parametrize("harm", ["open to others", "gone", "damaged"])
def test_a_key_file_that_cannot_be_used_is_refused_with_the_command_that_mends_it(
    shell: Shell, harm: str
) -> None:
    token = next(k for k in shell.json("key", "list", "--owner", AGENCY) if k["purpose"] == "token")
    file: Path = shell.folder / "keys" / f"{token['kid']}.pem"
    if harm == "open to others":
        file.chmod(0o644)
    elif harm == "gone":
        file.unlink()
    else:
        file.write_bytes(os.urandom(300))
    assert "next:" in shell("issue", str(shell.roster()), code=1).stderr
    assert token["kid"] in shell("key", "list", "--check", code=1).stderr


def test_an_api_key_is_shown_once_and_revoked(shell: Shell) -> None:
    made = shell.json("credential", "create", "--agency", AGENCY, "--name", "教务系统")
    assert made["bearer"].startswith(f"vk_{made['id']}_")
    shown = shell("credential", "list").output + shell("credential", "list", "--json").output
    assert made["id"] in shown
    assert made["bearer"][-20:] not in shown
    shell("credential", "revoke", made["id"])
    assert "revoked" in shell("credential", "list", "--agency", AGENCY).output
    shell("credential", "create", "--name", "x", code=2)
    shell("credential", "create", "--operator", "--name", "console")
    shell("credential", "revoke", "000000000000", code=1)


def test_an_api_key_is_given_another_secret_and_the_old_one_is_ended(shell: Shell) -> None:
    made = shell.json("credential", "create", "--employer", "岭南机械有限公司")
    rotated = shell.json("credential", "rotate", made["id"], "--overlap", "1.5")
    assert rotated["bearer"].startswith(f"vk_{made['id']}_") and rotated["bearer"] != made["bearer"]
    assert "end it first" in shell("credential", "rotate", made["id"], code=1).stderr
    ended = shell.json("credential", "end-old", made["id"])
    assert ended["rotations"] == 1 and ended["old_until"] < rotated["old_until"]
    assert "counts until" in shell("credential", "rotate", made["id"]).stderr
    shell("credential", "rotate", made["id"], "--overlap", "721", code=2)
    shell("credential", "rotate", "000000000000", code=1)
    shell("audit")


def test_what_is_done_here_stands_in_the_ledger_under_the_users_name(shell: Shell) -> None:
    (number, *_) = shell.issued()
    (entry,) = shell.json("history", number)
    assert entry["actor"].startswith("cli:")
    assert entry["kind"] == "issued"


def test_a_key_compromise_from_the_discovery_to_new_paper(shell: Shell) -> None:
    """The rehearsal: declare, renew the key, see which proofs no longer count, print again, stay auditable."""
    number, other, _ = shell.issued()
    old = shell.json("show", number)
    token = next(k for k in shell.json("key", "list", "--owner", AGENCY) if k["purpose"] == "token")
    shell("key", "compromise", token["kid"], "--since", "2026-01-01T00:00:00Z")
    outcomes = {c["name"]: c["outcome"] for c in shell.json("check", old["token"], code=1)["checks"]}
    assert (outcomes["authentic"], outcomes["key-in-force"]) == ("passed", "failed")
    assert shell.json("lookup", number)["answers"][0]["verdict"] == "valid", "the register is no token"
    shell("key", "create", AGENCY, "--purpose", "token", "--activate")
    shell("reissue", number, "--reason", "damaged")
    shell("check", shell.json("show", number)["token"])
    shell("revoke", other, "--reason", "FORGED", "--note", "signed by the thief")
    shell("lookup", other, code=1)
    shell("audit")
