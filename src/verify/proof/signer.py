"""The signing seam: many messages at once, perhaps over a wire, and every signature read back.

A `Signer` hides where the private key lives: in this process (`SoftSigner`), in an HSM or a KMS. An SM2
signer is one more class here, one more algorithm name and one more check in `public.py`.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol, assert_never

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from verify.errors import BadKey, BadSignature, ProofFailed, Words
from verify.proof.keys import KeyPair
from verify.proof.public import Algorithm, PublicKey, verify_signature

_DETERMINISTIC = ec.ECDSA(SHA256(), deterministic_signing=True)
_PAUSE_EVERY = 32
"""Messages between two breaths of the event loop: about 1 ms of signing, 3 ms of reading back."""


class Signer(Protocol):
    """Signs with one private key, wherever that is. Safe to call concurrently."""

    @property
    def kid(self) -> str:
        """Id of the key, 8 hex characters."""

    @property
    def algorithm(self) -> Algorithm:
        """What the signatures are."""

    async def sign(self, messages: Sequence[bytes]) -> list[bytes]:
        """One 64-byte signature per message, in order; all or none. Raises VerifyError."""


class SoftSigner:
    """A signer whose key is in this process. ES256 is deterministic (RFC 6979), Ed25519 is by nature."""

    def __init__(self, pair: KeyPair) -> None:
        """Sign with `pair`."""
        self._pair = pair

    @property
    def kid(self) -> str:
        """Id of the key."""
        return self._pair.kid

    @property
    def algorithm(self) -> Algorithm:
        """ES256 or Ed25519."""
        return self._pair.alg

    def sign_now(self, message: bytes) -> bytes:
        """One signature, 64 bytes: r‖s (RFC 7518 §3.4) or Ed25519 (RFC 8032)."""
        private = self._pair.private
        match private:
            case ec.EllipticCurvePrivateKey():
                r, s = decode_dss_signature(private.sign(message, _DETERMINISTIC))
                return r.to_bytes(32, "big") + s.to_bytes(32, "big")
            case ed25519.Ed25519PrivateKey():
                return private.sign(message)
            case _:
                assert_never(private)

    async def sign(self, messages: Sequence[bytes]) -> list[bytes]:
        """Sign in order; the event loop breathes every few messages."""
        signatures = []
        for count, message in enumerate(messages, 1):
            signatures.append(self.sign_now(message))
            if count % _PAUSE_EVERY == 0:
                await asyncio.sleep(0)
        return signatures


async def sign_and_read_back(signer: Signer, public: PublicKey, messages: Sequence[bytes]) -> list[bytes]:
    """Sign once, then check every signature with the public half: what returns is known to verify.

    Raises BadKey when the signer holds another key than `public`, ProofFailed when it answers too few or too
    many, BadSignature when one does not verify; and whatever the signer itself raises. None is used then.
    """
    if (signer.kid, signer.algorithm) != (public.kid, public.alg):
        what = Words("签名密钥与公钥记录不符。", f"The signer holds key {signer.kid}, not {public.kid}.")
        raise BadKey(what, hint="compare `verify key list` with the files in the key store")
    signatures = await signer.sign(messages)
    if len(signatures) != len(messages):
        raise ProofFailed(Words("签名数量不符。", "The signer answered another number of signatures."))
    for count, (message, signature) in enumerate(zip(messages, signatures, strict=True), 1):
        try:
            verify_signature(public, message, signature)
        except BadSignature as error:
            what = Words(
                "签名回读校验失败，未予采用。", "A fresh signature did not verify and was discarded."
            )
            raise BadSignature(what, hint="check the key store or HSM, then: verify recover") from error
        if count % _PAUSE_EVERY == 0:
            await asyncio.sleep(0)
    return signatures
