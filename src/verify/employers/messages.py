"""The requests that an employer's address receives: what they say, how they are signed, how an answer counts."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, Protocol

import msgspec

from verify.certificate.record import Status
from verify.certificate.status import Verdict, verdict_of
from verify.employers.operator import OperatorSigner
from verify.proof.http_signature import (
    ALGORITHMS,
    Component,
    Parameters,
    content_digest,
    signature_base,
    signature_fields,
)
from verify.proof.public import PublicKey
from verify.store.journal import from_micros
from verify.store.notices import Notice
from verify.telemetry import tally

EVENT_ID: Final = "Verify-Event-Id"
"""The same event has the same id each time it comes: a receiver that has seen it does nothing."""
TAG: Final = "verify-webhook"
LABEL: Final = "verify"
MEDIA: Final = "application/json"

_encode = msgspec.json.Encoder().encode


class Outcome(StrEnum):
    """How one request ended."""

    DELIVERED = "delivered"
    """Answered with success."""
    REFUSED = "refused"
    """Answered with anything else."""
    REDIRECTED = "redirected"
    """Sent elsewhere: never followed."""
    UNREACHABLE = "unreachable"
    """No connection, no valid TLS certificate, or no HTTP."""
    ADDRESS_REFUSED = "address-refused"
    """Its name leads to an address that this service does not call."""
    TOO_SLOW = "too-slow"


class Sent(msgspec.Struct, frozen=True):
    """What came of one request."""

    outcome: Outcome
    status: int | None
    took_ms: int
    answer: bytes = b""
    """The beginning of what was answered. Compared, never kept."""


class Post(Protocol):
    """The wire. It never raises, follows no redirect, and calls no address that `addresses.is_refused`."""

    async def __call__(self, url: str, fields: Mapping[str, str], body: bytes) -> Sent:
        """POST `body` to `url`."""
        ...


def event_view(notice: Notice, *, revoked_public: bool) -> dict[str, Any]:
    """An event as feed and webhook tell it. Nothing about the holder, nothing that the public would not be told."""
    hidden = notice.status is Status.REVOKED and not revoked_public
    until = None if hidden or notice.until is None else from_micros(notice.until)
    return {
        "id": str(notice.place),
        "seq": notice.seq,
        "number": notice.number,
        "change": "withdrawn" if hidden and notice.change == "revoked" else notice.change,
        "verdict": Verdict.UNKNOWN if hidden else verdict_of(notice.status),
        "revision": notice.revision,
        "since": from_micros(notice.since),
        "until": until,
        "reason": None if hidden else notice.reason,
    }


async def signed_post(
    post: Post, signer: OperatorSigner, url: str, event_id: str, content: Mapping[str, Any], at: int
) -> Sent:
    """Sign `content` as a request of this very moment (`at`, seconds) and send it.

    Covered are method, whole address, content type, digest of the content and event id. Raises BadKey.
    """
    body = _encode(content)
    fields = {"Content-Type": MEDIA, "Content-Digest": content_digest(body), EVENT_ID: event_id}
    components: list[Component] = [
        ("@method", "POST"),
        ("@target-uri", url),
        *((name.lower(), value) for name, value in fields.items()),
    ]
    chosen: list[Parameters] = []

    def base(key: PublicKey) -> bytes:
        chosen[:] = [Parameters(created=at, keyid=key.kid, alg=ALGORITHMS[key.alg], tag=TAG)]
        return signature_base(components, chosen[0])

    _, signature = await signer.sign(base)
    sent = await post(url, fields | signature_fields(LABEL, components, chosen[0], signature), body)
    tally.add(tally.webhooks, sent.outcome.value)
    return sent
