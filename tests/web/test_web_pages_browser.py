"""The public pages in a real browser: layout, policy, touch targets, zoom, dark mode, print, keyboard."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from web_page_samples import ASSETS, every_page

from verify.web.pages import PAGE_POLICY

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PAGES = every_page()
SMALL = {"width": 360, "height": 640}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not CHROMIUM.exists(), reason=f"{CHROMIUM} is missing: the pages were not seen in a browser"
    ),
]

TOO_SMALL = """() => [...document.querySelectorAll('button, input:not([type=hidden]), select, .top a, .actions a')]
  .filter(e => !e.closest('[hidden]')).map(e => [e.outerHTML.slice(0, 80), e.getBoundingClientRect()])
  .filter(([, box]) => box.height < 44 || box.width < 44).map(([html]) => html)"""
STICKS_OUT = """() => [...document.querySelectorAll('body *')].filter(e => !e.closest('.skip'))
  .filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"""
THIN_TEXT = """() => {
  const parts = c => c.match(/[\\d.]+/g).map(Number);
  const light = c => { const [r, g, b] = parts(c).slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    const p = parts(c); if (p.length < 4 || p[3] > 0) return c; } return 'rgb(255, 255, 255)'; };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || e.closest('.skip, option')) continue;
    const [a, b] = [light(getComputedStyle(e).color), light(ground(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push([ratio.toFixed(2), e.outerHTML.slice(0, 80)]);
  }
  return found;
}"""


class Handler(http.server.BaseHTTPRequestHandler):
    """The sample pages and their assets, under the policy that the pages are written for."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        asset = ASSETS.by_address.get(path)
        body = asset.body if asset else PAGES.get(path[1:])
        self.send_response(200 if body is not None else 404)
        self.send_header("Content-Type", asset.content_type if asset else "text/html; charset=utf-8")
        self.send_header("Content-Security-Policy", PAGE_POLICY)
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


def open_page(browser: Browser, **context: Any) -> Page:
    page = browser.new_context(**context).new_page()
    page.set_default_timeout(20_000)
    return page


def test_no_page_breaks_the_policy_or_asks_another_host(browser: Browser, site: str) -> None:
    page = open_page(browser, viewport=SMALL)
    complaints: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("request", lambda request: requests.append(request.url))
    for name in PAGES:
        page.goto(f"{site}/{name}")
        assert (
            page.evaluate("getComputedStyle(document.querySelector('.top')).backgroundColor")
            != "rgba(0, 0, 0, 0)"
        )
    page.context.close()
    assert complaints == []
    assert all(url.startswith(site) for url in requests)


@pytest.mark.parametrize(
    "width", [pytest.param(1200, marks=pytest.mark.long), pytest.param(360, marks=pytest.mark.long), 180]
)
def test_nothing_sticks_out_even_at_twice_the_size_on_a_small_phone(
    browser: Browser, site: str, width: int
) -> None:
    page = open_page(browser, viewport={"width": width, "height": 640})
    found = {}
    for name in PAGES:
        page.goto(f"{site}/{name}")
        if out := page.evaluate(STICKS_OUT):
            found[name] = out
    page.context.close()
    assert found == {}


def test_everything_to_touch_is_44_pixels_or_more(browser: Browser, site: str) -> None:
    page = open_page(browser, viewport=SMALL, has_touch=True)
    found = {}
    for name in PAGES:
        page.goto(f"{site}/{name}")
        if small := page.evaluate(TOO_SMALL):
            found[name] = small
    page.context.close()
    assert found == {}


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.long)])
def test_every_text_as_painted_reaches_wcag_aa(browser: Browser, site: str, scheme: str) -> None:
    page = open_page(browser, viewport=SMALL, color_scheme=scheme)
    found = {}
    for name in PAGES:
        page.goto(f"{site}/{name}")
        if thin := page.evaluate(THIN_TEXT):
            found[name] = thin
    page.context.close()
    assert found == {}


def test_the_verdict_is_seen_first_without_scrolling(browser: Browser, site: str) -> None:
    page = open_page(browser, viewport=SMALL)
    for name in (
        n for n in PAGES if n[3:] in ("valid", "suspended", "revoked", "replaced", "unknown", "unavailable")
    ):
        page.goto(f"{site}/{name}")
        head, sign = page.locator(".verdict-head"), page.locator(".verdict-icon svg")
        for part in (head, sign):
            box = part.bounding_box()
            assert box is not None
            assert box["height"] > 30
            assert box["y"] + box["height"] < SMALL["height"] / 2
    page.context.close()


def test_could_not_check_has_no_filled_panel_while_every_other_verdict_has(
    browser: Browser, site: str
) -> None:
    page = open_page(browser, viewport=SMALL)
    grounds = {}
    for verdict in ("valid", "suspended", "revoked", "replaced", "unknown", "unavailable"):
        page.goto(f"{site}/zh-{verdict}")
        head = page.locator(".verdict-head").evaluate("e => getComputedStyle(e).backgroundColor")
        style = page.locator(".verdict").evaluate("e => getComputedStyle(e).borderTopStyle")
        grounds[verdict] = (head, style)
    page.context.close()
    assert grounds.pop("unavailable") == ("rgb(255, 255, 255)", "dashed")
    assert len(set(grounds.values())) == len(grounds)
    assert all(head != "rgb(255, 255, 255)" and style == "solid" for head, style in grounds.values())


def test_the_keyboard_reaches_content_first_and_focus_is_painted(browser: Browser, site: str) -> None:
    page = open_page(browser, viewport=SMALL)
    page.goto(f"{site}/zh-search")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") == 0
    page.locator("#number").focus()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.context.close()


def test_forms_work_without_javascript_and_keep_addresses_clean(browser: Browser, site: str) -> None:
    page = open_page(browser, viewport=SMALL, java_script_enabled=False)
    sent: list[tuple[str, str, str]] = []
    page.on("request", lambda r: sent.append((r.method, r.url, r.post_data or "")))
    page.goto(f"{site}/zh-search")
    page.locator("#person-name").fill("林巧云")
    page.locator("#id-number").fill("990101199001011234")
    page.locator("section[aria-labelledby=by-person] button").click()
    page.wait_for_load_state()
    page.context.close()
    method, url, body = next(one for one in sent if one[0] == "POST")
    assert (method, url) == ("POST", f"{site}/?lang=zh")
    assert "ask=person" in body
    assert "id_number=990101199001011234" in body


def test_a_print_keeps_verdict_time_and_host_and_drops_the_buttons(browser: Browser, site: str) -> None:
    page = open_page(browser, viewport=SMALL)
    page.emulate_media(media="print")
    page.goto(f"{site}/zh-valid")
    assert page.locator(".verdict-word").is_visible()
    assert page.locator("time").is_visible()
    assert page.locator(".domain b").is_visible()
    assert not page.locator(".actions").is_visible()
    assert page.locator(".verdict-word").evaluate("e => getComputedStyle(e).color") == "rgb(0, 0, 0)"
    page.context.close()
