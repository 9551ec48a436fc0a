"""Whether the process lives, and whether it can answer: told apart, and what is missing told by name."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from msgspec.json import Encoder

from verify.errors import VerifyError, Words
from verify.telemetry import log
from verify.web.headers import HeaderLists
from verify.web.problems import RETRY_S
from verify.web.public.half import PublicHalf
from verify.web.reply import Reply

Probe: TypeAlias = Callable[[], Awaitable[bool]]
"""False: its dependency is away, and the service goes on without it. Raises VerifyError when it cannot go on."""

DEADLINE_S: Final = 2.0
KEPT_S: Final = {"opening": 0.0, "database": 0.5, "redis": 0.5, "keys": 2.0, "clock": 5.0, "witness": 5.0}
"""How long an outcome stands, so that whoever asks again and again costs nothing."""
LIVE: Final = b'{"alive":true}'

NAMES: Final = {
    "opening": Words("启动检查", "start-up checks"),
    "database": Words("数据库", "database"),
    "keys": Words("密钥文件", "key files"),
    "clock": Words("与数据库的时钟", "clock, against the database's"),
    "witness": Words("见证", "witness"),
    "redis": Words("Redis", "Redis"),
}
_PASSED: Final = Words("正常", "in order")
_DEGRADED: Final = Words("不可用，服务不受影响", "away; answers are as true without it")
_FAILED: Final = Words(
    "不可用，本节点暂停服务，原因见日志", "not fit for use: this node should not be asked; the log says why"
)

_encode = Encoder().encode


def live(headers: HeaderLists) -> Reply:
    """`GET /livez`: the event loop turns. No I/O."""
    return Reply(200, headers.json, LIVE)


class Readiness:
    """`GET /readyz`: every dependency by name. An outcome stands for seconds; nobody is asked twice at a time."""

    def __init__(self, half: PublicHalf) -> None:
        """Start-up assertions are a dependency of their own; the others are asked once the house is open."""
        self._half = half
        self._kept: dict[str, _Kept] = {}

    async def reply(self) -> Reply:
        """200 when every probe passes or is `degraded`, else 503 with what failed; why is in the log and never here.

        What is only `degraded` takes nobody out of service: without Redis a node answers as truly, and budgets
        are stricter; a witness that is away was there when the register was last held against it.
        """
        asked: dict[str, Probe] = {"opening": self._opening}
        desk = None if self._half.opening.trouble is not None else self._opened()
        if desk is not None:
            asked |= desk
        kept = [self._kept.setdefault(name, _Kept(name)) for name in asked]
        outcomes = await asyncio.gather(*(one.ask(asked[one.name]) for one in kept))
        checks = dict(zip(asked, outcomes, strict=True))
        trouble = self._half.opening.trouble
        if trouble is not None and trouble.about:
            checks[trouble.about] = f"failed: {trouble.code}"
        ready = not any(outcome.startswith("failed") for outcome in checks.values())
        words = {name: _say(name, outcome) for name, outcome in checks.items()}
        body = _encode({"ready": ready, "checks": checks, "words": words})
        if ready:
            return Reply(200, self._half.headers.json, body)
        return Reply(503, [*self._half.headers.json, (b"retry-after", str(RETRY_S).encode())], body)

    def _opened(self) -> dict[str, Probe] | None:
        try:
            return dict(self._half.opening.now().probes)
        except VerifyError:
            return None

    async def _opening(self) -> bool:
        if self._half.opening.trouble is not None:
            raise self._half.opening.trouble
        self._half.opening.now()
        return True


class _Kept:
    """The last outcome of one probe."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._outcome = ""
        self._until = 0.0
        self._asking: asyncio.Task[str] | None = None

    async def ask(self, probe: Probe) -> str:
        """The outcome, asked anew when it no longer stands; whoever comes meanwhile waits for the same."""
        if self._asking is None:
            if time.monotonic() < self._until:
                return self._outcome
            self._asking = asyncio.create_task(self._ask(probe), name=f"probe {self.name}")
        return await asyncio.shield(self._asking)

    async def _ask(self, probe: Probe) -> str:
        try:
            outcome, why, hint = "timeout", "", ""
            async with asyncio.timeout(DEADLINE_S):
                outcome = "passed" if await probe() else "degraded"
        except VerifyError as error:
            outcome, why, hint = f"failed: {error.code}", error.detail.en, error.hint
        except TimeoutError:
            outcome = "failed: timeout"
        finally:
            self._asking = None
        if outcome != self._outcome and outcome != "passed":
            log.warning("a dependency does not pass", name=self.name, outcome=outcome, why=why, hint=hint)
        self._outcome, self._until = outcome, time.monotonic() + KEPT_S.get(self.name, 0.0)
        return outcome


def _say(name: str, outcome: str) -> Words:
    label = NAMES.get(name, Words(name, name))
    said = _PASSED if outcome == "passed" else _DEGRADED if outcome == "degraded" else _FAILED
    return Words(f"{label.zh}：{said.zh}。", f"{label.en}: {said.en}.")
