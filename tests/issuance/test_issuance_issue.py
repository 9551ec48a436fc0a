"""Issuing one and many: numbered, signed, public, once; and everything that is refused leaves no trace."""

import asyncio
import datetime as dt
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verify.certificate.record import AgencyState, Status
from verify.certificate.request import IssueRequest
from verify.errors import (
    AgencyBlocked,
    BadKey,
    Conflict,
    Duplicate,
    Invalid,
    KeyReused,
    NotFound,
    OutOfScope,
    VerifyError,
)
from verify.issuance.issue import CHUNK, Issued, Row
from verify.office.audit import audit
from verify.proof.credential import parse_credential, verify_jws
from verify.proof.token import verify_token
from verify.store.reads import read_certificates, read_head, read_history
from verify.store.register import end_filing
from world import LATHE, TRAINER, World, resident_id


async def issue(world: World, key: str = "k", **changes: Any) -> Issued:
    return await world.issuance.issue(world.skill, world.request(**changes), key, "test")


async def seq(world: World) -> int:
    return (await world.store.read(lambda: read_head(0))).seq


async def status(world: World, number: str) -> Status | None:
    found = (await world.store.read(lambda: read_certificates([number]))).certificates.get(number)
    return found and found.status


async def test_an_issued_certificate_is_public_signed_and_in_the_ledger_when_the_call_returns(
    world: World,
) -> None:
    request = world.request()
    issued = await world.issuance.issue(world.skill, request, "k", "vk_1")
    assert issued.number == "S000044000456263000001"
    assert (issued.copy, issued.already) == (1, False)
    assert await status(world, issued.number) is Status.VALID
    key = await world.token_key(world.skill)
    claims = verify_token(issued.token, {key.kid: key})
    assert (claims.number, claims.name, claims.scan_code) == (
        issued.number,
        request.holder.name,
        issued.scan_code,
    )
    assert claims.id_tail == request.holder.id_number[-4:]
    credential = parse_credential(verify_jws(issued.credential, {key.kid: key}))
    assert request.holder.id_number not in issued.credential
    assert credential.credential_subject.certificate.number == issued.number
    events = await world.store.read(lambda: read_history(issued.number))
    assert [(event.kind, event.actor) for event, _ in events] == [("issued", "vk_1")]
    assert events[0][0].request  # the keyed digest of the request


async def test_the_same_key_and_body_give_the_same_answer_for_ever(world: World) -> None:
    request = world.request()
    first = await world.issuance.issue(world.skill, request, "k", "a")
    before = await seq(world)
    world.clock.forward(days=400)
    await world.rotate_key(world.skill)
    await world.set_agency(world.skill, AgencyState.CANCELLED)
    again = await world.issuance.issue(world.skill, request, "k", "b")
    assert again == msgspec.structs.replace(first, already=True)
    assert await seq(world) == before + 4  # the rotation and the cancelled agency, nothing of the repeat


async def test_the_same_key_with_another_body_is_refused_without_effect(world: World) -> None:
    first = await issue(world)
    before = await seq(world)
    with pytest.raises(KeyReused):
        await issue(world)
    assert await seq(world) == before
    assert (await issue(world, "other")).number > first.number


async def test_a_key_of_one_agency_says_nothing_about_another_agency(world: World) -> None:
    await issue(world)
    request = world.request()
    other = await world.issuance.issue(world.qualification, request, "k", "test")
    assert other.number == "2610012003300001"


async def test_the_same_person_and_certificate_in_one_batch_is_refused_naming_the_number(
    world: World,
) -> None:
    request = world.request()
    first = await world.issuance.issue(world.skill, request, "a", "test")
    with pytest.raises(Duplicate, match=first.number):
        await world.issuance.issue(world.skill, request, "b", "test")
    meant = msgspec.structs.replace(request, allow_duplicate=True)
    second = await world.issuance.issue(world.skill, meant, "b", "test")
    assert second.number == "S000044000456263000002"
    other_batch = msgspec.structs.replace(request, batch="2026-12-A")
    assert (await world.issuance.issue(world.skill, other_batch, "c", "test")).number > second.number


async def test_the_same_person_under_a_15_digit_number_is_the_same_person(world: World) -> None:
    long = resident_id(7)
    await issue(world, "a", id_number=long)
    short = long[:6] + long[8:17]
    with pytest.raises(Duplicate):
        await issue(world, "b", id_number=short)


async def test_sixty_four_callers_at_once_share_two_commits_and_get_their_own_numbers(world: World) -> None:
    before = await seq(world)
    counting = Counting(world)
    calls = (
        counting.desk.issue(world.skill, world.request(batch=f"B{i % 3}"), f"k{i}", "test") for i in range(64)
    )
    answers = await asyncio.gather(*calls)
    assert len({issued.number for issued in answers}) == 64
    assert counting.writes == 2
    assert await seq(world) == before + 65  # one numbers-taken, 64 issued
    await whole(world)


class Counting:
    """An issuing desk whose writes are counted."""

    def __init__(self, world: World) -> None:
        self.writes = 0
        self._store = world.store
        self.desk = world.new_issuance(self)

    async def read(self, program: Any, *, snapshot: bool = True) -> Any:
        return await self._store.read(program, snapshot=snapshot)

    async def write(self, program: Any) -> Any:
        self.writes += 1
        return await self._store.write(program)

    async def close(self) -> None:
        await self._store.close()


async def test_sixty_four_callers_with_the_same_key_get_one_certificate(world: World) -> None:
    request = world.request()
    answers = await asyncio.gather(
        *(world.issuance.issue(world.skill, request, "k", f"actor-{i % 4}") for i in range(64))
    )
    assert {(issued.number, issued.token) for issued in answers} == {(answers[0].number, answers[0].token)}
    assert answers[0].number == "S000044000456263000001"
    await whole(world)


async def test_a_refused_row_stops_no_other_and_leaves_no_trace(world: World) -> None:
    good, bad = world.request(), world.request(level="9")
    rows = [Row("1", good), Row("2", bad), Row("3", world.request()), Row("1", good), Row("3", bad)]
    one, two, three, again, reused = await world.issuance.issue_many(world.skill, rows, "test")
    assert isinstance(one, Issued) and isinstance(three, Issued)
    assert isinstance(two, Invalid) and isinstance(reused, (Invalid, KeyReused))
    assert isinstance(again, Issued) and again.number == one.number
    assert three.number == "S000044000456263000002"
    await whole(world)


async def test_a_row_that_repeats_a_person_in_the_same_call_spends_no_number(world: World) -> None:
    request = world.request()
    rows = [Row("1", request), Row("2", request), Row("3", world.request())]
    one, two, three = await world.issuance.issue_many(world.skill, rows, "test")
    assert isinstance(one, Issued) and isinstance(two, Duplicate) and isinstance(three, Issued)
    assert one.number in str(two)
    assert int(three.number[-6:]) == 2


async def test_more_rows_than_a_chunk_are_numbered_in_order(world: World) -> None:
    rows = [Row(f"k{i}", world.request()) for i in range(CHUNK + 20)]
    answers = await world.issuance.issue_many(world.skill, rows, "test")
    numbers = [answer.number for answer in answers if isinstance(answer, Issued)]
    assert numbers == [f"S000044000456263{serial:06d}" for serial in range(1, CHUNK + 21)]


TRAINED = {"occupation": TRAINER, "work_type": "数据标注员"}

REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("a level that is none", {"level": "6"}, "/level", "level"),
    ("a level outside the filing", TRAINED | {"level": "3"}, "/level", "level-outside-filing"),
    ("a work type outside the filing", {"occupation": TRAINER, "level": "4"}, "/work_type", "work-type-outside-filing"),
    ("a date that does not exist", {"issued_on": "2026-02-30"}, "/issued_on", "date"),
    ("a date tomorrow", {"issued_on": "2026-11-22"}, "/issued_on", "date-in-future"),
    ("a date before the rule", {"issued_on": "2018-12-31"}, "/issued_on", "date-too-early"),
    ("a score that is missing", {"theory": None}, "/results/theory", "score-missing"),
    ("a review that is missing", {"level": "2"}, "/results/review", "score-missing"),
    ("a score below the pass mark", {"practical": 59.5}, "/results/practical", "score-not-passed"),
    ("a score above 100", {"practical": 101.0}, "/results/practical", "score-range"),
    ("a checksum off by one", {"id_number": "990001199001010015"}, "/holder/id_number", "checksum"),
    ("an ID number too short", {"id_number": "99000119900101"}, "/holder/id_number", "id-number"),
    ("an ID type that is none", {"id_type": "ID_CARD"}, "/holder/id_type", "id-type"),
    ("an empty name", {"name": " "}, "/holder/name", "name-length"),
    ("a zero-width name", {"name": "张\u200b三"}, "/holder/name", "control-character"),
    ("an occupation not filed", {"occupation": ("6-18-01-03", "刨插工")}, "/occupation/code", "occupation-not-filed"),
    ("an occupation under another name", {"occupation": (LATHE.code, "车床工")}, "/occupation/name", "occupation-name-differs"),
    ("the other kind", {"kind": "qualification"}, "/kind", "kind-not-of-agency"),
    ("a number of another year", {"number": "S000044000456253000009"}, "/number", ""),
    ("a number of another level", {"number": "S000044000456264000009"}, "/number", ""),
    ("a number of another agency", {"number": "S000044000457263000009"}, "/number", ""),
    ("a number of the other kind", {"number": "2610012003300001"}, "/number", ""),
    ("a number with serial 0", {"number": "S000044000456263000000"}, "/number", ""),
    ("a number one too short", {"number": "S00004400045626300001"}, "/number", ""),
    ("a number one too long", {"number": "S0000440004562630000012"}, "/number", ""),
    ("a number without letter", {"number": "1000044000456263000001"}, "/number", ""),
    ("a number of an unknown class", {"number": "X000044000456263000001"}, "/number", ""),
    ("a number of 20 characters", {"number": "RGN44010000126300001"}, "/number", ""),
    ("an old Shanghai number", {"number": "1234567890123"}, "/number", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "pointer", "code"), [row[1:] for row in REFUSED], ids=[r[0] for r in REFUSED]
)
async def test_what_is_not_right_is_refused_at_its_place_without_a_trace(
    world: World, changes: dict[str, Any], pointer: str, code: str
) -> None:
    if occupation := changes.pop("occupation", None):
        pair = occupation if isinstance(occupation, tuple) else (occupation.code, occupation.name)
        changes = changes | {"occupation": msgspec.convert({"code": pair[0], "name": pair[1]}, _occupation())}
    before = await seq(world)
    with pytest.raises((Invalid, OutOfScope)) as refused:
        await issue(world, **changes)
    faults = [fault for fault in refused.value.faults if fault.pointer == pointer]
    assert faults and (not code or faults[0].code == code), refused.value.faults
    assert faults[0].detail.zh and faults[0].detail.en
    assert await seq(world) == before


def _occupation() -> Any:
    return IssueRequest.__annotations__["occupation"]


async def test_a_filing_counts_from_its_first_to_its_last_day(world: World) -> None:
    await world.add_filing(
        world.skill, msgspec.structs.replace(LATHE, code="6-18-01-07", name="多工序数控机床操作调整工"),
        id="f", from_on=dt.date(2026, 11, 10), to_on=dt.date(2026, 11, 15),
    )  # fmt: skip
    occupation = msgspec.convert({"code": "6-18-01-07", "name": "多工序数控机床操作调整工"}, _occupation())
    for key, day, code in (
        ("a", "2026-11-09", "filing-not-yet-in-force"),
        ("b", "2026-11-10", None),
        ("c", "2026-11-15", None),
        ("d", "2026-11-16", "filing-no-longer-in-force"),
    ):
        if code is None:
            assert (await issue(world, key, occupation=occupation, issued_on=day)).number
        else:
            with pytest.raises(OutOfScope) as refused:
                await issue(world, key, occupation=occupation, issued_on=day)
            assert refused.value.faults[0].code == code


async def test_today_is_the_day_in_china(world: World) -> None:
    world.clock.at = dt.datetime(2026, 11, 21, 15, 59, tzinfo=dt.UTC)
    with pytest.raises(Invalid):
        await issue(world, "a", issued_on="2026-11-22")
    world.clock.forward(minutes=1)
    assert await issue(world, "a", issued_on="2026-11-22")


async def test_a_number_from_the_province_is_kept_and_the_counter_goes_past_it(world: World) -> None:
    brought = await issue(world, "a", number="s0000 44000456-26-3-000041")
    assert brought.number == "S000044000456263000041"
    assert (await issue(world, "b")).number == "S000044000456263000042"
    with pytest.raises(Conflict) as taken:
        await issue(world, "c", number=brought.number)
    assert taken.value.faults[0].code == "number-taken"


async def test_the_same_key_twice_in_a_call_with_a_brought_number_is_one_certificate(world: World) -> None:
    request = world.request(number="S000044000456263000041")
    one, two = await world.issuance.issue_many(world.skill, [Row("k", request)] * 2, "test")
    assert isinstance(one, Issued) and isinstance(two, Issued)
    assert one.number == two.number == "S000044000456263000041"


async def test_serials_end_and_are_not_used_again(world: World) -> None:
    await issue(world, "a", number="S000044000456263999999")
    with pytest.raises(Conflict) as spent:
        await issue(world, "b")
    assert spent.value.faults[0].code == "numbers-spent"
    assert (await issue(world, "c", level="4")).number == "S000044000456264000001"


@pytest.mark.parametrize("state", [AgencyState.SUSPENDED, AgencyState.CANCELLED])
async def test_a_blocked_agency_issues_nothing_and_its_certificates_stand(
    world: World, state: AgencyState
) -> None:
    issued = await issue(world, "a")
    await world.set_agency(world.skill, state)
    with pytest.raises(AgencyBlocked):
        await issue(world, "b")
    assert await status(world, issued.number) is Status.VALID


async def test_an_agency_that_nobody_registered_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        await world.issuance.issue("S000044000999", world.request(), "k", "test")


async def test_an_agency_without_a_key_is_told_so(world: World) -> None:
    await world.compromise_key(world.skill)
    with pytest.raises(BadKey):
        await issue(world)


@pytest.mark.parametrize("key", ["", "a b", "键", "x" * 256, "a\n"])
async def test_an_idempotency_key_is_visible_ascii(world: World, key: str) -> None:
    with pytest.raises(Invalid):
        await issue(world, key)


class Meanwhile:
    """A store that lets something happen after the first write, between prepare and complete."""

    def __init__(self, world: World, event: Any) -> None:
        self._store, self._event = world.store, event

    async def read(self, program: Any, *, snapshot: bool = True) -> Any:
        return await self._store.read(program, snapshot=snapshot)

    async def write(self, program: Any) -> Any:
        event, self._event = self._event, None
        result = await self._store.write(program)
        if event is not None:
            await event()
        return result

    async def close(self) -> None:
        await self._store.close()


async def test_an_agency_suspended_while_its_certificate_is_signed_gets_none_and_may_ask_again(
    world: World,
) -> None:
    store = Meanwhile(world, lambda: world.set_agency(world.skill, AgencyState.SUSPENDED))
    request = world.request()
    with pytest.raises(AgencyBlocked):
        await world.new_issuance(store).issue(world.skill, request, "k", "test")
    assert await status(world, "S000044000456263000001") is None
    await world.set_agency(world.skill, AgencyState.ACTIVE, "REVIEW_CLEARED")
    issued = await world.issuance.issue(world.skill, request, "k", "test")
    assert issued.number == "S000044000456263000002"  # a spent number is not given back
    assert (await world.issuance.issue(world.skill, request, "k", "test")).number == issued.number
    await whole(world)


async def test_a_key_compromised_while_it_signs_makes_nothing_public(world: World) -> None:
    store = Meanwhile(world, lambda: world.compromise_key(world.skill))
    with pytest.raises(BadKey):
        await world.new_issuance(store).issue(world.skill, world.request(), "k", "test")
    assert await world.issuance.resume() == 0
    assert await status(world, "S000044000456263000001") is None


async def test_a_rotation_takes_effect_with_the_next_certificate(world: World) -> None:
    first = await issue(world, "a")
    world.clock.forward(minutes=1)
    fresh = await world.rotate_key(world.skill)
    second = await issue(world, "b")
    assert verify_token(second.token, {fresh.kid: fresh}).number == second.number
    assert first.token[7:11].hex() != fresh.kid
    await whole(world)


async def test_a_copy_recorded_for_a_key_that_was_replaced_is_given_up_and_asked_for_anew(
    world: World,
) -> None:
    async def crash() -> None:
        raise RuntimeError

    request = world.request()
    with pytest.raises(RuntimeError):
        await world.new_issuance(Meanwhile(world, crash)).issue(world.skill, request, "k", "test")
    world.clock.forward(minutes=1)
    await world.rotate_key(world.skill)
    with pytest.raises(BadKey):
        await world.issuance.issue(world.skill, request, "k", "test")
    issued = await world.issuance.issue(world.skill, request, "k", "test")
    assert issued.number == "S000044000456263000002"
    assert await status(world, "S000044000456263000001") is None
    await whole(world)


async def test_a_filing_that_ended_afterwards_keeps_its_certificates_answers(world: World) -> None:
    request = world.request()
    issued = await world.issuance.issue(world.skill, request, "k", "test")
    filing = f"{world.skill}-{LATHE.code}"
    await world.store.write(lambda: end_filing(filing, dt.date(2026, 1, 1), world.origin()))
    assert (await world.issuance.issue(world.skill, request, "k", "test")).number == issued.number
    with pytest.raises(OutOfScope):
        await issue(world, "other")


steps = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans()), min_size=1, max_size=25)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
async def test_any_order_of_retries_gives_one_certificate_for_each_key(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, int, bool]]
) -> None:
    """Keys and bodies are drawn; a model says what each answer must be, whatever process asks."""
    async with World.open(tmp_path_factory.mktemp("world")) as world:
        bodies = [world.request() for _ in range(4)]
        desks = (world.issuance, world.new_issuance())
        by_key: dict[int, tuple[int, str]] = {}
        by_body: dict[int, str] = {}
        for key, body, other_desk in steps:
            answer: Issued | VerifyError
            try:
                answer = await desks[other_desk].issue(world.skill, bodies[body], f"k{key}", "test")
            except VerifyError as error:
                answer = error
            if key in by_key:
                if by_key[key][0] == body:
                    assert isinstance(answer, Issued) and answer.number == by_key[key][1]
                else:
                    assert isinstance(answer, KeyReused)
            elif body in by_body:
                assert isinstance(answer, Duplicate) and by_body[body] in str(answer)
            else:
                assert isinstance(answer, Issued)
                by_key[key], by_body[body] = (body, answer.number), answer.number
        assert sorted(by_body.values()) == [f"S000044000456263{n + 1:06d}" for n in range(len(by_body))]
        await whole(world)


async def whole(world: World) -> None:
    report = await audit(world.store, world.data_keys)
    assert report.findings == ()
