"""Pages on a real server: understood slips, helpful misses, the way to the agency, what happened, photos."""

import io
from collections.abc import Iterator

import httpx
import pytest
from PIL import Image
from web_http_world import HOLDER, OTHER, SKILL, Server, install, resident_id, serving

from verify.documents.qr import render_qr_png


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own: these tests change certificates."""
    with serving(install(tmp_path_factory.mktemp("pages"), count=6)) as running:
        yield running


@pytest.fixture
def browser(server: Server) -> Iterator[httpx.Client]:
    with server.client(accept="text/html", **{"accept-language": "zh"}) as client:
        yield client


def search(browser: httpx.Client, **form: str) -> httpx.Response:
    return browser.post("/", data={"ask": "number"} | form)


# --- what was typed -------------------------------------------------------------------------------------


def test_a_number_with_slips_finds_and_the_page_says_how_it_was_read(
    server: Server, browser: httpx.Client
) -> None:
    number = server.installation.numbers[0]
    slipped = number[0] + number[1:15].replace("0", "O") + number[15:].replace("1", "l")
    wide = "".join(chr(ord(c) + 0xFEE0) for c in number)
    for typed, said in ((slipped, True), (wide, False), (f" {number[:4]} {number[4:]} ", False)):
        page = search(browser, number=typed, name=HOLDER)
        assert page.status_code == 200 and HOLDER in page.text
        assert ("当作数字 0" in page.text) is said
    code = server.installation.scan_codes[0]
    page = search(browser, number=f"HTTPS://127.0.0.1:8000/V/{code}#123")
    assert page.status_code == 200 and "已按扫描码查询" in page.text


def test_an_id_number_with_slips_finds_and_is_not_shown(server: Server, browser: httpx.Client) -> None:
    number = resident_id(0)
    typed = number[:17].replace("0", "o") + number[17:].lower()
    page = browser.post(
        "/", data={"ask": "person", "name": HOLDER, "id_type": "RESIDENT_ID", "id_number": typed}
    )
    assert page.status_code == 200 and "当作数字 0" in page.text
    assert number not in page.text and typed not in page.text


def test_a_miss_shows_how_the_number_reads_and_where_the_agency_is_and_nothing_about_what_missed(
    server: Server, browser: httpx.Client
) -> None:
    made = server.installation
    wrong_name = search(browser, number=made.numbers[1], name="张三")
    absent = search(browser, number=made.numbers[1][:-6] + "999999", name="张三")
    assert {wrong_name.status_code, absent.status_code} == {404}
    assert "您输入的编号这样读" in absent.text and f"/agencies/{SKILL}?lang=zh" in absent.text
    assert len(wrong_name.text) == len(absent.text)
    steps = [page.text.replace(made.numbers[1][-6:], "999999") for page in (wrong_name, absent)]
    cut = [text[: text.index("<time")] for text in steps]
    assert cut[0] == cut[1]


# --- the register of agencies ---------------------------------------------------------------------------


def test_agencies_are_listed_found_and_shown_with_filings(server: Server, browser: httpx.Client) -> None:
    every = browser.get("/agencies")
    assert every.status_code == 200 and SKILL in every.text and OTHER in every.text
    assert every.headers["cache-control"] == "no-store"
    some = browser.get("/agencies", params={"q": "岭南", "lang": "en"})
    assert SKILL in some.text and OTHER not in some.text and "1 found" in some.text
    assert "没有这样的机构" in browser.get("/agencies", params={"q": "<b>none"}).text
    one = browser.get(f"/agencies/{SKILL}")
    assert one.status_code == 200
    for part in ("岭南技能评价中心", "车工", "6-18-01-01", "2020-01-01 起", "不需要先在本站查询成功"):
        assert part in one.text
    for bad in ("/agencies/x", "/agencies/S000044000999"):
        assert browser.get(bad).status_code == 404
    assert browser.get("/agencies?q=%ff").status_code == 400
    assert browser.get("/agencies?after=" + SKILL).text.count("<li><a") == 1


# --- copies and history ---------------------------------------------------------------------------------


def test_a_replaced_copy_says_when_and_by_which_and_every_copy_is_in_the_chain(
    server: Server, browser: httpx.Client
) -> None:
    number, code = server.installation.numbers[2], server.installation.scan_codes[2]
    with server.client(server.installation.agency_key) as agency:
        for cause in ("lost", "damaged"):
            made = agency.post(
                f"/api/v1/certificates/{number}/reissues", json={"cause": cause},
                headers={"idempotency-key": f"again-{cause}"},
            )  # fmt: skip
            assert made.status_code in (200, 201), made.text
        plain = agency.get(f"/V/{code}")
    day = made.json()["answer"]["as_of"][:10] if "answer" in made.json() else ""
    page = browser.get(f"/V/{code}").text
    assert "由第 3 份代替" in page and "证书本身仍然有效" in page
    assert page.count("起不再使用") == 2 and "（遗失补发）" in page and "（损坏补发）" in page
    copies = plain.json()["copies"]
    assert [(copy["number"], copy["state"]) for copy in copies] == [
        (1, "replaced"), (2, "replaced"), (3, "current"),
    ]  # fmt: skip
    assert copies[0]["ended_at"] == copies[1]["issued_at"] == plain.json()["copy"]["ended_at"]
    assert day <= copies[2]["issued_at"][:10]
    assert "状态经过" not in page


def test_the_page_tells_what_happened_in_plain_words_and_only_to_who_sees_the_holder(
    server: Server, browser: httpx.Client
) -> None:
    number, code = server.installation.numbers[3], server.installation.scan_codes[3]
    with server.client(server.installation.agency_key) as agency:
        for path, reason in (
            ("suspension", "UNDER_REVIEW"),
            ("reinstatement", "REVIEW_CLEARED"),
            ("suspension", "UNDER_REVIEW"),
        ):
            told = agency.post(f"/api/v1/certificates/{number}/{path}", json={"reason": reason})
            assert told.status_code == 200, told.text
    page = browser.get(f"/V/{code}").text
    past = page[page.index("状态经过") :]
    order = [past.index(word) for word in ("颁发，有效", "<b>暂停使用", "恢复有效")]
    assert order == sorted(order) and past.count("<b>暂停使用") == 2
    assert "vk_" not in page
    assert "状态经过" not in search(browser, number=number).text
    assert "状态经过" in search(browser, number=number, name=HOLDER).text
    assert "状态经过" not in browser.get(f"/V/{server.installation.scan_codes[4]}").text


# --- photos ---------------------------------------------------------------------------------------------


def photo(content: str, form: str) -> bytes:
    """A code as people send it: a screenshot, or a skewed photo saved as JPEG."""
    code = Image.open(io.BytesIO(render_qr_png(content))).convert("L")
    paper = Image.new("L", (code.width + 300, code.height + 260), 235)
    paper.paste(code, (170, 120))
    if form == "JPEG":
        paper = paper.rotate(7, fillcolor=210, expand=True)
    out = io.BytesIO()
    paper.save(out, form)
    return out.getvalue()


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_photo_or_screenshot_is_checked_and_every_check_is_named(
    server: Server, browser: httpx.Client, form: str
) -> None:
    number = server.installation.numbers[5]
    with server.client(server.installation.agency_key) as agency:
        view = agency.get(f"/api/v1/certificates/{number}").json()
    content = f"HTTPS://127.0.0.1:8000/V/{view['scan_code']}#{view['token']}"
    page = browser.post("/checks", files={"file": ("photo", photo(content, form))})
    assert page.status_code == 200
    for name in ("二维码可读", "签名真实", "颁证机构已登记", "签名密钥有效", "与登记库一致", "是现行的一份"):
        assert name in page.text
    assert "check is-failed" not in page.text and number in page.text


def test_a_picture_without_our_code_proves_nothing_and_says_what_to_do(browser: httpx.Client) -> None:
    foreign = browser.post("/checks", files={"file": ("x.png", photo("https://example.org/V/x", "PNG"))})
    assert foreign.status_code == 200 and "is-valid" not in foreign.text
    blank = io.BytesIO()
    Image.new("L", (400, 400), 255).save(blank, "PNG")
    assert "没有读到二维码" in browser.post("/checks", files={"file": ("x.png", blank.getvalue())}).text
    webp = browser.post("/checks", files={"file": ("x.webp", b"RIFF\0\0\0\0WEBPVP8 ")})
    assert webp.status_code == 422 and "PNG" in webp.text
