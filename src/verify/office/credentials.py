"""API keys: made once, shown once, kept as a hash, asked about at every request.

The bearer is `vk_<id>_<secret>`: the prefix lets scanners of leaked secrets recognise it, the id finds the row,
the secret is 256 random bits. The id stays when the secret is exchanged, and with it everything that hangs on it.
"""

import datetime as dt
import hmac
import os
import re
from collections.abc import Callable, Sequence

from verify.certificate.agency import parse_agency_code
from verify.certificate.text import free_text, invalid
from verify.errors import Fault, Unauthenticated, Words
from verify.proof.sealing import secret_hash
from verify.store import register, rotation
from verify.store.contract import Store
from verify.store.gather import Gather
from verify.store.journal import Origin
from verify.store.register import Credential

AGENCY_ROLE = "agency"
OPERATOR_ROLE = "operator"
EMPLOYER_ROLE = "employer"
"""May ask about certificates in bulk and keep receipts; sees what the public sees, and nothing of the office."""

OVERLAP = dt.timedelta(days=1)
"""How long the old secret counts beside the new one unless somebody says otherwise: every system of its owner is met
by a working day's deployment."""
MAX_OVERLAP = dt.timedelta(days=30)
"""Longer, and two secrets are simply two secrets."""

MAX_NAME = 80
MAX_READ = 256
_BEARER = re.compile(r"vk_([0-9a-f]{12})_([0-9a-f]{64})")
_NO_ID = "0" * 12
_NO_HASH = bytes(32)


class Credentials:
    """The desk for API keys. Safe to call concurrently."""

    def __init__(
        self, store: Store, *, now: Callable[[], dt.datetime], random: Callable[[int], bytes] = os.urandom
    ) -> None:
        """Work on `store`; `now` gives aware UTC."""
        self._store = store
        self._now = now
        self._random = random
        self._reads: Gather[None, str, Credential | None] = Gather(self._read, limit=MAX_READ, at_once=True)

    async def create(
        self,
        name: str,
        *,
        agency: str | None,
        actor: str,
        request: bytes = b"",
        employer: bool = False,
    ) -> tuple[Credential, str]:
        """Make a key for one agency; when `agency` is None for an employer, or else for the operator.

        Returns its record and the bearer text, which exists nowhere else: it cannot be shown again.
        Raises Invalid for an empty name or a malformed code, NotFound for an agency that is not registered.
        """
        faults: list[Fault] = []
        given_to = free_text(name, "/name", MAX_NAME, faults)
        if given_to is None:
            what = Words("请写明密钥交给谁使用。", "Say who or which system the key is for.")
            faults.append(Fault("/name", "name-missing", what))
        if faults:
            raise invalid(*faults)
        assert given_to is not None  # else there was a fault
        code = None if agency is None else str(parse_agency_code(agency)[0])
        key_id, secret = self._random(6).hex(), self._new_secret()
        at = self._now()
        role = AGENCY_ROLE if code is not None else EMPLOYER_ROLE if employer else OPERATOR_ROLE
        credential = Credential(key_id, role, code, given_to, secret_hash(secret), at)
        origin = Origin(actor, at, request)
        await self._store.write(lambda: register.add_credential(credential, origin))
        return credential, f"vk_{key_id}_{secret}"

    async def rotate(
        self,
        credential_id: str,
        *,
        actor: str,
        overlap: dt.timedelta = OVERLAP,
        owner: str | None = None,
        role: str | None = None,
        present: str | None = None,
        request: bytes = b"",
    ) -> tuple[Credential, str]:
        """Give a key another secret. The one before counts for `overlap` more; none ends it with this call.

        `present`: the bearer that whoever asks came with, when the key itself asks: it must be the newest, so that of
        two who exchange it at once one is told. `owner`, `role`: what the key has to be. Returns the record and the
        new bearer, shown this once. Raises Invalid for an overlap beyond `MAX_OVERLAP`, NotFound, Conflict.
        """
        if not dt.timedelta() <= overlap <= MAX_OVERLAP:
            most = MAX_OVERLAP.days
            what = Words(f"重叠期为 0 至 {most} 天。", f"The overlap is none to {most} days.")
            raise invalid(Fault("/overlap_s", "overlap", what))
        secret, origin = self._new_secret(), Origin(actor, self._now(), request)
        came = None if present is None else _hash_of(present)
        rotated = await self._store.write(
            lambda: rotation.rotate_credential(
                credential_id, secret_hash(secret), overlap, origin, present=came, owner=owner, role=role
            )
        )
        return rotated, f"vk_{credential_id}_{secret}"

    async def end_old(
        self,
        credential_id: str,
        *,
        actor: str,
        owner: str | None = None,
        role: str | None = None,
        present: str | None = None,
        request: bytes = b"",
    ) -> Credential:
        """Let the secret before the newest end now. Ending it twice is the same as once. Raises as `rotate`."""
        origin = Origin(actor, self._now(), request)
        came = None if present is None else _hash_of(present)
        return await self._store.write(
            lambda: rotation.end_old_secret(credential_id, origin, present=came, owner=owner, role=role)
        )

    async def authenticate(self, bearer: str) -> Credential:
        """The credential behind `vk_<id>_<secret>`, read from the store each time: a revocation counts at once.

        Who asks at the same moment shares one read, which begins after all of them asked.
        Raises Unauthenticated, in the same words and after the same work, whatever is wrong with the bearer;
        StoreFailed when the store cannot say.
        """
        match = _BEARER.fullmatch(bearer)
        key_id, secret = match.groups() if match else (_NO_ID, bearer[:64])
        credential = await self._reads.put(None, key_id)
        came, now = secret_hash(secret), self._now()
        wanted, old, until = _NO_HASH, _NO_HASH, now
        if credential is not None:
            wanted, old = credential.secret_hash, credential.old_hash or _NO_HASH
            until = credential.old_until or now
        is_new, is_old = hmac.compare_digest(came, wanted), hmac.compare_digest(came, old) and now < until
        if not (is_new or is_old) or match is None or credential is None or credential.revoked_at is not None:
            raise Unauthenticated
        return credential

    async def _read(self, _: None, ids: Sequence[str]) -> list[Credential | None]:
        found = await self._store.read(lambda: register.find_credentials(list(set(ids))), snapshot=False)
        return [found.get(one) for one in ids]

    async def revoke(
        self, credential_id: str, *, owner: str | None, actor: str, request: bytes = b""
    ) -> Credential:
        """End a key: the next request with it is refused. `owner` is the asking agency, None the operator.

        Raises NotFound when there is no such key of that owner. Revoking twice is the same as once.
        """
        origin = Origin(actor, self._now(), request)
        return await self._store.write(lambda: register.revoke_credential(credential_id, owner, origin))

    async def list_credentials(self, owner: str | None = None) -> list[Credential]:
        """All keys of one agency, or all there are; oldest first, revoked ones included."""
        found = await self._store.read(register.list_credentials)
        return [one for one in found if owner is None or one.agency == owner]

    def _new_secret(self) -> str:
        return self._random(32).hex()


def _hash_of(bearer: str) -> bytes:
    """Of the secret in a bearer that was let in."""
    return secret_hash(bearer.rpartition("_")[2])
