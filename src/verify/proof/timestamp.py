# mypy: disable-error-code="import-untyped"
# asn1crypto is not annotated.
"""Time from someone else's clock: an RFC 3161 client whose every answer is checked before it is used.

The wire is a seam (`Post`); `wiring/timestamp.py` has the one that ships. Wiring builds it, for the address in the settings;
an address inside a document is never called.
"""

import hashlib
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from verify.errors import ProofFailed, VerifyError, Words
from verify.proof.pades_chain import find_chain, in_force, may_stamp

Post = Callable[[bytes], Awaitable[bytes]]
"""Sends a DER request, returns the body of the answer. Raises Unavailable."""

MAX_TOKEN_BYTES = 12 * 1024
"""What a document reserves for a token with its certificates; larger ones are refused."""
MAX_REPLY_BYTES = 64 * 1024
NONCE_BYTES = 16
DIGEST_BYTES = hashlib.sha256().digest_size
_GRANTED = frozenset({"granted", "granted_with_mods"})


class TimestampService(Protocol):
    """Says when a digest existed. Safe to call concurrently."""

    async def stamp(self, digest: bytes) -> bytes:
        """A checked token (DER, at most `MAX_TOKEN_BYTES`) over a SHA-256 digest. Raises Unavailable, ProofFailed."""


class TimestampClient:
    """Asks a timestamp authority over `post` and believes it under `roots` alone."""

    def __init__(
        self, post: Post, *, roots: Sequence[bytes], random: Callable[[int], bytes] = os.urandom
    ) -> None:
        """`roots`: the authority's (DER). Raises ValueError for bytes that are no certificate."""
        self._post = post
        self._roots = [x509.load_der_x509_certificate(der) for der in roots]
        self._random = random

    async def stamp(self, digest: bytes) -> bytes:
        """Ask, check status, nonce, imprint, signature and chain (RFC 3161 §2.2), and return the token.

        Raises:
            Unavailable: no answer in time.
            ProofFailed: an answer that is refused, or is not about this digest and this question.
        """
        nonce = int.from_bytes(b"\x01" + self._random(NONCE_BYTES), "big")
        reply = await self._post(_request(digest, nonce))
        try:
            return self._checked(reply, digest, nonce)
        except VerifyError:
            raise
        except Exception as error:  # a parser fed by a stranger
            raise _refused("时间戳应答无法解析。", "The timestamp answer cannot be read.") from error

    def _checked(self, reply: bytes, digest: bytes, nonce: int) -> bytes:
        from asn1crypto import tsp

        from verify.proof.pades_token import Token

        answer = tsp.TimeStampResp.load(reply, strict=True)
        if answer["status"]["status"].native not in _GRANTED:
            raise _refused("时间戳服务拒绝了请求。", "The timestamp service refused the request.")
        der = bytes(answer["time_stamp_token"].dump())
        if len(der) > MAX_TOKEN_BYTES:
            raise _refused("时间戳过大。", "The timestamp is too large.")
        token = Token(der)
        if token.nonce != nonce:
            raise _refused("时间戳随机数不符。", "The timestamp answers another question (nonce).")
        if token.imprint_name != "sha256" or not token.seals(digest):
            raise _refused("时间戳与摘要不符，或签名无效。", "The timestamp is not over this digest.")
        certificate = token.envelope.certificate
        chain = find_chain(certificate, self._roots, token.envelope.others)
        if chain is None or not may_stamp(certificate) or not in_force(chain, token.stamped_at):
            raise _refused("时间戳机构不受信任。", "The timestamp is not by the trusted authority.")
        return der


def _request(digest: bytes, nonce: int) -> bytes:
    from asn1crypto import tsp

    if len(digest) != DIGEST_BYTES:
        raise _refused("摘要长度有误。", "The digest is not SHA-256.")
    imprint = {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": digest}
    fields = {"version": "v1", "message_imprint": imprint, "nonce": nonce, "cert_req": True}
    return bytes(tsp.TimeStampReq(fields).dump())


def _refused(zh: str, en: str) -> ProofFailed:
    return ProofFailed(Words(zh, en), hint="check the timestamp service and its root certificate")


def read_roots(pem: bytes) -> list[bytes]:
    """The certificates (DER) of a PEM file. Raises ValueError when it holds none."""
    return [one.public_bytes(Encoding.DER) for one in x509.load_pem_x509_certificates(pem)]
