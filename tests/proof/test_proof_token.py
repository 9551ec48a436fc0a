"""The QR token: exact, strict, small, and readable by other people's libraries."""

import datetime as dt
import math

import cbor2
import cwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proof_world import INTEGRITY, KEYS, NOW, PAIR, PUBLIC, SCAN_CODE, claims, record, signed_token
from pycose.keys import EC2Key
from pycose.messages import Sign1Message
from qrcode.main import QRCode
from qrcode.util import MODE_8BIT_BYTE, MODE_ALPHA_NUM, MODE_NUMBER, QRData

from verify.certificate.record import Level
from verify.certificate.scan_code import new_scan_code, scan_code_bytes
from verify.errors import BadSignature, Invalid, ProofFailed, UnknownKey, Unreadable
from verify.proof.digits import MAX_DIGITS, decode_digits, encode_digits
from verify.proof.keys import generate_p256
from verify.proof.public import KeyPurpose
from verify.proof.token import (
    MAX_TOKEN_BYTES,
    assemble_token,
    parse_token,
    to_be_signed,
    token_payload,
    verify_token,
)

TAG_18 = b"\xd2"

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
numbers = st.one_of(
    st.from_regex(r"[A-Z][0-9]{14}[0-9A-Z][0-9]{6}", fullmatch=True).filter(str.isascii),
    st.from_regex(r"[0-9]{16}", fullmatch=True).filter(str.isascii),
    st.from_regex(r"R[GSCX][NW][0-9]{17}", fullmatch=True).filter(str.isascii),
)
many_claims = st.builds(
    claims,
    issued_at=st.integers(1 << 16, (1 << 32) - 1).map(lambda s: dt.datetime.fromtimestamp(s, dt.UTC)),
    scan_code=st.binary(min_size=10, max_size=10).map(lambda raw: new_scan_code(lambda _: raw)),
    number=numbers,
    name=names,
    occupation_code=st.integers(0, 9_999_999).map(
        lambda n: f"{n:07d}"[0] + "-" + "-".join(f"{n:07d}"[i : i + 2] for i in (1, 3, 5))
    ),
    level=st.sampled_from(list(Level)),
    id_tail=st.text(st.characters(exclude_categories=["Cs"], max_codepoint=0xFFFF), max_size=4),
)


def test_a_token_says_what_was_signed() -> None:
    assert verify_token(signed_token(), KEYS) == claims()


@given(many_claims)
def test_every_token_fits_and_reads_back_with_at_most_its_name_cut_at_a_character(given_claims) -> None:
    payload = token_payload(given_claims)
    token = assemble_token(PAIR.kid, payload, bytes(64))
    assert len(token) <= MAX_TOKEN_BYTES
    read = parse_token(token).claims
    if read.name != given_claims.name:
        assert read.name.endswith("…")
        assert given_claims.name.startswith(read.name[:-1])
        assert len(read.name.encode()) >= 18
    for field in ("kid", "issued_at", "scan_code", "number", "occupation_code", "level", "id_tail"):
        assert getattr(read, field) == getattr(given_claims, field)


@given(many_claims)
def test_the_payload_is_the_deterministic_cbor_that_another_encoder_writes(given_claims) -> None:
    payload = token_payload(given_claims)
    assert cbor2.dumps(cbor2.loads(payload), canonical=True) == payload


def test_a_name_of_fourteen_han_characters_stays_whole_and_one_of_fifteen_is_cut() -> None:
    assert parse_token(signed_token(claims(name="买" * 14))).claims.name == "买" * 14
    assert parse_token(signed_token(claims(name="买" * 15))).claims.name == "买" * 13 + "…"


def test_pycose_verifies_the_token_under_its_tag() -> None:
    message = Sign1Message.decode(TAG_18 + signed_token())
    message.key = EC2Key(crv="P_256", x=PAIR.key_bytes[1:33], y=PAIR.key_bytes[33:])
    assert message.verify_signature()


def test_pycose_verifies_the_token_as_it_stands_in_the_symbol() -> None:
    message = Sign1Message.from_cose_obj(cbor2.loads(signed_token()), False)
    message.key = EC2Key(crv="P_256", x=PAIR.key_bytes[1:33], y=PAIR.key_bytes[33:])
    assert message.verify_signature()


def test_cwt_verifies_the_token_and_reads_the_same_claims() -> None:
    key = cwt.COSEKey.new(
        {
            1: 2,
            2: bytes.fromhex(PAIR.kid),
            3: -7,
            -1: 1,
            -2: PAIR.key_bytes[1:33],
            -3: PAIR.key_bytes[33:],
        }
    )
    decoded = cwt.CWT().decode(TAG_18 + signed_token(), key)
    assert decoded[6] == int(NOW.timestamp())
    assert decoded[7] == scan_code_bytes(SCAN_CODE)
    assert decoded[-65537][1:] == ["阿依古丽·买买提", 6180101, 3, "123X"]


def test_no_token_with_one_bit_flipped_is_accepted() -> None:
    token = signed_token()
    for place in range(8 * len(token)):
        flipped = bytearray(token)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(ProofFailed):
            verify_token(bytes(flipped), KEYS)


def test_no_wrong_length_is_read() -> None:
    token = signed_token()
    for size in range(len(token)):
        with pytest.raises(Unreadable):
            parse_token(token[:size])
    for more in (b"\x00", b"\xff", token, bytes(10_000_000)):
        with pytest.raises(Unreadable):
            parse_token(token + more)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_unreadable_and_nothing_else(data: bytes) -> None:
    with pytest.raises(Unreadable):
        parse_token(data)


@given(st.binary(min_size=0, max_size=110))
def test_arbitrary_payloads_are_unreadable_or_come_back_byte_for_byte(payload: bytes) -> None:
    head = b"\x84\x49\xa2\x01\x26\x04\x44" + bytes.fromhex(PAIR.kid) + b"\xa0\x58" + bytes((len(payload),))
    try:
        token = parse_token(head + payload + b"\x58\x40" + bytes(64))
    except Unreadable:
        return
    assert token.payload == payload


@settings(max_examples=300)
@given(st.data())
def test_a_payload_altered_anywhere_is_unreadable_or_another_exact_token(data: st.DataObject) -> None:
    payload = bytearray(token_payload(claims()))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    token = assemble_token(PAIR.kid, bytes(payload), bytes(64))
    try:
        read = parse_token(token)
    except Unreadable:
        return
    assert token_payload(read.claims) == bytes(payload)


@pytest.mark.parametrize(
    ("canonical", "loose"),
    [
        (b"\xa3\x06\x1a", b"\xa3\x06\x1b\x00\x00\x00\x00"),
        (b"\x06\x1a", b"\x18\x06\x1a"),
        (b"\x03\x64123X", b"\x18\x03\x64123X"),
        (b"\x64123X", b"\x78\x04123X"),
        (b"\x64123X", b"\x44123X"),
        (b"\x85\x4a", b"\x9f\x4a"),
    ],
)
def test_cbor_that_is_right_but_not_the_shortest_form_is_refused(canonical: bytes, loose: bytes) -> None:
    payload = token_payload(claims())
    assert canonical in payload
    token = assemble_token(PAIR.kid, payload.replace(canonical, loose, 1), bytes(64))
    with pytest.raises(Unreadable):
        parse_token(token)


def test_a_scan_code_with_a_wrong_check_character_is_refused() -> None:
    payload = token_payload(claims())
    code = scan_code_bytes(SCAN_CODE)
    wrong = code[:-1] + bytes((code[-1] ^ 1,))
    with pytest.raises(Unreadable):
        parse_token(assemble_token(PAIR.kid, payload.replace(code, wrong), bytes(64)))


def test_a_token_by_an_unknown_key_is_refused_by_name() -> None:
    with pytest.raises(UnknownKey):
        verify_token(signed_token(pair=generate_p256()), KEYS)


def test_a_token_by_a_key_of_another_purpose_is_refused() -> None:
    other = record(INTEGRITY, KeyPurpose.DATA_INTEGRITY)
    with pytest.raises(UnknownKey):
        verify_token(signed_token(claims(kid=other.kid), INTEGRITY), {other.kid: other})


def test_a_token_that_names_another_algorithm_than_its_key_is_refused() -> None:
    payload = token_payload(claims())
    token = assemble_token(PAIR.kid, payload, bytes(64), "Ed25519")
    with pytest.raises(BadSignature):
        verify_token(token, KEYS)


def test_what_is_signed_is_the_sig_structure_of_rfc_9052() -> None:
    payload = token_payload(claims())
    protected = cbor2.dumps({1: -7, 4: bytes.fromhex(PUBLIC.kid)})
    assert to_be_signed(PUBLIC.kid, payload) == cbor2.dumps(["Signature1", protected, b"", payload])


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "\ud800"},
        {"number": "y000199000001263000001"},
        {"number": "1" * 25},
        {"number": ""},
        {"occupation_code": "6-18-01-1"},
        {"occupation_code": "６-18-01-01"},
        {"id_tail": "12345"},
        {"scan_code": "0" * 15},
        {"issued_at": dt.datetime(1969, 1, 1, tzinfo=dt.UTC)},
        {"issued_at": dt.datetime(2107, 1, 1, tzinfo=dt.UTC)},
        {"issued_at": NOW.replace(tzinfo=None)},
    ],
)
def test_claims_that_no_token_can_carry_are_refused_before_signing(change: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        token_payload(claims(**change))


@given(st.binary(min_size=1, max_size=200))
def test_digits_come_back_as_the_same_bytes(data: bytes) -> None:
    text = encode_digits(data)
    assert text.isdigit() and decode_digits(text) == data
    assert len(text) == len(data) // 22 * 53 + math.ceil(len(data) % 22 * 8 * math.log10(2))


@given(st.text(max_size=120))
def test_arbitrary_text_is_no_digits_or_comes_back_exactly(text: str) -> None:
    try:
        data = decode_digits(text)
    except Unreadable:
        return
    assert encode_digits(data) == text


@given(st.text("0123456789", min_size=1, max_size=MAX_DIGITS))
def test_digits_have_one_reading(text: str) -> None:
    try:
        data = decode_digits(text)
    except Unreadable:
        return
    assert encode_digits(data) == text


@pytest.mark.parametrize(
    "text", ["", "1", "12", "256", "999", "9" * 53, "+12", " 12", "1_2", "٠٠٠", "000\n", "0" * 1060]
)
def test_digits_that_nobody_writes_are_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        decode_digits(text)


def test_the_longest_token_fits_version_10_at_level_m_beside_a_host_of_24_characters() -> None:
    payload = token_payload(claims(name="古" * 60, occupation_code="9-99-99-99", level=Level.CHIEF))
    token = assemble_token(PAIR.kid, payload, b"\xff" * 64)
    symbol = QRCode(version=10, error_correction=0)
    symbol.add_data(QRData(b"HTTPS://" + b"H" * 24 + b"/V/" + SCAN_CODE.encode(), MODE_ALPHA_NUM), optimize=0)
    symbol.add_data(QRData(b"#", MODE_8BIT_BYTE), optimize=0)
    symbol.add_data(QRData(encode_digits(token).encode(), MODE_NUMBER), optimize=0)
    symbol.make(fit=False)
    assert len(token) in range(MAX_TOKEN_BYTES - 2, MAX_TOKEN_BYTES + 1)
    assert len(encode_digits(bytes(MAX_TOKEN_BYTES))) == 415
