"""Scan codes: typing mistakes are noticed, printing and bytes agree."""

import hashlib
from itertools import combinations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from verify.certificate.scan_code import (
    ALPHABET,
    new_scan_code,
    parse_scan_code,
    scan_code_bytes,
    scan_code_from_bytes,
)
from verify.errors import Invalid, Unreadable

CODES = st.binary(min_size=10, max_size=10).map(lambda raw: new_scan_code(lambda _: raw))


@given(CODES)
def test_a_new_code_has_sixteen_characters_and_reads_back(code):
    assert len(code) == 16
    assert set(code) <= set(ALPHABET)
    assert parse_scan_code(code) == code
    assert len(scan_code_bytes(code)) == 10
    assert scan_code_from_bytes(scan_code_bytes(code)) == code


@given(CODES, st.integers(0, 15), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_always_noticed(code, position, character):
    assume(code[position] != character)
    with pytest.raises(Invalid) as error:
        parse_scan_code(code[:position] + character + code[position + 1 :])
    assert error.value.faults[0].code == "check-character"


@given(CODES)
def test_any_two_characters_exchanged_are_always_noticed(code):
    for i, j in combinations(range(16), 2):
        if code[i] == code[j]:
            continue
        swapped = list(code)
        swapped[i], swapped[j] = swapped[j], swapped[i]
        with pytest.raises(Invalid):
            parse_scan_code("".join(swapped))


@given(CODES, st.data())
def test_a_code_is_the_same_however_it_is_typed(code, data):
    looks = {"0": "0Oo", "1": "1IiLl"}
    typed = "".join(
        data.draw(st.sampled_from(looks.get(c, c + c.lower()))) + data.draw(st.sampled_from(["", " ", "-"]))
        for c in code
    )
    assert parse_scan_code(typed) == code


@pytest.mark.parametrize(
    "text", ["", "0", "0" * 15, "0" * 17, "U" * 16, "零" * 16, "0000-0000-0000-000!", "\x00" * 16]
)
def test_what_has_not_the_shape_is_unreadable(text):
    with pytest.raises(Unreadable):
        parse_scan_code(text)


@given(st.binary(max_size=20))
def test_any_bytes_are_a_code_or_a_refusal(raw):
    try:
        code = scan_code_from_bytes(raw)
    except (Unreadable, Invalid):
        return
    assert scan_code_bytes(code) == raw


def test_codes_use_all_seventy_five_bits():
    seen = {new_scan_code(lambda n, i=i: hashlib.sha256(bytes([i])).digest()[:n]) for i in range(200)}
    assert len(seen) == 200
    assert len({scan_code_bytes(code)[0] for code in seen}) > 90
    last_random_bit = {scan_code_bytes(code)[9] >> 5 & 1 for code in seen}
    assert last_random_bit == {0, 1}
