"""Agencies: codes, and which part of a certificate lies outside the filings."""

import datetime as dt

import pytest

from verify.certificate.agency import agency_class, in_scope, parse_agency_code, scope_faults
from verify.certificate.record import Face, Filing, Kind, Level, Occupation
from verify.errors import Invalid

LATHE = Occupation("6-18-01-01", "车工")
CARBON = Occupation("4-09-07-04", "碳排放管理员")
JAN, JUN, DEC = dt.date(2026, 1, 1), dt.date(2026, 6, 30), dt.date(2026, 12, 31)


def filing(
    occupation: Occupation = LATHE,
    levels: tuple[Level, ...] = (Level.FIVE, Level.FOUR),
    work_types: tuple[str, ...] = (),
    from_on: dt.date = JAN,
    to_on: dt.date | None = DEC,
) -> Filing:
    return Filing(f"F-{occupation.code}", "S000032000123", occupation, levels, work_types, from_on, to_on)


def face(
    occupation: Occupation = LATHE,
    level: Level = Level.FIVE,
    work_type: str | None = None,
    issued_on: dt.date = JUN,
) -> Face:
    return Face(Kind.SKILL_LEVEL, "S000032000123", occupation, work_type, level, issued_on)


def test_codes_are_read_with_the_kind_they_issue():
    assert parse_agency_code(" s0000-32-000123 ") == ("S000032000123", Kind.SKILL_LEVEL)
    assert parse_agency_code("１００１２００３") == ("10012003", Kind.QUALIFICATION)
    assert agency_class("S000032000123").zh == "社会培训评价组织"
    assert agency_class("72003018").zh == "行业特有工种职业技能鉴定站"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("S000010000123", "province"),
        ("A000032000123", "agency-class"),
        ("10019003", "station-kind"),
        ("S00003200012", "agency-code"),
        ("", "agency-code"),
        ("S000032000123243000362", "agency-code"),
    ],
)
def test_each_wrong_code_is_refused_precisely(text, code):
    with pytest.raises(Invalid) as error:
        parse_agency_code(text)
    assert [fault.code for fault in error.value.faults] == [code]


@pytest.mark.parametrize("on", [JAN, JUN, DEC])
def test_a_filing_covers_both_of_its_end_days(on):
    assert in_scope([filing()], face(issued_on=on)) is not None
    assert scope_faults([filing()], face(issued_on=on)) == []


def test_an_open_filing_has_no_last_day():
    assert in_scope([filing(to_on=None)], face(issued_on=dt.date(2099, 1, 1))) is not None


@pytest.mark.parametrize(
    ("filings", "asked", "expected", "says"),
    [
        ([], face(), ["occupation-not-filed"], "none"),
        ([filing(CARBON)], face(), ["occupation-not-filed"], "碳排放管理员"),
        ([filing()], face(Occupation("6-18-01-01", "车床工")), ["occupation-name-differs"], "车工"),
        ([filing()], face(level=Level.THREE), ["level-outside-filing"], "Level 5 / Junior Worker"),
        ([filing()], face(issued_on=dt.date(2025, 12, 31)), ["filing-not-yet-in-force"], "2026-01-01"),
        ([filing()], face(issued_on=dt.date(2027, 1, 1)), ["filing-no-longer-in-force"], "2026-12-31"),
        (
            [filing(work_types=("数控车工",))],
            face(work_type="普通车工"),
            ["work-type-outside-filing"],
            "数控车工",
        ),
        ([filing(work_types=("数控车工",))], face(), ["work-type-outside-filing"], "数控车工"),
        ([filing(work_types=("--",))], face(work_type="数控车工"), ["work-type-outside-filing"], "--"),
        (
            [filing(work_types=("数控车工",))],
            face(level=Level.ONE, work_type="普通车工", issued_on=dt.date(2027, 1, 1)),
            ["level-outside-filing", "work-type-outside-filing", "filing-no-longer-in-force"],
            "数控车工",
        ),
        (
            [filing(levels=(Level.FIVE,)), filing(levels=(Level.FOUR,), to_on=JUN)],
            face(level=Level.FOUR, issued_on=DEC),
            ["filing-no-longer-in-force"],
            "2026-06-30",
        ),
    ],
)
def test_the_part_outside_the_filing_has_its_own_code_and_tells_what_is_filed(filings, asked, expected, says):
    faults = scope_faults(filings, asked)
    assert [fault.code for fault in faults] == expected
    assert any(says in fault.detail.en for fault in faults)
    assert all(fault.source for fault in faults)
    assert in_scope(filings, asked) is None


def test_work_types_can_depend_on_the_level():
    filings = [
        filing(CARBON, (Level.FIVE,), ("--",)),
        filing(CARBON, (Level.FOUR, Level.THREE), ("--", "碳排放监测员")),
        filing(CARBON, (Level.THREE,), ("碳排放咨询员",)),
    ]
    assert in_scope(filings, face(CARBON, Level.FIVE)) is filings[0]
    assert in_scope(filings, face(CARBON, Level.FIVE, "碳排放监测员")) is None
    assert in_scope(filings, face(CARBON, Level.FOUR, "碳排放监测员")) is filings[1]
    assert in_scope(filings, face(CARBON, Level.THREE, "碳排放咨询员")) is filings[2]
    assert in_scope(filings, face(CARBON, Level.FOUR, "碳排放咨询员")) is None


def test_the_same_code_under_another_edition_is_another_occupation():
    filings = [filing(Occupation("6-31-01-10", "机电设备维修工"))]
    assert [
        f.code for f in scope_faults(filings, face(Occupation("6-31-01-10", "工业机器人系统运维员")))
    ] == ["occupation-name-differs"]


def test_a_qualification_is_held_against_the_rules_of_its_own_kind():
    asked = Face(Kind.QUALIFICATION, "10012003", LATHE, None, Level.FIVE, JUN)
    assert "职业资格证书" in scope_faults([], asked)[0].source
    assert "职业技能等级证书" in scope_faults([], face())[0].source
