"""The desk on both engines: what is told lies sealed, reaches the right queue, is answered once, and ends."""

import contextlib
import datetime as dt
import io
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from store_engines import Engine

from verify.cases import desk as desk_module
from verify.cases.desk import Desk, DeskFull
from verify.cases.imitations import Imitations, parse_domain, readable
from verify.cases.matters import CLOSED_AFTER, KEPT_AFTER_CLOSING, MATTERS, OUTCOMES, due_after
from verify.cases.queue import PAGE, Queue
from verify.cases.receipt import LENGTH, new_receipt, parse_receipt, print_receipt
from verify.cases.told import Answer, HolderObjectionRequest, ObjectionRequest, ReportRequest
from verify.certificate.scan_code import ALPHABET
from verify.documents.evidence import EVIDENCE_MAX_BYTES, EVIDENCE_SIDE, redraw_evidence
from verify.errors import Conflict, Forbidden, Invalid, NotFound
from verify.store.cases import ARROWS, CaseKind, CaseMove, CaseState
from verify.store.contract import Program, Store
from world import QUALIFICATION, SKILL, World, resident_id

SECRET = resident_id(77)
"""Planted in every text."""
UTC = dt.UTC


def desk(world: World) -> Desk:
    world.clock.forward(microseconds=1)  # cases of one instant have no order
    return Desk(world.store, data_keys=world.data_keys, now=world.clock)


def queue(world: World) -> Queue:
    return Queue(world.store, data_keys=world.data_keys, now=world.clock)


def picture(mode: str = "RGB", size: tuple[int, int] = (60, 40), kind: str = "PNG", **more: Any) -> bytes:
    out = io.BytesIO()
    Image.effect_noise(size, 90).convert(mode).save(out, kind, **more)
    return out.getvalue()


# --- receipts -------------------------------------------------------------------------------------------

BYTES = st.binary(min_size=12, max_size=12)


@given(BYTES, st.integers(0, LENGTH - 1), st.sampled_from(ALPHABET))
def test_a_receipt_is_read_back_however_it_is_typed_and_one_wrong_character_is_noticed(
    random: bytes, place: int, other: str
) -> None:
    receipt = new_receipt(lambda size: random[:size])
    printed = print_receipt(receipt)
    assert len(printed) == LENGTH + 4
    for typed in (printed, printed.lower(), f" {receipt} ", printed.replace("0", "O").replace("1", "l")):
        assert parse_receipt(typed) == receipt
    wrong = receipt[:place] + other + receipt[place + 1 :]
    assert (parse_receipt(wrong) is None) == (wrong != receipt)


@given(BYTES, st.integers(0, LENGTH - 1), st.integers(0, LENGTH - 1))
def test_an_exchange_of_two_characters_is_noticed(random: bytes, a: int, b: int) -> None:
    receipt = new_receipt(lambda size: random[:size])
    swapped = list(receipt)
    swapped[a], swapped[b] = swapped[b], swapped[a]
    text = "".join(swapped)
    assert (parse_receipt(text) is None) == (text != receipt)


@given(st.text(max_size=300))
def test_no_text_breaks_the_reader_of_receipts(text: str) -> None:
    found = parse_receipt(text)
    assert found is None or len(found) == LENGTH


def test_a_receipt_holds_95_random_bits() -> None:
    seen = {new_receipt(lambda size, bit=bit: (1 << bit + 1).to_bytes(12, "big")) for bit in range(95)}
    assert len(seen) == 95


# --- telling --------------------------------------------------------------------------------------------


async def test_what_is_told_lies_sealed_and_the_receipt_shows_none_of_it(
    world: World, engine: Engine
) -> None:
    kept = redraw_evidence(picture())
    given_report = ReportRequest(
        "fake-certificate", f"持证人 {SECRET}", f"http://x.example/?id={SECRET}", SECRET
    )
    report = await desk(world).report(given_report, kept)
    objection = await desk(world).objection(
        ObjectionRequest("missing", SECRET, "", "王小明", "RESIDENT_ID", SECRET)
    )
    rows = repr(await engine.dump())
    for text in (SECRET, "王小明", "持证人", report.receipt, objection.receipt):
        assert text not in rows
        assert text.encode().hex() not in rows and repr(text.encode())[2:-1] not in rows
    seen = await desk(world).follow(report.receipt)
    assert SECRET not in repr(seen) and (seen.state, seen.answer, seen.due_at) == ("received", None, None)
    whole = await queue(world).show(report.case.id, world.operator())
    assert (whole.told.words, whole.told.code, whole.pictured) == (f"持证人 {SECRET}", SECRET, True)
    assert await queue(world).picture(report.case.id, world.operator()) == kept
    told = (await queue(world).show(objection.case.id, world.operator())).told
    assert (told.name, told.id_number, told.id_type) == ("王小明", SECRET, "RESIDENT_ID")


async def test_every_receipt_that_leads_nowhere_is_not_found(world: World) -> None:
    opened = await desk(world).report(ReportRequest("other", "x"))
    wrong = ("1" if opened.receipt[0] != "1" else "2") + opened.receipt[1:]
    unknown = new_receipt(lambda size: bytes(size))
    for text in (wrong, unknown, "", "x" * 5000, "\0", "💥", opened.case.id):
        with pytest.raises(NotFound):
            await desk(world).follow(text)


class Counted:
    """A store that notes the statements it was sent."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.sent: list[str] = []

    async def read(self, program: Callable[[], Program[Any]], *, snapshot: bool = True) -> Any:
        def noted() -> Program[Any]:
            steps = program()
            try:
                step = next(steps)
                while True:
                    self.sent.append(step.name)
                    step = steps.send((yield step))
            except StopIteration as end:
                return end.value

        return await self._store.read(noted, snapshot=snapshot)

    async def write(self, program: Callable[[], Program[Any]]) -> Any:
        return await self._store.write(program)

    async def close(self) -> None:
        await self._store.close()


async def test_an_unknown_receipt_and_a_malformed_one_cost_what_a_known_one_costs(world: World) -> None:
    opened = await desk(world).report(ReportRequest("other", "x"))
    sent = []
    for text in (opened.receipt, new_receipt(lambda size: bytes(size)), "no receipt at all", ""):
        counted = Counted(world.store)
        with contextlib.suppress(NotFound):
            await Desk(counted, data_keys=world.data_keys, now=world.clock).follow(text)
        sent.append(counted.sent)
    assert sent[0] == sent[1] == sent[2] == sent[3] and len(sent[0]) == 4


@pytest.mark.parametrize(
    ("told", "pointer"),
    [
        (ReportRequest("other"), "/words"),
        (ReportRequest("other", " \n\u200b "), "/words"),
        (ReportRequest("other", "x" * 2001), "/words"),
        (ReportRequest("other", address="x" * 501), "/address"),
        (ReportRequest("other", code="x" * 61), "/code"),
    ],
)
async def test_a_report_that_says_nothing_or_too_much_names_its_field(
    world: World, told: ReportRequest, pointer: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await desk(world).report(told)
    assert [fault.pointer for fault in refused.value.faults] == [pointer]


@pytest.mark.parametrize(
    ("told", "pointer"),
    [
        (ObjectionRequest("missing", "x"), "/number"),
        (ObjectionRequest("missing", name="王小明"), "/id_number"),
        (ObjectionRequest("missing", id_type="RESIDENT_ID", id_number=SECRET), "/name"),
        (ObjectionRequest("missing", name="王", id_type="RESIDENT_ID", id_number="123"), "/id_number"),
        (ObjectionRequest("missing", name="王", id_type="NONE", id_number=SECRET), "/id_type"),
        (ObjectionRequest("missing", number="S" * 61), "/number"),
    ],
)
async def test_an_objection_needs_a_number_or_a_person(
    world: World, told: ObjectionRequest, pointer: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await desk(world).objection(told)
    assert pointer in [fault.pointer for fault in refused.value.faults]


async def test_what_cannot_be_seen_is_left_out_and_lines_stay_lines(world: World) -> None:
    text = "一\r\n二\u202e三\u200b\r四\x1b[31m\t五"
    opened = await desk(world).report(ReportRequest("other", text, address=" http://x \n y "))
    told = (await queue(world).show(opened.case.id, world.operator())).told
    assert told.words == "一\n二三\n四[31m 五" and told.address == "http://x y"


async def test_strangers_cannot_fill_the_disk_in_a_day(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_module, "A_DAY", 2)
    for _ in range(2):
        await desk(world).report(ReportRequest("other", "x"))
    with pytest.raises(DeskFull) as full:
        await desk(world).report(ReportRequest("other", "x"))
    assert full.value.code == "too-many" and full.value.retry_after_s > 60
    await desk(world).objection(
        ObjectionRequest("missing", number="1")
    )  # the other kind has a day of its own
    world.clock.forward(days=1, seconds=1)
    await desk(world).report(ReportRequest("other", "x"))


# --- who gets it ----------------------------------------------------------------------------------------


async def test_a_number_brings_an_objection_into_its_agencys_queue_found_or_not(world: World) -> None:
    mine = await desk(world).objection(ObjectionRequest("missing", number=f"{SKILL}263999999"))
    other = await desk(world).objection(ObjectionRequest("missing", number="S000044000999263999999"))
    nobody = await desk(world).objection(ObjectionRequest("missing", number="看不清"))
    report = await desk(world).report(ReportRequest("other", "x", code=f"{SKILL}263999999"))
    own = await queue(world).list(world.agency_caller())
    assert [one.id for one in own.cases] == [mine.case.id]
    every = await queue(world).list(world.operator())
    assert [one.id for one in every.cases] == [o.case.id for o in (mine, other, nobody, report)]
    seen = await desk(world).follow(mine.receipt)
    assert seen.agency is not None and seen.agency.code == SKILL
    assert (await desk(world).follow(other.receipt)).agency is None


async def test_an_agency_touches_no_case_of_another(world: World) -> None:
    opened = await desk(world).objection(ObjectionRequest("missing", number=f"{SKILL}263999999"))
    stranger, key = world.agency_caller(QUALIFICATION), opened.case.id
    room = queue(world)
    attempts: list[Callable[[], Awaitable[Any]]] = [
        lambda: room.show(key, stranger),
        lambda: room.picture(key, stranger),
        lambda: room.accept(key, stranger),
        lambda: room.answer(key, Answer("refused", "x"), stranger),
        lambda: room.close(key, stranger),
        lambda: room.show("cs_0", stranger),
    ]
    for attempt in attempts:
        with pytest.raises(NotFound):
            await attempt()
    with pytest.raises(Forbidden):
        await room.assign(key, QUALIFICATION, stranger)
    assert (await room.show(key, world.operator())).case.state == "received"


async def test_the_operator_hands_a_case_to_an_agency(world: World) -> None:
    opened = await desk(world).report(ReportRequest("fake-certificate", "x"))
    room, key = queue(world), opened.case.id
    await room.assign(key, SKILL, world.operator())
    await room.assign(key, SKILL, world.operator())
    assert [one.id for one in (await room.list(world.agency_caller())).cases] == [key]
    for wrong, kind in (("S000044000999", NotFound), ("nonsense", Invalid)):
        with pytest.raises(kind):
            await room.assign(key, wrong, world.operator())
    steps = (await room.show(key, world.operator())).steps
    assert [step.event for step in steps] == ["received", "assigned"]


# --- dealing with it ------------------------------------------------------------------------------------


async def test_an_objection_goes_from_received_to_an_answer_that_names_the_correction(world: World) -> None:
    issued = await world.issuance.issue(SKILL, world.request(), "k", "test")
    opened = await desk(world).objection(ObjectionRequest("name", "错字", number=issued.number))
    room, mine, key = queue(world), world.agency_caller(), opened.case.id
    await room.accept(key, mine)
    await room.accept(key, mine)
    world.clock.forward(days=3)
    with pytest.raises(Conflict):
        await room.close(key, mine)
    for bad, pointer in (
        (Answer("confirmed", "x"), "/outcome"),
        (Answer("upheld", "  "), "/words"),
        (Answer("upheld", "x", "123"), "/number"),
        (Answer("upheld", "x", f"{SKILL}263999999"), "/number"),
        (Answer("upheld", "x" * 2001), "/words"),
    ):
        with pytest.raises(Invalid) as refused:
            await room.answer(key, bad, mine)
        assert pointer in [fault.pointer for fault in refused.value.faults]
    await room.answer(key, Answer("upheld", "已更正。", issued.number.lower()), mine)
    with pytest.raises(Conflict):
        await room.answer(key, Answer("refused", "又想了想"), mine)
    await room.close(key, mine, "归档")
    await room.close(key, mine, "归档")
    seen = await desk(world).follow(opened.receipt)
    assert seen.answer == Answer("upheld", "已更正。", issued.number)
    assert [(step.event, step.by) for step in seen.steps] == [
        ("received", "public"), ("accepted", "agency"), ("answered", "agency"), ("closed", "agency"),
    ]  # fmt: skip
    whole = await room.show(key, world.operator())
    assert [(step.actor, step.note) for step in whole.steps] == [
        ("public", ""), ("vk_agency", ""), ("vk_agency", ""), ("vk_agency", "归档"),
    ]  # fmt: skip
    assert "归档" not in repr(seen) and "vk_agency" not in repr(seen)


async def test_an_agency_names_no_certificate_of_another_as_its_correction(world: World) -> None:
    foreign = await world.issuance.issue(QUALIFICATION, world.request(kind="qualification"), "k", "test")
    opened = await desk(world).objection(ObjectionRequest("missing", number=f"{SKILL}263999999"))
    with pytest.raises(Invalid):
        await queue(world).answer(
            opened.case.id, Answer("upheld", "x", foreign.number), world.agency_caller()
        )


async def test_a_report_may_be_put_away_unanswered(world: World) -> None:
    opened = await desk(world).report(ReportRequest("other", "广告"))
    await queue(world).close(opened.case.id, world.operator(), "广告")
    seen = await desk(world).follow(opened.receipt)
    assert (seen.state, seen.answer) == ("closed", None)
    await queue(world).close(opened.case.id, world.operator())
    with pytest.raises(Conflict):
        await queue(world).accept(opened.case.id, world.operator())


async def test_a_holder_objects_and_follows_without_a_receipt_and_not_without_end(world: World) -> None:
    issued = await world.issuance.issue(SKILL, world.request(), "k", "test")
    told = HolderObjectionRequest("photo", "不是我")
    opened = [await desk(world).objection_of(issued.number, told) for _ in range(5)]
    with pytest.raises(Conflict):
        await desk(world).objection_of(issued.number, told)
    with pytest.raises(NotFound):
        await desk(world).objection_of(f"{SKILL}263999999", told)
    with pytest.raises(Invalid):
        await desk(world).objection_of(issued.number, HolderObjectionRequest("photo", " "))
    await queue(world).answer(opened[0].case.id, Answer("refused", "核对无误"), world.agency_caller())
    await desk(world).objection_of(issued.number, told)
    seen = await desk(world).objections_of(issued.number)
    assert [one.state for one in seen] == ["received"] * 5 + ["answered"]
    assert seen[-1].answer == Answer("refused", "核对无误", None)
    assert {one.agency.code for one in seen if one.agency} == {SKILL}
    assert (await desk(world).follow(opened[0].receipt)).steps[0].by == "holder"


async def test_the_queue_is_paged_oldest_first_and_shows_what_is_late(world: World) -> None:
    keys = []
    for _ in range(PAGE + 2):
        world.clock.forward(seconds=1)
        keys.append((await desk(world).objection(ObjectionRequest("missing", number="1"))).case.id)
    first = await queue(world).list(world.operator())
    assert first.next is not None
    rest = await queue(world).list(world.operator(), after=first.next)
    assert [one.id for one in (*first.cases, *rest.cases)] == keys and rest.next is None
    assert not any(one.overdue for one in first.cases)
    assert await queue(world).waiting() == (PAGE + 2, 0)
    world.clock.forward(days=30)
    assert await queue(world).waiting() == (PAGE + 2, PAGE + 2)
    late = await queue(world).list(world.operator(), kinds=("objection",))
    assert all(one.overdue for one in late.cases)
    assert (await queue(world).list(world.operator(), kinds=("report",))).cases == ()
    for asked in ({"states": ("gone",)}, {"kinds": ("x",)}, {"after": "cs_' or 1=1 --"}):
        with pytest.raises(Invalid):
            await queue(world).list(world.operator(), **asked)


# --- ending ---------------------------------------------------------------------------------------------


async def test_answers_close_and_closed_cases_go_with_all_that_was_said(world: World, engine: Engine) -> None:
    opened = await desk(world).report(ReportRequest("other", "x"), redraw_evidence(picture()))
    waiting = await desk(world).report(ReportRequest("other", "y"))
    await queue(world).answer(opened.case.id, Answer("confirmed", "谢谢"), world.operator())
    world.clock.at += CLOSED_AFTER - dt.timedelta(seconds=1)
    assert await desk(world).sweep() == (0, 0)
    world.clock.forward(seconds=2)
    assert await desk(world).sweep() == (1, 0)
    assert (await desk(world).follow(opened.receipt)).steps[-1].by == "system"
    world.clock.at += KEPT_AFTER_CLOSING - dt.timedelta(seconds=1)
    assert await desk(world).sweep() == (0, 0)
    world.clock.forward(seconds=2)
    assert await desk(world).sweep() == (0, 1)
    with pytest.raises(NotFound):
        await desk(world).follow(opened.receipt)
    rows = await engine.dump()
    assert [row[0] for row in rows["case_file"]] == [waiting.case.id]
    assert {row[0] for row in rows["case_event"]} == {waiting.case.id} and rows["case_picture"] == []


async def test_the_database_itself_refuses_to_rewrite_what_was_done(world: World, engine: Engine) -> None:
    opened = await desk(world).report(ReportRequest("other", "x"))
    await queue(world).answer(opened.case.id, Answer("confirmed", "谢谢"), world.operator())
    await imitations(world).add("fake.example.net", note="", seen_on=None, actor="op")
    for attack in (
        "update case_event set actor = 'somebody'", "delete from case_event", "delete from case_file",
        "update case_file set state = 'received', settled_at = null", "update case_file set settled_at = null",
        "delete from imitation_site", "update imitation_site set note = 'x'",
    ):  # fmt: skip
        with pytest.raises(engine.refusal):
            await engine.sql(attack)


def test_the_arrows_of_the_database_are_those_of_the_program() -> None:
    from verify.store.statements import load_migrations

    drawn = {f"{state.value}>{target.value}" for (state, _), target in ARROWS.items()}
    for name in ("sqlite", "postgres"):
        ((_, text),) = load_migrations(name)
        begin = text.index("('received>accepted'")
        listed = text[begin : text.index(")", begin)]
        assert {part.strip(" (')\n") for part in listed.split(",")} == drawn, name
    assert {move for _, move in ARROWS} == set(CaseMove) and CaseState.CLOSED not in {s for s, _ in ARROWS}


# --- times, pictures, words -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "due"),
    [
        (dt.datetime(2026, 11, 23, 1, tzinfo=UTC), dt.datetime(2026, 12, 14, 16, tzinfo=UTC)),  # Monday
        (dt.datetime(2026, 11, 27, 15, 59, tzinfo=UTC), dt.datetime(2026, 12, 18, 16, tzinfo=UTC)),  # Friday
        (
            dt.datetime(2026, 11, 27, 16, 0, tzinfo=UTC),
            dt.datetime(2026, 12, 18, 16, tzinfo=UTC),
        ),  # Saturday there
        (dt.datetime(2026, 11, 29, 4, tzinfo=UTC), dt.datetime(2026, 12, 18, 16, tzinfo=UTC)),  # Sunday
    ],
)
def test_an_answer_is_due_at_the_end_of_the_fifteenth_working_day_in_china(
    told: dt.datetime, due: dt.datetime
) -> None:
    assert due_after(told) == due
    assert due - told < dt.timedelta(days=30)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_a_picture_is_drawn_anew_small_and_bare(mode: str) -> None:
    sent = picture(mode, (1700, 900))
    made = redraw_evidence(sent)
    with Image.open(io.BytesIO(made)) as drawn:
        assert drawn.format == "JPEG" and max(drawn.size) <= EVIDENCE_SIDE and not drawn.getexif()
        assert set(drawn.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    assert len(made) <= EVIDENCE_MAX_BYTES and made == redraw_evidence(sent)


def test_nothing_that_hides_in_a_picture_is_kept() -> None:
    exif = Image.Exif()
    exif[0x010E] = f"GPS {SECRET}"
    sent = picture(kind="JPEG", exif=exif, comment=SECRET.encode()) + b"PK\x03\x04" + SECRET.encode()
    assert SECRET.encode() in sent and SECRET.encode() not in redraw_evidence(sent)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        b"%PDF-1.7",
        b"<svg onload=alert(1)>",
        b"\x89PNG\r\n\x1a\n" + bytes(50),
        b"\xff\xd8\xff",
    ],
)
def test_what_is_no_picture_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        redraw_evidence(data)
    assert refused.value.faults[0].pointer == "/picture"


def test_a_bomb_of_pixels_is_refused_before_it_is_drawn() -> None:
    header = picture("1", (1, 1))
    bomb = header[:16] + (60_000).to_bytes(4, "big") * 2 + header[24:]
    with pytest.raises(Invalid):
        redraw_evidence(bomb)


def test_every_matter_and_outcome_has_its_words_and_no_other() -> None:
    from typing import get_args

    from verify.cases.told import HolderMatter, ObjectionMatter, ReportMatter

    assert set(get_args(ReportMatter)) == set(MATTERS[CaseKind.REPORT])
    assert set(get_args(ObjectionMatter)) == set(MATTERS[CaseKind.OBJECTION])
    assert set(get_args(HolderMatter)) == set(MATTERS[CaseKind.OBJECTION]) - {"missing"}
    for table in (*MATTERS.values(), *OUTCOMES.values()):
        assert all(words.zh and words.en for words in table.values())


# --- imitation sites ------------------------------------------------------------------------------------


def imitations(world: World) -> Imitations:
    return Imitations(world.store, host="verify.example.org", now=world.clock)


async def test_a_site_is_listed_taken_off_and_listed_again_and_each_time_is_recorded(
    world: World, engine: Engine
) -> None:
    room = imitations(world)
    day = dt.date(2026, 11, 1)
    await room.add("https://Fake.Example.NET:8443/pay?x=1", note=" 收费 ", seen_on=day, actor="op-1")
    (listed,) = await room.listed()
    assert (listed.domain, listed.note, listed.seen_on, listed.added_by) == (
        "fake.example.net",
        "收费",
        day,
        "op-1",
    )
    with pytest.raises(Conflict):
        await room.add("fake.example.net", note="", seen_on=None, actor="op-1")
    world.clock.forward(days=1)
    await room.remove("FAKE.example.net", actor="op-2")
    assert await room.listed() == []
    with pytest.raises(NotFound):
        await room.remove("fake.example.net", actor="op-2")
    world.clock.forward(days=1)
    await room.add("fake.example.net", note="", seen_on=None, actor="op-3")
    rows = (await engine.dump())["imitation_site"]
    assert sorted((row[2], row[6]) for row in rows) == [("op-1", "op-2"), ("op-3", None)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "http://",
        "a b.cn",
        "-a.cn",
        "a..cn",
        "a.cn'",
        "verify.example.org",
        "HTTPS://verify.example.org/x",
        "a" * 300 + ".cn",
    ],
)
async def test_no_nonsense_and_never_our_own_domain_is_listed(world: World, text: str) -> None:
    with pytest.raises(Invalid) as refused:
        await imitations(world).add(text, note="", seen_on=None, actor="op")
    assert refused.value.faults[0].pointer == "/domain"


@given(st.text(max_size=80))
def test_no_text_breaks_the_reader_of_domains(text: str) -> None:
    try:
        name = parse_domain(text)
    except ValueError:
        return
    assert name.isascii() and "/" not in name
    assert readable(name)


def test_a_domain_in_other_letters_is_told_both_ways() -> None:
    name = parse_domain("http://vеrify.example.org/")  # a Cyrillic е
    assert name.startswith("xn--") and readable(name) == "vеrify.example.org"
