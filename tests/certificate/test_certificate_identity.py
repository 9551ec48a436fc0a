"""Identity documents: every row of the table, checksums, the same person under two numbers, masks."""

import datetime as dt
import re

import pytest
from certificate_tables import rows
from hypothesis import given
from hypothesis import strategies as st

from verify.certificate.identity import (
    ID_TYPES,
    check_character,
    mask_id_number,
    parse_identity,
    upgrade_resident_id,
)
from verify.errors import Invalid

TODAY = dt.date(2026, 11, 25)
TABLE = rows("id_types")
BIRTHS = st.dates(dt.date(1900, 1, 1), TODAY)


def resident(area: str, born: dt.date, sequence: int) -> str:
    body = f"{area}{born:%Y%m%d}{sequence:03d}"
    return body + check_character(body)


RESIDENTS = st.builds(
    resident,
    st.builds("99{:04d}".format, st.integers(0, 9999)),
    BIRTHS,
    st.integers(0, 999),
)


def key(id_type: str, text: str) -> str:
    return parse_identity(id_type, text, TODAY).person_key


def faults(id_type: str, text: str) -> list[str]:
    with pytest.raises(Invalid) as error:
        parse_identity(id_type, text, TODAY)
    return [fault.code for fault in error.value.faults]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["identifier"])
def test_each_document_of_the_table_is_known_with_its_code_and_name(row):
    known = ID_TYPES[row["identifier"]]
    assert known.code == row["ga_t_517_code"]
    assert row["name_zh"].startswith(known.words.zh) or known.words.zh in row["name_zh"]
    assert known.source


def test_there_are_no_documents_beside_the_table():
    assert set(ID_TYPES) == {row["identifier"] for row in TABLE}


@pytest.mark.parametrize("row", [row for row in TABLE if row["specimen"]], ids=lambda row: row["identifier"])
def test_each_published_specimen_is_accepted_as_it_stands(row):
    identity = parse_identity(row["identifier"], row["specimen"], TODAY)
    assert (identity.id_type, identity.number) == (row["identifier"], row["specimen"])


@pytest.mark.parametrize(
    "row", [row for row in TABLE if row["regex_after_uppercase_and_trim"]], ids=lambda row: row["identifier"]
)
@given(text=st.from_regex(re.compile(r"(HA|MA|[A-Z])?[0-9]{7,18}X?", re.ASCII), fullmatch=True))
def test_no_number_outside_the_published_shape_is_accepted(row, text):
    try:
        identity = parse_identity(row["identifier"], text, TODAY)
    except Invalid:
        return
    shape = next(r["regex_after_uppercase_and_trim"] for r in TABLE if r["identifier"] == identity.id_type)
    assert re.fullmatch(shape, identity.number)


@given(RESIDENTS)
def test_a_resident_number_with_its_check_character_is_accepted_and_any_other_refused(number):
    assert parse_identity("RESIDENT_ID", number, TODAY).number == number
    for wrong in set("0123456789X") - {number[-1]}:
        assert faults("RESIDENT_ID", number[:-1] + wrong) == ["checksum"]


@given(RESIDENTS, st.integers(0, 16), st.sampled_from("0123456789"))
def test_one_wrong_digit_of_a_resident_number_is_noticed(number, position, digit):
    if number[position] == digit:
        return
    with pytest.raises(Invalid):
        parse_identity("RESIDENT_ID", number[:position] + digit + number[position + 1 :], TODAY)


@given(RESIDENTS, st.integers(0, 16))
def test_two_neighbours_exchanged_in_a_resident_number_are_noticed(number, position):
    a, b = number[position], number[position + 1]
    if a == b:
        return
    with pytest.raises(Invalid):
        parse_identity("RESIDENT_ID", number[:position] + b + a + number[position + 2 :], TODAY)


@given(RESIDENTS, st.data())
def test_a_number_is_the_same_however_it_is_typed(number, data):
    typed = "".join(
        data.draw(st.sampled_from([c, c.lower(), chr(ord(c) + 0xFEE0), c + " ", c + "\u3000", c + "-"]))
        for c in number
    )
    assert parse_identity("RESIDENT_ID", typed, TODAY).number == number


def test_fifteen_digits_and_eighteen_are_one_person():
    old, new = "110105491231002", "11010519491231002X"
    assert upgrade_resident_id(old) == new
    assert key("RESIDENT_ID_15", old) == key("RESIDENT_ID", new)
    assert key("RESIDENT_ID", old) == key("RESIDENT_ID", new)
    assert parse_identity("RESIDENT_ID", old, TODAY).id_type == "RESIDENT_ID_15"
    assert parse_identity("RESIDENT_ID", old, TODAY).number == old


@pytest.mark.parametrize("sequence", ["996", "997", "998", "999"])
def test_the_last_four_sequences_of_old_numbers_are_centenarians(sequence):
    assert upgrade_resident_id("990101490101" + sequence)[6:10] == "1849"
    assert upgrade_resident_id("990101490101995")[6:10] == "1949"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("HKMO_TRAVEL_PERMIT", "H12345678"), ("HKMO_TRAVEL_PERMIT", "H1234567801"), True),
        (("HKMO_TRAVEL_PERMIT", "H12345678（01）"), ("HKMO_TRAVEL_PERMIT", "h12345678(02)"), True),
        (("HKMO_TRAVEL_PERMIT", "H12345678"), ("HKMO_TRAVEL_PERMIT", "M12345678"), False),
        (("HKMO_TRAVEL_PERMIT", "HA1234567"), ("HKMO_TRAVEL_PERMIT_NONCN", "HA1234567"), True),
        (("TW_TRAVEL_PERMIT", "12345678"), ("TW_TRAVEL_PERMIT", "1234567801"), True),
        (("TW_TRAVEL_PERMIT", "12345678"), ("TW_TRAVEL_PERMIT", "12345679"), False),
        (("TW_TRAVEL_PERMIT", "T1234567"), ("TW_TRAVEL_PERMIT", "t1234567"), True),
        (("PASSPORT", "E 12345678"), ("PASSPORT", "e12345678"), True),
        (("PASSPORT", "EO2345678"), ("PASSPORT", "E02345678"), False),
        (("PASSPORT", "12345678"), ("TW_TRAVEL_PERMIT", "12345678"), False),
        (("RESIDENT_ID", "990101198001010016"), ("HOUSEHOLD_REGISTER", "990101198001010016"), True),
        (("MILITARY_ID", "军字第 12345号"), ("MILITARY_ID", " 军字第  12345号 "), True),
        (("OTHER", "ab１"), ("OTHER", "AB1"), True),
    ],
)
def test_two_numbers_are_one_person_exactly_when_the_rules_say_so(one, other, same):
    def fixed(id_type: str, text: str) -> str:
        return text[:-1] + check_character(text) if ID_TYPES[id_type].checksum else text

    assert (key(one[0], fixed(*one)) == key(other[0], fixed(*other))) is same


def test_an_area_that_is_no_present_province_passes_with_a_warning():
    number = resident("990101", dt.date(1980, 1, 1), 1)
    assert [w.code for w in parse_identity("RESIDENT_ID", number, TODAY).warnings] == ["area-unknown"]
    assert parse_identity("RESIDENT_ID", "11010519491231002X", TODAY).warnings == ()


@pytest.mark.parametrize(
    ("id_type", "text", "code"),
    [
        ("RESIDENT_ID", "990101199902300012", "birth-date"),
        ("RESIDENT_ID", resident("990101", dt.date(2026, 11, 26), 1), "birth-date"),
        ("RESIDENT_ID_15", "990101990230001", "birth-date"),
        ("RESIDENT_ID", "9901011999", "id-number"),
        ("RESIDENT_ID", "", "id-number"),
        ("RESIDENT_ID", "9" * 5000, "id-number"),
        ("RESIDENT_ID", "99010119800101001Ｙ", "id-number"),
        ("HKMO_RESIDENCE_PERMIT", "830000199201300022", "id-number"),
        ("TW_RESIDENCE_PERMIT", "810000199408230021", "id-number"),
        ("HKMO_TRAVEL_PERMIT", "A12345678", "id-number"),
        ("PASSPORT", "E1234\u200b5678", "id-number"),
        ("MILITARY_ID", "军字\u202e12345", "control-character"),
        ("OTHER", "x" * 51, "id-number"),
        ("OTHER", "   ", "id-number"),
        ("LIBRARY_CARD", "1", "id-type"),
    ],
)
def test_each_refusal_has_its_own_code(id_type, text, code):
    assert faults(id_type, text) == [code]


def test_a_refusal_says_what_would_be_accepted_and_never_the_number():
    with pytest.raises(Invalid) as error:
        parse_identity("RESIDENT_ID", "990101198001", TODAY)
    fault = error.value.faults[0]
    assert "18 characters" in fault.detail.en
    assert "18位" in fault.detail.zh
    assert "990101198001" not in fault.detail.en + fault.detail.zh + str(error.value)


@pytest.mark.parametrize(
    ("number", "mask"),
    [
        ("11010519491231002X", "1" + "*" * 16 + "X"),
        ("H12345678", "H*******8"),
        ("1234", "****"),
        ("12345", "1***5"),
        ("", ""),
    ],
)
def test_a_mask_keeps_the_first_and_last_character(number, mask):
    assert mask_id_number("RESIDENT_ID", number) == mask


@given(st.sampled_from(sorted(ID_TYPES)), st.text(max_size=120))
def test_any_text_is_an_identity_or_a_refusal(id_type, text):
    try:
        identity = parse_identity(id_type, text, TODAY)
    except Invalid as error:
        assert error.faults
        return
    again = parse_identity(identity.id_type, identity.number, TODAY)
    assert (again.number, again.person_key) == (identity.number, identity.person_key)
