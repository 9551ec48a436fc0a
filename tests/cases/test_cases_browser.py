"""The desk in a real browser without JavaScript: from a verdict to a receipt, and no address that tells anything."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from web_http_world import Server, resident_id

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not CHROMIUM.exists(), reason=f"{CHROMIUM} is missing: the desk was not seen in a browser"
    ),
]


@pytest.fixture
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        context = browser.new_context(viewport={"width": 360, "height": 640}, java_script_enabled=False)
        made = context.new_page()
        made.set_default_timeout(20_000)
        yield made
        browser.close()


def test_a_forgery_is_reported_from_its_verdict_page_and_followed_by_the_receipt(
    server: Server, page: Page, tmp_path: Path
) -> None:
    code, asked = server.installation.scan_codes[1], list[str]()
    page.goto(f"{server.url}/V/{code}?lang=zh")
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_role("button", name="举报").click()
    page.wait_for_url("**/reports/form?lang=zh")
    assert page.locator("#code").input_value() == code
    Image.new("RGB", (300, 200), "teal").save(tmp_path / "seen.png")
    page.select_option("#matter", "edited-certificate")
    page.fill("#words", "姓名被改过")
    page.set_input_files("#picture", tmp_path / "seen.png")
    page.get_by_role("button", name="提交举报").click()
    page.wait_for_url("**/reports/*-*?lang=zh")
    assert page.locator("h1").inner_text() == "已收到"
    receipt = page.locator(".receipt-code").inner_text()
    page.reload()
    assert page.locator(".receipt-code").inner_text() == receipt
    page.goto(f"{server.url}/reports?lang=zh")
    page.fill("#receipt", receipt.replace("-", "").lower())
    page.get_by_role("button", name="查进度").click()
    page.wait_for_url("**/reports/status?lang=zh")
    assert page.locator(".receipt-code").inner_text() == receipt
    assert all(url.startswith(server.url) and code not in url for url in asked)


def test_a_missing_certificate_is_told_from_the_miss_page_and_the_id_number_stays_in_the_body(
    server: Server, page: Page
) -> None:
    who, asked = resident_id(555), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{server.url}/V/{'0' * 16}?lang=zh")
    page.get_by_role("link", name="在本站提出").click()
    page.wait_for_url("**/objections?lang=zh")
    page.get_by_role("button", name="提交", exact=True).click()
    page.wait_for_load_state()
    assert page.locator("#number-error").is_visible()
    page.fill("#name", "王小明")
    page.fill("#id-number", who)
    page.get_by_role("button", name="提交", exact=True).click()
    page.wait_for_url("**/objections/*-*?lang=zh")
    assert "15 个工作日" in page.locator("main").inner_text()
    assert who not in page.content() and not any(who in url for url in asked)
