"""Subscriptions: which certificates an employer hears about, and the feed that it may read at its own pace."""

import asyncio
import datetime as dt
from collections.abc import Callable
from functools import partial

import msgspec

from verify.employers.lists import Lists
from verify.errors import Fault, Invalid, NotFound, Words
from verify.lookup.scan import Lookup
from verify.proof.sealing import DataKeys
from verify.store.contract import Program, Store, run
from verify.store.journal import Origin
from verify.store.notices import Notice, Place, parse_place, read_notices
from verify.store.register import Credential
from verify.store.subscriptions import Subscribed, Subscription, list_subscriptions, subscribe, unsubscribe

MAX_SUBSCRIPTIONS = 20_000
"""Certificates that one employer may hear about."""
PAGE = 1000
LOOK_S = 0.5
"""How often somebody who waits at the feed looks at the head of the ledger."""

_encode = msgspec.json.Encoder().encode


class SubscriptionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Number and name, as for a look-up; or the id of a finished list, for all that it found."""

    number: str | None = None
    name: str | None = None
    check: str | None = None


class Told(msgspec.Struct, frozen=True):
    """A page of the feed."""

    notices: tuple[Notice, ...]
    following: Place
    """What to ask with next."""
    more: bool


class Subscriptions:
    """The desk. Safe to call concurrently."""

    def __init__(
        self,
        store: Store,
        lookup: Lookup,
        lists: Lists,
        *,
        data_keys: DataKeys,
        now: Callable[[], dt.datetime],
        limit: int = MAX_SUBSCRIPTIONS,
    ) -> None:
        """`now` gives aware UTC."""
        self._store = store
        self._lookup = lookup
        self._lists = lists
        self._keys = data_keys
        self._now = now
        self._limit = limit

    async def add(self, request: SubscriptionRequest, credential: Credential) -> Subscribed:
        """Subscribe to what was checked, all in one commit: the employer hears of every change after the return.

        Raises Invalid unless it is one of both, NotFound for a miss or another's list, Conflict for a list that is
        not done or past the bound, Unavailable.
        """
        numbers = await self._numbers(request, credential)
        origin = Origin(
            credential.id, self._now(), self._keys.request_tag(b"subscription\0" + _encode(request))
        )
        return await self._store.write(lambda: subscribe(credential.id, numbers, self._limit, origin))

    async def _numbers(self, request: SubscriptionRequest, credential: Credential) -> list[str]:
        if request.check is not None and request.number is None and request.name is None:
            return await self._lists.found_numbers(request.check, credential)
        if request.check is not None or request.number is None or request.name is None:
            what = Words(
                "请提供编号和姓名，或一个已完成的批量查验编号。",
                "Bring number and name, or the id of a finished check.",
            )
            raise Invalid(faults=(Fault("", "one-of-two", what),))
        reply = await self._lookup.by_number_and_name(request.number, request.name)
        if not reply.answers:
            raise NotFound(Words("未查到与所填内容相符的证书。", "No certificate matches what was entered."))
        return [msgspec.json.decode(answer)["number"] for answer in reply.answers]

    async def remove(self, number: str, credential: Credential) -> None:
        """Hear no more of it. Raises NotFound."""
        tag = self._keys.request_tag(f"unsubscribe\0{number}".encode())
        origin = Origin(credential.id, self._now(), tag)
        await self._store.write(lambda: unsubscribe(credential.id, number, origin))

    async def page(self, credential: Credential, after: str) -> list[Subscription]:
        """The next `PAGE` subscriptions in the order of numbers."""
        return await self._store.read(lambda: list_subscriptions(credential.id, after, PAGE))

    async def feed(self, credential: Credential, after: str, *, limit: int, wait_s: float) -> Told:
        """What happened after the cursor, at most `limit`; with nothing to tell, up to `wait_s` is waited for it.

        Raises Invalid for a cursor that is none. A cursor beyond the ledger's end (a restored backup) is an end.
        """
        place = parse_place(after)
        until = asyncio.get_running_loop().time() + wait_s
        while True:
            page = await self._store.read(partial(read_notices, credential.id, place, limit))
            place = page.reached
            if page.notices or (not page.more and asyncio.get_running_loop().time() >= until):
                return Told(page.notices, place, page.more)
            while not page.more and await self._store.read(_head, snapshot=False) <= page.head:
                if asyncio.get_running_loop().time() >= until:
                    return Told((), place, False)
                await asyncio.sleep(LOOK_S)


def _head() -> Program[int]:
    ((seq,),) = yield from run("read_seq")
    return int(seq)
