"""Budgets: how much one source may ask, and how often one certificate or person may be asked about.

Each bucket is one number, the instant at which it is full again (GCRA, as in ITU-T I.371), so an idle bucket
needs no memory. Time is monotonic: a wall clock that jumps gives nothing away and takes nothing. The decision is
always made here and at once; with Redis a worker may hold leased tokens beside its own share (`pool.py`).
"""

import math
import socket
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable

import msgspec

from verify.lookup.pool import Grant, Pool

PERIOD_S = 60.0
MISS_COST = 5
"""What a miss costs in all: walking numbers or names empties a budget five times as fast as using them."""
MAX_BUCKETS = 65_536
"""Of each kind; about 12 MB. Beyond it the least recently used is forgotten, which is lenient to it alone."""
LEASE_S = 10.0
"""Leased tokens that were not used by then are let go: long held, they would come on top of a later period's."""
ASK_AGAIN_S = 1.0
"""Pause after Redis gave less than was asked for, or nothing."""


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
        self,
        policy: str,
        quota: int,
        clock: Callable[[], float],
        max_keys: int = MAX_BUCKETS,
        *,
        share: float = 1.0,
    ) -> None:
        """`quota` tokens per `PERIOD_S`; 0 switches it off. `clock`: monotonic seconds.

        `share`: the part of the quota that this bucket grants, one token at least.
        """
        self._policy = policy
        self._quota = quota
        self._step = PERIOD_S / max(1.0, quota * share)
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


class Lease:
    """What a worker holds for one key beside its share."""

    __slots__ = ("again_at", "asked", "left", "tokens", "until")

    def __init__(self) -> None:
        """Nothing yet."""
        self.tokens = 0
        self.until = 0.0
        self.left = 0
        """Tokens that remained in Redis when it last answered."""
        self.asked = False
        self.again_at = 0.0


class LeasedBucket(Bucket):
    """A bucket whose share is half of what a worker's part would be, and whose other half lies in Redis.

    Promises: all workers together grant no more than the quota, as long as `workers` is not less than their
    number and Redis keeps what it was told; without Redis they grant half of it. Nobody waits.
    """

    def __init__(
        self,
        policy: str,
        quota: int,
        clock: Callable[[], float],
        max_keys: int = MAX_BUCKETS,
        *,
        pool: Pool,
        workers: int,
    ) -> None:
        """See `Bucket`; `workers` on all nodes together draw on `pool`."""
        super().__init__(policy, quota, clock, max_keys, share=0.5 / workers)
        self._pool = pool
        self._pooled = quota // 2
        self._block = max(1, self._pooled // 8)
        self._leases: OrderedDict[Hashable, Lease] = OrderedDict()

    def spend(self, key: Hashable, tokens: int = 1) -> Decision:
        """Take leased tokens first, since they pass; then tokens of the share."""
        if not self._quota:
            return OFF
        now = self._clock()
        lease = self._lease(key, now)
        if lease is not None and lease.tokens >= tokens:
            lease.tokens -= tokens
            mine = self._decision(max(self._full_at.get(key, now) - now, 0.0), 0)
        else:
            mine = super().spend(key, tokens)
        self._provide(key, lease, now)
        return self._told(mine, lease)

    def charge(self, key: Hashable, tokens: int) -> None:
        """Take tokens for what was already answered, leased ones first."""
        if not self._quota:
            return
        now = self._clock()
        lease = self._lease(key, now)
        if lease is not None:
            paid = min(lease.tokens, tokens)
            lease.tokens -= paid
            tokens -= paid
        super().charge(key, tokens)
        self._provide(key, lease, now)

    def _lease(self, key: Hashable, now: float) -> Lease | None:
        lease = self._leases.get(key)
        if lease is not None and now >= lease.until:
            lease.tokens = lease.left = 0
            if not lease.asked and now >= lease.again_at:
                del self._leases[key]
                return None
        return lease

    def _provide(self, key: Hashable, lease: Lease | None, now: float) -> None:
        """Ask for a block when half of the share is gone and little is leased."""
        if self._full_at.get(key, now) - now <= PERIOD_S / 2 or not self._pooled or not self._pool.up:
            return
        if lease is None:
            lease = self._leases[key] = Lease()
            if len(self._leases) > self._max_keys:
                self._leases.popitem(last=False)
        if lease.asked or now < lease.again_at or lease.tokens * 2 > self._block:
            return
        lease.asked = True
        taker = lease

        def told(grant: Grant) -> None:
            self._take(taker, grant)

        self._pool.ask(self._policy, key, self._block, self._pooled, PERIOD_S, told)

    def _take(self, lease: Lease, grant: Grant) -> None:
        now = self._clock()
        lease.asked = False
        lease.tokens += grant.tokens
        lease.left = grant.left
        lease.until = now + LEASE_S
        if grant.tokens < self._block:
            lease.again_at = now + ASK_AGAIN_S

    def _told(self, mine: Decision, lease: Lease | None) -> Decision:
        """What remains, with what is leased and what Redis is thought to have."""
        beside = lease.tokens + lease.left if lease is not None else self._pooled if self._pool.up else 0
        if not beside or not mine.allowed:
            return mine
        return msgspec.structs.replace(mine, remaining=mine.remaining + beside)


class Budgets:
    """Both budgets of one process.

    With a pool they are shared among all nodes. Without one each worker grants its own part of the quota, and
    nothing is shared.
    """

    def __init__(
        self,
        *,
        per_source: int,
        per_target: int,
        workers: int = 1,
        pool: Pool | None = None,
        clock: Callable[[], float] = time.monotonic,
        max_keys: int = MAX_BUCKETS,
    ) -> None:
        """Look-ups a minute from one source, and about one target; 0 switches that budget off.

        `workers`: how many processes, of all nodes together, grant from these budgets.
        """

        def bucket(policy: str, quota: int) -> Bucket:
            if pool is None:
                return Bucket(policy, quota, clock, max_keys, share=1 / workers)
            return LeasedBucket(policy, quota, clock, max_keys, pool=pool, workers=workers)

        self._source = bucket("source", per_source)
        self._target = bucket("target", per_target)

    def spend(self, source: Hashable, target: Hashable | None = None) -> Decision:
        """Before a look-up. `target`: the number, scan code or `Person.target`, for personal look-ups.

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
