"""The ledger inside a transaction: events get the next sequence numbers and are chained when it ends.

An event tells who, when, what and the keyed digest of the request behind it. It carries no personal data:
a certificate's holder enters only as a salted commitment.
"""

import datetime as dt
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from verify.proof.ledger import event_hash
from verify.store.contract import Program, run, run_many


class EventKind(StrEnum):
    """Everything that the ledger records. Stored; never renamed."""

    AGENCY_REGISTERED = "agency-registered"
    AGENCY_CHANGED = "agency-changed"
    FILING_ADDED = "filing-added"
    FILING_ENDED = "filing-ended"
    CREDENTIAL_CREATED = "credential-created"
    CREDENTIAL_REVOKED = "credential-revoked"
    CREDENTIAL_ROTATED = "credential-rotated"
    """It has a new secret; the old one counts until `old_until`."""
    CREDENTIAL_OLD_ENDED = "credential-old-ended"
    """The old secret ends now, before its time."""
    KEY_CREATED = "key-created"
    KEY_CHANGED = "key-changed"
    TRUST_LIST_SIGNED = "trust-list-signed"
    NUMBERS_TAKEN = "numbers-taken"
    ISSUED = "issued"
    COPY_ISSUED = "copy-issued"
    ABANDONED = "abandoned"
    DOCUMENT_KEPT = "document-kept"
    STAND_IN_FILED = "stand-in-filed"
    STAND_IN_DECIDED = "stand-in-decided"
    DOCUMENT_RENEWED = "document-renewed"
    """An archive timestamp was appended to a kept file."""
    SUSPENDED = "suspended"
    REINSTATED = "reinstated"
    SUSPENSION_ENDED = "suspension-ended"
    """Its `until` has passed. It changes no record: a suspension is over by itself, told or not."""
    REVOKED = "revoked"
    REPLACED = "replaced"
    BATCH_RECEIVED = "batch-received"
    REVOCATION_PROPOSED = "revocation-proposed"
    REVOCATION_DECIDED = "revocation-decided"
    CHECK_RECEIVED = "check-received"
    CHECK_SIGNED = "check-signed"
    """The digest of the file of results that a signature names, the first time that it is signed."""
    RECEIPT_GIVEN = "receipt-given"
    SUBSCRIPTIONS_CHANGED = "subscriptions-changed"
    WEBHOOK_CHANGED = "webhook-changed"
    SHARE_MADE = "share-made"
    SHARE_WITHDRAWN = "share-withdrawn"
    NAME_SEARCH_SET = "name-search-set"
    LOSS_SETTLED = "loss-settled"
    """The operator answers for a certificate, or copies of one, that a restore did not bring back."""


class Origin(msgspec.Struct, frozen=True):
    """Who asks for a change, and when."""

    actor: str
    """Credential id, `cli:USER`, or `system`."""
    at: dt.datetime
    """UTC."""
    request: bytes = b""
    """Keyed digest of the request body; never the body itself."""


class Event(msgspec.Struct, frozen=True):
    """The body of one ledger line; its JSON encoding, byte for byte, is what the hash covers."""

    seq: int
    at: int
    """Microseconds since 1970 UTC."""
    kind: str
    actor: str
    request: str
    """Hex."""
    number: str | None
    scope: str | None
    data: dict[str, Any]


_encode = msgspec.json.Encoder().encode
decode_event = msgspec.json.Decoder(Event).decode

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def to_micros(at: dt.datetime) -> int:
    """Microseconds since 1970 UTC."""
    return (at - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> dt.datetime:
    """The aware UTC instant."""
    return _EPOCH + dt.timedelta(microseconds=micros)


class Journal:
    """The events of one transaction, in order. Made by `open_journal`, ended by `close`."""

    def __init__(self, seq: int, digest: bytes, origin: Origin) -> None:
        """Continue the ledger after `seq`, whose hash is `digest`."""
        self._first = self.seq = seq
        self._digest = digest
        self._actor = origin.actor
        self._at = to_micros(origin.at)
        self._request = origin.request.hex()
        self._rows: list[tuple[Any, ...]] = []
        self._notes: list[tuple[int, bytes]] = []

    def add(
        self,
        kind: EventKind,
        data: Mapping[str, Any],
        *,
        number: str | None = None,
        scope: str | None = None,
        note: bytes | None = None,
        request: bytes | None = None,
    ) -> int:
        """Add one event; returns its sequence number. `note` is sealed free text kept beside it.

        `request` is the digest of this event's own request where the origin's covers several.
        """
        self.seq += 1
        asked = self._request if request is None else request.hex()
        event = Event(self.seq, self._at, kind.value, self._actor, asked, number, scope, dict(data))
        body = _encode(event)
        self._digest = event_hash(self._digest, body)
        self._rows.append((self.seq, kind.value, number, scope, body.decode(), self._digest))
        if note is not None:
            self._notes.append((self.seq, note))
        return self.seq

    def close(self) -> Program[None]:
        """Write the events and move the head; nothing happens when there are none."""
        if self.seq == self._first:
            return
        yield from run_many("insert_event", self._rows)
        yield from run_many("insert_event_note", self._notes)
        yield from run("advance_head", self.seq, self._digest)


def open_journal(origin: Origin) -> Program[Journal]:
    """Lock the ledger head for this transaction."""
    ((seq, digest),) = yield from run("lock_head")
    return Journal(seq, digest, origin)
