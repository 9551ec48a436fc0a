"""What a phone loads and waits for: the verification page in a browser whose processor is slowed down."""

import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from loadtest import seed
from loadtest.floor import Constant
from loadtest.results import Section
from loadtest.run import Run
from loadtest.services import floor, product

BROWSER = Path("/usr/bin/chromium")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
SLOWER = 4
"""A phone of the lower middle class beside a server's core."""
SIZE_KB, PAINT_MS = 30.0, 100.0
SETTLE_MS = 1_500
"""After the load event: what the page fetches for a day without network has come by then."""
PAINTED = "performance.getEntriesByType('paint').find(one => one.name === 'first-paint').startTime"
LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd"
VERDICT = "document.querySelector('.verdict-word').textContent"
BARE = Constant(
    [("content-type", "text/html; charset=utf-8")],
    '<!doctype html><html lang="zh-CN"><link rel="icon" href="data:,"><title>有效</title>'
    '<h1 class="verdict-word">有效</h1>'.encode(),
)
"""What no page can be faster than: one word in the same script."""


class View(msgspec.Struct, frozen=True):
    """One page, seen once."""

    kilobytes: float
    """Headers and bodies as they crossed the wire, up to the load event."""
    requests: int
    kept_kilobytes: float
    """The same for what came afterwards: lists and shell for a day without network."""
    painted_ms: float
    loaded_ms: float


def run_page_view(run: Run) -> Section:
    """First views in fresh profiles, then further certificates in a profile that has seen one."""
    section = Section(
        "page-view",
        "The verification page in a browser",
        f"Chromium, 360 × 640, processor slowed down {SLOWER} times (CDP), loopback. A first view begins with an empty "
        "profile; bytes are headers and bodies as transferred, the page, its style, signs and scripts together. On a busy "
        "machine the browser itself waits for a core: the bare page, seen in turn with the other, tells how long.",
    )
    site, views = run.site(1_000), 2 if run.quick else 15
    first, bare = [], []
    with product(site, role="all", core=None) as service, floor(BARE) as empty, _browser() as browser:
        codes = [seed.seeded(i).scan_code for i in range(2 * views)]
        _fresh(browser, empty.url)  # the browser's own start is nobody's wait
        run.quiet()
        for code in codes[:views]:
            bare.append(_fresh(browser, empty.url))
            first.append(_fresh(browser, f"{service.url}/V/{code}"))
        with _profile(browser) as page:
            seen = [_view(page, f"{service.url}/V/{code}") for code in codes[views - 1 :]][1:]
    section.commands.append(service.command.rpartition(" --port")[0])
    section.add("first view: transferred until loaded", _median(first, "kilobytes"), "kB", SIZE_KB, "<=")
    section.add("first view: requests until loaded", _median(first, "requests"), "")
    section.add("kept for a day without network, afterwards", _median(first, "kept_kilobytes"), "kB")
    _paint(section, "first view", first, PAINT_MS)
    _paint(section, "a bare page of one word, in turn with it", bare)
    beyond = [view.painted_ms - other.painted_ms for view, other in zip(first, bare, strict=True)]
    section.add("first view: first paint beyond the bare page's", statistics.median(beyond), "ms")
    _paint(section, "next certificate in the same profile", seen)
    return section


def _paint(section: Section, what: str, views: list[View], goal: float | None = None) -> None:
    painted = sorted(view.painted_ms for view in views)
    note = f"{painted[0]:.0f} to {painted[-1]:.0f}"
    section.add(f"{what}: first paint", statistics.median(painted), "ms", goal, "<=", note=note)
    section.add(f"{what}: loaded", _median(views, "loaded_ms"), "ms")


def _fresh(browser: Any, address: str) -> View:
    """A view in an empty profile."""
    with _profile(browser) as page:
        return _view(page, address)


def _median(views: list[View], field: str) -> float:
    return float(statistics.median(getattr(view, field) for view in views))


@contextmanager
def _browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    if not BROWSER.exists():
        raise RuntimeError(f"{BROWSER} is missing (apt-get install chromium fonts-noto-cjk)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def _profile(browser: Any) -> Iterator[Any]:
    """A page in an empty profile."""
    context = browser.new_context(viewport={"width": 360, "height": 640}, locale="zh-CN")
    try:
        yield context.new_page()
    finally:
        context.close()


def _view(page: Any, address: str) -> View:
    """Open `address` and measure. Raises AssertionError when the page tells no verdict."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    sizes: list[int] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.goto(address, wait_until="load")
    until_loaded = [size for size in sizes if size]
    page.wait_for_timeout(SETTLE_MS)
    assert page.evaluate(VERDICT).strip(), f"no verdict on {address}"
    painted, loaded = page.evaluate(PAINTED), page.evaluate(LOADED)
    session.detach()
    return View(
        sum(until_loaded) / 1000,
        len(until_loaded),
        (sum(sizes) - sum(until_loaded)) / 1000,
        painted,
        loaded,
    )
