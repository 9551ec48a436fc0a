"""Names: every published case, and the promises about folding and refusal."""

import unicodedata

import pytest
from certificate_tables import rows
from hypothesis import given
from hypothesis import strategies as st

from verify.certificate.name import DOTS, MAX_NAME, fold_name, name_warnings, parse_name
from verify.errors import Invalid

CANONICAL = "阿依古丽·买买提"
# What the table describes instead of writing it out.
DESCRIBED = {
    "PUA": ["\ue863某"],
    "25 Han characters": ["努" * 25],
    "50 units": ["努尔" * 12 + "·" + "买" * 25, "A" * 50],
    "15-character Han name": ["买" * 7 + "提" * 8],
    "leading or double dot": ["·买买提", "阿依··买", "买买提·", "阿依• .买"],
    "foreign": ["JEAN-PIERRE O’NEILL", "JEAN-PIERRE O'NEILL"],
    "unencodable surname": ["⿱亠思某", "〓某", "YI 某"],
}
CASES = [
    (row["case"], row["expect"], value)
    for row in rows("name_test_cases")
    for value in DESCRIBED.get(row["case"], [row["value"]])
]


def codes(text: str) -> list[str]:
    with pytest.raises(Invalid) as error:
        parse_name(text)
    return [fault.code for fault in error.value.faults]


@pytest.mark.parametrize(("case", "expect", "value"), CASES)
def test_each_published_case_ends_as_the_table_expects(case, expect, value):
    if expect == "reject":
        assert codes(value) == ["separator"]
    elif expect.startswith("match after folding"):
        assert fold_name(value) == fold_name(CANONICAL)
        assert parse_name(value) == CANONICAL
    elif expect.startswith("strip"):
        assert parse_name(value) == "王明"
        assert fold_name(value) == fold_name("王明")
    elif expect.startswith("flag"):
        assert parse_name(value) == value
        assert [w.code for w in name_warnings(value)] == ["private-use"]
    else:
        assert expect.startswith(("accept", "must accept"))
        assert parse_name(value) == value


def test_rare_characters_are_stored_as_they_are_and_match_only_themselves():
    for rare, common in (("刘䶮", "刘龑"), ("𠅤某", "某某"), ("\U00031350某", "某"), ("\U0002ebf0", "某")):
        assert parse_name(rare) == rare
        assert name_warnings(rare) == []
        assert fold_name(rare) != fold_name(common)


def test_compatibility_ideographs_are_kept_flagged_and_not_folded():
    name = "\uf900某"
    assert parse_name(name) == name
    assert [w.code for w in name_warnings(name)] == ["compatibility-ideograph"]
    assert fold_name(name) != fold_name(unicodedata.normalize("NFC", name))


def test_other_text_is_composed():
    assert parse_name("JOSE\u0301 某") == "JOS\u00c9 某"
    assert fold_name("jose\u0301") == fold_name("JOS\u00c9")


@pytest.mark.parametrize("dot", sorted(DOTS))
def test_every_dot_seen_in_the_wild_is_stored_as_the_lawful_one(dot):
    assert parse_name(f"阿依古丽{dot}买买提") == CANONICAL
    assert parse_name(f" 阿依古丽 {dot} 买买提\u3000") == CANONICAL
    assert fold_name(f"阿依古丽{dot}买买提") == fold_name(CANONICAL)


def test_a_full_stop_after_a_latin_letter_is_an_abbreviation():
    assert parse_name("JOHN F. KENNEDY") == "JOHN F. KENNEDY"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ＪＯＨＮ　ＳＭＩＴＨ", "john smith"),
        ("JEAN-PIERRE O’NEILL", "jean\u2010pierre o'neill"),
        ("VON  BERG", "VON BERG"),
        ("葛\U000e0100某", "葛某"),
        (" 王 小明\t", "王小明"),
    ],
)
def test_spellings_of_one_name_share_a_key(one, other):
    assert fold_name(one) == fold_name(other)


CONTROLS = (
    [chr(c) for c in range(0x20) if chr(c) not in "\t\n\r"]
    + [chr(c) for c in range(0x7F, 0xA0)]
    + list("\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e")
    + list("\u2066\u2067\u2068\u2069\u2028\u2029\ufffd\ufff9\ud800\U000e0041")
)


@pytest.mark.parametrize("character", CONTROLS, ids=lambda c: f"U+{ord(c):04X}")
def test_what_cannot_be_seen_or_reorders_text_is_refused_by_name(character):
    for text in (f"王{character}明", f"{character}王明", f"王明{character}"):
        assert codes(text) == ["control-character"]


@pytest.mark.parametrize("text", ["王\n明", "王\t明", "王\r明"])
def test_line_breaks_and_tabs_inside_a_name_are_refused(text):
    assert codes(text) == ["control-character"]


@pytest.mark.parametrize("text", ["王<明>", "王明?", "王*", "王\\明", "王🙂", "王=明", "--", ". .", "'"])
def test_signs_that_stand_in_no_name_are_refused(text):
    with pytest.raises(Invalid):
        parse_name(text)


@pytest.mark.parametrize("text", ["", "   ", "\u3000"])
def test_an_empty_name_is_refused(text):
    assert codes(text)[0] == "name-length"


def test_length_is_counted_in_code_points_up_to_the_limit():
    assert len(parse_name("𠅤" * MAX_NAME)) == MAX_NAME
    assert codes("𠅤" * (MAX_NAME + 1)) == ["name-length"]
    assert codes("王" * 1_000_000) == ["name-length"]


def test_digits_and_stand_ins_are_flagged():
    assert [w.code for w in name_warnings(parse_name("王2"))] == ["stand-in"]
    assert [w.code for w in name_warnings(parse_name("〓某"))] == ["stand-in"]


@given(st.text(max_size=60))
def test_a_stored_name_is_stable_and_has_the_key_of_what_was_typed(text):
    folded = fold_name(text)
    try:
        name = parse_name(text)
    except Invalid:
        return
    assert parse_name(name) == name
    assert fold_name(name) == folded
    name_warnings(name)


def test_a_key_of_hostile_length_matches_no_name():
    marks = "e" + "\u0301\u0323" * 50_000
    assert len(fold_name(marks)) > 4 * MAX_NAME
