"""What a document costs: PDF and QR code, in processor time of one warm process, and over HTTP."""

import asyncio
import statistics
import time
from collections.abc import Callable
from functools import partial

from loadtest import seed
from loadtest.client import connect, get
from loadtest.results import Section
from loadtest.run import Run
from loadtest.services import product
from verify.certificate.reason import Role
from verify.config import load_settings
from verify.documents import qr
from verify.documents.press import Press
from verify.documents.qr import make_qr, qr_content, read_qr, render_qr_png
from verify.documents.sheet import Sheet
from verify.issuance.caller import Caller
from verify.wiring.desks import open_office_house

PDF_MS, QR_MS, QR_CHECKED_MS = 20.0, 5.0, 12.0
EACH = 40


def run_papers(run: Run) -> Section:
    """Every sheet and code another certificate, so that no cache helps."""
    section = Section(
        "papers",
        "Documents",
        "Processor time in one warm process, a different certificate each time. A PDF is PDF/A and PDF/UA with fonts "
        "embedded. A QR code is drawn, decoded again with zxing-cpp and written as PNG; *drawn* is without the decoding.",
    )
    site = run.site(1_000 if run.quick else 10_000)
    sheets = asyncio.run(_sheets(site.environment(), 5 if run.quick else EACH))
    press = Press()
    press.render_pdf(sheets[0])
    run.quiet()
    pdf = _cost([partial(press.render_pdf, sheet) for sheet in sheets[1:]])
    section.add("PDF, warm", statistics.median(pdf), "ms", PDF_MS, "<=")
    section.add("PDF, warm, slowest", max(pdf), "ms")
    section.add("size of a PDF", len(press.render_pdf(sheets[0])) / 1024, "KiB")
    contents = [sheet.qr_content for sheet in sheets]
    make_qr.cache_clear()
    checked = _cost([partial(render_qr_png, content) for content in contents])
    make_qr.cache_clear()
    drawn = _drawn(contents)
    section.add("QR code, drawn", statistics.median(drawn), "ms", QR_MS, "<=")
    section.add(
        "QR code as PNG, decoded again before it leaves",
        statistics.median(checked),
        "ms",
        QR_CHECKED_MS,
        "<=",
    )
    assert read_qr(render_qr_png(contents[0])) == [contents[0]]
    assert contents[0].startswith(qr_content(seed.PUBLIC_URL, seed.seeded(0).scan_code)), contents[0]
    asyncio.run(_over_http(run, section))
    return section


def _cost(works: list[Callable[[], object]]) -> list[float]:
    times = []
    for work in works:
        began = time.process_time()
        work()
        times.append((time.process_time() - began) * 1e3)
    return times


def _drawn(contents: list[str]) -> list[float]:
    """The symbol alone, as `make_qr` draws it, without decoding it."""
    return _cost([partial(_draw, text) for text in contents])


def _draw(text: str) -> None:
    qr._draw(text, qr._segments(text), qr.MASKS[0])  # the public way decodes too, and that is measured apart


async def _sheets(environment: dict[str, str], count: int) -> list[Sheet]:
    house = await open_office_house(load_settings(environment), keys_checked=False)
    try:
        caller = Caller("loadtest", Role.OPERATOR)
        return [await house.views.sheet_for(seed.seeded(i).number, caller) for i in range(count)]
    finally:
        await house.close()


async def _over_http(run: Run, section: Section) -> None:
    site = run.site(1_000 if run.quick else 10_000)
    with product(site, role="all") as service:
        section.commands.append(service.command)
        async with connect(service.port) as caller:
            times: dict[str, list[float]] = {"document.pdf": [], "qr.png": []}
            for i in range(4 if run.quick else 30):
                for name, taken in times.items():
                    path = f"/api/v1/certificates/{seed.seeded(i).number}/{name}"
                    answer = await caller.ask(get(path, accept="*/*", bearer=site.bearers["operator"]))
                    assert answer.status == 200, answer
                    assert answer.body.startswith((b"%PDF", b"\x89PNG")), answer.body[:20]
                    taken.append(answer.took_ms)
    for name, taken in times.items():
        section.add(f"{name} over HTTP, one caller, p50", statistics.median(taken[1:]), "ms")
