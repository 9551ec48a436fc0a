"""What people type: slips that can mean one thing are read so and said; where there are two, nothing is guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.certificate.number import canonical_number
from verify.certificate.scan_code import new_scan_code
from verify.errors import Invalid
from verify.web.understanding import AS_SCAN_CODE, agency_of, number_parts, read_id_number, read_number

SKILL = "S000044000456263000001"
OLD = "1410012003300001"
CODE = new_scan_code(lambda size: b"\x5a" * size)


@pytest.mark.parametrize(
    ("typed", "meant", "places"),
    [
        ("S0000 4400 0456 2630 0000 1", SKILL, []),
        ("ｓ００００４４０００４５６２６３０００００１", SKILL, []),
        ("sOOOO44OOO456263OOOOO1", SKILL, ["O", "2、3、4、5"]),
        ("S000044000456263OOOOOl", SKILL, ["O", "L", "22"]),
        ("S０00044000456263ＯＯＯＯＯI", SKILL, ["O", "I"]),
        ("I4l00I2003300001", OLD, ["I", "L"]),
        ("14l00-I2003-300001", OLD, ["L", "I"]),
    ],
)
def test_numbers_with_slips_are_read_and_every_letter_that_was_changed_is_named(
    typed: str, meant: str, places: list[str]
) -> None:
    read = read_number(typed)
    assert (read.meant, canonical_number(read.text)) == ("number", meant)
    said = "".join(note.zh for note in read.notes)
    assert all(place in said for place in places)
    assert bool(read.notes) is bool(places)


@pytest.mark.parametrize(
    "typed", ["O000044000456263000001", "S00004400045626O000001", "S0000440004562630000B1", "", "张三"]
)
def test_nothing_is_guessed_where_a_letter_may_stand_or_two_things_are_meant(typed: str) -> None:
    read = read_number(typed)
    assert read.notes == ()
    assert read.text == typed or canonical_number(read.text) == typed


@given(st.text(max_size=40) | st.text("SYOIl0123456789 -", min_size=13, max_size=24))
def test_reading_never_fails_and_changes_only_slips(typed: str) -> None:
    read = read_number(typed)
    if read.meant == "number" and not read.notes:
        try:
            assert canonical_number(typed) == canonical_number(read.text)
        except Invalid:
            assert read.text == typed


def test_a_scan_code_or_its_whole_address_in_the_wrong_field_is_used_as_one() -> None:
    for typed in (
        CODE,
        CODE.lower(),
        f"{CODE[:8]}-{CODE[8:]}",
        f"HTTPS://VERIFY.EXAMPLE.CN/V/{CODE}#0123456789",
    ):
        read = read_number(typed)
        assert read.meant == "scan" and read.notes == (AS_SCAN_CODE,)
        assert read.text.upper() == CODE


def test_id_numbers_are_read_without_being_shown() -> None:
    number, notes = read_id_number("RESIDENT_ID", "99OOO1 19900101 OO1×")
    assert number == "99000119900101001X"
    assert notes and all("990001" not in note.zh and "1990" not in note.en for note in notes)
    assert read_id_number("PASSPORT", "EO1234567") == ("EO1234567", ())
    assert read_id_number("RESIDENT_ID", "99000119900101001x") == ("99000119900101001x", ())


def test_a_number_is_taken_apart_by_the_rule_and_what_no_rule_allows_is_named() -> None:
    parts, faults = number_parts(SKILL)
    assert "".join(part.characters for part in parts) == SKILL and faults == ()
    assert [part.meaning.zh for part in parts if part.meaning] == [
        "社会培训评价组织",
        "广东省",
        "2026 年",
        "三级",
    ]
    assert "".join(part.characters for part in number_parts(OLD)[0]) == OLD
    parts, faults = number_parts("S000099000456263000001")
    assert parts == [] and faults
    assert agency_of(SKILL) == "S000044000456"
    assert agency_of("S000099000456263000001") is None
