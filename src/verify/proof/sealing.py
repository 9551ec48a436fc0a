"""Symmetric data keys: seals over holder data and cache entries, and blind indexes over who holds what.

These keys are no signing keys: a public node has them, and with them it can read and find, never issue.
"""

import hashlib
import hmac
import os
from collections.abc import Callable

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESGCMSIV

from verify.errors import BadKey, ProofFailed, Unreadable, Words

KEY_BYTES = 32
KEY_ID_BYTES = 4
NONCE_BYTES = 12
MAC_BYTES = 16
TAG_BYTES = 16
"""Length of a blind index: 2^-64 chance of a false meeting among 2^32 rows, and every meeting is checked."""
VERSION = b"\x01"
SEAL_OVERHEAD_BYTES = 1 + KEY_ID_BYTES + NONCE_BYTES + MAC_BYTES
MAX_SEALED_BYTES = 1 << 20

_HOLDER_LABEL = b"verify/seal/holder/1\0"
_CACHE_LABEL = b"verify/seal/cache/1\0"
_SECRET = hashlib.sha256(b"verify/secret/1\0")


class DataKeySet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The raw keys, as stored (encrypted) in `data.keys`. Never logged: its repr is silent."""

    seal: tuple[bytes, ...]
    """AES-256 keys for holder data, oldest first; the last one seals, all unseal."""
    index: bytes
    """HMAC key of the blind indexes. Changing it means indexing every certificate anew."""
    cache: bytes
    """AES-256 key of far-cache entries. Changing it empties that cache, no more."""

    def __repr__(self) -> str:
        return f"DataKeySet(<{len(self.seal)} seal keys>)"


def generate_data_keys(random: Callable[[int], bytes] = os.urandom) -> DataKeySet:
    """A first set: one seal key, an index key, a cache key."""
    return DataKeySet((random(KEY_BYTES),), random(KEY_BYTES), random(KEY_BYTES))


def rotate_seal_key(keys: DataKeySet, random: Callable[[int], bytes] = os.urandom) -> DataKeySet:
    """Add a seal key that is used from now on; older seals stay readable."""
    return msgspec.structs.replace(keys, seal=(*keys.seal, random(KEY_BYTES)))


def seal_key_id(key: bytes) -> bytes:
    """4 bytes that name a seal key and tell nothing about it."""
    return hmac.digest(key, b"verify/seal/key-id/1", "sha256")[:KEY_ID_BYTES]


def secret_hash(secret: str) -> bytes:
    """What is stored of an API key: 32 bytes. The secret is 256 random bits, so no slow hash is needed."""
    state = _SECRET.copy()
    state.update(secret.encode())
    return state.digest()


class DataKeys:
    """Data keys made ready: ciphers and MAC states built once. Safe to share between threads."""

    def __init__(self, keys: DataKeySet, random: Callable[[int], bytes] = os.urandom) -> None:
        """Prepare `keys`. Raises BadKey for a wrong length, no seal key, or the same key in two places."""
        every = (*keys.seal, keys.index, keys.cache)
        if not keys.seal or any(len(key) != KEY_BYTES for key in every) or len(set(every)) != len(every):
            what = Words("数据密钥集不完整。", "The set of data keys is incomplete.")
            raise BadKey(what, hint="restore data.keys from its backup")
        self._random = random
        self._seals = {seal_key_id(key): AESGCM(key) for key in keys.seal}
        self._newest = seal_key_id(keys.seal[-1])
        self._cache = AESGCMSIV(keys.cache)
        self._person = _mac(keys.index, b"verify/index/person/1\0")
        self._name = _mac(keys.index, b"verify/index/name/1\0")
        self._business = _mac(keys.index, b"verify/index/business/1\0")
        self._request = _mac(keys.index, b"verify/index/request/1\0")
        self._challenge = _mac(keys.index, b"verify/index/challenge/1\0")
        self._place = _mac(keys.index, b"verify/index/place/1\0")

    @property
    def newest(self) -> bytes:
        """Id of the key that seals now: bytes 1 to 5 of every blob it makes."""
        return self._newest

    def seal(self, plain: bytes, aad: bytes) -> bytes:
        """Holder data sealed with AES-256-GCM: version, key id, nonce, ciphertext, tag (33 bytes more).

        `aad` is the certificate number: a blob moved to another certificate does not open. Nonces are random:
        rotate the key before 2^32 seals (NIST SP 800-38D §8.3).
        """
        nonce = self._random(NONCE_BYTES)
        head = VERSION + self._newest
        return head + nonce + self._seals[self._newest].encrypt(nonce, plain, _HOLDER_LABEL + head + aad)

    def unseal(self, blob: bytes, aad: bytes) -> bytes:
        """What `seal` was given. Raises Unreadable for another shape, BadKey for an unknown key, ProofFailed
        when the blob was altered or belongs to another certificate."""
        if not SEAL_OVERHEAD_BYTES <= len(blob) <= MAX_SEALED_BYTES or blob[:1] != VERSION:
            raise Unreadable
        cipher = self._seals.get(blob[1:5])
        if cipher is None:
            what = Words("缺少封存该数据的密钥。", f"The data key {blob[1:5].hex()} is missing.")
            raise BadKey(what, hint="restore data.keys from its newest backup")
        try:
            return cipher.decrypt(blob[5:17], blob[17:], _HOLDER_LABEL + blob[:5] + aad)
        except InvalidTag as error:
            what = Words("封存数据已被改动。", "Sealed data was altered or moved.")
            raise ProofFailed(what, hint="verify audit") from error

    def seal_entry(self, plain: bytes, aad: bytes) -> bytes:
        """A far-cache entry sealed with AES-256-GCM-SIV (RFC 8452), 29 bytes more.

        A busy node writes 2^32 entries within days; this cipher stays safe at that many random nonces.
        """
        nonce = self._random(NONCE_BYTES)
        return VERSION + nonce + self._cache.encrypt(nonce, plain, _CACHE_LABEL + aad)

    def unseal_entry(self, blob: bytes, aad: bytes) -> bytes:
        """What `seal_entry` was given under the same `aad`. Raises Unreadable for anything else: treat as a miss."""
        if not 1 + NONCE_BYTES + MAC_BYTES <= len(blob) <= MAX_SEALED_BYTES or blob[:1] != VERSION:
            raise Unreadable
        try:
            return self._cache.decrypt(blob[1:13], blob[13:], _CACHE_LABEL + aad)
        except InvalidTag as error:
            raise Unreadable from error

    def person_tag(self, id_type: str, person_key: str, folded_name: str) -> bytes:
        """Blind index of ID type, canonical ID number and folded name: 16 bytes."""
        return _tag(self._person, id_type, person_key, folded_name)

    def name_tag(self, number: str, folded_name: str) -> bytes:
        """Blind index of certificate number and folded name: 16 bytes."""
        return _tag(self._name, number, folded_name)

    def business_tag(
        self,
        agency: str,
        id_type: str,
        person_key: str,
        occupation_code: str,
        work_type: str | None,
        level: str,
        batch: str | None,
    ) -> bytes:
        """Blind index of what must not be issued twice by accident: 16 bytes. `None` differs from empty."""
        return _tag(self._business, agency, id_type, person_key, occupation_code, work_type, level, batch)

    def request_tag(self, body: bytes) -> bytes:
        """Keyed fingerprint of a request body, for idempotency and the ledger: 32 bytes."""
        return self._request(body)

    def place_tag(self, kind: str, text: str) -> bytes:
        """Where something about `text` lies outside this process, such as in Redis: 16 bytes that tell nothing."""
        return _tag(self._place, kind, text)

    def challenge_tag(self, body: bytes) -> bytes:
        """Keyed digest of a challenge to look-ups past their budget, the same on every node: 32 bytes."""
        return self._challenge(body)


def _mac(key: bytes, label: bytes) -> Callable[[bytes], bytes]:
    """HMAC-SHA-256 of `label` and a message: one call into OpenSSL, a third of the cost of a copied state."""

    def digest(message: bytes) -> bytes:
        return hmac.digest(key, label + message, "sha256")

    return digest


def _tag(mac: Callable[[bytes], bytes], *parts: str | None) -> bytes:
    """Each part behind its length, so that no two lists of parts read alike."""
    framed = []
    for part in parts:
        if part is None:
            framed.append(b"\xff\xff\xff\xff")
        else:
            data = part.encode()
            framed += (len(data).to_bytes(4, "big"), data)
    return mac(b"".join(framed))[:TAG_BYTES]
