"""What a document costs: PDF and QR code in processor time, stage by stage, in bulk on two cores, and over HTTP."""

import asyncio
import datetime as dt
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from loadtest import seed
from loadtest.client import connect, get
from loadtest.floor import Constant
from loadtest.generators import Pair, per_core_second, rate_of, run_wrk
from loadtest.installation import Site
from loadtest.results import Section
from loadtest.run import Run
from loadtest.services import floor, product
from verify.certificate.reason import Role
from verify.cli.issue import write_pdfs
from verify.config import load_settings
from verify.documents import qr
from verify.documents.press import Press
from verify.documents.qr import PRINT_DPI, make_qr, qr_content, read_qr, render_qr_png
from verify.documents.sheet import Sheet
from verify.documents.templates import Template
from verify.errors import Words
from verify.issuance.caller import Caller
from verify.issuance.papers import attachments
from verify.proof.authority import agency_certificate, root_certificate
from verify.proof.keys import generate_p256
from verify.proof.pades import sign_pdf
from verify.proof.signer import SoftSigner
from verify.wiring.desks import open_office_house

PDF_MS, QR_MS, QR_CHECKED_MS = 20.0, 5.0, 12.0
COLD_MS, BULK_PER_S, SIZE_KB, STORED = 60.0, 30.0, 120.0, 0.3
EACH = 40
BULK = 300
"""Files of the bulk run; the first ones, which build the presses, are not counted."""
WARM = 10


def run_papers(run: Run) -> Section:
    """Every sheet and code another certificate, so that no cache helps."""
    section = Section(
        "papers",
        "Documents",
        "Processor time in one warm process, a different certificate each time. A PDF is PDF/A and PDF/UA with fonts "
        "embedded. A QR code is drawn, decoded again with zxing-cpp and written as PNG; *drawn* is without the decoding.",
    )
    site = run.site(1_000 if run.quick else 10_000)
    found = asyncio.run(_sheets(site.environment(), 5 if run.quick else EACH))
    sheets = [sheet for sheet, _ in found]
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
    _stages(sheets, found[0][1], section)
    asyncio.run(_over_http(run, section))
    _bulk(run, section)
    return section


def _cost(works: Sequence[Callable[[], object]]) -> list[float]:
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


async def _sheets(environment: dict[str, str], count: int) -> list[tuple[Sheet, str]]:
    """What is printed of some certificates, and the signed record that travels in the file."""
    house = await open_office_house(load_settings(environment), keys_checked=False)
    try:
        caller = Caller("loadtest", Role.OPERATOR)
        return [await house.views.sheet_and_credential(seed.seeded(i).number, caller) for i in range(count)]
    finally:
        await house.close()


def _stages(sheets: list[Sheet], credential: str, section: Section) -> None:
    """Where the processor time of a signed file goes, in one thread."""
    press, record = Press(), attachments(credential)
    press.render_pdf(sheets[0], record)
    form = press.templates.get(sheets[0].template, sheets[0].kind)
    make_qr.cache_clear()
    checked = [partial(press._inputs, sheet, form, PRINT_DPI, record) for sheet in sheets]
    section.add("stage: texts checked, code drawn and decoded", statistics.median(_cost(checked)), "ms")
    rendered = _cost([partial(press.render_pdf, sheet, record) for sheet in sheets])
    section.add("stage: the same again, and typst", statistics.median(rendered), "ms")
    pdf = press.render_pdf(sheets[0], record)
    sign = _signing(pdf)
    sign()
    section.add("stage: signature (PAdES B-B)", statistics.median(_cost([sign] * len(sheets))), "ms")
    section.add("size of a signed PDF without photo", len(sign()) / 1000, "kB", SIZE_KB, "<=")


def _signing(pdf: bytes) -> Callable[[], bytes]:
    """What signs `pdf` under a certificate of its own."""
    root, pair, at = generate_p256(), generate_p256(), dt.datetime.now(dt.UTC)
    end = at + dt.timedelta(days=3650)
    anchor = root_certificate(root, operator="运营方", serial=b"1" * 16, not_before=at, not_after=end)
    der = agency_certificate(
        root, anchor, pair.key_bytes, agency="S000044000456", agency_name="中心", serial=b"2" * 16, not_before=at,
        not_after=end,
    )  # fmt: skip

    def sign() -> bytes:
        signing = sign_pdf(
            pdf,
            signer=SoftSigner(pair),
            certificate=der,
            chain=[anchor],
            signed_at=at,
            reason=Words("颁发", "issued"),
        )
        return asyncio.run(signing)

    return sign


def _bulk(run: Run, section: Section) -> None:
    """`verify issue --out` without the issuing: each file made, signed, kept in the register and written."""
    count = 2 * WARM if run.quick else BULK
    site = run.fresh(500)
    run.quiet()
    took, spent, cold = asyncio.run(_written(site, count))
    section.add(
        "first file of a certificate, made, signed and kept: processor time", cold, "ms", COLD_MS, "<="
    )
    section.add("bulk: files per second, two cores", count / took, "/s", BULK_PER_S)
    section.add("bulk: files per core-second", count / spent, "")
    sheets = [sheet for sheet, _ in asyncio.run(_sheets(site.environment(), 10 if run.quick else 60))]
    run.quiet()
    floor_took, floor_spent = _floor(sheets)
    section.add(
        "bulk floor, typst and one raw signature, two threads: files per second",
        len(sheets) / floor_took,
        "/s",
    )
    section.add("bulk: files per core-second, of the floor", count / spent * floor_spent / len(sheets), "×")
    _stored(run, site, section)


async def _written(site: Site, count: int) -> tuple[float, float, float]:
    """Seconds by the clock and of processor for `count` files; and milliseconds of processor for one alone."""
    house = await open_office_house(load_settings(site.environment()), keys_checked=False)
    numbers = [seed.seeded(i).number for i in range(WARM + count + WARM)]
    try:
        with tempfile.TemporaryDirectory() as home:
            folder = Path(home)
            await write_pdfs(house, numbers[:WARM], folder, _quietly)
            began, spent = time.perf_counter(), time.process_time()
            await write_pdfs(house, numbers[WARM : WARM + count], folder, _quietly)
            took, spent = time.perf_counter() - began, time.process_time() - spent
            assert _count(folder) == WARM + count
        cold = []
        for number in numbers[WARM + count :]:
            alone = time.process_time()
            await house.papers.pdf(number, Caller("loadtest", Role.OPERATOR))
            cold.append((time.process_time() - alone) * 1e3)
        return took, spent, statistics.median(cold)
    finally:
        await house.close()


def _count(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir())


def _quietly(done: int) -> None:
    """Nobody watches."""


def _floor(sheets: list[Sheet]) -> tuple[float, float]:
    """Seconds by the clock and of processor for pages that are compiled and hashes that are signed, no more."""
    pair = generate_p256()
    halves = []
    for half in (sheets[::2], sheets[1::2]):
        press = Press()
        form = press.templates.get(half[0].template, half[0].kind)
        inputs = [press._inputs(sheet, form, PRINT_DPI) for sheet in half]
        press.render_pdf(half[0])
        halves.append((press, form, half, inputs))

    def work(press: Press, form: Template, half: list[Sheet], inputs: list[dict[str, str]]) -> None:
        signer = SoftSigner(pair)
        for sheet, given in zip(half, inputs, strict=True):
            signer.sign_now(press._compile(form.source, given, sheet.issued_at, "pdf")[:64])

    threads = [threading.Thread(target=work, args=half) for half in halves]
    began, spent = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began, time.process_time() - spent


def _stored(run: Run, site: Site, section: Section) -> None:
    """Kept files over HTTP, beside a bare application that sends as many bytes."""
    numbers = [seed.seeded(i).number for i in range(WARM)]
    paths = [f"/api/v1/certificates/{number}/document.pdf" for number in numbers]
    bearer = site.bearers["operator"]
    with product(site, role="all") as service:
        first = asyncio.run(_asked(service.port, paths[0], bearer))
        with (
            floor(Constant([("content-type", "application/pdf")], first)) as bare,
            run.targets(paths) as targets,
        ):
            run.quiet()
            rounds = [
                [run_wrk(one, targets, run.round_s, accept="*/*", bearer=bearer) for one in (service, bare)]
                for _ in range(run.rounds)
            ]
    ours, theirs = [pair[0] for pair in rounds], [pair[1] for pair in rounds]
    both = Pair(ours, theirs)
    section.add("kept files over HTTP: answers per second, of bare ASGI", both.ratio, "×", STORED)
    section.add(
        "kept files over HTTP: answers per core-second, of bare ASGI", both.processor_ratio, "×", STORED
    )
    section.add("kept files over HTTP: answers", rate_of(ours), "/s")
    section.add("kept files over HTTP: answers per core-second", per_core_second(ours), "")
    section.must(
        "kept files over HTTP: answers of another status, or none", sum(p.refused + p.broken for p in ours)
    )
    section.commands.append(ours[0].command)


async def _asked(port: int, path: str, bearer: str) -> bytes:
    async with connect(port) as caller:
        answer = await caller.ask(get(path, accept="*/*", bearer=bearer))
        assert answer.status == 200 and answer.body.startswith(b"%PDF"), answer.status
        return answer.body


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
