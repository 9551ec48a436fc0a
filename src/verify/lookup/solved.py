"""Solutions that were taken, told to the other processes through Redis, so that one counts once among all of them.

Redis is no judge: what it keeps is a keyed digest with an end, and when it is away, slow, flushed or talks nonsense
a solution counts once in each process, as it does without Redis.
"""

from typing import Final

from verify.lookup.link import Link, place_key, script
from verify.proof.sealing import DataKeys

TAKE: Final = script(
    """
    local told = {}
    for i, key in ipairs(KEYS) do
      local first = redis.pcall('SET', key, '1', 'NX', 'PX', ARGV[1])
      if type(first) == 'table' and first.ok then told[i] = 1
      elseif type(first) == 'table' and first.err then told[i] = -1
      else told[i] = 0 end
    end
    return told
    """
)
"""1 for a key that was not there, 0 for one that was, -1 where the server would not write (full, read-only)."""


class Solved:
    """Claims solutions. One per process; a claim waits no longer than the link does."""

    def __init__(self, link: Link, data_keys: DataKeys) -> None:
        """Over `link`; the key in Redis is a keyed digest."""
        self._link = link
        self._keys = data_keys

    async def claim(self, signature: str, life_s: int) -> bool | None:
        """See `challenge.Claim`."""
        place = place_key(b"s", self._keys.place_tag("solution", signature))
        told = await self._link.run(TAKE, [place], (life_s * 1000,), {place: ()})
        match told.get(place):
            case 1:
                return True
            case 0:
                return False
        return None
