"""The arrows of a life: all of them, no others, and the picture that shows them."""

import datetime as dt
from importlib.resources import files
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.certificate.reason import REASONS
from verify.certificate.record import Certificate, Face, Kind, Level, Occupation, Status
from verify.certificate.status import (
    ARROWS,
    LETTERS,
    Move,
    Role,
    Verdict,
    check_change,
    effective_status,
    move,
    verdict_of,
)
from verify.errors import Forbidden, ForbiddenArrow, Invalid

NOW = dt.datetime(2026, 11, 25, 4, 0, tzinfo=dt.UTC)
LATER = NOW + dt.timedelta(days=30)
README = files("verify.certificate").joinpath("README.md").read_text("utf-8")


def certificate(status: Status, until: dt.datetime | None = None) -> Certificate:
    face = Face(
        Kind.SKILL_LEVEL, "S000032000123", Occupation("6-18-01-01", "车工"), None, Level.THREE, NOW.date()
    )
    return Certificate("S000032000123263000001", face, status, 1, 1, NOW, None, until, None, None, b"", ())


def test_the_table_in_the_readme_is_the_table_of_arrows():
    lines = ["| arrow | from | move | to |", "| --- | --- | --- | --- |"]
    lines += [f"| {LETTERS[start, by]} | {start} | {by} | {end} |" for (start, by), end in ARROWS.items()]
    assert "\n".join(lines) in README


def test_the_picture_in_the_readme_shows_every_state_and_every_letter_once():
    picture = README.split("```")[1]
    for status in Status:
        assert picture.count(f"[{status}]") == 1
    outside_boxes = "".join(part.split("]")[-1] for part in picture.split("["))
    letters = [character for character in outside_boxes.replace("v", "") if character.isalpha()]
    assert sorted(letters) == sorted(LETTERS.values())


@pytest.mark.parametrize(("status", "by"), list(product(Status, Move)))
def test_a_move_follows_its_arrow_or_is_forbidden(status, by):
    if (status, by) in ARROWS:
        assert move(status, by) is ARROWS[status, by]
    else:
        with pytest.raises(ForbiddenArrow, match="no arrow"):
            move(status, by)


@given(st.lists(st.sampled_from(Move), max_size=30))
def test_revoked_replaced_and_void_are_for_ever(moves):
    status, ended = Status.PREPARED, None
    for by in moves:
        try:
            status = move(status, by)
        except ForbiddenArrow:
            continue
        assert ended is None
        if status in (Status.REVOKED, Status.REPLACED, Status.VOID):
            ended = status


def test_every_state_can_be_reached():
    reached, grown = {Status.PREPARED}, True
    while grown:
        new = {end for (start, _), end in ARROWS.items() if start in reached} - reached
        reached, grown = reached | new, bool(new)
    assert reached == set(Status)


@pytest.mark.parametrize("status", list(Status))
def test_only_a_suspension_ends_by_itself_and_exactly_at_its_end(status):
    ends = certificate(status, until=LATER)
    assert effective_status(ends, LATER - dt.timedelta(microseconds=1)) is status
    after = Status.VALID if status is Status.SUSPENDED else status
    assert effective_status(ends, LATER) is after
    assert effective_status(certificate(status), LATER) is status


def test_prepared_and_void_are_unknown_to_the_public_and_the_rest_is_named():
    assert {verdict_of(status) for status in (Status.PREPARED, Status.VOID)} == {Verdict.UNKNOWN}
    for status in set(Status) - {Status.PREPARED, Status.VOID}:
        assert verdict_of(status) == status.value


@pytest.mark.parametrize(("by", "reason", "role"), list(product(Move, REASONS, Role)))
def test_a_reason_serves_exactly_its_moves_and_its_roles(by, reason, role):
    known = REASONS[reason]
    if by not in known.moves:
        with pytest.raises(Invalid) as error:
            check_change(by, reason, role, None, NOW)
        assert [fault.pointer for fault in error.value.faults] == ["/reason"]
    elif role not in known.who:
        with pytest.raises(Forbidden):
            check_change(by, reason, role, None, NOW)
    else:
        check_change(by, reason, role, None, NOW)


@pytest.mark.parametrize("by", [Move.SUSPEND, Move.REINSTATE, Move.REVOKE, Move.REPLACE])
@pytest.mark.parametrize("reason", [None, "", "BECAUSE", "forged"])
def test_a_decided_move_needs_a_reason_of_the_list(by, reason):
    with pytest.raises(Invalid, match="accepted: "):
        check_change(by, reason, Role.OPERATOR, None, NOW)


@pytest.mark.parametrize("by", [Move.ISSUE, Move.LAPSE, Move.ABANDON])
def test_what_nobody_decides_needs_no_reason(by):
    check_change(by, None, Role.AGENCY, None, NOW)


@pytest.mark.parametrize(
    ("by", "reason", "until", "code"),
    [
        (Move.SUSPEND, "UNDER_REVIEW", NOW, "until-past"),
        (Move.SUSPEND, "UNDER_REVIEW", LATER.replace(tzinfo=None), "until-zone"),
        (Move.REVOKE, "FORGED", LATER, "until-not-allowed"),
        (Move.REINSTATE, "REVIEW_CLEARED", LATER, "until-not-allowed"),
    ],
)
def test_only_a_suspension_has_an_end_and_it_lies_in_the_future(by, reason, until, code):
    with pytest.raises(Invalid) as error:
        check_change(by, reason, Role.OPERATOR, until, NOW)
    assert [fault.code for fault in error.value.faults] == [code]


def test_a_suspension_with_a_future_end_passes():
    check_change(Move.SUSPEND, "UNDER_REVIEW", Role.AGENCY, LATER, NOW)


def test_both_faults_of_a_change_are_told_at_once():
    with pytest.raises(Invalid) as error:
        check_change(Move.REVOKE, "UNDER_REVIEW", Role.AGENCY, LATER, NOW)
    assert [fault.pointer for fault in error.value.faults] == ["/reason", "/until"]
