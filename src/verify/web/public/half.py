"""What every public door shares: the opened desk, the finished header lists, limits, and how errors are told."""

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

import msgspec

from verify.config import Settings
from verify.errors import VerifyError
from verify.lookup.budget import Budgets
from verify.lookup.challenge import Challenges
from verify.lookup.check import Checker
from verify.lookup.scan import Lookup
from verify.store.contract import Store
from verify.telemetry import tally
from verify.web.assets import Assets
from verify.web.headers import HeaderLists
from verify.web.language import Lang, pick_language, wants_page
from verify.web.opening import Derived
from verify.web.pages import Pages
from verify.web.problems import Problems
from verify.web.reply import Reply, Scope, header
from verify.web.shell import WORKER_ADDRESS


class PublicDesk(msgspec.Struct, frozen=True):
    """The reading side, opened."""

    store: Store
    lookup: Lookup
    budgets: Budgets
    checker: Checker
    challenges: Challenges
    probes: Mapping[str, Callable[[], Awaitable[bool]]] = {}
    """What `/readyz` asks, by the name of the dependency; see `wiring.probes.Probe`."""


class PublicHalf:
    """One per process."""

    def __init__(self, settings: Settings, opening: Derived[PublicDesk], assets: Assets) -> None:
        """Make everything that can be made once."""
        address = urlsplit(settings.public_url)
        self.opening = opening
        self.assets = assets
        self.public_url = settings.public_url.rstrip("/")
        self.host = address.netloc or settings.public_url
        self.headers = HeaderLists(https=address.scheme == "https")
        self.pages = Pages(assets, worker=WORKER_ADDRESS)
        self.problems = Problems(self.public_url, self.host, self.headers, self.pages)
        self.trusted_proxies = settings.trusted_proxies
        self.body_limit = settings.body_limit_bytes
        self.body_timeout_s = settings.body_timeout_s

    def problem(
        self, error: BaseException, scope: Scope, *, page: bool | None = None, here: str = "/"
    ) -> Reply:
        """The answer to a failed request, in the language and form that the client reads."""
        if page is None:
            page = wants_page(header(scope, b"accept"))
        reply = self.problems.reply(error, self.language(scope), page=page, here=here)
        tally.add(tally.problems, error.code if isinstance(error, VerifyError) else "internal")
        return reply

    def language(self, scope: Scope) -> Lang:
        """The language of one request."""
        return pick_language(header(scope, b"accept-language"), scope["query_string"])


def utc_now() -> dt.datetime:
    """The time of a check that reached no register, aware UTC."""
    return dt.datetime.now(dt.UTC)


def instant(at: dt.datetime) -> str:
    """RFC 3339 with milliseconds and Z, as answers write it."""
    return at.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
