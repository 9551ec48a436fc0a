"""What ends by itself about holders: counts after three years, a few at a time, and sign-outs after their session's time."""

import asyncio
import datetime as dt

import pytest
from store_engines import Engine
from store_samples import issue

from verify.certificate.name import fold_name
from verify.errors import Unauthenticated
from verify.holders import choices as rules
from verify.holders.choices import COUNTS_KEPT, Choices
from verify.holders.session import LIFE, PREFIX, Sessions
from verify.lookup.entries import read_identity
from verify.proof.public import b64url, parse_b64url
from verify.proof.sealing import DataKeys, generate_data_keys
from verify.store.contract import Program, Store, run
from verify.store.employers import GivenReceipt, add_receipt
from verify.store.holders import asked_about, count_visit
from verify.store.journal import Origin
from verify.store.personal import person_tag
from verify.store.register import Credential, add_credential
from world import resident_id

AT = dt.datetime(2026, 11, 21, 4, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
SECOND = dt.timedelta(seconds=1)
WHO = resident_id(1)
KEYS = DataKeys(generate_data_keys())


class Clock:
    """Aware UTC, moved by hand."""

    def __init__(self) -> None:
        self.at = AT

    def __call__(self) -> dt.datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def signed_in(store: Store, sessions: Sessions) -> str:
    """A session for a certificate that both tags lead to."""
    (number,) = await issue(store, "k")
    identity = read_identity("RESIDENT_ID", WHO, AT)
    folded = fold_name("张三")
    tags = [person_tag(KEYS, identity, folded), KEYS.name_tag(number, folded)]

    def add() -> Program[None]:
        for tag in tags:
            yield from run("insert_finder", tag, number)

    await store.write(add)
    text, _ = await sessions.open(number, "张三", "RESIDENT_ID", WHO)
    return text


async def opens(sessions: Sessions, text: str) -> bool:
    try:
        await sessions.read(text)
    except Unauthenticated:
        return False
    return True


async def test_a_session_that_was_ended_opens_nothing_on_any_node_and_its_row_goes_with_its_time(
    store: Store, engine: Engine, clock: Clock
) -> None:
    here = Sessions(store, data_keys=KEYS, now=clock)
    other = await engine.open()
    there = Sessions(other, data_keys=KEYS, now=clock)
    text = await signed_in(store, here)
    second, _ = await here.open((await here.read(text)).number, "张三", "RESIDENT_ID", WHO)
    assert await opens(here, text) and await opens(there, text)
    await asyncio.gather(here.end(text), there.end(second))
    for node in (here, there):
        assert not await opens(node, text) and not await opens(node, second)
    with pytest.raises(Unauthenticated):
        await here.end(text + "A")
    with pytest.raises(Unauthenticated):
        await there.end(text)
    sealed = parse_b64url(text.removeprefix(PREFIX))
    stored = await engine.sql("select tag from ended_session")
    assert len(stored) == 2 and all(bytes(tag) not in sealed and bytes(tag) != sealed for (tag,) in stored)
    # The same bytes written otherwise are the same session, or none.
    assert not await opens(here, PREFIX + b64url(sealed)) and not await opens(here, text + "=")
    clock.at = AT + LIFE
    await here.sweep()
    assert len(await engine.sql("select tag from ended_session")) == 2
    clock.at = AT + LIFE + 61 * SECOND
    await here.sweep()
    assert await engine.sql("select tag from ended_session") == [] and not await opens(there, text)
    await other.close()


async def test_ending_one_session_leaves_the_holders_other_one(store: Store, clock: Clock) -> None:
    sessions = Sessions(store, data_keys=KEYS, now=clock)
    text = await signed_in(store, sessions)
    number = (await sessions.read(text)).number
    other, _ = await sessions.open(number, "张三", "RESIDENT_ID", WHO)
    await sessions.end(other)
    assert await opens(sessions, text) and not await opens(sessions, other)


async def test_counts_go_after_three_years_all_of_them_and_no_other(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "SWEPT_AT_ONCE", 2)
    first, second = await issue(store, "k", "l")
    who = Credential("0123456789ab", "employer", None, "某公司", b"h" * 32, AT)
    await store.write(lambda: add_credential(who, Origin("test", AT)))
    for days in range(6):
        at = AT + days * DAY
        await store.write(lambda at=at: count_visit(first, "sign-in", at))
        given = GivenReceipt(f"rc_{days}", who.id, b"d" * 32, at)
        origin = Origin(who.id, at)
        await store.write(lambda given=given, origin=origin: add_receipt(given, b"q", {second: 1}, origin))
    desk = Choices(store, now=clock)
    clock.at = AT + COUNTS_KEPT
    await desk.sweep()
    assert [len(await store.read(lambda n=n: asked_about(n))) for n in (first, second)] == [6, 6]
    clock.at = AT + COUNTS_KEPT + 5 * DAY
    await desk.sweep()
    for number in (first, second):
        (kept,) = await store.read(lambda number=number: asked_about(number))
        assert kept.day == "2026-11-26"
