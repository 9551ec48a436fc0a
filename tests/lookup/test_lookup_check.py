"""Check reports: every check by name, one verdict, and never more than they show."""

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from loadtest.seed import AT, Seeded, sign
from lookup_desk import KEYS, NOW, ORIGIN, PAIR, Desk, Failing, open_desk, seeded

from verify.certificate.status import Move
from verify.errors import Unavailable, Words
from verify.lookup.check import NAMES, Report, check_offline
from verify.proof.digits import encode_digits
from verify.proof.keys import KeyPair, generate_p256
from verify.proof.public import KeyPurpose, KeyState, PublicKey
from verify.proof.signer import SoftSigner
from verify.proof.token import parse_token
from verify.proof.trust import TrustList
from verify.proof.window import KeyMove, move_key
from verify.store.register import add_key, change_keys, list_keys

ONE, TWO = seeded(4), seeded(8)
"""Both of the agency that owns the key."""


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path, 12) as desk:
        yield desk


def digits(one: Seeded, pair: KeyPair = PAIR) -> str:
    return encode_digits(sign(one, SoftSigner(pair))[0])


def jws(one: Seeded, pair: KeyPair = PAIR) -> str:
    return sign(one, SoftSigner(pair))[1]


def outcomes(report: Report) -> dict[str, str]:
    assert tuple(check.name for check in report.checks) == NAMES
    return {check.name: check.outcome.value for check in report.checks}


def told(report: Report) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(report.to_json())
    assert decoded["verdict"] == report.verdict
    assert [set(check) for check in decoded["checks"]] == [{"name", "outcome", "detail"}] * 7
    assert all(check["detail"]["zh"] and check["detail"]["en"] for check in decoded["checks"])
    assert ONE.holder.id_number not in report.to_json().decode()
    return decoded


PASSED = dict.fromkeys(NAMES, "passed")


async def test_a_genuine_code_passes_every_check_however_it_is_brought(desk: Desk) -> None:
    checker = desk.checker()
    for text in (
        f"HTTPS://ZS.EXAMPLE.CN/V/{ONE.scan_code}#{digits(ONE)}",
        f" https://zs.example.cn/v/{ONE.scan_code.lower()}#{digits(ONE)}\n",
        digits(ONE),
        jws(ONE),
    ):
        report = await checker.check(text)
        assert outcomes(report) == PASSED
        answer = told(report)
        assert answer["verdict"] == "valid"
        assert answer["holder"]["name"] == ONE.holder.name
        assert answer["number"] == ONE.number


async def test_a_scan_code_alone_skips_what_only_a_signature_shows(desk: Desk) -> None:
    checker = desk.checker()
    for text in (
        ONE.scan_code,
        f"https://zs.example.cn/V/{ONE.scan_code}",
        f"{ONE.scan_code[:8]}-{ONE.scan_code[8:]}",
    ):
        report = await checker.check(text)
        assert outcomes(report) == PASSED | dict.fromkeys(NAMES[1:5], "skipped")
        assert told(report)["verdict"] == "valid"


async def test_what_cannot_be_read_is_no_statement_about_any_certificate(desk: Desk) -> None:
    for text in (
        "",
        "hello",
        "1" * 200,
        "a.b.c",
        "https://zs.example.cn/V/NONSENSE",
        digits(ONE)[:-1],
        "9" * 99999,
    ):
        report = await desk.checker().check(text)
        assert outcomes(report)["readable"] == "failed"
        assert told(report).keys() == {"verdict", "as_of", "message", "checks"}
        assert report.verdict == "unknown"


async def test_an_altered_token_is_not_authentic_and_wears_no_verdict(desk: Desk) -> None:
    token = bytearray(sign(ONE, SoftSigner(PAIR))[0])
    token[-1] ^= 1
    report = await desk.checker().check(encode_digits(bytes(token)))
    assert outcomes(report)["authentic"] == "failed"
    assert report.verdict == "unknown"
    assert "holder" not in told(report)


async def test_a_token_of_an_unknown_key_is_refused_though_its_scan_code_exists(desk: Desk) -> None:
    report = await desk.checker().check(digits(ONE, generate_p256()))
    assert outcomes(report)["issuer-known"] == "failed"
    assert report.verdict == "unknown"


async def test_the_key_of_another_agency_cannot_vouch_for_this_certificate(desk: Desk) -> None:
    other = generate_p256()
    key = PublicKey(other.kid, "ES256", TWO.face.agency, Words("乙", "B"), KeyPurpose.TOKEN, other.key_bytes,
                    KeyState.RETIRED, AT, active_from=AT, active_to=AT + dt.timedelta(days=9))  # fmt: skip
    await desk.store.write(lambda: add_key(key, ORIGIN))
    report = await desk.checker().check(digits(ONE, other))
    assert outcomes(report)["authentic"] == "passed"
    assert outcomes(report)["matches-register"] == "failed"
    assert report.verdict == "unknown"


async def test_claims_that_differ_from_the_register_are_named(desk: Desk) -> None:
    holder = msgspec.structs.replace(ONE.holder, name="冒名者")
    face = msgspec.structs.replace(ONE.face, level=seeded(19).face.level)
    forged = msgspec.structs.replace(ONE, holder=holder, face=face)
    report = await desk.checker().check(digits(forged))
    assert outcomes(report)["authentic"] == "passed"
    failed = next(check for check in report.checks if check.name == "matches-register")
    assert failed.outcome == "failed"
    assert "name" in failed.detail.en and "level" in failed.detail.en and "number" not in failed.detail.en
    assert report.verdict == "unknown"


async def test_the_two_halves_of_an_address_must_belong_together(desk: Desk) -> None:
    report = await desk.checker().check(f"https://zs.example.cn/V/{TWO.scan_code}#{digits(ONE)}")
    assert outcomes(report)["readable"] == "failed"


async def test_a_revoked_certificate_is_authentic_and_revoked(desk: Desk) -> None:
    await desk.change(ONE.number, Move.REVOKE)
    report = await desk.checker().check(digits(ONE))
    assert outcomes(report) == PASSED | {"status": "failed"}
    assert told(report)["verdict"] == "revoked"
    hidden = await desk.checker(revoked_public=False).check(digits(ONE))
    assert hidden.verdict == "unknown"
    assert "holder" not in told(hidden)


async def test_a_replaced_copy_is_genuine_but_not_current(desk: Desk) -> None:
    await desk.reissue(ONE)
    report = await desk.checker().check(digits(ONE))
    assert outcomes(report) == PASSED | {"current-copy": "failed"}
    assert told(report)["copy"]["current_number"] == 2


async def test_a_copy_from_before_a_correction_still_matches_what_was_issued_then(desk: Desk) -> None:
    await desk.reissue(ONE, "林巧云")
    report = await desk.checker().check(digits(ONE))
    assert outcomes(report) == PASSED | {"current-copy": "failed"}
    later = msgspec.structs.replace(ONE, holder=msgspec.structs.replace(ONE.holder, name="另一人"))
    assert outcomes(await desk.checker().check(digits(later)))["matches-register"] == "failed"


async def test_a_code_that_the_register_does_not_hold_is_unknown(desk: Desk) -> None:
    absent = seeded(100)
    report = await desk.checker().check(digits(absent))
    assert outcomes(report)["matches-register"] == "failed"
    assert report.verdict == "unknown"
    bare = await desk.checker().check(absent.scan_code)
    assert (bare.verdict, outcomes(bare)["status"]) == ("unknown", "failed")


async def compromise(desk: Desk, at: dt.datetime) -> None:
    (key,) = await desk.store.read(list_keys)
    await desk.store.write(lambda: change_keys([move_key(key, KeyMove.COMPROMISE, at)], ORIGIN))


async def test_a_compromise_condemns_what_came_after_it_and_spares_what_the_ledger_shows_before(
    desk: Desk,
) -> None:
    code = await desk.reissue(TWO)
    assert code
    await compromise(desk, AT + dt.timedelta(hours=1))
    early = await desk.checker().check(digits(ONE))
    assert outcomes(early) == PASSED
    later = msgspec.structs.replace(TWO, scan_code=code)
    late = await desk.checker().check(digits(later))
    assert parse_token(sign(later, SoftSigner(PAIR))[0]).claims.issued_at == AT
    assert outcomes(late)["key-in-force"] == "failed"
    assert late.verdict == "unknown"


async def test_a_store_that_fails_gives_no_report(desk: Desk) -> None:
    failing = Failing(desk.store)
    failing.down = True
    with pytest.raises(Unavailable):
        await desk.checker(failing).check(digits(ONE))
    failing.down, failing.silent = False, True
    with pytest.raises(Unavailable):
        await desk.checker(failing, deadline_s=0.05).check(digits(ONE))


def trust(key: PublicKey) -> TrustList:
    return TrustList(1, AT, AT + dt.timedelta(days=7), {key.kid: key})


async def test_offline_never_says_more_than_authentic(desk: Desk) -> None:
    (key,) = await desk.store.read(list_keys)
    for text in (digits(ONE), jws(ONE), f"https://zs.example.cn/V/{ONE.scan_code}#{digits(ONE)}"):
        report = check_offline(text, trust(key), NOW)
        assert outcomes(report) == PASSED | dict.fromkeys(NAMES[4:], "skipped")
        assert report.verdict == "unavailable"
        assert report.message.en == "Authentic; status not checked since 2026-11-20 04:00 UTC."
        assert told(report).keys() == {"verdict", "as_of", "message", "checks"}


async def test_offline_nothing_passes_that_was_not_signed_by_a_listed_key(desk: Desk) -> None:
    (key,) = await desk.store.read(list_keys)
    assert outcomes(check_offline(ONE.scan_code, trust(key), NOW))["authentic"] == "skipped"
    assert "authentic" not in check_offline(ONE.scan_code, trust(key), NOW).message.en.lower()
    stranger = check_offline(digits(ONE, generate_p256()), trust(key), NOW)
    assert (outcomes(stranger)["issuer-known"], stranger.verdict) == ("failed", "unknown")
    assert check_offline("rubbish", trust(key), NOW).verdict == "unknown"


async def test_offline_a_compromised_key_vouches_for_nothing(desk: Desk) -> None:
    (key,) = await desk.store.read(list_keys)
    after = check_offline(digits(ONE), trust(move_key(key, KeyMove.COMPROMISE, AT)), NOW)
    assert (outcomes(after)["key-in-force"], after.verdict) == ("failed", "unknown")
    before = check_offline(digits(ONE), trust(move_key(key, KeyMove.COMPROMISE, NOW)), NOW)
    assert (outcomes(before)["key-in-force"], before.verdict) == ("skipped", "unavailable")
    assert "authentic" not in before.message.en.lower()


def test_the_data_keys_of_these_tests_are_not_the_signing_key() -> None:
    assert not hasattr(KEYS, "private")
