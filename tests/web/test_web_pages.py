"""The public pages: what they say, what they never say, and whether everybody can read them."""

import datetime as dt
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from web_page_samples import HOST, NOW, PAGES, STATIC, answer, checks, every_page, scan

from verify.web import pages as pages_module
from verify.web.assets import load_assets
from verify.web.language import Lang
from verify.web.page_words import ID_TYPES
from verify.web.pages import VERDICTS

LANGS: tuple[Lang, ...] = ("zh", "en")
WORDS = {
    "valid": ("有效", "Valid"),
    "suspended": ("暂停使用", "Suspended"),
    "revoked": ("已撤销", "Revoked"),
    "replaced": ("已换发新证", "Replaced"),
    "unknown": ("未查到", "Not found"),
    "unavailable": ("暂时无法核验", "Could not check"),
}
HOSTILE = "<script>alert('x')</script>\"'&"


class Page(HTMLParser):
    """Just enough of a page's structure to ask it questions."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.head: list[str] = []
        self.feed(body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]

    def classes(self) -> set[str]:
        return {part for _, attrs in self.tags for part in (attrs.get("class") or "").split()}

    def h1(self) -> int:
        return len(self.all("h1"))


def h1_text(body: bytes) -> str:
    found = re.findall(r"<h1[^>]*>(.*?)</h1>", body.decode(), re.DOTALL)
    assert len(found) == 1
    return re.sub(r"<[^>]+>", "", found[0]).strip()


ALL = every_page()


@pytest.mark.parametrize("name", ALL)
def test_every_page_has_its_landmarks_one_heading_and_no_inline_code(name: str) -> None:
    page = Page(ALL[name])
    lang = name[:2]
    assert page.all("html") == [{"lang": "zh-CN" if lang == "zh" else "en"}]
    assert page.h1() == len(page.all("main")) == len(page.all("header")) == len(page.all("footer")) == 1
    assert page.all("style") == []
    assert all((script["src"] or "").startswith("/static/") for script in page.all("script"))
    assert not [a for _, attrs in page.tags for a in attrs if a == "style" or a.startswith("on")]
    metas = {attrs.get("name"): attrs.get("content") for attrs in page.all("meta")}
    assert metas["robots"] is not None
    assert metas["robots"].startswith("noindex")
    assert metas["referrer"] == "no-referrer"
    outside = re.sub(r"(?s)<header>.*?</header>|<main.*?</main>|<footer.*?</footer>", "", ALL[name].decode())
    assert HOST in page.text
    assert HOST not in outside
    other = "en" if lang == "zh" else "zh"
    assert any((a.get("href") or "").endswith(f"?lang={other}") for a in page.all("a"))


@pytest.mark.parametrize("name", ALL)
def test_headings_never_skip_a_step_and_ids_are_unique(name: str) -> None:
    page = Page(ALL[name])
    steps = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert steps[0] == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(steps))
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for _, attrs in page.tags:
        for ref in (
            (attrs.get("aria-labelledby") or "") + " " + (attrs.get("aria-describedby") or "")
        ).split():
            assert ref in ids


@pytest.mark.parametrize("name", ALL)
def test_every_input_has_a_label_and_forms_put_nothing_into_an_address(name: str) -> None:
    page = Page(ALL[name])
    labelled = {attrs["for"] for attrs in page.all("label")}
    inputs = [a for a in page.all("input") if a.get("type") != "hidden"]
    inputs += page.all("select") + page.all("textarea")
    assert {a["id"] for a in inputs} == labelled
    for form in page.all("form"):
        assert form["method"] == "post"
        assert re.fullmatch(
            r"/(checks|(reports|objections)(/form|/status)?)?\?lang=(zh|en)", form["action"] or ""
        )
    for link in page.all("a"):
        assert re.fullmatch(
            r"(/V/\w+|/agencies(/\w+)?|/(reports|objections)(/[\w-]+)?|/imitations|/holder|/)?\?lang=(zh|en)|#main|http://(jndj|zscx)\.osta\.org\.cn",
            link["href"] or "",
        )


@pytest.mark.parametrize("name", ALL)
def test_no_template_mark_and_no_python_word_is_left_on_a_page(name: str) -> None:
    page = Page(ALL[name])
    assert not re.search(r"\[\[|\]\]|\|\||\{\{|\{%|\bNone\b|\bnull\b|\bTrue\b|\bFalse\b|undefined", page.text)


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("verdict", sorted(VERDICTS))
def test_a_verdict_is_told_by_word_class_and_sign_before_anything_else(verdict: str, lang: Lang) -> None:
    body = scan(lang, answer(verdict))
    assert h1_text(body) == WORDS[verdict][LANGS.index(lang)]
    assert [c for c in Page(body).classes() if c.startswith("is-")] == [f"is-{verdict}"]
    html = body.decode()
    sign = load_assets(STATIC).text(f"icons/{verdict}.svg")
    assert html.index(sign) < html.index("<h1") < html.index("<dl>")
    assert re.search(r"<title>" + WORDS[verdict][LANGS.index(lang)], html)


def test_signs_have_different_outlines() -> None:
    assets = load_assets(STATIC)
    outlines = {
        re.findall(r"<(?:circle|path|rect)[^>]+>", assets.text(f"icons/{v}.svg"))[0] for v in VERDICTS
    }
    assert len(outlines) == len(VERDICTS)


def unavailable_pages() -> list[tuple[Lang, bytes]]:
    return [
        page
        for lang in LANGS
        for page in (
            (lang, scan(lang, {"verdict": "unavailable"})),
            (lang, scan(lang, answer("unavailable"))),
            (lang, PAGES.render_problem(lang, host=HOST, status=503, problem=None, retry_after=5)),
        )
    ]


@pytest.mark.parametrize(("lang", "body"), unavailable_pages())
def test_could_not_check_never_looks_like_invalid(lang: Lang, body: bytes) -> None:
    page = Page(body)
    assert h1_text(body) == WORDS["unavailable"][LANGS.index(lang)]
    assert [c for c in page.classes() if c.startswith("is-")] == ["is-unavailable"]
    assert not re.search(
        r"无效|撤销|作废|假|未查到|invalid|revoked|not found|false|failed", page.text, re.IGNORECASE
    )
    assert re.search(
        "不说明证书有任何问题" if lang == "zh" else "says nothing about the certificate", page.text
    )
    assert re.search("再试" if lang == "zh" else "try again", page.text, re.IGNORECASE)


def test_the_panel_of_could_not_check_is_an_outline_with_no_verdict_colour() -> None:
    css = (STATIC / "site.css").read_text()
    rules = re.findall(r"([^{}]*is-unavailable[^{}]*)\{([^{}]*)\}", css)
    assert rules
    assert any("border-style: dashed" in body for _, body in rules)
    for _, body in rules:
        assert not re.search(r"--(valid|revoked|suspended|replaced|unknown|unconfirmed|danger)", body)


PERSONAL = (
    "林巧云",
    "9****************X",
    "居民身份证",
    "PRC resident ID card",
    "姓名</dt>",
    "<dt>Name",
    "<dt>ID document",
)


@pytest.mark.parametrize("lang", LANGS)
def test_a_number_alone_shows_no_holder_and_no_copy_even_if_the_answer_carries_them(lang: Lang) -> None:
    for given in (answer(), {k: v for k, v in answer().items() if k not in ("holder", "copy")}):
        html = PAGES.render_answers(lang, host=HOST, answers=[given], asked="number", checked_at=NOW).decode()
        for part in (*PERSONAL, "证书份次", "<dt>Copy"):
            assert part not in html
        assert "S000035000123243000362" in html


@pytest.mark.parametrize("lang", LANGS)
def test_an_absent_part_leaves_neither_label_nor_gap(lang: Lang) -> None:
    given = answer()
    del given["holder"]
    html = scan(lang, given).decode()
    assert not any(part in html for part in PERSONAL)
    assert "<dd></dd>" not in html


@pytest.mark.parametrize("lang", LANGS)
def test_fields_that_no_page_names_are_never_shown(lang: Lang) -> None:
    given = answer(scan_code="SECRETSCANCODE00", token="SECRETTOKEN", results={"theory": 77.25})
    given["holder"]["id_number"] = "99010119900101SECRET"
    given["holder"]["birth"] = "1990-01-01"
    html = scan(lang, given).decode()
    for secret in ("SECRET", "77.25", "1990-01-01"):
        assert secret not in html


@pytest.mark.parametrize("lang", LANGS)
def test_a_typed_id_number_is_never_written_back(lang: Lang) -> None:
    form = {"ask": "person", "name": "林巧云", "id_type": "PASSPORT", "id_number": "E1234SECRET"}
    fault = {"pointer": "/id_number", "code": "x", "detail": {"zh": "号码不对", "en": "wrong shape"}}
    html = PAGES.render_search(
        lang, host=HOST, form=form, problem={"title": "Invalid", "errors": [fault]}
    ).decode()
    assert "SECRET" not in html
    page = Page(html.encode())
    fields = {a.get("id"): a for a in page.all("input")}
    assert fields["person-name"]["value"] == "林巧云"
    assert fields["name"]["value"] == ""
    assert fields["id-number"]["aria-invalid"] == "true"
    assert "id-number-error" in (fields["id-number"]["aria-describedby"] or "")
    assert [a["value"] for a in page.all("option") if "selected" in a] == ["PASSPORT"]


def test_the_form_offers_every_identity_document() -> None:
    page = Page(PAGES.render_search("zh", host=HOST))
    assert [a["value"] for a in page.all("option")] == list(ID_TYPES)
    assert [a["enctype"] for a in page.all("form") if "enctype" in a] == ["multipart/form-data"]


@pytest.mark.parametrize("lang", LANGS)
def test_misses_are_the_same_bytes_and_name_every_real_cause(lang: Lang) -> None:
    one = PAGES.render_miss(lang, host=HOST, asked="person", checked_at=NOW)
    assert one == PAGES.render_answers(lang, host=HOST, answers=[], asked="person", checked_at=NOW)
    assert len(one) == len(PAGES.render_miss(lang, host=HOST, asked="name", checked_at=NOW))
    later = NOW.replace(hour=23, second=59)
    assert len(one) == len(PAGES.render_miss(lang, host=HOST, asked="person", checked_at=later))
    text = Page(one).text
    for part in (
        "zscx.osta.org.cn",
        "jndj.osta.org.cn",
        *(("生僻字", "上传", "更正") if lang == "zh" else ("rare", "upload", "corrected")),
    ):
        assert part in text


def test_a_replaced_copy_is_a_caution_under_a_verdict_that_stays_valid() -> None:
    old = {
        "number": 1,
        "current": False,
        "cause": "original",
        "current_number": 2,
        "ended_at": "2026-10-08T17:30:00Z",
    }
    html = scan("zh", answer(copy=old)).decode()
    assert h1_text(html.encode()) == "有效"
    assert "caution" in Page(html.encode()).classes()
    assert "已于 2026-10-09 由第 2 份代替" in html
    assert "证书本身仍然有效" in html
    assert "caution" not in Page(scan("zh", answer())).classes()
    revoked = scan("zh", answer("revoked", copy=old))
    assert "证书本身仍然有效" not in revoked.decode()
    assert "caution" not in Page(revoked).classes(), "the verdict has said all of it"


def test_replacement_is_reached_both_ways_without_a_number_in_an_address() -> None:
    page = Page(
        scan(
            "en", answer("replaced", replaced_by="S000035000123252000001", replaces="S000035000123234000017")
        )
    )
    hidden = [a["value"] for a in page.all("input") if a.get("name") == "number"]
    assert hidden == ["S000035000123252000001", "S000035000123234000017", "S000035000123252000001"]
    assert page.text.index("Check the new certificate") < page.text.index("S000035000123252000001")


def test_times_are_china_time_with_their_offset() -> None:
    given = answer(
        "suspended", status={"since": "2026-11-01T01:00:00Z", "reason": None, "until": "2026-12-31T16:00:00Z"}
    )
    text = Page(scan("en", given)).text
    assert "2026-11-21 12:40:00 (UTC+8)" in text
    assert "2027-01-01 00:00:00 (UTC+8)" in text
    bare = PAGES.render_miss(
        "en", host=HOST, asked="scan", checked_at=dt.datetime(2026, 1, 1, 0, 0, tzinfo=dt.UTC)
    )
    assert "2026-01-01 08:00:00 (UTC+8)" in Page(bare).text


def test_several_answers_are_told_one_by_one() -> None:
    given = [answer(), answer("revoked"), {"verdict": "unavailable"}]
    body = PAGES.render_answers("zh", host=HOST, answers=given, asked="person", checked_at=NOW)
    assert h1_text(body) == "查到 3 本证书"
    assert {c for c in Page(body).classes() if c.startswith("is-")} == {
        "is-valid",
        "is-revoked",
        "is-unavailable",
    }


@pytest.mark.parametrize("lang", LANGS)
def test_hostile_text_stays_text(lang: Lang) -> None:
    given = answer(
        "revoked",
        number=HOSTILE,
        message={"zh": HOSTILE, "en": HOSTILE},
        replaced_by=HOSTILE,
        replaces=HOSTILE,
    )
    given["certificate"].update(
        occupation=HOSTILE, work_type=HOSTILE, level=HOSTILE, agency=HOSTILE, kind=HOSTILE
    )
    given["holder"] = {"name": HOSTILE, "id_type": HOSTILE, "id_number_masked": HOSTILE}
    given["status"]["reason"] = {"code": "X", "zh": HOSTILE, "en": HOSTILE}
    bad = {
        "title": HOSTILE,
        "detail": HOSTILE,
        "errors": [{"pointer": "/number", "code": "x", "detail": HOSTILE}],
    }
    form = {"ask": "number", "number": HOSTILE, "name": HOSTILE, "id_type": HOSTILE}
    report = {**given, "checks": [{"name": HOSTILE, "outcome": "failed", "detail": HOSTILE}]}
    for body in (
        scan(lang, given),
        PAGES.render_answers(lang, host=HOST, answers=[given, given], asked="person", checked_at=NOW),
        PAGES.render_problem(lang, host=HOST, status=400, problem=bad, here=HOSTILE),
        PAGES.render_search(lang, host=HOST, form=form, problem=bad, checks_address=HOSTILE),
        PAGES.render_report(lang, host=HOST, report=report, checked_at=NOW),
        PAGES.render_miss(lang, host=HOSTILE, asked="scan", checked_at=NOW),
    ):
        page = Page(body)
        assert all((script.get("src") or "").startswith("/static/") for script in page.all("script"))
        assert b"<script>" not in body
        assert "alert(" in page.text + str(page.tags)


def test_a_document_that_is_not_proven_never_wears_its_certificates_verdict() -> None:
    said = {"zh": "证书有效。", "en": "The certificate is valid."}
    for name in ("authentic", "issuer-known", "key-in-force", "matches-register"):
        report = {**answer(message=said), "checks": checks(**{name: "failed"})}
        body = PAGES.render_report("en", host=HOST, report=report, checked_at=NOW)
        assert h1_text(body) == "Not confirmed"
        assert "is-valid" not in Page(body).classes()
        assert said["en"] not in Page(body).text


def test_a_report_whose_status_was_not_checked_never_says_valid() -> None:
    report = {**answer(), "checks": checks(status="skipped")}
    body = PAGES.render_report("zh", host=HOST, report=report, checked_at=NOW)
    assert h1_text(body) == "暂时无法核验"
    assert "is-valid" not in Page(body).classes()


def test_a_report_names_each_check_and_its_outcome_in_words() -> None:
    report = {**answer(), "checks": checks(**{"current-copy": "failed"})}
    body = PAGES.render_report("en", host=HOST, report=report, checked_at=NOW)
    assert h1_text(body) == "Valid"
    assert re.findall(r'class="outcome">([^<]+)<', body.decode()) == ["passed"] * 5 + ["failed", "passed"]


@pytest.mark.parametrize(
    ("seconds", "zh", "en"), [(5, "5 秒", "5 s"), (61, "2 分钟", "2 min"), (90000, "25 小时", "25 h")]
)
def test_a_wait_is_told_in_words_and_never_too_short(seconds: int, zh: str, en: str) -> None:
    for lang, words in zip(LANGS, (zh, en), strict=True):
        assert words in Page(PAGES.render_problem(lang, host=HOST, status=429, retry_after=seconds)).text


def test_words_outside_the_closed_sets_are_refused() -> None:
    with pytest.raises(ValueError, match="verdict"):
        scan("zh", answer("fine"))
    with pytest.raises(ValueError, match="outcome"):
        PAGES.render_report(
            "zh", host=HOST, report={**answer(), "checks": checks(status="ok")}, checked_at=NOW
        )


def test_an_asset_has_a_new_address_when_its_content_changes(tmp_path: Path) -> None:
    (tmp_path / "site.css").write_text("a{}")
    (tmp_path / "notes.txt").write_text("not for the public")
    before = load_assets(tmp_path)
    (tmp_path / "site.css").write_text("b{}")
    after = load_assets(tmp_path)
    assert list(before.by_name) == ["site.css"]
    assert re.fullmatch(r"/static/site\.[0-9a-f]{12}\.css", before.address("site.css"))
    assert before.address("site.css") != after.address("site.css")
    assert before.by_address[before.address("site.css")].body == b"a{}"
    with pytest.raises(FileNotFoundError):
        load_assets(tmp_path / "nowhere")


def test_only_the_page_module_names_the_template_engine() -> None:
    room = Path(pages_module.__file__).parent
    users = [
        path.name
        for path in room.glob("*.py")
        if re.search(r"^(from|import) minijinja", path.read_text(), re.M)
    ]
    assert users == ["pages.py"]


# --- contrast, from the tokens of the style sheet ---------------------------------------------------------


def tokens(css: str) -> dict[str, dict[str, str]]:
    light = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", css[: css.index("@media")]))
    dark_block = css[css.index("@media (prefers-color-scheme: dark)") : css.index("*, *::before")]
    return {"light": light, "dark": light | dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", dark_block))}


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


TEXT_ON = [
    *((ink, ground) for ink in ("ink", "soft", "link") for ground in ("page", "surface", "note")),
    *(
        (f"{v}-ink", "surface")
        for v in ("valid", "suspended", "revoked", "replaced", "unknown", "unconfirmed")
    ),
    *(("on-verdict", v) for v in ("valid", "suspended", "revoked", "replaced", "unknown", "unconfirmed")),
    ("on-brand", "brand"),
    ("brand-ink", "surface"),
    ("danger", "surface"),
    ("caution-ink", "caution"),
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), TEXT_ON)
def test_text_reaches_wcag_aa(scheme: str, ink: str, ground: str) -> None:
    colours = tokens((STATIC / "site.css").read_text())[scheme]
    assert contrast(colours[ink], colours[ground]) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_edges_of_inputs_and_focus_can_be_seen(scheme: str) -> None:
    colours = tokens((STATIC / "site.css").read_text())[scheme]
    for ink in ("edge", "focus", "caution-line"):
        assert contrast(colours[ink], colours["surface"]) >= 3
