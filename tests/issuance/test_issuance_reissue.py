"""Further copies: under the same number, or a new number linked both ways; never two current, never none."""

import asyncio
from typing import Any

import msgspec
import pytest

from verify.certificate.record import AgencyState, CopyState, Status
from verify.errors import (
    AgencyBlocked,
    Conflict,
    Duplicate,
    ForbiddenArrow,
    Invalid,
    KeyReused,
    NotFound,
    OutOfScope,
)
from verify.issuance.issue import Issued
from verify.issuance.reissue import ReissueRequest, Reissues
from verify.office.audit import audit
from verify.proof.token import parse_token
from verify.store.reads import find, read_certificates
from world import MILLER, QUALIFICATION, World, resident_id


def ask(cause: str = "lost", **fields: Any) -> ReissueRequest:
    return msgspec.convert({"cause": cause, **fields}, ReissueRequest)


async def issue(world: World, key: str = "k", **changes: Any) -> Issued:
    return await world.issuance.issue(world.skill, world.request(**changes), key, "test")


async def show(world: World, number: str) -> Any:
    return await world.views.show(number, world.operator())


async def whole(world: World) -> None:
    assert (await audit(world.store, world.data_keys)).findings == ()


@pytest.mark.parametrize("cause", ["lost", "damaged"])
async def test_a_lost_or_damaged_copy_keeps_the_number_and_changes_the_scan_code(
    world: World, cause: str
) -> None:
    first = await issue(world)
    again = await world.reissues.reissue(
        first.number, ask(cause, blank_serial="B-2", remark="补发"), "r", world.agency_caller()
    )
    assert (again.number, again.copy) == (first.number, 2)
    assert again.scan_code != first.scan_code
    view = await show(world, first.number)
    assert [(copy.number, copy.state) for copy in view.copies] == [
        (1, CopyState.REPLACED),
        (2, CopyState.CURRENT),
    ]
    assert (view.copies[1].cause, view.copies[1].blank_serial, view.copies[1].remark) == (
        cause,
        "B-2",
        "补发",
    )
    assert view.revision == 2
    await whole(world)


async def test_the_same_reissue_again_is_the_same_copy_for_ever(world: World) -> None:
    first = await issue(world)
    one = await world.reissues.reissue(first.number, ask(), "r", world.agency_caller())
    two = await world.reissues.reissue(first.number, ask(), "r", world.agency_caller())
    three = await world.reissues.reissue(first.number, ask(), "r3", world.agency_caller())
    assert (one.copy, two.copy, three.copy) == (2, 2, 3)
    await world.changes.revoke(first.number, "FORGED", world.agency_caller())
    late = await world.reissues.reissue(first.number, ask(), "r", world.agency_caller())
    assert (late.copy, late.token) == (2, one.token)
    with pytest.raises(KeyReused):
        await world.reissues.reissue(first.number, ask("damaged"), "r", world.agency_caller())
    with pytest.raises(KeyReused):
        await world.reissues.reissue(first.number, ask(), "k", world.agency_caller())  # the issue's own key


async def test_the_issue_answers_with_its_own_copy_after_a_reissue(world: World) -> None:
    request = world.request()
    first = await world.issuance.issue(world.skill, request, "k", "test")
    await world.reissues.reissue(first.number, ask(), "r", world.agency_caller())
    again = await world.issuance.issue(world.skill, request, "k", "test")
    assert (again.copy, again.token) == (1, first.token)


async def test_racing_reissues_make_copies_one_after_the_other_or_are_refused(world: World) -> None:
    first = await issue(world)
    answers = await asyncio.gather(
        *(world.reissues.reissue(first.number, ask(), f"r{i}", world.agency_caller()) for i in range(6)),
        return_exceptions=True,
    )
    made = [answer.copy for answer in answers if isinstance(answer, Issued)]
    assert made and sorted(made) == list(range(2, 2 + len(made)))
    assert all(isinstance(a, Issued | Conflict) for a in answers)
    view = await show(world, first.number)
    assert [copy.state for copy in view.copies].count(CopyState.CURRENT) == 1
    await whole(world)


CORRECTIONS: list[tuple[dict[str, Any], str]] = [
    ({"holder": {"name": "王小明"}}, "holder.name"),
    ({"holder": {"id_number": resident_id(900)}}, "holder.id_number"),
    ({"holder": {"id_type": "PASSPORT", "id_number": "E12345678"}}, "holder.id_type"),
    ({"occupation": {"code": MILLER.code, "name": MILLER.name}}, "face.occupation.name"),
    ({"work_type": "数控车工"}, "face.work_type"),
    ({"issued_on": "2026-11-19"}, "face.issued_on"),
    ({"batch": "2026-11-B"}, "face.batch"),
    ({"results": {"theory": 99.0}}, "results.theory"),
]


@pytest.mark.parametrize(("changes", "where"), CORRECTIONS, ids=[where for _, where in CORRECTIONS])
async def test_a_correction_inside_the_number_keeps_it_and_shows_the_right_data(
    world: World, changes: dict[str, Any], where: str
) -> None:
    first = await issue(world)
    old = await show(world, first.number)
    again = await world.reissues.reissue(
        first.number, ask("corrected", changes=changes), "r", world.agency_caller()
    )
    assert (again.number, again.copy) == (first.number, 2)
    new = await show(world, first.number)
    before, after = old, new
    for part in where.split("."):
        before, after = getattr(before, part), getattr(after, part)
    assert before != after
    claims = parse_token(again.token).claims
    assert (claims.name, claims.occupation_code) == (new.holder.name, new.face.occupation.code)
    await whole(world)


async def test_a_remark_alone_can_be_put_right(world: World) -> None:
    first = await issue(world, remark="错")
    await world.reissues.reissue(first.number, ask("corrected", remark="对"), "r", world.agency_caller())
    assert (await show(world, first.number)).copies[1].remark == "对"


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"level": "4"}, "S000044000456264000001"),
        ({"issued_on": "2025-11-20"}, "S000044000456253000001"),
    ],
)
async def test_a_wrong_level_or_year_makes_a_new_number_linked_both_ways(
    world: World, changes: dict[str, Any], number: str
) -> None:
    first = await issue(world)
    again = await world.reissues.reissue(
        first.number, ask("corrected", changes=changes), "r", world.agency_caller()
    )
    assert (again.number, again.copy) == (number, 1)
    old, new = await show(world, first.number), await show(world, number)
    assert (old.status, old.replaced_by, old.reason) == (Status.REPLACED, number, "REPLACED_INCORRECT")
    assert (new.status, new.replaces) == (Status.VALID, first.number)
    assert old.copies[0].state is CopyState.RECALLED
    same = await world.reissues.reissue(
        first.number, ask("corrected", changes=changes), "r", world.agency_caller()
    )
    assert (same.number, same.token) == (number, again.token)
    with pytest.raises(ForbiddenArrow):
        await world.reissues.reissue(first.number, ask(), "r2", world.agency_caller())
    await whole(world)


async def test_a_new_number_may_come_from_the_province_and_only_with_a_new_level_or_year(
    world: World,
) -> None:
    first = await issue(world)
    given = "S000044000456264000077"
    for changes in ({"number": given}, {"number": given, "holder": {"name": "王小明"}}):
        with pytest.raises(Invalid):
            await world.reissues.reissue(
                first.number, ask("corrected", changes=changes), "r", world.agency_caller()
            )
    again = await world.reissues.reissue(
        first.number, ask("corrected", changes={"level": "4", "number": given}), "r", world.agency_caller()
    )
    assert again.number == given


async def test_a_corrected_level_that_the_person_already_holds_is_a_duplicate(world: World) -> None:
    request = world.request()
    first = await world.issuance.issue(world.skill, request, "a", "test")
    other = await world.issuance.issue(world.skill, msgspec.structs.replace(request, level="4"), "b", "test")
    with pytest.raises(Duplicate, match=other.number):
        await world.reissues.reissue(
            first.number, ask("corrected", changes={"level": "4"}), "r", world.agency_caller()
        )
    assert (await show(world, first.number)).status is Status.VALID


async def test_a_suspended_certificate_gets_copies_but_no_new_number(world: World) -> None:
    first = await issue(world)
    await world.changes.suspend(first.number, "UNDER_REVIEW", world.agency_caller())
    assert (await world.reissues.reissue(first.number, ask(), "a", world.agency_caller())).copy == 2
    assert (await show(world, first.number)).status is Status.SUSPENDED
    with pytest.raises(ForbiddenArrow):
        await world.reissues.reissue(
            first.number, ask("corrected", changes={"level": "4"}), "b", world.agency_caller()
        )


async def test_what_cannot_be_corrected_is_refused_at_its_place(world: World) -> None:
    first = await issue(world)
    for request, pointer in (
        (ask("stolen"), "/cause"),
        (ask("corrected"), "/changes"),
        (ask("lost", changes={"holder": {"name": "王小明"}}), "/changes"),
        (ask("corrected", changes={"holder": {"id_number": "990001199001010015"}}), "/holder/id_number"),
        (ask("corrected", changes={"results": {"theory": 20.0}}), "/results/theory"),
        (ask("corrected", changes={"issued_on": "2027-01-01"}), "/issued_on"),
        (ask("lost", remark="长" * 201), "/remark"),
    ):
        with pytest.raises(Invalid) as refused:
            await world.reissues.reissue(first.number, request, "r", world.agency_caller())
        assert [fault.pointer for fault in refused.value.faults] == [pointer]
    with pytest.raises(OutOfScope):
        await world.reissues.reissue(
            first.number,
            ask("corrected", changes={"occupation": {"code": "6-18-01-03", "name": "刨插工"}}),
            "r",
            world.agency_caller(),
        )


async def test_another_agencys_certificate_is_not_found_and_no_number_either(world: World) -> None:
    first = await issue(world)
    told = set()
    for number in (first.number, "S000044000456263999999"):
        with pytest.raises(NotFound) as refused:
            await world.reissues.reissue(number, ask(), "r", world.agency_caller(QUALIFICATION))
        told.add(str(refused.value).replace(number, "…"))
    assert len(told) == 1


@pytest.mark.parametrize("end", ["revoke", "block"])
async def test_a_dead_certificate_or_a_blocked_agency_makes_no_copy(world: World, end: str) -> None:
    first = await issue(world)
    if end == "revoke":
        await world.changes.revoke(first.number, "FORGED", world.agency_caller())
        with pytest.raises(ForbiddenArrow):
            await world.reissues.reissue(first.number, ask(), "r", world.agency_caller())
    else:
        await world.set_agency(world.skill, AgencyState.SUSPENDED)
        with pytest.raises(AgencyBlocked):
            await world.reissues.reissue(first.number, ask(), "r", world.agency_caller())
    assert len((await show(world, first.number)).copies) == 1


async def test_a_lost_qualification_certificate_says_so_and_has_a_new_blank(world: World) -> None:
    request = world.request(blank_serial="A001")
    first = await world.issuance.issue(world.qualification, request, "k", "test")
    caller = world.agency_caller(QUALIFICATION)
    for serial in (None, "A001"):
        with pytest.raises(Invalid) as refused:
            await world.reissues.reissue(first.number, ask("lost", blank_serial=serial), "r", caller)
        assert refused.value.faults[0].pointer == "/blank_serial"
    await world.reissues.reissue(first.number, ask("lost", blank_serial="A002"), "r", caller)
    copy = (await show(world, first.number)).copies[1]
    assert (copy.blank_serial, copy.remark) == ("A002", "遗失补发，原流水码A001作废")


async def test_a_reissue_that_a_crash_left_is_finished_by_start_up_with_its_corrections(world: World) -> None:
    first = await issue(world)

    class Crash:
        async def read(self, program: Any, *, snapshot: bool = True) -> Any:
            return await world.store.read(program, snapshot=snapshot)

        async def write(self, program: Any) -> Any:
            await world.store.write(program)
            raise RuntimeError

        async def close(self) -> None: ...

    broken = Reissues(world.new_issuance(Crash()))
    request = ask("corrected", changes={"holder": {"name": "王小明"}})
    with pytest.raises(RuntimeError):
        await broken.reissue(first.number, request, "r", world.agency_caller())
    assert (await show(world, first.number)).holder.name != "王小明"
    with pytest.raises(Conflict):
        await world.reissues.reissue(first.number, ask(), "other", world.agency_caller())
    assert await world.issuance.resume() == 1
    view = await show(world, first.number)
    assert (view.holder.name, view.copy) == ("王小明", 2)
    assert (await world.reissues.reissue(first.number, request, "r", world.agency_caller())).copy == 2
    await whole(world)


async def test_old_data_no_longer_finds_a_corrected_certificate(world: World) -> None:
    first = await issue(world, name="王大明")
    before = (await world.store.read(lambda: read_certificates([first.number]))).certificates
    await world.reissues.reissue(
        first.number, ask("corrected", changes={"holder": {"name": "王小明"}}), "r", world.agency_caller()
    )
    old, new = (world.data_keys.name_tag(first.number, name) for name in ("王大明", "王小明"))
    found = (await world.store.read(lambda: find([], [old, new]))).tags
    assert old not in found and found[new] == (first.number,)
    assert before[first.number].revision == 1
