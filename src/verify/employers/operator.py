"""The way to the operator's signature, as this room knows it: it never sees a private key."""

from collections.abc import Callable
from typing import Protocol

from verify.proof.public import PublicKey
from verify.proof.signer import Signer


class OperatorSigner(Protocol):
    """Signs in the operator's name with the key in use now."""

    async def sign(self, make: Callable[[PublicKey], bytes]) -> tuple[bytes, bytes]:
        """The message that `make` gives for the key in use, and its signature, read back.

        Raises BadKey when no key is in use or its file cannot be used, and whatever the signer raises.
        """
        ...

    async def in_use(self) -> tuple[PublicKey, Signer]:
        """The key in use and what signs with it, for a file that is signed in several steps. Raises BadKey."""
        ...
