"""Proof of work past a budget: who is over it may still ask, at a price that grows with use.

The protocol is ALTCHA v1 (altcha.org/docs/v2/protocol): find the number that with the salt hashes to the challenge.
Nothing is remembered of a challenge until it is solved: the signature tells that it is ours, the salt how long it
counts and how hard it was. The salt ends in a separator, so no digit of the number can be taken for one of its own.
"""

import base64
import binascii
import hashlib
import hmac
import math
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, TypeAlias
from urllib.parse import parse_qs

import msgspec

ALGORITHM: Final = "SHA-256"
LIFE_S: Final = 300
"""A solution counts for so long after its challenge was given."""
BASE: Final = 50_000
"""The number lies below it at first: 25 000 hashes on average, a second or two on a phone."""
HARDEST: Final = 1_000
"""At most so many times `BASE`."""
FREE: Final = 8
"""Solutions in a minute before the next challenge is twice as hard."""
HALF_LIFE_S: Final = 60.0
LENIENCE: Final = 4
"""A challenge given when it was so many times easier no longer counts: nobody solves a stock of them ahead."""
MAX_KEYS: Final = 65_536
MAX_SOLUTION: Final = 1024


class Challenge(msgspec.Struct, frozen=True):
    """What is to be solved, as ALTCHA clients read it."""

    algorithm: str
    challenge: str
    """Hex of SHA-256(salt + number in decimal)."""
    maxnumber: int
    salt: str
    signature: str


class Solution(msgspec.Struct, frozen=True):
    """What comes back: base64 of this as JSON. Further members of clients, such as `took`, are ignored."""

    algorithm: str
    challenge: str
    number: int
    salt: str
    signature: str


_decode = msgspec.json.Decoder(Solution).decode


Claim: TypeAlias = Callable[[str, int], Awaitable[bool | None]]
"""Whether nobody else has taken the solution with this signature, which counts for so many seconds; None when nobody
can say in time."""


class Challenges:
    """Gives challenges and takes each solution once. One per process.

    With `claim` a solution counts once among all processes that share it; without one, or while it says nothing, once
    for each process.
    """

    def __init__(
        self,
        sign: Callable[[bytes], bytes],
        *,
        now: Callable[[], float],
        random: Callable[[int], bytes] = os.urandom,
        max_keys: int = MAX_KEYS,
        claim: Claim | None = None,
    ) -> None:
        """`sign`: a keyed digest that all nodes share (`DataKeys.challenge_tag`). `now`: seconds since 1970."""
        self._sign = sign
        self._now = now
        self._random = random
        self._max_keys = max_keys
        self._claim = claim
        self._seen: OrderedDict[str, float] = OrderedDict()
        self._heat: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def give(self, asker: str, budget: Hashable) -> Challenge:
        """A challenge for `asker` alone, as hard as `budget` (whose or about whom) was used past its end."""
        most = self._difficulty(budget)
        salt = f"{self._random(12).hex()}?expires={int(self._now()) + LIFE_S}&most={most}&"
        number = int.from_bytes(self._random(8), "big") % (most + 1)
        challenge = _hash(salt, number)
        return Challenge(ALGORITHM, challenge, most, salt, self._signature(challenge, asker))

    async def take(self, text: str, asker: str, budget: Hashable) -> bool:
        """Whether `text` solves a challenge of ours, given to `asker`, in time, and for the first time."""
        solution = _read(text)
        if solution is None or solution.algorithm != ALGORITHM:
            return False
        # 1. Ours, and his: nothing of an unsigned salt is looked at.
        if not hmac.compare_digest(self._signature(solution.challenge, asker), solution.signature):
            return False
        if not hmac.compare_digest(_hash(solution.salt, solution.number), solution.challenge):
            return False
        # 2. In time, and as hard as it has to be now.
        terms = parse_qs(solution.salt.partition("?")[2])
        expires, most, now = int(terms["expires"][0]), int(terms["most"][0]), self._now()
        if not now <= expires <= now + LIFE_S or most * LENIENCE < self._difficulty(budget):
            return False
        # 3. For the first time here; when memory is full of solutions that still count, nobody may come with another.
        if not self._first(solution.signature, expires, now):
            return False
        # 4. For the first time anywhere, as far as anybody can say. It is warm here alone: each node sees its own use.
        if self._claim is not None and await self._claim(solution.signature, LIFE_S) is False:
            return False
        return self._warm(budget, now)

    def _signature(self, challenge: str, asker: str) -> str:
        return self._sign(f"{challenge}\0{asker}".encode(errors="replace")).hex()

    def _difficulty(self, budget: Hashable) -> int:
        heat, at = self._heat.get(budget, (0.0, 0.0))
        cooled: float = heat * 0.5 ** (max(0.0, self._now() - at) / HALF_LIFE_S)
        return math.ceil(BASE * min(HARDEST, 1 + cooled / FREE))

    def _first(self, signature: str, expires: int, now: float) -> bool:
        while self._seen and next(iter(self._seen.values())) < now:
            self._seen.popitem(last=False)
        if signature in self._seen or len(self._seen) >= self._max_keys:
            return False
        # Kept a whole life from now: entries then leave in the order in which they came.
        self._seen[signature] = max(float(expires), now + LIFE_S)
        return True

    def _warm(self, budget: Hashable, now: float) -> bool:
        heat, at = self._heat.pop(budget, (0.0, now))
        self._heat[budget] = (heat * 0.5 ** (max(0.0, now - at) / HALF_LIFE_S) + 1, now)
        if len(self._heat) > self._max_keys:
            self._heat.popitem(last=False)
        return True


def _hash(salt: str, number: int) -> str:
    return hashlib.sha256(f"{salt}{number}".encode(errors="replace")).hexdigest()


def _read(text: str) -> Solution | None:
    if len(text) > MAX_SOLUTION:
        return None
    try:
        return _decode(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return None
