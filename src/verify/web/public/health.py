"""Whether the process lives, and whether it can answer: told apart, and what is missing told by name."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import msgspec

from verify.errors import VerifyError
from verify.store.reads import read_head
from verify.web.headers import HeaderLists
from verify.web.problems import RETRY_S
from verify.web.public.half import PublicHalf
from verify.web.reply import Reply

Probe: TypeAlias = Callable[[], Awaitable[None]]
"""Raises VerifyError when its dependency is not fit for use."""

DEADLINE_S: Final = 2.0
LIVE: Final = b'{"alive":true}'

_encode = msgspec.json.Encoder().encode


def live(headers: HeaderLists) -> Reply:
    """`GET /livez`: the event loop turns. No I/O."""
    return Reply(200, headers.json, LIVE)


class Readiness:
    """`GET /readyz`: asks every dependency now."""

    def __init__(self, half: PublicHalf) -> None:
        """`opening`: start-up assertions held and keys are loaded; `store`: it answers now."""
        self._half = half
        self._probes: dict[str, Probe] = {"opening": self._opening, "store": self._store}

    async def reply(self) -> Reply:
        """200 when every probe passes, else 503 with what failed; why is in the log and never here.

        What is only `degraded` takes nobody out of service: without Redis a node answers as truly, and budgets
        are stricter.
        """
        outcomes = await asyncio.gather(*(_ask(probe) for probe in self._probes.values()))
        checks = dict(zip(self._probes, outcomes, strict=True)) | await self._degraded()
        ready = all(outcome == "passed" for outcome in outcomes)
        body = _encode({"ready": ready, "checks": checks})
        if ready:
            return Reply(200, self._half.headers.json, body)
        return Reply(503, [*self._half.headers.json, (b"retry-after", str(RETRY_S).encode())], body)

    async def _degraded(self) -> dict[str, str]:
        """What the process can do without."""
        try:
            redis_answers = self._half.opening.now().redis_answers
        except VerifyError:
            return {}
        if redis_answers is None:
            return {}
        return {"redis": "passed" if await redis_answers() else "degraded"}

    async def _opening(self) -> None:
        if self._half.opening.trouble is not None:
            raise self._half.opening.trouble
        self._half.opening.now()

    async def _store(self) -> None:
        await self._half.opening.now().store.read(lambda: read_head(0))


async def _ask(probe: Probe) -> str:
    try:
        async with asyncio.timeout(DEADLINE_S):
            await probe()
    except VerifyError as error:
        return f"failed: {error.code}"
    except TimeoutError:
        return "failed: timeout"
    return "passed"
