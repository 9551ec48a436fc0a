"""Webhooks: signed, in order, at least once, whatever dies, lies or dawdles; known-bad dispatchers are caught."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
from aiohttp import web
from employer_place import EMPLOYER, Place, Receiver, employer, receiving
from test_employers_feed import NAME, issue

from verify.employers.dispatcher import GIVE_UP, LONGEST_PAUSE, Dispatcher, pause
from verify.employers.messages import Outcome, Post, Sent
from verify.employers.webhooks import MAX_WEBHOOKS, ReplayRequest, WebhookRequest
from verify.errors import Conflict, Invalid, NotFound, StoreFailed, TooMany, VerifyError
from verify.issuance.issue import Issued
from verify.office.audit import audit
from verify.office.credentials import Credentials
from verify.store.contract import Program, Store
from verify.store.notices import Notice
from verify.store.subscriptions import Webhook, list_webhooks, reach_webhook
from verify.wiring.webhook import WebhookPost
from world import World


@contextlib.asynccontextmanager
async def hooked(
    world: World, count: int = 3
) -> AsyncIterator[tuple[Place, Receiver, Webhook, list[Issued]]]:
    """An employer that follows `count` certificates at a proven address."""
    made = await issue(world, count)
    async with employer(world) as place, receiving(place) as receiver:
        await place.follow(*made, name=NAME)
        hook = await place.open_hook(receiver.url)
        yield place, receiver, hook, made


async def change(world: World, made: list[Issued]) -> None:
    """Two events of each certificate."""
    for one in made:
        await world.changes.suspend(one.number, "UNDER_REVIEW", world.agency_caller())
    for one in made:
        await world.changes.revoke(one.number, "FORGED", world.agency_caller())


async def test_events_arrive_signed_in_order_and_name_nobody(world: World) -> None:
    async with hooked(world) as (place, receiver, hook, made):
        await change(world, made)
        assert await place.dispatcher.work_once() == 6
        assert await place.dispatcher.work_once() == 0
        assert receiver.events == await place.all_events()
        last = receiver.seen[-1][1]
        assert (last["verdict"], last["reason"], last["number"]) == ("revoked", "FORGED", made[-1].number)
        said = repr(receiver.seen) + repr(receiver.headers)
        assert NAME not in said and EMPLOYER not in said
        lines = await place.webhooks.deliveries(hook.id, place.credential)
        assert [(one.event, one.outcome, one.status) for one in lines[::-1][1:]] == [
            (event, "delivered", 200) for event in receiver.events
        ]
        assert (await audit(world.store, world.data_keys)).findings == ()


@pytest.mark.parametrize(
    ("mode", "why"),
    [
        (lambda request: web.Response(text="ok"), "did not repeat"),
        (lambda request: web.Response(status=500), "refused"),
        (
            lambda request: web.Response(status=302, headers={"Location": "http://169.254.169.254/"}),
            "redirect",
        ),
        (lambda request: web.json_response({"challenge": 7}), "did not repeat"),
        (lambda request: web.Response(text="{" * 4000), "did not repeat"),
    ],
)
async def test_nothing_is_told_to_an_address_that_does_not_repeat_the_challenge(
    world: World, mode: Callable[[web.Request], Any], why: str
) -> None:
    made = await issue(world, 1)
    async with employer(world) as place, receiving(place) as receiver:
        await place.follow(*made, name=NAME)
        hook = await place.webhooks.add(WebhookRequest(receiver.url), place.credential)
        receiver.mode = mode
        with pytest.raises(Conflict, match=why):
            await place.webhooks.activate(hook.id, place.credential)
        with pytest.raises(TooMany):
            await place.webhooks.activate(hook.id, place.credential)
        for early in (
            place.webhooks.ping(hook.id, place.credential),
            place.webhooks.replay(hook.id, ReplayRequest("0"), place.credential),
        ):
            with pytest.raises(Conflict):
                await early
        receiver.mode = None
        await change(world, made)
        assert await place.dispatcher.work_once() == 0 and receiver.seen == []
        # Proven at last, it is told everything since it was named.
        world.clock.forward(seconds=11)
        await place.webhooks.activate(hook.id, place.credential)
        assert await place.dispatcher.work_once() == 2


async def test_a_ping_tells_nothing_and_addresses_are_bounded_and_ones_own(world: World) -> None:
    async with hooked(world, 1) as (place, receiver, hook, _), employer(world) as stranger:
        world.clock.forward(seconds=11)
        sent = await place.webhooks.ping(hook.id, place.credential)
        assert (sent.outcome, sent.status) == ("delivered", 200)
        assert receiver.seen[-1][1] == {"type": "ping", "webhook": hook.id}
        with pytest.raises(TooMany):
            await place.webhooks.ping(hook.id, place.credential)
        for job in (
            stranger.webhooks.find(hook.id, stranger.credential),
            stranger.webhooks.activate(hook.id, stranger.credential),
            stranger.webhooks.ping(hook.id, stranger.credential),
            stranger.webhooks.replay(hook.id, ReplayRequest("0"), stranger.credential),
            stranger.webhooks.deliveries(hook.id, stranger.credential),
            stranger.webhooks.remove(hook.id, stranger.credential),
        ):
            with pytest.raises(NotFound):
                await job
        for i in range(MAX_WEBHOOKS - 1):
            await place.webhooks.add(WebhookRequest(f"https://hr.example.com/{i}"), place.credential)
        with pytest.raises(Conflict):
            await place.webhooks.add(WebhookRequest("https://hr.example.com/more"), place.credential)
        await place.webhooks.remove(hook.id, place.credential)
        assert len(await place.webhooks.all_of(place.credential)) == MAX_WEBHOOKS - 1


# --- crashes and mutants ------------------------------------------------------------------------------------


class Crash(BaseException):
    """The process is gone."""


class Dying:
    """A wire after whose n-th request the process is gone: sent, answered, and nobody heard it."""

    def __init__(self, post: Post, after: int) -> None:
        self._post, self._left = post, after

    async def __call__(self, url: str, fields: Mapping[str, str], body: bytes) -> Sent:
        sent = await self._post(url, fields, body)
        self._left -= 1
        if self._left <= 0:
            raise Crash
        return sent


class Eager(Dispatcher):
    """A mutant: it moves the place before it has an answer."""

    async def _deliver(self, hook: Webhook, notice: Notice) -> Webhook | None:
        await self._store.write(lambda: reach_webhook(hook, notice.place))
        moved = (await self._store.read(lambda: _find(hook)))[0]
        return await super()._deliver(moved, notice)


class Forgiving(Dispatcher):
    """A mutant: it goes on with the next event when one was not answered."""

    def _failed(self, hook: Webhook, at: dt.datetime) -> Webhook:
        return super()._failed(hook, at)

    async def _deliver(self, hook: Webhook, notice: Notice) -> Webhook | None:
        return await super()._deliver(hook, notice) or hook


def _find(hook: Webhook) -> Program[list[Webhook]]:
    found = yield from list_webhooks(hook.employer)
    return [one for one in found if one.id == hook.id]


async def after_a_crash(world: World, kind: type[Dispatcher], at: int) -> tuple[list[str], list[str]]:
    """What there was to tell, and what arrived although the process died after request `at`."""
    async with hooked(world) as (place, receiver, _, made):
        await change(world, made)
        dying = place.new_dispatcher(kind, Dying(place.post, at))
        with pytest.raises(Crash):
            await dying.work_once()
        world.clock.forward(minutes=1)  # the duty of the dead runs out
        for _ in range(2):
            await place.new_dispatcher(kind).work_once()
        return await place.all_events(), receiver.events


async def after_an_outage(world: World, kind: type[Dispatcher]) -> tuple[list[str], list[str]]:
    """What there was to tell, and what arrived after the receiver had been away for an hour."""
    async with hooked(world) as (place, receiver, _, made):
        await change(world, made)
        receiver.mode = lambda request: web.Response(status=503)
        dispatcher = place.new_dispatcher(kind)
        for _ in range(6):
            await dispatcher.work_once()
            world.clock.forward(minutes=10)
        receiver.mode = None
        world.clock.forward(hours=5)
        await dispatcher.work_once()
        return await place.all_events(), receiver.events


def lost(wanted: list[str], arrived: list[str]) -> bool:
    """Whether something never arrived, or first arrived out of order."""
    return list(dict.fromkeys(arrived)) != wanted


@pytest.mark.parametrize("at", [1, 3, 6])
async def test_a_crash_between_answer_and_commit_costs_a_second_delivery_and_no_event(
    world: World, at: int
) -> None:
    wanted, arrived = await after_a_crash(world, Dispatcher, at)
    assert not lost(wanted, arrived)
    assert len(arrived) == len(wanted) + 1 and arrived[at - 1] == arrived[at]


async def test_after_an_outage_everything_arrives_in_order(world: World) -> None:
    wanted, arrived = await after_an_outage(world, Dispatcher)
    assert arrived == wanted


async def test_a_dispatcher_that_moves_its_place_before_the_answer_is_caught(world: World) -> None:
    assert lost(*await after_an_outage(world, Eager))


async def test_a_dispatcher_that_goes_on_after_a_failure_is_caught(world: World) -> None:
    async with hooked(world) as (place, receiver, _, made):
        await change(world, made)
        answers = iter([503, 200, 200, 200, 200, 200])
        usual = receiver.take

        def flaky(request: web.Request) -> Any:
            receiver.mode = None
            status = next(answers)
            if status == 503:
                return web.Response(status=status)
            return usual(request)

        receiver.mode = flaky
        with contextlib.suppress(VerifyError):
            await place.new_dispatcher(Forgiving).work_once()
        assert lost(await place.all_events(), receiver.events)


class Failing:
    """A store whose writes of results fail `times` times, before or after they took effect."""

    def __init__(self, store: Store, times: int, *, after: bool) -> None:
        self._store, self._left, self._after = store, times, after

    async def read(self, program: Callable[[], Program[Any]], *, snapshot: bool = True) -> Any:
        return await self._store.read(program, snapshot=snapshot)

    async def write(self, program: Callable[[], Program[Any]]) -> Any:
        if self._left == 0 or "take_duty" in repr(program()):
            return await self._store.write(program)
        self._left -= 1
        if self._after:
            await self._store.write(program)
        raise StoreFailed

    async def close(self) -> None:
        await self._store.close()


@pytest.mark.parametrize("after", [False, True])
async def test_a_commit_of_unknown_outcome_loses_nothing(world: World, after: bool) -> None:
    async with hooked(world) as (place, receiver, _, made):
        await change(world, made)
        dispatcher = place.new_dispatcher(store=Failing(world.store, 3, after=after))
        for _ in range(5):
            with contextlib.suppress(StoreFailed):
                await dispatcher.work_once()
        assert not lost(await place.all_events(), receiver.events)
        assert len(receiver.events) - len(set(receiver.events)) == (0 if after else 3)


# --- trouble with the receiver ------------------------------------------------------------------------------


async def test_an_address_that_does_not_answer_is_tried_ever_more_rarely_then_parked_and_comes_back(
    world: World,
) -> None:
    async with hooked(world, 1) as (place, receiver, hook, made):
        receiver.mode = lambda request: web.Response(status=500)
        await change(world, made)
        begun, tries = world.clock(), 0
        while (now := await place.webhooks.find(hook.id, place.credential)).state == "active":
            world.clock.at = max(world.clock(), now.next_try_at)
            await place.dispatcher.work_once()
            tries += 1
            assert tries < 100
        assert now.state == "parked" and GIVE_UP <= world.clock() - begun <= GIVE_UP + LONGEST_PAUSE * 1.3
        assert 20 < tries < 60
        receiver.mode = None
        world.clock.forward(days=1)
        assert await place.dispatcher.work_once() == 0
        # Nothing is lost by it: the ledger has everything.
        back = await place.webhooks.replay(hook.id, ReplayRequest(str(now.told)), place.credential)
        assert back.state == "active" and await place.dispatcher.work_once() == 2
        assert receiver.events == await place.all_events()
        lines = await place.webhooks.deliveries(hook.id, place.credential)
        assert {one.outcome for one in lines} == {"delivered", "refused"} and len(lines) <= 100


def test_the_pause_doubles_up_to_a_bound_and_is_never_the_same_for_all() -> None:
    low, high = (lambda size: b"\0" * size), (lambda size: b"\xff" * size)
    for failures in range(40):
        whole = min(10 * 2**failures, 4 * 3600)
        assert pause(failures, low).total_seconds() == pytest.approx(whole * 0.75)
        assert pause(failures, high).total_seconds() == pytest.approx(whole * 1.25)


async def test_a_replay_tells_everything_after_a_cursor_again_under_the_same_ids(world: World) -> None:
    async with hooked(world) as (place, receiver, hook, made):
        await change(world, made)
        await place.dispatcher.work_once()
        first = list(receiver.events)
        with pytest.raises(Invalid):
            await place.webhooks.replay(hook.id, ReplayRequest("x"), place.credential)
        with pytest.raises(Conflict):
            await place.webhooks.replay(hook.id, ReplayRequest("999999"), place.credential)
        await place.webhooks.replay(hook.id, ReplayRequest(first[2]), place.credential)
        await place.dispatcher.work_once()
        assert receiver.events == first + first[3:]


async def test_a_replay_in_the_middle_of_a_delivery_is_not_overwritten(world: World) -> None:
    async with hooked(world) as (place, receiver, hook, made):
        await change(world, made)
        await place.dispatcher.work_once()
        first = list(receiver.events)
        await place.webhooks.replay(hook.id, ReplayRequest(first[3]), place.credential)

        async def meanwhile(request: web.Request) -> web.Response:
            receiver.mode = None
            await place.webhooks.replay(hook.id, ReplayRequest(first[0]), place.credential)
            return web.Response()

        receiver.mode = meanwhile
        for _ in range(3):
            await place.dispatcher.work_once()
        assert receiver.events == first + first[1:]


async def _slow(request: web.Request) -> web.Response:
    await asyncio.sleep(1.5)
    return web.Response()


async def _endless(request: web.Request) -> web.StreamResponse:
    reply = web.StreamResponse()
    await reply.prepare(request)
    with contextlib.suppress(ConnectionError):
        for _ in range(2000):
            await reply.write(b"x" * 65536)
    return reply


@pytest.mark.parametrize(
    ("mode", "outcome", "status"),
    [
        (_slow, "too-slow", None),
        (_endless, "delivered", 200),
        (lambda request: web.Response(status=307, headers={"Location": "http://169.254.169.254/latest"}),
         "redirected", 307),
        (lambda request: web.Response(status=410), "refused", 410),
    ],
    ids=["slow", "endless", "redirect", "gone"],
)  # fmt: skip
async def test_an_answer_is_bounded_in_time_and_size_and_never_followed(
    world: World, mode: Callable[[web.Request], Any], outcome: str, status: int | None
) -> None:
    async with hooked(world, 1) as (place, receiver, hook, made):
        receiver.mode = mode
        await world.changes.revoke(made[0].number, "FORGED", world.agency_caller())
        await place.dispatcher.work_once()
        (line, *_) = await place.webhooks.deliveries(hook.id, place.credential)
        assert (line.outcome, line.status) == (outcome, status)


async def test_garbage_in_the_place_of_http_is_a_failure_like_any_other(world: World) -> None:
    async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"\x00\xff" * 50_000)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(garbage, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    post = WebhookPost(loopback=True, total_s=2)
    for url in (f"http://127.0.0.1:{port}/", f"https://127.0.0.1:{port}/", "http://127.0.0.1:1/"):
        assert (await post(url, {}, b"{}")).outcome is Outcome.UNREACHABLE
    server.close()
    await post.close()


async def test_dead_addresses_do_not_stand_in_front_of_living_ones(world: World) -> None:
    made = await issue(world, 1)
    async with contextlib.AsyncExitStack() as stack:
        places = [await stack.enter_async_context(employer(world)) for _ in range(12)]
        receivers = [await stack.enter_async_context(receiving(place)) for place in places]
        hooks = []
        for place, receiver in zip(places, receivers, strict=True):
            await place.follow(*made, name=NAME)
            hooks.append(await place.open_hook(receiver.url))
        dispatcher = places[0].dispatcher
        release = asyncio.Event()

        async def dead(request: web.Request) -> web.Response:
            await release.wait()
            return web.Response(status=500)

        for receiver in receivers[:11]:
            receiver.mode = lambda request: web.Response(status=500)
        await world.changes.suspend(made[0].number, "UNDER_REVIEW", world.agency_caller())
        await dispatcher.work_once()
        assert len(receivers[11].events) == 1
        for receiver in receivers[:11]:
            receiver.mode = dead
        world.clock.forward(minutes=1)
        await world.changes.revoke(made[0].number, "FORGED", world.agency_caller())
        await dispatcher.look()
        async with asyncio.timeout(5):
            while len(receivers[11].events) < 2:
                await asyncio.sleep(0.01)
        release.set()
        await dispatcher.work_once()


# --- who dispatches -----------------------------------------------------------------------------------------


async def test_of_several_processes_one_dispatches_and_another_takes_over(world: World) -> None:
    async with hooked(world) as (place, receiver, _, made):
        await change(world, made)
        nodes = [place.dispatcher, place.new_dispatcher(), place.new_dispatcher()]
        await asyncio.gather(*(node.work_once() for node in nodes))
        assert receiver.events == await place.all_events()
        more = await world.issuance.issue(world.skill, world.request(name=NAME), "later", "test")
        await place.follow(more, name=NAME)
        await world.changes.revoke(more.number, "FORGED", world.agency_caller())
        world.clock.forward(minutes=1)
        assert await nodes[2].work_once() == 1
        assert receiver.events == await place.all_events()


async def test_an_employer_whose_key_ended_is_told_nothing_more(world: World) -> None:
    async with hooked(world) as (place, receiver, _, made):
        desk = Credentials(world.store, now=world.clock)
        await desk.revoke(place.credential.id, owner=None, actor="test")
        await change(world, made)
        assert await place.dispatcher.work_once() == 0 and receiver.events == []


async def test_the_loop_works_by_itself_and_ends_when_told(world: World) -> None:
    async with hooked(world) as (place, receiver, _, made):
        loop = asyncio.ensure_future(place.dispatcher.work())
        await change(world, made)
        async with asyncio.timeout(15):
            while len(receiver.events) < 6:
                await asyncio.sleep(0.05)
        loop.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await loop
        assert receiver.events == await place.all_events()
