"""Uploads: whole or not at all, issued once whatever happens, and nothing personal left in the clear."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import apsw
import pytest

from verify.certificate.record import AgencyState
from verify.errors import Invalid, KeyReused, Malformed, NotFound
from verify.issuance.batches import UPLOAD_LIFE, Batches
from verify.issuance.issue import CHUNK
from verify.issuance.roster import Format
from verify.issuance.rows import in_pieces
from verify.office.audit import audit
from verify.store.batches import Batch, ready_batches
from world import QUALIFICATION, World, to_csv


async def send(world: World, data: bytes, key: str = "up", form: Format = Format.CSV) -> tuple[Batch, bool]:
    return await world.batches.receive(in_pieces(data), form, key, world.agency_caller())


async def work(world: World) -> None:
    while await world.batches.work_once():
        pass


async def results(world: World, batch: Batch) -> list[tuple[str, str | None, str]]:
    rows = await world.batches.results(batch.id, world.agency_caller(), limit=10_000)
    return [(state, row.number, row.code) for state, row in rows]


async def test_a_roster_is_received_then_issued_and_each_row_has_its_result(world: World) -> None:
    table = world.roster(CHUNK + 50)
    table[3] = table[3] | {"level": "9"}
    data = to_csv(table) + b"bad,row\n"
    batch, new = await send(world, data)
    assert (new, batch.state, batch.total, batch.failed) == (True, "ready", CHUNK + 51, 1)
    assert (await results(world, batch))[0] == ("waiting", None, "")
    await work(world)
    done = await world.batches.find(batch.id, world.agency_caller())
    assert (done.state, done.issued, done.failed) == ("done", CHUNK + 49, 2)
    told = await results(world, batch)
    assert told[3] == ("failed", None, "invalid")
    assert told[-1] == ("failed", None, "invalid")
    assert sum(state == "issued" for state, *_ in told) == CHUNK + 49
    failed = await world.batches.results(batch.id, world.agency_caller(), states=["failed"])
    assert [row.row for _, row in failed] == [4, CHUNK + 51]
    assert failed[0][1].row_id == table[3]["row_id"]
    assert (await audit(world.store, world.data_keys)).findings == ()


async def test_the_same_key_and_bytes_are_the_same_batch_and_other_bytes_are_refused(world: World) -> None:
    data = to_csv(world.roster(3))
    first, _ = await send(world, data)
    await work(world)
    second, new = await world.batches.receive(_small(data), Format.CSV, "up", world.agency_caller())
    assert (second.id, new, second.state) == (first.id, False, "done")
    with pytest.raises(KeyReused):
        await send(world, data + b"\n")
    with pytest.raises(KeyReused):
        await world.issuance.issue(world.skill, world.request(), "up", "test")


async def until(true: Callable[[], Awaitable[object]]) -> None:
    """Look again and again until it is so."""
    async with asyncio.timeout(30):
        while not await true():
            await asyncio.to_thread(time.sleep, 0.01)


async def _small(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), 11):
        yield data[at : at + 11]


async def test_the_same_roster_under_another_key_issues_nothing_twice(world: World) -> None:
    data = to_csv(world.roster(5))
    first, _ = await send(world, data, "a")
    second, _ = await send(world, data, "b")
    await work(world)
    assert first.id != second.id
    assert await results(world, first) == await results(world, second)


async def test_an_upload_that_breaks_off_leaves_nothing_and_its_key_starts_again(world: World) -> None:
    data = to_csv(world.roster(30))

    async def broken() -> AsyncIterator[bytes]:
        yield data[: len(data) // 2]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await world.batches.receive(broken(), Format.CSV, "up", world.agency_caller())
    assert await world.store.read(ready_batches) == []
    assert await count(world, "batch") == 0 and await count(world, "batch_row") == 0
    batch, new = await send(world, data)
    assert new and batch.total == 30


async def count(world: World, table: str) -> int:
    ((rows,),) = apsw.Connection(str(world.path)).execute(f"select count(*) from {table}").fetchall()
    return int(rows)


async def test_an_upload_whose_node_died_is_invisible_and_swept_away_later(world: World) -> None:
    data = to_csv(world.roster(2000))

    async def endless() -> AsyncIterator[bytes]:
        yield data
        await asyncio.Event().wait()

    task = asyncio.create_task(world.batches.receive(endless(), Format.CSV, "up", world.agency_caller()))
    await until(lambda: count(world, "batch_row"))
    assert await world.store.read(ready_batches) == []
    assert await world.batches.sweep() == 0
    world.clock.at += UPLOAD_LIFE * 2
    assert await world.batches.sweep() == 1
    assert await count(world, "batch_row") == 0
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_file_that_cannot_be_read_is_no_batch(world: World) -> None:
    for data, error in ((b"nmae\n", Invalid), (b"\xff\xfe", Malformed), (b"", Malformed)):
        with pytest.raises(error):
            await send(world, data)
    assert await count(world, "batch") == 0


async def test_two_uploads_at_once_under_one_key_are_one_batch(world: World) -> None:
    data = to_csv(world.roster(10))
    answers = await asyncio.gather(*(send(world, data) for _ in range(3)))
    assert len({batch.id for batch, _ in answers}) == 1
    assert sum(new for _, new in answers) == 1
    assert await count(world, "batch") == 1 and await count(world, "batch_row") == 10


async def test_two_nodes_on_one_batch_issue_each_row_once(world: World) -> None:
    batch, _ = await send(world, to_csv(world.roster(40)))
    other = Batches(world.new_issuance())
    await asyncio.gather(world.batches.work_once(), other.work_once())
    done = await world.batches.find(batch.id, world.agency_caller())
    assert (done.state, done.issued) == ("done", 40)
    numbers = [number for _, number, _ in await results(world, batch)]
    assert sorted(filter(None, numbers)) == [f"S000044000456264{n:06d}" for n in range(1, 41)]


async def test_rows_issued_before_a_crash_of_the_work_loop_are_found_not_issued_again(world: World) -> None:
    batch, _ = await send(world, to_csv(world.roster(10)))

    class Crash:
        async def read(self, program: Any, *, snapshot: bool = True) -> Any:
            return await world.store.read(program, snapshot=snapshot)

        writes = 0

        async def write(self, program: Any) -> Any:
            self.writes += 1
            if self.writes == 3:  # issued, but not yet told to the batch
                raise RuntimeError
            return await world.store.write(program)

        async def close(self) -> None: ...

    with pytest.raises(RuntimeError):
        await Batches(world.new_issuance(Crash())).work_once()
    assert (await results(world, batch))[0][0] == "waiting"
    await work(world)
    numbers = [number for _, number, _ in await results(world, batch)]
    assert numbers == [f"S000044000456264{n:06d}" for n in range(1, 11)]
    assert (await audit(world.store, world.data_keys)).findings == ()


async def test_an_agency_without_a_key_keeps_its_rows_waiting_and_a_blocked_one_is_told(world: World) -> None:
    batch, _ = await send(world, to_csv(world.roster(2)), "a")
    await world.compromise_key(world.skill)
    assert await world.batches.work_once() == 0
    assert [state for state, *_ in await results(world, batch)] == ["waiting"] * 2
    await world.set_agency(world.skill, AgencyState.SUSPENDED)
    await work(world)
    assert [code for *_, code in await results(world, batch)] == ["agency-blocked"] * 2


async def test_a_batch_is_its_agencys_alone(world: World) -> None:
    batch, _ = await send(world, to_csv(world.roster(1)))
    for number in (batch.id, "b_none"):
        with pytest.raises(NotFound):
            await world.batches.find(number, world.agency_caller(QUALIFICATION))
        with pytest.raises(NotFound):
            await world.batches.results(number, world.agency_caller(QUALIFICATION))
    assert (await world.batches.find(batch.id, world.operator())).id == batch.id


async def test_waiting_rows_are_sealed_and_no_id_number_ever_lies_in_the_clear(world: World) -> None:
    table = world.roster(3, remark="")
    table[1] = table[1] | {"theory": table[1]["id_number"]}  # slipped columns
    table[2] = table[2] | {"level": table[2]["id_number"]}
    await send(world, to_csv(table))
    waiting = _disk(world)
    await work(world)
    done = _disk(world)
    for row in table:
        assert row["name"].encode() not in waiting
        assert row["id_number"].encode() not in waiting + done


def _disk(world: World) -> bytes:
    return b"".join(path.read_bytes() for path in world.directory.iterdir())


async def test_the_work_loop_wakes_when_an_upload_ends(world: World) -> None:
    loop = asyncio.create_task(world.batches.work())
    batch, _ = await send(world, to_csv(world.roster(3)))

    async def is_done() -> bool:
        return (await world.batches.find(batch.id, world.agency_caller())).state == "done"

    await until(is_done)
    loop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loop
