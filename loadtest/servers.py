"""What the server itself costs: one constant answer through each that the service could stand on."""

import asyncio
from contextlib import ExitStack

from loadtest.floor import Constant
from loadtest.generators import alternate, per_core_second, rate_of
from loadtest.installation import Site
from loadtest.lookups import KINDS, PLAIN, first_answer
from loadtest.plots import Bars
from loadtest.results import Section
from loadtest.run import Run, number_paths
from loadtest.services import floor, nginx, product

SERVERS = {
    "granian, ASGI": "granian",
    "granian, RSGI": "granian-rsgi",
    "uvicorn, httptools": "uvicorn",
    "the service's own connections": "verify",
}


def run_servers(run: Run) -> Section:
    """The same body and content type from each, and nginx with a static file beside them."""
    section = Section(
        "servers",
        "What the server costs",
        "One constant JSON body of the size of a look-up's answer, on one pinned core. The first one is the floor of "
        "every other figure.",
    )
    body = _body(run.site())
    with ExitStack() as stack:
        named = {
            name: stack.enter_context(floor(body, name=name, server=server))
            for name, server in SERVERS.items()
        }
        if not run.quick and (static := stack.enter_context(nginx(body))) is not None:
            named["nginx, static file"] = static
        targets = stack.enter_context(run.targets(number_paths(1_000)))
        run.quiet()
        peaks = alternate(list(named.values()), targets, rounds=run.rounds, seconds=run.round_s)
        section.commands += [one.command for one in named.values()]
    for name, rounds in zip(named, peaks, strict=True):
        section.add(f"{name}: answers", rate_of(rounds), "/s")
        section.add(f"{name}: processor time of one answer", 1e6 / per_core_second(rounds), "µs")
    section.bars.append(
        Bars(
            "answers per core-second",
            "",
            [(n, per_core_second(p)) for n, p in zip(named, peaks, strict=True)],
        )
    )
    section.raw += [f"{name}\n{rounds[0].raw}" for name, rounds in zip(named, peaks, strict=True)]
    return section


def _body(site: Site) -> Constant:
    with product(site) as service:
        answer = asyncio.run(first_answer(service, number_paths(site.count)[0], KINDS[0]))
    return Constant(PLAIN["application/json"], answer.body)
