"""Applying to a restored register what the journal knows of the time after its backup.

The ledger goes on with the very same entries, so its chain and its witness agree again, and whatever ended a
certificate, a copy, an agency, an API key, a signing key, a link or a listing since then ends it here too. What was
made since then cannot be made again from a ledger that holds no personal data: it is told as lost. A lost certificate
keeps its number, and is not called unknown before the operator has settled it. The table in README.md says what
becomes of each table, and why.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from verify.certificate.number import QualificationNumber, SkillLevelNumber, parse_number, serial_width
from verify.certificate.record import Kind
from verify.errors import Invalid, LedgerBroken, Words
from verify.proof.ledger import Head, Link, event_hash
from verify.store.contract import Program, run, run_many
from verify.store.journal import Event, EventKind, decode_event

_CHANGES = (EventKind.SUSPENDED, EventKind.REINSTATED, EventKind.REVOKED, EventKind.REPLACED)
_encode = msgspec.json.Encoder().encode
LAST = 1 << 62
"""Beyond every delivery of a webhook."""

PersonTag = Callable[[str, bytes], bytes]
"""From number and sealed holder to the person's tag in the blind index. May raise NotReady: the data keys are away."""


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
    """Issued after the backup. Their numbers stay spent, and look-ups could not check them until they are settled."""
    lost_copies: tuple[str, ...] = ()
    """`number/copy`, issued after the backup. The copy before is not current any more; reissue once more."""
    lost_credentials: tuple[str, ...] = ()
    """API keys made after the backup; make new ones."""
    lost_key_certificates: tuple[str, ...] = ()
    """Signing keys made after the backup, whose X.509 certificate is in their key file alone."""
    lost_others: dict[str, tuple[str, ...]] = {}
    """By kind of event, what else was made after the backup: ids, or who asked for it where it has none."""
    missing: tuple[int, ...] = ()
    """Entries that no journal holds, at most the first hundred. The ledger then goes on with another chain."""


def replay(
    links: Sequence[Link], *, history: str, person_tag: PersonTag, gaps_allowed: bool = False
) -> Program[Replayed]:
    """Apply `links`, the journal's events after the backup's head, in ascending order, and begin a new `history`.

    `history`: random, so that what caches hold of any other history is no part of this one. `person_tag`: called
    for holders who left the search by person after the backup. Raises LedgerBroken when they do not follow from this
    register, or when some are missing and that is not allowed; allowed, the events after a gap are recorded under the
    next numbers, with another hash.
    """
    ((seq, digest),) = yield from run("lock_head")
    head = Head(seq, bytes(digest))
    missing = _missing(head.seq, links)
    if missing and not gaps_allowed:
        shown = ", ".join(str(one) for one in missing[:5])
        what = Words(f"日志簿缺少台账第 {shown} 条。", f"The journal lacks ledger entries: {shown}.")
        raise LedgerBroken(what, hint="add every node's file with --journal; if they are lost: --allow-gaps")
    yield from run("begin_history", history)
    desk = _Replay(person_tag)
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

    def __init__(self, person_tag: PersonTag) -> None:
        self._person_tag = person_tag
        self.changes = 0
        self.certificates: list[str] = []
        self.copies: list[str] = []
        self.credentials: list[str] = []
        self.keys: list[str] = []
        self.others: dict[str, list[str]] = {}

    def result(self, after: int, head: Head, missing: Sequence[int]) -> Replayed:
        return Replayed(
            after, head.seq, head.hash.hex(), self.changes, tuple(self.certificates), tuple(self.copies),
            tuple(self.credentials), tuple(self.keys),
            {kind: tuple(dict.fromkeys(ids)) for kind, ids in self.others.items()}, tuple(missing),
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
                self._forget(EventKind.CREDENTIAL_ROTATED, data["id"])
                self.changes += 1
            case EventKind.CREDENTIAL_ROTATED | EventKind.CREDENTIAL_OLD_ENDED:
                yield from self._rotation(event, data)
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
            case EventKind.NAME_SEARCH_SET:
                yield from self._listing(event, data["certificate"], listed=data["listed"])
            case EventKind.WEBHOOK_CHANGED if data["to"] == "deleted":
                yield from run("delete_deliveries", data["id"], LAST)
                yield from run("delete_webhook", data["id"])
                self._forget(EventKind.WEBHOOK_CHANGED, data["id"])
                self.changes += 1
            case EventKind.CHECK_SIGNED:
                yield from run("keep_check_digest", data["id"], bytes.fromhex(data["digest"]))
                self.changes += 1
            case EventKind.RECEIPT_GIVEN:
                yield from self._receipt(event, data)
            case EventKind.STAND_IN_DECIDED:
                yield from run("decide_stand_in", data["id"], data["state"], event.actor, event.at)
                self.changes += 1
            case EventKind.STAND_IN_FILED:
                self._note(event, data["id"])
            case EventKind.REVOCATION_PROPOSED | EventKind.BATCH_RECEIVED | EventKind.CHECK_RECEIVED:
                self._note(event, data["id"])
            case EventKind.SHARE_MADE | EventKind.WEBHOOK_CHANGED:
                self._note(event, data["id"])
            case EventKind.SUBSCRIPTIONS_CHANGED:
                self._note(event, event.actor)
            case _:
                pass  # it changes no table

    def _note(self, event: Event, what: str) -> None:
        """What is lost, and harms nobody while it is: whoever made it makes it again."""
        self.others.setdefault(event.kind, []).append(what)

    def _forget(self, kind: EventKind, what: str) -> None:
        """It was ended later: it is not missing."""
        self.others[kind] = [one for one in self.others.get(kind, ()) if one != what]

    def _listing(self, event: Event, number: str, *, listed: bool) -> Program[None]:
        """A holder's wish. The tag stands in no event: it is made again from the sealed holder."""
        rows = yield from run("read_certificates", [number])
        if not rows:
            return  # lost itself, and found by nobody
        yield from run("delete_unlisted", number)
        if not listed:
            tag = self._person_tag(number, rows[0][11])
            yield from run("insert_unlisted", number, tag, event.at)
        self.changes += 1

    def _receipt(self, event: Event, data: dict[str, Any]) -> Program[None]:
        """A receipt must not be called a forgery: all that is kept of it is in the event."""
        if not (yield from run("find_credential", event.actor)):
            self._note(event, data["id"])  # given to a key that is lost
            return
        yield from run("insert_receipt", data["id"], event.actor, bytes.fromhex(event.request),
                       bytes.fromhex(data["digest"]), event.at)  # fmt: skip
        self.changes += 1

    def _rotation(self, event: Event, data: dict[str, Any]) -> Program[None]:
        """The old secret ends when it was to end. The new one is in no ledger: until the key is exchanged again only
        the old one opens anything."""
        if not (yield from run("find_credential", data["id"])):
            return  # lost itself
        if event.kind == EventKind.CREDENTIAL_ROTATED:
            yield from run("rotate_credential", data["id"], b"", data["old_until"], data["rotations"])
            self._note(event, data["id"])
        else:
            yield from run("end_old_secret", data["id"], data["old_until"])
        self.changes += 1

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
        if event.kind == EventKind.LOSS_SETTLED:
            yield from run("settle_lost", number, event.at, event.actor)
            return
        if event.kind == EventKind.ISSUED:
            if not rows:
                yield from self._lost(event, number)
            return  # a prepared one is finished by the normal code, and then signed with the same content
        if not rows:
            if event.kind in _CHANGES:
                yield from run("change_lost", number, event.data["status"], _until(event))
            return
        if event.kind == EventKind.DOCUMENT_KEPT:
            data = event.data  # it is made anew when it is asked for
            self._note(event, f"{number}/{data['copy']}/{data['kind']}")
        elif event.kind == EventKind.COPY_ISSUED:
            yield from self._copy(event, number)
        elif event.kind == EventKind.ABANDONED:
            yield from self._void(number, event.data["copy"], event.seq)
        elif event.kind in _CHANGES and rows[0][6] == 0:
            # Issued and changed after the backup, which has it prepared: it must not come to life again.
            yield from self._void(number, 1, event.seq)
            yield from self._lose(number, 1, rows[0][1], event)
            yield from run("change_lost", number, event.data["status"], _until(event))
            self.certificates.append(number)
        elif event.kind in _CHANGES:
            yield from self._change(event, number)

    def _lost(self, event: Event, number: str) -> Program[None]:
        """Issued after the backup: no counter and nobody who brings a number may give it again."""
        counted = _counted(number)
        if counted is not None:
            yield from run("skip_numbers", *counted)
        yield from self._lose(number, 1, event.data["agency"], event)
        self.certificates.append(number)

    def _lose(self, number: str, copy: int, agency: str, event: Event) -> Program[None]:
        yield from run("insert_lost", number, copy, agency, event.at, "valid", None)

    def _change(self, event: Event, number: str) -> Program[None]:
        data = event.data
        yield from run("replay_status", number, data["status"], data["revision"], event.seq, data["since"],
                       data["reason"], _until(event), data["replaced_by"])  # fmt: skip
        self.changes += 1

    def _copy(self, event: Event, number: str) -> Program[None]:
        """Signature and scan code of the new copy are gone; the old one is not current all the same."""
        data, copy = event.data, event.data["copy"]
        if (yield from run("find_copy", number, copy)):
            yield from run("replay_void_later", number, copy)
        else:
            lost = f"LOST/{number}/{copy}"
            yield from run("replay_void_copy", number, copy, lost, data["cause"], data["kid"], event.at)
        ((_, agency, *_),) = yield from run("read_state", [number])
        yield from self._lose(number, copy, agency, event)
        yield from run("replay_copy", number, data["revision"], event.seq, copy)
        self.copies.append(f"{number}/{copy}")

    def _void(self, number: str, copy: int, seq: int) -> Program[None]:
        yield from run("replay_void_later", number, copy)
        if copy == 1:
            yield from run("delete_finder", number)
            yield from run("void_certificate", number, seq)
        self.changes += 1


def _until(event: Event) -> int | None:
    return event.data["until"] if event.data["status"] == "suspended" else None


def _counted(number: str) -> tuple[str, int] | None:
    """The counter's key and the serial after this one; None for a number of another province's scheme."""
    try:
        parsed = parse_number(number)
    except Invalid:
        return None
    if not isinstance(parsed, SkillLevelNumber | QualificationNumber):
        return None
    kind = Kind.SKILL_LEVEL if isinstance(parsed, SkillLevelNumber) else Kind.QUALIFICATION
    return None if parsed.serial is None else (parsed.text[: -serial_width(kind)], parsed.serial + 1)
