"""Employers' lists and receipts, holders' links and wishes: the same on both engines."""

import datetime as dt
import re

import pytest
from store_samples import issue

from verify.errors import Conflict, NotFound
from verify.store.contract import Program, Store, run
from verify.store.employers import (
    EmployerCheck,
    GivenReceipt,
    KeyTaken,
    SealedRow,
    add_receipt,
    check_rows,
    drop_rows,
    find_check,
    find_receipt,
    finish_questions,
    open_check,
    unfinished_checks,
    waiting_questions,
)
from verify.store.holders import (
    Asked,
    Share,
    add_share,
    asked_about,
    count_visit,
    follow_share,
    holdings,
    is_listed,
    list_shares,
    set_listed,
    withdraw_share,
)
from verify.store.journal import Origin
from verify.store.reads import find
from verify.store.register import Credential, add_credential

AT = dt.datetime(2026, 11, 21, 4, 0, tzinfo=dt.UTC)
ORIGIN = Origin("test", AT)
DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)


async def _employer(store: Store) -> str:
    credential = Credential("0123456789ab", "employer", None, "某公司", b"h" * 32, AT)
    await store.write(lambda: add_credential(credential, ORIGIN))
    return credential.id


def _check(employer: str, name: str = "ec_1", request: bytes = b"q", rows: int = 3) -> EmployerCheck:
    return EmployerCheck(name, employer, AT, None, rows, 0, 0, 1, request)


def _add_tags(number: str, *tags: bytes) -> Program[None]:
    for tag in tags:
        yield from run("insert_finder", tag, number)


async def test_a_list_is_counted_once_whoever_answers_its_rows(store: Store) -> None:
    employer = await _employer(store)
    (number,) = await issue(store, "k")
    rows = [SealedRow(1, "waiting", b"1"), SealedRow(2, "waiting", b"2"), SealedRow(3, "failed", b"3")]
    opened = await store.write(lambda: open_check(_check(employer), "key", rows, ORIGIN, daily_rows=0))
    again = await store.write(lambda: open_check(_check(employer, "ec_2"), "key", rows, ORIGIN, daily_rows=0))
    other = await store.write(
        lambda: open_check(_check(employer, "ec_3", b"x"), "key", rows, ORIGIN, daily_rows=0)
    )
    assert isinstance(opened, EmployerCheck) and again == opened and other == KeyTaken()
    assert await store.read(lambda: waiting_questions("ec_1", 9)) == [(1, b"1"), (2, b"2")]
    results = [SealedRow(1, "found", b"r1"), SealedRow(2, "missed", b"r2")]
    for _ in range(2):
        await store.write(lambda: finish_questions(opened, results, {number: 1}, AT))
    done = await store.read(lambda: find_check("ec_1"))
    assert done is not None and (done.found, done.missed, done.failed, done.done_at) == (1, 1, 1, AT)
    assert await store.read(unfinished_checks) == []
    ((asked),) = await store.read(lambda: asked_about(number))
    assert (asked.day, asked.kind, asked.times) == ("2026-11-21", "list", 1)
    await store.write(lambda: drop_rows(AT))
    assert len(await store.read(lambda: check_rows("ec_1", 0, 9))) == 3
    await store.write(lambda: drop_rows(AT + DAY))
    assert await store.read(lambda: check_rows("ec_1", 0, 9)) == []
    assert await store.read(lambda: find_check("ec_1")) == done


async def test_what_a_holder_may_see_is_counted_by_day_and_kind_and_names_no_employer(store: Store) -> None:
    employer = await _employer(store)
    number, other = await issue(store, "k", "l")
    second = Credential("ba9876543210", "employer", None, "另一公司", b"g" * 32, AT)
    await store.write(lambda: add_credential(second, ORIGIN))
    for i, who in enumerate((employer, second.id)):
        given = GivenReceipt(f"rc_{i}", who, b"d" * 32, AT)
        await store.write(lambda given=given: add_receipt(given, b"q", {number: 1}, ORIGIN))
    for kind, at in (("sign-in", AT), ("document", AT), ("sign-in", AT + 11 * HOUR), ("sign-in", AT + DAY)):
        await store.write(lambda kind=kind, at=at: count_visit(number, kind, at))
    assert await store.read(lambda: asked_about(number)) == [
        Asked("2026-11-22", "sign-in", 1),
        Asked("2026-11-21", "document", 1),
        Asked("2026-11-21", "receipt", 2),
        Asked("2026-11-21", "sign-in", 2),
    ]
    assert await store.read(lambda: asked_about(other)) == []


async def test_a_session_reaches_what_the_person_search_shows_and_the_certificate_that_was_named(
    store: Store,
) -> None:
    first, second, strange = await issue(store, "k", "l", "m")
    person, name, no_name = b"p" * 16, b"n" * 16, b"o" * 16
    await store.write(lambda: _add_tags(first, person, name))
    await store.write(lambda: _add_tags(second, person, b"x" * 16))
    await store.write(lambda: _add_tags(strange, no_name))

    async def held(number: str, *tags: bytes) -> list[str]:
        return await store.read(lambda: holdings(number, tags))

    assert await held(first, person, name) == [first, second]
    assert await held(first, person, no_name) == await held(strange, person, no_name) == []
    await store.write(lambda: set_listed(second, person, False, ORIGIN))
    assert await held(first, person, name) == [first]
    assert await held(second, person, b"x" * 16) == [second, first]


async def test_whatever_misses_a_sign_in_asks_the_same_of_the_register(store: Store) -> None:
    mine, other = await issue(store, "k", "l")
    person, name = b"p" * 16, b"n" * 16
    await store.write(lambda: _add_tags(mine, person, name))

    async def asked(number: str, *tags: bytes) -> list[str]:
        seen: list[str] = []

        def traced() -> Program[list[str]]:
            program = holdings(number, tags)
            step = next(program)
            while True:
                seen.append(str(step))
                try:
                    step = program.send((yield step))
                except StopIteration as end:
                    return list(end.value)

        assert await store.read(traced) == []
        return [re.sub(r"b'[^']*'|'[^']*[0-9]{4,}'", "?", one) for one in seen]

    misses = [
        await asked(mine, b"x" * 16, name),  # another document
        await asked(mine, b"x" * 16, b"y" * 16),  # another name: both tags hold it
        await asked(other, person, b"y" * 16),  # another's number
        await asked("S000044000456263999999", person, name),  # nobody's number
    ]
    assert len(misses[0]) == 1 and all(one == misses[0] for one in misses), misses


async def test_a_receipt_is_remembered_and_counts_add_up(store: Store) -> None:
    employer = await _employer(store)
    (number,) = await issue(store, "k")
    for i in range(2):
        given = GivenReceipt(f"rc_{i}", employer, b"d" * 32, AT)
        await store.write(lambda given=given: add_receipt(given, b"q", {number: 1}, ORIGIN))
    assert await store.read(lambda: find_receipt("rc_1")) == GivenReceipt("rc_1", employer, b"d" * 32, AT)
    assert await store.read(lambda: find_receipt("rc_2")) is None
    assert [one.times for one in await store.read(lambda: asked_about(number))] == [2]


async def test_a_link_leads_somewhere_until_it_ends(store: Store) -> None:
    number, other = await issue(store, "k", "l")
    share = Share("sh_1", number, b"s", AT, AT + DAY, None)
    await store.write(lambda: add_share(share, b"t" * 16, 1, ORIGIN))
    with pytest.raises(Conflict):
        await store.write(
            lambda: add_share(Share("sh_2", number, b"s", AT, AT + DAY, None), b"u" * 16, 1, ORIGIN)
        )
    assert await store.read(lambda: follow_share(b"t" * 16, AT)) is not None
    assert await store.read(lambda: follow_share(b"t" * 16, AT + DAY)) is None
    assert await store.read(lambda: follow_share(b"x" * 16, AT)) is None
    with pytest.raises(NotFound):
        await store.write(lambda: withdraw_share("sh_1", other, ORIGIN))
    ended = await store.write(lambda: withdraw_share("sh_1", number, ORIGIN))
    assert await store.read(lambda: follow_share(b"t" * 16, AT)) is None
    assert await store.read(lambda: list_shares(number)) == [ended]


async def test_who_is_not_listed_is_found_by_every_other_tag(store: Store) -> None:
    (number,) = await issue(store, "k")

    person, name = b"p" * 16, b"n" * 16
    await store.write(lambda: _add_tags(number, person, name))
    await store.write(lambda: set_listed(number, person, False, ORIGIN))
    found = await store.read(lambda: find([], [person, name]))
    assert number not in found.tags.get(person, ()) and found.tags[name] == (number,)
    assert not await store.read(lambda: is_listed(number))
    await store.write(lambda: set_listed(number, person, True, ORIGIN))
    assert (await store.read(lambda: find([], [person]))).tags[person] == (number,)
