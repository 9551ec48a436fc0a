"""Numbers: what is read, what is refused and why, and what must agree with the face."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.certificate import coding
from verify.certificate.number import (
    QualificationNumber,
    SkillLevelNumber,
    UnknownSchemeNumber,
    canonical_number,
    compose_number,
    cross_check,
    is_number,
    max_serial,
    next_number,
    number_prefix,
    number_warnings,
    parse_number,
    serial_width,
)
from verify.certificate.record import Face, Kind, Level, Occupation
from verify.errors import Invalid

DIGITS = "0123456789"
FIVE = st.sampled_from([Level.FIVE, Level.FOUR, Level.THREE, Level.TWO, Level.ONE])
SKILL_AGENCY = st.builds(
    "{}{:04d}{}{:06d}".format,
    st.sampled_from(sorted(coding.AGENCY_CLASSES)),
    st.integers(0, 9999),
    st.sampled_from(sorted(coding.PROVINCES_22)),
    st.integers(0, 999999),
)
STATE_AGENCY = st.builds(
    "{:02d}{:02d}{}{:03d}".format,
    st.integers(1, 99),
    st.integers(0, 99),
    st.sampled_from("01234"),
    st.integers(1, 999),
)


def face(**changes: object) -> Face:
    fields = {
        "kind": Kind.SKILL_LEVEL,
        "agency": "S000035000123",
        "occupation": Occupation("6-18-01-01", "车工"),
        "work_type": None,
        "level": Level.THREE,
        "issued_on": dt.date(2024, 5, 1),
    }
    return Face(**{**fields, **changes})


def codes(error: pytest.ExceptionInfo[Invalid]) -> list[str]:
    return [fault.code for fault in error.value.faults]


@given(SKILL_AGENCY, FIVE | st.just(Level.SPECIAL), st.integers(2019, 2118), st.integers(1, 999999))
def test_a_composed_skill_level_number_reads_back_part_by_part(agency, level, year, serial):
    text = compose_number(agency, Kind.SKILL_LEVEL, level, year, serial)
    number = parse_number(text)
    assert isinstance(number, SkillLevelNumber)
    assert (number.text, number.agency, number.level, number.year, number.serial) == (
        text, agency, level, year, serial,
    )  # fmt: skip
    assert is_number(text)
    assert len(text) == 22


@given(STATE_AGENCY, FIVE, st.integers(1990, 2089), st.integers(1, 99999))
def test_a_composed_qualification_number_reads_back_part_by_part(agency, level, year, serial):
    if year == 2000 and agency.startswith("0"):
        return  # looks like a padded Shanghai number; tested by itself
    text = compose_number(agency, Kind.QUALIFICATION, level, year, serial)
    number = parse_number(text)
    assert isinstance(number, QualificationNumber)
    assert (number.agency, number.level, number.year, number.serial) == (agency, level, year, serial)
    assert len(text) == 16


@given(SKILL_AGENCY, FIVE, st.integers(2019, 2118), st.integers(1, 999999), st.data())
def test_a_number_is_the_same_however_it_is_typed(agency, level, year, serial, data):
    text = compose_number(agency, Kind.SKILL_LEVEL, level, year, serial)
    typed = "".join(
        data.draw(st.sampled_from([c, c.lower(), chr(ord(c) + 0xFEE0), c + " ", c + "-", "\u3000" + c]))
        for c in text
    )
    assert canonical_number(typed) == text
    assert parse_number(typed) == parse_number(text)


@given(st.text(max_size=40))
def test_any_text_is_a_number_or_a_precise_refusal(text):
    try:
        number = canonical_number(text)
    except Invalid as error:
        assert error.faults
        assert all(fault.detail.zh and fault.detail.en and fault.source for fault in error.faults)
    else:
        assert is_number(number)
        assert canonical_number(number) == number


@pytest.mark.parametrize(
    ("text", "agency", "year", "level", "serial"),
    [
        # Examples of the rule and synthetic ones of the same shape.
        ("Y000123000001195000001", "Y000123000001", 2019, Level.FIVE, 1),
        ("S000035000123243000362", "S000035000123", 2024, Level.THREE, 362),
        ("Y000044000456251000007", "Y000044000456", 2025, Level.ONE, 7),
        ("Y00004400045625T000007", "Y000044000456", 2025, Level.SPECIAL, 7),
        ("1510012003400127", "10012003", 2015, Level.FOUR, 127),
        ("9872003018500001", "72003018", 1998, Level.FIVE, 1),
    ],
)
def test_published_examples_read_as_their_rules_say(text, agency, year, level, serial):
    number = parse_number(text)
    assert (number.agency, number.year, number.level, number.serial) == (agency, year, level, serial)


def test_the_special_grade_has_two_letters_and_twenty_digits():
    text = compose_number("Y000044000456", Kind.SKILL_LEVEL, Level.SPECIAL, 2026, 1)
    assert sum(c.isalpha() for c in text) == 2
    assert text[15].isalpha()
    assert number_prefix("Y000044000456", Kind.SKILL_LEVEL, Level.SPECIAL, 2026) == text[:16]


def test_the_chief_grade_has_no_number_of_its_own():
    with pytest.raises(Invalid) as error:
        compose_number("Y000044000456", Kind.SKILL_LEVEL, Level.CHIEF, 2026, 1)
    assert codes(error) == ["level-without-coding"]
    assert error.value.faults[0].pointer == "/number"


def test_ten_is_jiangsu_in_old_numbers_and_nothing_in_new_ones():
    assert coding.AUTHORITIES_16["10"].words.zh == "江苏"
    assert "10" not in coding.PROVINCES_22
    with pytest.raises(Invalid) as error:
        parse_number("S000010000123243000362")
    assert codes(error) == ["province"]
    assert parse_number("1510012003400127").agency == "10012003"


def test_the_two_place_tables_share_no_meaning_by_accident():
    both = coding.AUTHORITIES_16.keys() & coding.PROVINCES_22.keys()
    names = [(coding.AUTHORITIES_16[c].words.zh, coding.PROVINCES_22[c].words.zh) for c in both]
    assert names, "codes overlap, so one table can never serve both"
    assert not any(new.startswith(old) for old, new in names)


def test_thirteen_digits_of_shanghai_get_three_zeroes_and_no_year():
    number = parse_number("0912345678901")
    assert isinstance(number, QualificationNumber)
    assert number.text == "0000912345678901"
    assert number.shanghai
    assert (number.year, number.level, number.agency) == (None, None, None)
    assert parse_number(number.text) == number


def test_the_twenty_character_scheme_is_recognised_and_never_trusted():
    number = parse_number("RGN32010000124300001")
    assert isinstance(number, UnknownSchemeNumber)
    assert (number.agency, number.year, number.level, number.serial) == (None, 2024, Level.THREE, 1)
    assert [fault.code for fault in cross_check(number, face())] == ["unknown-scheme"]
    assert [fault.code for fault in number_warnings(number)] == ["unknown-scheme"]
    with pytest.raises(Invalid):
        next_number(number)


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("S00003500012324300036", "number-length", "21"),
        ("", "number-length", "0"),
        ("1000035000123243000362", "number-character", "Position 1 "),
        ("S0000350001232430003O2", "number-character", "Position 21 "),
        ("S000035000123246000362", "number-character", "Position 16 "),
        ("S00003500012324300036٢", "number-character", "ARABIC-INDIC"),
        ("X000035000123243000362", "agency-class", "Y (Employer)"),
        ("S000035000123243000000", "serial", "000001"),
        ("1510012903400127", "level-code", "Position 11"),
        ("1510019003400127", "station-kind", "Position 7"),
        ("1510012003400000", "serial", "00001"),
        ("RAN32010000124300001", "number-character", "Position 2 "),
    ],
)
def test_each_wrong_part_is_named_with_what_would_be_accepted(text, code, says):
    if code == "level-code":
        text = text[:10] + "9" + text[11:]
    with pytest.raises(Invalid) as error:
        parse_number(text)
    fault = next(fault for fault in error.value.faults if fault.code == code)
    assert says in fault.detail.en
    assert fault.pointer == "/number"


def test_every_wrong_part_is_told_at_once():
    with pytest.raises(Invalid) as error:
        parse_number("X000010000123243000000")
    assert codes(error) == ["agency-class", "province", "serial"]


def test_the_pivot_years_are_the_schemes_first_years():
    assert parse_number("S000035000123193000362").year == 2019
    assert parse_number("S000035000123183000362").year == 2118
    assert parse_number("9010012003400127").year == 1990
    assert parse_number("8910012003400127").year == 2089
    for kind, agency, year in (
        (Kind.SKILL_LEVEL, "S000035000123", 2018),
        (Kind.QUALIFICATION, "10012003", 1989),
    ):
        with pytest.raises(Invalid, match="outside"):
            number_prefix(agency, kind, Level.THREE, year)


@pytest.mark.parametrize("kind", list(Kind))
def test_serials_start_at_one_and_end_at_the_width(kind):
    agency = "S000035000123" if kind is Kind.SKILL_LEVEL else "10012003"
    last = compose_number(agency, kind, Level.THREE, 2024, max_serial(kind))
    assert last.endswith("9" * serial_width(kind))
    for serial in (0, max_serial(kind) + 1, -1):
        with pytest.raises(Invalid) as error:
            compose_number(agency, kind, Level.THREE, 2024, serial)
        assert codes(error) == ["serial"]
    with pytest.raises(Invalid):
        next_number(parse_number(last))
    assert next_number(parse_number(compose_number(agency, kind, Level.THREE, 2024, 9))) == compose_number(
        agency, kind, Level.THREE, 2024, 10
    )


@given(SKILL_AGENCY, FIVE, st.integers(2019, 2118), st.integers(1, 999999))
def test_the_prefix_is_everything_but_the_serial(agency, level, year, serial):
    text = compose_number(agency, Kind.SKILL_LEVEL, level, year, serial)
    assert number_prefix(agency, Kind.SKILL_LEVEL, level, year) + text[-6:] == text


def test_a_number_that_agrees_with_its_face_has_no_fault():
    assert cross_check(parse_number("S000035000123243000362"), face()) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"agency": "S000035000124"}, ["number-agency-differs"]),
        ({"issued_on": dt.date(2025, 1, 1)}, ["number-year-differs"]),
        ({"level": Level.FOUR}, ["number-level-differs"]),
        ({"kind": Kind.QUALIFICATION}, ["number-kind-differs"]),
        (
            {"agency": "Y000035000123", "issued_on": dt.date(2023, 1, 1), "level": Level.ONE},
            ["number-agency-differs", "number-year-differs", "number-level-differs"],
        ),
    ],
)
def test_each_part_of_a_number_is_held_against_the_face(changes, expected):
    assert [f.code for f in cross_check(parse_number("S000035000123243000362"), face(**changes))] == expected


def test_an_unexplained_level_letter_passes_only_where_no_coding_is_confirmed():
    number = parse_number("Y00004400045624Q000007")
    employer = {"agency": "Y000044000456"}
    assert number.level is None
    assert cross_check(number, face(**employer, level=Level.CHIEF)) == []
    assert cross_check(number, face(**employer, level=Level.SPECIAL)) == []
    assert [f.code for f in cross_check(number, face(**employer))] == ["number-level-differs"]
    digit = parse_number("Y000044000456241000007")
    assert [f.code for f in cross_check(digit, face(**employer, level=Level.CHIEF))] == [
        "number-level-differs"
    ]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("J000035000123243000362", "agency class J"),
        ("S000066000123243000362", "province code 66"),
        ("S000081000123243000362", "province code 81"),
        ("Y00004400045625T000007", "level code T"),
        ("1513012003400127", "authority code 13"),
        ("1588012003400127", "authority code 88"),
    ],
)
def test_parts_without_a_published_source_are_accepted_and_flagged(text, part):
    warnings = number_warnings(parse_number(text))
    assert any(part in warning.detail.en for warning in warnings)


@pytest.mark.parametrize("text", ["S000035000123243000362", "1510012003400127", "1572003018400127"])
def test_parts_with_a_published_source_are_not_flagged(text):
    assert number_warnings(parse_number(text)) == []
