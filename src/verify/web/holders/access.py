"""How a browser carries a holder's session: a cookie, and in every form a token that belongs to that cookie.

Three locks on a form that changes something: the cookie is sent by pages of this site alone (SameSite=Strict), the
browser says where the form came from (Fetch metadata, or Origin), and the token cannot be made without the data keys.
Old WebViews know neither of the first two; the token holds alone.
"""

import datetime as dt
import hmac
import os
from typing import Final, TypeAlias

from verify.errors import Forbidden, Words
from verify.holders.session import LIFE
from verify.proof.public import b64url
from verify.proof.sealing import DataKeys
from verify.web.reply import Scope, header

Header: TypeAlias = tuple[bytes, bytes]

GUEST_BYTES: Final = 16
GUEST_LIFE: Final = dt.timedelta(hours=1)
FIELD: Final = "form"
"""The form field with the token."""

FOREIGN: Final = Words(
    "这个表单不是从本站页面提交的，或页面已经过期。请回到本站页面重新操作。",
    "This form did not come from a page of this site, or the page is too old. Go back to the page and try again.",
)


class Cookie:
    """One cookie of the holders' pages."""

    def __init__(self, name: str, life: dt.timedelta, *, https: bool, same_site: str = "Strict") -> None:
        """Over https it can neither be set by another host nor sent in clear (RFC 6265bis § 4.1.3.2)."""
        self.name = f"__Host-{name}" if https else name
        self._life_s = int(life.total_seconds())
        self._marks = f"; Path=/; HttpOnly; SameSite={same_site}{'; Secure' if https else ''}"

    def sent(self, scope: Scope) -> str:
        """The value that came; empty when none came, or more than one."""
        parts = [
            part.strip() for key, value in scope["headers"] if key == b"cookie" for part in value.split(b";")
        ]
        begins = f"{self.name}=".encode()
        values = [part[len(begins) :] for part in parts if part.startswith(begins)]
        return values[0].decode("latin-1") if len(values) == 1 else ""

    def give(self, value: str) -> Header:
        """The header that sets it."""
        return self._header(value, self._life_s)

    def take(self) -> Header:
        """The header that removes it."""
        return self._header("", 0)

    def _header(self, value: str, max_age_s: int) -> Header:
        return b"set-cookie", f"{self.name}={value}; Max-Age={max_age_s}{self._marks}".encode()


class Cookies:
    """Both: the session, and what a sign-in form belongs to that was shown to a guest.

    They are two because a browser that comes from elsewhere sends no Strict cookie: it is shown the sign-in form, and
    that must not end the session that it has.
    """

    def __init__(self, *, https: bool) -> None:
        """`https`: whether the public address is."""
        self.session = Cookie("verify-holder", LIFE, https=https)
        self.guest = Cookie("verify-form", GUEST_LIFE, https=https, same_site="Lax")


def new_guest() -> str:
    """A value for the guest's cookie: random, and tied to nothing."""
    return b64url(os.urandom(GUEST_BYTES))


def form_token(keys: DataKeys, cookie: str) -> str:
    """What the forms of a page carry that is shown to whoever has this cookie."""
    return keys.place_tag("holder-form", cookie).hex()


def form_belongs(keys: DataKeys, cookie: str, token: str) -> bool:
    """Whether a form's token was made for this cookie."""
    return bool(cookie) and hmac.compare_digest(form_token(keys, cookie).encode(), token.encode())


def check_site(scope: Scope, host: str) -> None:
    """Whether a form came from a page of ours, as far as the browser tells. `host`: ours, as people type it.

    With `Referrer-Policy: no-referrer` an origin is `null` (Fetch § 3.2), which says nothing. Raises Forbidden.
    """
    site, origin = header(scope, b"sec-fetch-site"), header(scope, b"origin")
    if site is not None:
        ours = site == b"same-origin"
    elif origin is None or origin == b"null":
        ours = True
    else:
        asked = (header(scope, b"host") or b"").decode("latin-1")
        ours = origin.decode("latin-1").partition("://")[2].lower() in {host.lower(), asked.lower()}
    if not ours:
        raise Forbidden(FOREIGN)
