"""Past a budget on a real server: a program and a browser work for one more look-up; nobody passes twice on one."""

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright
from web_http_world import Server, install, serving

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Two look-ups a minute, each client behind a proxy of its own."""
    made = install(tmp_path_factory.mktemp("challenged"), count=2, budget_per_source="2", trusted_proxies="1")
    with serving(made) as running:
        yield running


def solve(challenge: dict[str, Any]) -> str:
    number = next(
        n
        for n in range(challenge["maxnumber"] + 1)
        if hashlib.sha256(f"{challenge['salt']}{n}".encode()).hexdigest() == challenge["challenge"]
    )
    parts = {name: challenge[name] for name in ("algorithm", "challenge", "salt", "signature")}
    return base64.b64encode(json.dumps(parts | {"number": number}).encode()).decode()


def test_a_program_pays_with_work_for_each_further_look_up(server: Server) -> None:
    path = f"/api/v1/certificates/{server.installation.numbers[0]}"
    with server.client(**{"x-forwarded-for": "203.0.113.7"}) as client:
        assert [client.get(path).status_code for _ in range(3)] == [200, 200, 429]
        problem = client.get(path)
        assert problem.headers["cache-control"] == "no-store" and "retry-after" in problem.headers
        solution = {"verify-challenge-solution": solve(problem.json()["challenge"])}
        paid = client.get(path, headers=solution)
        assert paid.status_code == 200 and paid.json()["verdict"] == "valid"
        assert client.get(path, headers=solution).status_code == 429
        for bad in ("x", "A" * 5000, "====", solution["verify-challenge-solution"][:-9]):
            assert client.get(path, headers={"verify-challenge-solution": bad}).status_code == 429
        other = {"x-forwarded-for": "203.0.113.8"}
        fresh = solve(client.get(path).json()["challenge"])
        for _ in range(2):
            client.get(path, headers=other)
        stolen = client.get(path, headers=other | {"verify-challenge-solution": fresh})
        assert stolen.status_code == 429


def test_a_form_pays_by_cookie_and_the_page_says_how_long_to_wait_without_script(server: Server) -> None:
    form = {"ask": "number", "number": server.installation.numbers[0]}
    with server.client(accept="text/html", **{"x-forwarded-for": "203.0.113.9"}) as browser:
        pages = [browser.post("/", data=form) for _ in range(3)]
        assert [page.status_code for page in pages] == [200, 200, 429]
        page = pages[2].text
        assert "后再试" in page and 'id="challenge" hidden' in page
        browser.cookies.set("verify-solution", solve(_on_page(page)))
        assert browser.post("/", data=form).status_code == 200
        assert browser.post("/", data=form).status_code == 429


def _on_page(page: str) -> dict[str, Any]:
    def part(name: str) -> str:
        return page.partition(f'data-{name}="')[2].partition('"')[0].replace("&amp;", "&")

    found = {name: part(name) for name in ("algorithm", "challenge", "salt", "signature")}
    return found | {"maxnumber": int(part("maxnumber"))}


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is missing: no browser solved a challenge")
def test_a_browser_solves_the_challenge_by_itself_and_shows_the_certificate(server: Server) -> None:
    url = f"{server.url}/V/{server.installation.scan_codes[1]}?lang=zh#123"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        context = chromium.new_context(
            viewport={"width": 360, "height": 740}, extra_http_headers={"x-forwarded-for": "203.0.113.10"}
        )
        context.set_default_timeout(60_000)
        complaints: list[str] = []
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        for _ in range(2):
            page.goto(url)
            page.goto("about:blank")
        page.goto(url)
        page.locator(".verdict.is-valid").wait_for(state="visible")
        assert page.url.endswith("#123")
        assert not [one for one in complaints if "Content Security" in one]
        chromium.close()
