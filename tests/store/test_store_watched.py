"""Witness and journal beside a running store: what is noted when, and what happens when they disagree or fail."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from store_engines import Engine, Sqlite
from store_samples import AGENCY, ORIGIN, add_world, draft, issue, see

from verify.certificate.record import Status
from verify.cli.witness import make_service
from verify.errors import LedgerBroken, NotReady, StoreFailed, Unavailable
from verify.proof.ledger import START, Head, Link, check_chain
from verify.store import watched
from verify.store.certificates import prepare
from verify.store.contract import Program, Store, run
from verify.store.logbook import Logbook, read_logbooks
from verify.store.watched import open_watched
from verify.store.witness import FileWitness, ServiceWitness, Witness, open_witness


@pytest.fixture
async def inner(engine: Engine) -> AsyncIterator[Store]:
    store = await engine.open()
    await add_world(store)
    yield store
    await store.close()


@pytest.fixture
def witness(tmp_path: Path) -> FileWitness:
    return FileWitness(tmp_path / "witness")


async def head_of(store: Store) -> Head:
    def read() -> Program[Head]:
        ((seq, digest),) = yield from run("read_head")
        return Head(seq, bytes(digest))

    return await store.read(read)


async def events_of(store: Store) -> list[Link]:
    rows = await store.read(lambda: run("read_events", 0, 10_000))
    return [Link(row[0], row[4].encode(), bytes(row[5])) for row in rows]


async def test_every_acknowledged_event_is_in_the_journal_whoever_wrote_it(
    engine: Engine, inner: Store, tmp_path: Path
) -> None:
    path = tmp_path / "journal"
    one = await open_watched(await engine.open(), witness=None, logbook=Logbook(path), writes=True)
    begun = (await head_of(inner)).seq
    for i in range(4):
        await asyncio.gather(*(issue(one, f"a{i}-{j}") for j in range(8)))
        await issue(inner, f"b{i}")  # another node, with a journal elsewhere
        seen = {link.seq for link in read_logbooks([path], 0)}
        assert seen >= set(range(begun, (await head_of(inner)).seq - 2))
    await issue(one, "last")
    await one.close()
    wanted = [link for link in await events_of(inner) if link.seq >= begun]
    assert read_logbooks([path], begun - 1) == wanted


async def test_a_journal_that_was_away_is_brought_up_to_the_ledger_at_the_next_start(
    engine: Engine, inner: Store, tmp_path: Path
) -> None:
    path = tmp_path / "journal"
    first = await open_watched(await engine.open(), witness=None, logbook=Logbook(path), writes=True)
    await first.close()
    begun = read_logbooks([path], 0)[0].seq
    await issue(inner, "a", "b")
    second = await open_watched(await engine.open(), witness=None, logbook=Logbook(path), writes=True)
    await second.close()
    links = read_logbooks([path], 0)
    assert [link.seq for link in links] == list(range(begun, (await head_of(inner)).seq + 1))
    before = [link for link in await events_of(inner) if link.seq < begun]
    assert check_chain(links, check_chain(before, START)) == await head_of(inner)


async def test_a_change_that_the_journal_did_not_take_is_not_acknowledged(
    engine: Engine, inner: Store, tmp_path: Path
) -> None:
    book = Logbook(tmp_path / "journal")
    store = await open_watched(await engine.open(), witness=None, logbook=book, writes=True)
    good, book._file = book._file, Logbook(Path("/dev/full"))._file
    with pytest.raises(StoreFailed, match="journal"):
        await issue(store, "a")
    book._file = good
    again = await store.write(lambda: prepare(AGENCY, [draft("a")], ORIGIN))
    assert len(again) == 1
    await store.write(lambda: prepare(AGENCY, [draft("b")], ORIGIN))
    await store.close()
    seen = [link.seq for link in read_logbooks([tmp_path / "journal"], 0)]
    assert seen == list(range(seen[0], (await head_of(inner)).seq + 1))


async def test_a_refused_program_leaves_nothing_in_the_journal(
    engine: Engine, inner: Store, tmp_path: Path
) -> None:
    store = await open_watched(
        await engine.open(), witness=None, logbook=Logbook(tmp_path / "j"), writes=True
    )
    before = read_logbooks([tmp_path / "j"], 0)

    def refused() -> Program[None]:
        yield from prepare(AGENCY, [draft("a")], ORIGIN)
        raise LookupError

    with pytest.raises(LookupError):
        await store.write(refused)
    await store.close()
    assert read_logbooks([tmp_path / "j"], 0) == before


async def test_the_witness_hears_of_the_head_within_a_second_and_at_the_end(
    engine: Engine, inner: Store, witness: FileWitness, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness.note(await head_of(inner))
    monkeypatch.setattr(watched, "NOTE_S", 0.05)
    store = await open_watched(await engine.open(), witness=witness, logbook=None, writes=True)
    await issue(store, "a")
    async with asyncio.timeout(10):
        while witness.last() != await head_of(inner):  # a thread writes it
            await asyncio.sleep(0.02)
    await issue(store, "b")
    await store.close()
    assert witness.last() == await head_of(inner)


async def test_a_node_that_only_reads_tells_the_witness_nothing(
    engine: Engine, inner: Store, witness: FileWitness
) -> None:
    witness.note(await head_of(inner))
    before = witness.last()
    store = await open_watched(await engine.open(), witness=witness, logbook=None, writes=False)
    await issue(inner, "a")
    await store.close()
    assert witness.last() == before


async def test_a_register_that_falls_behind_its_witness_falls_silent_and_recovers(
    engine: Engine, inner: Store, witness: FileWitness, monkeypatch: pytest.MonkeyPatch
) -> None:
    (number,) = await issue(inner, "a")
    head = await head_of(inner)
    witness.note(head)
    monkeypatch.setattr(watched, "NOTE_S", 0.02)
    store = await open_watched(await engine.open(), witness=witness, logbook=None, writes=True, check_s=0.02)
    assert await see(store, number) is Status.VALID
    witness.note(Head(head.seq + 5, b"x" * 32))
    await asyncio.sleep(0.5)
    with pytest.raises(Unavailable, match="restored backup"):
        await see(store, number)
    with pytest.raises(Unavailable):
        await issue(store, "b")
    witness.note(head, accepted=True)
    await asyncio.sleep(0.5)
    assert await see(store, number) is Status.VALID
    await store.close()


async def test_another_past_under_the_same_number_is_refused_at_the_start(
    engine: Engine, inner: Store, witness: FileWitness
) -> None:
    head = await head_of(inner)
    witness.note(Head(head.seq, b"y" * 32))
    with pytest.raises(LedgerBroken, match="is not the one"):
        await open_watched(inner, witness=witness, logbook=None, writes=True)


async def test_a_witness_that_never_heard_of_this_register_keeps_it_closed(
    inner: Store, witness: Witness
) -> None:
    with pytest.raises(NotReady) as refusal:
        await open_watched(inner, witness=witness, logbook=None, writes=True)
    assert "recover accept" in refusal.value.hint


async def test_a_watched_store_still_reads_at_once_where_its_engine_does(
    sqlite_engine: Sqlite, witness: FileWitness
) -> None:
    inner = await sqlite_engine.open()
    await add_world(inner)
    witness.note(await head_of(inner))
    store = await open_watched(inner, witness=witness, logbook=None, writes=True)
    read_now: Callable[..., list[tuple[int]]] = store.read_now  # type: ignore[attr-defined]  # what look-ups ask for
    assert read_now(lambda: run("read_seq"))[0][0] > 0
    await store.close()


def test_a_witness_file_survives_a_line_that_broke_off(tmp_path: Path, witness: FileWitness) -> None:
    witness.note(Head(7, b"a" * 32))
    with (tmp_path / "witness").open("ab") as file:
        file.write(b'{"seq":9,"ha')
    witness.note(Head(8, b"b" * 32))
    assert witness.last() == Head(8, b"b" * 32)
    witness.note(Head(6, b"c" * 32))  # a slower node
    assert witness.last() == Head(8, b"b" * 32)
    witness.note(Head(6, b"c" * 32), accepted=True)
    assert witness.last() == Head(6, b"c" * 32)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[str]:
    server = make_service(FileWitness(tmp_path / "kept"), ("127.0.0.1", 0), "s3cret")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_witness_on_another_host_remembers_for_those_who_know_its_secret(service: str) -> None:
    witness = open_witness(f"http://witness:s3cret@{service}/")
    assert isinstance(witness, ServiceWitness)
    assert "s3cret" not in witness.where
    assert witness.last() is None
    witness.note(Head(7, b"a" * 32))
    assert witness.last() == Head(7, b"a" * 32)
    stranger = open_witness(f"http://{service}/")
    with pytest.raises(NotReady):
        stranger.note(Head(9, b"b" * 32), accepted=True)
    with pytest.raises(NotReady):
        stranger.last()
    assert witness.last() == Head(7, b"a" * 32)


def test_a_witness_that_is_away_is_told_as_away() -> None:
    with pytest.raises(NotReady, match="cannot be reached"):
        open_witness("http://127.0.0.1:9/").last()
