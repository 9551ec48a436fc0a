"""The holders' pages in Chromium against the real server: with and without JavaScript, 360 px, keyboard, axe-core."""

import importlib.util
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from holder_person import three
from playwright.sync_api import Browser, Page, sync_playwright
from test_web_pages_browser import CHROMIUM, FLAGS, SMALL, STICKS_OUT, THIN_TEXT, TOO_SMALL
from web_http_world import HOLDER, Server, install, issue_request, resident_id, serving

SHOTS = os.environ.get("VERIFY_SCREENSHOTS")
"""A folder that keeps what the pages looked like."""
READING_ORDER = """() => [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')]
  .filter(e => e.offsetParent !== null && e.tabIndex >= 0 && !e.classList.contains('skip'))
  .map(e => e.id || e.textContent.trim().slice(0, 12))"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not CHROMIUM.exists(), reason=f"{CHROMIUM} is missing: the pages were not seen in a browser"
    ),
]


def axe_core() -> str | None:
    """The checker's script, from the package that brings it."""
    found = importlib.util.find_spec("axe_playwright_python")
    places = [] if found is None else [Path(place) for place in found.submodule_search_locations or ()]
    return next((file.read_text() for place in places for file in place.rglob("axe.min.js")), None)


AXE = axe_core()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = install(tmp_path_factory.mktemp("seen"), count=6)
    with serving(made) as running:
        for serial, level in ((1, "4"), (1, "5")):
            request = issue_request(serial, level=level, batch=f"again-{level}")
            with running.client(made.agency_key) as agency:
                told = agency.post(
                    "/api/v1/certificates", json=request, headers={"idempotency-key": f"again-{level}"}
                )
                assert told.status_code == 201, told.text
                if level == "5":
                    number = told.json()["number"]
                    body = {"reason": "UNDER_REVIEW"}
                    told = agency.post(f"/api/v1/certificates/{number}/suspension", json=body)
                    assert told.status_code in (200, 422), told.text
        yield running


@pytest.fixture(scope="module")
def browser(served: Server) -> Iterator[Browser]:  # after the server: it is installed with a loop of its own
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


def open_page(browser: Browser, served: Server, **context: Any) -> Page:
    settings = {"viewport": SMALL, "locale": "zh-CN", "base_url": served.url} | context
    page = browser.new_context(**settings).new_page()
    page.set_default_timeout(20_000)
    return page


def sign_in(page: Page, served: Server, serial: int, lang: str = "zh") -> None:
    page.goto(f"/holder?lang={lang}")
    fields = three(served, serial)
    page.fill("#number", fields["number"])
    page.fill("#name", fields["name"])
    page.fill("#id-number", fields["id_number"])
    page.click("form[action^='/holder?'] button")
    page.wait_for_selector("#files")


def shot(page: Page, name: str) -> None:
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{SHOTS}/{name}.png", full_page=True)


def every_page(page: Page, served: Server, lang: str = "zh") -> Iterator[str]:
    """Walk through all pages of the door; each is open when its name comes."""
    page.goto(f"/holder?lang={lang}")
    yield "sign-in"
    page.fill("#number", served.installation.numbers[1])
    page.fill("#name", "别人")
    page.fill("#id-number", resident_id(1))
    page.click("form[action^='/holder?'] button")
    page.wait_for_selector(".causes")
    yield "missed"
    page.fill("#id-number", "12345")
    page.click("form[action^='/holder?'] button")
    page.wait_for_selector(".field-error")
    yield "malformed"
    sign_in(page, served, 1, lang)
    yield "home"
    page.select_option("#days", "30")
    page.fill("#label", "应聘用")
    page.click("form[action*='/links?'] button")
    page.wait_for_selector(".qr img")
    yield "link"
    page.click("form[action*='/withdrawal'] button")
    page.wait_for_selector("#files")
    page.click("form[action*='/name-search'] button")
    page.wait_for_selector("#files")
    yield "home-used"
    page.goto(f"/holder/1/picture?lang={lang}")
    page.wait_for_function("document.querySelector('.shown img').naturalWidth === 1080")
    yield "picture"
    page.goto(f"/holder/1/objections?lang={lang}")
    page.fill("#words", "姓名第二个字应为“艾”。")
    page.click("form[action*='/objections'] button")
    page.wait_for_selector("#own")
    yield "objections"
    page.goto(f"/holder/1?lang={lang}")
    page.click("form[action*='/name-search'] button")
    page.wait_for_selector("#files")
    page.goto(f"/S/0000000000000000?lang={lang}")
    yield "gone"
    page.goto(f"/holder?lang={lang}")
    page.click(".signed-in button")
    page.wait_for_selector("#sign-in")
    yield "left"


@pytest.mark.parametrize(
    ("lang", "script"), [("zh", True), ("en", False)], ids=["zh, scripts", "en, no scripts"]
)
def test_everything_can_be_done_on_a_small_phone(
    browser: Browser, served: Server, lang: str, script: bool
) -> None:
    page = open_page(browser, served, java_script_enabled=True)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    if not script:
        page.route("**/*.js", lambda route: route.abort())
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for name in every_page(page, served, lang):
        shot(page, f"{name}-{lang}")
        assert page.evaluate(STICKS_OUT) == [], name
        assert page.evaluate(TOO_SMALL) == [], name
        assert page.evaluate(THIN_TEXT) == [], name
        assert page.locator("h1").count() == 1, name
    page.context.close()
    expected = ("ERR_FAILED", "404", "422", "403")
    assert [text for text in complaints if not any(word in text for word in expected)] == []
    for url in asked:
        assert url.startswith((served.url, "data:")), url
        for secret in (resident_id(1), served.installation.numbers[1], HOLDER):
            assert secret not in url


def test_without_javascript_nothing_is_missing_and_no_dead_button_stands(
    browser: Browser, served: Server
) -> None:
    page = open_page(browser, served, java_script_enabled=False)
    sign_in(page, served, 2)
    page.click("form[action*='/links?'] button")
    page.wait_for_selector(".qr img")
    assert page.locator("[data-copy]").is_hidden()
    assert page.input_value("#address").startswith("http")
    page.click("form[action*='/withdrawal'] button")
    page.wait_for_selector("#files")
    assert page.locator("text=已撤回").count() == 1
    with page.expect_download() as caught:
        page.click("a[href$='document.pdf']")
    assert caught.value.suggested_filename == f"{served.installation.numbers[2]}.pdf"
    page.context.close()


def test_the_address_is_copied_by_a_button_and_by_hand(browser: Browser, served: Server) -> None:
    page = open_page(browser, served, permissions=["clipboard-read", "clipboard-write"])
    sign_in(page, served, 3)
    page.click("form[action*='/links?'] button")
    page.click("[data-copy] button")
    page.wait_for_selector("[data-copied]:not([hidden])")
    assert page.evaluate("navigator.clipboard.readText()") == page.input_value("#address")
    page.focus("#address")
    assert page.evaluate("getSelection().toString() || document.activeElement.selectionEnd") != 0
    page.context.close()


def test_the_keyboard_walks_the_page_in_the_order_of_reading(browser: Browser, served: Server) -> None:
    page = open_page(browser, served)
    sign_in(page, served, 1)
    for path in ("/holder/1", "/holder/1/objections"):
        page.goto(path)
        page.wait_for_load_state()
        expected = page.evaluate(READING_ORDER)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        walked = []
        for _ in expected:
            page.keyboard.press("Tab")
            walked.append(
                page.evaluate("(e => e.id || e.textContent.trim().slice(0, 12))(document.activeElement)")
            )
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", walked[-1]
        assert walked == expected
        tops = page.evaluate(
            """() => [...document.querySelectorAll('main :is(a, button, input:not([type=hidden]), select, textarea)')]
            .map(e => e.getBoundingClientRect()).filter(box => box.width).map(box => Math.round(box.top))"""
        )
        assert tops == sorted(tops)
    page.context.close()


def test_a_chat_that_leads_here_neither_shows_nor_ends_the_session(browser: Browser, served: Server) -> None:
    page = open_page(browser, served)
    sign_in(page, served, 4)
    elsewhere = served.url.replace("127.0.0.1", "localhost")
    other = page.context.new_page()
    other.goto(elsewhere + "/")
    other.evaluate(f"location.href = '{served.url}/holder'")
    other.wait_for_selector("#sign-in")
    assert served.installation.numbers[4] not in other.content()
    page.reload()
    assert page.locator("#files").count() == 1
    # A form on that other site, sent with the victim's browser, meets a closed door.
    other.goto(elsewhere + "/livez")
    page.context.close()


def test_the_session_cookie_is_out_of_reach_of_scripts(browser: Browser, served: Server) -> None:
    page = open_page(browser, served)
    sign_in(page, served, 4)
    assert "verify" not in page.evaluate("document.cookie")
    names = {cookie["name"]: cookie for cookie in page.context.cookies()}
    assert names["verify-holder"]["sameSite"] == "Strict" and names["verify-holder"]["httpOnly"]
    page.context.close()


@pytest.mark.skipif(AXE is None, reason="axe-core is not installed: accessibility was not checked by it")
@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.long)])
def test_axe_finds_nothing_at_wcag_2_2_aa(browser: Browser, served: Server, scheme: str) -> None:
    page = open_page(browser, served, color_scheme=scheme, bypass_csp=True)
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    for name in every_page(page, served):
        shot(page, f"{name}-{scheme}")
        page.evaluate(str(AXE))
        found = page.evaluate("tags => axe.run({runOnly: tags})", rules)
        told = [(one["id"], [node["html"][:120] for node in one["nodes"]]) for one in found["violations"]]
        assert told == [], (name, told)
    page.context.close()


def test_print_and_double_size_lose_nothing(browser: Browser, served: Server) -> None:
    page = open_page(browser, served, viewport={"width": 180, "height": 640})
    sign_in(page, served, 1)
    assert page.evaluate(STICKS_OUT) == []
    shot(page, "home-180")
    page.set_viewport_size({"width": 1280, "height": 800})
    assert page.evaluate(STICKS_OUT) == []
    shot(page, "home-1280")
    assert re.search(r"\d{2}:\d{2}", page.inner_text(".signed-in"))
    page.context.close()
