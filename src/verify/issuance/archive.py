"""Keeping kept files checkable for decades: the delayed job that appends evidence and archive timestamps (PAdES B-LTA).

A file is signed with a timestamp when it is first made. A day later, when lists newer than that timestamp are out, the
first pass appends the evidence and an archive timestamp; a day after that the second pass brings lists newer than the
first one's; then one more before the last timestamp's certificate ends. What a pass appends is kept as a part of its
own: whoever holds an older file holds a prefix of the newest.
"""

import asyncio
import datetime as dt
import hashlib
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from verify.errors import BadDocument, BadKey, NotReady, ProofFailed, Unavailable, VerifyError, Words
from verify.issuance.papers import StampThere, open_kept
from verify.proof.pades import Evidence, next_renewal, renew_pdf
from verify.proof.pades_check import PdfReport, check_pdf
from verify.proof.public import KeyPurpose
from verify.proof.revocation import is_list_of, list_addresses
from verify.proof.sealing import DataKeys
from verify.proof.timestamp import TimestampService
from verify.store.contract import Store
from verify.store.documents import (
    Due,
    Kept,
    append_document,
    count_due,
    due_documents,
    find_document,
    postpone_document,
    seal_document,
)
from verify.store.journal import Origin
from verify.store.register import list_keys
from verify.store.subscriptions import take_duty
from verify.telemetry import Tally, log, tally

LIMIT: Final = 200
"""Files of one round."""
LOOK_S: Final = 300.0
"""Between two looks at what is due."""
LATER: Final = dt.timedelta(hours=6)
"""When a file is tried again whose evidence is not out yet."""
MUCH_LATER: Final = dt.timedelta(days=7)
"""When a file is tried again that does not check: somebody must look at it (`verify audit`)."""
CLOCK_SLACK: Final = dt.timedelta(minutes=5)
"""The timestamp service's clock may be ahead of ours."""
DUTY: Final = "archive"
DUTY_LIFE: Final = dt.timedelta(minutes=30)

OwnLists = Callable[[dt.datetime], Awaitable[Sequence[bytes]]]
"""The operator's revocation lists (DER), none older than an instant."""
Fetch = Callable[[str], Awaitable[bytes]]
"""What an address answers. Raises Unavailable."""


class Outcome(StrEnum):
    """What became of one file in a round; labels of the metric too."""

    RENEWED = "renewed"
    WAITING = "waiting"
    """Evidence newer than its timestamps is not out yet; tried again after `LATER`."""
    REFUSED = "refused"
    """It does not check, or a timestamp's certificate was revoked; tried again after `MUCH_LATER`."""
    OVERTAKEN = "overtaken"
    """Somebody else renewed it meanwhile."""
    UNAVAILABLE = "unavailable"
    """The timestamp service or a list's address did not answer. The file is as it was, and the round ends."""


class Round(msgspec.Struct, frozen=True):
    """What one run did."""

    outcomes: dict[str, int]
    refused: tuple[str, ...]
    """`number/copy/form` of files that do not check."""
    left: int
    """Still due."""


class Archive:
    """The desk for renewals. Safe to run in several processes: an overtaken renewal changes nothing."""

    def __init__(
        self,
        store: Store,
        *,
        data_keys: DataKeys,
        own_lists: OwnLists,
        fetch: Fetch,
        now: Callable[[], dt.datetime],
        timestamp: TimestampService | None,
        timestamp_roots: Sequence[bytes] = (),
        addresses: Sequence[str] = (),
    ) -> None:
        """Lists about the timestamp service come from `addresses`, else from where its certificates say; only lists
        signed under `timestamp_roots` (DER) go into a file."""
        self._store = store
        self._data_keys = data_keys
        self._own_lists = own_lists
        self._fetch = fetch
        self._now = now
        self._timestamp = timestamp
        self._timestamp_roots = tuple(timestamp_roots)
        self._addresses = tuple(addresses)
        self._name = os.urandom(8).hex()

    async def renew(
        self, before: dt.datetime | None = None, *, limit: int = LIMIT, actor: str = "system"
    ) -> Round:
        """Renew at most `limit` files that are due by now, or by `before`: earlier than they need it, when an algorithm's
        end was announced. One file is in memory at a time; a run that broke off is taken up by the next.

        Raises NotReady when no timestamp service is set, StoreFailed.
        """
        if self._timestamp is None:
            what = Words("未设置时间戳服务，不能续期。", "No timestamp service is set; nothing is renewed.")
            raise NotReady(what, hint="set VERIFY_TIMESTAMP_URL and VERIFY_TIMESTAMP_ROOTS")
        until = before or self._now()
        gathered = _Gathered(self._own_lists, self._fetch, self._addresses, self._now())
        counts: dict[str, int] = {}
        refused: list[str] = []
        for due in await self._store.read(lambda: due_documents(until, limit)):
            began = time.perf_counter()
            outcome = await self._one(due, gathered, self._timestamp, actor)
            Tally.add(counts, outcome)
            Tally.add(tally.archive, outcome)
            if outcome is Outcome.REFUSED:
                refused.append(f"{due.number}/{due.copy}/{due.kind}")
            if outcome is Outcome.UNAVAILABLE:
                break
            await asyncio.sleep(time.perf_counter() - began)  # look-ups of this process get the other half
        left = await self._store.read(lambda: count_due(until))
        return Round(counts, tuple(refused), left)

    async def work(self) -> None:
        """Round after round until cancelled, in one process for all; does nothing without a timestamp service."""
        while self._timestamp is not None:
            more = False
            try:
                if await self._on_duty(self._now()):
                    done = await self.renew()
                    more = done.left > 0 and set(done.outcomes) == {Outcome.RENEWED}
            except VerifyError as error:
                log.warning("kept files could not be renewed; it is tried again", code=error.code)
            await asyncio.sleep(0 if more else LOOK_S)

    async def _on_duty(self, at: dt.datetime) -> bool:
        """Whether something is due, and this process is the one that does it for all."""
        if not await self._store.read(lambda: count_due(at)):
            return False
        return await self._store.write(lambda: take_duty(DUTY, self._name, at, at + DUTY_LIFE))

    async def _one(self, due: Due, gathered: "_Gathered", timestamp: TimestampService, actor: str) -> Outcome:
        try:
            part = await self._grown(due, gathered, timestamp)
        except Unavailable as error:
            log.warning("no archive timestamp could be had; it is tried again", hint=error.hint)
            return Outcome.UNAVAILABLE
        except ProofFailed as error:
            log.warning("a kept file waits for newer evidence", hint=error.hint)
            return await self._postponed(due, LATER, Outcome.WAITING)
        except (BadDocument, BadKey) as error:
            log.error("a kept file does not check and is not renewed", code=error.code, hint="verify audit")
            return await self._postponed(due, MUCH_LATER, Outcome.REFUSED)
        if part is None:
            return Outcome.OVERTAKEN
        origin = Origin(actor, self._now())
        done = await self._store.write(lambda: append_document(part, origin))
        return Outcome.RENEWED if done else Outcome.OVERTAKEN

    async def _postponed(self, due: Due, later: dt.timedelta, outcome: Outcome) -> Outcome:
        until = self._now() + later
        await self._store.write(lambda: postpone_document(due, until))
        return outcome

    async def _grown(self, due: Due, gathered: "_Gathered", timestamp: TimestampService) -> Kept | None:
        """The part that a renewal appends; None when the file has grown already."""
        kept = await self._store.read(lambda: find_document(due.number, due.copy, due.kind))
        if not kept or kept[-1].part != due.part:
            return None
        try:
            pdf = open_kept(self._data_keys, kept)
        except ProofFailed as error:
            raise BadDocument(error.detail) from error
        keys = await self._store.read(list_keys)
        roots = [k.certificate for k in keys if k.purpose is KeyPurpose.ROOT and k.certificate is not None]
        at = self._now()
        evidence = await gathered.evidence(await self._checked(pdf, roots, at), roots)
        stamp = StampThere(timestamp, asyncio.get_running_loop())
        renewal = renew_pdf(
            pdf, timestamp=stamp, evidence=evidence, roots=roots, at=at + CLOCK_SLACK,
            timestamp_roots=self._timestamp_roots,
        )  # fmt: skip
        grown = await asyncio.to_thread(asyncio.run, renewal)
        report = await self._checked(grown, roots, self._now())
        if not (grown.startswith(pdf) and report.holds and report.timestamps[-1].trusted):
            what = Words("续期后的文件未通过验证。", "The renewed file does not check.")
            raise BadDocument(what)
        part = due.part + 1
        sealed = seal_document(self._data_keys, due.number, due.copy, due.kind, part, grown[len(pdf) :])
        digest, next_at = hashlib.sha256(grown).digest(), next_renewal(report.timestamps, at)
        return Kept(due.number, due.copy, due.kind, part, sealed, digest, next_at)

    async def _checked(self, pdf: bytes, roots: Sequence[bytes], at: dt.datetime) -> PdfReport:
        return await asyncio.to_thread(
            check_pdf, pdf, roots, at + CLOCK_SLACK, timestamp_roots=self._timestamp_roots
        )


class _Gathered:
    """The evidence of one round: each list is fetched once."""

    def __init__(
        self, own_lists: OwnLists, fetch: Fetch, addresses: Sequence[str], since: dt.datetime
    ) -> None:
        self._own_lists = own_lists
        self._fetch = fetch
        self._addresses = tuple(addresses)
        self._since = since
        self._own: Sequence[bytes] | None = None
        self._fetched: dict[str, bytes] = {}

    async def evidence(self, report: PdfReport, roots: Sequence[bytes]) -> Evidence:
        """Everything about the seals of a file that is to be had now. Raises Unavailable."""
        if self._own is None:
            self._own = await self._own_lists(self._since)
        signature = report.signature
        inner = () if signature is None or signature.timestamp is None else (signature.timestamp,)
        chains = [stamp.chain for stamp in (*inner, *report.timestamps)]
        lists = list(self._own)
        for address in self._addresses or dict.fromkeys(
            url for chain in chains for link in chain[:-1] for url in list_addresses(link)
        ):
            if address not in self._fetched:
                self._fetched[address] = await self._fetch(address)
            document = self._fetched[address]
            if any(is_list_of(document, issuer) for chain in chains for issuer in chain[1:]):
                lists.append(document)
        return Evidence(tuple(roots), tuple(lists))
