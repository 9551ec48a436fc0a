"""The mathematics of the ledger: a hash chain over events, and commitments that reveal nothing."""

import hashlib
from collections.abc import Iterable

import msgspec

from verify.errors import LedgerBroken, Words

HASH_BYTES = 32
SALT_BYTES = 16
GENESIS = hashlib.sha256(b"verify/ledger/genesis/1").digest()
"""What the first event follows."""

_EVENT = hashlib.sha256(b"verify/ledger/event/1\0")
_COMMITMENT = hashlib.sha256(b"verify/ledger/commitment/1\0")


class Link(msgspec.Struct, frozen=True):
    """One event as stored: its place, its exact bytes, its hash."""

    seq: int
    body: bytes
    hash: bytes


class Head(msgspec.Struct, frozen=True):
    """The end of a chain."""

    seq: int
    hash: bytes


START = Head(0, GENESIS)


def event_hash(prev_hash: bytes, body: bytes) -> bytes:
    """SHA-256 over a domain label, the previous hash (32 bytes) and the event's bytes. Raises LedgerBroken."""
    if len(prev_hash) != HASH_BYTES:
        raise LedgerBroken(Words("前一哈希长度有误。", "A previous hash has a wrong length."), hint=_HINT)
    state = _EVENT.copy()
    state.update(prev_hash)
    state.update(body)
    return state.digest()


def commitment(salt: bytes, canonical: bytes) -> bytes:
    """SHA-256 over a domain label, a 16-byte random salt and the canonical bytes of what is committed to.

    Without the salt a guess of the holder cannot be tested. Raises LedgerBroken for a salt of another length.
    """
    if len(salt) != SALT_BYTES:
        raise LedgerBroken(Words("盐值长度有误。", "A commitment's salt must be 16 bytes."), hint=_HINT)
    state = _COMMITMENT.copy()
    state.update(salt)
    state.update(canonical)
    return state.digest()


def check_chain(links: Iterable[Link], after: Head = START) -> Head:
    """Follow the chain from `after` and return its end; the caller compares that with the witness.

    Raises LedgerBroken that names the first sequence number which is missing, repeated or altered.
    """
    head = after
    for link in links:
        if link.seq != head.seq + 1:
            raise _broken(head.seq + 1, "序号不连续", f"found {link.seq} in its place")
        if event_hash(head.hash, link.body) != link.hash:
            raise _broken(link.seq, "哈希不符", "its hash does not follow from the one before")
        head = Head(link.seq, link.hash)
    return head


def _broken(seq: int, zh: str, en: str) -> LedgerBroken:
    return LedgerBroken(Words(f"台账第 {seq} 条：{zh}。", f"Ledger entry {seq}: {en}."), hint=_HINT)


_HINT = "stop issuing, keep the database as it is, then: verify audit"
