"""Applying to a restored register what the journal knows of the time after its backup.

The ledger goes on with the very same entries, so its chain and its witness agree again, and whatever ended a
certificate, a copy, an agency, an API key or a signing key since then ends it here too. What was made since
then cannot be made again from a ledger that holds no personal data: it is counted as lost, by number, and no
number of it is ever given again.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from verify.errors import LedgerBroken, Words
from verify.proof.ledger import Head, Link, event_hash
from verify.store.contract import Program, run, run_many
from verify.store.journal import Event, EventKind, decode_event

_CHANGES = (EventKind.SUSPENDED, EventKind.REINSTATED, EventKind.REVOKED, EventKind.REPLACED)
_encode = msgspec.json.Encoder().encode


class Replayed(msgspec.Struct, frozen=True):
    """What became of the journal's events."""

    after: int
    """The ledger entry that the backup ended with."""
    seq: int
    """The one that the register ends with now."""
    hash: str
    """Its hash, hex."""
    changes: int
    """Events applied that end or change something that the backup has."""
    lost_certificates: tuple[str, ...] = ()
    """Issued after the backup. Their numbers stay spent; issue them again."""
    lost_copies: tuple[str, ...] = ()
    """`number/copy`, issued after the backup. The copy before is not current any more; reissue once more."""
    lost_credentials: tuple[str, ...] = ()
    """API keys made after the backup; make new ones."""
    lost_key_certificates: tuple[str, ...] = ()
    """Signing keys made after the backup, whose X.509 certificate is in their key file alone."""
    missing: tuple[int, ...] = ()
    """Entries that no journal holds, at most the first hundred. The ledger then goes on with another chain."""


def replay(links: Sequence[Link], *, gaps_allowed: bool = False) -> Program[Replayed]:
    """Apply `links`, the journal's events after the backup's head, in ascending order.

    Raises LedgerBroken when they do not follow from this register, or when some are missing and that is not
    allowed; allowed, the events after a gap are recorded under the next numbers, with another hash.
    """
    ((seq, digest),) = yield from run("lock_head")
    head = Head(seq, bytes(digest))
    missing = _missing(head.seq, links)
    if missing and not gaps_allowed:
        shown = ", ".join(str(one) for one in missing[:5])
        what = Words(f"日志簿缺少台账第 {shown} 条。", f"The journal lacks ledger entries: {shown}.")
        raise LedgerBroken(what, hint="add every node's file with --journal; if they are lost: --allow-gaps")
    desk = _Replay()
    for link in links:
        event, head, row = _next(link, head, forked=bool(missing))
        yield from run_many("insert_event", [row])
        yield from desk.take(event)
    if links:
        yield from run("advance_head", head.seq, head.hash)
    return desk.result(seq, head, missing)


def _missing(after: int, links: Sequence[Link]) -> list[int]:
    found: list[int] = []
    wanted = after + 1
    for link in links:
        found += range(wanted, min(link.seq, wanted + 100))
        wanted = link.seq + 1
    return found[:100]


def _next(link: Link, head: Head, *, forked: bool) -> tuple[Event, Head, tuple[Any, ...]]:
    """The event, the head after it, and its row: the same bytes as long as the chain holds."""
    event, body, digest = decode_event(link.body), link.body, link.hash
    if link.seq != head.seq + 1 or event_hash(head.hash, body) != digest:
        if not forked:
            what = Words(
                f"日志簿第 {link.seq} 条不接此备份。",
                f"Entry {link.seq} of the journal does not follow this backup.",
            )
            raise LedgerBroken(what, hint="is it the journal of this register? try an older or newer backup")
        event = msgspec.structs.replace(event, seq=head.seq + 1)
        body = _encode(event)
        digest = event_hash(head.hash, body)
    row = (event.seq, event.kind, event.number, event.scope, body.decode(), digest)
    return event, Head(event.seq, digest), row


class _Replay:
    """Applies one event after the other to the tables."""

    def __init__(self) -> None:
        self.changes = 0
        self.certificates: list[str] = []
        self.copies: list[str] = []
        self.credentials: list[str] = []
        self.keys: list[str] = []

    def result(self, after: int, head: Head, missing: Sequence[int]) -> Replayed:
        return Replayed(
            after, head.seq, head.hash.hex(), self.changes, tuple(self.certificates), tuple(self.copies),
            tuple(self.credentials), tuple(self.keys), tuple(missing),
        )  # fmt: skip

    def take(self, event: Event) -> Program[None]:
        """Let one event happen."""
        if event.number is not None:
            yield from self._certificate(event, event.number)
            return
        data, name = event.data, (event.scope or "").partition(":")[2]
        match event.kind:
            case EventKind.NUMBERS_TAKEN:
                yield from run("skip_numbers", data["prefix"], data["first"] + data["count"])
            case EventKind.AGENCY_REGISTERED:
                yield from run(
                    "replay_agency", name, data["kind"], data["name_zh"], data["name_en"], event.at
                )
            case EventKind.AGENCY_CHANGED:
                yield from run("update_agency_state", name, data["state"], event.at, data["reason"])
                self.changes += 1
            case EventKind.FILING_ADDED:
                yield from run("insert_filing", data["id"], name, data["occupation"], data["name"], data["edition"],
                               data["levels"], data["work_types"], data["from_on"], data["to_on"])  # fmt: skip
            case EventKind.FILING_ENDED:
                yield from run("end_filing", data["id"], data["to_on"])
                self.changes += 1
            case EventKind.CREDENTIAL_CREATED:
                self.credentials.append(data["id"])
            case EventKind.CREDENTIAL_REVOKED:
                yield from run("revoke_credential", data["id"], event.at)
                self.credentials = [one for one in self.credentials if one != data["id"]]
                self.changes += 1
            case EventKind.KEY_CREATED:
                yield from self._key(event, data)
            case EventKind.KEY_CHANGED:
                yield from run("update_signing_key", data["kid"], data["state"], data["active_from"],
                               data["active_to"], data["compromised_at"])  # fmt: skip
                self.changes += 1
            case EventKind.TRUST_LIST_SIGNED:
                yield from self._trust_list(data["sequence"])
            case EventKind.REVOCATION_DECIDED:
                yield from run("decide_proposal", data["id"], data["state"], event.actor, event.at)
            case EventKind.SHARE_WITHDRAWN:
                yield from run("withdraw_share", data["id"], event.at)
                self.changes += 1
            case EventKind.NAME_SEARCH_SET if data["listed"]:
                yield from run("delete_unlisted", data["certificate"])
                self.changes += 1
            case _:
                pass  # an upload or a proposal of after the backup is lost; whoever made it makes it again

    def _trust_list(self, sequence: int) -> Program[None]:
        """The list itself is gone; its number is not used again, and a new one is due at once."""
        rows = yield from run("last_trust_list")
        if rows:
            yield from run("insert_trust_list", sequence, 0, rows[0][2])

    def _key(self, event: Event, data: dict[str, Any]) -> Program[None]:
        """The public half; the owner's names come from the register, the X.509 certificate from nowhere."""
        names = {code: (zh, en) for code, zh, en in (yield from run("agency_names", [data["owner"]]))}
        zh, en = names.get(data["owner"], (data["owner"], data["owner"]))
        yield from run("insert_signing_key", data["kid"], data["owner"], zh, en, data["purpose"], data["alg"],
                       bytes.fromhex(data["public"]), None, data["state"], event.at, data["active_from"],
                       data["active_to"], data["compromised_at"])  # fmt: skip
        self.keys.append(data["kid"])

    def _certificate(self, event: Event, number: str) -> Program[None]:
        rows = yield from run("read_state", [number])
        if event.kind == EventKind.ISSUED:
            if not rows:
                self.certificates.append(number)
            return  # a prepared one is finished by the normal code, and then signed with the same content
        if not rows:
            return
        if event.kind == EventKind.COPY_ISSUED:
            yield from self._copy(event, number)
        elif event.kind == EventKind.ABANDONED:
            yield from self._void(number, event.data["copy"], event.seq)
        elif event.kind in _CHANGES and rows[0][6] == 0:
            # Issued and changed after the backup, which has it prepared: it must not come to life again.
            yield from self._void(number, 1, event.seq)
            self.certificates.append(number)
        elif event.kind in _CHANGES:
            yield from self._change(event, number)

    def _change(self, event: Event, number: str) -> Program[None]:
        data = event.data
        until = data["until"] if data["status"] == "suspended" else None
        yield from run("replay_status", number, data["status"], data["revision"], event.seq, data["since"],
                       data["reason"], until, data["replaced_by"])  # fmt: skip
        self.changes += 1

    def _copy(self, event: Event, number: str) -> Program[None]:
        """Signature and scan code of the new copy are gone; the old one is not current all the same."""
        data, copy = event.data, event.data["copy"]
        if (yield from run("find_copy", number, copy)):
            yield from run("replay_void_later", number, copy)
        else:
            lost = f"LOST/{number}/{copy}"
            yield from run("replay_void_copy", number, copy, lost, data["cause"], data["kid"], event.at)
        yield from run("replay_copy", number, data["revision"], event.seq, copy)
        self.copies.append(f"{number}/{copy}")

    def _void(self, number: str, copy: int, seq: int) -> Program[None]:
        yield from run("replay_void_later", number, copy)
        if copy == 1:
            yield from run("delete_finder", number)
            yield from run("void_certificate", number, seq)
        self.changes += 1
