"""A node that is wrong on purpose: what it answered once it answers again for half a second.

    granian --factory faults_ttl_node:create_app

It shows that the judge of histories would catch such a node over HTTP; nothing of the product loads it.
"""

import time
from typing import Any

import verify.wiring.house
from verify.lookup.scan import Lookup, Reply
from verify.web.app import create_app

TTL_S = 0.5

__all__ = ["create_app"]


class TimeToLive(Lookup):
    """Remembers answers by number for a while, whatever the ledger says meanwhile."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._remembered: dict[str, tuple[float, Reply]] = {}

    async def by_number(self, text: str) -> Reply:
        at, reply = self._remembered.get(text, (0.0, Reply((), "")))
        if time.monotonic() - at > TTL_S:
            reply = await super().by_number(text)
            self._remembered[text] = (time.monotonic(), reply)
        return reply


verify.wiring.house.Lookup = TimeToLive  # type: ignore[misc]  # the one thing that is exchanged
