"""Who asks: the credential, its role and its agency. Everything an office desk does begins with one."""

import msgspec

from verify.certificate.reason import Role
from verify.errors import Fault, Invalid, Words

MAX_KEY = 255
MAX_NOTE = 500


class Caller(msgspec.Struct, frozen=True):
    """Somebody who was authenticated."""

    actor: str
    """Credential id, `cli:USER`, or `system`."""
    role: Role
    agency: str | None = None
    """Code of the agency; None for the operator, who may act for every agency."""
    person: str = ""
    """The person behind the credential, where it is known: two keys of one person are one person."""

    @property
    def who(self) -> str:
        """What a second approver must differ from."""
        return self.person or self.actor


def check_key(key: str) -> str:
    """An idempotency key: 1 to 255 visible ASCII characters. Raises Invalid."""
    if 1 <= len(key) <= MAX_KEY and key.isascii() and key.isprintable() and " " not in key:
        return key
    what = Words(
        f"幂等键应为1至{MAX_KEY}个可见ASCII字符，例如UUID。",
        f"An idempotency key is 1 to {MAX_KEY} visible ASCII characters, such as a UUID.",
    )
    raise Invalid(what, faults=[Fault("", "idempotency-key", what)])
