"""The holders' pages over HTTP without a browser: what opens them, what they never tell, and what a form needs."""

import datetime as dt
import hashlib
import html
import re
from collections.abc import Iterator

import httpx
import pytest
from holder_person import Person, three, token_in
from test_web_http_public import assert_secure
from web_http_world import HOLDER, Server, install, issue_request, resident_id, serving

from verify.web.holders.routes import HOLDER_PAGE_ROUTES
from verify.web.route import Route

GUARDED = [route for route in HOLDER_PAGE_ROUTES if route.auth == "holder-cookie"]
STRANGE = "S000044000456263999999"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A register of this module's own: its tests revoke and hide."""
    with serving(install(tmp_path_factory.mktemp("holders"), count=14)) as running:
        yield running


def _revoke(server: Server, number: str) -> None:
    with server.client(server.installation.agency_key) as agency:
        told = agency.post(f"/api/v1/certificates/{number}/revocation", json={"reason": "FORGED"})
    assert told.status_code == 200, told.text


def _second_certificate(server: Server, serial: int) -> str:
    """Another of the same person."""
    request = issue_request(serial, level="4", batch=f"again-{serial}")
    with server.client(server.installation.agency_key) as agency:
        made = agency.post(
            "/api/v1/certificates", json=request, headers={"idempotency-key": f"again-{serial}"}
        )
    assert made.status_code == 201, made.text
    number: str = made.json()["number"]
    return number


# --- the door -------------------------------------------------------------------------------------------


def test_the_cookie_is_short_and_nobody_elses(served: Server) -> None:
    with Person(served) as person:
        told = person.try_to_sign_in(1)
        cookie = told.headers["set-cookie"]
        assert re.fullmatch(
            r"verify-holder=hs_[\w-]+; Max-Age=900; Path=/; HttpOnly; SameSite=Strict", cookie
        )
        assert resident_id(1) not in cookie and served.installation.numbers[1] not in cookie
        assert (told.text, told.headers["cache-control"]) == ("", "no-store")
        assert_secure(told.headers)


def test_over_https_the_cookie_belongs_to_this_host_alone(served: Server) -> None:
    with serving(served.installation, public_url="https://cert.example.cn") as running:
        page = httpx.get(running.url + "/holder", headers={"accept": "text/html"}, trust_env=False)
        guest = page.headers["set-cookie"]
        assert re.fullmatch(
            r"__Host-verify-form=[\w-]{22}; Max-Age=3600; Path=/; HttpOnly; SameSite=Lax; Secure", guest
        )
        sent = {"cookie": guest.partition(";")[0], "accept": "text/html"}
        form = {"form": token_in(page.text), **three(served, 1)}
        told = httpx.post(running.url + "/holder", data=form, headers=sent, trust_env=False)
        assert told.status_code == 303
        assert told.headers["set-cookie"].startswith("__Host-verify-holder=hs_")
        assert told.headers["set-cookie"].endswith("; SameSite=Strict; Secure")
        plain = sent | {
            "cookie": "verify-holder=" + told.headers["set-cookie"].partition(";")[0].partition("=")[2]
        }
        assert httpx.get(running.url + "/holder/1", headers=plain, trust_env=False).status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "别人"},
        {"id_number": resident_id(900)},
        {"id_number": resident_id(3)},
        {"number": STRANGE},
        {"id_type": "PASSPORT", "id_number": "E12345678"},
    ],
    ids=["name", "document of nobody", "document of somebody", "number of nobody", "kind of document"],
)
def test_every_miss_is_the_same_page_but_for_what_was_typed(served: Server, changes: dict[str, str]) -> None:
    def shape(told: httpx.Response) -> str:
        body = re.sub(r'name="form" value="[0-9a-f]+"', "", told.text)
        body = re.sub(r'(<input id="\w+"[^>]*) value="[^"]*"', r"\1", body)
        return body.replace(" selected", "")

    with Person(served) as person, Person(served) as other:
        told = person.try_to_sign_in(2, **changes)
        reference = other.try_to_sign_in(2, number=served.installation.numbers[4])
        assert told.status_code == reference.status_code == 404
        assert shape(told) == shape(reference)
        assert "没有找到证书" in told.text and resident_id(2) not in told.text
        names = {
            name: value for name, value in told.headers.items() if name not in ("date", "content-length")
        }
        assert names.keys() == reference.headers.keys() - {"date", "content-length"}
        assert "verify-holder" not in told.headers.get("set-cookie", "")
        assert person.get("/holder/1").status_code == 401


def test_slips_are_understood_and_what_cannot_be_a_number_is_said(served: Server) -> None:
    with Person(served) as person:
        spaced = " ".join(re.findall(".{1,4}", served.installation.numbers[1])).lower().replace("0", "o", 1)
        assert person.try_to_sign_in(1, number=spaced).status_code == 303
    with Person(served) as person:
        told = person.try_to_sign_in(1, id_number="99000119900101")
        assert told.status_code == 422 and 'aria-invalid="true"' in told.text
        assert "99000119900101" not in told.text and HOLDER in told.text


@pytest.mark.parametrize("route", GUARDED, ids=lambda route: f"{route.method} {route.path}")
def test_no_page_opens_without_a_session_that_lives(served: Server, route: Route) -> None:
    path = route.path.replace("{place}", "1").replace("{share}", "sh_0")
    made = served.installation
    with Person(served) as mine:
        mine.sign_in(1)
        text = mine.cookies()["verify-holder"]
    broken = text[:-2] + ("AA" if text[-2:] != "AA" else "BB")
    tries = ["", broken, "hs_", text[3:], made.agency_key, made.operator_key, f"{text}; verify-holder={text}"]
    for cookie in tries:
        with Person(served, cookie=f"verify-holder={cookie}") as nobody:
            told = nobody.client.request(
                route.method, path, data={"form": "x"} if route.method == "POST" else None
            )
        assert told.status_code == 401, cookie
        assert told.headers["content-type"].startswith("text/html") and "登录" in told.text
        assert "document.pdf" not in told.text and HOLDER not in told.text
        assert_secure(told.headers)
    bearer = {"authorization": f"Bearer {text}", "accept": "text/html"}
    with served.client(None, **bearer) as client:
        assert client.request(route.method, path).status_code == 401


@pytest.mark.parametrize("place", ["0", "2", "999", "1000", "x", "-1", "١", STRANGE])
def test_a_place_that_the_session_does_not_have_is_no_page(served: Server, place: str) -> None:
    with Person(served) as mine:
        mine.sign_in(1)
        assert mine.get(f"/holder/{place}").status_code == 404


def test_signing_out_takes_the_cookie_away_and_a_stolen_one_opens_nothing(served: Server) -> None:
    with Person(served) as mine:
        home = mine.sign_in(1)
        stolen = mine.cookies()["verify-holder"]
        told = mine.send("/holder/sign-out", home)
        assert told.status_code == 303 and told.headers["set-cookie"].startswith("verify-holder=; Max-Age=0")
        assert mine.get("/holder/1").status_code == 401
        assert "已退出" in mine.get(told.headers["location"]).text
        again = mine.client.post("/holder/sign-out", data={"form": "x"})
        assert again.status_code == 303
    with Person(served, cookie=f"verify-holder={stolen}") as thief:
        assert thief.get("/holder/1").status_code == 401
    with served.client(stolen) as thief:
        assert thief.get("/api/v1/holder/document.pdf").status_code == 401


# --- forms from elsewhere -------------------------------------------------------------------------------

CHANGES = [
    ("/holder/1/name-search", {"listed": "no"}),
    ("/holder/1/links", {"days": "7"}),
    ("/holder/1/objections", {"matter": "name", "words": "x"}),
    ("/holder/1/links/sh_0/withdrawal", {}),
    ("/holder/sign-out", {}),
]


@pytest.mark.parametrize(("path", "fields"), CHANGES, ids=[path for path, _ in CHANGES])
def test_a_form_from_elsewhere_changes_nothing(served: Server, path: str, fields: dict[str, str]) -> None:
    with Person(served) as mine, Person(served) as other:
        good = token_in(mine.sign_in(1))
        foreign = token_in(other.sign_in(3))
        with Person(served) as guest:
            guests = token_in(guest.get("/holder").text)
        attacks: list[tuple[str, dict[str, str]]] = [
            ("", {}),
            ("\u00e9", {}),
            (foreign, {}),
            (guests, {}),
            (good[:-1] + ("0" if good[-1] != "0" else "1"), {}),
            (good, {"sec-fetch-site": "cross-site"}),
            (good, {"sec-fetch-site": "same-site"}),
            (good, {"sec-fetch-site": "none"}),
            (good, {"origin": "https://evil.example", "sec-fetch-site": ""}),
        ]
        for token, headers in attacks:
            data = {"form": token, **fields}
            kept = {k: v for k, v in {**mine.client.headers, **headers}.items() if v}
            told = httpx.post(
                served.url + path, data=data, headers=kept, cookies=mine.client.cookies, trust_env=False
            )
            assert told.status_code == 403, (token, headers)
            assert "set-cookie" not in told.headers
        home = mine.get("/holder/1").text
    assert "现在：开启" in home and "/links/sh_" not in home


def test_a_browser_that_knows_no_fetch_metadata_can_use_every_form(served: Server) -> None:
    for origin in ("", "null", served.url):
        with Person(served, **{"sec-fetch-site": "", "origin": origin}) as mine:
            home = mine.sign_in(5)
            assert mine.send("/holder/1/links", home, days="1", label="").status_code == 303


def test_a_sign_in_form_from_elsewhere_signs_nobody_in(served: Server) -> None:
    with Person(served) as person:
        person.get("/holder")
        told = person.client.post("/holder", data={"form": "0" * 32, **three(served, 1)})
        assert told.status_code == 403 and "verify-holder" not in told.headers.get("set-cookie", "")
        cross = person.client.post("/holder", data=three(served, 1), headers={"sec-fetch-site": "cross-site"})
        assert cross.status_code == 403 and "set-cookie" not in cross.headers
    with Person(served, **{"sec-fetch-site": ""}) as strict:
        home = strict.sign_in(1)
        # Who comes from a chat sends no Strict cookie, and is shown the form: the session must outlive that.
        elsewhere = httpx.get(served.url + "/holder", headers={"accept": "text/html"}, trust_env=False)
        assert "verify-holder" not in elsewhere.headers["set-cookie"]
        assert token_in(strict.get("/holder/1").text) == token_in(home)


# --- what the page does ---------------------------------------------------------------------------------


def test_the_file_is_the_agencys_byte_for_byte_and_outlives_the_certificate(served: Server) -> None:
    number, kept = served.installation.numbers[6], {}
    with Person(served) as mine, served.client(served.installation.agency_key) as agency:
        mine.sign_in(6)
        for _ in range(2):
            told = mine.get("/holder/1/document.pdf")
            assert told.status_code == 200, told.text
            kept[hashlib.sha256(told.content).hexdigest()] = told
        office = agency.get(f"/api/v1/certificates/{number}/document.pdf")
        assert list(kept) == [hashlib.sha256(office.content).hexdigest()]
        assert told.headers["content-disposition"] == f'attachment; filename="{number}.pdf"'
        assert (told.headers["content-type"], told.headers["cache-control"]) == (
            "application/pdf",
            "no-store",
        )
        assert_secure(told.headers)
        picture = mine.get("/holder/1/document.png")
        share = agency.get(f"/api/v1/certificates/{number}/share.png")
        assert picture.content == share.content and picture.headers["content-type"] == "image/png"
        _revoke(served, number)
        assert mine.get("/holder/1/document.pdf").content == office.content
        assert mine.get("/holder/1/document.png").status_code == 409
        home = mine.get("/holder/1").text
    assert "已撤销" in home and "document.pdf" in home and "/holder/1/picture" not in home


def test_no_first_file_is_made_of_a_revoked_certificate_and_the_page_says_so(served: Server) -> None:
    with Person(served) as mine:
        mine.sign_in(7)
        _revoke(served, served.installation.numbers[7])
        assert mine.get("/holder/1/document.pdf").status_code == 409
        home = mine.get("/holder/1").text
    assert "不再出具" in home and "document.pdf" not in home


def test_a_program_with_a_session_gets_the_same_file(served: Server) -> None:
    with served.client() as client:
        made = client.post("/api/v1/holder-sessions", json=three(served, 8)).json()
    with served.client(made["token"]) as program, Person(served) as mine:
        mine.sign_in(8)
        pdf = program.get("/api/v1/holder/document.pdf")
        assert pdf.status_code == 200 and pdf.content == mine.get("/holder/1/document.pdf").content
        assert (
            program.get("/api/v1/holder/document.png").content == mine.get("/holder/1/document.png").content
        )
        assert program.get("/api/v1/holder/document.pdf?certificate=2").status_code == 404
        checks = program.get("/api/v1/holder/checks").json()["checks"]
    counted = {one["kind"]: one["times"] for one in checks}
    assert counted == {"sign-in": 2, "document": 2, "picture": 2}
    assert all(set(one) == {"day", "kind", "times"} for one in checks)


def test_a_link_is_made_shown_listed_and_withdrawn(served: Server) -> None:
    with Person(served) as mine, served.client(None, accept="text/html") as anybody:
        home = mine.sign_in(9)
        made = mine.send("/holder/1/links", home, days="7", label="应聘 <甲>")
        page = html.unescape(mine.get(made.headers["location"]).text)
        address = re.search(r">(http[^<]*/S/[0-9A-Z]{16})</textarea>", page)
        assert address is not None and "应聘 <甲>" in page and "data:image/png;base64," in page
        path = "/S/" + address[1].rpartition("/")[2]
        shown = anybody.get(path)
        assert shown.status_code == 200 and HOLDER in shown.text and resident_id(9) not in shown.text
        assert (shown.headers["cache-control"], shown.headers["x-robots-tag"]) == (
            "no-store", "noindex, nofollow, noarchive",
        )  # fmt: skip
        withdrawal = made.headers["location"].partition("?")[0] + "/withdrawal"
        assert mine.send(withdrawal, page).headers["location"] == "/holder/1?lang=zh#links"
        gone, never, slip = anybody.get(path), anybody.get("/S/" + "0" * 16), anybody.get("/S/hello")
        assert "已撤回" in mine.get("/holder/1").text
    assert gone.status_code == 404 and gone.text == never.text == slip.text
    assert "不说明任何证书无效" in gone.text


def test_a_link_shows_a_revocation_at_once(served: Server) -> None:
    with Person(served) as mine, served.client() as anybody:
        made = mine.send("/holder/1/links", mine.sign_in(10), days="90", label="")
        address = re.search(r"/S/[0-9A-Z]{16}", html.unescape(mine.get(made.headers["location"]).text))
        assert address is not None and anybody.get(address[0]).json()["verdict"] == "valid"
        _revoke(served, served.installation.numbers[10])
        assert anybody.get(address[0]).json()["verdict"] == "revoked"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"days": "0"}, 422), ({"days": "91"}, 422), ({"days": ""}, 422), ({"days": "9" * 9}, 422),
        ({"days": "7", "label": "长" * 41}, 422), ({"days": "7", "other": "x"}, 303),
    ],
)  # fmt: skip
def test_a_refused_link_is_explained_beside_its_field(
    served: Server, fields: dict[str, str], status: int
) -> None:
    with Person(served) as mine:
        told = mine.send("/holder/1/links", mine.sign_in(5), **fields)
    assert told.status_code == status
    assert status == 303 or 'class="field-error"' in told.text


def test_search_by_name_is_switched_off_and_on(served: Server) -> None:
    person = {"id_type": "RESIDENT_ID", "id_number": resident_id(11), "name": HOLDER}
    with Person(served) as mine, served.client() as anybody:
        home = mine.sign_in(11)
        assert anybody.post("/api/v1/lookups", json=person).status_code == 200
        assert mine.send("/holder/1/name-search", home, listed="no").status_code == 303
        assert anybody.post("/api/v1/lookups", json=person).status_code == 404
        assert "现在：关闭" in mine.get("/holder/1").text
        assert mine.send("/holder/1/name-search", home, listed="maybe").status_code == 400
        assert mine.send("/holder/1/name-search", home, listed="yes").status_code == 303
        assert anybody.post("/api/v1/lookups", json=person).status_code == 200


def test_one_sign_in_reaches_all_that_a_search_by_person_shows_and_no_more(served: Server) -> None:
    second = _second_certificate(served, 12)
    with Person(served) as mine:
        home = mine.sign_in(12)
        assert second in home and "/holder/2" in home
        other = mine.get("/holder/2").text
        assert second in other and served.installation.numbers[12] in other
        assert mine.send("/holder/2/name-search", other, listed="no").status_code == 303
    with Person(served) as again:
        assert second not in again.sign_in(12)
        assert again.get("/holder/2").status_code == 404
    with Person(served) as again:
        assert again.try_to_sign_in(12, number=second).status_code == 303


def test_an_objection_is_sent_and_followed_on_the_same_page(served: Server) -> None:
    with Person(served) as mine:
        mine.sign_in(13)
        form = mine.get("/holder/1/objections").text
        empty = mine.send("/holder/1/objections", form, matter="name", words=" ")
        odd = mine.send("/holder/1/objections", form, matter="missing", words="x")
        sent = mine.send("/holder/1/objections", form, matter="name", words="姓名第二字应为<艾>")
        page = mine.get("/holder/1/objections").text
        assert "您已提出 1 项" in mine.get("/holder/1").text
    assert (empty.status_code, odd.status_code, sent.status_code) == (422, 422, 303)
    assert 'id="words-error"' in empty.text
    assert "我的异议" in page and "已收到" in page and "姓名第二字" not in page


# --- budgets and traces ---------------------------------------------------------------------------------


def test_guessing_meets_the_certificates_budget_and_a_challenge(served: Server) -> None:
    with serving(served.installation, budget_per_source="1000", budget_per_target="6") as running:
        told = []
        for guess in range(9):
            with Person(running) as thief:
                told.append(thief.try_to_sign_in(0, id_number=resident_id(500 + guess)))
        assert [one.status_code for one in told] == [404] * 6 + [429] * 3
        assert 'id="challenge"' in told[-1].text and int(told[-1].headers["retry-after"]) >= 1
        with Person(running) as another:  # nobody is locked out but by that budget
            another.sign_in(1)


def test_walking_names_and_numbers_empties_the_budget_of_the_source(served: Server) -> None:
    with serving(served.installation, budget_per_source="40", budget_per_target="1000") as running:
        codes = []
        for guess in range(14):
            with Person(running) as thief:
                codes.append(thief.try_to_sign_in(guess, name="别人").status_code)
        assert codes[0] == 404 and codes[-1] == 429
        assert HOLDER not in running.log.read_text()


def test_nothing_of_all_this_stands_in_a_log_or_in_the_clear_in_the_database(served: Server) -> None:
    with Person(served) as mine:
        home = mine.sign_in(5)
        made = mine.send("/holder/1/links", home, days="1", label="秘密的备注")
        session = mine.cookies()["verify-holder"]
        for request in (made.request, *[h.request for h in made.history]):
            assert resident_id(5) not in str(request.url) and served.installation.numbers[5] not in str(
                request.url
            )
    log = served.log.read_text()
    stored = b"".join(file.read_bytes() for file in served.installation.folder.glob("verify.db*"))
    for secret in (resident_id(5), session, "秘密的备注", HOLDER):
        assert secret not in log and secret.encode() not in stored


def test_a_session_ends_by_itself(served: Server) -> None:
    with served.client() as client:
        made = client.post("/api/v1/holder-sessions", json=three(served, 5)).json()
    left = dt.datetime.fromisoformat(made["expires_at"]) - dt.datetime.now(dt.UTC)
    assert dt.timedelta(minutes=14) < left <= dt.timedelta(minutes=15)


def test_with_roles_apart_the_office_has_the_door_and_the_public_shows_the_link(served: Server) -> None:
    with (
        serving(served.installation, "create_office_app") as office,
        serving(served.installation, "create_public_app") as public,
        Person(office) as mine,
    ):
        made = mine.send("/holder/1/links", mine.sign_in(4), days="1", label="")
        pdf = mine.get("/holder/1/document.pdf")
        address = re.search(r"/S/[0-9A-Z]{16}", html.unescape(mine.get(made.headers["location"]).text))
        assert address is not None and pdf.status_code == 200
        assert httpx.get(public.url + address[0], trust_env=False).json()["verdict"] == "valid"
        for path in ("/holder", "/holder/1", "/holder/1/document.pdf", "/api/v1/holder/document.pdf"):
            assert httpx.get(public.url + path, trust_env=False).status_code == 404
