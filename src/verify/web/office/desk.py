"""What every office door shares: the opened rooms, limits, and the public half's header lists and problems."""

from typing import Final

import msgspec

from verify.config import Settings
from verify.web.opening import Derived
from verify.web.public.half import PublicHalf
from verify.web.reply import Reply
from verify.wiring.desks import OfficeHouse

ISSUE_LIMIT_BYTES: Final = 128 << 10
"""A request with a photo of 50 KB in base64."""
LIST_LIMIT_BYTES: Final = 4 << 20
"""A list of 100 000 numbers."""

_encode = msgspec.json.Encoder().encode


class OfficeHalf:
    """One per process that has the office's role."""

    def __init__(self, settings: Settings, opening: Derived[OfficeHouse], public: PublicHalf) -> None:
        """Share what `public` made."""
        self.opening = opening
        self.public = public
        self.headers = public.headers
        self.public_url = public.public_url
        self.body_limit = settings.body_limit_bytes
        self.issue_limit = max(ISSUE_LIMIT_BYTES, settings.body_limit_bytes)
        self.list_limit = LIST_LIMIT_BYTES
        self.batch_limit = settings.batch_limit_bytes
        self.body_timeout_s = settings.body_timeout_s

    def json(self, value: object, status: int = 200, *extra: tuple[bytes, bytes]) -> Reply:
        """A value as a JSON answer."""
        headers = [*self.headers.json, *extra] if extra else self.headers.json
        return Reply(status, headers, _encode(value))


def location(path: str) -> tuple[bytes, bytes]:
    """The header that tells where what was made can be asked for."""
    return b"location", path.encode()
