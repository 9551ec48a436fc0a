"""Readers and writers over HTTP, on every node at once, and what they saw.

Suspend and reinstate, reissue, issue and then revoke; each with retries until the outcome is known where the
interface promises that a retry is safe. Everything goes into one history (`tests/history.py`); what no node may
ever answer, whatever the fault, goes into `oddities`.
"""

import asyncio
import collections
import contextlib
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any

from faults_cluster import Cluster, dice
from faults_machine import Node
from loadtest.client import Answer, Caller, get, post

from history import History, Write

TIMEOUT_S = 4.0
READERS = 9
KNOWN_AFTER = 8
"""Looks after a fault of which one must be answered: a pool of four may hold four broken connections."""
STEADY = 24
"""Certificates that are suspended and reinstated; the next `REISSUED` are reissued; the rest are revoked."""
REISSUED = 16


class Line:
    """A connection to one node, made anew after every failure."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._caller: Caller | None = None

    async def ask(self, request: bytes) -> Answer | None:
        """The answer, or None when there was none: nobody knows then what was done."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                if self._caller is None:
                    loop = asyncio.get_running_loop()
                    _, self._caller = await loop.create_connection(Caller, self.node.host, self.node.port)
                return await self._caller.ask(request)
        except (OSError, TimeoutError):
            self.close()
            await asyncio.sleep(0.02)
            return None
        except asyncio.CancelledError:
            self.close()
            raise

    def close(self) -> None:
        """Hang up."""
        if self._caller is not None:
            self._caller.close()
            self._caller = None


class Traffic:
    """One run of readers and writers over one cluster. Its history may go on over many faults."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        """Every seeded certificate is valid, and its one copy current."""
        self.cluster = cluster
        self.oddities: list[str] = []
        self.counts: collections.Counter[str] = collections.Counter()
        first = [(one.number, 1, "valid") for one in cluster.seeded]
        copies = [(_copy(one.scan_code), 1, "current") for one in cluster.seeded]
        self.history = History([*first, *copies])
        self.issued: dict[str, str] = {}
        """Acknowledged: idempotency key → number."""
        self._requests: dict[str, bytes] = {}
        self.dice = dice("traffic", seed)
        self._names = {one.number: one.name for one in cluster.seeded}
        self._codes: dict[str, list[str]] = {one.number: [one.scan_code] for one in cluster.seeded}
        numbers = [one.number for one in cluster.seeded]
        self._steady, rest = numbers[:STEADY], numbers[STEADY:]
        self._reissued, self._doomed = rest[:REISSUED], rest[REISSUED:]
        self._hot = collections.deque(self._steady, maxlen=STEADY)
        """What was touched last, and so asked for most."""
        self._standing: dict[str, str] = {}
        self._over = False

    async def run(self, schedule: Awaitable[None]) -> None:
        """Ask and change until the schedule is over; then let everybody finish."""
        self._over = False
        work: list[Callable[[random.Random], Awaitable[None]]] = [self._issue, self._reissue, self._revoke]
        work += [lambda dice, half=half: self._suspend(dice, half) for half in (0, 1)]  # type: ignore[misc]
        tasks = [asyncio.ensure_future(one(random.Random(self.dice.random()))) for one in work]
        for place in range(READERS):
            node = self.cluster.nodes[place % len(self.cluster.nodes)]
            tasks.append(asyncio.ensure_future(self._read(random.Random(self.dice.random()), node)))
        try:
            await schedule
        finally:
            self._over = True
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    # --- writers ----------------------------------------------------------------------------------------

    async def _suspend(self, dice: random.Random, half: int) -> None:
        """Suspend and reinstate one after the other; after an unknown outcome look first."""
        async with self._lines(self.cluster.offices) as lines:
            while not self._over:
                number = dice.choice(self._steady[half::2])
                line = dice.choice(lines)
                standing = self._standing.get(number) or await self._look(line, number)
                if standing is None:
                    await asyncio.sleep(0.05)
                    continue
                back = standing == "suspended"
                step, reason = ("reinstatement", "REVIEW_CLEARED") if back else ("suspension", "UNDER_REVIEW")
                known = await self._change(line, number, step, reason, "valid" if back else "suspended")
                self._standing[number] = known or ""
                await asyncio.sleep(dice.random() * 0.02)

    async def _revoke(self, dice: random.Random) -> None:
        async with self._lines(self.cluster.offices) as lines:
            while not self._over:
                if not self._doomed:
                    await asyncio.sleep(0.05)
                    continue
                number = self._doomed.pop(0)
                self._hot.append(number)
                await asyncio.sleep(0.05)
                while not await self._change(
                    dice.choice(lines), number, "revocation", "OBTAINED_BY_FRAUD", "revoked"
                ):
                    if self._over:
                        self._doomed.append(number)  # the next run tries again
                        return
                    await asyncio.sleep(0.05)

    async def _change(self, line: Line, number: str, step: str, reason: str, state: str) -> str | None:
        """One change; the state that is known to stand after it, or None."""
        history = self.history
        body = json.dumps({"reason": reason}).encode()
        self._hot.append(number)
        begun = history.now()
        path = f"/api/v1/certificates/{number}/{step}"
        answer = await line.ask(post(path, body, bearer=self.cluster.operator_key))
        if self._told(answer, (200, 409), path):
            told = answer.json() if answer.status == 200 else None  # type: ignore[union-attr]  # told, so not None
            if told is None:
                return None
            history.wrote(number, begun, told["revision"], told["verdict"])
            self.counts["changes"] += 1
            return str(told["verdict"])
        history.wrote(number, begun, None, state)
        self.counts["changes of unknown outcome"] += 1
        return None

    async def _reissue(self, dice: random.Random) -> None:
        """A lost copy: the same key until it is acknowledged, on any office."""
        async with self._lines(self.cluster.offices) as lines:
            while not self._over:
                number = dice.choice(self._reissued)
                old, key = self._codes[number][-1], f"lost-{number}-{len(self._codes[number])}"
                self._hot.append(number)
                begun = self.history.now()
                body, path = b'{"cause":"lost"}', f"/api/v1/certificates/{number}/reissues"
                told = await self._until_known(dice, lines, path, body, key)
                self.history.wrote(number, begun, told and told["answer"]["revision"], "valid")
                self.history.wrote(_copy(old), begun, 2 if told else None, "replaced")
                if told is None:
                    return  # the next run sends the same key again
                code = told["scan_code"]
                self.history.writes.append(Write(_copy(code), 0, 0, 1, "current"))
                self._codes[number].append(code)
                self.counts["reissues"] += 1
                await asyncio.sleep(dice.random() * 0.1)

    async def _issue(self, dice: random.Random) -> None:
        async with self._lines(self.cluster.offices) as lines:
            while not self._over:
                request = self.cluster.request()
                key, body = f"key-{self.cluster.serials}", json.dumps(request).encode()
                self._requests[key] = body
                begun = self.history.now()
                told = await self._until_known(dice, lines, "/api/v1/certificates", body, key)
                if told is None:
                    return  # `unanswered_keys` are asked again at the end
                self._take_issued(key, told, request["holder"]["name"], begun)
                self._doomed.append(told["number"])
                self.counts["issued"] += 1
                await asyncio.sleep(dice.random() * 0.05)

    def _take_issued(self, key: str, told: dict[str, Any], name: str, begun: int) -> None:
        number = told["number"]
        if number in self._names:
            self.oddities.append(f"D4: {number} was given twice")
        self.issued[key] = number
        self._names[number], self._codes[number] = name, [told["scan_code"]]
        self.history.wrote(number, begun, 1, "valid")
        self.history.writes.append(Write(_copy(told["scan_code"]), 0, 0, 1, "current"))

    async def _until_known(
        self, dice: random.Random, lines: list[Line], path: str, body: bytes, key: str
    ) -> dict[str, Any] | None:
        """Ask with one idempotency key until there is an answer; None when the run is over first."""
        while True:
            answer = await dice.choice(lines).ask(post(path, body, bearer=self.cluster.agency_key, key=key))
            # 409: an earlier attempt under the same key is still under way.
            if self._told(answer, (200, 201, 409), path) and answer is not None and answer.status != 409:
                told: dict[str, Any] = answer.json()
                return told
            if self._over:
                return None
            await asyncio.sleep(0.05)

    # --- readers ----------------------------------------------------------------------------------------

    async def _read(self, dice: random.Random, node: Node) -> None:
        line = Line(node)
        with contextlib.closing(line):
            while not self._over:
                number = dice.choice(self._hot) if dice.random() < 0.8 else dice.choice(list(self._names))
                match dice.randrange(4):
                    case 0:
                        await self._look_by_name(line, number)
                    case 1:
                        await self._look_by_code(line, number, dice.choice(self._codes[number]))
                    case _:
                        await self._look(line, number)
                if dice.random() < 0.2:
                    await asyncio.sleep(dice.random() * 0.01)

    async def _look(self, line: Line, number: str) -> str | None:
        return await self._seen(line, number, get(f"/api/v1/certificates/{number}"), lambda told: told)

    async def _look_until_known(self, line: Line, number: str) -> str | None:
        """What is asked over a connection that broke unnoticed is answered by the next; None when none answers."""
        for _ in range(KNOWN_AFTER):
            if (verdict := await self._look(line, number)) is not None:
                return verdict
        return None

    async def _look_by_name(self, line: Line, number: str) -> None:
        body = json.dumps({"number": number, "name": self._names[number]}).encode()
        await self._seen(line, number, post("/api/v1/lookups", body), lambda told: told["answers"][0])

    async def _look_by_code(self, line: Line, number: str, code: str) -> None:
        begun = self.history.now()

        def take(told: dict[str, Any]) -> dict[str, Any]:
            if number not in self._reissued:  # a revoked certificate's copies are recalled: another story
                return told
            current = told["copy"]["current"]
            state = "current" if current else "replaced"
            self.history.read(_copy(code), begun, 1 if current else 2, state, line.node.name)
            return told

        await self._seen(line, number, get(f"/V/{code}"), take)

    async def _seen(
        self, line: Line, number: str, request: bytes, find: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> str | None:
        """Ask; what is answered goes into the history. The verdict, or None."""
        begun = self.history.now()
        answer = await line.ask(request)
        if not self._told(answer, (200,), number) or answer is None:
            return None
        told = find(answer.json())
        self.history.read(number, begun, told["revision"], told["verdict"], line.node.name)
        self.counts["reads"] += 1
        return str(told["verdict"])

    # --- both -------------------------------------------------------------------------------------------

    def _told(self, answer: Answer | None, wanted: tuple[int, ...], what: str) -> bool:
        """Whether the answer says something. 503 says that it says nothing; all else is an oddity."""
        if answer is None:
            self.counts["no answer"] += 1
            return False
        if answer.status in wanted:
            return True
        if answer.status == 503 and answer.header("retry-after"):
            self.counts["503"] += 1
            return False
        self.oddities.append(f"{what}: {answer.status} {answer.body[:300]!r}")
        return False

    @contextlib.asynccontextmanager
    async def _lines(self, nodes: list[Node]) -> Any:
        lines = [Line(node) for node in nodes]
        try:
            yield lines
        finally:
            for line in lines:
                line.close()

    async def settle(self) -> None:
        """After the fault: every node answers the same, and every key leads to one certificate everywhere."""
        self._over = False
        async with self._lines(self.cluster.nodes) as lines:
            for number in [*self._steady, *self._reissued]:
                seen = {await self._look_until_known(line, number) for line in lines}
                if len(seen) != 1 or None in seen:
                    self.oddities.append(f"after the fault {number} is {seen}")
        async with self._lines(self.cluster.offices) as lines:
            for key, body in self._requests.items():
                await self._ask_again(lines, key, body)
        self._requests.clear()

    async def _ask_again(self, lines: list[Line], key: str, body: bytes) -> None:
        for line in lines:
            begun = self.history.now()
            told = await self._until_known(self.dice, [line], "/api/v1/certificates", body, key)
            if told is None:
                self.oddities.append(f"D1: {key} has no certificate after the fault")
            elif key not in self.issued:
                self._take_issued(key, told, json.loads(body)["holder"]["name"], begun)
                self._doomed.append(told["number"])
            elif told["number"] != self.issued[key]:
                self.oddities.append(f"D5: {key} gave {self.issued[key]} and {told['number']}")


def _copy(scan_code: str) -> str:
    """The name under which the history keeps a copy: revision 1 is current, 2 replaced."""
    return f"copy {scan_code}"
