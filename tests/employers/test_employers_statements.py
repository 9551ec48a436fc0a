"""Receipts and signed lists, checked later by anybody: with the register, or with nothing but a trust list."""

import datetime as dt
import hashlib
from typing import Any

import msgspec
import pytest
from employer_place import EMPLOYER, Place, employer
from test_employers_feed import NAME, issue

from verify.certificate.status import Verdict
from verify.employers.questions import Question
from verify.errors import Words
from verify.lookup.check import Outcome, Report, check_offline
from verify.office.trust import root_in_use, statement_in_use
from verify.proof.jws import parse_compact
from verify.proof.public import KeyPurpose, PublicKey, by_kid
from verify.proof.receipt import (
    RECEIPT_TYPE,
    RESULT_TYPE,
    assemble_signed,
    operator_signing_input,
    read_receipt,
    statement_kid,
)
from verify.proof.signer import SoftSigner
from verify.proof.trust import (
    TrustList,
    assemble_trust_list,
    build_trust_list,
    trust_signing_input,
    verify_trust_list,
)
from verify.proof.window import KeyMove, move_key, rotate
from verify.store.register import change_keys, list_keys
from world import World

PROOFS = 5


async def trust_of(world: World) -> TrustList:
    """What a reader gets and verifies at this moment."""
    keys = await world.store.read(list_keys)
    root = root_in_use(keys)
    payload = build_trust_list(keys, sequence=1, issued_at=world.clock(), max_age_s=86400)
    signature = SoftSigner(world.pairs[root.kid]).sign_now(trust_signing_input(root, payload))
    return verify_trust_list(
        assemble_trust_list(root, payload, signature), {root.kid: root}, now=world.clock()
    )


async def both(place: Place, text: str) -> tuple[Report, Report]:
    """With the register, and offline."""
    world = place.world
    return await place.checker.check(text), check_offline(text, await trust_of(world), world.clock())


async def receipt_of(place: Place, number: str, name: str = NAME) -> str:
    return (await place.receipts.give(Question(number=number, name=name), place.credential)).receipt


async def list_of(place: Place, numbers: list[str], key: str = "k") -> tuple[str, bytes]:
    rows = "\n".join(["number,name", *(f"{number},{NAME}" for number in numbers)])
    check = await place.lists.receive(rows.encode(), "csv", key, place.credential)
    await place.lists.work_once()
    _, lines = await place.lists.whole(check.id, place.credential)
    return await place.lists.sign(check.id, place.credential), lines


def failed(report: Report) -> list[str]:
    return [check.name for check in report.checks if check.outcome is Outcome.FAILED]


async def test_a_receipt_is_verified_with_the_register_and_without(world: World) -> None:
    (one,) = await issue(world, 1)
    async with employer(world) as place:
        text = await receipt_of(place, one.number)
        miss = await receipt_of(place, one.number, "别人")
        online, offline = await both(place, text)
        await world.changes.revoke(one.number, "FORGED", world.agency_caller())
        later, still = await both(place, f"  {text}\n")
        none = await both(place, miss)
    assert online.verdict is Verdict.VALID and later.verdict is Verdict.REVOKED
    assert failed(offline) == failed(still) == []
    # Offline it says what was said then, and never that it holds.
    assert offline.verdict is still.verdict is Verdict.UNAVAILABLE
    assert offline.receipt is not None and offline.receipt["employer"] == EMPLOYER
    assert offline.receipt["now"] == () and "valid" in repr(offline.receipt["then"])
    assert msgspec.json.decode(offline.to_json())["receipt"]["then"][0]["number"] == one.number
    assert [report.verdict for report in none] == [Verdict.UNKNOWN, Verdict.UNAVAILABLE]


async def test_a_signed_list_is_verified_also_when_its_results_are_long_gone(world: World) -> None:
    made = await issue(world, 2)
    async with employer(world) as place:
        text, lines = await list_of(place, [one.number for one in made])
        world.clock.forward(days=31)
        await place.lists.sweep()
        for report in await both(place, text):
            assert failed(report) == [] and report.verdict is Verdict.UNAVAILABLE
            assert report.results is not None
            assert report.results["results_sha256"] == hashlib.sha256(lines).hexdigest()
            assert (report.results["total"], report.results["found"]) == (2, 2)
            assert NAME not in report.to_json().decode()


async def signed_by(world: World, key: PublicKey, typ: str, payload: bytes) -> str:
    message = operator_signing_input(key, typ, payload)
    return assemble_signed(message, SoftSigner(world.pairs[key.kid]).sign_now(message))


@pytest.mark.parametrize("who", ["token", "root", "data-integrity", "stranger", "agency-statement"])
async def test_a_statement_by_a_key_of_another_purpose_or_owner_is_refused(world: World, who: str) -> None:
    (one,) = await issue(world, 1)
    async with employer(world) as place:
        receipt = await receipt_of(place, one.number)
        results, _ = await list_of(place, [one.number])
        keys = await world.store.read(list_keys)
        if who == "token":
            key = await world.token_key(world.skill)
        elif who == "root":
            key = root_in_use(keys)
        elif who == "stranger":
            key = msgspec.structs.replace(statement_in_use(keys), kid="00000000")
            world.pairs["00000000"] = world.pairs[statement_in_use(keys).kid]
        else:
            purpose = KeyPurpose.DATA_INTEGRITY if who == "data-integrity" else KeyPurpose.STATEMENT
            key = await world.add_key(world.skill, Words("机构", "Agency"), purpose)
        for typ, text in ((RECEIPT_TYPE, receipt), (RESULT_TYPE, results)):
            payload = read_receipt(text)[1] if typ == RECEIPT_TYPE else _payload(text)
            for report in await both(place, await signed_by(world, key, typ, payload)):
                assert failed(report)[:1] == ["issuer-known"], (who, typ)
                assert report.verdict is Verdict.UNKNOWN
                assert report.receipt is None and report.results is None


def _payload(text: str) -> bytes:
    return parse_compact(text).payload


async def test_the_operators_own_key_makes_no_statement_that_the_register_did_not_record(
    world: World,
) -> None:
    """A stolen statement key signs what its thief likes; the register knows what it gave."""
    (one,) = await issue(world, 1)
    async with employer(world) as place:
        claims, _ = read_receipt(await receipt_of(place, one.number))
        results, _ = await list_of(place, [one.number])
        key = statement_in_use(await world.store.read(list_keys))
        other: dict[str, Any] = {"employer": "别家公司"}
        forged = await signed_by(
            world, key, RECEIPT_TYPE, msgspec.json.encode(msgspec.structs.replace(claims, **other))
        )
        listed = msgspec.json.decode(_payload(results)) | {"results_sha256": "0" * 64}
        swapped = await signed_by(world, key, RESULT_TYPE, msgspec.json.encode(listed))
        for text in (forged, swapped):
            assert failed(await place.checker.check(text))[0] == "matches-register"
        crossed = await signed_by(world, key, RESULT_TYPE, msgspec.json.encode(claims))
        assert failed(await place.checker.check(crossed))[0] == "readable"


async def test_statements_survive_a_rotation_and_a_compromise_counts_by_the_registers_time(
    world: World,
) -> None:
    (one,) = await issue(world, 1)
    async with employer(world) as place:
        old = statement_in_use(await world.store.read(list_keys))
        early = await receipt_of(place, one.number)
        results, _ = await list_of(place, [one.number])
        world.clock.forward(days=1)
        fresh = await world.add_key("operator", old.owner_name, KeyPurpose.STATEMENT, active=False)
        pair = rotate(old, fresh, world.clock())
        await world.store.write(lambda: change_keys(pair, world.origin()))
        late = await receipt_of(place, one.number)
        assert (statement_kid(early), statement_kid(late)) == (old.kid, fresh.kid)
        for text in (early, late, results):
            for report in await both(place, text):
                assert failed(report) == []
        world.clock.forward(days=1)
        stolen = move_key(
            by_kid(await world.store.read(list_keys))[fresh.kid], KeyMove.COMPROMISE, world.clock()
        )
        await world.store.write(lambda: change_keys([stolen], world.origin()))
        # Recorded before the theft: good with the register; offline nobody can tell.
        online, offline = await both(place, late)
        assert failed(online) == [] and offline.message.en.startswith("The signing key was compromised")
        back = move_key(stolen, KeyMove.COMPROMISE, world.clock() - dt.timedelta(days=1, hours=1))
        await world.store.write(lambda: change_keys([back], world.origin()))
        online, offline = await both(place, late)
        assert failed(online)[0] == failed(offline)[0] == "key-in-force"
        assert online.receipt is None and offline.receipt is None


async def test_an_altered_statement_is_refused_by_both(world: World) -> None:
    (one,) = await issue(world, 1)
    async with employer(world) as place:
        text = await receipt_of(place, one.number)
        head, payload, signature = text.split(".")
        for bad in (f"{head}.{payload}.{'A' * 86}", f"{head}.{payload[:-4]}AAAA.{signature}"):
            for report in await both(place, bad):
                assert failed(report)[0] in ("authentic", "readable") and report.verdict is Verdict.UNKNOWN
                assert report.receipt is None
