"""The request check: good rows pass, and everything wrong is told at once, where and by which clause."""

import base64
import csv
import datetime as dt
import io
import math

import msgspec
import pytest
from certificate_tables import rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verify.certificate.form import COLUMN_POINTERS
from verify.certificate.record import AgencyState, Filing, Level, Occupation
from verify.certificate.request import IssueRequest, check_request, column_of, parse_row
from verify.errors import AgencyBlocked, Invalid, OutOfScope, VerifyError

GOOD = {
    "kind": "skill_level",
    "holder": {"name": "王小明", "id_type": "RESIDENT_ID", "id_number": "992960197006121750"},
    "occupation": {"code": "6-18-01-01", "name": "车工"},
    "work_type": None,
    "level": "3",
    "issued_on": "2026-11-20",
    "results": {"theory": 82, "practical": 91, "review": None},
    "batch": "2026-11-A",
    "blank_serial": None,
    "remark": None,
    "number": None,
}
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(100)).decode()


def request(**changes: object) -> IssueRequest:
    return msgspec.convert({**GOOD, **changes}, IssueRequest)


def faults(error: pytest.ExceptionInfo[VerifyError]) -> set[tuple[str, str]]:
    return {(fault.pointer, fault.code) for fault in error.value.faults}


def test_the_contracts_own_example_is_accepted(school_board, filings, today):
    checked = check_request(
        msgspec.json.decode(msgspec.json.encode(GOOD), type=IssueRequest),
        agency=school_board, filings=filings, today=today,
    )  # fmt: skip
    assert checked.face.level is Level.THREE
    assert checked.face.agency == "S000032000123"
    assert checked.face.issued_on == dt.date(2026, 11, 20)
    assert checked.holder.id_number == "992960197006121750"
    assert checked.person_key.endswith("992960197006121750")
    assert checked.number is None
    assert [w.code for w in checked.warnings] == ["area-unknown"]
    assert checked.batch == checked.face.batch == "2026-11-A"


def test_an_unknown_field_is_not_read():
    with pytest.raises(msgspec.ValidationError, match="nickname"):
        request(nickname="小王")


@pytest.mark.parametrize("row", rows("roster"), ids=lambda row: row["row_id"])
def test_each_row_of_the_sample_roster_passes(row, school_board, filings, today):
    checked = check_request(parse_row(row), agency=school_board, filings=filings, today=today)
    assert checked.holder.name == row["name"]
    assert checked.face.occupation.name == row["occupation_name"]
    assert checked.face.work_type == (row["work_type"] or None)


def test_everything_wrong_is_told_at_once_with_pointer_clause_and_both_languages(
    school_board, filings, today
):
    bad = request(
        kind="qualification",
        holder={"name": "王\u200b明", "id_type": "RESIDENT_ID", "id_number": "992960197006121751"},
        occupation={"code": "6-18", "name": ""},
        work_type="数\x00控",
        level="7",
        issued_on="2026-02-30",
        results={"theory": 59.5, "practical": None, "review": 101},
        batch="x" * 65,
        blank_serial="A\x1b",
        remark="y" * 201,
        number="S0000",
        photo="!!",
    )
    with pytest.raises(Invalid) as error:
        check_request(bad, agency=school_board, filings=filings, today=today)
    assert faults(error) == {
        ("/kind", "kind-not-of-agency"),
        ("/holder/name", "control-character"),
        ("/holder/id_number", "checksum"),
        ("/occupation/code", "occupation-code"),
        ("/occupation/name", "occupation-name"),
        ("/work_type", "control-character"),
        ("/level", "level"),
        ("/issued_on", "date"),
        ("/results/theory", "score-not-passed"),
        ("/results/practical", "score-missing"),
        ("/results/review", "score-range"),
        ("/batch", "too-long"),
        ("/blank_serial", "control-character"),
        ("/remark", "too-long"),
        ("/number", "number-length"),
        ("/photo", "photo"),
    }
    assert all(fault.detail.zh and fault.detail.en for fault in error.value.faults)
    by_pointer = {fault.pointer: fault.source for fault in error.value.faults}
    assert by_pointer["/results/practical"] == "《职业技能等级证书管理办法》第八条"
    assert by_pointer["/number"] == "《职业技能等级证书管理办法》第十三条"
    assert by_pointer["/work_type"] == "《职业技能等级证书管理办法》第十二条"


def test_scope_faults_stand_beside_the_others(school_board, filings, today):
    bad = request(
        kind="qualification",
        occupation={"code": "1-01-01-01", "name": "某职业"},
        holder={**GOOD["holder"], "name": ""},
        batch="x" * 65,
        number="S000032000123253000001",
    )
    with pytest.raises(Invalid) as error:
        check_request(bad, agency=school_board, filings=filings, today=today)
    assert faults(error) == {
        ("/kind", "kind-not-of-agency"),
        ("/holder/name", "name-length"),
        ("/batch", "too-long"),
        ("/number", "number-year-differs"),
        ("/occupation/code", "occupation-not-filed"),
    }


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        (
            {"occupation": {"code": "1-01-01-01", "name": "某职业"}},
            "/occupation/code",
            "occupation-not-filed",
        ),
        (
            {"occupation": {"code": "6-18-01-01", "name": "铣工"}},
            "/occupation/name",
            "occupation-name-differs",
        ),
        ({"issued_on": "2019-12-31"}, "/issued_on", "filing-not-yet-in-force"),
    ],
)
def test_only_outside_the_filing_is_its_own_error(changes, pointer, code, school_board, filings, today):
    with pytest.raises(OutOfScope) as error:
        check_request(request(**changes), agency=school_board, filings=filings, today=today)
    assert faults(error) == {(pointer, code)}
    assert error.value.detail == error.value.faults[0].detail


def test_no_filing_at_all_is_out_of_scope(school_board, today):
    with pytest.raises(OutOfScope):
        check_request(request(), agency=school_board, filings=[], today=today)


@pytest.mark.parametrize("state", [AgencyState.SUSPENDED, AgencyState.CANCELLED])
def test_a_blocked_agency_is_told_before_anything_is_read(state, school_board, filings, today):
    blocked = msgspec.structs.replace(school_board, state=state)
    with pytest.raises(AgencyBlocked, match=state.value):
        check_request(request(level="nonsense"), agency=blocked, filings=filings, today=today)


@pytest.mark.parametrize("level", ["5", "4", "3"])
def test_levels_five_to_three_need_theory_and_practical(level, school_board, filings, today):
    def check(**results: float | None) -> None:
        check_request(
            request(level=level, results=results), agency=school_board, filings=filings, today=today
        )

    check(theory=60, practical=60)
    check(theory=100, practical=100, review=0)
    for bad in (
        {"theory": 60},
        {"practical": 60},
        {},
        {"theory": 59.9, "practical": 60},
        {"theory": 60, "practical": 0},
    ):
        with pytest.raises(Invalid):
            check(**bad)


@pytest.mark.parametrize("level", ["2", "1", "special"])
def test_levels_two_and_above_need_a_review_too(level, employer, filings, today):
    def check(review: float | None) -> None:
        results = {"theory": 80, "practical": 80, "review": review}
        check_request(request(level=level, results=results), agency=employer, filings=filings, today=today)

    check(60)
    for review, code in ((None, "score-missing"), (59.99, "score-not-passed"), (-1, "score-range")):
        with pytest.raises(Invalid) as error:
            check(review)
        assert faults(error) == {("/results/review", code)}


@pytest.mark.parametrize("score", [-0.1, 100.1, math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("part", ["theory", "practical", "review"])
def test_scores_outside_nought_to_a_hundred_are_refused(part, score, school_board, filings, today):
    results = {"theory": 80.0, "practical": 80.0, "review": None, part: score}
    with pytest.raises(Invalid) as error:
        check_request(request(results=results), agency=school_board, filings=filings, today=today)
    assert faults(error) == {(f"/results/{part}", "score-range")}


@pytest.mark.parametrize(
    ("issued_on", "code"),
    [
        ("2026-11-26", "date-in-future"),
        ("2018-12-31", "date-too-early"),
        ("20261120", "date"),
        ("2026-W47-5", "date"),
        ("2026-11-31", "date"),
        ("0000-01-01", "date"),
        ("２０２６-11-20", "date"),
        ("", "date"),
    ],
)
def test_a_date_is_a_real_day_of_the_scheme_not_after_today(issued_on, code, school_board, filings, today):
    with pytest.raises(Invalid) as error:
        check_request(request(issued_on=issued_on), agency=school_board, filings=filings, today=today)
    assert faults(error) == {("/issued_on", code)}


def test_a_certificate_can_be_dated_today(school_board, filings, today):
    check_request(request(issued_on=today.isoformat()), agency=school_board, filings=filings, today=today)


def test_the_kind_may_be_left_out_and_is_then_the_agencys(state_station, school_board, filings, today):
    for agency in (state_station, school_board):
        checked = check_request(request(kind=None), agency=agency, filings=filings, today=today)
        assert checked.face.kind is agency.kind


@pytest.mark.parametrize("level", ["special", "chief"])
def test_only_employers_set_the_grades_above_level_one(level, school_board, state_station, filings, today):
    review = {"theory": 80, "practical": 80, "review": 80}
    for agency, code in ((school_board, "level-not-for-class"), (state_station, "level-not-in-kind")):
        with pytest.raises(Invalid) as error:
            check_request(
                request(kind=None, level=level, results=review), agency=agency, filings=filings, today=today
            )
        assert faults(error) == {("/level", code)}


def test_a_chief_technician_needs_the_provinces_number(employer, filings, today):
    review = {"theory": 80, "practical": 80, "review": 80}
    chief = {"level": "chief", "results": review}
    with pytest.raises(Invalid) as error:
        check_request(request(**chief), agency=employer, filings=filings, today=today)
    assert faults(error) == {("/number", "level-without-coding")}
    brought = check_request(
        request(**chief, number="Y00004400045626Q000001"), agency=employer, filings=filings, today=today
    )
    assert brought.number.text == "Y00004400045626Q000001"
    assert "unverified-part" in {w.code for w in brought.warnings}


@pytest.mark.parametrize(
    ("number", "codes"),
    [
        ("S000032000123263000001", set()),
        (" s000032000123-26-3-000001 ", set()),
        ("S000032000124263000001", {"number-agency-differs"}),
        ("S000032000123253000001", {"number-year-differs"}),
        ("S000032000123264000001", {"number-level-differs"}),
        ("Y000044000456194000001", {"number-agency-differs", "number-year-differs", "number-level-differs"}),
        ("1510012003400127", {"number-kind-differs"}),
        ("RGN32010000124300001", {"unknown-scheme"}),
        ("0912345678901", {"unknown-scheme"}),
    ],
)
def test_a_number_that_is_brought_is_checked_part_by_part(number, codes, school_board, filings, today):
    if not codes:
        checked = check_request(request(number=number), agency=school_board, filings=filings, today=today)
        assert checked.number.serial == 1
        return
    with pytest.raises(Invalid) as error:
        check_request(request(number=number), agency=school_board, filings=filings, today=today)
    assert {code for _, code in faults(error)} == codes


def test_the_edition_on_the_face_is_the_filings(school_board, today):
    old = Occupation("6-31-01-10", "工业机器人系统运维员", "2015")
    filing = Filing("F1", school_board.code, old, (Level.THREE,), (), dt.date(2020, 1, 1), None)
    asked = request(occupation={"code": old.code, "name": old.name + "S"})
    checked = check_request(asked, agency=school_board, filings=[filing], today=today)
    assert checked.face.occupation == old
    assert checked.filing == "F1"


def test_a_photo_is_a_bounded_picture(school_board, filings, today):
    def check(photo: str) -> bytes | None:
        return check_request(request(photo=photo), agency=school_board, filings=filings, today=today).photo

    assert check(PNG).startswith(b"\x89PNG")
    assert check("") is None
    large = base64.b64encode(b"\xff\xd8\xff" + bytes(50 * 1024)).decode()
    for bad, code in (
        (large, "photo-too-large"),
        (large * 3, "photo-too-large"),
        ("R0lGODlh", "photo"),
        ("é", "photo"),
    ):
        with pytest.raises(Invalid) as error:
            check(bad)
        assert faults(error) == {("/photo", code)}


def test_faults_never_repeat_the_document_number(school_board, filings, today):
    secret = "99296019700612175"
    holder = {"name": "王小明", "id_type": "RESIDENT_ID", "id_number": secret + "5"}
    with pytest.raises(Invalid) as error:
        check_request(request(holder=holder), agency=school_board, filings=filings, today=today)
    assert secret not in repr(error.value.faults) + str(error.value)


TEXT = st.none() | st.text(max_size=30)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=TEXT, work_type=TEXT, level=st.text(max_size=9), issued_on=st.text(max_size=12), batch=TEXT, number=TEXT,
    photo=TEXT, name=st.text(max_size=30), id_number=st.text(max_size=30), code=st.text(max_size=12),
    scores=st.tuples(*[st.none() | st.floats()] * 3),
)  # fmt: skip
def test_any_request_is_checked_or_refused_with_faults(
    school_board, filings, today, name, id_number, code, scores, **fields
):
    asked = request(
        **fields,
        holder={"name": name, "id_type": "RESIDENT_ID", "id_number": id_number},
        occupation={"code": code, "name": name},
        results=dict(zip(("theory", "practical", "review"), scores, strict=True)),
    )
    with pytest.raises((Invalid, OutOfScope)) as error:
        check_request(asked, agency=school_board, filings=filings, today=today)
    assert error.value.faults


# --- CSV ------------------------------------------------------------------------------------------------

ROW = {
    "row_id": "R1", "name": "王小明", "id_type": "RESIDENT_ID", "id_number": "992960197006121750",
    "occupation_code": "6-18-01-01", "occupation_name": "车工", "level": "3", "issued_on": "2026-11-20",
    "theory": "82", "practical": "91",
}  # fmt: skip


def test_cells_are_trimmed_and_empty_ones_are_absent():
    row = {column: f"  {cell}\t" for column, cell in ROW.items()} | {
        "work_type": "  ",
        "review": " ",
        "remark": "",
    }
    asked = parse_row(row)
    assert asked == parse_row(ROW)
    assert (asked.work_type, asked.results.review, asked.remark, asked.kind) == (None, None, None, None)
    assert asked.results.theory == 82.0


def test_every_optional_column_reaches_its_field():
    asked = parse_row(
        ROW | {"kind": "skill_level", "batch": "B", "blank_serial": "S1", "number": "N", "remark": "备注",
               "work_type": "数控车工", "review": "70.5", "allow_duplicate": "是"}
    )  # fmt: skip
    assert (asked.kind, asked.batch, asked.blank_serial, asked.number) == ("skill_level", "B", "S1", "N")
    assert (asked.remark, asked.work_type, asked.results.review) == ("备注", "数控车工", 70.5)
    assert asked.allow_duplicate is True


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"theory": "八十"}, "/results/theory", "score"),
        ({"practical": "8_0"}, "/results/practical", "score"),
        ({"review": "٧٠"}, "/results/review", "score"),
        ({"name": " "}, "/holder/name", "missing"),
        ({"level": ""}, "/level", "missing"),
        ({"allow_duplicate": "maybe"}, "/allow_duplicate", "truth"),
        ({"theroy": "1"}, "", "unknown-column"),
    ],
)
def test_a_cell_that_cannot_be_read_is_named(changes, pointer, code):
    with pytest.raises(Invalid) as error:
        parse_row(ROW | changes)
    assert faults(error) == {(pointer, code)}


def test_a_column_with_a_slip_is_told_the_nearest_name():
    with pytest.raises(Invalid, match="theory"):
        parse_row(ROW | {"theroy": "1"})


def test_rows_shorter_and_longer_than_the_header_are_refused():
    short, long = csv.DictReader(io.StringIO("name,level\n王\n王,3,x\n"))
    with pytest.raises(Invalid) as error:
        parse_row(short)
    assert ("/level", "missing") in faults(error)
    with pytest.raises(Invalid) as error:
        parse_row(long)
    assert ("", "surplus-cells") in faults(error)


def test_every_column_is_found_again_from_its_pointer():
    assert all(column_of(pointer) == column for column, pointer in COLUMN_POINTERS.items())
    assert column_of("/holder") is None


def test_the_faults_of_a_bad_row_lead_back_to_its_columns(school_board, filings, today):
    bad = parse_row(ROW | {"id_number": "1", "level": "9", "issued_on": "2030-01-01"})
    with pytest.raises(Invalid) as error:
        check_request(bad, agency=school_board, filings=filings, today=today)
    assert {column_of(fault.pointer) for fault in error.value.faults} == {"id_number", "level", "issued_on"}
