"""The dispatcher: follows the ledger for every active webhook and tells it what happened, in order, until it answers.

    active webhook ─► what follows its place in the ledger ─► signed POST ─► answered? ─► its place moves, in one commit
                                                                             not? ─► it stays; tried again later

A place moves only after the answer, so a crash costs at most a second delivery of the same event id, never one less.
"""

import asyncio
import contextlib
import datetime as dt
import os
from collections.abc import Callable
from typing import Final

import msgspec

from verify.employers.addresses import host_of
from verify.employers.messages import Outcome, Post, Sent, event_view, signed_post
from verify.employers.operator import OperatorSigner
from verify.errors import BadKey, VerifyError
from verify.store.contract import Program, Store, run
from verify.store.journal import Origin
from verify.store.notices import Notice, Page, Place, read_notices, suspensions_end, tell_ended_suspensions
from verify.store.subscriptions import (
    Delivery,
    Webhook,
    due_webhooks,
    reach_webhook,
    record_delivery,
    take_duty,
)
from verify.telemetry import log

DUTY: Final = "dispatch"
DUTY_LIFE: Final = dt.timedelta(seconds=30)
"""Another process takes over that long after this one was last heard of."""
LOOK_S: Final = 1.0
AT_ONCE: Final = 8
"""Requests under way to addresses that answer; as many again to those that did not answer last time, so that
dead addresses never stand in front of living ones."""
HOOKS: Final = 500
PAGE: Final = 20
TURN: Final = 200
"""Events of one address before others have their turn."""
FIRST_PAUSE: Final = dt.timedelta(seconds=10)
LONGEST_PAUSE: Final = dt.timedelta(hours=4)
GIVE_UP: Final = dt.timedelta(days=3)
"""An address that has answered nothing for that long is parked."""
BEHIND: Final = 5000
"""Ledger entries without an event after which the place of an address is moved all the same."""
ENDS: Final = 500
SLACK: Final = dt.timedelta(minutes=10)
"""Ends of suspensions are looked for that far back again: clocks of nodes differ."""
_BEGINNING: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Dispatcher:
    """One per office process; the register decides which of them has the duty."""

    def __init__(
        self,
        store: Store,
        signer: OperatorSigner,
        post: Post,
        *,
        revoked_public: bool,
        now: Callable[[], dt.datetime],
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """`now` gives aware UTC."""
        self._store = store
        self._signer = signer
        self._post = post
        self._revoked_public = revoked_public
        self._now = now
        self._random = random
        self._name = random(8).hex()
        self._running: dict[str, asyncio.Task[int]] = {}
        self._seen: dict[str, tuple[Place, Place]] = {}
        """For each address its durable place, and how far there was nothing to tell beyond it."""
        self._ended = _BEGINNING
        """Ends of suspensions are in the ledger up to here."""
        self._duty_until = _BEGINNING
        self._healthy, self._failing = asyncio.Semaphore(AT_ONCE), asyncio.Semaphore(AT_ONCE)

    async def work(self) -> None:
        """Look again and again until cancelled; what cannot be read or written now is tried with the next look."""
        try:
            while True:
                try:
                    await self.look()
                except VerifyError as error:
                    log.warning("events could not be dispatched; it is tried again", code=error.code)
                await asyncio.sleep(LOOK_S)
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def work_once(self) -> int:
        """One look and all that it began; returns how many events were answered. Raises StoreFailed, Unavailable."""
        await self.look()
        return sum(await asyncio.gather(*self._running.values()))

    async def look(self) -> None:
        """Begin what is due, if this process has the duty or nobody else has it. Raises StoreFailed, Unavailable."""
        at = self._now()
        head, hooks, ended = await self._store.read(lambda: _due(self._ended, at))
        self._collect()
        hooks = [hook for hook in hooks if hook.id not in self._running and self._reached(hook).seq < head]
        if not (hooks or ended or self._running) or not await self._on_duty(at):
            return
        if ended:
            await self._tell_ended(at)
        for hook in hooks:
            self._running[hook.id] = asyncio.ensure_future(self._serve(hook))

    def _collect(self) -> None:
        """Forget what is done; an error that nobody foresaw is a line in the log, and the address is tried again."""
        for key, task in list(self._running.items()):
            if task.done():
                del self._running[key]
                error = None if task.cancelled() else task.exception()
                if error is not None:
                    log.error("a webhook stumbled", webhook=key, kind=type(error).__qualname__)

    async def _on_duty(self, at: dt.datetime) -> bool:
        """Whether this process dispatches for all; the duty is written anew at a third of its life."""
        if at + DUTY_LIFE * 2 / 3 < self._duty_until:
            return True
        until = at + DUTY_LIFE
        if not await self._store.write(lambda: take_duty(DUTY, self._name, at, until)):
            return False
        self._duty_until = until
        return True

    async def _tell_ended(self, at: dt.datetime) -> None:
        origin = Origin("system", at)
        told = ENDS
        while told == ENDS:
            told = await self._store.write(lambda: tell_ended_suspensions(self._ended, ENDS, origin))
        self._ended = max(self._ended, at - SLACK)

    def _reached(self, hook: Webhook) -> Place:
        """How far nothing is left to tell, as far as this process knows."""
        durable, reached = self._seen.get(hook.id, (hook.told, hook.told))
        return reached if durable == hook.told else hook.told

    async def _serve(self, hook: Webhook) -> int:
        """Tell one address what follows, until it is told all, does not answer, or had its turn."""
        told = 0
        with contextlib.suppress(
            VerifyError
        ):  # the store's failure is not the receiver's: the next look goes on
            async with self._failing if hook.failures else self._healthy:
                while told < TURN:
                    page = await self._read(hook)
                    if not page.notices:
                        await self._nothing(hook, page)
                        if not page.more:
                            break
                        hook = msgspec.structs.replace(hook, told=page.reached)
                        continue
                    for notice in page.notices:
                        then = await self._deliver(hook, notice)
                        if then is None:
                            return told
                        hook, told = then, told + 1
        return told

    async def _read(self, hook: Webhook) -> Page:
        after = self._reached(hook)
        return await self._store.read(lambda: read_notices(hook.employer, after, PAGE))

    async def _nothing(self, hook: Webhook, page: Page) -> None:
        """Remember it here; in the register only when the way back would become long."""
        self._seen[hook.id] = (hook.told, page.reached)
        if page.more or page.reached.seq - hook.told.seq > BEHIND:
            await self._store.write(lambda: reach_webhook(hook, page.reached))

    async def _deliver(self, hook: Webhook, notice: Notice) -> Webhook | None:
        """The address as it is after it answered; None when it did not, or changed meanwhile."""
        # 1. Sent. Whether it arrives, nobody knows before the answer.
        at = self._now()
        content = {"type": "certificate", **event_view(notice, revoked_public=self._revoked_public)}
        try:
            sent = await signed_post(
                self._post, self._signer, hook.url, str(notice.place), content, int(at.timestamp())
            )
        except BadKey as error:
            log.warning("no key signs webhooks; events wait", code=error.code, hint=error.hint)
            return None
        # 2. Only an answer moves its place; result and place are one commit.
        answered = sent.outcome is Outcome.DELIVERED
        then = _answered(hook, notice.place, at) if answered else self._failed(hook, at)
        delivery = Delivery(str(notice.place), at, sent.outcome, sent.status, sent.took_ms)
        kept = await self._store.write(lambda: record_delivery(hook, delivery, then))
        if not answered:
            _tell_failure(then, sent)
        return then if kept and answered else None

    def _failed(self, hook: Webhook, at: dt.datetime) -> Webhook:
        since = hook.failing_since or at
        return msgspec.structs.replace(
            hook,
            state="parked" if at - since >= GIVE_UP else hook.state,
            failures=hook.failures + 1,
            failing_since=since,
            next_try_at=at + pause(hook.failures, self._random),
        )


def pause(failures: int, random: Callable[[int], bytes]) -> dt.timedelta:
    """How long after the next failure nothing is tried: doubled each time, a quarter more or less, so that the
    addresses of one receiver that comes back are not tried all at once."""
    whole = min(FIRST_PAUSE * (1 << min(failures, 16)), LONGEST_PAUSE)
    return whole * (0.75 + int.from_bytes(random(2)) / 0x1FFFE)


def _answered(hook: Webhook, place: Place, at: dt.datetime) -> Webhook:
    return msgspec.structs.replace(hook, told=place, failures=0, failing_since=None, next_try_at=at)


def _tell_failure(hook: Webhook, sent: Sent) -> None:
    if hook.state == "parked":
        log.warning("a webhook that does not answer is parked", webhook=hook.id, host=host_of(hook.url))
    elif hook.failures == 1:
        log.info("a webhook did not answer", webhook=hook.id, host=host_of(hook.url), outcome=sent.outcome)


def _due(since: dt.datetime, at: dt.datetime) -> Program[tuple[int, list[Webhook], bool]]:
    ((head,),) = yield from run("read_seq")
    return int(head), (yield from due_webhooks(at, HOOKS)), (yield from suspensions_end(since, at, 1))
