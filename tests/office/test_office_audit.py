"""The audit names what somebody changed behind the product's back, and is silent otherwise."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from verify.certificate.form import IssueRequest
from verify.certificate.reason import Move
from verify.certificate.record import AgencyState
from verify.office.audit import Report, audit
from verify.proof.ledger import event_hash
from verify.store.changes import Change, change_status
from verify.store.sqlite import SqliteStore
from world import World


def tamper(path: Path, *statements: tuple[str, tuple[Any, ...]]) -> None:
    """What somebody with the file can do: drop the guards, change, leave."""
    connection = apsw.Connection(str(path))
    for (name,) in connection.execute("select name from sqlite_schema where type = 'trigger'").fetchall():
        connection.execute(f"drop trigger {name}")
    for statement, arguments in statements:
        connection.execute(statement, arguments)
        assert connection.changes() > 0, statement
    connection.close()


def request(world: World) -> IssueRequest:
    return world.request(theory=82.0, practical=91.0)


async def check(world: World) -> Report:
    """Audit as another process would, from the file."""
    store = SqliteStore(world.path, read_only=True)
    try:
        return await audit(store, world.data_keys)
    finally:
        await store.close()


async def lived(world: World) -> list[str]:
    """A few certificates with a life: one suspended, one reinstated, one revoked; agency and key events too."""
    numbers = []
    for i in range(5):
        issued = await world.issuance.issue(world.skill, request(world), f"key-{i}", "test")
        numbers.append(issued.number)
    await world.issuance.issue(world.qualification, request(world), "key-q", "test")
    for number, move, reason in (
        (numbers[0], Move.SUSPEND, "UNDER_REVIEW"),
        (numbers[1], Move.SUSPEND, "UNDER_REVIEW"),
        (numbers[1], Move.REINSTATE, "REVIEW_CLEARED"),
        (numbers[2], Move.REVOKE, "OBTAINED_BY_FRAUD"),
    ):
        change = [Change(number, move, reason)]
        await world.store.write(lambda change=change: change_status(change, None, world.origin()))
    world.clock.forward(hours=1)
    await world.rotate_key(world.skill)
    await world.set_agency(world.qualification, AgencyState.SUSPENDED)
    await world.issuance.issue(world.skill, request(world), "key-after", "test")
    return numbers


async def test_a_register_that_only_the_product_touched_agrees_with_itself(world: World) -> None:
    await lived(world)
    done: list[int] = []
    report = await audit(world.store, world.data_keys, done.append)
    assert report.findings == ()
    assert (report.certificates, report.copies, report.count) == (7, 7, 0)
    assert done == [7]


async def test_an_empty_register_agrees_with_itself(world: World) -> None:
    assert (await check(world)).count == 0


LEVEL_3, LEVEL_1 = '"level":"3"', '"level":"1"'
Harm = Callable[[list[str]], list[tuple[str, tuple[Any, ...]]]]

HARMS: dict[str, tuple[Harm, str]] = {
    "an event rewritten": (
        lambda n: [("update event set body = replace(body, 'OBTAINED_BY_FRAUD', 'ALTERED') where kind = 'revoked'", ())],
        "ledger-hash",
    ),
    "an event removed from the middle": (
        lambda n: [("delete from event where kind = 'revoked'", ())],
        "ledger-gap",
    ),
    "the tail removed": (
        lambda n: [("delete from event where seq = (select max(seq) from event)", ())],
        "ledger-head",
    ),
    "the tail removed and the head moved back": (
        lambda n: [
            ("delete from event where seq = (select max(seq) from event)", ()),
            ("update ledger_head set (seq, hash) = (select seq, hash from event order by seq desc limit 1)", ()),
        ],
        "status-fold",
    ),
    "an event's number moved to another": (
        lambda n: [("update event set number = ? where kind = 'revoked'", (n[3],))],
        "ledger-columns",
    ),
    "a revoked certificate made valid": (
        lambda n: [("update certificate set status = 'valid', reason = null where number = ?", (n[2],))],
        "status-fold",
    ),
    "a suspension's end set": (
        lambda n: [("update certificate set until = 5 where number = ?", (n[0],))],
        "status-fold",
    ),
    "tokens of two certificates swapped": (
        lambda n: [
            ("update copy set token = (select token from copy where number = ?) where number = ?", (n[4], n[3]))
        ],
        "token",
    ),
    "a token's last byte": (
        lambda n: [
            (
                "update copy set token = cast(substr(token, 1, length(token) - 1) || x'00' as blob) where number = ?",
                (n[3],),
            )
        ],
        "token",
    ),
    "a credential of another certificate": (
        lambda n: [
            ("update copy set credential = (select credential from copy where number = ?) where number = ?", (n[4], n[3]))
        ],
        "credential-signature",
    ),
    "a scan code exchanged": (
        lambda n: [("update copy set scan_code = '0123456789ABCDEF' where number = ?", (n[3],))],
        "token",
    ),
    "a holder moved to another certificate": (
        lambda n: [
            (
                "update certificate set holder_sealed = (select holder_sealed from certificate where number = ?)"
                " where number = ?",
                (n[4], n[3]),
            )
        ],
        "seal",
    ),
    "a commitment changed": (
        lambda n: [("update certificate set commitment = zeroblob(32) where number = ?", (n[3],))],
        "commitment",
    ),
    "a face that says another level": (
        lambda n: [
            ('update certificate set face = replace(face, ?, ?) where number = ?', (LEVEL_3, LEVEL_1, n[3])),
        ],
        "number",
    ),
    "an index entry removed": (
        lambda n: [("delete from finder where number = ?", (n[3],))],
        "finder",
    ),
    "a counter turned back": (lambda n: [("update counter set next = 2", ())], "counter"),
    "a counter removed": (lambda n: [("delete from counter", ())], "counter"),
    "a key's window widened": (
        lambda n: [("update signing_key set active_to = null, state = 'retired' where state = 'retired'", ())],
        "key",
    ),
    "a public key exchanged": (
        lambda n: [("update signing_key set key_bytes = (select key_bytes from signing_key where purpose = 'root')"
                    " where owner = '10012003'", ())],
        "key",
    ),
    "an agency brought back": (
        lambda n: [("update agency set state = 'active' where state = 'suspended'", ())],
        "agency",
    ),
    "a filing widened": (
        lambda n: [("update filing set levels = '[\"5\",\"4\",\"3\",\"2\",\"1\",\"special\"]' where agency <> '10012003'", ())],
        "filing",
    ),
    "an API key that nobody made": (
        lambda n: [
            ("insert into credential (id, role, name, secret_hash, created_at)"
             " values ('ffffffffffff', 'operator', 'x', zeroblob(32), 1)", ())
        ],
        "credential-unknown",
    ),
    "a certificate removed": (
        lambda n: [
            ("delete from finder where number = ?", (n[3],)),
            ("delete from copy where number = ?", (n[3],)),
            ("delete from certificate where number = ?", (n[3],)),
        ],
        "certificate-missing",
    ),
    "a certificate that nobody issued": (
        lambda n: [
            (
                "insert into certificate select replace(number, '00000', '00009'), agency, batch, face, holder_sealed,"
                " commitment, business_tag, 7, status, revision, seq, since, reason, until, replaced_by, replaces,"
                " current_copy from certificate where number = ?",
                (n[3],),
            )
        ],
        "status-fold",
    ),
}  # fmt: skip


@pytest.mark.parametrize("harm", HARMS)
async def test_tampering_is_named(world: World, harm: str) -> None:
    numbers = await lived(world)
    change, expected = HARMS[harm]
    tamper(world.path, *change(numbers))
    report = await check(world)
    assert expected in {finding.check for finding in report.findings}, report.findings
    assert all(finding.where and finding.detail.zh and finding.detail.en for finding in report.findings)


async def test_a_rewritten_chain_is_still_caught_by_the_tables(world: World) -> None:
    """Somebody recomputes every hash after turning a revocation into nothing: the chain then follows."""
    numbers = await lived(world)
    connection = apsw.Connection(str(world.path))
    rows = connection.execute("select seq, body, hash from event order by seq").fetchall()
    connection.close()
    changes: list[tuple[str, tuple[Any, ...]]] = []
    previous = bytes.fromhex("51ddf2cf2cc01f6fcbe737506bf5653a902ed766c9edeced9143404158ddc877")
    for seq, body, _ in rows:
        event = json.loads(body)
        if event["kind"] == "revoked":
            event["data"]["status"] = "suspended"
        text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        previous = event_hash(previous, text.encode())
        changes.append(("update event set body = ?, hash = ? where seq = ?", (text, previous, seq)))
    changes.append(("update ledger_head set hash = ?", (previous,)))
    before = await check(world)
    tamper(world.path, *changes)
    after = await check(world)
    assert {finding.check for finding in after.findings} == {"status-fold"}
    assert {finding.where for finding in after.findings} == {f"certificate {numbers[2]}"}
    assert after.hash != before.hash, "a witness that kept the head sees it too"


async def test_a_report_stays_bounded_when_everything_is_wrong(world: World) -> None:
    await lived(world)
    tamper(world.path, ("update event set hash = zeroblob(32)", ()))
    report = await check(world)
    assert report.count >= report.certificates
    assert len(report.findings) <= 1000
