"""The feed: every change of a subscribed certificate once, in the ledger's order, however it is paged."""

import asyncio
import datetime as dt

import msgspec
import pytest
from employer_place import EMPLOYER, Place, employer
from hypothesis import given
from hypothesis import strategies as st

from verify.certificate.record import AgencyState
from verify.employers.messages import event_view
from verify.employers.subscriptions import SubscriptionRequest
from verify.errors import Conflict, Invalid, NotFound
from verify.issuance.issue import Issued
from verify.issuance.reissue import ReissueRequest
from verify.office.audit import audit
from verify.proof.window import KeyMove, move_key
from verify.store import notices
from verify.store.journal import EventKind, Origin
from verify.store.notices import Place as Cursor
from verify.store.notices import parse_place, read_notices
from verify.store.reads import read_history
from verify.store.register import change_keys
from verify.store.subscriptions import subscribe
from world import World

NAME = "王小明"


async def issue(world: World, count: int, name: str = NAME) -> list[Issued]:
    """Certificates of people with one name."""
    made = []
    for i in range(count):
        made.append(await world.issuance.issue(world.skill, world.request(name=name), f"issue-{i}", "test"))
    return made


async def told(place: Place, after: str = "0") -> list[tuple[str, str, str, str | None]]:
    """Change, number, verdict and reason of everything that the feed tells."""
    page = await place.subscriptions.feed(place.credential, after, limit=100, wait_s=0)
    views = [event_view(notice, revoked_public=True) for notice in page.notices]
    return [(view["change"], view["number"], view["verdict"], view["reason"]) for view in views]


async def test_every_change_is_told_once_and_in_order_without_a_name(world: World) -> None:
    one, two, other = await issue(world, 3)
    caller = world.agency_caller()
    async with employer(world) as place:
        await world.changes.suspend(one.number, "UNDER_REVIEW", caller)  # before anybody subscribed
        await place.follow(one, two, name=NAME)
        await world.changes.reinstate(one.number, "REVIEW_CLEARED", caller)
        await world.changes.revoke(other.number, "FORGED", caller)  # nobody subscribed
        lost = msgspec.convert({"cause": "lost"}, ReissueRequest)
        await world.reissues.reissue(two.number, lost, "r", caller)
        await world.changes.revoke(one.number, "FORGED", caller)
        level = msgspec.convert({"cause": "corrected", "changes": {"level": "4"}}, ReissueRequest)
        await world.reissues.reissue(two.number, level, "r2", caller)
        assert await told(place) == [
            ("reinstated", one.number, "valid", "REVIEW_CLEARED"),
            ("copy-issued", two.number, "valid", None),
            ("revoked", one.number, "revoked", "FORGED"),
            ("replaced", two.number, "replaced", "REPLACED_INCORRECT"),
        ]
        page = await place.subscriptions.feed(place.credential, "0", limit=100, wait_s=0)
        said = repr([event_view(notice, revoked_public=True) for notice in page.notices])
        assert NAME not in said and EMPLOYER not in said and "99" + "0000" not in said
        assert [notice.revision for notice in page.notices] == [3, 2, 4, 3]
        # The cursor at the end tells nothing again, and goes on with what comes.
        assert await told(place, str(page.following)) == []
        assert (await audit(world.store, world.data_keys)).findings == ()


async def test_pages_of_any_size_give_the_same_feed(world: World) -> None:
    made = await issue(world, 4)
    caller = world.agency_caller()
    async with employer(world) as place:
        await place.follow(*made, name=NAME)
        for one in made:
            await world.changes.suspend(one.number, "UNDER_REVIEW", caller)
        await world.set_agency(world.skill, AgencyState.SUSPENDED)
        await world.changes.revoke(made[1].number, "FORGED", caller)
        await world.set_agency(world.skill, AgencyState.ACTIVE, "REMEDIED")
        key = move_key(await world.token_key(world.skill), KeyMove.COMPROMISE, world.clock())
        await world.store.write(lambda: change_keys([key], world.origin()))
        whole = await place.all_events()
        assert len(whole) == len(set(whole)) == 4 + 4 + 1 + 4 + 4
        for size in (1, 2, 3, 5, 16):
            assert await place.all_events(limit=size) == whole
        for i, event in enumerate(whole):  # the id of an event is a cursor too
            assert await place.all_events(after=event, limit=3) == whole[i + 1 :]
        changes = [change for change, *_ in await told(place)]
        assert changes[4:8] == ["agency-suspended"] * 4 and changes[-4:] == ["key-compromised"] * 4
        verdicts = [verdict for *_, verdict, _ in await told(place)]
        assert verdicts[4:8] == ["suspended"] * 4 and verdicts[-4:].count("revoked") == 1


async def test_both_ways_through_the_ledger_tell_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await issue(world, 5)
    async with employer(world) as place:
        await place.follow(*made[:3], name=NAME)
        for one in made:
            await world.changes.suspend(one.number, "UNDER_REVIEW", world.agency_caller())
        near = await place.all_events(limit=2)
        monkeypatch.setattr(notices, "NEAR", -1)
        monkeypatch.setattr(notices, "SCOPES", 1)
        head = (await world.store.read(lambda: read_notices(place.credential.id, Cursor(0), 1))).head
        assert head > 3 and await place.all_events(limit=2) == near and len(near) == 3


async def test_the_end_of_a_suspension_is_told_in_its_place_and_only_once(world: World) -> None:
    one, two = await issue(world, 2)
    caller, end = world.agency_caller(), world.clock() + dt.timedelta(hours=1)
    async with employer(world) as place:
        await place.follow(one, name=NAME)
        await world.changes.suspend(one.number, "UNDER_REVIEW", caller, until=end)
        await world.changes.suspend(two.number, "UNDER_REVIEW", caller, until=end)  # nobody subscribed
        await place.dispatcher.work_once()
        assert [line[0] for line in await told(place)] == ["suspended"]
        world.clock.forward(hours=2)
        for _ in range(2):
            await place.dispatcher.work_once()
            await place.new_dispatcher().work_once()
        assert await told(place) == [
            ("suspended", one.number, "suspended", "UNDER_REVIEW"),
            ("suspension-ended", one.number, "valid", None),
        ]
        page = await place.subscriptions.feed(place.credential, "0", limit=9, wait_s=0)
        assert page.notices[1].since == page.notices[0].until
        kinds = [event.kind for event, _ in await world.store.read(lambda: read_history(two.number))]
        assert EventKind.SUSPENSION_ENDED not in kinds
        assert (await audit(world.store, world.data_keys)).findings == ()
        # Suspended again, open-ended: the told end is not mistaken for this one's.
        await world.changes.suspend(one.number, "UNDER_REVIEW", caller)
        assert [line[2] for line in await told(place)] == ["suspended", "valid", "suspended"]


async def test_only_what_was_found_can_be_subscribed_to(world: World) -> None:
    (one,) = await issue(world, 1)
    async with employer(world) as place:
        for wrong in (
            SubscriptionRequest(number=one.number, name="别人"),
            SubscriptionRequest(number="S000044000456263000999", name=NAME),
            SubscriptionRequest(check="ec_0"),
        ):
            with pytest.raises((NotFound, Invalid)):
                await place.subscriptions.add(wrong, place.credential)
        for neither in (
            SubscriptionRequest(), SubscriptionRequest(number=one.number),
            SubscriptionRequest(number=one.number, name=NAME, check="x"),
        ):  # fmt: skip
            with pytest.raises(Invalid):
                await place.subscriptions.add(neither, place.credential)
        await world.changes.revoke(one.number, "FORGED", world.agency_caller())
        assert await told(place) == []


async def test_a_finished_list_is_subscribed_to_with_one_request(world: World) -> None:
    made = await issue(world, 3)
    async with employer(world) as place, employer(world) as stranger:
        rows = "\n".join(["number,name", *(f"{one.number},{NAME}" for one in made), f"{made[0].number},别人"])
        check = await place.lists.receive(rows.encode(), "csv", "k", place.credential)
        with pytest.raises(Conflict):
            await place.subscriptions.add(SubscriptionRequest(check=check.id), place.credential)
        await place.lists.work_once()
        with pytest.raises(NotFound):
            await stranger.subscriptions.add(SubscriptionRequest(check=check.id), stranger.credential)
        first = await place.subscriptions.add(SubscriptionRequest(check=check.id), place.credential)
        again = await place.subscriptions.add(SubscriptionRequest(check=check.id), place.credential)
        assert (first.added, first.total, again.added, again.known) == (3, 3, 0, 3)
        found = await place.subscriptions.page(place.credential, "")
        assert [one.number for one in found] == sorted(one.number for one in made)
        await place.subscriptions.remove(made[0].number, place.credential)
        with pytest.raises(NotFound):
            await place.subscriptions.remove(made[0].number, place.credential)
        await world.changes.revoke(made[0].number, "FORGED", world.agency_caller())
        assert await told(place) == []


async def test_subscriptions_are_bounded_and_all_or_none(world: World) -> None:
    made = await issue(world, 3)
    async with employer(world) as place:
        numbers, who = [one.number for one in made], place.credential.id
        origin = Origin(who, world.clock())
        with pytest.raises(Conflict):
            await world.store.write(lambda: subscribe(who, numbers, 2, origin))
        assert await place.subscriptions.page(place.credential, "") == []
        await world.store.write(lambda: subscribe(who, numbers[:2], 2, origin))
        with pytest.raises(Conflict):
            await world.store.write(lambda: subscribe(who, numbers[2:], 2, origin))


async def test_who_waits_is_answered_when_something_happens(world: World) -> None:
    (one,) = await issue(world, 1)
    async with employer(world) as place:
        await place.follow(one, name=NAME)
        waiting = asyncio.ensure_future(place.subscriptions.feed(place.credential, "0", limit=9, wait_s=15))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await world.changes.revoke(one.number, "FORGED", world.agency_caller())
        page = await waiting
        assert [notice.change for notice in page.notices] == ["revoked"]
        nothing = await place.subscriptions.feed(place.credential, str(page.following), limit=9, wait_s=0.05)
        assert nothing.notices == () and nothing.following == page.following


def test_a_hidden_revocation_is_told_as_the_public_hears_it() -> None:
    notice = notices.Notice(7, "X", "revoked", notices.Status.REVOKED, 2, 0, None, "FORGED")
    hidden = event_view(notice, revoked_public=False)
    assert (hidden["verdict"], hidden["reason"], hidden["change"]) == ("unknown", None, "withdrawn")


@given(st.integers(0, 10**17), st.from_regex(r"[0-9A-Z]{0,32}", fullmatch=True))
def test_a_cursor_is_read_as_it_was_written(seq: int, number: str) -> None:
    assert parse_place(str(Cursor(seq, number))) == Cursor(seq, number)


@pytest.mark.parametrize("text", ["", "-1", "01", "1.", "1.a", "1.2.3", " 1", "1\n", "9" * 30, "１"])
def test_anything_else_is_no_cursor(text: str) -> None:
    with pytest.raises(Invalid):
        parse_place(text)
