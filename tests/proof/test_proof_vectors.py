"""Published vectors: what others computed, ours must give."""

import base64
import hashlib

import cbor2
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from proof_world import record

from verify.errors import BadSignature
from verify.proof.keys import KeyPair, key_pair
from verify.proof.public import (
    Jwk,
    KeyPurpose,
    b64url,
    from_jwk,
    key_id,
    thumbprint,
    to_jwk,
    verify_signature,
)
from verify.proof.signer import SoftSigner


def p256(secret: int) -> KeyPair:
    return key_pair(ec.derive_private_key(secret, ec.SECP256R1()))


@pytest.mark.parametrize(
    ("message", "signature"),
    [
        (
            b"sample",
            "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
            "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
        ),
        (
            b"test",
            "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367"
            "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
        ),
    ],
)
def test_es256_signs_as_rfc_6979_appendix_a_2_5_with_sha_256_prints(message: bytes, signature: str) -> None:
    pair = p256(0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721)
    assert SoftSigner(pair).sign_now(message).hex() == signature
    verify_signature(record(pair), message, bytes.fromhex(signature))


def test_ed25519_signs_as_rfc_8032_section_7_1_test_2_prints() -> None:
    seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    pair = key_pair(ed25519.Ed25519PrivateKey.from_private_bytes(seed))
    expected = (
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert SoftSigner(pair).sign_now(b"\x72").hex() == expected
    verify_signature(record(pair, KeyPurpose.DATA_INTEGRITY), b"\x72", bytes.fromhex(expected))


def test_the_jws_of_rfc_7515_appendix_a_3_verifies_and_no_altered_one_does() -> None:
    jwk = Jwk(
        kty="EC",
        crv="P-256",
        x="f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        y="x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    )
    signing_input = (
        b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
        b"cGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    )
    signature = base64.urlsafe_b64decode(
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q=="
    )
    alg, key_bytes = from_jwk(jwk)
    public = msgspec.structs.replace(
        record(p256(1)), key_bytes=key_bytes, alg=alg, kid=key_id(alg, key_bytes)
    )
    verify_signature(public, signing_input, signature)
    with pytest.raises(BadSignature):
        verify_signature(public, signing_input + b"x", signature)


def test_the_signed_cwt_of_rfc_8392_appendix_a_3_verifies_over_our_sig_structure_of_rfc_9052() -> None:
    cwt = bytes.fromhex(
        "d28443a10126a104524173796d6d657472696345434453413235365850a70175636f61703a2f2f61732e6578616d706c"
        "652e636f6d02656572696b77037818636f61703a2f2f6c696768742e6578616d706c652e636f6d041a5612aeb0051a56"
        "10d9f0061a5610d9f007420b7158405427c1ff28d23fbad1f29c4c7c6a555e601d6fa29f9179bc3d7438bacaca5acd08"
        "c8d4d4f96131680c429a01f85951ecee743a52b9b63632c57209120e1c9e30"
    )
    pair = p256(0x6C1382765AEC5358F117733D281C1C7BDC39884D04A45A1E6C67C858BC206C19)
    assert pair.key_bytes[1:33].hex() == "143329cce7868e416927599cf65a34f3ce2ffda55a7eca69ed8919a394d42f0f"
    protected, _, payload, signature = cbor2.loads(cwt).value
    message = cbor2.dumps(["Signature1", protected, b"", payload])
    assert message.startswith(b"\x84\x6aSignature1")
    verify_signature(record(pair), message, signature)


def test_the_thumbprint_is_that_of_rfc_8037_appendix_a_3() -> None:
    alg, key_bytes = from_jwk(Jwk(kty="OKP", crv="Ed25519", x="11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"))
    assert b64url(thumbprint(alg, key_bytes)) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert key_id(alg, key_bytes) == "90facafe"


def test_the_thumbprint_of_a_p256_key_hashes_the_required_members_in_the_order_of_rfc_7638_section_3() -> (
    None
):
    pair = p256(7)
    jwk = to_jwk(pair.alg, pair.key_bytes)
    text = f'{{"crv":"P-256","kty":"EC","x":"{jwk.x}","y":"{jwk.y}"}}'
    assert thumbprint(pair.alg, pair.key_bytes) == hashlib.sha256(text.encode()).digest()
    assert pair.kid == hashlib.sha256(text.encode()).hexdigest()[:8]
