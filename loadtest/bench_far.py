"""When the far cache pays: a cold node and a near cache that is too small, with and without Redis.

    python -m loadtest.bench_far [COUNT] [QUESTIONS]

Seeds COUNT certificates into a PostgreSQL of its own, fills a Redis of its own by asking every question once, and
then asks a node that has just started, and one whose near cache holds a tenth, QUESTIONS at random, 32 at a time.
Every answer is checked. Statements are those that the node sends to the primary; processor time is that of the
servers' and the node's own processes, so that what others do on the machine does not count.
"""

import asyncio
import os
import platform
import random
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import asyncpg
import msgspec
import redis as redis_client
from tests.servers import Postgres, postgres, redis

from loadtest.lookup_cost import KEYS
from loadtest.seed import add_issuers, groups, seeded, write_group
from verify.lookup.far import FarCache
from verify.lookup.link import Link
from verify.lookup.scan import Lookup, Reply
from verify.proof.keys import generate_p256
from verify.store.contract import Program, Run, Store
from verify.store.postgres import migrate_postgres, open_postgres
from verify.telemetry import setup_logging

T = TypeVar("T")
TOGETHER = 32
WHOLE_BYTES = 256 << 20
Question = Callable[[Lookup, int], Awaitable[Reply]]


class Counting:
    """A store that counts the statements it is sent, `begin` and `commit` of a snapshot included."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.statements = 0

    async def read(self, program: Callable[[], Program[T]], *, snapshot: bool = True) -> T:
        self.statements += 2 * snapshot
        return await self.store.read(lambda: self._counted(program()), snapshot=snapshot)

    def _counted(self, steps: Program[T]) -> Program[T]:
        try:
            step = next(steps)
            while True:
                self.statements += isinstance(step, Run)
                step = steps.send((yield step))
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # StopIteration.value is untyped in typeshed

    async def write(self, program: Callable[[], Program[T]]) -> T:
        return await self.store.write(program)

    async def close(self) -> None:
        await self.store.close()


class Cost(msgspec.Struct):
    """What a run of questions took, for each of them."""

    node_us: float
    postgres_us: float
    redis_us: float
    statements: float
    median_ms: float
    p99_ms: float
    far: float


async def by_number(lookup: Lookup, index: int) -> Reply:
    return await lookup.by_number(seeded(index).number)


async def by_scan_code(lookup: Lookup, index: int) -> Reply:
    return await lookup.by_scan_code(seeded(index).scan_code)


QUESTIONS: dict[str, Question] = {"number": by_number, "scan code": by_scan_code}


def busy_s(server: Postgres) -> float:
    """Processor seconds of the server, of the backends it has now and of those that have ended."""
    assert server.process is not None
    pid = server.process.pid
    ticks = sum(_ticks(pid, 4))
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        ticks += sum(_ticks(int(child), 2))
    return ticks / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int, count: int) -> list[int]:
    """User and system time, and with a `count` of 4 those of the children it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [int(field) for field in fields[11 : 11 + count]]


def redis_busy_s(client: redis_client.Redis) -> float:
    told = client.info("cpu")
    return float(told["used_cpu_user"]) + float(told["used_cpu_sys"])


async def ask(lookup: Lookup, question: Question, indexes: list[int]) -> list[float]:
    """Seconds until each was answered; every answer holds its certificate."""
    times: list[float] = []

    async def one(index: int) -> None:
        began = time.perf_counter()
        reply = await question(lookup, index)
        times.append(time.perf_counter() - began)
        assert seeded(index).number.encode() in reply.answers[0]

    for at in range(0, len(indexes), TOGETHER):
        await asyncio.gather(*(one(index) for index in indexes[at : at + TOGETHER]))
    return sorted(times)


async def connected(url: str) -> Link:
    """A link that is up."""
    link = Link(url)
    link.start()
    for _ in range(500):
        if link.up:
            return link
        await asyncio.sleep(0.01)
    raise TimeoutError("Redis does not answer")


class Bench:
    """The servers, and what is measured on them."""

    def __init__(self, dsn: str, server: Postgres, redis_url: str, count: int, asked: int) -> None:
        self.dsn, self.server, self.redis_url, self.count, self.asked = dsn, server, redis_url, count, asked
        self.redis = redis_client.Redis.from_url(redis_url, protocol=2)

    async def run(self, question: Question, near_bytes: int, *, far: bool, warm: bool) -> Cost:
        """One node: `warm` has answered everything asked here once before."""
        store = Counting(await open_postgres(self.dsn, read_only=True))
        link = await connected(self.redis_url)
        cache = FarCache(link, KEYS, revoked_public=True) if far else None
        lookup = Lookup(store, data_keys=KEYS, near_cache_bytes=near_bytes, deadline_s=5, far=cache)
        dice = random.Random(3)
        indexes = [dice.randrange(self.count) for _ in range(self.asked)]
        if warm:
            await ask(lookup, question, indexes)
            dice.shuffle(indexes)
        base = (
            store.statements,
            busy_s(self.server),
            redis_busy_s(self.redis),
            time.process_time(),
            lookup.figures.far,
        )
        times = await ask(lookup, question, indexes)
        node, pg, other = (
            time.process_time() - base[3],
            busy_s(self.server) - base[1],
            redis_busy_s(self.redis) - base[2],
        )
        n = len(indexes)
        cost = Cost(
            node / n * 1e6, pg / n * 1e6, other / n * 1e6, (store.statements - base[0]) / n, times[n // 2] * 1e3,
            times[n * 99 // 100] * 1e3, (lookup.figures.far - base[4]) / n,
        )  # fmt: skip
        await lookup.close()
        await link.close()
        await store.close()
        return cost

    async def fill(self, question: Question) -> None:
        """Every certificate asked for once, so that Redis holds all; told what that costs beside not writing."""
        self.redis.flushall()
        for far in (False, True):
            store = await open_postgres(self.dsn, read_only=True)
            link = await connected(self.redis_url)
            cache = FarCache(link, KEYS, revoked_public=True) if far else None
            lookup = Lookup(store, data_keys=KEYS, near_cache_bytes=1 << 20, deadline_s=5, far=cache)
            began = time.process_time()
            await ask(lookup, question, list(range(self.count)))
            used = (time.process_time() - began) / self.count * 1e6
            print(
                f"  asked for everything once, {'writing' if far else 'without'} the far cache: {used:.0f} µs of the node"
            )
            await lookup.close()
            await link.close()
            await store.close()
        memory = self.redis.info("memory")["used_memory"]
        print(
            f"  {self.redis.dbsize()} entries, {memory / max(1, self.redis.dbsize()):.0f} bytes each in Redis"
        )


async def seed(dsn: str, count: int) -> None:
    await migrate_postgres(dsn)
    store = await open_postgres(dsn)
    pair = generate_p256()
    await add_issuers(store, pair)
    for number, group in enumerate(groups(count)):
        await write_group(store, group, number, KEYS, pair, 0)
    await store.close()


async def pg_version(dsn: str) -> str:
    connection = await asyncpg.connect(dsn)
    try:
        return str(await connection.fetchval("show server_version"))
    finally:
        await connection.close()


async def main(count: int, asked: int) -> None:
    setup_logging("warning")
    machine = f"{platform.machine()}, {os.cpu_count()} shared cores, Python {platform.python_version()}"
    print(f"{machine}, redis-py {redis_client.__version__}, asyncpg {asyncpg.__version__}")
    with postgres() as server, redis() as url:
        began = time.perf_counter()
        await seed(server.dsn, count)
        bench = Bench(server.dsn, server, url, count, asked)
        version = bench.redis.info("server")["redis_version"]
        took = time.perf_counter() - began
        print(
            f"Redis {version}, PostgreSQL {await pg_version(server.dsn)}; {count} certificates seeded in {took:.0f} s"
        )
        for name, question in QUESTIONS.items():
            print(name)
            await bench.fill(question)
            print(
                "  node                          node µs  postgres µs  redis µs  statements  median ms  p99 ms  far"
            )
            for label, near, warm in (
                ("just started", WHOLE_BYTES, False),
                ("near cache too small", count * 100, True),
            ):
                for far in (False, True, False, True):
                    cost = await bench.run(question, near, far=far, warm=warm)
                    print(
                        f"  {label:21} {'far' if far else '-':6} {cost.node_us:9.0f} {cost.postgres_us:12.0f} "
                        f"{cost.redis_us:9.0f} {cost.statements:11.3f} {cost.median_ms:10.2f} {cost.p99_ms:7.2f} {cost.far:5.2f}"
                    )


if __name__ == "__main__":
    import uvloop

    uvloop.run(
        main(
            int(sys.argv[1]) if len(sys.argv) > 1 else 100_000,
            int(sys.argv[2]) if len(sys.argv) > 2 else 20_000,
        )
    )
