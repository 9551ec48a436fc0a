"""The file of a copy: printed, signed, kept sealed, and served again byte for byte.

Printing and signing take a worker thread, so look-ups of the same process do not wait for them; the agency's
signer and the timestamp service stay on the loop they belong to.
"""

import asyncio
import datetime as dt
import hashlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from verify.certificate.number import canonical_number
from verify.certificate.record import CopyState
from verify.documents.attachment import Attachment
from verify.documents.press import Press
from verify.documents.sheet import Sheet
from verify.errors import BadKey, ProofFailed, Words
from verify.issuance.caller import Caller
from verify.issuance.signing import Signers
from verify.issuance.view import Views, look, mine, no_new_paper
from verify.proof.jws import parse_compact
from verify.proof.pades import SECOND_PASS, Evidence, sign_pdf
from verify.proof.public import Algorithm, KeyPurpose, PublicKey
from verify.proof.sealing import DataKeys
from verify.proof.signer import Signer, SoftSigner
from verify.proof.timestamp import TimestampService
from verify.store.contract import Store
from verify.store.documents import (
    Kept,
    find_current_document,
    keep_document,
    seal_document,
    unseal_document,
)
from verify.store.journal import Origin
from verify.store.register import list_keys

T = TypeVar("T")

DEFAULT = "certificate"
"""The form that is printed when nobody names one."""
CREDENTIAL = "credential.jwt"
RECORD = "record.json"
REASON = Words("颁发证书", "Certificate issued")


class Room(Protocol):
    """Where presses stand."""

    async def work(self, job: Callable[[Press], T]) -> T:
        """Whatever `job` makes with a press, in a worker thread."""
        ...


class Paper(msgspec.Struct, frozen=True):
    """One finished file."""

    number: str
    copy: int
    data: bytes

    @property
    def name(self) -> str:
        """File name: the number, and from the second copy on which copy it is."""
        return paper_name(self.number, self.copy)


def paper_name(number: str, copy: int) -> str:
    """What the PDF of a copy is called."""
    return f"{number}.pdf" if copy == 1 else f"{number}-{copy}.pdf"


class Papers:
    """The desk that hands out files. Safe to call concurrently, by several processes."""

    def __init__(
        self,
        views: Views,
        store: Store,
        *,
        data_keys: DataKeys,
        signers: Signers,
        room: Room,
        now: Callable[[], dt.datetime],
        timestamp: TimestampService | None = None,
        timestamp_roots: Sequence[bytes] = (),
    ) -> None:
        """`timestamp` makes the signatures B-T; with its authority's roots (DER) the certificates that a reader
        needs later travel in the file too."""
        self._views = views
        self._store = store
        self._data_keys = data_keys
        self._signers = signers
        self._room = room
        self._now = now
        self._timestamp = timestamp
        self._timestamp_roots = tuple(timestamp_roots)

    async def pdf(self, number: str, caller: Caller, template: str = DEFAULT) -> Paper:
        """The signed PDF of the last copy in the form `template`: the one that is kept, with what renewals appended to
        it since (`archive.py`), or a first one, which is kept from then on. Of two first ones at the same moment one
        is kept, and both callers get it.

        Raises NotFound as `Views.show`; Conflict for a certificate that was revoked or replaced before its file was
        first made: a kept file stays its owner's, but no new paper leaves the house; BadDocument, BadKey;
        Unavailable or ProofFailed when the timestamp service does not answer properly.
        """
        number = canonical_number(number)
        found = await self._store.read(lambda: find_current_document(number, template))
        if found is not None and caller.agency in (None, found[0]):
            kept = found[1]
            return Paper(number, kept[0].copy, unseal_document(self._data_keys, kept))
        certificate, _, _ = mine(await self._store.read(lambda: look(number)), number, caller)
        copy = certificate.copies[-1]
        if copy.state is not CopyState.CURRENT:
            raise no_new_paper(certificate.status)
        # What is printed and what is signed come from one snapshot: a reissue meanwhile changes neither.
        sheet, credential = await self._views.sheet_and_credential(number, caller)
        sheet = msgspec.structs.replace(sheet, template=template)
        data = await self._make(certificate.face.agency, sheet, credential)
        now, made = self._now(), sheet.copy_number
        file = Kept(
            number,
            made,
            template,
            0,
            seal_document(self._data_keys, number, made, template, 0, data),
            hashlib.sha256(data).digest(),
            None if self._timestamp is None else now + SECOND_PASS,
        )
        kept = await self._store.write(lambda: keep_document(file, Origin(caller.actor, now)))
        return Paper(number, made, data if kept[0] is file else unseal_document(self._data_keys, kept))

    async def _make(self, agency: str, sheet: Sheet, credential: str) -> bytes:
        key, signer = await self._signers.signer_for(agency)
        if key.certificate is None:
            what = Words(f"密钥 {key.kid} 没有证书。", f"Key {key.kid} has no X.509 certificate.")
            raise BadKey(what, hint="verify key create, then verify key activate: a new key gets one")
        certificate = key.certificate
        chain = [root.certificate for root in await self._roots() if root.certificate is not None]
        loop, at = asyncio.get_running_loop(), self._now()
        stamp = None if self._timestamp is None else StampThere(self._timestamp, loop)
        evidence = None if stamp is None else Evidence((*chain, *self._timestamp_roots))
        attached = attachments(credential)

        def job(press: Press) -> bytes:
            plain = press.render_pdf(sheet, attached)
            signing = sign_pdf(
                plain,
                # A key in memory signs from any thread; a device's session belongs to its loop.
                signer=signer if isinstance(signer, SoftSigner) else SignThere(signer, loop),
                certificate=certificate,
                chain=chain,
                signed_at=at,
                reason=REASON,
                timestamp=stamp,
                evidence=evidence,
            )
            return asyncio.run(signing)

        return await self._room.work(job)

    async def _roots(self) -> list[PublicKey]:
        return [key for key in await self._store.read(list_keys) if key.purpose is KeyPurpose.ROOT]


def open_kept(data_keys: DataKeys, kept: Sequence[Kept]) -> bytes:
    """The file from its parts, which must be what was kept. Raises ProofFailed, BadKey."""
    data = unseal_document(data_keys, kept)
    if hashlib.sha256(data).digest() != kept[-1].digest:
        what = Words("保存的证书文件已被改动。", "The kept file was altered.")
        raise ProofFailed(what, hint="verify audit")
    return data


def attachments(credential: str) -> list[Attachment]:
    """What travels inside the PDF: the signed record, and the same record for those who read no JWS.

    The page is made from the record, hence `source` for the signed one and `data` for its plain reading
    (ISO 32000-2 § 7.11.3).
    """
    payload = msgspec.json.format(parse_compact(credential).payload, indent=1)
    signed = Words("签名记录（vc+jwt）", "The signed record (vc+jwt)")
    plain = Words("同一记录的可读形式", "The same record, readable")
    return [
        Attachment(CREDENTIAL, credential.encode(), "application/vc+jwt", signed, "source"),
        Attachment(RECORD, payload, "application/json", plain, "data"),
    ]


class SignThere:
    """A signer that does its work on the loop it came from: an HSM's session belongs there."""

    def __init__(self, signer: Signer, loop: asyncio.AbstractEventLoop) -> None:
        self._signer = signer
        self._loop = loop

    @property
    def kid(self) -> str:
        return self._signer.kid

    @property
    def algorithm(self) -> Algorithm:
        return self._signer.algorithm

    async def sign(self, messages: Sequence[bytes]) -> list[bytes]:
        return await _there(self._signer.sign(messages), self._loop)


class StampThere:
    """The same for the timestamp service."""

    def __init__(self, service: TimestampService, loop: asyncio.AbstractEventLoop) -> None:
        self._service = service
        self._loop = loop

    async def stamp(self, digest: bytes) -> bytes:
        """A checked token. Raises as the service does."""
        return await _there(self._service.stamp(digest), self._loop)


async def _there(work: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T:
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))
