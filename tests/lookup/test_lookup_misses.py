"""Every miss is the same, costs the same work, and is never remembered."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import apsw
import pytest
from loadtest.seed import draft_of, write_group
from lookup_desk import KEYS, ORIGIN, PAIR, Desk, Failing, open_desk, read_answer, seeded

from verify.errors import Unavailable
from verify.lookup.scan import Lookup
from verify.store.certificates import Prepared, prepare
from verify.store.contract import Program, Run
from verify.store.sqlite import SqliteStore

T = TypeVar("T")
ONE = seeded(3)
SOON = seeded(24)
"""Not issued in the register of these tests."""


class Counting:
    """Notes the statements that a look-up sends, and how many rows each brings."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.sent: list[tuple[str, int]] = []

    async def read(self, program: Callable[[], Program[T]], *, snapshot: bool = True) -> T:
        def noted() -> Program[T]:
            steps = program()
            try:
                step = next(steps)
                while True:
                    assert isinstance(step, Run)
                    size = next((len(arg) for arg in step.args if isinstance(arg, list)), 0)
                    self.sent.append((step.name, size))
                    step = steps.send((yield step))
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]

        return await self._store.read(noted, snapshot=snapshot)

    async def write(self, program: Callable[[], Program[T]]) -> T:
        return await self._store.write(program)

    async def close(self) -> None:
        await self._store.close()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path, 12) as desk:
        yield desk


async def prepare_soon(desk: Desk) -> None:
    """SOON is numbered and recorded, but not yet signed: its serial is the next of its prefix."""
    wanted = [draft_of(24, SOON, KEYS, PAIR.kid)]
    (outcome,) = await desk.store.write(lambda: prepare(SOON.face.agency, wanted, ORIGIN))
    assert isinstance(outcome, Prepared)
    assert outcome.number == SOON.number


def misses(lookup: Lookup) -> dict[str, Any]:
    """Everything that leads nowhere, in two groups: by number alone, and personal."""
    holder = ONE.holder
    other = seeded(5).holder
    return {
        "wrong name": lookup.by_number_and_name(ONE.number, "欧阳无名"),
        "unknown number": lookup.by_number_and_name(seeded(999).number, ONE.holder.name),
        "another's name": lookup.by_number_and_name(ONE.number, other.name + "氏"),
        "unknown person": lookup.by_person("RESIDENT_ID", seeded(999).holder.id_number, holder.name),
        "wrong name of a person": lookup.by_person("RESIDENT_ID", holder.id_number, "欧阳无名"),
        "other document type": lookup.by_person("PASSPORT", "E12345678", holder.name),
        "prepared": lookup.by_number_and_name(SOON.number, SOON.holder.name),
        "prepared person": lookup.by_person("RESIDENT_ID", SOON.holder.id_number, SOON.holder.name),
    }


async def test_every_personal_miss_is_the_same_reply_after_the_same_statements(desk: Desk) -> None:
    await prepare_soon(desk)
    counting = Counting(desk.store)
    lookup = desk.lookup(counting)
    await lookup.by_number_and_name(ONE.number, ONE.holder.name)
    shapes = set()
    for question in misses(lookup).values():
        counting.sent.clear()
        reply = await question
        shapes.add((reply, tuple(counting.sent)))
    assert len(shapes) == 1
    ((reply, sent),) = shapes
    assert reply.answers == ()
    assert [name for name, _ in sent] == ["read_place", "find_tags", "read_place", "read_certificates"]


async def test_a_prepared_number_is_as_unknown_as_one_that_was_never_given(desk: Desk) -> None:
    await prepare_soon(desk)
    counting = Counting(desk.store)
    lookup = desk.lookup(counting)
    await lookup.by_number(ONE.number)
    shapes = set()
    for number in (SOON.number, seeded(999).number):
        counting.sent.clear()
        shapes.add((await lookup.by_number(number), tuple(counting.sent)))
    assert len(shapes) == 1


async def test_no_miss_is_remembered(desk: Desk) -> None:
    lookup = desk.lookup()
    holder = SOON.holder
    for _ in range(2):
        assert (await lookup.by_number(SOON.number)).answers == ()
        assert (await lookup.by_number_and_name(SOON.number, holder.name)).answers == ()
        assert (await lookup.by_person(holder.id_type, holder.id_number, holder.name)).answers == ()
        assert (await lookup.by_scan_code(SOON.scan_code)).answers == ()
    assert len(lookup._numbers) == len(lookup._full) == 0
    await write_group(desk.store, [24], 9, KEYS, PAIR, 100)
    number = (await lookup.by_scan_code(SOON.scan_code)).answers
    assert read_answer(number[0])["number"]
    assert (await lookup.by_person(holder.id_type, holder.id_number, holder.name)).answers


async def test_a_store_that_fails_makes_every_question_unavailable_and_none_unknown(desk: Desk) -> None:
    failing = Failing(desk.store)
    lookup = desk.lookup(failing)
    await lookup.by_number(ONE.number)
    failing.down = True
    for question in (
        *misses(lookup).values(),
        lookup.by_number(ONE.number),
        lookup.by_scan_code(ONE.scan_code),
    ):
        with pytest.raises(Unavailable):
            await question
    failing.down = False
    assert (await lookup.by_number(ONE.number)).answers


async def test_a_store_that_does_not_answer_makes_the_question_unavailable_at_the_deadline(
    desk: Desk,
) -> None:
    failing = Failing(desk.store)
    lookup = desk.lookup(failing, deadline_s=0.05)
    await lookup.by_number(ONE.number)
    failing.silent = True
    with pytest.raises(Unavailable):
        await lookup.by_number(ONE.number)
    failing.silent = False
    assert (await lookup.by_number(ONE.number)).answers


async def test_a_closed_embedded_store_is_unavailable_too(desk: Desk) -> None:
    store = SqliteStore(desk.path, read_only=True)
    lookup = desk.lookup(store)
    await lookup.by_number(ONE.number)
    await store.close()
    with pytest.raises(Unavailable):
        await lookup.by_number(ONE.number)


async def test_an_altered_seal_silences_that_certificate_alone(desk: Desk) -> None:
    connection = apsw.Connection(str(desk.path))
    connection.execute("update certificate set holder_sealed = zeroblob(80) where number = ?", (ONE.number,))
    connection.close()
    lookup = desk.lookup()
    with pytest.raises(Unavailable):
        await lookup.by_scan_code(ONE.scan_code)
    assert (await lookup.by_scan_code(seeded(4).scan_code)).answers
    assert (await lookup.by_number(ONE.number)).answers
