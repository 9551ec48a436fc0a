"""The CMS object of a PDF signature (CAdES baseline B and T, EN 319 122-1), written by hand.

One fixed layout: one P-256 signer, SHA-256, no content inside (RFC 5652 §5). pyHanko would build the same bytes, which
the tests compare, at four times the cost of everything else in a signature.
"""

import hashlib
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from verify.errors import BadSignature, ProofFailed, Words
from verify.proof.public import SIGNATURE_BYTES, load_public
from verify.proof.signer import Signer
from verify.proof.timestamp import TimestampService

ROOM_BYTES = 2048
"""A signature without its certificates and timestamp, generously."""

_INTEGER, _OCTETS, _SEQUENCE, _SET = 0x02, 0x04, 0x30, 0x31
_CONTEXT = 0xA0
"""Constructed, context-specific: `_CONTEXT + n` is `[n]`."""
_VERSION_1 = bytes.fromhex("020101")
_DATA = bytes.fromhex("06092a864886f70d010701")
_SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")
_CONTENT_TYPE = bytes.fromhex("06092a864886f70d010903")
_MESSAGE_DIGEST = bytes.fromhex("06092a864886f70d010904")
_SIGNING_CERTIFICATE_V2 = bytes.fromhex("060b2a864886f70d010910022f")
_SIGNATURE_TIMESTAMP = bytes.fromhex("060b2a864886f70d010910020e")
_SHA256 = bytes.fromhex("300d06096086480165030402010500")
_ECDSA_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")


class CmsSigner:
    """Signs document digests under one certificate. The parts that stay the same are made once."""

    def __init__(self, signer: Signer, point: bytes, certificate: bytes, chain: Sequence[bytes]) -> None:
        """Sign with `signer`, whose public half is `point` (SEC1), under `certificate` and `chain` (DER).

        Raises ValueError for what is no certificate.
        """
        self._signer = signer
        self._point = point
        parsed = x509.load_der_x509_certificate(certificate)
        issuer, serial = parsed.issuer.public_bytes(), _integer(parsed.serial_number)
        self._issuer_and_serial = _sequence(issuer, serial)
        general_names = _sequence(_tlv(_CONTEXT + 4, issuer))
        # ESSCertIDv2 (RFC 5035 §4): SHA-256 is its default and not written.
        cert_id = _sequence(
            _tlv(_OCTETS, hashlib.sha256(certificate).digest()), _sequence(general_names, serial)
        )
        self._names_certificate = _attribute(_SIGNING_CERTIFICATE_V2, _sequence(_sequence(cert_id)))
        self._certificates = _tlv(_CONTEXT, b"".join(sorted({certificate, *chain})))
        self.room_bytes = ROOM_BYTES + len(self._certificates)

    async def sign(self, digest: bytes, timestamp: TimestampService | None = None) -> bytes:
        """The ContentInfo (DER) over a document whose SHA-256 is `digest`; with a signature timestamp if asked.

        Raises BadSignature when the fresh signature does not verify; as the signer and the timestamp service do.
        """
        attributes = self._attributes(digest)
        signature = await self._signature(_tlv(_SET, attributes))
        unsigned = b""
        if timestamp is not None:
            token = await timestamp.stamp(hashlib.sha256(signature).digest())
            unsigned = _tlv(_CONTEXT + 1, _attribute(_SIGNATURE_TIMESTAMP, token))
        signer_info = _sequence(
            _VERSION_1, self._issuer_and_serial, _SHA256, _tlv(_CONTEXT, attributes), _ECDSA_SHA256,
            _tlv(_OCTETS, signature), unsigned,
        )  # fmt: skip
        signed_data = _sequence(
            _VERSION_1, _tlv(_SET, _SHA256), _sequence(_DATA), self._certificates, _tlv(_SET, signer_info)
        )
        return _sequence(_SIGNED_DATA, _tlv(_CONTEXT, signed_data))

    def _attributes(self, digest: bytes) -> bytes:
        """The signed attributes in the order of their encoding (X.690 §11.6). The signing time stands in the PDF
        (EN 319 142-1 §6.3)."""
        content_type = _attribute(_CONTENT_TYPE, _DATA)
        message_digest = _attribute(_MESSAGE_DIGEST, _tlv(_OCTETS, digest))
        return b"".join(sorted((content_type, message_digest, self._names_certificate)))

    async def _signature(self, data: bytes) -> bytes:
        """DER ECDSA-Sig-Value over SHA-256 of `data`, read back."""
        signatures = await self._signer.sign([data])
        if len(signatures) != 1 or len(signatures[0]) != SIGNATURE_BYTES:
            raise ProofFailed(Words("签名数量不符。", "The signer answered another number of signatures."))
        raw = signatures[0]
        der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        public = load_public("ES256", self._point)
        assert isinstance(public, ec.EllipticCurvePublicKey)
        try:
            public.verify(der, data, ec.ECDSA(SHA256()))
        except InvalidSignature as error:
            what = Words(
                "签名回读校验失败，未予采用。", "A fresh signature did not verify and was discarded."
            )
            raise BadSignature(what, hint="check the key store or HSM") from error
        return der


def _tlv(tag: int, content: bytes) -> bytes:
    """One DER value (X.690 §8.1)."""
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + length.to_bytes(size, "big") + content


def _sequence(*parts: bytes) -> bytes:
    return _tlv(_SEQUENCE, b"".join(parts))


def _attribute(oid: bytes, value: bytes) -> bytes:
    return _sequence(oid, _tlv(_SET, value))


def _integer(value: int) -> bytes:
    return _tlv(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))
