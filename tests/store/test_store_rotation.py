"""Another secret for an API key, on both engines: two count at most, one of two who race wins, a restore takes nothing back."""

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator

import pytest
from store_engines import Engine

from verify.errors import Conflict, Invalid, NotFound, Unauthenticated
from verify.office.audit import audit
from verify.office.credentials import MAX_OVERLAP, OVERLAP, Credentials
from verify.proof.ledger import Link
from verify.proof.sealing import DataKeys, generate_data_keys
from verify.store.contract import Program, Store, run
from verify.store.replay import Replayed, replay

SECOND = dt.timedelta(seconds=1)
NONE = dt.timedelta()
AT = dt.datetime(2026, 11, 21, 4, 0, tzinfo=dt.UTC)


class Clock:
    """Aware UTC, moved by hand."""

    def __init__(self) -> None:
        self.at = AT

    def __call__(self) -> dt.datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def bare(engine: Engine) -> AsyncIterator[Store]:
    """Nothing in it: the audit has only what is done here."""
    opened = await engine.open()
    yield opened
    await opened.close()


@pytest.fixture
def desk(bare: Store, clock: Clock) -> Credentials:
    return Credentials(bare, now=clock)


async def employer(desk: Credentials) -> tuple[str, str]:
    made, bearer = await desk.create("岭南机械有限公司", agency=None, employer=True, actor="test")
    return made.id, bearer


async def opens(desk: Credentials, *bearers: str) -> list[bool]:
    seen = []
    for bearer in bearers:
        try:
            await desk.authenticate(bearer)
            seen.append(True)
        except Unauthenticated:
            seen.append(False)
    return seen


async def checks(store: Store) -> set[tuple[str, str]]:
    report = await audit(store, DataKeys(generate_data_keys()))
    return {(one.check, one.where) for one in report.findings}


async def events(store: Store) -> list[Link]:
    rows = await store.read(lambda: run("read_events", 0, 999))
    return [Link(row[0], row[4].encode(), row[5]) for row in rows]


async def test_the_same_id_has_two_secrets_until_the_overlap_ends_to_the_second(
    bare: Store, desk: Credentials, clock: Clock
) -> None:
    key, old = await employer(desk)
    made, new = await desk.rotate(key, actor="operator")
    assert made.id == key and made.rotations == 1 and made.old_until == AT + OVERLAP
    assert await opens(desk, old, new) == [True, True]
    assert (await desk.authenticate(old)).id == (await desk.authenticate(new)).id
    clock.at = AT + OVERLAP - SECOND
    assert await opens(desk, old, new) == [True, True]
    clock.at = AT + OVERLAP
    assert await opens(desk, old, new) == [False, True]
    clock.at = AT + OVERLAP + SECOND
    assert await opens(desk, old, new) == [False, True]
    assert await checks(bare) == set()


async def test_without_an_overlap_the_old_secret_is_refused_by_the_next_request(
    desk: Credentials,
) -> None:
    key, old = await employer(desk)
    _, new = await desk.rotate(key, actor="operator", overlap=NONE)
    assert await opens(desk, old, new) == [False, True]


async def test_an_old_secret_is_ended_before_its_time_once(
    bare: Store, desk: Credentials, clock: Clock
) -> None:
    key, old = await employer(desk)
    _, new = await desk.rotate(key, actor="operator")
    clock.at += SECOND
    ended = await desk.end_old(key, actor="operator")
    clock.at += SECOND
    again = await desk.end_old(key, actor="operator")
    assert ended.old_until == again.old_until == AT + SECOND
    assert await opens(desk, old, new) == [False, True]
    told = [json.loads(link.body) for link in await events(bare)]
    assert [one["kind"] for one in told] == [
        "credential-created", "credential-rotated", "credential-old-ended",
    ]  # fmt: skip
    assert {one["actor"] for one in told[1:]} == {"operator"}
    assert not {new.rpartition("_")[2], old.rpartition("_")[2]} & set(json.dumps(told).split('"'))
    assert await checks(bare) == set()


async def test_a_third_secret_waits_for_the_end_of_the_first_unless_all_old_ones_end(
    desk: Credentials, clock: Clock
) -> None:
    key, first = await employer(desk)
    _, second = await desk.rotate(key, actor="operator", overlap=MAX_OVERLAP)
    with pytest.raises(Conflict):
        await desk.rotate(key, actor="operator")
    _, third = await desk.rotate(key, actor="operator", overlap=NONE)
    assert await opens(desk, first, second, third) == [False, False, True]
    clock.at += SECOND
    _, fourth = await desk.rotate(key, actor="operator")
    assert await opens(desk, first, second, third, fourth) == [False, False, True, True]


async def test_of_two_who_exchange_the_same_secret_at_once_one_is_told(
    bare: Store, desk: Credentials, clock: Clock
) -> None:
    key, old = await employer(desk)
    for overlap in (OVERLAP, NONE):
        tried = await asyncio.gather(
            *(desk.rotate(key, actor=key, present=old, overlap=overlap) for _ in range(8)),
            return_exceptions=True,
        )
        won = [one[1] for one in tried if not isinstance(one, BaseException)]
        assert len(won) == 1
        assert all(isinstance(one, Conflict) for one in tried if isinstance(one, BaseException))
        assert await opens(desk, old, won[0]) == [overlap > NONE, True]
        old, clock.at = won[0], clock.at + OVERLAP
    assert await checks(bare) == set()


async def test_an_old_secret_exchanges_and_ends_nothing(desk: Credentials) -> None:
    key, old = await employer(desk)
    _, new = await desk.rotate(key, actor=key, present=old)
    with pytest.raises(Conflict):
        await desk.rotate(key, actor=key, present=old, overlap=NONE)
    with pytest.raises(Conflict):
        await desk.end_old(key, actor=key, present=old)
    await desk.end_old(key, actor=key, present=new)
    assert await opens(desk, old, new) == [False, True]


async def test_an_overlap_is_bounded_and_a_key_is_whose_it_is(desk: Credentials) -> None:
    key, old = await employer(desk)
    for overlap in (MAX_OVERLAP + SECOND, -SECOND):
        with pytest.raises(Invalid):
            await desk.rotate(key, actor="operator", overlap=overlap)
    tries = [
        desk.rotate(key, actor="operator", owner="S000035000123"),
        desk.rotate(key, actor="operator", role="agency"),
        desk.rotate("f" * 12, actor="operator"),
        desk.end_old(key, actor="operator", role="operator"),
    ]
    for one in tries:
        with pytest.raises(NotFound):
            await one
    await desk.rotate(key, actor="operator")
    await desk.revoke(key, owner=None, actor="operator")
    with pytest.raises(NotFound):
        await desk.rotate(key, actor="operator", overlap=NONE)
    assert await opens(desk, old) == [False]


@pytest.mark.parametrize(
    "harm",
    [
        "update credential set old_until = old_until + 86400000000",
        "update credential set rotations = 0",
        "update credential set old_until = null, old_hash = null",
    ],
)
async def test_the_audit_names_an_old_secret_that_was_given_more_time(
    bare: Store, engine: Engine, desk: Credentials, harm: str
) -> None:
    key, _ = await employer(desk)
    await desk.rotate(key, actor="operator")
    assert await checks(bare) == set()
    await engine.sql(harm)
    assert await checks(bare) == {("credential", f"credential {key}")}


# --- after a restore ------------------------------------------------------------------------------------


async def goes_back(bare: Store, engine: Engine, links: list[Link], after: int) -> Replayed:
    """The register as a backup has it that ended with entry `after`, and the journal applied to it."""
    if engine.__class__.__name__ == "Sqlite":
        for trigger in ("event_is_append_only_2", "head_only_advances"):
            await engine.sql(f"drop trigger {trigger}")
    else:
        for table in ("event", "ledger_head"):
            await engine.sql(f"alter table {table} disable trigger user")
    await engine.sql(f"delete from event where seq > {after}")
    await engine.sql(
        "update ledger_head set seq = (select max(seq) from event),"
        " hash = (select hash from event order by seq desc limit 1)"
    )

    def never(number: str, sealed: bytes) -> bytes:
        raise AssertionError

    def again() -> Program[Replayed]:
        return replay([one for one in links if one.seq > after], history="h" * 32, person_tag=never)

    return await bare.write(again)


async def as_in_the_backup(engine: Engine, secret: bytes) -> None:
    is_lite = engine.__class__.__name__ == "Sqlite"
    literal = f"x'{secret.hex()}'" if is_lite else f"'\\x{secret.hex()}'::bytea"
    await engine.sql(
        f"update credential set secret_hash = {literal}, old_hash = null, old_until = null, rotations = 0"
    )


async def test_after_a_restore_the_old_secret_ends_when_it_was_to_and_the_lost_one_is_named(
    bare: Store, engine: Engine, desk: Credentials, clock: Clock
) -> None:
    key, old = await employer(desk)
    seq = len(await events(bare))
    backup = (await desk.authenticate(old)).secret_hash
    _, new = await desk.rotate(key, actor="operator")
    links = await events(bare)
    await as_in_the_backup(engine, backup)
    replayed = await goes_back(bare, engine, links, seq)
    assert replayed.lost_others == {"credential-rotated": (key,)} and replayed.changes == 1
    assert await opens(desk, old, new) == [True, False]
    assert await checks(bare) == {("credential-secret", f"credential {key}")}
    # The next exchange takes the place of the lost secret; the old one goes on as it was to.
    _, newest = await desk.rotate(key, actor="operator")
    assert await opens(desk, old, newest) == [True, True]
    assert await checks(bare) == set()
    clock.at = AT + OVERLAP + SECOND
    assert await opens(desk, old, newest) == [False, True]


async def test_after_a_restore_a_secret_that_was_ended_opens_nothing(
    bare: Store, engine: Engine, desk: Credentials, clock: Clock
) -> None:
    key, first = await employer(desk)
    seq = len(await events(bare))
    backup = (await desk.authenticate(first)).secret_hash
    _, second = await desk.rotate(key, actor="operator")
    clock.at += SECOND
    _, third = await desk.rotate(key, actor="operator", overlap=NONE)
    links = await events(bare)
    await as_in_the_backup(engine, backup)
    await goes_back(bare, engine, links, seq)
    assert await opens(desk, first, second, third) == [False] * 3
    _, newest = await desk.rotate(key, actor="operator")
    assert await opens(desk, first, second, third, newest) == [False, False, False, True]
    assert await checks(bare) == set()
