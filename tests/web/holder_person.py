"""A holder with a browser of few talents: it keeps cookies, reads a form's token and sends forms."""

import re
from typing import Any

import httpx
from web_http_world import HOLDER, Server, resident_id


def three(server: Server, serial: int, **changes: str) -> dict[str, str]:
    """What the holder of the certificate with this serial types."""
    return {
        "number": server.installation.numbers[serial], "name": HOLDER, "id_type": "RESIDENT_ID",
        "id_number": resident_id(serial),
    } | changes  # fmt: skip


def token_in(page: str) -> str:
    """The token of the page's forms: one for all of them."""
    found = set(re.findall(r'name="form" value="([0-9a-f]+)"', page))
    assert len(found) == 1, page
    return found.pop()


class Person:
    """Keeps cookies as a browser does, follows nothing by itself."""

    def __init__(self, server: Server, **headers: str) -> None:
        """Nobody yet."""
        sent = {"accept": "text/html", "sec-fetch-site": "same-origin"} | headers
        sent = {name: value for name, value in sent.items() if value}
        self.client = httpx.Client(base_url=server.url, headers=sent, timeout=20, trust_env=False)
        self.server = server

    def __enter__(self) -> "Person":
        return self

    def __exit__(self, *gone: object) -> None:
        self.client.close()

    def get(self, path: str) -> httpx.Response:
        return self.client.get(path)

    def send(self, path: str, page: str, **fields: str) -> httpx.Response:
        """A form that stands on `page`."""
        return self.client.post(path, data={"form": token_in(page), **fields})

    def try_to_sign_in(self, serial: int, **changes: str) -> httpx.Response:
        return self.send("/holder", self.get("/holder").text, **three(self.server, serial, **changes))

    def sign_in(self, serial: int) -> str:
        """The page of the certificate."""
        told = self.try_to_sign_in(serial)
        assert (told.status_code, told.headers["location"]) == (303, "/holder?lang=zh"), told.text
        home = self.get("/holder")
        assert home.status_code == 200 and self.server.installation.numbers[serial] in home.text
        return home.text

    def cookies(self) -> dict[str, Any]:
        return dict(self.client.cookies)
