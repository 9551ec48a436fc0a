"""The status pack lists exactly what is listed, in one encoding, in Python and in JavaScript alike."""

import datetime as dt
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proof_world import NOW, PAIR, PUBLIC, ROOT, ROOT_PUBLIC, STATEMENT, STATEMENT_PUBLIC, record

from javascript import run_script
from verify.errors import BadSignature, Invalid, ProofFailed, UnknownKey, Unreadable, VerifyError
from verify.proof.keys import KeyPair, generate_p256
from verify.proof.pack import (
    Delta,
    DeltaFile,
    Listed,
    Lookup,
    Pack,
    PackFile,
    apply_delta,
    assemble_manifest,
    build_manifest,
    build_pack,
    check_file,
    decode_delta,
    decode_pack,
    diff_packs,
    digest,
    encode_delta,
    encode_pack,
    find_number,
    manifest_signing_input,
    verify_manifest,
)
from verify.proof.public import KeyPurpose, PublicKey, by_kid
from verify.proof.signer import SoftSigner
from verify.proof.window import KeyMove, move_key

DAY_S = 24 * 3600
PREFIXES = ("S000035000123243", "S000035000123244", "S000035000123253", "Y00019900000126T", "26010110010")
STATES = (Listed.REVOKED, Listed.SUSPENDED, Listed.REPLACED, Listed.VOID)
NAMES = {0: "revoked", 1: "suspended", 2: "replaced", 3: "void"}


def number(prefix: str, serial: int) -> str:
    return f"{prefix}{serial:0{6 if len(prefix) == 16 else 5}d}"


@st.composite
def registers(draw: st.DrawFn) -> dict[str, tuple[int, dict[int, Listed]]]:
    """By prefix: the next serial, and the state of each listed serial; sparse, dense, empty and full ones."""
    found = {}
    for prefix in draw(st.sets(st.sampled_from(PREFIXES))):
        following = draw(st.one_of(st.integers(1, 40), st.integers(1, 99_999)))
        entry = st.tuples(st.integers(1, max(1, following - 1)), st.sampled_from(STATES))
        found[prefix] = (following, dict(draw(st.lists(entry, max_size=60 if following > 1 else 0))))
    return found


def pack_of(register: dict[str, tuple[int, dict[int, Listed]]], seq: int = 7) -> Pack:
    counters = [(prefix, following) for prefix, (following, _) in register.items()]
    listed = [
        (number(p, serial), state) for p, (_, states) in register.items() for serial, state in states.items()
    ]
    return build_pack(counters, listed, seq=seq, issued_at=NOW, max_age_s=DAY_S)


@st.composite
def two_registers(draw: st.DrawFn) -> tuple[Any, Any]:
    """A register, and the same one later: further numbers, other states, nothing lost."""
    old, new = draw(registers()), draw(registers())
    later = {}
    for prefix in {*old, *new}:
        first, then = old.get(prefix, (1, {})), new.get(prefix, (1, {}))
        later[prefix] = (max(first[0], then[0]), then[1])
    return old, later


@given(registers())
def test_a_pack_survives_its_encoding_and_lists_exactly_what_is_listed(register: Any) -> None:
    pack = decode_pack(encode_pack(pack_of(register)))
    assert pack == pack_of(register)
    for prefix, (following, states) in register.items():
        for serial in {1, following - 1, *states, *(s + 1 for s in states)}:
            if 1 <= serial < following:
                assert find_number(pack, number(prefix, serial)) is states.get(serial, Lookup.CLEAR)
        assert find_number(pack, number(prefix, following)) is Lookup.BEYOND
        assert find_number(pack, number(prefix, 0)) is Lookup.BEYOND


@given(two_registers())
def test_a_delta_leads_to_the_very_bytes_of_the_new_pack(pair: Any) -> None:
    old, new = pack_of(pair[0]), pack_of(pair[1], seq=9)
    delta = decode_delta(encode_delta(diff_packs(old, new)))
    assert encode_pack(apply_delta(decode_pack(encode_pack(old)), delta)) == encode_pack(new)


@settings(max_examples=200)
@given(registers(), st.data())
def test_damaged_bytes_are_refused_or_are_another_whole_pack(register: Any, data: st.DataObject) -> None:
    whole = encode_pack(pack_of(register))
    damaged = bytearray(whole)
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged[at] ^= data.draw(st.integers(1, 255))
    for bad in (bytes(damaged), whole[:at], whole + b"\0"):
        try:
            assert encode_pack(decode_pack(bad)) == bad
        except Unreadable:
            continue


@given(st.binary(max_size=80))
def test_hostile_bytes_are_refused(data: bytes) -> None:
    for magic in (b"", b"VSP\x01", b"VSD\x01"):
        for decode in (decode_pack, decode_delta):
            try:
                decode(magic + data)
            except Unreadable:
                continue


def test_a_number_without_a_position_or_in_two_states_makes_no_pack() -> None:
    def build(*listed: tuple[str, Listed]) -> Pack:
        return build_pack([(PREFIXES[0], 10)], listed, seq=1, issued_at=NOW, max_age_s=DAY_S)

    fine = number(PREFIXES[0], 3)
    for listed in (
        [(number(PREFIXES[0], 10), Listed.REVOKED)],
        [(number(PREFIXES[0], 0), Listed.REVOKED)],
        [(number(PREFIXES[1], 3), Listed.REVOKED)],
        [(fine, Listed.REVOKED), (fine, Listed.SUSPENDED)],
        [(fine, Listed.CLEAR)],
    ):
        with pytest.raises(Invalid):
            build(*listed)


def test_a_delta_is_refused_on_another_base_and_never_takes_numbers_back() -> None:
    old = pack_of({PREFIXES[0]: (100, {5: Listed.SUSPENDED})}, seq=1)
    new = pack_of({PREFIXES[0]: (200, {})}, seq=2)
    delta = diff_packs(old, new)
    assert delta.series[PREFIXES[0]].lists == {Listed.CLEAR: (5,)}
    with pytest.raises(Unreadable):
        apply_delta(new, delta)
    with pytest.raises(Invalid):
        diff_packs(new, old)
    with pytest.raises(Unreadable):
        apply_delta(pack_of({PREFIXES[0]: (300, {})}, seq=1), delta)


def test_one_percent_of_a_hundred_thousand_costs_about_a_byte_each() -> None:
    dice = random.Random(5)
    states = {serial: Listed.REVOKED for serial in range(1, 100_000) if dice.random() < 0.01}
    size = len(encode_pack(pack_of({PREFIXES[0]: (100_000, states)})))
    assert size < 1.05 * len(states) + 60


# --- the manifest ---------------------------------------------------------------------------------------


def signed(payload: bytes) -> bytes:
    return signed_by(STATEMENT, STATEMENT_PUBLIC, payload)


def signed_by(pair: KeyPair, key: PublicKey, payload: bytes) -> bytes:
    signature = SoftSigner(pair).sign_now(manifest_signing_input(key, payload))
    return assemble_manifest(key, payload, signature)


KEYS = by_kid((ROOT_PUBLIC, STATEMENT_PUBLIC, PUBLIC))


OLD = pack_of({PREFIXES[0]: (1000, {5: Listed.REVOKED, 9: Listed.SUSPENDED})}, seq=1)
NEW = pack_of({PREFIXES[0]: (1001, {5: Listed.REVOKED, 77: Listed.VOID}), PREFIXES[1]: (3, {})}, seq=4)
DELTA = encode_delta(diff_packs(OLD, NEW))
PAYLOAD = build_manifest(NEW, [(encode_pack(OLD), DELTA)])


def test_a_manifest_names_its_files_and_is_refused_when_it_steps_back_or_is_not_ours() -> None:
    manifest = verify_manifest(signed(PAYLOAD), KEYS, now=NOW, seen_seq=4)
    full = encode_pack(NEW)
    assert manifest.full == PackFile(digest(full), len(full))
    assert manifest.deltas == (DeltaFile(digest(encode_pack(OLD)), digest(DELTA), len(DELTA)),)
    check_file(manifest.full, full)
    check_file(manifest.deltas[0], DELTA)
    with pytest.raises(Unreadable):
        check_file(manifest.full, encode_pack(OLD))
    for refused, arguments in (
        (ProofFailed, {"now": NOW, "seen_seq": 5}),
        (ProofFailed, {"now": NOW - dt.timedelta(hours=1)}),
    ):
        with pytest.raises(refused):
            verify_manifest(signed(PAYLOAD), KEYS, **arguments)
    with pytest.raises(UnknownKey):
        verify_manifest(signed(PAYLOAD), {}, now=NOW)
    stranger = SoftSigner(generate_p256()).sign_now(manifest_signing_input(STATEMENT_PUBLIC, PAYLOAD))
    with pytest.raises(BadSignature):
        verify_manifest(assemble_manifest(STATEMENT_PUBLIC, PAYLOAD, stranger), KEYS, now=NOW)


def test_no_key_of_another_purpose_owner_or_time_signs_a_manifest() -> None:
    agency = record(STATEMENT, KeyPurpose.STATEMENT, "S000044000456")
    late = move_key(STATEMENT_PUBLIC, KeyMove.COMPROMISE, NOW + dt.timedelta(days=1))
    ended = msgspec.structs.replace(STATEMENT_PUBLIC, active_to=NOW - dt.timedelta(days=1))
    unopened = msgspec.structs.replace(STATEMENT_PUBLIC, active_from=None)
    for pair, key in ((ROOT, ROOT_PUBLIC), (PAIR, PUBLIC)):
        with pytest.raises(UnknownKey):
            verify_manifest(signed_by(pair, key, PAYLOAD), KEYS, now=NOW)
    for key in (agency, late, ended, unopened):
        with pytest.raises(UnknownKey):
            verify_manifest(signed(PAYLOAD), by_kid([key]), now=NOW)


@given(st.binary(max_size=60))
def test_a_hostile_manifest_is_refused(data: bytes) -> None:
    for bad in (data, signed(data)):
        with pytest.raises(VerifyError):
            verify_manifest(bad, KEYS, now=NOW)


# --- JavaScript -----------------------------------------------------------------------------------------


def as_json(pack: Pack | Delta) -> dict[str, Any]:
    return {
        prefix: [
            one.next,
            sorted((s, (*NAMES.values(), "clear")[k]) for k, v in one.lists.items() for s in v),
        ]
        for prefix, one in pack.series.items()
    }


IN_JS = """
const bytes = (h) => Uint8Array.from(h.match(/../g) || [], (b) => parseInt(b, 16));
const text = (b) => Array.from(b, (n) => n.toString(16).padStart(2, "0")).join("");
const tell = (pack) => Object.fromEntries(Array.from(pack.series, ([prefix, one]) =>
  [prefix, [one.next, Array.from(one.states).sort((a, b) => a[0] - b[0])]]));
return given.map(([old, delta, wanted, numbers]) => {
  const base = StatusPack.decodePack(bytes(old));
  const told = tell(base);
  const again = text(StatusPack.encodePack(base));
  const after = StatusPack.applyDelta(base, StatusPack.decodeDelta(bytes(delta)));
  return [told, again, text(StatusPack.encodePack(after)), numbers.map((n) => StatusPack.findNumber(after, n))];
});
"""


@settings(max_examples=4)
@given(st.lists(two_registers(), min_size=8, max_size=8))
def test_javascript_reads_writes_and_applies_the_same_bytes(pairs: Any) -> None:
    given_, wanted = [], []
    for before, later in pairs:
        old, new = pack_of(before), pack_of(later, seq=9)
        numbers = [number(p, s) for p, (n, states) in later.items() for s in (*states, 1, n)]
        numbers = [one for one in numbers if len(one) in (16, 22)]
        found = [find_number(new, one).name.lower() for one in numbers]
        old_hex, new_hex = encode_pack(old).hex(), encode_pack(new).hex()
        given_.append([old_hex, encode_delta(diff_packs(old, new)).hex(), new_hex, numbers])
        told = {p: [n, [list(pair) for pair in listed]] for p, (n, listed) in as_json(old).items()}
        wanted.append([told, old_hex, new_hex, found])
    assert run_script(["pack.js"], IN_JS, given_) == wanted


def test_javascript_refuses_what_python_refuses() -> None:
    dice = random.Random(3)
    whole = encode_pack(NEW)
    cases = [whole, whole + b"\0"]
    for _ in range(400):
        damaged = bytearray(whole)
        damaged[dice.randrange(len(whole))] ^= 1 << dice.randrange(8)
        cases += [bytes(damaged), whole[: dice.randrange(len(whole))]]
    body = """
    const bytes = (h) => Uint8Array.from(h.match(/../g) || [], (b) => parseInt(b, 16));
    return given.map((h) => { try { StatusPack.decodePack(bytes(h)); return true; } catch (_) { return false; } });
    """
    assert run_script(["pack.js"], body, [case.hex() for case in cases]) == [readable(case) for case in cases]


def readable(data: bytes) -> bool:
    try:
        decode_pack(data)
    except Unreadable:
        return False
    return True
