"""What a phone checks by itself, in a real browser: beside the register's answer, and without any network."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from phone_world import (
    CODE,
    DAY,
    KEY,
    KEYS,
    NAME,
    NOW,
    NUMBER,
    OTHER_CODE,
    PAIR,
    PREFIX,
    ROOT,
    ROOT_KEY,
    SAYER,
    SAYER_KEY,
    STOLEN,
    STOLEN_KEY,
    STRANGER,
    Site,
    pack,
    public,
    serve,
    token_digits,
    trust_list,
)
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from web_page_samples import ASSETS, answer

from verify.certificate.record import Level
from verify.errors import Words
from verify.proof.keys import generate_p256
from verify.proof.pack import Listed, digest, encode_pack
from verify.proof.public import KeyPurpose
from verify.proof.window import KeyMove, move_key

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
SMALL = {"width": 360, "height": 740}
STICKS_OUT = """() => [...document.querySelectorAll('body *')].filter(e => !e.closest('.skip'))
  .filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"""
KEPT = """async () => { const found = [];
  for (const name of await caches.keys()) found.push(...await (await caches.open(name)).keys());
  return found.map(request => request.url); }"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is missing: no phone checked anything"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def site() -> Iterator[Site]:
    with serve(Site()) as site:
        yield site


@pytest.fixture
def phone(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport=SMALL, locale="zh-CN")
    context.set_default_timeout(20_000)
    yield context
    context.close()


def scan(phone: BrowserContext, site: Site, digits: str, lang: str = "zh", *, done: bool = True) -> Page:
    """Open a scanned address and wait until the phone has finished."""
    page = phone.new_page()
    page.goto(f"{site.origin}/V/{CODE}?lang={lang}#{digits}")
    if done:
        page.locator("[data-done]").wait_for(state="attached")
    return page


def said(page: Page) -> str:
    """The texts of the phone's own notes that can be seen."""
    return "\n".join(
        page.locator("#phone p:visible, #phone-checked:visible, .offline-notes p:visible").all_inner_texts()
    )


def first_visit(phone: BrowserContext, site: Site) -> None:
    """See the first page once, until lists and pages are kept."""
    page = phone.new_page()
    page.goto(site.origin + "/")
    page.locator("html[data-settled]").wait_for(state="attached")
    assert page.evaluate("document.documentElement.dataset.settled") == "yes"
    page.close()


def offline(phone: BrowserContext, site: Site, digits: str, lang: str = "zh") -> Page:
    phone.set_offline(True)
    return scan(phone, site, digits, lang)


def verdict(page: Page) -> str:
    """The class of the one panel that can be seen."""
    panels = page.locator(".verdict:visible")
    assert panels.count() == 1
    return (panels.get_attribute("class") or "").split()[1]


# --- beside the register's answer -----------------------------------------------------------------------


def test_a_good_code_earns_one_quiet_line_and_its_digits_never_leave_the_phone(
    phone: BrowserContext, site: Site
) -> None:
    digits = token_digits()
    complaints: list[str] = []
    phone.on("console", lambda message: complaints.append(message.text))
    page = scan(phone, site, digits)
    assert "签名已在本手机上核对：由 鼓楼职业技能评价中心" in said(page)
    assert page.locator("#phone").is_hidden()
    assert verdict(page) == "is-valid"
    assert page.evaluate("location.hash") == "#" + digits
    assert not [asked for asked in site.asked if digits[:20] in asked]
    assert complaints == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "张三"}, "The name in the code (张三) is not the name in the register."),
        ({"number": PREFIX + "000001"}, f"The number in the code ({PREFIX}000001) is not the number"),
        ({"occupation_code": "6-18-01-02"}, "The occupation in the code is not the one in the register."),
        ({"level": Level.ONE}, "The level in the code is not the one in the register."),
        ({"scan_code": OTHER_CODE}, "belongs to another scan code"),
    ],
)
def test_what_differs_is_named(
    phone: BrowserContext, site: Site, changes: dict[str, Any], words: str
) -> None:
    page = scan(phone, site, token_digits(**changes), "en")
    assert words in said(page)
    assert "may come from another certificate" in said(page)
    assert page.locator("#phone-checked").is_hidden()
    assert verdict(page) == "is-valid"  # the register's answer is not touched


def test_a_cut_name_is_compared_as_far_as_it_goes(phone: BrowserContext, site: Site) -> None:
    long = "阿卜杜热合曼·买买提依明·吐尔逊江·阿布都克力木"
    site.answer = answer(holder={"name": long, "id_type": "RESIDENT_ID", "id_number_masked": "9*X"})
    assert "签名已在本手机上核对" in said(scan(phone, site, token_digits(name=long)))
    assert "姓名" in said(
        scan(phone, site, token_digits(name="买买提依明·吐尔逊江·阿卜杜热合曼·阿布都克力木"))
    )


def test_an_altered_code_a_strange_key_and_a_leaked_key_are_told_apart(
    phone: BrowserContext, site: Site
) -> None:
    good = token_digits()
    assert "二维码被改动过" in said(scan(phone, site, token_digits(signer=STRANGER)))
    assert "不在本站公布的密钥表中" in said(scan(phone, site, token_digits(STRANGER)))
    assert "已经泄露" in said(scan(phone, site, token_digits(STOLEN)))
    assert "早于密钥启用" in said(scan(phone, site, token_digits(issued_at=NOW - 35 * DAY)))
    assert "不完整或被改动" in said(scan(phone, site, good[:-1]))
    earlier = said(scan(phone, site, token_digits(STOLEN, issued_at=NOW - 6 * DAY)))
    assert "签名已在本手机上核对：由 失钥机构" in earlier


def test_an_old_copy_with_corrected_data_is_explained_not_accused(phone: BrowserContext, site: Site) -> None:
    old = {"number": 1, "current": False, "cause": "original", "current_number": 2}
    site.answer = answer(copy=old)
    told = said(scan(phone, site, token_digits(name="林巧芸")))
    assert "更正过的内容会不同" in told
    assert "另一本证书" not in told


def test_a_root_that_changed_is_told_until_somebody_accepts_it(phone: BrowserContext, site: Site) -> None:
    scan(phone, site, token_digits()).close()
    other = generate_p256()
    other_key = public(other, KeyPurpose.ROOT, "operator", Words("运营者", "Operator"))
    site.trust = trust_list(9, keys=(other_key, *KEYS[1:]), root=other, root_key=other_key)
    page = scan(phone, site, token_digits())
    assert "与这部手机首次使用时记下的不同" in said(page)
    assert page.locator("#phone-checked").is_hidden()
    page.evaluate("document.documentElement.removeAttribute('data-root')")
    site.pages = type(site.pages)(ASSETS, worker="/sw.js")
    page.locator("[data-renew]").click()
    page.locator("#phone-checked").wait_for(state="visible")


def test_a_root_that_the_old_one_names_is_followed_and_an_older_list_is_not(
    phone: BrowserContext, site: Site
) -> None:
    scan(phone, site, token_digits()).close()
    heir = generate_p256()
    heir_key = public(heir, KeyPurpose.ROOT, "operator", Words("运营者", "Operator"))
    site.trust = trust_list(4, keys=(*KEYS, heir_key))
    scan(phone, site, token_digits()).close()
    site.trust = trust_list(5, keys=(*KEYS, heir_key), root=heir, root_key=heir_key)
    assert "签名已在本手机上核对" in said(scan(phone, site, token_digits()))
    site.trust = trust_list(2)
    assert "比见过的旧" in said(scan(phone, site, token_digits()))


def test_without_scripts_or_webcrypto_the_registers_answer_stands_alone(browser: Browser, site: Site) -> None:
    plain = browser.new_context(viewport=SMALL, java_script_enabled=False)
    page = scan(plain, site, token_digits(name="张三"), done=False)
    assert verdict(page) == "is-valid"
    assert page.locator(".facts .name").inner_text() == NAME
    assert page.locator("#phone, #phone-checked, [data-done]").filter(visible=True).count() == 0
    plain.close()
    old = browser.new_context(viewport=SMALL)
    failures: list[str] = []
    old.on("weberror", lambda error: failures.append(str(error.error)))
    old.add_init_script("Object.defineProperty(crypto, 'subtle', {value: undefined})")
    page = scan(old, site, token_digits(name="张三"), done=False)
    page.wait_for_load_state("networkidle")
    assert verdict(page) == "is-valid"
    assert said(page) == ""
    assert failures == []
    old.close()


# --- without a network ----------------------------------------------------------------------------------


def test_after_one_visit_a_code_is_checked_without_network_and_never_shown_green(
    phone: BrowserContext, site: Site
) -> None:
    site.publish(pack(10, {}, NOW - dt.timedelta(hours=5)))
    first_visit(phone, site)
    page = offline(phone, site, token_digits())
    assert verdict(page) == "is-authentic"
    assert "是 5 小时前的" in said(page)
    assert "此后的状态未核验" in said(page)
    assert page.locator("[data-slot=name]").inner_text() == NAME
    assert page.locator("[data-slot=number]").inner_text() == NUMBER
    assert page.locator("[data-slot=level]").inner_text() != "3"
    head = page.locator(".verdict:visible .verdict-head").evaluate("e => getComputedStyle(e).backgroundColor")
    assert head == "rgb(255, 255, 255)"
    assert page.locator(".verdict:visible").evaluate("e => getComputedStyle(e).borderTopStyle") == "double"
    outcomes = page.locator("[data-check]").evaluate_all(
        "all => all.map(e => e.dataset.check + ' ' + e.className)"
    )
    assert outcomes == [
        "readable check is-passed", "authentic check is-passed", "issuer-known check is-passed",
        "key-in-force check is-passed", "matches-register check is-skipped", "current-copy check is-skipped",
        "status check is-skipped",
    ]  # fmt: skip
    assert page.evaluate(STICKS_OUT) == []
    page = offline(phone, site, token_digits(), "en")
    assert "Status not checked since." in said(page)


@pytest.mark.parametrize(
    ("listed", "shown"),
    [
        (Listed.REVOKED, "is-revoked"),
        (Listed.SUSPENDED, "is-suspended"),
        (Listed.REPLACED, "is-replaced"),
        (Listed.VOID, "is-unconfirmed"),
    ],
)
def test_a_number_that_stood_listed_is_shown_so_with_the_age_of_the_list(
    phone: BrowserContext, site: Site, listed: Listed, shown: str
) -> None:
    site.publish(pack(10, {NUMBER: listed}, NOW - dt.timedelta(hours=3)))
    first_visit(phone, site)
    page = offline(phone, site, token_digits())
    assert verdict(page) == shown
    assert page.locator("[data-check=status]").get_attribute("class") == "check is-failed"
    if listed is not Listed.VOID:
        assert "状态表是 3 小时前的" in said(page)


def test_altered_stolen_and_mixed_codes_are_not_confirmed_without_network(
    phone: BrowserContext, site: Site
) -> None:
    first_visit(phone, site)
    for digits in (
        token_digits(signer=STRANGER),
        token_digits(STRANGER),
        token_digits(STOLEN),
        token_digits(scan_code=OTHER_CODE),
    ):
        assert verdict(offline(phone, site, digits)) == "is-unconfirmed"
    page = offline(phone, site, token_digits(STOLEN, issued_at=NOW - 6 * DAY))
    assert verdict(page) == "is-unavailable"
    assert "只有登记库能证实" in said(page)
    assert verdict(offline(phone, site, "123")) == "is-unreadable"
    assert verdict(offline(phone, site, "")) == "is-unavailable"


def test_lists_past_their_age_say_so(phone: BrowserContext, site: Site) -> None:
    site.publish(pack(10, {}, NOW - 2 * DAY))
    first_visit(phone, site)
    page = offline(phone, site, token_digits())
    assert verdict(page) == "is-authentic"
    assert "太旧，不能说明状态" in said(page)
    phone.set_offline(False)
    site.trust = trust_list(4, at=NOW - 8 * DAY)
    scan(phone, site, token_digits()).close()
    page = offline(phone, site, token_digits())
    assert verdict(page) == "is-unavailable"
    assert "已过期，不能再作为依据" in said(page)


def test_a_number_issued_after_the_pack_is_not_called_clear(phone: BrowserContext, site: Site) -> None:
    first_visit(phone, site)
    page = offline(phone, site, token_digits(number=PREFIX + "001000"))
    assert verdict(page) == "is-authentic"
    assert "可能是之后颁发的" in said(page)


def test_a_kept_pack_is_brought_up_to_date_by_its_delta_alone(phone: BrowserContext, site: Site) -> None:
    old = pack(10, {PREFIX + "000009": Listed.SUSPENDED}, NOW - dt.timedelta(hours=9))
    new = pack(12, {NUMBER: Listed.REVOKED}, NOW - dt.timedelta(hours=1))
    site.publish(old)
    first_visit(phone, site)
    site.publish(new, old)
    del site.packs[digest(encode_pack(new))]
    page = phone.new_page()
    page.goto(site.origin + "/")
    page.evaluate("localStorage.removeItem('verify-looked')")
    page.close()
    first_visit(phone, site)
    page = offline(phone, site, token_digits())
    assert verdict(page) == "is-revoked"


def test_lists_that_the_root_did_not_sign_are_not_kept(phone: BrowserContext, site: Site) -> None:
    first_visit(phone, site)
    site.trust = trust_list(9, root=STRANGER)
    scan(phone, site, token_digits()).close()
    assert verdict(offline(phone, site, token_digits())) == "is-authentic"


@pytest.mark.parametrize("who", ["root", "agency", "compromised", "ended", "unknown"])
def test_a_status_pack_counts_only_when_the_statement_key_in_force_signed_it(
    phone: BrowserContext, site: Site, who: str
) -> None:
    key = SAYER_KEY
    if who == "compromised":
        key = move_key(SAYER_KEY, KeyMove.COMPROMISE, NOW + DAY)
    if who == "ended":
        key = move_key(SAYER_KEY, KeyMove.RETIRE, NOW - DAY)
    site.trust = trust_list(4, keys=(ROOT_KEY, key, KEY, STOLEN_KEY))
    unknown = msgspec.structs.replace(SAYER_KEY, kid=STRANGER.kid)
    signers = {"root": (ROOT, ROOT_KEY), "agency": (PAIR, KEY), "unknown": (STRANGER, unknown)}
    signer, named = signers.get(who, (SAYER, SAYER_KEY))
    site.publish(pack(11, {NUMBER: Listed.REVOKED}), signer=signer, key=named)
    page = phone.new_page()
    page.goto(site.origin + "/")
    page.locator("html[data-settled]").wait_for(state="attached")
    assert page.evaluate("document.documentElement.dataset.settled") == "no"
    page = offline(phone, site, token_digits())
    assert verdict(page) == "is-authentic"  # of no pack at all: never "revoked", never "as of"


def test_the_worker_keeps_no_answer_and_the_search_page_tells_that_there_is_no_network(
    phone: BrowserContext, site: Site
) -> None:
    first_visit(phone, site)
    page = scan(phone, site, token_digits())
    kept = page.evaluate(KEPT)
    assert kept
    assert not [url for url in kept if "/V/" in url]
    phone.set_offline(True)
    page.goto(site.origin + "/")
    assert verdict(page) == "is-unavailable"


# --- the camera -----------------------------------------------------------------------------------------

CAMERA = """
self.BarcodeDetector = class { static getSupportedFormats() { return Promise.resolve(%s); }
  detect() { return Promise.resolve([{ rawValue: %s }]); } };
navigator.mediaDevices.getUserMedia = () => Promise.resolve(document.createElement("canvas").captureStream());
HTMLMediaElement.prototype.play = () => Promise.resolve();
"""


def camera(browser: Browser, site: Site, formats: str, value: str) -> Page:
    context = browser.new_context(viewport=SMALL)
    context.add_init_script(CAMERA % (formats, value))
    page = context.new_page()
    page.goto(site.origin + "/?lang=en")
    return page


def test_the_camera_opens_our_own_codes_and_only_shows_foreign_ones(browser: Browser, site: Site) -> None:
    page = camera(browser, site, '["qr_code"]', f'location.origin.toUpperCase() + "/V/{CODE}#123"')
    page.locator("[data-start]").click()
    page.wait_for_url(f"{site.origin}/V/{CODE}#123")
    page.context.close()
    for foreign in (f"https://verify.example.cn.evil.test/V/{CODE}", "javascript:alert(1)", "hello"):
        page = camera(browser, site, '["qr_code"]', repr(foreign))
        page.locator("[data-start]").click()
        page.locator("[data-foreign]").wait_for(state="visible")
        assert page.locator("[data-foreign]").inner_text() == foreign
        assert page.url == site.origin + "/?lang=en"
        page.context.close()


def test_the_camera_button_stays_hidden_where_the_browser_reads_no_qr_codes(
    browser: Browser, site: Site
) -> None:
    page = camera(browser, site, "[]", '""')
    page.wait_for_load_state("networkidle")
    assert page.locator("#scan").is_hidden()
    page.context.close()
