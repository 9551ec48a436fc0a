"""The hand-written CMS object of a signature is, byte for byte, the one that pyHanko would build."""

import hashlib
import os

import pytest
from asn1crypto import algos, cms
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from pades_world import AGENCY_DER, NOW, ROOT_DER, SIGNER, YEAR, Authority
from proof_world import DAY, PAIR, ROOT
from pyhanko.sign.signers import Signer as PdfSigner
from pyhanko.sign.timestamps import TimeStamper
from pyhanko_certvalidator.registry import SimpleCertificateStore

from verify.proof.authority import agency_certificate
from verify.proof.pades_cms import CmsSigner
from verify.proof.timestamp import TimestampClient


class Oracle(PdfSigner):
    """pyHanko over the same key."""

    def __init__(self, certificate: bytes, chain: list[bytes]) -> None:
        super().__init__(
            signing_cert=asn1_x509.Certificate.load(certificate),
            cert_registry=SimpleCertificateStore.from_certs(map(asn1_x509.Certificate.load, chain)),
            signature_mechanism=algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}),
        )

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        (raw,) = await SIGNER.sign([data])
        return encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))


class Remembered(TimeStamper):
    """Gives the token that was had for this digest."""

    def __init__(self, tokens: dict[bytes, bytes]) -> None:
        super().__init__()
        self._tokens = tokens

    async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> cms.ContentInfo:
        return cms.ContentInfo.load(self._tokens[message_digest])


class Remembering:
    """A timestamp service that keeps what it gave."""

    def __init__(self, client: TimestampClient) -> None:
        self._client = client
        self.tokens: dict[bytes, bytes] = {}

    async def stamp(self, digest: bytes) -> bytes:
        self.tokens[digest] = await self._client.stamp(digest)
        return self.tokens[digest]


def certified(name: str, serial: bytes) -> bytes:
    """The world's key under another name and serial number."""
    return agency_certificate(
        ROOT, ROOT_DER, PAIR.key_bytes, agency="Y000199000001", agency_name=name, serial=serial,
        not_before=NOW - DAY, not_after=NOW + YEAR, lists_at="https://cert.example.cn/crl/00000000",
    )  # fmt: skip


CERTIFICATES = [AGENCY_DER, certified("甲" * 64, b"\xff" * 16), certified("A", b"\0" * 15 + b"\x80")]


@pytest.mark.parametrize("certificate", CERTIFICATES)
async def test_it_is_pyhankos_without_a_timestamp(certificate: bytes) -> None:
    signer = CmsSigner(SIGNER, PAIR.key_bytes, certificate, [ROOT_DER])
    oracle = Oracle(certificate, [ROOT_DER])
    for _ in range(20):
        digest = hashlib.sha256(os.urandom(8)).digest()
        theirs = await oracle.async_sign(digest, "sha256", use_pades=True)
        ours = await signer.sign(digest)
        assert ours == theirs.dump()
        assert len(ours) <= signer.room_bytes


async def test_it_is_pyhankos_with_a_timestamp() -> None:
    authority = Authority()

    async def post(request: bytes) -> bytes:
        return authority.answer(request)

    service = Remembering(TimestampClient(post, roots=[authority.root_der]))
    digest = hashlib.sha256(b"document").digest()
    ours = await CmsSigner(SIGNER, PAIR.key_bytes, AGENCY_DER, [ROOT_DER]).sign(digest, service)
    oracle = Oracle(AGENCY_DER, [ROOT_DER])
    theirs = await oracle.async_sign(digest, "sha256", use_pades=True, timestamper=Remembered(service.tokens))
    assert ours == theirs.dump()
    assert len(service.tokens) == 1
