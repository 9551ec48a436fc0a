"""What a restore does with each table: drills on both engines, every row of the table in store/README.md."""

import asyncio
import datetime as dt
import os
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from care_shell import Shell

from verify.certificate.name import fold_name
from verify.errors import Unavailable
from verify.lookup.entries import read_identity
from verify.lookup.scan import Lookup
from verify.store import employers, holders, subscriptions
from verify.store.journal import Origin
from verify.store.personal import person_tag
from verify.store.replay import _Replay
from verify.store.subscriptions import Webhook
from verify.wiring.desks import OfficeHouse, open_office_house
from verify.wiring.settings import read_settings
from world import person_name, resident_id

T = TypeVar("T")
Lose = Callable[[], list[str]]


def in_house(job: Callable[[OfficeHouse], Awaitable[T]]) -> T:
    """Do it as a process of its own would: opened, done, closed, so that the journal has all of it."""

    async def go() -> T:
        house = await open_office_house(read_settings(os.environ, Path.cwd()), keys_checked=False)
        try:
            return await job(house)
        finally:
            await house.close()

    return asyncio.run(go())


def origin(actor: str = "holder") -> Origin:
    return Origin(actor, dt.datetime.now(dt.UTC), b"\x01" * 32)


def person(house: OfficeHouse, index: int) -> bytes:
    """The tag of the person to whom `Shell.issue` gave certificate `index`."""
    identity = read_identity("RESIDENT_ID", resident_id(index), dt.datetime.now(dt.UTC))
    return person_tag(house.data_keys, identity, fold_name(person_name(index)))


def list_person(index: int, number: str, *, listed: bool) -> None:
    async def go(house: OfficeHouse) -> None:
        tag = person(house, index)
        await house.store.write(lambda: holders.set_listed(number, tag, listed, origin()))

    in_house(go)


def found(index: int) -> int:
    """How many certificates a search by person shows."""

    async def go(house: OfficeHouse) -> int:
        return len(
            (await house.lookup.by_person("RESIDENT_ID", resident_id(index), person_name(index))).answers
        )

    return in_house(go)


def share(number: str, withdraw: str | None = None) -> str:
    """Make a link, or withdraw one."""

    async def go(house: OfficeHouse) -> str:
        if withdraw is not None:
            await house.store.write(lambda: holders.withdraw_share(withdraw, number, origin()))
            return withdraw
        now = dt.datetime.now(dt.UTC)
        made = holders.Share(secrets.token_hex(8), number, b"sealed", now, now + dt.timedelta(days=9), None)
        tag = made.id.encode()
        await house.store.write(lambda: holders.add_share(made, tag, 5, origin()))
        return made.id

    return in_house(go)


def leads(share_id: str) -> bool:
    """Whether a link leads anywhere."""

    async def go(house: OfficeHouse) -> bool:
        at = dt.datetime.now(dt.UTC)
        return await house.store.read(lambda: holders.follow_share(share_id.encode(), at)) is not None

    return in_house(go)


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: a replay that leaves out all but certificates, agencies and keys."""

    def nothing(*_: Any, **__: Any) -> Any:
        return
        yield

    for step in ("_listing", "_receipt", "_lose"):
        monkeypatch.setattr(_Replay, step, nothing)
    take = _Replay.take

    def most(self: _Replay, event: Any) -> Any:
        if event.kind not in ("share-withdrawn", "webhook-changed"):
            yield from take(self, event)

    monkeypatch.setattr(_Replay, "take", most)


# --- holders' wishes ------------------------------------------------------------------------------------


def wishes(shell: Shell, lose: Lose) -> list[Any]:
    """One leaves the search and one comes back to it after the backup; one withdraws a link and one makes one."""
    leaves, returns, shares = shell.issue(3)
    list_person(2, returns, listed=False)
    old = share(shares)
    shell("backup", "backup")
    list_person(1, leaves, listed=False)
    list_person(2, returns, listed=True)
    share(shares, withdraw=old)
    new = share(shares)
    before = [found(1), found(2), leads(old), leads(new)]
    assert before == [0, 1, False, True]
    restored = shell.json("restore", "backup", *lose())
    assert restored["replayed"]["lost_others"] == {"share-made": [old, new][1:]}
    return [found(1), found(2), leads(old), leads(new)]


def test_wishes_of_holders_are_kept_and_links_made_since_lead_nowhere(shell: Shell, lose: Lose) -> None:
    assert wishes(shell, lose) == [0, 1, False, False]
    shell("audit")


def test_a_replay_without_wishes_is_seen(shell: Shell, lose: Lose, forgetful: None) -> None:
    assert wishes(shell, lose) == [1, 0, True, False]


def test_without_data_keys_a_wish_is_not_silently_dropped(bare: Shell) -> None:
    bare.set("VERIFY_JOURNAL", str(bare.folder / "other/journal"))
    bare.prepare()
    (number,) = bare.issue(1)
    bare("backup", "backup")
    list_person(1, number, listed=False)
    Path("keys/data.keys").rename("other/data.keys")
    told = bare("restore", "backup", "--force", code=1).stderr
    assert "left the search by person" in told and "data.keys" in told
    Path("other/data.keys").rename("keys/data.keys")
    bare("restore", "backup", "--force")
    assert found(1) == 0


# --- employers ------------------------------------------------------------------------------------------


async def hire(house: OfficeHouse) -> str:
    made, _ = await house.office.credentials.create("某单位", agency=None, actor="cli:test", employer=True)
    return made.id


def employer_after(shell: Shell, lose: Lose) -> tuple[dict[str, Any], list[bool]]:
    """A receipt given, an address deleted and one made, a subscription and a list, all after the backup."""
    (number,) = shell.issue(1)
    employer = in_house(hire)
    now = dt.datetime.now(dt.UTC)
    hooks = [
        Webhook(name, employer, "https://x.example", "unproven", now, subscriptions.Place(0), 0, None, now)
        for name in ("old", "new")
    ]

    async def prepare(house: OfficeHouse) -> None:
        await house.store.write(lambda: subscriptions.add_webhook(hooks[0], 9, origin(employer)))

    async def go(house: OfficeHouse) -> None:
        write = house.store.write
        await write(lambda: subscriptions.delete_webhook("old", employer, origin(employer)))
        await write(lambda: subscriptions.add_webhook(hooks[1], 9, origin(employer)))
        await write(lambda: subscriptions.subscribe(employer, [number], 9, origin(employer)))
        given = employers.GivenReceipt("receipt-1", employer, b"d" * 32, now)
        await write(
            lambda: employers.add_receipt(given, b"\x01" * 32, Counter({number: 1}), origin(employer))
        )

    async def look(house: OfficeHouse) -> list[bool]:
        kept = await house.store.read(lambda: employers.find_receipt("receipt-1"))
        there = await house.store.read(lambda: subscriptions.list_webhooks(employer))
        return [kept is not None and kept.digest == b"d" * 32, "old" in {hook.id for hook in there}]

    in_house(prepare)
    shell("backup", "backup")
    in_house(go)
    restored = shell.json("restore", "backup", *lose())
    assert restored["replayed"]["lost_others"].get("subscriptions-changed", [employer]) == [employer]
    return restored["replayed"]["lost_others"], in_house(look)


def test_a_receipt_stays_good_a_deleted_address_stays_deleted_and_the_rest_is_told(
    shell: Shell, lose: Lose
) -> None:
    others, kept = employer_after(shell, lose)
    assert kept == [True, False]
    assert set(others) == {"subscriptions-changed", "webhook-changed"}
    assert others["webhook-changed"] == ["new"]
    shell("audit")


def test_a_replay_without_employers_is_seen(shell: Shell, lose: Lose, forgetful: None) -> None:
    _, kept = employer_after(shell, lose)
    assert kept == [False, True]


# --- certificates made since ----------------------------------------------------------------------------


def ask_in_all_ways(number: str, index: int, token: str, scan_code: str) -> list[str]:
    """What is said of a certificate that is not there: by number, with the name, by person, by code, by paper."""

    async def go(house: OfficeHouse) -> list[str]:
        ask: Lookup = house.lookup

        async def told(question: Awaitable[Any]) -> str:
            try:
                reply = await question
            except Unavailable:
                return "could not check"
            if hasattr(reply, "verdict"):
                return str(reply.verdict)
            return "found" if reply.answers else "unknown"

        return [
            await told(ask.by_number(number)),
            await told(ask.by_number_and_name(number, person_name(index))),
            await told(ask.by_person("RESIDENT_ID", resident_id(index), person_name(index))),
            await told(ask.by_scan_code(scan_code)),
            await told(house.checker.check(token)),
        ]

    return in_house(go)


def lost_one(shell: Shell, lose: Lose) -> tuple[str, str, list[str]]:
    """A certificate issued after the backup: its number, scan code, and what is said of it after the restore."""
    shell.issue(1)
    shell("backup", "backup")
    (number,) = shell.issue(1)
    shown = shell.json("show", number)
    code = shown["copies"][0]["scan_code"]
    assert ask_in_all_ways(number, 2, shown["token"], code) == ["found", "found", "found", "found", "valid"]
    shell("restore", "backup", *lose())
    return number, code, ask_in_all_ways(number, 2, shown["token"], code)


def test_what_was_issued_since_is_neither_unknown_nor_given_again(shell: Shell, lose: Lose) -> None:
    number, _, said = lost_one(shell, lose)
    assert said == ["could not check"] * 5
    # What is known is told as before, and what was never issued is unknown where the number says so.
    assert found(1) == 1
    (other,) = shell.issue(1)
    assert other != number
    assert shell.verdict(other[:-6] + "999999") == "unknown"
    # A number that an agency brings is refused too; a second restore keeps what was lost, and what was settled.
    shell("recover", "settle", number)
    shell("backup", "later")
    shell("restore", "backup", *lose())
    (settled,) = [one for one in shell.json("recover", "lost") if one["number"] == number]
    assert settled["settled_by"].startswith("cli:")
    assert shell.verdict(number) == "unknown"
    assert "could not be checked" in shell.verdict(other)


def test_a_replay_that_forgets_what_was_lost_is_seen(shell: Shell, lose: Lose, forgetful: None) -> None:
    assert lost_one(shell, lose)[2] == ["unknown"] * 5
