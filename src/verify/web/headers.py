"""Header lists, made once: what every answer carries, whatever its status and whoever made it."""

from collections.abc import Iterable
from typing import Final, TypeAlias

from verify.web.pages import PAGE_POLICY

Headers: TypeAlias = list[tuple[bytes, bytes]]


class Made(Headers):
    """A list that is never changed, with the bytes that it is sent as."""

    __slots__ = ("block",)

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        """Of these pairs."""
        super().__init__(pairs)
        self.block = b"".join(b"%b: %b\r\n" % pair for pair in self)


DATA_POLICY: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy of everything that is no page: it may load and run nothing."""

NO_STORE: Final = (b"cache-control", b"no-store")
JSON_TYPE: Final = (b"content-type", b"application/json")
PROBLEM_TYPE: Final = (b"content-type", b"application/problem+json")
HTML_TYPE: Final = (b"content-type", b"text/html; charset=utf-8")
VARY: Final = (b"vary", b"Accept, Accept-Language")

_ALWAYS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"permissions-policy", b"camera=(self), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-permitted-cross-domain-policies", b"none"),
    (b"x-robots-tag", b"noindex, nofollow, noarchive"),
)
_HSTS: Final = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")


class HeaderLists:
    """The lists of one process. `https` tells whether the public address is https: only then HSTS is sent."""

    def __init__(self, *, https: bool) -> None:
        """Make every list once; callers extend copies and never these."""
        always = (*_ALWAYS, _HSTS) if https else _ALWAYS
        policy = (b"content-security-policy", DATA_POLICY.encode())
        page_policy = (b"content-security-policy", PAGE_POLICY.encode())
        self.security: Headers = Made([*always, policy])
        """What the front adds to an answer that another part made."""
        self.json: Headers = Made([JSON_TYPE, NO_STORE, *self.security])
        self.problem: Headers = Made([PROBLEM_TYPE, NO_STORE, VARY, *self.security])
        self.page: Headers = Made([HTML_TYPE, NO_STORE, VARY, *always, page_policy])
        self.plain: Headers = Made(
            [(b"content-type", b"text/plain; charset=utf-8"), NO_STORE, *self.security]
        )
        self.json_by_accept: Headers = Made([JSON_TYPE, NO_STORE, VARY, *self.security])

    def script(self, policy: str) -> Headers:
        """Headers of a script that always has the same address: asked for again each time, under its own
        Content-Security-Policy."""
        listed = [pair for pair in self.security if pair[0] != b"content-security-policy"]
        return [
            (b"content-type", b"text/javascript; charset=utf-8"),
            (b"cache-control", b"no-cache"),
            (b"content-security-policy", policy.encode()),
            *listed,
        ]

    def cached(self, content_type: str, policy: str) -> Headers:
        """Headers of a public object with its own `Cache-Control`, such as a hashed file or the trust list."""
        return [
            (b"content-type", content_type.encode()),
            (b"cache-control", policy.encode()),
            *self.security,
        ]
