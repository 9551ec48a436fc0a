"""Cold start: from the command to the first right answer of a node."""

import asyncio
import statistics

from loadtest.checking import sample
from loadtest.results import Section
from loadtest.run import Run
from loadtest.services import product


def run_start(run: Run) -> Section:
    """Both engines and both roles."""
    section = Section(
        "start",
        "Cold start of a node",
        "From starting the command to the first 200 of `/readyz` (interpreter, imports, the server, database "
        "checks, the last thousand ledger rows, keys that sign and verify), and to the first answer that was checked.",
    )
    for engine in ("sqlite",) if run.quick else ("sqlite", "postgres"):
        site = run.site(engine=engine)
        for role in ("public", "all"):
            ready = []
            for _ in range(1 if run.quick else 3):
                run.quiet()
                with product(site, role=role, core=None) as service:
                    ready.append(service.ready_s)
                    section.commands.append(service.command.rpartition(" --port")[0])
                    asyncio.run(sample(service, site, "number", 1))
            section.add(
                f"{site.engine}, role {role}: ready",
                statistics.median(ready),
                "s",
                note=f"best {min(ready):.1f}",
            )
    return section
