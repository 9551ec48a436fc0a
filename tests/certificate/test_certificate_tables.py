"""The product's tables against the published ones, row by row."""

import pytest
from certificate_tables import rows

from verify.certificate import coding
from verify.certificate.agency import agency_class
from verify.certificate.level import LEVELS, level_text, needs_review, parse_level
from verify.certificate.number import parse_number
from verify.certificate.occupation import parse_occupation, parse_work_type, print_work_type
from verify.certificate.reason import REASONS, Move, Role, Scope, reason_for_cause, reasons_for
from verify.certificate.record import CopyCause, Kind, Level
from verify.errors import Invalid

GRADES = {
    "LEVEL_5": Level.FIVE,
    "LEVEL_4": Level.FOUR,
    "LEVEL_3": Level.THREE,
    "LEVEL_2": Level.TWO,
    "LEVEL_1": Level.ONE,
    "LEVEL_SPECIAL": Level.SPECIAL,
    "LEVEL_CHIEF": Level.CHIEF,
}


@pytest.mark.parametrize("row", rows("provinces"), ids=lambda row: row["short_zh"])
def test_each_province_has_its_own_code_in_each_scheme(row):
    new = coding.PROVINCES_22[row["gb2260_code"]]
    assert new.words.zh == row["name_zh"]
    assert new.verified is (not row["seen_or_presumed_in_22char_pos6_7"].startswith("unlikely"))
    if row["legacy16_code_pos3_4"]:
        old = coding.AUTHORITIES_16[row["legacy16_code_pos3_4"]]
        assert row["name_zh"].startswith(old.words.zh)
        assert old.verified is row["legacy16_confidence"].startswith("high")


@pytest.mark.parametrize("row", rows("agency_types"), ids=lambda row: row["identifier"])
def test_each_agency_class_has_its_published_name(row):
    code = row["code"].rstrip("?")
    if row["scheme"] == "22char":
        assert agency_class(f"{code}000032000123").zh == row["name_zh"]
        assert coding.AGENCY_CLASSES[code].verified is (row["confidence"] == "high")
    elif row["scheme"] == "16digit":
        assert agency_class(f"1001{code}003").zh == row["name_zh"]
    else:
        assert parse_number(f"RG{code}32010000124300001").agency is None


@pytest.mark.parametrize("row", rows("levels")[:7], ids=lambda row: row["identifier"])
def test_each_level_is_worded_and_coded_as_published(row):
    level = GRADES[row["identifier"]]
    known = LEVELS[level]
    assert known.order == int(row["order_low_to_high"])
    assert level_text(Kind.SKILL_LEVEL, level).zh == row["face_text_2021_notice"]
    assert level_text(Kind.SKILL_LEVEL, level).en == row["suggested_en"]
    assert known.code_22 == {"T?": "T", "?": None}.get(row["code22"], row["code22"])
    assert known.code_16 == (row["code16"] or None)
    assert needs_review(level) is (known.order >= 5)
    if row["name_zh_qualification"]:
        assert level_text(Kind.QUALIFICATION, level).zh == row["name_zh_qualification"]
    else:
        assert known.classes == {"Y"}
        with pytest.raises(Invalid):
            level_text(Kind.QUALIFICATION, level)


def test_every_level_has_its_row():
    assert set(LEVELS) == set(Level)


@pytest.mark.parametrize("text", ["6", "0", "", "三级", "SPECIALS"])
def test_what_is_no_level_is_refused_with_the_list(text):
    with pytest.raises(Invalid, match="accepted: 5, 4, 3, 2, 1, special, chief"):
        parse_level(text)


def test_levels_are_read_in_any_width_and_case():
    assert parse_level(" ３ ") is Level.THREE
    assert parse_level("Special") is Level.SPECIAL


@pytest.mark.parametrize("layout", ["cert_number_22_layout", "cert_number_16_layout"])
def test_positions_of_the_layouts_are_where_the_parser_cuts(layout):
    text = "S000035000123243000362" if layout == "cert_number_22_layout" else "1510012003400127"
    number = parse_number(text)
    cut = {row["identifier"]: text[int(row["pos_from"]) - 1 : int(row["pos_to"])] for row in rows(layout)}
    assert sum(int(row["length"]) for row in rows(layout)) == len(text)
    assert str(number.year).endswith(cut["issue_year"])
    assert number.level == cut["level_code"]
    assert number.serial == int(cut["certificate_serial"])
    if layout == "cert_number_22_layout":
        assert (number.agency_class, number.ministry_code) == (
            cut["agency_class"],
            cut["ministry_agency_code"],
        )
        assert (number.province, number.station) == (cut["province_code"], cut["station_sequence"])
    else:
        parts = (cut["authority_code"], cut["city_code"], cut["agency_kind"], cut["agency_sequence"])
        assert number.agency == "".join(parts)
        assert (number.authority, number.city, number.station_kind) == parts[:3]


@pytest.mark.parametrize("row", rows("occupations_sample"), ids=lambda row: row["code"])
def test_each_occupation_of_the_sample_is_read_with_or_without_its_marks(row):
    plain = parse_occupation(row["code"], row["name_zh"])
    assert (plain.code, plain.name) == (row["code"], row["name_zh"])
    for mark in ("L", "S", "L/S", " S", "（L）", "(L/S)"):
        assert parse_occupation(f" {row['code']} ", row["name_zh"] + mark) == plain
    for work_type in filter(None, row["sub_types_known"].split("|")):
        assert parse_work_type(f" {work_type} ") == work_type


@pytest.mark.parametrize(
    "code", ["", "6-18-01", "9-18-01-01", "0-18-01-01", "6180101", "6-18-01-01-01", "6-18-1-01"]
)
def test_a_malformed_occupation_code_is_refused(code):
    with pytest.raises(Invalid) as error:
        parse_occupation(code, "车工")
    assert [fault.pointer for fault in error.value.faults] == ["/occupation/code"]


def test_both_faults_of_an_occupation_are_told_at_once():
    with pytest.raises(Invalid) as error:
        parse_occupation("6", "L/S")
    assert [fault.pointer for fault in error.value.faults] == ["/occupation/code", "/occupation/name"]


@pytest.mark.parametrize("name", ["车\u200b工", "车" * 51, "车" + " " * 100_000 + "工", "<b>车工</b>"])
def test_a_name_that_no_filing_could_hold_is_refused(name):
    with pytest.raises(Invalid):
        parse_occupation("6-18-01-01", name)


@pytest.mark.parametrize("text", [None, "", "  ", "-", "--", "－－", "——", " -- "])
def test_no_work_type_is_printed_as_two_hyphens(text):
    assert parse_work_type(text) is None
    assert print_work_type(parse_work_type(text)) == "--"
    assert print_work_type("数控车工") == "数控车工"


@pytest.mark.parametrize("row", rows("revocation_reasons"), ids=lambda row: row["code"])
def test_each_reason_is_worded_scoped_and_reserved_as_published(row):
    reason = REASONS[row["code"]]
    assert (reason.words.zh, reason.words.en) == (row["reason_zh"], row["reason_en"])
    by_agency = any(who in row["who_acts"] for who in ("agency", "issuing authority"))
    assert (Role.AGENCY in reason.who) is by_agency
    assert Role.OPERATOR in reason.who
    moves = {
        "INVALID_DECLARED": {Move.REVOKE},
        "RECALLED_VOID": {Move.REVOKE},
        "REVOKED": {Move.REVOKE},
        "BATCH_VOID": {Move.REVOKE},
        "SUSPENDED": {Move.SUSPEND},
        "ACTIVE": {Move.REINSTATE},
        "REJECTED_BEFORE_ISSUE": {Move.ABANDON},
        "AGENCY_BLOCKED": set(),
        "COPY_VOID": set(),
        "BLANK_DESTROYED": set(),
        "COPY_SUPERSEDED": {Move.REPLACE} if row["code"] == "REPLACED_INCORRECT" else set(),
    }
    assert reason.moves == moves[row["effect_identifier"]]
    scopes = {
        "certificate": Scope.CERTIFICATE,
        "paper copy": Scope.COPY,
        "blank": Scope.BLANK,
        "agency": Scope.AGENCY,
    }
    assert reason.scope is scopes.get(row["scope"].split(" +")[0], Scope.BATCH)
    assert "《" in reason.source or "product rule" in reason.source


def test_there_are_no_reasons_beside_the_list():
    assert set(REASONS) == {row["code"] for row in rows("revocation_reasons")}


def test_every_decided_move_has_a_reason_for_the_operator():
    for move in (Move.SUSPEND, Move.REINSTATE, Move.REVOKE, Move.REPLACE):
        assert reasons_for(move, Role.OPERATOR)


def test_every_cause_of_a_new_copy_but_the_first_has_its_reason():
    assert reason_for_cause(CopyCause.ORIGINAL) is None
    assert {reason_for_cause(cause).code for cause in set(CopyCause) - {CopyCause.ORIGINAL}} == {
        "REPLACED_LOST",
        "REPLACED_DAMAGED",
        "REPLACED_INCORRECT",
    }
