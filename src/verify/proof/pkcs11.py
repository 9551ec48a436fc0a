"""A signer whose key never leaves its HSM, smart card or SoftHSM (PKCS #11).

Needs `python-pkcs11`, which only installations with such a device install. The message is hashed here and signed
there with CKM_ECDSA: SoftHSM and many cards have no CKM_ECDSA_SHA256.
"""

import asyncio
import hashlib
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from verify.errors import BadKey, Unavailable, Words
from verify.proof.public import P256_POINT_BYTES, Algorithm, key_id

if TYPE_CHECKING:
    import pkcs11


class Pkcs11Signer:
    """Signs with the P-256 key labelled `label` on one token. ES256; whether it is deterministic is the token's."""

    def __init__(self, session: "pkcs11.Session", private: "pkcs11.SignMixin", point: bytes) -> None:
        """Made by `open_pkcs11_signer`."""
        self._session = session
        self._private = private
        self._point = point
        self._kid = key_id("ES256", point)
        self._turn = threading.Lock()

    @property
    def kid(self) -> str:
        """Id of the key."""
        return self._kid

    @property
    def algorithm(self) -> Algorithm:
        """Always ES256."""
        return "ES256"

    @property
    def point(self) -> bytes:
        """The public half, SEC1 uncompressed: for the agency's certificate."""
        return self._point

    async def sign(self, messages: Sequence[bytes]) -> list[bytes]:
        """One r‖s per message, in order, all or none, in a worker thread. Raises Unavailable."""
        return await asyncio.to_thread(self._sign_all, list(messages))

    def close(self) -> None:
        """Log out; the signer is of no use afterwards."""
        with self._turn:
            self._session.close()

    def _sign_all(self, messages: list[bytes]) -> list[bytes]:
        import pkcs11

        digests = [hashlib.sha256(message).digest() for message in messages]
        try:
            with self._turn:  # a session does one thing at a time (PKCS #11 §6.7.6)
                return [self._private.sign(digest, mechanism=pkcs11.Mechanism.ECDSA) for digest in digests]
        except pkcs11.PKCS11Error as error:
            what = Words("密码设备未能签名。", "The signing device did not sign.")
            raise Unavailable(what, hint="check that the HSM is connected and unlocked") from error


def open_pkcs11_signer(library: str, *, token: str, pin: str, label: str) -> Pkcs11Signer:
    """Log in to the token labelled `token` through the device's `library` (path of its .so) and find the key.

    Raises BadKey: no python-pkcs11, no such library, token, key, PIN; or the key is not P-256.
    """
    try:
        import pkcs11
    except ImportError as error:
        what = Words("未安装 python-pkcs11。", "Signing devices need python-pkcs11, which is not installed.")
        raise BadKey(what, hint="pip install python-pkcs11") from error
    try:
        session = pkcs11.lib(library).get_token(token_label=token).open(user_pin=pin)
    except (pkcs11.PKCS11Error, RuntimeError, OSError) as error:
        what = Words("无法打开密码设备。", "The signing device cannot be opened.")
        raise BadKey(what, hint="check the library's path, the token's label and the PIN") from error
    try:
        return _find(session, label)
    except BaseException:
        session.close()
        raise


def _find(session: "pkcs11.Session", label: str) -> Pkcs11Signer:
    import pkcs11

    kinds = pkcs11.ObjectClass
    try:
        private = session.get_key(object_class=kinds.PRIVATE_KEY, key_type=pkcs11.KeyType.EC, label=label)
        public = session.get_key(object_class=kinds.PUBLIC_KEY, key_type=pkcs11.KeyType.EC, label=label)
        wrapped = bytes(public[pkcs11.Attribute.EC_POINT])
    except pkcs11.PKCS11Error as error:
        what = Words("密码设备中没有该密钥。", "The device has no such key, or several.")
        raise BadKey(what, hint=f"look for a P-256 key pair labelled {label!r}") from error
    if not isinstance(private, pkcs11.SignMixin):
        raise BadKey(Words("该密钥不能用于签名。", "The device does not let this key sign."))
    return Pkcs11Signer(session, private, _sec1(wrapped))


def _sec1(wrapped: bytes) -> bytes:
    """The point without its OCTET STRING header (PKCS #11 §6.3.3). `key_id` refuses what is no P-256 point."""
    if len(wrapped) == P256_POINT_BYTES + 2 and wrapped[:2] == bytes([0x04, P256_POINT_BYTES]):
        return wrapped[2:]
    return wrapped
