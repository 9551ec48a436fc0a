# mypy: disable-error-code="no-untyped-call,import-untyped"
# pyHanko's validation API is only half annotated, asn1crypto not at all.
"""CMS objects opened and checked: the signature of a PDF, and RFC 3161 timestamp tokens.

Importing this module loads pyHanko.
"""

import datetime as dt
import hashlib
from collections.abc import Sequence
from typing import Any

from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.sign.general import extract_certificate_info, extract_signer_info
from pyhanko.sign.validation.generic_cms import validate_sig_integrity

from verify.errors import Unreadable
from verify.proof.pades_chain import find_chain, in_force, may_stamp
from verify.proof.pades_check import PdfTimestamp

MAX_CERTIFICATES = 16
STRONG_DIGESTS = frozenset({"sha256", "sha384", "sha512"})


class Envelope:
    """A SignedData with one signer, its certificate and the others it carries."""

    def __init__(self, signed_data: Any) -> None:
        """Open it. Raises Unreadable."""
        if len(signed_data["certificates"]) > MAX_CERTIFICATES:
            raise Unreadable
        self._signer_info = extract_signer_info(signed_data)
        self._head = (
            signed_data["encap_content_info"]["content_type"].native,
            signed_data["version"].native,
            self._signer_info["version"].native,
            [algorithm.dump() for algorithm in signed_data["digest_algorithms"]],
        )
        found = extract_certificate_info(signed_data)
        self._signer = found.signer_cert
        self.certificate = x509.load_der_x509_certificate(self._signer.dump())
        self.others = [x509.load_der_x509_certificate(other.dump()) for other in found.other_certs]
        self.digest_name = str(self._signer_info["digest_algorithm"]["algorithm"].native)

    def holds(self, content_type: str, digest: bytes) -> bool:
        """Whether the signature is over `digest` (by `digest_name`), with signed attributes that name this
        certificate (RFC 5652 §5.4, RFC 5035)."""
        if self.digest_name not in STRONG_DIGESTS or not self._signer_info["signed_attrs"].native:
            return False
        try:
            intact, valid = validate_sig_integrity(self._signer_info, self._signer, content_type, digest)
        except Exception:  # whatever a foreign signature trips over, it does not hold
            return False
        return intact and valid

    def is_plain(self) -> bool:
        """Whether the fields outside the signature are what this service writes (RFC 5652 §5.1): they say nothing,
        and nobody shall have room to alter them."""
        return self._head == ("data", "v1", "v1", [self._signer_info["digest_algorithm"].dump()])

    def timestamp_token(self) -> bytes | None:
        """The signature timestamp among the unsigned attributes (EN 319 122-1 §5.3), DER."""
        for attribute in self._signer_info["unsigned_attrs"] or ():
            if attribute["type"].native == "signature_time_stamp_token" and len(attribute["values"]) == 1:
                return bytes(attribute["values"][0].dump())
        return None

    @property
    def signature(self) -> bytes:
        """The raw signature value, what a signature timestamp seals."""
        return bytes(self._signer_info["signature"].native)


class Token:
    """A timestamp token: what it says, and whether it says it of `sealed` bytes."""

    def __init__(self, der: bytes) -> None:
        """Open it. Raises ValueError or Unreadable for anything else than a token."""
        content = cms.ContentInfo.load(der, strict=True)
        if content["content_type"].native != "signed_data":
            raise Unreadable
        signed_data = content["content"]
        inner = signed_data["encap_content_info"]
        if inner["content_type"].native != "tst_info":
            raise Unreadable
        self.envelope = Envelope(signed_data)
        self._inner = bytes(
            inner["content"].native_bytes
            if hasattr(inner["content"], "native_bytes")
            else inner["content"].contents
        )
        self.info = inner["content"].parsed
        imprint = self.info["message_imprint"]
        self.imprint_name = str(imprint["hash_algorithm"]["algorithm"].native)
        self.imprint = bytes(imprint["hashed_message"].native)
        self.nonce = self.info["nonce"].native
        self.stamped_at: dt.datetime = self.info["gen_time"].native

    def seals(self, sealed_digest: bytes) -> bool:
        """Whether it is a sound token over that digest, which is by `imprint_name`."""
        name = self.envelope.digest_name
        return (
            self.imprint_name in STRONG_DIGESTS
            and self.imprint == sealed_digest
            and name in STRONG_DIGESTS
            and self.envelope.holds("tst_info", hash_bytes(name, self._inner))
        )

    def read(
        self, sealed_digest: bytes, roots: Sequence[x509.Certificate], moment: dt.datetime
    ) -> PdfTimestamp:
        """The record; trusted when the chain ends in `roots` and was in force at `moment`, when it proved itself."""
        certificate = self.envelope.certificate
        intact = self.seals(sealed_digest)
        chain = find_chain(certificate, roots, self.envelope.others) if may_stamp(certificate) else None
        good = chain is not None and in_force(chain, self.stamped_at) and in_force(chain, moment)
        return PdfTimestamp(
            stamped_at=self.stamped_at,
            authority=certificate.subject.rfc4514_string(),
            certificate=certificate.public_bytes(Encoding.DER),
            valid_from=certificate.not_valid_before_utc,
            valid_until=certificate.not_valid_after_utc,
            intact=intact,
            trusted=intact and good and self.stamped_at <= moment,
            chain=tuple(one.public_bytes(Encoding.DER) for one in chain or ()),
        )


def signed_data_bytes(der: bytes) -> bytes:
    """The SignedData of a ContentInfo (RFC 5652 §3) as it stands there, by its own length."""
    return bytes(cms.ContentInfo.load(der)["content"].dump())


def hash_bytes(name: str, data: bytes) -> bytes:
    """`data` hashed by a strong digest of that name. Raises Unreadable for another name."""
    if name not in STRONG_DIGESTS:
        raise Unreadable
    return hashlib.new(name, data).digest()
