"""The part of every budget that all nodes share: tokens in Redis, taken in blocks beside the flow.

Half of a budget is divided among the workers for good and needs nobody's leave; the other half lies in Redis. A
worker that sees its share run low asks for a block, together with whatever else is asked for at that moment, and
nobody waits for it. So the sum never passes the budget, whether Redis answers or not; without it the budget is
stricter, by half, and no look-up is slower.
"""

import asyncio
from collections.abc import Callable, Hashable
from typing import Final

import msgspec

from verify.lookup.link import Link, place_key, script
from verify.proof.sealing import DataKeys

TAKE: Final = script(
    """
    local time = redis.call('TIME')
    local now = time[1] * 1000000 + time[2]
    local told = {}
    for i, key in ipairs(KEYS) do
      local want, quota, period = tonumber(ARGV[3*i-2]), tonumber(ARGV[3*i-1]), tonumber(ARGV[3*i])
      local step = period / quota
      local full_at = tonumber(redis.pcall('GET', key)) or now
      full_at = math.min(math.max(full_at, now), now + period)
      local free = math.floor((now + period - full_at) / step + 0.000001)
      local granted = math.min(want, free)
      if granted > 0 then
        redis.call('SET', key, string.format('%.0f', full_at + granted * step), 'PX', math.ceil(2 * period / 1000))
      end
      told[i] = {granted, free - granted}
    end
    return told
    """
)
"""For each key: want, quota, period in microseconds. Returns what was granted and what is left. The value is the
instant, by that server's clock, at which the budget is full again; one that lies out of range counts as the nearest
that does not, so a jump of the clock costs a period at most."""


class Grant(msgspec.Struct, frozen=True, gc=False):
    """What Redis gave."""

    tokens: int
    left: int
    """Tokens that remain there, for other nodes or for later."""


NOTHING: Final = Grant(0, 0)

Told = Callable[[Grant], None]


class Pool:
    """The shared half of all budgets. One per process; nothing here raises or makes anybody wait."""

    def __init__(self, link: Link, data_keys: DataKeys) -> None:
        """Over `link`; keys in Redis are keyed digests of whom and what they count."""
        self._link = link
        self._keys = data_keys
        self._asked: dict[bytes, tuple[tuple[int, int, int], Told]] = {}
        self._taking: asyncio.Task[None] | None = None

    @property
    def up(self) -> bool:
        """Whether asking makes sense now."""
        return self._link.up

    def ask(self, kind: str, key: Hashable, want: int, quota: int, period_s: float, told: Told) -> None:
        """Take up to `want` of the `quota` tokens a period of this key, and call `told` with the outcome.

        `kind`: `source` or `target`. `key`: text or bytes.
        """
        text = key.hex() if isinstance(key, bytes) else str(key)
        place = place_key(b"b", self._keys.place_tag(f"budget/{kind}", text))
        self._asked[place] = ((want, quota, int(period_s * 1e6)), told)
        if self._taking is None:
            self._taking = asyncio.get_running_loop().create_task(self._take())

    async def close(self) -> None:
        """Ask for nothing more."""
        self._asked.clear()
        if self._taking is not None:
            self._taking.cancel()
            await asyncio.gather(self._taking, return_exceptions=True)

    async def _take(self) -> None:
        try:
            while self._asked:
                asked, self._asked = self._asked, {}
                numbers = {place: what for place, (what, _) in asked.items()}
                grants = await self._link.run(TAKE, list(asked), (), numbers)
                for place, (what, told) in asked.items():
                    told(_read(grants.get(place), what[0]))
        finally:
            self._taking = None


def _read(value: object, want: int) -> Grant:
    """What Redis says, as far as it can be: it may not grant more than was asked for."""
    match value:
        case [int(tokens), int(left)] if 0 <= tokens <= want and left >= 0:
            return Grant(tokens, left)
    return NOTHING
