"""The office's view of a certificate: everything, the holder in full. Nobody else opens the sealed part.

The owning agency and the operator see it; for another agency the certificate does not exist.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from verify.certificate.identity import ID_TYPES
from verify.certificate.level import level_text
from verify.certificate.number import canonical_number
from verify.certificate.occupation import print_work_type
from verify.certificate.record import (
    Agency,
    Certificate,
    Copy,
    CopyState,
    Face,
    Holder,
    Results,
    Status,
)
from verify.certificate.status import effective_status
from verify.documents.qr import qr_content
from verify.documents.sheet import Sheet
from verify.errors import Conflict, NotFound, Words
from verify.issuance.caller import Caller
from verify.issuance.change import unseal_note
from verify.issuance.drafting import photo_place
from verify.issuance.stand_ins import StandIns
from verify.proof.digits import encode_digits
from verify.proof.sealing import DataKeys
from verify.store.certificates import IssuedCopy, read_issued
from verify.store.contract import Program, Store
from verify.store.journal import Event, from_micros
from verify.store.personal import unseal_credential, unseal_personal, unseal_token
from verify.store.reads import read_certificates, read_history, read_photo
from verify.store.register import find_agency


class CopyView(msgspec.Struct, frozen=True, kw_only=True):
    """One copy with its signatures."""

    number: int
    scan_code: str
    scan_url: str
    """What the QR code opens, without the token."""
    state: CopyState
    cause: str
    issued_at: dt.datetime
    ended_at: dt.datetime | None
    blank_serial: str | None
    remark: str | None
    kid: str
    token: str
    """The COSE token as the digits of the QR code."""
    credential: str
    """`vc+jwt`."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """One certificate as its agency sees it."""

    number: str
    status: Status
    """As of now: a suspension past its end reads `valid`."""
    revision: int
    since: dt.datetime
    reason: str | None
    until: dt.datetime | None
    replaced_by: str | None
    replaces: str | None
    face: Face
    holder: Holder
    """In full."""
    results: Results
    copies: tuple[CopyView, ...]
    scan_code: str
    """Of the current copy, as are the next three."""
    scan_url: str
    copy: int
    token: str
    links: Mapping[str, str]
    """Addresses of the documents and the history."""


class Entry(msgspec.Struct, frozen=True):
    """One line of a certificate's history."""

    seq: int
    at: dt.datetime
    kind: str
    actor: str
    data: Mapping[str, Any]
    note: str | None


class Views:
    """The desk that shows."""

    def __init__(
        self, store: Store, *, data_keys: DataKeys, public_url: str, now: Callable[[], dt.datetime]
    ) -> None:
        """`public_url` is scheme and host without a slash."""
        self._store = store
        self._data_keys = data_keys
        self._public_url = public_url
        self._now = now
        self._stand_ins = StandIns(store, data_keys=data_keys, now=now)

    async def show(self, number: str, caller: Caller) -> View:
        """One certificate. Raises Invalid for what is no number, NotFound for another agency's and unknown ones."""
        number = canonical_number(number)
        seen = await self._store.read(lambda: look(number))
        certificate, signed, _ = mine(seen, number, caller)
        personal = unseal_personal(self._data_keys, number, certificate.holder_sealed)
        copies = tuple(self._copy(copy, signed[number, copy.number]) for copy in certificate.copies)
        current = copies[-1]
        status = effective_status(certificate, self._now())
        return View(
            number=number,
            status=status,
            revision=certificate.revision,
            since=certificate.since,
            reason=certificate.reason,
            until=certificate.until if status is Status.SUSPENDED else None,
            replaced_by=certificate.replaced_by,
            replaces=certificate.replaces,
            face=certificate.face,
            holder=personal.holder,
            results=personal.results,
            copies=copies,
            scan_code=current.scan_code,
            scan_url=current.scan_url,
            copy=current.number,
            token=current.token,
            links=self._links(number),
        )

    async def history(self, number: str, caller: Caller) -> list[Entry]:
        """Everything that happened to a certificate, oldest first, notes opened. Raises as `show` does."""
        number = canonical_number(number)
        mine(await self._store.read(lambda: look(number)), number, caller)
        events = await self._store.read(lambda: read_history(number))
        return [self._entry(event, note) for event, note in events]

    async def sheet_for(self, number: str, caller: Caller) -> Sheet:
        """What the current copy prints. Raises as `show` does, and Conflict when the certificate was revoked
        or replaced: no new paper leaves the house for it."""
        return (await self.sheet_and_credential(number, caller))[0]

    async def sheet_and_credential(self, number: str, caller: Caller) -> tuple[Sheet, str]:
        """The same, and the signed record (`vc+jwt`) of the same copy. Raises as `sheet_for`."""
        number = canonical_number(number)
        seen, photo = await self._store.read(lambda: _look_with_photo(number))
        certificate, signed, agency = mine(seen, number, caller)
        copy = certificate.copies[-1]
        if copy.state is not CopyState.CURRENT:
            raise no_new_paper(certificate.status)
        issued = signed[number, copy.number]
        sheet = self._sheet(certificate, copy, issued, agency, photo)
        pictures = await self._stand_ins.serving(agency.code, sheet.name)
        sheet = msgspec.structs.replace(sheet, stand_ins=pictures) if pictures else sheet
        return sheet, unseal_credential(self._data_keys, number, copy.number, issued.credential)

    def _sheet(
        self, certificate: Certificate, copy: Copy, signed: IssuedCopy, agency: Agency, photo: bytes | None
    ) -> Sheet:
        face, number = certificate.face, certificate.number
        holder = unseal_personal(self._data_keys, number, certificate.holder_sealed).holder
        level = level_text(face.kind, face.level)
        return Sheet(
            kind=face.kind,
            name=holder.name,
            id_type_words=ID_TYPES[holder.id_type].words,
            id_number=holder.id_number,
            occupation_name=face.occupation.name,
            occupation_code=face.occupation.code,
            work_type=print_work_type(face.work_type),
            level_zh=level.zh,
            level_en=level.en,
            number=number,
            issued_on=face.issued_on,
            agency_name_zh=agency.name_zh,
            agency_name_en=agency.name_en,
            copy_number=copy.number,
            cause=copy.cause,
            remark=copy.remark,
            blank_serial=copy.blank_serial,
            host=urlsplit(self._public_url).netloc,
            scan_code=copy.scan_code,
            qr_content=qr_content(self._public_url, copy.scan_code, encode_digits(self._token(signed))),
            photo=None if photo is None else self._data_keys.unseal(photo, photo_place(number)),
            issued_at=copy.issued_at,
        )

    def _copy(self, copy: Copy, signed: IssuedCopy) -> CopyView:
        return CopyView(
            number=copy.number,
            scan_code=copy.scan_code,
            scan_url=f"{self._public_url}/V/{copy.scan_code}",
            state=copy.state,
            cause=copy.cause.value,
            issued_at=copy.issued_at,
            ended_at=copy.ended_at,
            blank_serial=copy.blank_serial,
            remark=copy.remark,
            kid=copy.kid,
            token=encode_digits(self._token(signed)),
            credential=unseal_credential(self._data_keys, signed.number, signed.copy, signed.credential),
        )

    def _token(self, signed: IssuedCopy) -> bytes:
        return unseal_token(self._data_keys, signed.number, signed.copy, signed.token)

    def _entry(self, event: Event, note: bytes | None) -> Entry:
        at = from_micros(event.at)
        text = unseal_note(self._data_keys, note)
        return Entry(event.seq, at, event.kind, event.actor, event.data, text)

    def _links(self, number: str) -> dict[str, str]:
        base = f"{self._public_url}/api/v1/certificates/{number}"
        places = ("document.pdf", "document.png", "share.png", "qr.png", "qr.svg", "history")
        return {"self": base} | {place.replace(".", "_"): f"{base}/{place}" for place in places}


Seen = tuple[Certificate, dict[tuple[str, int], IssuedCopy], Agency]
"""A certificate, its signed copies by number and copy, its agency."""


def look(number: str) -> Program[Seen | None]:
    """A certificate with its signed copies and its agency, in one snapshot."""
    snapshot = yield from read_certificates([number])
    certificate = snapshot.certificates.get(number)
    if certificate is None:
        return None
    signed = yield from read_issued([(number, copy.number) for copy in certificate.copies])
    agency = yield from find_agency(certificate.face.agency)
    assert agency is not None  # certificates name agencies that exist, by foreign key
    return certificate, signed, agency


def _look_with_photo(number: str) -> Program[tuple[Seen | None, bytes | None]]:
    seen = yield from look(number)
    photo = None if seen is None else (yield from read_photo(number, seen[0].copies[-1].number))
    return seen, photo


def mine(seen: Seen | None, number: str, caller: Caller) -> Seen:
    """What was seen, if the caller may know of it. Raises NotFound."""
    if seen is None or caller.agency not in (None, seen[0].face.agency):
        raise NotFound(Words(f"未找到证书 {number}。", f"There is no certificate {number} here."))
    return seen


def no_new_paper(status: Status) -> Conflict:
    """The refusal to print what does not stand any more."""
    what = Words(
        f"证书状态为 {status}，不再出具证书文件。",
        f"A certificate that is {status} is no longer printed.",
    )
    return Conflict(what)
