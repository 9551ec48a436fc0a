"""A public node that is wrong on purpose: its lease counts from when the answer came, not from when it asked.

It shows that the judge of histories would catch such a node over HTTP, on a network that holds answers back;
nothing of the product loads it.
"""

import time

import verify.store.postgres
from verify.store.fence import Fence, Guard
from verify.web.app import create_public_app as create_app

__all__ = ["create_app"]


class FromTheReply(Fence):
    """One word is exchanged: now for then."""

    def judge(self, guard: Guard, sent: float) -> None:
        super().judge(guard, time.monotonic())


verify.store.postgres.Fence = FromTheReply  # type: ignore[misc]  # the one thing that is exchanged
