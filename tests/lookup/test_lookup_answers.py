"""What each asker is told, and what nobody is told."""

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loadtest.seed import OCCUPATIONS
from lookup_desk import NOW, Desk, open_desk, read_answer, seeded

from verify.certificate.record import AgencyState, Face
from verify.certificate.status import Move
from verify.errors import Invalid, Unreadable
from verify.lookup.answer import instant
from verify.lookup.scan import Lookup
from verify.store.journal import Origin, from_micros
from verify.store.register import change_agency, find_agency

ONE = seeded(3)
FULL = {"number", "verdict", "revision", "as_of", "message", "certificate", "holder", "copy", "status",
        "replaced_by", "replaces"}  # fmt: skip


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path, 12) as desk:
        yield desk


@pytest.fixture
def lookup(desk: Desk) -> Lookup:
    return desk.lookup()


async def test_a_number_alone_tells_the_face_and_nothing_about_the_holder(lookup: Lookup) -> None:
    for text in (ONE.number, f" {ONE.number[:10]}-{ONE.number[10:].lower()} ", ONE.number):
        (answer,) = (await lookup.by_number(text)).answers
        told = read_answer(answer)
        assert set(told) == {"number", "verdict", "revision", "as_of", "message", "certificate", "status"}
        assert told["certificate"] == {
            "kind": "skill_level",
            "occupation": {
                "code": ONE.face.occupation.code,
                "name": ONE.face.occupation.name,
                "edition": "2022",
            },
            "work_type": None,
            "level": ONE.face.level.value,
            "agency": {"code": ONE.face.agency, "name": {"zh": "示例评价机构04", "en": "Example Agency 04"}},
            "issued_on": "2026-11-20",
        }
        assert (told["verdict"], told["revision"], told["number"]) == ("valid", 1, ONE.number)
        assert told["status"] == {"since": "2026-11-20T04:00:00.000Z", "reason": None, "until": None}
        assert told["as_of"] == "2026-11-21T04:00:00.000Z"


async def test_no_answer_to_any_number_holds_a_name_or_an_id_number(lookup: Lookup) -> None:
    for index in range(12):
        one = seeded(index)
        (answer,) = (await lookup.by_number(one.number)).answers
        assert one.holder.name.encode() not in answer
        assert one.holder.id_number.encode() not in answer
        assert b"holder" not in answer and b"copy" not in answer and b"9****" not in answer


async def test_three_ways_lead_to_the_full_face_from_the_store_and_from_memory_alike(lookup: Lookup) -> None:
    holder = ONE.holder
    for _ in range(2):
        named = await lookup.by_number_and_name(ONE.number, holder.name)
        person = await lookup.by_person(holder.id_type, holder.id_number, holder.name)
        scanned = await lookup.by_scan_code(ONE.scan_code.lower())
        assert named.answers == person.answers == scanned.answers
        told = read_answer(named.answers[0])
        assert set(told) == FULL
        assert told["holder"] == {
            "name": holder.name, "id_type": "RESIDENT_ID",
            "id_number_masked": f"9{'*' * 16}{holder.id_number[-1]}",
        }  # fmt: skip
        assert told["copy"] == {
            "number": 1,
            "current": True,
            "cause": "original",
            "current_number": 1,
            "ended_at": None,
        }
    assert lookup.figures.near >= 3


async def test_the_whole_id_number_is_in_no_answer_and_in_no_cache(lookup: Lookup) -> None:
    for index in range(12):
        one = seeded(index)
        holder = one.holder
        replies = [
            await lookup.by_person(holder.id_type, holder.id_number, holder.name),
            await lookup.by_number_and_name(one.number, holder.name),
            await lookup.by_scan_code(one.scan_code),
            await lookup.by_number(one.number),
        ]
        kept = [repr(entry) for near in (lookup._numbers, lookup._full) for entry in near._entries.values()]
        for text in (*(repr(reply) for reply in replies), *kept):
            assert holder.id_number not in text
            assert holder.id_number[1:-1] not in text


async def test_a_name_is_found_in_any_of_its_spellings(desk: Desk, lookup: Lookup) -> None:
    await desk.reissue(ONE, "阿卜杜·热合曼")
    for spelling in ("阿卜杜·热合曼", "阿卜杜•热合曼", " 阿卜杜．热合曼 "):
        assert (await lookup.by_number_and_name(ONE.number, spelling)).answers


async def test_an_earlier_copy_says_that_it_is_not_the_current_one(desk: Desk, lookup: Lookup) -> None:
    assert read_answer((await lookup.by_scan_code(ONE.scan_code)).answers[0])["copy"]["current"]
    code = await desk.reissue(ONE)
    old = read_answer((await lookup.by_scan_code(ONE.scan_code)).answers[0])
    new = read_answer((await lookup.by_scan_code(code)).answers[0])
    assert (old["copy"]["current"], old["copy"]["number"], old["copy"]["current_number"]) == (False, 1, 2)
    assert old["copy"]["ended_at"] == "2026-11-21T04:00:00.000Z"
    assert (new["copy"]["current"], new["copy"]["cause"]) == (True, "lost")
    assert old["verdict"] == new["verdict"] == "valid"
    named = read_answer((await lookup.by_number_and_name(ONE.number, ONE.holder.name)).answers[0])
    assert named["copy"] == new["copy"]


async def test_a_corrected_name_replaces_the_old_one_at_once(desk: Desk, lookup: Lookup) -> None:
    assert (await lookup.by_number_and_name(ONE.number, ONE.holder.name)).answers
    await desk.reissue(ONE, "林巧云")
    assert (await lookup.by_number_and_name(ONE.number, ONE.holder.name)).answers == ()
    told = read_answer((await lookup.by_number_and_name(ONE.number, "林巧云")).answers[0])
    assert told["holder"]["name"] == "林巧云"
    assert (await lookup.by_person("RESIDENT_ID", ONE.holder.id_number, "林巧云")).answers


async def test_each_change_shows_in_the_next_answer_with_its_reason(desk: Desk, lookup: Lookup) -> None:
    for move, verdict, reason in (
        (Move.SUSPEND, "suspended", "UNDER_REVIEW"),
        (Move.REINSTATE, "valid", "REVIEW_CLEARED"),
        (Move.REVOKE, "revoked", "OBTAINED_BY_FRAUD"),
    ):
        await desk.change(ONE.number, move)
        for reply in (await lookup.by_number(ONE.number), await lookup.by_scan_code(ONE.scan_code)):
            told = read_answer(reply.answers[0])
            assert told["verdict"] == verdict
            assert told["status"]["reason"]["code"] == reason
            assert told["status"]["reason"]["zh"]


async def test_the_copy_of_a_revoked_certificate_is_not_current(desk: Desk, lookup: Lookup) -> None:
    await desk.change(ONE.number, Move.REVOKE)
    told = read_answer((await lookup.by_scan_code(ONE.scan_code)).answers[0])
    assert told["copy"]["current"] is False
    assert told["copy"]["current_number"] == 1


async def test_a_suspension_is_not_shown_past_its_end_even_from_memory(desk: Desk, lookup: Lookup) -> None:
    end = NOW + dt.timedelta(hours=1)
    await desk.change(ONE.number, Move.SUSPEND, end)
    for ask in (lookup.by_number, lambda number: lookup.by_number_and_name(number, ONE.holder.name)):
        desk.clock.at = NOW + dt.timedelta(minutes=1)
        told = read_answer((await ask(ONE.number)).answers[0])
        assert told["verdict"] == "suspended"
        assert told["status"]["until"] == "2026-11-21T05:00:00.000Z"
        desk.clock.at = end - dt.timedelta(microseconds=1)
        assert read_answer((await ask(ONE.number)).answers[0])["verdict"] == "suspended"
        desk.clock.at = end
        told = read_answer((await ask(ONE.number)).answers[0])
        assert told["verdict"] == "valid"
        assert told["status"] == {"since": "2026-11-21T05:00:00.000Z", "reason": None, "until": None}


async def test_a_clock_that_jumps_a_day_changes_no_verdict_without_an_end(desk: Desk, lookup: Lookup) -> None:
    await desk.change(ONE.number, Move.SUSPEND)
    for days in (0, 1, -1, 1):
        desk.clock.at = NOW + dt.timedelta(days=days)
        assert read_answer((await lookup.by_number(ONE.number)).answers[0])["verdict"] == "suspended"
        assert read_answer((await lookup.by_number(seeded(0).number)).answers[0])["verdict"] == "valid"


async def test_an_event_about_an_agency_drops_what_depends_on_it_and_nothing_else(
    desk: Desk, lookup: Lookup
) -> None:
    mine, other = seeded(3), seeded(4)
    for one in (mine, other):
        await lookup.by_number(one.number)
        await lookup.by_scan_code(one.scan_code)
    read = lookup.figures.read
    origin = Origin("operator", NOW)
    await desk.store.write(lambda: change_agency(mine.face.agency, AgencyState.SUSPENDED, "r", origin))
    await lookup.by_number(other.number)
    await lookup.by_scan_code(other.scan_code)
    assert lookup.figures.read == read
    await lookup.by_number(mine.number)
    await lookup.by_scan_code(mine.scan_code)
    assert lookup.figures.read == read + 2
    agency = await desk.store.read(lambda: find_agency(mine.face.agency))
    assert agency is not None
    await lookup.by_number(mine.number)
    assert lookup.figures.read == read + 2


async def test_answers_of_one_person_come_together(desk: Desk, lookup: Lookup) -> None:
    holder = ONE.holder
    (only,) = (await lookup.by_person(holder.id_type, holder.id_number, holder.name)).answers
    assert read_answer(only)["number"] == ONE.number


async def test_what_cannot_be_a_number_a_document_or_a_code_is_refused_before_any_look(
    lookup: Lookup,
) -> None:
    with pytest.raises(Invalid):
        await lookup.by_number("12345")
    with pytest.raises(Invalid) as refused:
        await lookup.by_person("RESIDENT_ID", ONE.holder.id_number[:-1] + "!", "林巧云")
    assert refused.value.faults[0].pointer == "/id_number"
    with pytest.raises(Invalid) as refused:
        await lookup.by_number_and_name(ONE.number, "a\u200bb")
    assert refused.value.faults[0].pointer == "/name"
    with pytest.raises(Unreadable):
        await lookup.by_scan_code("nonsense")
    assert lookup.figures.looks == 0


async def test_a_register_that_hides_revocations_answers_as_if_it_did_not_know(desk: Desk) -> None:
    hiding = desk.lookup(revoked_public=False)
    assert (await hiding.by_number(ONE.number)).answers
    await desk.change(ONE.number, Move.REVOKE)
    unknown = await hiding.by_number(seeded(99).number)
    for _ in range(2):
        assert await hiding.by_number(ONE.number) == unknown
        assert await hiding.by_number_and_name(ONE.number, ONE.holder.name) == unknown
        assert await hiding.by_scan_code(ONE.scan_code) == unknown


@given(st.integers(-(10**15), 10**16))
def test_instants_are_written_as_rfc_3339_in_milliseconds(micros: int) -> None:
    written = from_micros(micros).isoformat(timespec="milliseconds")
    assert instant(micros) == written.replace("+00:00", "Z")


async def test_every_certificate_is_told_with_its_own_face(desk: Desk, lookup: Lookup) -> None:
    for index in range(12):
        face = seeded(index).face
        told = read_answer((await lookup.by_number(seeded(index).number)).answers[0])["certificate"]
        assert (told["agency"]["code"], told["level"], told["occupation"]["code"]) == (
            face.agency, face.level.value, face.occupation.code)  # fmt: skip


def test_the_batch_label_stands_last_in_the_stored_face() -> None:
    face = msgspec.structs.replace(ONE.face, work_type='a","batch":"b')
    stored = msgspec.json.encode(face).decode()
    assert stored[stored.rfind(',"batch":') :] == f',"batch":"{face.batch}"}}'
    assert Face.__struct_fields__[-1] == "batch"


def test_seeded_faces_are_more_than_one() -> None:
    assert len({seeded(index).face.occupation.code for index in range(12)}) > 1
    assert len(OCCUPATIONS) == 4
