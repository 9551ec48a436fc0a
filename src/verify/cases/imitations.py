"""Sites that imitate this one, as the operator lists them. Nothing here ever visits one."""

import datetime as dt
import re
from collections.abc import Callable
from typing import Final

from verify.cases.told import line
from verify.certificate.text import invalid
from verify.errors import Fault, Words
from verify.store.contract import Store
from verify.store.imitations import Imitation, add_imitation, list_imitations, remove_imitation

MAX_SITE_NOTE: Final = 200
_DOMAIN = re.compile(
    r"(?=.{4,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+"
)
_FRONT = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)


class Imitations:
    """The list. Safe to call concurrently; reading works on a store that can only read."""

    def __init__(self, store: Store, *, host: str, now: Callable[[], dt.datetime]) -> None:
        """`host`: this service's own, which can never be listed; `now` gives aware UTC."""
        self._store = store
        self._host = host
        self._now = now

    async def listed(self) -> list[Imitation]:
        """What is listed now, newest first."""
        return await self._store.read(list_imitations, snapshot=False)

    async def add(self, domain: str, *, note: str, seen_on: dt.date | None, actor: str) -> Imitation:
        """List a site for everybody to see. `seen_on`: when it was seen; today when left out.

        Raises Invalid for what is no domain, or our own; Conflict when it is listed.
        """
        faults: list[Fault] = []
        name = self._domain(domain, faults)
        text = line(note, "/note", MAX_SITE_NOTE, faults)
        now = self._now()
        day = seen_on or now.astimezone(dt.timezone(dt.timedelta(hours=8))).date()
        if day > now.date() + dt.timedelta(days=1):
            faults.append(Fault("/seen_on", "future", Words("日期在未来。", "The date lies in the future.")))
        if faults:
            raise invalid(*faults)
        site = Imitation(name, now, actor, day, text)
        return await self._store.write(lambda: add_imitation(site))

    async def remove(self, domain: str, *, actor: str) -> Imitation:
        """Take a site off the list; that it was on it stays recorded. Raises Invalid, NotFound."""
        faults: list[Fault] = []
        name = self._domain(domain, faults)
        if faults:
            raise invalid(*faults)
        now = self._now()
        return await self._store.write(lambda: remove_imitation(name, now, actor))

    def _domain(self, text: str, faults: list[Fault]) -> str:
        try:
            name = parse_domain(text)
        except ValueError:
            what = Words("应为域名，例如 example.com。", "This is no domain, such as example.com.")
            faults.append(Fault("/domain", "domain", what))
            return ""
        if name == self._host.partition(":")[0].lower():
            faults.append(
                Fault("/domain", "own-domain", Words("这是本站的域名。", "This is our own domain."))
            )
        return name


def parse_domain(text: str) -> str:
    """The domain in a text or pasted address, in lower case and ASCII (RFC 5890). Raises ValueError."""
    host = re.split(r"[/?#\\]", _FRONT.sub("", text.strip()), maxsplit=1)[0].rpartition("@")[2]
    name = host.partition(":")[0].rstrip(".")
    ascii_name = name.encode("idna").decode().lower()
    if not _DOMAIN.fullmatch(ascii_name):
        raise ValueError("no domain")
    return ascii_name


def readable(domain: str) -> str:
    """The domain with its letters as people see them; the same where it has only ASCII ones."""
    try:
        return domain.encode().decode("idna")
    except UnicodeError:
        return domain
