"""Agencies and filings: what the rules do not allow is refused before it reaches the register."""

import datetime as dt
from typing import Any

import msgspec
import pytest

from verify.certificate.record import AgencyState, Kind, Level
from verify.errors import Conflict, Invalid, NotFound
from verify.office.agencies import FilingRequest, agency_reasons
from verify.office.office import Office

SOCIAL = "S000035000123"
EMPLOYER = "Y000035000124"
STATION = "10012003"
LATHE = FilingRequest(
    occupation_code="6-18-01-01",
    occupation_name="车工L",
    levels=("5", "3", "4"),
    from_on=dt.date(2026, 1, 1),
)


def _codes(caught: pytest.ExceptionInfo[Invalid]) -> set[tuple[str, str]]:
    return {(fault.pointer, fault.code) for fault in caught.value.faults}


async def test_the_shape_of_a_code_decides_the_kind(office: Office) -> None:
    assert (await office.agencies.add(SOCIAL, name_zh="甲", actor="t")).kind is Kind.SKILL_LEVEL
    assert (await office.agencies.add(STATION, name_zh="乙", actor="t")).kind is Kind.QUALIFICATION
    with pytest.raises(Invalid) as caught:
        await office.agencies.add(EMPLOYER, kind="qualification", name_zh="丙", actor="t")
    assert _codes(caught) == {("/kind", "kind-not-of-code")}


async def test_everything_wrong_with_an_agency_is_told_at_once(office: Office) -> None:
    with pytest.raises(Invalid) as caught:
        await office.agencies.add("X1", name_zh=" ", contact="a\x00b", actor="t")
    assert {pointer for pointer, _ in _codes(caught)} == {"/code", "/name_zh", "/contact"}


async def test_a_name_that_no_certificate_could_show_is_refused_before_the_first_certificate(
    office: Office,
) -> None:
    with pytest.raises(Invalid) as caught:
        await office.agencies.add(SOCIAL, name_zh="岭南\U00013000中心", name_en="Centre \ue000", actor="t")
    assert _codes(caught) == {("/name_zh", "unprintable"), ("/name_en", "unprintable")}
    assert "U+13000" in caught.value.faults[0].detail.en


async def test_the_same_agency_is_registered_once(office: Office) -> None:
    await office.agencies.add(SOCIAL, name_zh="甲", actor="t")
    with pytest.raises(Conflict):
        await office.agencies.add(SOCIAL.lower(), name_zh="甲", actor="t")


async def test_an_agency_is_suspended_and_reinstated_but_never_comes_back_from_cancellation(
    office: Office,
) -> None:
    await office.agencies.add(SOCIAL, name_zh="甲", actor="t")
    assert (await office.agencies.suspend(SOCIAL, "UNDER_REVIEW", actor="t")).state is AgencyState.SUSPENDED
    assert (await office.agencies.reinstate(SOCIAL, "REVIEW_CLEARED", actor="t")).state is AgencyState.ACTIVE
    await office.agencies.cancel(SOCIAL, "AGENCY_DELISTED", actor="t")
    with pytest.raises(Conflict):
        await office.agencies.reinstate(SOCIAL, "REVIEW_CLEARED", actor="t")
    assert (await office.agencies.find(SOCIAL)).state is AgencyState.CANCELLED


@pytest.mark.parametrize("state", list(AgencyState))
async def test_a_reason_that_is_not_for_agencies_is_refused(office: Office, state: AgencyState) -> None:
    await office.agencies.add(SOCIAL, name_zh="甲", actor="t")
    act = {
        AgencyState.ACTIVE: office.agencies.reinstate,
        AgencyState.SUSPENDED: office.agencies.suspend,
        AgencyState.CANCELLED: office.agencies.cancel,
    }[state]
    assert "ALTERED" not in agency_reasons(state)
    with pytest.raises(Invalid):
        await act(SOCIAL, "ALTERED", actor="t")


async def test_a_filing_is_kept_canonical(office: Office) -> None:
    await office.agencies.add(SOCIAL, name_zh="甲", actor="t")
    made = await office.agencies.add_filing(SOCIAL, LATHE, actor="t")
    assert made.occupation.name == "车工"
    assert made.levels == (Level.FIVE, Level.FOUR, Level.THREE)
    assert await office.agencies.list_filings(SOCIAL) == [made]


@pytest.mark.parametrize(
    ("code", "change", "fault"),
    [
        (SOCIAL, {"levels": ("special",)}, ("/levels/0", "level-not-for-class")),
        (SOCIAL, {"levels": ()}, ("/levels", "levels-missing")),
        (SOCIAL, {"levels": ("9",)}, ("/levels/0", "level")),
        (STATION, {"levels": ("chief",)}, ("/levels/0", "level-without-coding")),
        (SOCIAL, {"occupation_code": "9-99"}, ("/occupation/code", "occupation-code")),
        (SOCIAL, {"to_on": dt.date(2025, 1, 1)}, ("/to_on", "dates")),
        (SOCIAL, {"work_types": ("数控\x07车工",)}, ("/work_types/0", "control-character")),
    ],
)
async def test_a_filing_outside_the_rules_is_refused(
    office: Office, code: str, change: dict[str, Any], fault: tuple[str, str]
) -> None:
    await office.agencies.add(code, name_zh="甲", actor="t")
    with pytest.raises(Invalid) as caught:
        await office.agencies.add_filing(code, msgspec.structs.replace(LATHE, **change), actor="t")
    assert fault[0] in {pointer for pointer, _ in _codes(caught)}
    assert await office.agencies.list_filings(code) == []


async def test_employers_may_file_the_special_grades(office: Office) -> None:
    await office.agencies.add(EMPLOYER, name_zh="甲", actor="t")
    request = msgspec.structs.replace(LATHE, levels=("special", "chief"))
    made = await office.agencies.add_filing(EMPLOYER, request, actor="t")
    assert made.levels == (Level.SPECIAL, Level.CHIEF)


async def test_a_filing_ends_for_its_owner_and_not_before_it_began(office: Office) -> None:
    await office.agencies.add(SOCIAL, name_zh="甲", actor="t")
    made = await office.agencies.add_filing(SOCIAL, LATHE, actor="t")
    with pytest.raises(Invalid):
        await office.agencies.end_filing(made.id, dt.date(2025, 12, 31), actor="t")
    with pytest.raises(NotFound):
        await office.agencies.end_filing(made.id, dt.date(2026, 6, 30), owner=STATION, actor="t")
    assert (await office.agencies.list_filings(SOCIAL))[0].to_on is None
    ended = await office.agencies.end_filing(made.id, dt.date(2026, 6, 30), owner=SOCIAL, actor="t")
    assert await office.agencies.list_filings(SOCIAL) == [ended]


async def test_a_filing_needs_an_agency(office: Office) -> None:
    with pytest.raises(NotFound):
        await office.agencies.add_filing(SOCIAL, LATHE, actor="t")
