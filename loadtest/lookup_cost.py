"""What one look-up costs inside the process, without HTTP: microseconds by kind, on a real register.

    python -m loadtest.lookup_cost COUNT [PATH]

Seeds PATH with COUNT certificates unless it exists, asks in groups of 32 as they would wait together, checks
every answer, and prints microseconds per look-up, what stayed in memory, and the memory of the process.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from loadtest.seed import seed_certificates, seeded
from verify.lookup.scan import Lookup, Reply
from verify.proof.sealing import DataKeys, DataKeySet
from verify.store.sqlite import SqliteStore

TOGETHER = 32
ROUNDS = 2000
KEYS = DataKeys(DataKeySet((b"s" * 32,), b"i" * 32, b"c" * 32))

Question = Callable[[int], Awaitable[Reply]]


async def measure(question: Question, indexes: list[int]) -> float:
    """Microseconds of CPU per look-up, asked `TOGETHER` at a time; every reply must hold its certificate."""
    wanted = [seeded(index).number.encode() for index in indexes]
    asked = [question(index) for index in indexes]
    replies: list[Reply] = []
    began = time.process_time()
    for at in range(0, len(asked), TOGETHER):
        replies += await asyncio.gather(*asked[at : at + TOGETHER])
    took = time.process_time() - began
    for number, reply in zip(wanted, replies, strict=True):
        assert len(reply.answers) == 1
        assert number in reply.answers[0]
    return took / len(indexes) * 1e6


def asking(lookup: Lookup) -> dict[str, Question]:
    """The four questions, put about the certificate with an index; what they bring is prepared beforehand."""

    def by_number(index: int) -> Awaitable[Reply]:
        return lookup.by_number(seeded(index).number)

    def by_name(index: int) -> Awaitable[Reply]:
        return lookup.by_number_and_name(seeded(index).number, seeded(index).holder.name)

    def by_person(index: int) -> Awaitable[Reply]:
        holder = seeded(index).holder
        return lookup.by_person(holder.id_type, holder.id_number, holder.name)

    def by_scan_code(index: int) -> Awaitable[Reply]:
        return lookup.by_scan_code(seeded(index).scan_code)

    return {"number": by_number, "number and name": by_name, "person": by_person, "scan code": by_scan_code}


async def run(path: Path, count: int) -> None:
    """Print the figures of one register."""
    store = SqliteStore(path, read_only=True)
    dice = random.Random(7)
    spread = [dice.randrange(count) for _ in range(ROUNDS * TOGETHER)]
    few = [dice.choice(spread[:1000]) for _ in range(ROUNDS * TOGETHER)]
    for name in asking(Lookup(store, data_keys=KEYS, near_cache_bytes=96 << 20, deadline_s=2)):
        lookup = Lookup(store, data_keys=KEYS, near_cache_bytes=96 << 20, deadline_s=2)
        question = asking(lookup)[name]
        missed = await measure(question, list(dict.fromkeys(spread))[:20000])
        await measure(question, list(dict.fromkeys(few)))
        hit = await measure(question, few)
        mixed = await measure(question, spread)
        held = lookup.figures
        print(f"{name:16}  from the store {missed:6.1f} µs   from memory {hit:6.1f} µs   uniform {mixed:6.1f} µs"
              f"   read {held.read}, near {held.near}, looks {held.looks}, memory {memory_mib():.0f} MiB")  # fmt: skip
    await store.close()


def memory_mib() -> float:
    """Anonymous memory of this process, MiB; pages of the mapped register are the kernel's to take back."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


if __name__ == "__main__":
    import uvloop

    size = int(sys.argv[1])
    where = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(tempfile.mkdtemp()) / "register.db"
    if not where.exists():
        seed_certificates(where, size, data_keys=KEYS)
    uvloop.run(run(where, size))
