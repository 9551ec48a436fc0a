"""Programs that bring certificates and copies into being, in two steps with the signature between them.

`prepare` records what will be signed; `complete` records the signatures and makes the certificate valid.
A crash between the two leaves prepared rows, which `unfinished` finds and the normal code completes.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from verify.certificate.record import CopyCause, Face, Status
from verify.store.contract import Program, Row, run, run_many
from verify.store.journal import EventKind, Journal, Origin, open_journal, to_micros


class Built(msgspec.Struct, frozen=True):
    """Everything about a certificate that could only be made once its number was known."""

    holder_sealed: bytes
    commitment: bytes
    tags: tuple[bytes, ...]
    """Blind-index tags that will find it."""
    scan_code: str
    photo_sealed: bytes | None = None


class Draft(msgspec.Struct, frozen=True):
    """One certificate that an agency asks for."""

    key: str
    """Idempotency key, unique under the agency for ever."""
    request: bytes
    """Keyed digest of the request: the same key with another digest is refused."""
    face: Face
    business_tag: bytes
    """Keyed digest of holder, occupation, work type, level and batch."""
    intended_duplicate: bool
    prefix: str
    """The number without its serial: what the serials count under."""
    serial_width: int
    number: str | None
    """A number that the agency brings from its province; else the next serial is taken."""
    kid: str
    build: Callable[[str], Built]
    """Called with the number, inside the transaction; pure."""
    blank_serial: str | None = None
    remark: str | None = None
    replaces: str | None = None


class Prepared(msgspec.Struct, frozen=True):
    """The draft is recorded (now, or by an earlier try) under this number; signing may begin."""

    number: str
    fresh: bool
    """False when the idempotency key was known: the certificate may be issued already."""


class KeyTaken(msgspec.Struct, frozen=True):
    """The idempotency key belongs to another request."""


class SameCertificate(msgspec.Struct, frozen=True):
    """The same person already holds this certificate in this batch."""

    number: str


class NumberTaken(msgspec.Struct, frozen=True):
    """The number that the agency brought exists."""

    number: str


class NumbersSpent(msgspec.Struct, frozen=True):
    """No serial is left under this prefix."""

    prefix: str


Outcome = Prepared | KeyTaken | SameCertificate | NumberTaken | NumbersSpent


class Pending(msgspec.Struct, frozen=True):
    """A recorded copy that waits for its signatures."""

    number: str
    copy: int
    scan_code: str
    cause: CopyCause
    kid: str
    issued_at: int
    """Microseconds since 1970 UTC."""
    blank_serial: str | None
    remark: str | None
    state: str
    pending: bytes | None
    """Sealed `Correction`, for a later copy that changes data."""
    agency: str
    status: Status
    face: Face
    holder_sealed: bytes
    commitment: bytes
    replaces: str | None
    revision: int
    current_copy: int


class _Waiting(msgspec.Struct, frozen=True):
    """What `complete` asks of a recorded copy as it is now; what was signed it need not read again."""

    number: str
    copy: int
    cause: str
    kid: str
    issued_at: int
    state: str
    agency: str
    batch: str | None
    status: str
    commitment: bytes
    replaces: str | None
    revision: int


class Signed(msgspec.Struct, frozen=True):
    """The signatures of one pending copy, read back and found good, sealed as `personal.seal_signed` does."""

    number: str
    copy: int
    token: bytes
    credential: bytes
    renewed: "Renewed | None" = None
    """What a corrected copy changes in the register."""
    request: bytes | None = None
    """Keyed digest of the request behind this one copy, where the origin's covers several."""


class Renewed(msgspec.Struct, frozen=True):
    """Corrected data of a certificate under the same number."""

    face: Face
    holder_sealed: bytes
    commitment: bytes
    tags: tuple[bytes, ...]
    business_tag: bytes


class CopyDraft(msgspec.Struct, frozen=True):
    """A further copy of an existing certificate."""

    key: str
    request: bytes
    number: str
    agency: str | None
    """The asking agency; `None` for the operator."""
    scan_code: str
    cause: CopyCause
    kid: str
    blank_serial: str | None
    remark: str | None
    pending: bytes | None
    photo_sealed: bytes | None = None


class CopyPrepared(msgspec.Struct, frozen=True):
    """The copy is recorded under this number; signing may begin."""

    number: str
    copy: int
    fresh: bool


class NotEligible(msgspec.Struct, frozen=True):
    """No such certificate for this agency, or its status allows no new copy."""

    status: Status | None


_face = msgspec.json.Encoder().encode
_read_face = msgspec.json.Decoder(Face).decode
_DEAD = ("void", "revoked", "replaced")
_WRONG_DATA = "REPLACED_INCORRECT"
"""The one reason of the list for which a certificate is replaced by another number."""


class Known(msgspec.Struct, frozen=True):
    """What an idempotency key was used for."""

    request: bytes
    result: str
    """A certificate number, `number/copy`, or the id of a batch."""
    void: bool
    """The certificate was abandoned: the key may be used again for the same request."""


def find_keys(owner: str, keys: Sequence[str]) -> Program[dict[str, Known]]:
    """Those of `keys` that `owner` has used before."""
    rows = yield from run("find_idempotency", owner, list(keys))
    if not rows:
        return {}
    void = {number for (number,) in (yield from run("find_void", [row[2] for row in rows]))}
    return {key: Known(request, result, result in void) for key, request, result in rows}


def prepare(agency: str, drafts: Sequence[Draft], origin: Origin) -> Program[list[Outcome]]:
    """Record drafts of one agency: numbered, sealed, findable, not yet public. One outcome for each."""
    journal = yield from open_journal(origin)
    place: dict[str, int] = {}  # the same key twice in one call is one request, or a refusal
    for draft in drafts:
        place.setdefault(draft.key, len(place))
    firsts: dict[str, Draft] = {}
    for draft in drafts:
        firsts.setdefault(draft.key, draft)
    unique = list(firsts.values())
    outcomes = yield from _prepare_each(agency, unique, journal, to_micros(origin.at))
    yield from journal.close()
    return [_outcome(draft, firsts[draft.key], outcomes[place[draft.key]]) for draft in drafts]


def _outcome(draft: Draft, first: Draft, outcome: Outcome) -> Outcome:
    if draft is first:
        return outcome
    if draft.request != first.request:
        return KeyTaken()
    return Prepared(outcome.number, fresh=False) if isinstance(outcome, Prepared) else outcome


def _prepare_each(agency: str, drafts: list[Draft], journal: Journal, at: int) -> Program[list[Outcome]]:
    known = yield from find_keys(agency, [draft.key for draft in drafts])
    outcomes: list[Outcome | None] = [_earlier(draft, known.get(draft.key)) for draft in drafts]
    held = yield from _read_held(drafts, outcomes)
    _refuse_duplicates(drafts, outcomes, held)
    yield from _take_brought(drafts, outcomes)
    twins = _twins(drafts, outcomes)
    yield from _take_numbers(drafts, outcomes, twins, journal)
    for i, first in twins.items():
        outcome = outcomes[first]
        outcomes[i] = SameCertificate(outcome.number) if isinstance(outcome, Prepared) else outcome
    nth = {tag: rows[-1].nth + 1 for tag, rows in held.items()}  # so that meant duplicates stay unique
    yield from _insert(agency, drafts, outcomes, nth, journal.seq, at, known)
    return [outcome for outcome in outcomes if outcome is not None]


def _earlier(draft: Draft, known: Known | None) -> Outcome | None:
    """The outcome of a key that was seen before; an abandoned certificate gives its key back."""
    if known is None:
        return None
    if known.request != draft.request:
        return KeyTaken()
    return None if known.void else Prepared(known.result, fresh=False)


class _Held(NamedTuple):
    """A certificate that a person has of one occupation, work type, level and batch."""

    number: str
    nth: int
    status: str


def _read_held(
    drafts: Sequence[Draft], outcomes: Sequence[Outcome | None]
) -> Program[dict[bytes, list[_Held]]]:
    """What the persons of the drafts that are still open hold, by business tag, oldest first."""
    tags = [draft.business_tag for draft, outcome in zip(drafts, outcomes, strict=True) if outcome is None]
    held: dict[bytes, list[_Held]] = {}
    for tag, *rest in (yield from run("find_business", tags)) if tags else ():
        held.setdefault(tag, []).append(_Held(*rest))
    return held


def _refuse_duplicates(
    drafts: Sequence[Draft], outcomes: list[Outcome | None], held: Mapping[bytes, Sequence[_Held]]
) -> None:
    """Refuse drafts whose person holds the same certificate in the same batch, unless that is meant."""
    for i, draft in enumerate(drafts if held else ()):
        if outcomes[i] is None and not draft.intended_duplicate:
            # The certificate that this one takes the place of does not stand in its way.
            same = [
                one.number
                for one in held.get(draft.business_tag, ())
                if one.status not in _DEAD and one.number != draft.replaces
            ]
            outcomes[i] = SameCertificate(same[-1]) if same else None


def _twins(drafts: Sequence[Draft], outcomes: Sequence[Outcome | None]) -> dict[int, int]:
    """Places of drafts that repeat the person and certificate of an earlier draft of this call, unmeant."""
    first: dict[bytes, int] = {}
    twins: dict[int, int] = {}
    for i, draft in enumerate(drafts):
        if outcomes[i] is None or _is_fresh(outcomes[i]):
            earlier = first.setdefault(draft.business_tag, i)
            if earlier != i and not draft.intended_duplicate:
                twins[i] = earlier
    return twins


def _take_brought(drafts: Sequence[Draft], outcomes: list[Outcome | None]) -> Program[None]:
    """Accept numbers that agencies bring if they are free, and keep the counter ahead of them."""
    brought = [d.number for d, o in zip(drafts, outcomes, strict=True) if o is None and d.number]
    if not brought:
        return
    taken = {number for (number,) in (yield from run("find_spent", brought))}
    highest: dict[str, int] = {}
    for i, draft in enumerate(drafts):
        if outcomes[i] is not None or draft.number is None:
            continue
        if draft.number in taken:
            outcomes[i] = NumberTaken(draft.number)
            continue
        taken.add(draft.number)
        outcomes[i] = Prepared(draft.number, fresh=True)
        serial = draft.number[len(draft.prefix) :]
        if draft.number.startswith(draft.prefix) and serial.isdigit():
            highest[draft.prefix] = max(highest.get(draft.prefix, 0), int(serial))
    yield from run_many("skip_numbers", [(prefix, serial + 1) for prefix, serial in highest.items()])


def _take_numbers(
    drafts: Sequence[Draft], outcomes: list[Outcome | None], twins: dict[int, int], journal: Journal
) -> Program[None]:
    """Give the rest the next serials of their prefix, in the order of the drafts; never one twice."""
    wanted: dict[str, list[int]] = {}
    for i, draft in enumerate(drafts):
        if outcomes[i] is None and i not in twins:
            wanted.setdefault(draft.prefix, []).append(i)
    for prefix, places in wanted.items():
        width = drafts[places[0]].serial_width
        ((after,),) = yield from run("take_numbers", prefix, len(places))
        first = after - len(places)
        for serial, i in enumerate(places, first):
            fits = serial < 10**width
            outcomes[i] = (
                Prepared(f"{prefix}{serial:0{width}d}", fresh=True) if fits else NumbersSpent(prefix)
            )
        journal.add(EventKind.NUMBERS_TAKEN, {"prefix": prefix, "first": first, "count": len(places)})


def _is_fresh(outcome: Outcome | None) -> bool:
    return isinstance(outcome, Prepared) and outcome.fresh


def _insert(
    agency: str,
    drafts: Sequence[Draft],
    outcomes: Sequence[Outcome | None],
    nth: dict[bytes, int],
    seq: int,
    at: int,
    known: Mapping[str, Known],
) -> Program[None]:
    """Write the rows of the fresh drafts."""
    certificates: list[Row] = []
    copies: list[Row] = []
    finders: list[Row] = []
    keys: list[Row] = []
    given_back: list[Row] = []
    photos: list[Row] = []
    for draft, outcome in zip(drafts, outcomes, strict=True):
        if not isinstance(outcome, Prepared) or not outcome.fresh:
            continue
        tag, number = draft.business_tag, outcome.number
        made = draft.build(number)
        count = nth.get(tag, 0)
        nth[tag] = count + 1
        certificates.append(
            (number, agency, draft.face.batch, _face(draft.face).decode(), made.holder_sealed, made.commitment,
             tag, count, seq, at, draft.replaces)
        )  # fmt: skip
        copies.append(
            (number, 1, made.scan_code, "original", draft.kid, at, draft.blank_serial, draft.remark, None)
        )
        finders.extend((finder, number) for finder in made.tags)
        if draft.key in known:
            given_back.append((agency, draft.key, number))
        else:
            keys.append((agency, draft.key, draft.request, number))
        if made.photo_sealed is not None:
            photos.append((number, 1, made.photo_sealed))
    yield from run_many("insert_certificate", certificates)
    yield from run_many("insert_copy", copies)
    yield from run_many("insert_finder", finders)
    yield from run_many("insert_idempotency", keys)
    yield from run_many("reuse_idempotency", given_back)
    yield from run_many("insert_photo", photos)


def read_pending(numbers: Sequence[str]) -> Program[list[Pending]]:
    """The last recorded copy of each number, signed or not."""
    rows = yield from run("read_prepared", list(numbers))
    return [_pending(row) for row in rows]


class IssuedCopy(msgspec.Struct, frozen=True):
    """One copy with its signatures, sealed."""

    number: str
    copy: int
    scan_code: str
    kid: str
    issued_at: int
    """Microseconds since 1970 UTC."""
    token: bytes
    credential: bytes


def read_issued(copies: Sequence[tuple[str, int]]) -> Program[dict[tuple[str, int], IssuedCopy]]:
    """Those of `copies` that are issued."""
    if not copies:
        return {}
    wanted = set(copies)
    rows = yield from run("read_issued_copies", list({number for number, _ in copies}))
    return {(row[0], row[1]): IssuedCopy(*row) for row in rows if (row[0], row[1]) in wanted}


def unfinished(before: int, limit: int) -> Program[list[tuple[str, int]]]:
    """Copies recorded at or before `before` (microseconds) and not signed yet: what a crash left."""
    rows = yield from run("unfinished_copies", before, limit)
    return [(number, copy) for number, copy in rows]


def _pending(row: Row) -> Pending:
    values: list[Any] = list(row)
    values[3] = _CAUSES[values[3]]
    values[11] = _STATUSES[values[11]]
    values[12] = _read_face(values[12])
    return Pending(*values)


_CAUSES = {cause.value: cause for cause in CopyCause}
_STATUSES = {status.value: status for status in Status}


class Completed(msgspec.Struct, frozen=True):
    """The copy is issued."""

    number: str
    copy: int
    here: bool = True
    """False when somebody else had completed it: his signatures stand, not these."""


class Abandoned(msgspec.Struct, frozen=True):
    """The copy could not be issued any more and is void; its number stays spent."""

    number: str
    copy: int
    cause: str
    """`agency`, `key`, `status` or `predecessor`: what no longer allowed it."""


def complete(signed: Sequence[Signed], origin: Origin) -> Program[list[Completed | Abandoned]]:
    """Record signatures and make the copies current; a copy that someone completed before is left as it is."""
    journal = yield from open_journal(origin)
    pending = yield from _read_waiting([one.number for one in signed])
    blocked = yield from _blocked(list(pending.values()), origin.at)
    results: list[Completed | Abandoned] = []
    tokens: list[Row] = []
    begun: list[Signed] = []
    for one in signed:
        copy = pending[one.number]
        if copy.copy != one.copy or copy.state != "prepared":
            results.append((yield from _settled(one.number, one.copy)))
        elif (cause := blocked.get(one.number) or _not_now(copy)) is not None:
            yield from _abandon(copy, cause, journal)
            results.append(Abandoned(one.number, one.copy, cause))
        else:
            tokens.append((one.number, one.copy, one.token, one.credential))
            begun.append(one)
            results.append(Completed(one.number, one.copy))
    yield from run_many("complete_copy", tokens)
    plain: list[Row] = []
    for one in begun:
        copy = pending[one.number]
        if copy.copy > 1:
            yield from _renew(copy, one, journal)
        else:
            if copy.replaces is not None:
                yield from _replace(copy, origin, journal)
            plain.append((one.number, _issued(copy, one, journal), copy.issued_at))
    yield from run_many("complete_certificate", plain)
    yield from journal.close()
    return results


def _read_waiting(numbers: Sequence[str]) -> Program[dict[str, _Waiting]]:
    """The last copy of each number."""
    last: dict[str, _Waiting] = {}
    for row in (yield from run("read_waiting", list(numbers))):
        if row[0] not in last or last[row[0]].copy < row[1]:
            last[row[0]] = _Waiting(*row)
    return last


def _settled(number: str, copy: int) -> Program[Completed | Abandoned]:
    """What became of a copy that somebody else dealt with."""
    ((*_, state, _, _),) = yield from run("find_copy", number, copy)
    return Completed(number, copy, here=False) if state == "issued" else Abandoned(number, copy, "status")


def abandon(copies: Sequence[tuple[str, int]], cause: str, origin: Origin) -> Program[list[Abandoned]]:
    """Give up prepared copies that nobody can sign any more; others are left as they are."""
    journal = yield from open_journal(origin)
    wanted = set(copies)
    done = []
    for copy in (yield from read_pending([number for number, _ in copies])):
        if copy.state == "prepared" and (copy.number, copy.copy) in wanted:
            yield from _abandon(copy, cause, journal)
            done.append(Abandoned(copy.number, copy.copy, cause))
    yield from journal.close()
    return done


def _blocked(pending: Sequence[_Waiting], at: dt.datetime) -> Program[dict[str, str]]:
    """Which of these may not be issued because of their agency, key or predecessor as they are now."""
    agencies: dict[str, str] = dict((yield from run("agency_states", list({p.agency for p in pending}))))
    keys: dict[str, str] = dict((yield from run("signing_key_states", list({p.kid for p in pending}))))
    predecessors = [p.replaces for p in pending if p.replaces and p.state == "prepared"]
    valid: set[str] = set()
    if predecessors:
        rows = yield from run("read_state", predecessors)
        valid = {row[0] for row in rows if row[2] == "valid" or _lapsed(row[2], row[4], at)}
    blocked: dict[str, str] = {}
    for one in pending:
        if agencies.get(one.agency) != "active":
            blocked[one.number] = "agency"
        elif keys.get(one.kid) == "compromised":
            blocked[one.number] = "key"
        elif one.replaces and one.copy == 1 and one.replaces not in valid:
            blocked[one.number] = "predecessor"
    return blocked


def _lapsed(status: str, until: int | None, at: dt.datetime) -> bool:
    """A suspension past its end counts as valid; a standing one has no arrow to replaced."""
    return status == "suspended" and until is not None and until <= to_micros(at)


def _not_now(copy: _Waiting) -> str | None:
    """A later copy needs a certificate that still lives."""
    if copy.copy == 1 or copy.status in (Status.VALID, Status.SUSPENDED):
        return None
    return "status"


def _abandon(copy: _Waiting | Pending, cause: str, journal: Journal) -> Program[None]:
    yield from run("void_copy", copy.number, copy.copy)
    seq = journal.add(EventKind.ABANDONED, {"copy": copy.copy, "cause": cause}, number=copy.number)
    if copy.copy == 1:
        yield from run("delete_finder", copy.number)
        yield from run("void_certificate", copy.number, seq)


def _issued(copy: _Waiting, signed: Signed, journal: Journal) -> int:
    return journal.add(
        EventKind.ISSUED,
        {
            "agency": copy.agency, "batch": copy.batch, "status": "valid", "revision": 1, "copy": 1,
            "kid": copy.kid, "since": copy.issued_at, "commitment": copy.commitment.hex(),
            "replaces": copy.replaces,
        },
        number=copy.number, request=signed.request,
    )  # fmt: skip


def _replace(copy: _Waiting, origin: Origin, journal: Journal) -> Program[None]:
    """End the predecessor in the same commit that begins its successor."""
    assert copy.replaces is not None
    ((number, _, _, revision, *_),) = yield from run("read_state", [copy.replaces])
    since = to_micros(origin.at)
    data = {"status": "replaced", "revision": revision + 1, "since": since, "reason": _WRONG_DATA, "until": None,
            "replaced_by": copy.number}  # fmt: skip
    seq = journal.add(EventKind.REPLACED, data, number=number)
    yield from run("change_certificate", number, "replaced", seq, since, _WRONG_DATA, None, copy.number)


def _renew(copy: _Waiting, signed: Signed, journal: Journal) -> Program[None]:
    """Make copy n + 1 current; copy n is replaced by the same statement."""
    renewed = signed.renewed
    commitment = renewed.commitment if renewed else copy.commitment
    seq = journal.add(
        EventKind.COPY_ISSUED,
        {"revision": copy.revision + 1, "copy": copy.copy, "cause": copy.cause, "kid": copy.kid,
         "commitment": commitment.hex()},
        number=copy.number,
    )  # fmt: skip
    yield from run("renew_certificate", copy.number, seq, copy.copy)
    if renewed:
        face = _face(renewed.face).decode()
        yield from run("correct_certificate", copy.number, face, renewed.holder_sealed, commitment)
        yield from run("delete_finder", copy.number)
        yield from run_many("insert_finder", [(tag, copy.number) for tag in renewed.tags])
        # The first tag is the person's: a correction lists nobody anew who wished not to be listed.
        yield from run_many("keep_unlisted", [(copy.number, tag) for tag in renewed.tags[:1]])
        rows = yield from run("find_business", [renewed.business_tag])
        if all(number != copy.number for _, number, _, _ in rows):
            nth = 1 + max((nth for _, _, nth, _ in rows), default=-1)
            yield from run("retag_certificate", copy.number, renewed.business_tag, nth)


def prepare_copy(
    draft: CopyDraft, owner: str, origin: Origin
) -> Program[CopyPrepared | KeyTaken | NotEligible]:
    """Record a further copy of a living certificate; it becomes current when `complete` has its signatures."""
    yield from open_journal(origin)  # its lock keeps two callers from taking the same copy number
    known = yield from run("find_idempotency", owner, [draft.key])
    voided = False
    if known:
        _, request, result = known[0]
        number, _, copy_text = result.partition("/")
        if request != draft.request:
            return KeyTaken()
        found = yield from run("find_copy", number, int(copy_text or 1))
        voided = bool(found) and found[0][8] == "void"
        if not voided:
            return CopyPrepared(number, int(copy_text or 1), False)
    rows = yield from run("read_prepared", [draft.number])
    if not rows or (draft.agency is not None and rows[0][10] != draft.agency):
        return NotEligible(None)
    last = _pending(rows[0])
    if last.status not in (Status.VALID, Status.SUSPENDED) or last.state == "prepared":
        return NotEligible(last.status)
    copy = last.copy + 1
    yield from run("insert_copy", draft.number, copy, draft.scan_code, draft.cause.value, draft.kid,
                   to_micros(origin.at), draft.blank_serial, draft.remark, draft.pending)  # fmt: skip
    if voided:
        yield from run("reuse_idempotency", owner, draft.key, f"{draft.number}/{copy}")
    else:
        yield from run("insert_idempotency", owner, draft.key, draft.request, f"{draft.number}/{copy}")
    if draft.photo_sealed is not None:
        yield from run("insert_photo", draft.number, copy, draft.photo_sealed)
    return CopyPrepared(draft.number, copy, True)
