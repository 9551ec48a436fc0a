"""Changes of status: who may, when, what stays, and what a stranger learns."""

import asyncio
import datetime as dt

import msgspec
import pytest

from verify.certificate.reason import Move
from verify.certificate.record import Certificate, Status
from verify.certificate.status import effective_status
from verify.errors import Conflict, Forbidden, ForbiddenArrow, Invalid, NotFound, VerifyError
from verify.issuance.issue import Row
from verify.office.audit import audit
from verify.store.reads import read_certificates, read_head, read_history
from world import QUALIFICATION, World

MISSING = "S000044000456263999999"


async def issue(world: World, count: int = 1, batch: str = "2026-11-A") -> list[str]:
    rows = [Row(f"{batch}-{i}", world.request(batch=batch)) for i in range(count)]
    return [one.number for one in await world.issuance.issue_many(world.skill, rows, "test")]  # type: ignore[union-attr]


async def see(world: World, number: str) -> Certificate:
    return (await world.store.read(lambda: read_certificates([number]))).certificates[number]


async def seq(world: World) -> int:
    return (await world.store.read(lambda: read_head(0))).seq


async def test_a_suspension_shows_at_return_and_ends_by_itself(world: World) -> None:
    (number,) = await issue(world)
    until = world.clock() + dt.timedelta(days=3)
    changed = await world.changes.suspend(number, "UNDER_REVIEW", world.agency_caller(), until=until)
    assert (changed.revision, changed.fresh) == (2, True)
    seen = await see(world, number)
    assert (seen.status, seen.reason, seen.until) == (Status.SUSPENDED, "UNDER_REVIEW", until)
    assert effective_status(seen, world.clock.forward(days=3)) is Status.VALID
    # What has lapsed counts as valid: it can be suspended again, not reinstated.
    with pytest.raises(ForbiddenArrow):
        await world.changes.reinstate(number, "REVIEW_CLEARED", world.agency_caller())
    again = await world.changes.suspend(number, "UNDER_REVIEW", world.agency_caller())
    assert again.revision == 3


async def test_the_same_change_again_is_the_same_answer_and_no_second_event(world: World) -> None:
    (number,) = await issue(world)
    caller = world.agency_caller()
    for act, reason in (
        (world.changes.suspend, "UNDER_REVIEW"),
        (world.changes.reinstate, "REVIEW_CLEARED"),
        (world.changes.revoke, "OBTAINED_BY_FRAUD"),
    ):
        first = await act(number, reason, caller)
        before = await seq(world)
        world.clock.forward(hours=1)
        second = await act(number, reason, caller)
        assert (second.revision, first.fresh, second.fresh) == (first.revision, True, False)
        assert await seq(world) == before
    events = await world.store.read(lambda: read_history(number))
    assert [event.kind for event, _ in events] == ["issued", "suspended", "reinstated", "revoked"]
    assert (await audit(world.store, world.data_keys)).findings == ()


async def test_what_the_arrows_do_not_have_is_refused(world: World) -> None:
    (number,) = await issue(world)
    caller = world.agency_caller()
    with pytest.raises(ForbiddenArrow):
        await world.changes.reinstate(number, "REVIEW_CLEARED", caller)
    await world.changes.revoke(number, "ALTERED", caller)
    with pytest.raises(ForbiddenArrow):
        await world.changes.suspend(number, "UNDER_REVIEW", caller)
    with pytest.raises(ForbiddenArrow):
        await world.changes.revoke(number, "FORGED", caller)


async def test_reasons_are_of_the_list_for_the_move_and_for_the_role(world: World) -> None:
    (number,) = await issue(world)
    caller = world.agency_caller()
    for reason in ("BECAUSE", "UNDER_REVIEW", "REPLACED_LOST", ""):
        with pytest.raises(Invalid):
            await world.changes.revoke(number, reason, caller)
    with pytest.raises(Forbidden):
        await world.changes.revoke(number, "RECHECK_FAILED", caller)
    assert (await world.changes.revoke(number, "RECHECK_FAILED", world.operator())).fresh


@pytest.mark.parametrize("hours", [0, -1])
async def test_a_suspension_ends_in_the_future(world: World, hours: int) -> None:
    (number,) = await issue(world)
    until = world.clock() + dt.timedelta(hours=hours)
    with pytest.raises(Invalid):
        await world.changes.suspend(number, "UNDER_REVIEW", world.agency_caller(), until=until)


async def test_another_agencys_number_reads_exactly_like_one_that_does_not_exist(world: World) -> None:
    (number,) = await issue(world)
    stranger = world.agency_caller(QUALIFICATION)
    answers = []
    for asked in (number, MISSING):
        for move, reason in ((Move.SUSPEND, "UNDER_REVIEW"), (Move.REVOKE, "FORGED")):
            with pytest.raises(NotFound) as refused:
                await world.changes.change_many([asked], move, reason, stranger)
            answers.append(told(refused.value).replace(asked, "…"))
    assert len(set(answers)) == 1


def told(error: VerifyError) -> str:
    return f"{error.code} {error.detail} {error.hint} {error.faults}"


async def test_many_change_in_one_commit_or_none(world: World) -> None:
    one, two = await issue(world, 2)
    with pytest.raises(NotFound):
        await world.changes.change_many([one, MISSING], Move.REVOKE, "FORGED", world.agency_caller())
    assert (await see(world, one)).status is Status.VALID
    done = await world.changes.change_many([one, two, one], Move.REVOKE, "FORGED", world.agency_caller())
    assert [changed.number for changed in done] == [one, two]


async def test_a_note_is_kept_sealed_and_never_in_the_ledger(world: World) -> None:
    (number,) = await issue(world)
    await world.changes.revoke(number, "FORGED", world.agency_caller(), note="张三举报")
    events = await world.store.read(lambda: read_history(number))
    assert events[-1][1] is not None
    assert "张三".encode() not in world.path.read_bytes()
    shown = await world.views.history(number, world.agency_caller())
    assert shown[-1].note == "张三举报"


async def test_racing_changes_give_one_winner(world: World) -> None:
    (number,) = await issue(world)
    caller = world.agency_caller()
    answers = await asyncio.gather(
        world.changes.revoke(number, "FORGED", caller),
        world.changes.revoke(number, "ALTERED", caller),
        world.changes.suspend(number, "UNDER_REVIEW", caller),
        return_exceptions=True,
    )
    assert sum(not isinstance(answer, BaseException) for answer in answers) == 1
    assert all(isinstance(answer, ForbiddenArrow) for answer in answers if isinstance(answer, BaseException))
    assert (await see(world, number)).revision == 2


# --- two-person bulk revocation -------------------------------------------------------------------------


async def test_a_batch_is_revoked_when_a_second_person_approves_in_one_commit(world: World) -> None:
    numbers = await issue(world, 5, "B1")
    others = await issue(world, 2, "B2")
    proposal = await world.revocations.propose("FORGED", world.agency_caller(actor="anna"), batch="B1")
    assert list(proposal.numbers) == numbers
    assert (await see(world, numbers[0])).status is Status.VALID
    with pytest.raises(Conflict):
        await world.revocations.approve(proposal.id, world.agency_caller(actor="anna"))
    _, done = await world.revocations.approve(proposal.id, world.agency_caller(actor="bert"))
    assert [changed.number for changed in done] == numbers
    assert {(await see(world, number)).status for number in numbers} == {Status.REVOKED}
    assert {(await see(world, number)).status for number in others} == {Status.VALID}
    before = await seq(world)
    again, done = await world.revocations.approve(proposal.id, world.agency_caller(actor="bert"))
    assert (again.state, done, await seq(world)) == ("carried-out", [], before)
    assert (await audit(world.store, world.data_keys)).findings == ()


async def test_two_keys_of_one_person_are_one_person(world: World) -> None:
    await issue(world, 1, "B1")
    anna = msgspec.structs.replace(world.agency_caller(actor="vk_1"), person="Anna")
    proposal = await world.revocations.propose("FORGED", anna, batch="B1")
    with pytest.raises(Conflict):
        await world.revocations.approve(proposal.id, msgspec.structs.replace(anna, actor="vk_2"))


async def test_what_ended_meanwhile_is_left_as_it_is(world: World) -> None:
    one, two = await issue(world, 2, "B1")
    proposal = await world.revocations.propose(
        "FORGED", world.agency_caller(actor="anna"), numbers=[one, two]
    )
    await world.changes.revoke(one, "ALTERED", world.agency_caller())
    _, done = await world.revocations.approve(proposal.id, world.agency_caller(actor="bert"))
    assert [changed.number for changed in done] == [two]
    assert (await see(world, one)).reason == "ALTERED"


async def test_a_withdrawn_proposal_cannot_be_approved(world: World) -> None:
    (number,) = await issue(world)
    proposal = await world.revocations.propose("FORGED", world.agency_caller(actor="anna"), numbers=[number])
    assert (await world.revocations.withdraw(proposal.id, world.agency_caller())).state == "withdrawn"
    with pytest.raises(Conflict):
        await world.revocations.approve(proposal.id, world.agency_caller(actor="bert"))


async def test_a_proposal_is_the_proposers_agencys_alone(world: World) -> None:
    (number,) = await issue(world)
    proposal = await world.revocations.propose("FORGED", world.agency_caller(actor="anna"), numbers=[number])
    stranger = world.agency_caller(QUALIFICATION)
    for act in (world.revocations.approve, world.revocations.withdraw, world.revocations.find):
        with pytest.raises(NotFound):
            await act(proposal.id, stranger)
    with pytest.raises(NotFound):
        await world.revocations.propose("FORGED", stranger, numbers=[number])
    with pytest.raises(NotFound):
        await world.revocations.propose("FORGED", stranger, batch="2026-11-A")


async def test_the_operator_revokes_a_batch_for_reasons_no_agency_may_use(world: World) -> None:
    numbers = await issue(world, 2, "B1")
    with pytest.raises(Forbidden):
        await world.revocations.propose("BATCH_VIOLATION", world.agency_caller(), batch="B1")
    with pytest.raises(Invalid):
        await world.revocations.propose("BATCH_VIOLATION", world.operator("a"), batch="B1")
    proposal = await world.revocations.propose(
        "BATCH_VIOLATION", world.operator("a"), batch="B1", agency=world.skill
    )
    with pytest.raises(NotFound):  # the operator's proposal is no agency's business
        await world.revocations.approve(proposal.id, world.agency_caller(actor="b"))
    await world.revocations.approve(proposal.id, world.operator("b"))
    assert (await see(world, numbers[1])).reason == "BATCH_VIOLATION"


async def test_a_list_and_a_batch_at_once_or_neither_is_refused(world: World) -> None:
    for given in ({}, {"numbers": [MISSING], "batch": "B1"}):
        with pytest.raises(Invalid):
            await world.revocations.propose("FORGED", world.agency_caller(), **given)  # type: ignore[arg-type]
