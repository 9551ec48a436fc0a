"""A restored backup takes nothing back: witness, journal, replay, on both engines."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import apsw
from care_shell import AGENCY, Shell, fresh_database

import servers
from world import person_name, resident_id


def test_what_was_revoked_after_the_backup_stays_revoked_after_the_restore(
    shell: Shell, lose: Callable[[], list[str]]
) -> None:
    revoked, suspended, freed, reissued, kept = shell.issue(5)
    shell("suspend", freed, "--reason", "UNDER_REVIEW")
    made = shell.json("backup", "backup")
    shell("revoke", revoked, "--reason", "OBTAINED_BY_FRAUD")
    shell("suspend", suspended, "--reason", "UNDER_REVIEW")
    shell("reinstate", freed, "--reason", "REVIEW_CLEARED")
    shell("reissue", reissued, "--reason", "lost")
    later = shell.issue(2)
    shell("agency", "suspend", AGENCY, "--reason", "ANNUAL_INSPECTION")
    end = shell.json("audit")
    restored = shell.json("restore", "backup", *lose())
    assert restored["backup_seq"] == made["seq"]
    assert (restored["seq"], restored["hash"]) == (end["seq"], end["hash"])
    assert sorted(restored["replayed"]["lost_certificates"]) == sorted(later)
    assert restored["replayed"]["lost_copies"] == [f"{reissued}/2"]
    assert shell.verdict(revoked) == "revoked"
    assert shell.verdict(suspended) == "suspended"
    assert [shell.verdict(number) for number in (freed, reissued, kept)] == ["valid"] * 3
    # What the ledger issued and nobody has is not called unknown before the operator has settled it.
    assert "could not be checked" in shell.verdict(later[0])
    assert {one["number"] for one in shell.json("recover", "lost")} == {*later, reissued}
    found = {(one["check"], one["where"].split(" ")[-1]) for one in shell.json("audit", code=1)["findings"]}
    missing = {("certificate-missing", number) for number in later} | {("copies", reissued)}
    assert missing <= found <= missing | {("trust-list", "list")}
    shell("recover", "settle", later[0])
    assert shell.verdict(later[0]) == "unknown"
    assert "could not be checked" in shell.verdict(later[1])
    shell("recover", "settle", "--all")
    assert shell.verdict(later[1]) == "unknown"
    shown = shell.json("agency", "show", AGENCY)
    assert "suspended" in json.dumps(shown)
    shell("audit")
    # No number is given twice, and the life goes on.
    shell("agency", "reinstate", AGENCY, "--reason", "REVIEW_CLEARED")
    assert not set(shell.issue(1)) & {*later, revoked, suspended, freed, reissued, kept}
    shell("reissue", reissued, "--reason", "lost")
    assert shell.verdict(reissued) == "valid"


def test_a_backup_put_back_by_hand_answers_nothing_until_it_is_brought_up_to_date(bare: Shell) -> None:
    bare.set("VERIFY_WITNESS", str(bare.folder / "other/witness"))
    bare.prepare()
    (number,) = bare.issue(1)
    bare("backup", "backup")
    bare("revoke", number, "--reason", "OBTAINED_BY_FRAUD")
    for end in ("", "-wal", "-shm"):
        Path(f"data/verify.db{end}").unlink(missing_ok=True)
    shutil.copy("backup/verify.db", "data/verify.db")
    told = bare("lookup", number, code=1).stderr
    assert "restored backup" in told and "verify restore" in told and "旧备份" in told
    assert "restored backup" in bare("agency", "list", code=1).stderr
    bare("recover", "accept")
    assert bare.verdict(number) == "valid"


def test_a_fork_of_the_ledger_answers_nothing(bare: Shell) -> None:
    bare.set("VERIFY_WITNESS", str(bare.folder / "other/witness"))
    bare.prepare()
    (number,) = bare.issue(1)
    bare("backup", "backup")
    bare("revoke", number, "--reason", "OBTAINED_BY_FRAUD")
    witness = Path("other/witness").read_bytes()
    shutil.copy("data/verify.db", "other/true.db")
    bare("restore", "backup", "--force", "--accept-loss")
    bare("suspend", number, "--reason", "UNDER_REVIEW")
    Path("other/witness").write_bytes(witness)
    assert "is not the one that the witness noted" in bare("lookup", number, code=1).stderr


def test_a_witness_that_is_away_or_empty_keeps_the_house_closed(bare: Shell) -> None:
    bare.set("VERIFY_WITNESS", str(bare.folder / "other/witness"))
    bare.prepare()
    Path("other/witness").rename("other/elsewhere")
    told = bare("agency", "list", code=1).stderr
    assert "recover accept" in told
    bare.set("VERIFY_WITNESS", "http://127.0.0.1:9/")
    assert "cannot be reached" in bare("agency", "list", code=1).stderr


def test_a_restore_that_would_take_something_back_is_refused(bare: Shell) -> None:
    bare.prepare()
    (number,) = bare.issue(1)
    bare("backup", "backup")
    bare("revoke", number, "--reason", "OBTAINED_BY_FRAUD")
    assert "--accept-loss" in bare("restore", "backup", "--force", code=1).stderr
    bare.set("VERIFY_WITNESS", str(bare.folder / "other/witness"))
    bare("recover", "accept")
    bare("suspend", bare.issue(1)[0], "--reason", "UNDER_REVIEW")
    assert "The witness noted" in bare("restore", "backup", "--force", code=1).stderr
    assert bare.verdict(number) == "revoked"


def test_a_journal_with_a_gap_is_refused_and_applied_only_by_name(bare: Shell) -> None:
    journal = bare.folder / "other/journal"
    bare.set("VERIFY_WITNESS", str(bare.folder / "other/witness"))
    bare.set("VERIFY_JOURNAL", str(journal))
    bare.prepare()
    first, second = bare.issue(2)
    bare("backup", "backup")
    bare("revoke", first, "--reason", "OBTAINED_BY_FRAUD")
    bare("revoke", second, "--reason", "OBTAINED_BY_FRAUD")
    lines = journal.read_bytes().splitlines(keepends=True)
    gone = next(i for i, line in enumerate(lines) if first.encode() in line and b"revoked" in line)
    journal.write_bytes(b"".join(lines[:gone] + lines[gone + 1 :]))
    told = bare("restore", "backup", "--force", code=1).stderr
    assert "lacks ledger entries" in told
    assert bare.verdict(first) == "revoked"  # nothing was put in place
    restored = bare.json("restore", "backup", "--force", "--allow-gaps")
    assert len(restored["replayed"]["missing"]) == 1
    assert (bare.verdict(first), bare.verdict(second)) == ("valid", "revoked")
    bare("audit")


def test_a_journal_of_another_register_is_refused(bare: Shell) -> None:
    bare.set("VERIFY_JOURNAL", str(bare.folder / "other/journal"))
    bare.prepare()
    bare("backup", "backup")
    (number,) = bare.issue(1)
    bare("revoke", number, "--reason", "OBTAINED_BY_FRAUD")
    lines = Path("other/journal").read_text().splitlines()
    Path("other/journal").write_text("\n".join(line.replace("cli:", "clj:") for line in lines) + "\n")
    assert "does not follow this backup" in bare("restore", "backup", "--force", code=1).stderr


def test_a_line_that_broke_off_does_not_hide_the_next_one(bare: Shell) -> None:
    bare.set("VERIFY_JOURNAL", str(bare.folder / "other/journal"))
    bare.prepare()
    (number,) = bare.issue(1)
    bare("backup", "backup")
    with Path("other/journal").open("ab") as file:
        file.write(b'{"seq":99,"hash":"00')
    bare("revoke", number, "--reason", "OBTAINED_BY_FRAUD")
    bare("restore", "backup", "--force")
    assert bare.verdict(number) == "revoked"


def test_a_full_journal_means_no_acknowledgement(bare: Shell) -> None:
    bare.prepare()
    (number,) = bare.issue(1)
    bare.set("VERIFY_JOURNAL", "/dev/full")
    told = bare("revoke", number, "--reason", "OBTAINED_BY_FRAUD", code=1).stderr
    assert "journal" in told
    bare.unset("VERIFY_JOURNAL")


def test_the_journal_and_the_witness_hold_nobodys_name_or_number(bare: Shell) -> None:
    bare.set("VERIFY_WITNESS", str(bare.folder / "other/witness"))
    bare.set("VERIFY_JOURNAL", str(bare.folder / "other/journal"))
    bare.prepare()
    bare.issue(3)
    text = Path("other/journal").read_text() + Path("other/witness").read_text()
    assert text.count("\n") > 5
    assert not any(resident_id(i) in text or person_name(i) in text for i in range(1, 4))


def test_the_restored_file_is_whole_and_the_one_before_is_kept(bare: Shell) -> None:
    bare.set("VERIFY_JOURNAL", str(bare.folder / "other/journal"))
    bare.prepare()
    bare("backup", "backup")
    bare.issue(1)
    restored = bare.json("restore", "backup", "--force")
    assert Path(restored["aside"]).exists()
    assert not Path("data/verify.db-wal").exists() or Path("data/verify.db-wal").stat().st_size == 0
    connection = apsw.Connection("data/verify.db")
    assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
    connection.close()


def test_moving_to_postgresql_audits_both_sides(bare: Shell, care_server: servers.Postgres) -> None:
    bare.prepare()
    first, second = bare.issue(2)
    bare("revoke", first, "--reason", "OBTAINED_BY_FRAUD")
    target = fresh_database(care_server.dsn)
    moved = bare.json("migrate", "--from", "sqlite:///data/verify.db", "--to", target)
    assert (moved["certificates"], moved["copies"]) == (2, 2)
    bare("migrate", "--from", "sqlite:///data/verify.db", "--to", target, code=1)
    bare.set("VERIFY_DATABASE_URL", target)
    steps = {step["what"]: step for step in bare.json("init")}
    assert "grant verify_public to" in steps["roles"]["note"]
    assert (bare.verdict(first), bare.verdict(second)) == ("revoked", "valid")
    assert len(bare.issue(1)) == 1


def test_a_register_that_disagrees_with_itself_is_not_moved(
    bare: Shell, care_server: servers.Postgres
) -> None:
    bare.prepare()
    (number,) = bare.issue(1)
    connection = apsw.Connection("data/verify.db")
    for (name,) in connection.execute("select name from sqlite_schema where type = 'trigger'").fetchall():
        connection.execute(f"drop trigger {name}")
    connection.execute("update certificate set reason = 'X' where number = ?", (number,))
    connection.close()
    target = fresh_database(care_server.dsn)
    told = bare("migrate", "--from", "sqlite:///data/verify.db", "--to", target, code=1).stderr
    assert number in told


def test_sqlite_has_no_standby_and_says_what_it_has(bare: Shell) -> None:
    bare.prepare()
    assert "VERIFY_JOURNAL" in bare("recover", "status", code=2).stderr
