"""The whole chain on a real server: the office publishes, a phone keeps, and without network the page says no more."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from test_web_http_public import assert_secure
from web_http_world import Server, install, serving, wait_until

from verify.proof.pack import Listed, Lookup, decode_pack, digest, find_number
from verify.web.shell import WORKER_POLICY

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
VALID_GREEN = "rgb(11, 107, 58)"

needs_browser = pytest.mark.skipif(
    not CHROMIUM.exists(), reason=f"{CHROMIUM} is missing: no phone went offline"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose office makes a pack every second."""
    with serving(install(tmp_path_factory.mktemp("kept"), count=4, pack_every_s="1")) as running:
        wait_until(lambda: manifest(running) is not None)
        yield running


@pytest.fixture(scope="module")
def revoked(server: Server) -> str:
    """The last certificate, revoked and in the pack."""
    number = server.installation.numbers[3]
    with server.client(server.installation.operator_key) as operator:
        told = operator.post(f"/api/v1/certificates/{number}/revocation", json={"reason": "FORGED"})
        assert told.status_code == 200, told.text
    wait_until(lambda: state_of(server, number) is Listed.REVOKED)
    return number


def manifest(server: Server) -> dict[str, Any] | None:
    """What the newest manifest says, unverified: phones verify it."""
    with server.client() as client:
        told = client.get("/packs/status.json")
    if told.status_code == 404:
        return None
    return payload_of(told.json())


def payload_of(jws: dict[str, str]) -> dict[str, Any]:
    payload = jws["payload"]
    said: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return said


def state_of(server: Server, number: str) -> Listed | Lookup:
    said = manifest(server)
    assert said is not None
    with server.client() as client:
        body = client.get("/packs/" + said["full"]["sha256"]).content
    return find_number(decode_pack(body), number)


def address(server: Server, number: str) -> str:
    """What the QR code of a certificate opens, its digits included."""
    with server.client(server.installation.agency_key) as client:
        view = client.get(f"/api/v1/certificates/{number}").json()
    return f"{server.url}/V/{view['scan_code']}?lang=zh#{view['token']}"


# --- what is served -------------------------------------------------------------------------------------


def test_manifest_and_files_are_served_under_their_digests_packed_or_plain(
    server: Server, revoked: str
) -> None:
    said = manifest(server)
    assert said is not None
    file = "/packs/" + said["full"]["sha256"]
    with server.client() as client:
        listed = client.get("/packs/status.json")
        plain = client.get(file, headers={"accept-encoding": "identity"})
        packed = client.get(file, headers={"accept-encoding": "gzip"})
        head = client.head(file)
        strange = [client.get("/packs/" + name) for name in ("A" * 43, "A" * 42, "status", "..%2f", "")]
        refused = client.post("/packs/status.json")
    assert listed.headers["cache-control"] == "public, max-age=60"
    assert plain.headers["content-type"] == "application/octet-stream"
    assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert plain.headers["vary"] == "Accept-Encoding"
    assert digest(plain.content) == digest(packed.content) == said["full"]["sha256"]
    assert len(plain.content) == said["full"]["size_bytes"]
    assert (head.status_code, head.content) == (200, b"")
    assert {answer.status_code for answer in strange} <= {400, 404}
    assert refused.status_code == 405
    for answer in (listed, plain, strange[0]):
        assert_secure(answer.headers)


def test_the_worker_has_its_own_policy_and_keeps_files_that_exist(server: Server) -> None:
    with server.client() as client:
        worker = client.get("/sw.js")
        shell = json.loads(worker.text.partition("const SHELL = ")[2].partition(";\n")[0])
        kept = [client.get(path) for path in (*shell["files"], *shell["pages"].values())]
        app = client.get("/manifest.webmanifest")
        icons = [client.get(icon["src"]) for icon in app.json()["icons"]]
    assert worker.headers["content-security-policy"] == WORKER_POLICY
    assert worker.headers["cache-control"] == "no-cache"
    assert worker.headers["content-type"].startswith("text/javascript")
    assert worker.headers["x-content-type-options"] == "nosniff"
    assert {answer.status_code for answer in (*kept, app, *icons)} == {200}
    assert app.headers["content-type"] == "application/manifest+json"


def test_pages_pin_the_root_and_the_offline_page_pins_none(server: Server) -> None:
    pinned: list[str] = []

    def has_root() -> bool:
        pinned[:] = [httpx.get(server.url + "/", trust_env=False).text]
        return 'data-root="' in pinned[0]

    wait_until(has_root)
    with server.client() as client:
        trust = payload_of(client.get("/trust.json").json())
        offline = client.get("/offline?lang=en")
    pin = pinned[0].partition('data-root="')[2].partition('"')[0]
    roots = [key["jwk"] for key in trust["keys"] if key["purpose"] == "root"]
    assert [pin] == [f"{root['x']}.{root['y']}" for root in roots]
    assert "data-root" not in offline.text and 'lang="en"' in offline.text


def test_a_register_without_certificates_has_a_pack_and_none_when_switched_off(tmp_path: Path) -> None:
    made = install(tmp_path, count=0)
    with serving(made) as empty:
        wait_until(lambda: manifest(empty) is not None)
        assert state_of(empty, "S000044000456263000001") is Lookup.BEYOND
    (tmp_path / "off").mkdir()
    with serving(install(tmp_path / "off", count=0, pack_every_s="0")) as off, off.client() as client:
        told = client.get("/packs/status.json")
        assert told.status_code == 404
        assert told.json()["code"] == "not-found"


def test_a_public_node_serves_what_an_office_node_published(server: Server, revoked: str) -> None:
    with serving(server.installation, factory="create_public_app") as public:
        assert state_of(public, revoked) is Listed.REVOKED


# --- a phone --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def phone(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 360, "height": 740}, locale="zh-CN")
    context.set_default_timeout(20_000)
    yield context
    context.close()


def scan(phone: BrowserContext, url: str) -> Page:
    page = phone.new_page()
    page.goto(url)
    page.locator("[data-done]").wait_for(state="attached")
    return page


def verdict(page: Page) -> str:
    """The class of the one panel that can be seen."""
    panels = page.locator(".verdict:visible")
    assert panels.count() == 1
    return (panels.get_attribute("class") or "").split()[1]


def is_green(page: Page) -> bool:
    shown = page.locator(".verdict:visible .verdict-head")
    return bool(shown.evaluate("e => getComputedStyle(e).backgroundColor") == VALID_GREEN)


@pytest.mark.browser
@needs_browser
def test_after_one_visit_a_phone_tells_valid_from_revoked_without_network_and_never_in_green(
    server: Server, revoked: str, phone: BrowserContext
) -> None:
    valid, other, *_ = server.installation.numbers
    urls = {number: address(server, number) for number in (valid, other, revoked)}
    # 1. One certificate is scanned with a network; the phone keeps lists and pages.
    page = scan(phone, urls[valid])
    page.locator("html[data-settled=yes]").wait_for(state="attached")
    assert verdict(page) == "is-valid" and is_green(page)
    # 2. Without one, another is authentic, and no more.
    phone.set_offline(True)
    page = scan(phone, urls[other])
    assert verdict(page) == "is-authentic" and not is_green(page)
    assert page.locator("[data-slot=number]").inner_text() == other
    assert "此后的状态未核验" in page.locator("main").inner_text()
    # 3. The revoked one stood revoked in the kept list.
    page = scan(phone, urls[revoked])
    assert verdict(page) == "is-revoked" and not is_green(page)
    # 4. The one that was valid a moment ago is not green either: nobody asked the register.
    page = scan(phone, urls[valid])
    assert verdict(page) == "is-authentic" and not is_green(page)
    # 5. With the network back, the register answers again.
    phone.set_offline(False)
    page = scan(phone, urls[other])
    assert verdict(page) == "is-valid" and is_green(page)
