"""The keys of the operator and the agencies: private halves in the key store, public halves in the register.

The file is written before the record: a crash between leaves a file that nobody uses, never a record without
its key.
"""

import asyncio
import datetime as dt
import os
from collections.abc import Callable, Sequence

import msgspec

from verify.certificate.agency import parse_agency_code
from verify.certificate.record import Agency
from verify.errors import BadKey, Forbidden, NotFound, VerifyError, Words
from verify.office.crl import CrlDesk
from verify.office.trust import TrustDesk, root_in_use
from verify.proof.authority import SERIAL_BYTES, agency_certificate, root_certificate
from verify.proof.keyfiles import KeyStore
from verify.proof.keys import KeyPair, generate_for, public_record
from verify.proof.public import OPERATOR, KeyPurpose, KeyState, PublicKey, verify_signature
from verify.proof.signer import SoftSigner
from verify.proof.window import KeyMove, move_key
from verify.store import register
from verify.store.contract import Program, Store
from verify.store.journal import Origin

ROOT_YEARS = 20
AGENCY_YEARS = 10
CRL_PATH = "/crl/"
"""Where the web room serves revocation lists, by the root's key id."""
CLOCK_SLACK = dt.timedelta(minutes=5)
"""X.509 certificates begin this much earlier, for readers whose clock is behind."""

OPERATOR_PURPOSES = (KeyPurpose.ROOT, KeyPurpose.STATEMENT, KeyPurpose.LOG)
AGENCY_PURPOSES = (KeyPurpose.TOKEN, KeyPurpose.DATA_INTEGRITY)
_PROBE = b"verify/office/probe/1"


class KeyFault(msgspec.Struct, frozen=True):
    """A key that is to sign and cannot."""

    kid: str
    owner: str
    detail: Words
    hint: str


class Keys:
    """The desk for keys. Safe to call concurrently."""

    def __init__(
        self,
        store: Store,
        key_store: KeyStore,
        trust: TrustDesk,
        crl: CrlDesk,
        *,
        now: Callable[[], dt.datetime],
        random: Callable[[int], bytes] = os.urandom,
        public_url: str | None = None,
    ) -> None:
        """Work on `store`, with private halves in `key_store`; `trust` and `crl` publish after every change.

        Certificates name the address of their root's revocation list below `public_url`.
        """
        self._store = store
        self._key_store = key_store
        self._trust = trust
        self._crl = crl
        self._public_url = public_url
        self._now = now
        self._random = random

    async def list_keys(self, owner: str | None = None) -> list[PublicKey]:
        """All keys, or those of one owner; oldest first, retired and compromised ones included."""
        keys = await self._store.read(register.list_keys)
        return [key for key in keys if owner is None or key.owner == owner]

    async def find(self, kid: str) -> PublicKey:
        """One key. Raises NotFound."""
        return _pick(await self._store.read(register.list_keys), kid)

    async def open_root(self, operator: Words, *, actor: str) -> PublicKey:
        """The operator's root, statement and log key, made and activated where there is none yet: what `init` calls.

        Running it again changes nothing. Raises BadKey when the key store refuses.
        """
        keys = await self._store.read(register.list_keys)
        for purpose in OPERATOR_PURPOSES:
            if not any(key.purpose is purpose and key.state is KeyState.ACTIVE for key in keys):
                made = await self._make(OPERATOR, operator, purpose, actor, b"")
                await self._change(made.kid, KeyMove.ACTIVATE, self._now(), actor, b"")
        await self._trust.refresh(actor)
        await self._crl.refresh()
        return root_in_use(await self._store.read(register.list_keys))

    async def create(self, owner: str, purpose: KeyPurpose, *, actor: str, request: bytes = b"") -> PublicKey:
        """A pending key for an agency, or for `operator`. It signs nothing before `activate`.

        Raises Forbidden for a purpose that is not this owner's, NotFound for an unknown agency, BadKey when the
        key store refuses or, for an agency's P-256 key, there is no active root to certify it.
        """
        allowed = OPERATOR_PURPOSES if owner == OPERATOR else AGENCY_PURPOSES
        if purpose not in allowed:
            listed = ", ".join(allowed)
            what = Words(f"该所有者的密钥用途应为：{listed}。", f"This owner's keys are for: {listed}.")
            raise Forbidden(what, hint="verify key create --help")
        name = await self._owner_name(owner)
        made = await self._make(owner, name, purpose, actor, request)
        await self._announce(actor)
        return made

    async def create_pair(self, agency: str, *, actor: str, request: bytes = b"") -> list[PublicKey]:
        """Both keys of an agency, pending: one for tokens and documents, one for Data Integrity proofs."""
        code = str(parse_agency_code(agency)[0])
        name = await self._owner_name(code)
        made = [await self._make(code, name, purpose, actor, request) for purpose in AGENCY_PURPOSES]
        await self._announce(actor)
        return made

    async def activate(self, kid: str, *, actor: str, request: bytes = b"") -> PublicKey:
        """Let a pending key sign; the one it follows is retired in the same commit.

        The private half is loaded, signs and is read back first. Raises NotFound, BadKey, ForbiddenArrow.
        """
        key = await self.find(kid)
        await asyncio.to_thread(probe, self._key_store, key)
        return await self._change_and_announce(kid, KeyMove.ACTIVATE, self._now(), actor, request)

    async def retire(self, kid: str, *, actor: str, request: bytes = b"") -> PublicKey:
        """End a key's window now; what it signed stays good for ever. Raises NotFound, ForbiddenArrow."""
        return await self._change_and_announce(kid, KeyMove.RETIRE, self._now(), actor, request)

    async def compromise(
        self, kid: str, since: dt.datetime, *, actor: str, request: bytes = b""
    ) -> PublicKey:
        """Declare that from `since` (aware UTC, not in the future) a signature by this key proves nothing.

        The key signs no more from this commit on; what the ledger shows as signed before `since` stays good.
        Raises NotFound, ForbiddenArrow, Invalid for a future date.
        """
        if since > self._now() + CLOCK_SLACK:
            what = Words("泄露时间不能在未来。", "A compromise lies in the past.")
            raise Forbidden(what, hint="verify key compromise KID --since 2026-11-20T08:00:00Z")
        return await self._change_and_announce(kid, KeyMove.COMPROMISE, since, actor, request)

    async def check(self) -> list[KeyFault]:
        """Every active key: its file is there, ours, 0600, opens, signs, and its public half verifies.

        Opening a file costs 45 ms by design, so keys are opened in threads beside each other.
        """
        active = [k for k in await self._store.read(register.list_keys) if k.state is KeyState.ACTIVE]
        faults = await asyncio.gather(*(asyncio.to_thread(_fault, self._key_store, key) for key in active))
        return [fault for fault in faults if fault is not None]

    # --- inside -----------------------------------------------------------------------------------------

    async def _owner_name(self, owner: str) -> Words:
        if owner == OPERATOR:
            keys = await self._store.read(register.list_keys)
            return root_in_use(keys).owner_name
        code = str(parse_agency_code(owner)[0])
        agency = await self._store.read(lambda: register.find_agency(code))
        if agency is None:
            what = Words(f"没有机构 {code}。", f"There is no agency {code}.")
            raise NotFound(what, hint="verify agency add CODE --name …")
        return _name_of(agency)

    async def _make(
        self, owner: str, name: Words, purpose: KeyPurpose, actor: str, request: bytes
    ) -> PublicKey:
        """Generate, certify, write the file, then the record."""
        at = self._now()
        pair = generate_for(purpose)
        certificate = None
        if purpose is KeyPurpose.ROOT:
            certificate = self._certify_root(pair, name, at)
        elif purpose in (KeyPurpose.TOKEN, KeyPurpose.STATEMENT):  # both sign PDF files
            certificate = await self._certify(pair, owner, name, at)
        record = public_record(
            pair, owner=owner, owner_name=name, purpose=purpose, created_at=at, certificate=certificate
        )
        await asyncio.to_thread(self._key_store.add, pair)
        origin = Origin(actor, at, request)
        return await self._store.write(lambda: register.add_key(record, origin))

    def _certify_root(self, pair: KeyPair, name: Words, at: dt.datetime) -> bytes:
        begin = (at - CLOCK_SLACK).replace(microsecond=0)
        end = begin.replace(year=begin.year + ROOT_YEARS, day=min(begin.day, 28))
        serial = self._random(SERIAL_BYTES)
        return root_certificate(pair, operator=name.zh, serial=serial, not_before=begin, not_after=end)

    async def _certify(self, pair: KeyPair, owner: str, name: Words, at: dt.datetime) -> bytes:
        root = root_in_use(await self._store.read(register.list_keys))
        if root.certificate is None:
            what = Words("根密钥没有证书。", "The root key has no certificate.")
            raise BadKey(what, hint="restore the key table from a backup")
        begin = (at - CLOCK_SLACK).replace(microsecond=0)
        return agency_certificate(
            await asyncio.to_thread(self._key_store.load, root.kid),
            root.certificate,
            pair.key_bytes,
            agency=owner,
            agency_name=name.zh,
            serial=self._random(SERIAL_BYTES),
            not_before=begin,
            not_after=begin.replace(year=begin.year + AGENCY_YEARS, day=min(begin.day, 28)),
            lists_at=None if self._public_url is None else f"{self._public_url}{CRL_PATH}{root.kid}",
        )

    async def _change(
        self, kid: str, move: KeyMove, at: dt.datetime, actor: str, request: bytes
    ) -> PublicKey:
        origin = Origin(actor, self._now(), request)
        return await self._store.write(lambda: _move(kid, move, at, origin))

    async def _change_and_announce(
        self, kid: str, move: KeyMove, at: dt.datetime, actor: str, request: bytes
    ) -> PublicKey:
        changed = await self._change(kid, move, at, actor, request)
        await self._announce(actor)
        return changed

    async def _announce(self, actor: str) -> None:
        """Publish, unless the change took the root itself out of use: the next root publishes then."""
        keys = await self._store.read(register.list_keys)
        if any(key.purpose is KeyPurpose.ROOT and key.state is KeyState.ACTIVE for key in keys):
            await self._trust.publish(actor)
            await self._crl.refresh()


def probe(key_store: KeyStore, key: PublicKey) -> KeyPair:
    """Load a private half, sign with it and verify with the public half. Raises BadKey, BadSignature."""
    pair = key_store.load(key.kid)
    verify_signature(key, _PROBE, SoftSigner(pair).sign_now(_PROBE))
    return pair


def _fault(key_store: KeyStore, key: PublicKey) -> KeyFault | None:
    try:
        probe(key_store, key)
    except VerifyError as error:
        return KeyFault(key.kid, key.owner, error.detail, error.hint)
    return None


def _move(kid: str, move: KeyMove, at: dt.datetime, origin: Origin) -> Program[PublicKey]:
    """Move one key; an activation retires the key in use first, in the same commit."""
    key = _pick((yield from register.list_keys()), kid)
    changed = move_key(key, move, at)
    if changed == key:
        return key
    changes = [changed]
    if move is KeyMove.ACTIVATE:
        old = yield from register.key_in_use(key.owner, key.purpose)
        if old is not None:
            changes.insert(0, move_key(old, KeyMove.RETIRE, at))
    yield from register.change_keys(changes, origin)
    return changed


def _pick(keys: Sequence[PublicKey], kid: str) -> PublicKey:
    for key in keys:
        if key.kid == kid:
            return key
    raise NotFound(Words(f"没有密钥 {kid}。", f"There is no key {kid}."), hint="verify key list")


def _name_of(agency: Agency) -> Words:
    return Words(agency.name_zh, agency.name_en or agency.name_zh)
