"""What every scenario is given: how long, where, on which installation."""

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from loadtest import seed
from loadtest.installation import Site, make_site
from loadtest.machine import wait_for_quiet
from loadtest.services import postgres


class Run:
    """One call of the driver."""

    def __init__(self, work: Path, *, quick: bool, stack: ExitStack) -> None:
        """Keep installations in `work`; `stack` ends what was started for the whole run."""
        self.work = work
        self.quick = quick
        self.rounds = 1 if quick else 3
        self.round_s = 1.0 if quick else 3.0
        self.warm_s = 1.0 if quick else 6.0
        """How long a node is asked before it is measured."""
        self.steady_s = 1.0 if quick else 4.0
        self.samples = 10 if quick else 300
        self.many = 2_000 if quick else 100_000
        """Certificates of the usual register."""
        self._stack = stack
        self._server: Any = None
        self._databases = 0

    def site(self, count: int | None = None, engine: str = "sqlite") -> Site:
        """The installation of this size; seeded if it is not there yet."""
        size = count or self.many
        if engine == "sqlite":
            return make_site(self.work / f"sqlite-{size}", size)
        # A server lives as long as the run, and so do its databases.
        self._databases += 1
        name = f"load_{self._databases}"
        return make_site(self.work / f"{name}-{id(self)}", size, dsn=self._database(name))

    def fresh(self, count: int, engine: str = "sqlite") -> Site:
        """An installation that nobody wrote to: for scenarios that change it."""
        if engine != "sqlite":
            return self.site(count, engine)
        self._databases += 1
        return make_site(self.work / f"fresh-{self._databases}-{id(self)}", count)

    def quiet(self) -> float:
        """Wait a little for a quiet machine; the idle share last seen."""
        return wait_for_quiet(0.5 if self.quick else 4)

    @contextmanager
    def targets(self, lines: list[str]) -> Iterator[Path]:
        """A file of requests for wrk."""
        self._databases += 1
        file = self.work / f"targets-{self._databases}"
        file.write_text("\n".join(lines) + "\n", "utf-8")
        try:
            yield file
        finally:
            file.unlink()

    def _database(self, name: str) -> str:
        if self._server is None:
            self._server = self._stack.enter_context(postgres())
        import asyncio

        import asyncpg

        async def create() -> None:
            connection = await asyncpg.connect(self._server.dsn)
            await connection.execute(f"create database {name}")
            await connection.close()

        asyncio.run(create())
        dsn: str = self._server.dsn
        return dsn.replace("@/postgres", f"@/{name}")


def number_paths(count: int, wanted: int = 100_000) -> list[str]:
    """Look-ups by number, uniformly random over `count` certificates."""
    dice = random.Random(11)
    return [
        f"/api/v1/certificates/{seed.seeded(dice.randrange(count)).number}"
        for _ in range(min(wanted, 2 * count))
    ]


def scan_paths(count: int, wanted: int = 50_000) -> list[str]:
    """Scan codes, uniformly random."""
    dice = random.Random(13)
    return [f"/V/{seed.seeded(dice.randrange(count)).scan_code}" for _ in range(min(wanted, 2 * count))]


def unknown_paths(wanted: int = 50_000) -> list[str]:
    """Well-formed numbers that nobody was given."""
    dice = random.Random(17)
    return [
        f"/api/v1/certificates/{seed.seeded(dice.randrange(10_000_000, 11_000_000)).number}"
        for _ in range(wanted)
    ]


def unknown_scans(wanted: int = 50_000) -> list[str]:
    """Well-formed scan codes that nobody was given."""
    dice = random.Random(19)
    return [f"/V/{seed.seeded(dice.randrange(10_000_000, 11_000_000)).scan_code}" for _ in range(wanted)]


def person_lines(count: int, wanted: int = 50_000) -> list[str]:
    """POSTs of name and document, for wrk."""
    dice = random.Random(23)
    lines = []
    for _ in range(min(wanted, 2 * count)):
        holder = seed.seeded(dice.randrange(count)).holder
        body = {"id_type": holder.id_type, "id_number": holder.id_number, "name": holder.name}
        lines.append("/api/v1/lookups\t" + msgspec.json.encode(body).decode())
    return lines
