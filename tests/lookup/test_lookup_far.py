"""The far cache: nodes help each other, and whatever Redis does, no answer is old, wrong or an error."""

import asyncio
import datetime as dt
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
from loadtest.seed import add_issuers, write_group
from lookup_desk import KEYS, NOW, PAIR, Desk, Slow, open_desk, read_answer, seeded
from redis_servers import Server
from test_lookup_freshness import READERS, SUBJECTS, nothing, run_history
from test_lookup_link import connected, kind, needs_redis, server, until

import servers
from verify.certificate.status import Move
from verify.lookup.far import FarCache, FarFace, FarNumber, far_face
from verify.lookup.link import Link
from verify.lookup.near import MAX_CHANGES, Near, Window
from verify.lookup.scan import Lookup
from verify.proof.sealing import DataKeys, DataKeySet
from verify.store.contract import Store
from verify.store.postgres import migrate_postgres, open_postgres
from verify.store.reads import Change, Head
from verify.store.sqlite import SqliteStore

__all__ = ["kind", "needs_redis", "server"]

STRANGER = DataKeys(DataKeySet((b"S" * 32,), b"I" * 32, b"C" * 32))

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # servers are killed under clients


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_desk(tmp_path, 20) as desk:
        yield desk


@asynccontextmanager
async def node(
    desk: Desk, url: str, store: Store | None = None, *, lookup: type[Lookup] = Lookup,
    far: type[FarCache] = FarCache, keys: DataKeys = KEYS, timeout_s: float = 5.0, up: bool = True, **settings: Any,
) -> AsyncIterator[Lookup]:  # fmt: skip
    """A node with nothing in memory yet."""
    link = await connected(url, timeout_s) if up else Link(url)
    cache = far(link, keys, revoked_public=settings.get("revoked_public", True))
    made = desk.lookup(store, lookup, far=cache, **settings)
    try:
        yield made
    finally:
        await made.close()
        await link.close()


async def written(node: Lookup) -> None:
    """What the node read has reached Redis."""
    assert node._far is not None
    far = node._far
    await until(lambda: far._writing is None and not far._waiting)


async def ask_all(node: Lookup, index: int) -> list[dict[str, Any]]:
    """The certificate asked for in all four ways."""
    one = seeded(index)
    replies = [
        await node.by_number(one.number),
        await node.by_scan_code(one.scan_code),
        await node.by_number_and_name(one.number, one.holder.name),
        await node.by_person(one.holder.id_type, one.holder.id_number, one.holder.name),
    ]
    return [read_answer(answer) for reply in replies for answer in reply.answers]


def without_time(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in answer.items() if key != "as_of"} for answer in answers]


async def verdict(node: Lookup, index: int) -> str:
    answers = await ask_all(node, index)
    (said,) = {answer["verdict"] for answer in answers}
    return str(said)


async def test_what_one_node_read_another_shows_without_the_store(desk: Desk, server: Server) -> None:
    plain = [without_time(await ask_all(desk.lookup(), index)) for index in range(8)]
    async with node(desk, server.url) as first:
        for index in range(8):
            await ask_all(first, index)
        await written(first)
        assert (first.figures.read, first.figures.far) == (16, 0)
    async with node(desk, server.url) as second:
        for index in range(8):
            assert without_time(await ask_all(second, index)) == plain[index]
        assert (second.figures.read, second.figures.far) == (0, 16)


async def test_a_node_that_started_later_uses_what_was_written_before(desk: Desk, server: Server) -> None:
    async with node(desk, server.url) as first:
        await ask_all(first, 1)
        await ask_all(first, 2)
        await written(first)
    await desk.change(seeded(2).number, Move.SUSPEND)
    async with node(desk, server.url) as later:
        assert await verdict(later, 1) == "valid"
        assert later.figures.read == 0
        assert await verdict(later, 2) == "suspended"
        assert later.figures.read == 2


async def test_misses_and_what_may_not_be_shown_are_not_kept(desk: Desk, server: Server) -> None:
    await desk.change(seeded(3).number, Move.REVOKE)
    async with node(desk, server.url, revoked_public=False) as hides:
        for _ in range(2):
            assert await ask_all(hides, 3) == []
            assert (await hides.by_number(seeded(999).number)).answers == ()
        await written(hides)
        assert server.dump() == []
    async with node(desk, server.url) as shows:
        assert await verdict(shows, 3) == "revoked"
        await written(shows)
    async with node(desk, server.url, revoked_public=False) as hides:
        assert await ask_all(hides, 3) == []


async def test_a_suspension_is_not_shown_past_its_end_by_any_node(desk: Desk, server: Server) -> None:
    await desk.change(seeded(1).number, Move.SUSPEND, NOW + dt.timedelta(hours=1))
    async with node(desk, server.url) as first:
        assert await verdict(first, 1) == "suspended"
        await written(first)
    async with node(desk, server.url) as second:
        desk.clock.at = NOW + dt.timedelta(hours=1)
        assert await verdict(second, 1) == "valid"


async def test_nothing_in_redis_tells_whom_it_is_about(desk: Desk, server: Server) -> None:
    async with node(desk, server.url) as first:
        for index in range(8):
            await ask_all(first, index)
        await written(first)
    held = b"\n".join(server.dump())
    assert len(held) > 5000
    for index in range(8):
        one = seeded(index)
        for secret in (one.number, one.scan_code, one.holder.name, one.holder.id_number, one.face.agency):
            assert secret.encode() not in held
    # Not even inside the seal is there more of the document than the mask.
    with server.client as client:
        keys: Any = client.keys("verify:f:*")
        assert len(keys) == 8
    assert first._far is not None and first._history is not None
    far, history = first._far, first._history
    found = [
        far._open(FarFace, seeded(i).number, value, history) for i in range(8) for value in server.dump()
    ]
    opened = [one for one in found if one is not None]
    assert len(opened) == 8
    assert all(seeded(index).holder.id_number not in repr(opened) for index in range(8))


# --- what Redis may do ----------------------------------------------------------------------------------


def swap(client: Any, keys: list[bytes]) -> None:
    """Every entry under the next one's key."""
    values = client.mget(keys)
    client.mset(dict(zip(keys, values[1:] + values[:1], strict=True)))


def flip(client: Any, keys: list[bytes]) -> None:
    """One bit of each."""
    for key, value in zip(keys, client.mget(keys), strict=True):
        place = len(value) // 2
        client.set(key, value[:place] + bytes([value[place] ^ 1]) + value[place + 1 :])


def forge(client: Any, keys: list[bytes]) -> None:
    """Entries sealed by somebody with a key of his own."""
    other = FarCache(Link("unix:///x"), STRANGER, revoked_public=True)
    for key in keys:
        client.set(
            key, other._seal(FarNumber(1 << 40, "n", "{}", "valid", 1, 0, None, None, "a", "", ""), "")
        )


def garbage(client: Any, keys: list[bytes]) -> None:
    """Bytes, the largest too."""
    for index, key in enumerate(keys):
        client.set(key, random.Random(index).randbytes((0, 1, 28, 29, 400, 2 << 20)[index % 6]))


def other_types(client: Any, keys: list[bytes]) -> None:
    """Keys that hold lists."""
    client.delete(*keys)
    for key in keys:
        client.rpush(key, b"x")


def flush(client: Any, keys: list[bytes]) -> None:
    """Everything lost."""
    client.flushall()


@pytest.mark.parametrize("harm", [swap, flip, forge, garbage, other_types, flush])
async def test_a_harmed_entry_is_a_read_of_the_store(
    desk: Desk, server: Server, harm: Callable[[Any, list[bytes]], None]
) -> None:
    async with node(desk, server.url) as first:
        plain = [without_time(await ask_all(first, index)) for index in range(6)]
        await written(first)
    with server.client as client:
        keys: Any = client.keys("*")
        harm(client, sorted(keys))
    async with node(desk, server.url) as second:
        assert [without_time(await ask_all(second, index)) for index in range(6)] == plain
        assert (second.figures.read, second.figures.far) == (12, 0)
        assert second._far is not None
        assert second._far.refused == (0 if harm in (flush, other_types) else 12)


async def test_an_old_entry_played_back_is_not_believed(desk: Desk, server: Server) -> None:
    async with node(desk, server.url) as first:
        assert await verdict(first, 1) == "valid"
        await written(first)
        with server.client as client:
            keys: Any = client.keys("*")
            old = {key: client.get(key) for key in keys}
        await desk.change(seeded(1).number, Move.REVOKE)
        assert await verdict(first, 1) == "revoked"
        await written(first)
        with server.client as client:
            client.mset(old)
        first._drop_all()
        assert await verdict(first, 1) == "revoked"
    with server.client as client:
        client.mset(old)
    async with node(desk, server.url) as fresh:
        assert await verdict(fresh, 1) == "revoked"
        assert fresh.figures.far == 0


async def test_an_entry_from_a_future_that_a_restored_backup_lost_is_not_believed(
    desk: Desk, server: Server
) -> None:
    async with node(desk, server.url) as first:
        await desk.change(seeded(1).number, Move.REVOKE)
        assert await verdict(first, 1) == "revoked"
        await written(first)
        first._window.seq = 1
        first._window.floor = 0
        first._window.changed.clear()
        one = FarNumber(2, seeded(1).number, "", "", 1, 0, None, None, seeded(1).face.agency, "", "")
        assert not first._still_holds(one)


@pytest.mark.parametrize("trouble", ["paused", "killed", "full", "missing"])
async def test_without_redis_answers_are_the_same_and_nobody_sees_an_error(
    desk: Desk, server: Server, trouble: str
) -> None:
    if trouble == "missing":
        server.kill()
    async with node(desk, server.url, timeout_s=0.02, up=trouble != "missing") as one:
        if trouble == "paused":
            with server.client as client:
                client.execute_command("CLIENT PAUSE", 60000, "ALL")
        elif trouble == "killed":
            server.kill()
        elif trouble == "full":
            with server.client as client:
                client.config_set("maxmemory", 1)
        for index in range(10):
            assert await verdict(one, index) == "valid"
        await desk.change(seeded(0).number, Move.REVOKE)
        assert await verdict(one, 0) == "revoked"
    if trouble in ("missing", "killed"):
        server.start()


# --- judged histories -----------------------------------------------------------------------------------


class NoSequence(Lookup):
    """Whatever opens is used."""

    def _still_holds(self, one: FarNumber | FarFace) -> bool:
        return True


class NoGuard(Lookup):
    """Whatever was read is kept, and counts as true."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._numbers = Near(1 << 20, self._window, admits=lambda number, seq: True)
        self._full = Near(1 << 20, self._window, admits=lambda number, seq: True)


class Unsealed(FarCache):
    """An entry stands in Redis as it is."""

    def _seal(self, entry: FarNumber | FarFace, history: str) -> bytes:
        self._keys = Bare()
        return super()._seal(entry, history)

    def _open(self, kind: Any, number: str, blob: bytes, history: str) -> Any:
        self._keys = Bare()
        return super()._open(kind, number, blob, history)


class Bare(DataKeys):
    """Keys that seal nothing."""

    def __init__(self) -> None:
        super().__init__(DataKeySet((b"s" * 32,), b"i" * 32, b"c" * 32))

    def seal_entry(self, plain: bytes, aad: bytes) -> bytes:
        return plain

    def unseal_entry(self, blob: bytes, aad: bytes) -> bytes:
        return blob


async def history_on(
    desk: Desk, stores: list[Store], url: str, seed: int, *, lookup: type[Lookup] = Lookup, near: int = 20_000
) -> tuple[list[str], int]:
    """Two nodes with little memory, a Redis that plays old entries back; violations, and far answers."""
    over = asyncio.Event()

    async def replay() -> None:
        from redis.asyncio import Redis

        dice = random.Random(seed)
        kept: dict[bytes, list[bytes]] = {}
        client = Redis.from_url(url, protocol=2)
        while not over.is_set():
            for key in await client.keys("verify:*"):
                if value := await client.get(key):
                    kept.setdefault(key, []).append(value)
                if dice.random() < 0.3:
                    await client.set(key, dice.choice(kept[key]))
            await asyncio.sleep(0.001)
        await client.aclose()

    async with (
        node(desk, url, stores[0], lookup=lookup, near_cache_bytes=near) as one,
        node(desk, url, stores[1], lookup=lookup, near_cache_bytes=near) as two,
    ):
        playing = asyncio.create_task(replay())
        history = await run_history(desk, [one, two], seed, nothing)
        over.set()
        await playing
        return history.violations(), one.figures.far + two.figures.far


async def test_no_read_is_stale_on_two_nodes_that_share_a_redis_which_plays_back_the_past(
    desk: Desk, server: Server
) -> None:
    other = SqliteStore(desk.path, read_only=True)
    found, far = await history_on(desk, [Slow(desk.store, 1), Slow(other, 2)], server.url, 1)
    await other.close()
    assert found == []
    assert far > READERS


@pytest.mark.parametrize("mutant", [NoSequence, NoGuard])
async def test_the_judge_catches_a_far_cache_without_its_checks(
    desk: Desk, server: Server, mutant: type[Lookup]
) -> None:
    near = 20_000 if mutant is NoSequence else 1 << 20
    for seed in range(12):
        other = SqliteStore(desk.path, read_only=True)
        stores = [Slow(desk.store, seed), Slow(other, seed + 50)]
        found, _ = await history_on(desk, list(stores), server.url, seed, lookup=mutant, near=near)
        await other.close()
        if found:
            return
    raise AssertionError(f"{mutant.__name__} was not caught")


@pytest.mark.parametrize(("kind_of", "shown"), [(FarCache, "valid"), (Unsealed, "forged")])
async def test_only_the_seal_keeps_a_forged_face_from_being_shown(
    desk: Desk, server: Server, kind_of: type[FarCache], shown: str
) -> None:
    one = seeded(1)
    async with node(desk, server.url, far=kind_of) as first:
        await first.by_scan_code(one.scan_code)
        entry = first._full.get(one.number, 0)
        assert entry is not None
        forged = msgspec.structs.replace(entry, head=entry.head.replace(b'"valid"', b'"forged"'))
        await written(first)
    stranger = kind_of(Link(server.url), STRANGER, revoked_public=True)
    with server.client as client:
        (key,) = client.keys("*")  # type: ignore[misc]
        client.set(key, stranger._seal(far_face(one.number, forged), ""))
    async with node(desk, server.url, far=kind_of) as second:
        (answer,) = (await second.by_scan_code(one.scan_code)).answers
        assert read_answer(answer)["verdict"] == shown


@pytest.fixture(scope="module")
def postgres() -> Iterator[servers.Postgres]:
    with servers.postgres() as running:
        yield running


async def test_no_read_is_stale_on_two_nodes_with_one_postgresql_and_one_redis(
    postgres: servers.Postgres, server: Server, tmp_path: Path
) -> None:
    name = f"far_{random.randrange(1 << 40)}"
    connection = await asyncpg.connect(postgres.dsn)
    await connection.execute(f"create database {name}")
    await connection.close()
    dsn = postgres.dsn.replace("/postgres?", f"/{name}?")
    await migrate_postgres(dsn)
    first, second = await open_postgres(dsn), await open_postgres(dsn, read_only=True)
    await add_issuers(first, PAIR)
    for agency in range(4):
        group = [index for index in range(SUBJECTS) if index % 4 == agency]
        await write_group(first, group, agency, KEYS, PAIR, signed=0)
    desk: Any = Desk(tmp_path, first)  # type: ignore[arg-type]
    found, far = await history_on(desk, [first, second], server.url, 7)
    await first.close()
    await second.close()
    assert found == []
    assert far > READERS


# --- the window -----------------------------------------------------------------------------------------


def told(seq: int, *changes: tuple[int, str]) -> Head:
    return Head(seq, tuple(Change(at, what, None) for at, what in changes), True)


def test_a_window_reaches_back_to_where_its_first_look_did_and_not_further() -> None:
    window = Window(always=True)
    window.advance(told(20, (11, "a"), (12, "b")))
    assert [window.admits("c", seq) for seq in (9, 10, 11)] == [False, True, True]
    assert [window.admits("b", seq) for seq in (10, 11, 12)] == [False, False, True]
    nothing_known = Window(always=True)
    nothing_known.advance(told(20))
    assert [nothing_known.admits("c", seq) for seq in (19, 20)] == [False, True]


def test_a_window_forgets_the_oldest_changes_and_what_is_older_than_they() -> None:
    window = Window(always=True)
    window.advance(told(1, (1, "first")))
    for seq in range(2, 2 * MAX_CHANGES):
        window.advance(told(seq, (seq, f"n{seq}")))
    assert len(window.changed) == MAX_CHANGES
    assert not window.admits("first", window.floor - 1)
    assert not window.admits("anything", window.floor - 1)
    assert window.admits("anything", window.floor)
    assert window.floor == MAX_CHANGES - 1


def test_an_event_about_everything_ends_what_was_read_before_it() -> None:
    window = Window(always=True)
    window.advance(told(5, (5, "a")))
    window.end_all(9)
    assert [window.admits("a", seq) for seq in (8, 9)] == [False, True]
