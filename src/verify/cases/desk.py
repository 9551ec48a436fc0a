"""The desk as people see it: tell something, get a receipt, follow what becomes of it."""

import datetime as dt
import os
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from verify.cases.matters import CLOSED_AFTER, KEPT_AFTER_CLOSING, due_after
from verify.cases.receipt import Receipt, new_receipt, parse_receipt
from verify.cases.sealed import answer_of, seal_picture, seal_told
from verify.cases.told import (
    Answer,
    HolderObjectionRequest,
    ObjectionRequest,
    ReportRequest,
    Told,
    check_holder_objection,
    check_objection,
    check_report,
)
from verify.errors import NotFound, TooMany, Words
from verify.proof.sealing import DataKeys
from verify.store.cases import (
    By,
    CaseFile,
    CaseKind,
    CaseState,
    DayFull,
    Dossier,
    follow_case,
    list_objections_of,
    open_case,
    open_objection_of,
    sweep_cases,
)
from verify.store.contract import Store
from verify.store.journal import Origin, to_micros

A_DAY: Final = 2_000
"""Cases of one kind that a day may bring: with a picture each, 800 MB. Beyond it the disk that certificates are issued
on would be what strangers fill."""
OPEN_OBJECTIONS: Final = 5
"""Of one certificate, by its holder."""
MAX_PICTURE_BYTES: Final = 1 << 19
PUBLIC: Final = "public"
HOLDER: Final = "holder"
"""How the record names people who are not asked who they are."""
SYSTEM: Final = "system"


class DeskFull(TooMany):
    """Too many requests; try again later. 请求过于频繁，请稍后再试。"""

    retry_after_s = 3600

    def __init__(self) -> None:
        """Say why, whoever asks."""
        super().__init__(
            Words("今天收到的材料过多，请明天再提交。", "Too much came in today; please send it tomorrow.")
        )


class Opened(msgspec.Struct, frozen=True):
    """A case that was taken in."""

    receipt: Receipt
    """Exists nowhere else: it cannot be shown again."""
    case: CaseFile


class SeenStep(msgspec.Struct, frozen=True):
    """One step, without who took it."""

    at: dt.datetime
    event: str
    by: str
    """`public`, `holder`, `agency`, `operator` or `system`."""


class SeenAgency(msgspec.Struct, frozen=True):
    """Who deals with a case beside the operator."""

    code: str
    name_zh: str
    name_en: str


class Seen(msgspec.Struct, frozen=True):
    """A case as whoever told it may see it: how it stands, and nothing of what was told."""

    kind: str
    matter: str
    state: str
    received_at: dt.datetime
    due_at: dt.datetime | None
    agency: SeenAgency | None
    steps: tuple[SeenStep, ...]
    answer: Answer | None


class Desk:
    """Takes cases in and shows how they stand. Safe to call concurrently."""

    def __init__(
        self,
        store: Store,
        *,
        data_keys: DataKeys,
        now: Callable[[], dt.datetime],
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """`now` gives aware UTC."""
        self._store = store
        self._keys = data_keys
        self._now = now
        self._random = random

    async def report(
        self, given: ReportRequest, picture: bytes | None = None, request: bytes = b""
    ) -> Opened:
        """Take in a report. `picture`: from `documents.evidence`; `request`: keyed digest of what came.

        Raises Invalid when it says nothing or too much, DeskFull.
        """
        told = check_report(given, pictured=picture is not None)
        case = self._case(CaseKind.REPORT, given.matter, told)
        return await self._open(case, picture, request)

    async def objection(self, given: ObjectionRequest, request: bytes = b"") -> Opened:
        """Take in an objection by somebody who need not have found anything. Raises Invalid, DeskFull."""
        told, agency = check_objection(given, self._now())
        case = self._case(CaseKind.OBJECTION, given.matter, told)
        return await self._open(msgspec.structs.replace(case, agency=agency), None, request)

    async def objection_of(self, number: str, given: HolderObjectionRequest, request: bytes = b"") -> Opened:
        """Take in an objection by the holder of `number`. Raises Invalid, Conflict when too many are open."""
        case = self._case(CaseKind.OBJECTION, given.matter, check_holder_objection(given))
        receipt = new_receipt(self._random)
        by = By(Origin(HOLDER, case.created_at, request), HOLDER)
        tag = self._tag(receipt)
        opened = await self._store.write(lambda: open_objection_of(number, case, tag, by, OPEN_OBJECTIONS))
        return Opened(receipt, opened)

    async def follow(self, text: str) -> Seen:
        """How the case behind a receipt stands. Raises NotFound for every text that is none, after the same work."""
        tag = self._tag(parse_receipt(text) or f"no receipt: {text}")
        found = await self._store.read(partial(follow_case, tag))
        if found is None:
            raise NotFound
        return self._seen(found)

    async def objections_of(self, number: str) -> list[Seen]:
        """What the holder of `number` objected to, newest first."""
        return [self._seen(one) for one in await self._store.read(partial(list_objections_of, number))]

    async def sweep(self) -> tuple[int, int]:
        """Close old answers and delete old cases (`matters.py` says when); how many of each."""
        now = self._now()
        by = By(Origin(SYSTEM, now), SYSTEM)
        before = {"answered_before": now - CLOSED_AFTER, "closed_before": now - KEPT_AFTER_CLOSING}
        return await self._store.write(lambda: sweep_cases(by, **before))

    def _case(self, kind: CaseKind, matter: str, told: Told) -> CaseFile:
        now = self._now()
        case_id = f"cs_{to_micros(now):013x}{self._random(2).hex()}"
        due = due_after(now) if kind is CaseKind.OBJECTION else None
        sealed = seal_told(self._keys, case_id, told)
        return CaseFile(case_id, kind, matter, None, None, CaseState.RECEIVED, now, due, None, sealed)

    async def _open(self, case: CaseFile, picture: bytes | None, request: bytes) -> Opened:
        receipt = new_receipt(self._random)
        tag, by = self._tag(receipt), By(Origin(PUBLIC, case.created_at, request), PUBLIC)
        kept = None if picture is None else seal_picture(self._keys, case.id, picture)
        since = f"cs_{to_micros(case.created_at - dt.timedelta(days=1)):013x}"
        opened = await self._store.write(lambda: open_case(case, tag, kept, by, since=since, daily=A_DAY))
        if isinstance(opened, DayFull):
            raise DeskFull
        return Opened(receipt, opened)

    def _tag(self, receipt: str) -> bytes:
        return self._keys.place_tag("case", receipt)

    def _seen(self, found: Dossier) -> Seen:
        case, agency = found.case, found.agency
        return Seen(
            kind=case.kind.value,
            matter=case.matter,
            state=case.state.value,
            received_at=case.created_at,
            due_at=case.due_at,
            agency=None if agency is None else SeenAgency(agency.code, agency.name_zh, agency.name_en),
            steps=tuple(SeenStep(step.at, step.event, step.role) for step in found.steps),
            answer=answer_of(self._keys, found),
        )
