"""Issuing: checked → prepared → signed → read back → completed → published, for one certificate or many.

`Issuance._issue` is the one flow. Everything before step 3 can be refused without a trace; from step 3 on
there is a record, and whoever comes next (the same caller again, or start-up) finishes it by steps 4 and 5.
"""

import asyncio
import datetime as dt
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec

from verify.certificate.record import Agency, Filing
from verify.certificate.request import Checked, IssueRequest, check_request
from verify.documents.picture import check_photo
from verify.errors import BadKey, KeyReused, NotFound, NotReady, VerifyError, Words
from verify.issuance.caller import check_key
from verify.issuance.drafting import abandonment, make_draft, recorded, request_digest
from verify.issuance.printable import require_printable
from verify.issuance.signing import Fresh, Signers, require_in_window, sign_copies
from verify.issuance.stand_ins import StandIns
from verify.proof.public import PublicKey
from verify.proof.sealing import DataKeys
from verify.store.certificates import (
    Abandoned,
    Completed,
    Draft,
    IssuedCopy,
    Known,
    Pending,
    Prepared,
    abandon,
    complete,
    find_keys,
    prepare,
    read_issued,
    read_pending,
    unfinished,
)
from verify.store.contract import Program, Store
from verify.store.gather import Gather
from verify.store.journal import Origin, from_micros
from verify.store.personal import unseal_credential, unseal_token
from verify.store.register import find_agency, list_filings

CHUNK = 500
"""Certificates that share one recording and one completing commit."""
AHEAD = 2
"""Chunks under way at once: one is recorded while the one before it is signed and committed."""
BREATH = 64
"""Requests checked between two breaths of the event loop: about a millisecond."""
CHINA = dt.timezone(dt.timedelta(hours=8))
FOREVER = 1 << 62
"""Microseconds since 1970; later than any record."""

CopyId = tuple[str, int]
"""Certificate number and copy."""


class Row(msgspec.Struct, frozen=True):
    """One request with its idempotency key."""

    key: str
    request: IssueRequest


class Issued(msgspec.Struct, frozen=True):
    """A copy that is public: every read begun after this was returned shows it."""

    number: str
    copy: int
    scan_code: str
    token: bytes
    """COSE_Sign1; what the QR code carries as digits."""
    credential: str
    """`vc+jwt`."""
    issued_at: dt.datetime
    """UTC."""
    already: bool
    """True when the request had been carried out, or at least recorded, before this call."""


class Around(msgspec.Struct, frozen=True):
    """What the register says about the agency that asks, in one snapshot."""

    agency: Agency
    filings: Sequence[Filing]
    known: Mapping[str, Known]


class Standing(msgspec.Struct, frozen=True):
    """How some copies stand, in one snapshot."""

    issued: dict[CopyId, IssuedCopy]
    waiting: list[Pending]
    agencies: dict[str, Agency]
    """The agencies of those that wait for signatures."""


class Issuance:
    """The issuing desk. Safe to call concurrently; several processes may work on one register."""

    def __init__(
        self,
        store: Store,
        *,
        data_keys: DataKeys,
        signers: Signers,
        public_url: str,
        now: Callable[[], dt.datetime],
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """`public_url` is scheme and host without a slash; `now` gives aware UTC."""
        self.store = store
        self.data_keys = data_keys
        self.signers = signers
        self.public_url = public_url
        self.now = now
        self.random = random
        self.stand_ins = StandIns(store, data_keys=data_keys, now=now, random=random)
        self._gather: Gather[tuple[str, str], Row, Issued] = Gather(self._issue_gathered, limit=CHUNK)

    async def issue(self, agency: str, request: IssueRequest, key: str, actor: str) -> Issued:
        """Issue one certificate, in one commit with whoever asks at the same moment.

        The same `key` and request again give the same certificate, for ever. Raises Invalid with all faults,
        OutOfScope, AgencyBlocked, NotFound (no such agency), KeyReused, Duplicate, Conflict (a brought number
        is taken), BadKey (no usable signing key), NotReady (the clock here is outside the key's window).
        StoreFailed means that the outcome is unknown: ask again with the same key.
        """
        return await self._gather.put((agency, actor), Row(check_key(key), request))

    async def issue_many(self, agency: str, rows: Sequence[Row], actor: str) -> list[Issued | VerifyError]:
        """Issue many certificates of one agency; one answer for each row, in order.

        A row that is refused stops no other. Raises StoreFailed when the database does not answer: what was
        committed stands, and the same call again finishes the rest.
        """
        turn, room = asyncio.Lock(), asyncio.Semaphore(AHEAD)

        async def issue_part(part: Sequence[Row]) -> list[Issued | VerifyError]:
            async with room:
                return await self._issue(agency, part, actor, turn)

        parts = [rows[at : at + CHUNK] for at in range(0, len(rows), CHUNK)]
        tasks = [asyncio.create_task(issue_part(part)) for part in parts]
        try:
            return [answer for task in tasks for answer in await task]
        finally:  # after a failure the other chunks stop where they are; what is recorded is finished later
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _issue_gathered(
        self, group: tuple[str, str], rows: Sequence[Row]
    ) -> Sequence[Issued | VerifyError]:
        agency, actor = group
        return await self._issue(agency, rows, actor, asyncio.Lock())

    async def _issue(
        self, agency: str, rows: Sequence[Row], actor: str, turn: asyncio.Lock
    ) -> list[Issued | VerifyError]:
        """The flow, for at most `CHUNK` rows. `turn` keeps the numbers of several chunks in their order."""
        digests = [request_digest(self.data_keys, agency, row.request) for row in rows]
        origin = Origin(actor, self.now(), _joint(self.data_keys, digests))
        async with turn:
            # 1. Asked before? A known request keeps its certificate whatever the rules say today.
            around = await self.store.read(lambda: look_around(agency, [row.key for row in rows]))
            found: list[Prepared | VerifyError | None] = [
                _earlier(around.known.get(row.key), digest) for row, digest in zip(rows, digests, strict=True)
            ]
            # 2. Checked: each new request is canonical, complete, in scope; of the others nothing is recorded.
            drafts = await self._draft_new(around, rows, digests, found, origin.at)
            # 3. Prepared: numbered, sealed and recorded in one commit, before anything is signed. Not public.
            if drafts:
                await self._record(agency, drafts, found, origin)
        # 4. Signed once with the agency's key, and read back with its public half.
        # 5. Completed: signatures, status and ledger events in one commit. From here every read shows them.
        copies = {
            (outcome.number, 1): digest
            for outcome, digest in zip(found, digests, strict=True)
            if isinstance(outcome, Prepared)
        }
        fresh = {(o.number, 1) for o in found if isinstance(o, Prepared) and o.fresh}
        finished = await self.finish(copies, fresh, origin)
        # 6. Published: the commit was the publication; each caller is told.
        return [_answer(outcome, finished) for outcome in found]

    async def _draft_new(
        self,
        around: Around,
        rows: Sequence[Row],
        digests: Sequence[bytes],
        found: list[Prepared | VerifyError | None],
        at: dt.datetime,
    ) -> dict[int, Draft]:
        """Drafts by place for the requests nobody knew; a refused one leaves its error in `found`."""
        new = [i for i, outcome in enumerate(found) if outcome is None]
        if not new:
            return {}
        key: PublicKey | None = None
        no_key: VerifyError | None = None
        try:
            key, _ = await self.signers.signer_for(around.agency.code)
            require_in_window(key, at)
        except (BadKey, NotReady) as error:
            key, no_key = None, error
        today = self.now().astimezone(CHINA).date()
        drafts: dict[int, Draft] = {}
        for count, i in enumerate(new, 1):
            if count % BREATH == 0:
                await asyncio.sleep(0)
            try:
                checked = check_request(
                    rows[i].request, agency=around.agency, filings=around.filings, today=today
                )
                await require_printable(checked, around.agency, self.stand_ins)
                photo = await take_photo(checked)
                if key is None:
                    assert no_key is not None
                    raise no_key
                drafts[i] = make_draft(
                    checked,
                    rows[i].key,
                    digests[i],
                    kid=key.kid,
                    data_keys=self.data_keys,
                    random=self.random,
                    photo=photo,
                )
            except VerifyError as error:
                found[i] = error
        return drafts

    async def _record(
        self,
        agency: str,
        drafts: Mapping[int, Draft],
        found: list[Prepared | VerifyError | None],
        origin: Origin,
    ) -> None:
        """Have the store record drafts; their outcomes go to `found`."""
        outcomes = await self.store.write(lambda: prepare(agency, list(drafts.values()), origin))
        for i, outcome in zip(drafts, outcomes, strict=True):
            found[i] = recorded(outcome)

    async def finish(
        self, copies: Mapping[CopyId, bytes], fresh: set[CopyId], origin: Origin
    ) -> dict[CopyId, Issued | VerifyError]:
        """Steps 4 and 5 for recorded copies, whoever recorded them; those issued long ago are just read.

        `copies` gives the request digest of each for the ledger, empty where it is not known.
        """
        standing = await self.store.read(lambda: _standing(copies, fresh))
        done: dict[CopyId, Issued | VerifyError] = {
            place: self._as_issued(copy, already=place not in fresh)
            for place, copy in standing.issued.items()
        }
        by_agency: dict[str, list[Pending]] = {}
        for copy in standing.waiting:
            by_agency.setdefault(copy.agency, []).append(copy)
        for agency, mine in by_agency.items():
            done |= await self._finish_agency(standing.agencies[agency], mine, copies, fresh, origin)
        return done

    async def _finish_agency(
        self,
        agency: Agency,
        waiting: Sequence[Pending],
        copies: Mapping[CopyId, bytes],
        fresh: set[CopyId],
        origin: Origin,
    ) -> dict[CopyId, Issued | VerifyError]:
        try:
            key, signer = await self.signers.signer_for(agency.code)
        except BadKey as error:
            return {(copy.number, copy.copy): error for copy in waiting}
        able = [copy for copy in waiting if copy.kid == key.kid]
        stale = [(copy.number, copy.copy) for copy in waiting if copy.kid != key.kid]
        made = await sign_copies(
            able,
            agency,
            key,
            signer,
            data_keys=self.data_keys,
            public_url=self.public_url,
            requests={place: digest for place, digest in copies.items() if digest},
        )
        outcomes: list[Completed | Abandoned] = []
        if made:
            signed = [one.signed for one in made]
            outcomes += await self.store.write(lambda: complete(signed, origin))
        if stale:  # recorded for a key that signs no more: given up, and the idempotency key given back
            outcomes += await self.store.write(lambda: abandon(stale, "key", origin))
        by_place = {_place(copy): (copy, one) for copy, one in zip(able, made, strict=True)}
        return await self._told(outcomes, by_place, fresh)

    async def _told(
        self,
        outcomes: Sequence[Completed | Abandoned],
        made: Mapping[CopyId, tuple[Pending, Fresh]],
        fresh: set[CopyId],
    ) -> dict[CopyId, Issued | VerifyError]:
        """Answers for what was just completed. What somebody else completed is read as he left it."""
        done: dict[CopyId, Issued | VerifyError] = {}
        elsewhere: list[CopyId] = []
        for outcome in outcomes:
            place = _place(outcome)
            if isinstance(outcome, Abandoned):
                done[place] = abandonment(outcome)
            elif not outcome.here:
                elsewhere.append(place)
            else:
                copy, one = made[place]
                at = from_micros(copy.issued_at)
                already = place not in fresh
                done[place] = Issued(*place, copy.scan_code, one.token, one.credential, at, already)
        if elsewhere:
            read = await self.store.read(lambda: read_issued(elsewhere))
            done |= {place: self._as_issued(copy, already=place not in fresh) for place, copy in read.items()}
        return done

    def _as_issued(self, copy: IssuedCopy, *, already: bool) -> Issued:
        place = _place(copy)
        return Issued(
            *place,
            copy.scan_code,
            unseal_token(self.data_keys, *place, copy.token),
            unseal_credential(self.data_keys, *place, copy.credential),
            from_micros(copy.issued_at),
            already,
        )

    async def resume(self) -> int:
        """Finish what a crash left between recording and completing, by the normal code.

        Returns how many copies became public. Copies whose agency has no usable key stay for later; those of
        a blocked agency or a replaced key become void.
        """
        finished = 0
        tried: set[CopyId] = set()
        while True:
            left = await self.store.read(partial(unfinished, FOREVER, CHUNK + len(tried)))
            todo = [place for place in left if place not in tried]
            if not todo:
                return finished
            tried |= set(todo)
            done = await self.finish(dict.fromkeys(todo, b""), set(), Origin("system", self.now()))
            finished += sum(isinstance(answer, Issued) for answer in done.values())


# --- small steps ----------------------------------------------------------------------------------------


def look_around(agency: str, keys: Sequence[str]) -> Program[Around]:
    """The agency, its filings, and which of the keys are known. Raises NotFound."""
    record = yield from find_agency(agency)
    if record is None:
        raise NotFound(Words(f"没有机构 {agency}。", f"There is no agency {agency}."))
    filings = yield from list_filings(agency)
    known = yield from find_keys(agency, keys)
    return Around(record, filings, known)


async def take_photo(checked: Checked) -> bytes | None:
    """The photo as it will be printed. Raises Invalid when it is no usable picture."""
    return None if checked.photo is None else await asyncio.to_thread(check_photo, checked.photo)


def _earlier(known: Known | None, digest: bytes) -> Prepared | VerifyError | None:
    if known is None:
        return None
    if known.request != digest:
        return KeyReused(hint="send a new Idempotency-Key for a new request")
    return None if known.void else Prepared(known.result, fresh=False)


def _standing(copies: Mapping[CopyId, bytes], fresh: set[CopyId]) -> Program[Standing]:
    """Which copies are issued already, and which wait for signatures; fresh ones hardly ever are issued."""
    issued = yield from read_issued([place for place in copies if place not in fresh])
    rest = [number for number, copy in copies if (number, copy) not in issued]
    pending = (yield from read_pending(rest)) if rest else []
    waiting = [p for p in pending if p.state == "prepared" and _place(p) in copies]
    found = {_place(p) for p in waiting}
    overtaken = [place for place in fresh if place not in found]
    issued |= yield from read_issued(overtaken)
    agencies: dict[str, Agency] = {}
    for code in {p.agency for p in waiting}:
        record = yield from find_agency(code)
        assert record is not None  # certificates name agencies that exist, by foreign key
        agencies[code] = record
    return Standing(issued, waiting, agencies)


def _place(copy: Pending | IssuedCopy | Completed | Abandoned) -> CopyId:
    return copy.number, copy.copy


def _answer(
    outcome: Prepared | VerifyError | None, finished: Mapping[CopyId, Issued | VerifyError]
) -> Issued | VerifyError:
    assert outcome is not None  # every row was known, refused or recorded
    if isinstance(outcome, VerifyError):
        return outcome
    answer = finished.get((outcome.number, 1))
    return answer if answer is not None else abandonment(Abandoned(outcome.number, 1, "status"))


def _joint(data_keys: DataKeys, digests: Sequence[bytes]) -> bytes:
    """One digest for the events that several requests share."""
    return digests[0] if len(digests) == 1 else data_keys.request_tag(b"".join(digests))
