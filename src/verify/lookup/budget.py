"""Budgets: how much one source may ask, and how often one certificate or person may be asked about.

Each bucket is one number, the instant at which it is full again (GCRA, as in ITU-T I.371), so an idle bucket
needs no memory. Time is monotonic: a wall clock that jumps gives nothing away and takes nothing.
"""

import math
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

import msgspec

PERIOD_S = 60.0
MISS_COST = 5
"""What a miss costs in all: walking numbers or names empties a budget five times as fast as using them."""
MAX_BUCKETS = 65_536
"""Of each kind; about 12 MB. Beyond it the least recently used is forgotten, which is lenient to it alone."""


class Decision(msgspec.Struct, frozen=True, gc=False):
    """Whether to answer, and what to tell in `RateLimit` and `RateLimit-Policy` (draft 11)."""

    allowed: bool
    policy: str
    """`source` or `target`: the budget that decides, or the tighter of the two."""
    quota: int
    """Tokens in a period of `PERIOD_S` seconds; 0 when budgets are off."""
    remaining: int
    reset_s: int
    """Seconds until the budget is full again; misses can take it a period below nothing."""
    retry_after_s: int
    """0 when allowed; else seconds until one look-up fits again."""


OFF = Decision(True, "source", 0, 0, 0, 0)


class Bucket:
    """One kind of budget: `quota` tokens that come back evenly over a period, for each key."""

    def __init__(
        self, policy: str, quota: int, clock: Callable[[], float], max_keys: int = MAX_BUCKETS
    ) -> None:
        """`quota` tokens per `PERIOD_S`; 0 switches it off. `clock`: monotonic seconds."""
        self._policy = policy
        self._quota = quota
        self._step = PERIOD_S / quota if quota else 0.0
        self._clock = clock
        self._max_keys = max_keys
        self._full_at: OrderedDict[Hashable, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def spend(self, key: Hashable, tokens: int = 1) -> Decision:
        """Take tokens if they are there; nothing is taken when they are not."""
        if not self._quota:
            return OFF
        now = self._clock()
        full_at = max(self._full_at.get(key, now), now) + tokens * self._step
        if full_at - now > PERIOD_S + 1e-9:
            behind = full_at - now - PERIOD_S
            return self._decision(full_at - tokens * self._step - now, math.ceil(behind))
        self._keep(key, full_at, now)
        return self._decision(full_at - now, 0)

    def charge(self, key: Hashable, tokens: int) -> None:
        """Take tokens for what was already answered; the budget may go below nothing by at most a period."""
        if self._quota and tokens:
            now = self._clock()
            full_at = max(self._full_at.get(key, now), now) + tokens * self._step
            self._keep(key, min(full_at, now + 2 * PERIOD_S), now)

    def _decision(self, spent_s: float, retry_after_s: int) -> Decision:
        remaining = max(0, math.floor((PERIOD_S - spent_s) / self._step + 1e-9))
        reset = max(0, math.ceil(spent_s))
        return Decision(not retry_after_s, self._policy, self._quota, remaining, reset, retry_after_s)

    def _keep(self, key: Hashable, full_at: float, now: float) -> None:
        buckets = self._full_at
        buckets[key] = full_at
        buckets.move_to_end(key)
        # Two of the oldest are looked at on every call, so full ones go faster than new ones come.
        for _ in range(2):
            oldest = next(iter(buckets))
            if buckets[oldest] > now and len(buckets) <= self._max_keys:
                return
            del buckets[oldest]
            if not buckets:
                return


class Budgets:
    """Both budgets of one process. Not shared: several workers each grant their own."""

    def __init__(
        self,
        *,
        per_source: int,
        per_target: int,
        clock: Callable[[], float] = time.monotonic,
        max_keys: int = MAX_BUCKETS,
    ) -> None:
        """Look-ups a minute from one source, and about one target; 0 switches that budget off."""
        self._source = Bucket("source", per_source, clock, max_keys)
        self._target = Bucket("target", per_target, clock, max_keys)

    def spend(self, source: Hashable, target: Hashable | None = None) -> Decision:
        """Before a look-up. `target`: the number, scan code or `Lookup.person_target`, for personal look-ups.

        A refused source takes nothing from the target: nobody can lock others out by asking too much.
        """
        mine = self._source.spend(source)
        if not mine.allowed or target is None:
            return mine
        theirs = self._target.spend(target)
        if not theirs.allowed or not mine.quota:
            return theirs
        return theirs if theirs.quota and theirs.remaining < mine.remaining else mine

    def missed(self, source: Hashable) -> None:
        """After a miss: the rest of its price."""
        self._source.charge(source, MISS_COST - 1)


def source_of(address: str) -> str:
    """Whom a network address counts for: an IPv4 address itself, an IPv6 address its /64."""
    if ":" not in address:
        return address
    try:
        packed = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    except (OSError, ValueError):
        return address
    if packed[:12] == b"\0" * 10 + b"\xff\xff":
        return socket.inet_ntop(socket.AF_INET, packed[12:])
    return packed[:8].hex()
