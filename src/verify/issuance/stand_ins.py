"""Characters that no font has: an agency files a picture with evidence, the operator accepts it, names print with it.

The picture is checked when it is filed as it will be when it is printed (`documents/standin.py`); the evidence is drawn
anew, so nothing but what can be seen of it is kept. Accepted, it serves this agency's certificates alone.
"""

import asyncio
import datetime as dt
import os
from collections.abc import Callable

import msgspec

from verify.certificate.agency import parse_agency_code
from verify.certificate.text import REFUSED as UNSEEN
from verify.documents.evidence import redraw_evidence
from verify.documents.standin import StandIn, check_stand_in, marks_in
from verify.errors import BadDocument, Fault, Invalid, NotFound, VerifyError, Words
from verify.issuance.caller import Caller
from verify.issuance.change import seal_note
from verify.proof.sealing import DataKeys
from verify.store.contract import Store
from verify.store.journal import Origin
from verify.store.stand_ins import (
    ACCEPTED,
    REFUSED,
    WAITING,
    FiledStandIn,
    decide_stand_in,
    file_stand_in,
    find_stand_in,
    list_stand_ins,
)

MAX_NOTE = 500


class Picture(msgspec.Struct, frozen=True):
    """What is sealed of a filing."""

    character: str
    picture: bytes
    """PNG, or SVG of bare paths."""
    evidence: bytes
    """JPEG."""
    note: str


class Filing(msgspec.Struct, frozen=True, kw_only=True):
    """One filing as the office sees it."""

    id: str
    agency: str
    character: str
    code_points: str
    state: str
    note: str
    filed_by: str
    filed_at: dt.datetime
    decided_by: str | None
    decided_at: dt.datetime | None


class StandIns:
    """The desk for them. Safe to call concurrently."""

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
        self._data_keys = data_keys
        self._now = now
        self._random = random

    async def file(self, agency: str, given: Picture, caller: Caller, request: bytes = b"") -> Filing:
        """Take in a picture for one character; it prints nowhere before it is accepted.

        Raises Invalid with faults at `/character`, `/picture`, `/evidence` or `/note`; NotFound for another agency;
        Conflict when the character is filed already.
        """
        code = _own(agency, caller)
        checked = await asyncio.to_thread(_checked, given)
        key = "si_" + self._random(6).hex()
        sealed = self._data_keys.seal(msgspec.msgpack.encode(checked), _place(key))
        filed = FiledStandIn(
            key, code, self._tag(code, checked.character), sealed, WAITING, caller.actor, self._now()
        )
        origin = Origin(caller.actor, filed.filed_at, request)
        note = seal_note(self._data_keys, checked.note)
        return self._view(await self._store.write(lambda: file_stand_in(filed, note, origin)))

    async def decide(
        self, stand_in_id: str, *, accepted: bool, reason: str, caller: Caller, request: bytes = b""
    ) -> Filing:
        """Accept or refuse; the operator's alone, as the caller has made sure. Raises Invalid, NotFound, Conflict."""
        if not 1 <= len(reason) <= MAX_NOTE or UNSEEN.search(reason):
            raise _invalid(
                "/reason",
                "reason",
                f"请说明理由，最多{MAX_NOTE}个字符。",
                f"Say why, in at most {MAX_NOTE} characters.",
            )
        origin = Origin(caller.actor, self._now(), request)
        note, state = seal_note(self._data_keys, reason), ACCEPTED if accepted else REFUSED
        return self._view(await self._store.write(lambda: decide_stand_in(stand_in_id, state, note, origin)))

    async def list_filings(self, agency: str, caller: Caller) -> list[Filing]:
        """All of an agency, oldest first. Raises NotFound for another agency's."""
        code = _own(agency, caller)
        return [self._view(one) for one in await self._store.read(lambda: list_stand_ins(code))]

    async def show(
        self, stand_in_id: str, caller: Caller, *, agency: str | None = None
    ) -> tuple[Filing, Picture]:
        """One filing with picture and evidence; it is addressed below its `agency`, if that is given. Raises NotFound."""
        filed = await self._store.read(lambda: find_stand_in(stand_in_id))
        below = filed.agency if agency is None else str(parse_agency_code(agency)[0])
        if filed.agency != below or caller.agency not in (None, filed.agency):
            raise NotFound(Words("没有该代用字形。", "There is no such stand-in."))
        return self._view(filed), self._opened(filed)

    async def serving(self, agency: str, text: str) -> tuple[StandIn, ...]:
        """The accepted pictures for the characters of `text` that need one; nothing is read when none does."""
        marks = marks_in(text)
        if not marks:
            return ()
        filed = await self._store.read(lambda: list_stand_ins(agency))
        tags = {self._tag(agency, mark) for mark in marks}
        found = (self._opened(one) for one in filed if one.state == ACCEPTED and one.tag in tags)
        return tuple(StandIn(one.character, one.picture) for one in found)

    def _tag(self, agency: str, character: str) -> bytes:
        return self._data_keys.request_tag(b"stand-in\0" + agency.encode() + b"\0" + character.encode())

    def _opened(self, filed: FiledStandIn) -> Picture:
        return msgspec.msgpack.decode(self._data_keys.unseal(filed.sealed, _place(filed.id)), type=Picture)

    def _view(self, filed: FiledStandIn) -> Filing:
        opened = self._opened(filed)
        return Filing(
            id=filed.id, agency=filed.agency, character=opened.character,
            code_points=" ".join(f"U+{ord(part):04X}" for part in opened.character), state=filed.state,
            note=opened.note, filed_by=filed.filed_by, filed_at=filed.filed_at, decided_by=filed.decided_by,
            decided_at=filed.decided_at,
        )  # fmt: skip


def _checked(given: Picture) -> Picture:
    """The filing with everything in it usable: all faults at once."""
    faults: list[Fault] = []
    if marks_in(given.character) != [given.character]:
        faults += _invalid(
            "/character", "character",
            "须为一个证书字体没有的字符，或一个表意文字描述序列；能打印的字不得用图片代替。",
            "Give one character that the fonts lack, or one ideographic description sequence; what prints is not "
            "replaced by a picture.",
        ).faults  # fmt: skip
    try:
        check_stand_in(StandIn(given.character, given.picture))
    except (Invalid, BadDocument) as error:
        faults.append(Fault("/picture", "stand-in-picture", error.detail))
    evidence = given.evidence
    try:
        evidence = redraw_evidence(given.evidence)
    except VerifyError as error:
        faults.append(Fault("/evidence", "picture-unreadable", error.detail))
    note = given.note.strip()
    if not 1 <= len(note) <= MAX_NOTE or UNSEEN.search(note):
        faults += _invalid(
            "/note", "note", f"请说明依据（如证件名称），最多{MAX_NOTE}个字符。",
            f"Say what shows that the character is the holder's, in at most {MAX_NOTE} characters.",
        ).faults  # fmt: skip
    if faults:
        raise Invalid(faults[0].detail, faults=faults)
    return Picture(given.character, given.picture, evidence, note)


def _own(agency: str, caller: Caller) -> str:
    code = str(parse_agency_code(agency)[0])
    if caller.agency not in (None, code):
        raise NotFound(Words(f"没有机构 {code}。", f"There is no agency {code} here."))
    return code


def _invalid(pointer: str, code: str, zh: str, en: str) -> Invalid:
    what = Words(zh, en)
    return Invalid(what, faults=[Fault(pointer, code, what)])


def _place(key: str) -> bytes:
    return f"stand-in/{key}".encode()
