"""Private keys in memory: making them, naming them, and the public record of each.

Only the office's side of the house may import this room's private half.
"""

import datetime as dt

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from verify.errors import BadKey, Words
from verify.proof.public import Algorithm, KeyPurpose, KeyState, PublicKey, key_id

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

PURPOSE_ALGORITHMS: dict[KeyPurpose, Algorithm] = {
    KeyPurpose.TOKEN: "ES256",
    KeyPurpose.DATA_INTEGRITY: "Ed25519",
    KeyPurpose.ROOT: "ES256",
    KeyPurpose.STATEMENT: "ES256",
    KeyPurpose.LOG: "Ed25519",
}


class KeyPair(msgspec.Struct, frozen=True):
    """A private key with its name. Its repr shows no secret."""

    kid: str
    alg: Algorithm
    private: PrivateKey
    key_bytes: bytes
    """The public half: SEC1 point or raw Ed25519."""


def generate_p256() -> KeyPair:
    """A fresh P-256 pair from OpenSSL's generator."""
    return key_pair(ec.generate_private_key(ec.SECP256R1()))


def generate_ed25519() -> KeyPair:
    """A fresh Ed25519 pair from OpenSSL's generator."""
    return key_pair(ed25519.Ed25519PrivateKey.generate())


def generate_for(purpose: KeyPurpose) -> KeyPair:
    """A fresh pair of the algorithm that `purpose` uses."""
    return generate_p256() if PURPOSE_ALGORITHMS[purpose] == "ES256" else generate_ed25519()


def key_pair(private: object) -> KeyPair:
    """Name a private key. Raises BadKey when it is neither P-256 nor Ed25519."""
    if isinstance(private, ec.EllipticCurvePrivateKey) and isinstance(private.curve, ec.SECP256R1):
        point = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return KeyPair(key_id("ES256", point), "ES256", private, point)
    if isinstance(private, ed25519.Ed25519PrivateKey):
        raw = private.public_key().public_bytes_raw()
        return KeyPair(key_id("Ed25519", raw), "Ed25519", private, raw)
    raise BadKey(
        Words("密钥既不是 P-256 也不是 Ed25519。", "The key is neither P-256 nor Ed25519."),
        hint="make one with: verify key create",
    )


def public_record(
    pair: KeyPair,
    *,
    owner: str,
    owner_name: Words,
    purpose: KeyPurpose,
    created_at: dt.datetime,
    certificate: bytes | None = None,
) -> PublicKey:
    """The pending public record of `pair`. Raises BadKey when the algorithm does not serve the purpose."""
    if pair.alg != PURPOSE_ALGORITHMS[purpose]:
        what = Words(f"{pair.alg} 密钥不能用于 {purpose}。", f"A {pair.alg} key does not serve {purpose}.")
        raise BadKey(what, hint="make one with: verify key create")
    return PublicKey(
        kid=pair.kid,
        alg=pair.alg,
        owner=owner,
        owner_name=owner_name,
        purpose=purpose,
        key_bytes=pair.key_bytes,
        state=KeyState.PENDING,
        created_at=created_at,
        certificate=certificate,
    )
