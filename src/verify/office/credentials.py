"""API keys: made once, shown once, kept as a hash, asked about at every request.

The bearer is `vk_<id>_<secret>`: the prefix lets scanners of leaked secrets recognise it, the id finds the row,
the secret is 256 random bits.
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
from verify.store import register
from verify.store.contract import Store
from verify.store.gather import Gather
from verify.store.journal import Origin
from verify.store.register import Credential

AGENCY_ROLE = "agency"
OPERATOR_ROLE = "operator"
EMPLOYER_ROLE = "employer"
"""May ask about certificates in bulk and keep receipts; sees what the public sees, and nothing of the office."""

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
        self._reads: Gather[None, str, Credential | None] = Gather(self._read, limit=MAX_READ)

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
        key_id, secret = self._random(6).hex(), self._random(32).hex()
        at = self._now()
        role = AGENCY_ROLE if code is not None else EMPLOYER_ROLE if employer else OPERATOR_ROLE
        credential = Credential(key_id, role, code, given_to, secret_hash(secret), at)
        origin = Origin(actor, at, request)
        await self._store.write(lambda: register.add_credential(credential, origin))
        return credential, f"vk_{key_id}_{secret}"

    async def authenticate(self, bearer: str) -> Credential:
        """The credential behind `vk_<id>_<secret>`, read from the store each time: a revocation counts at once.

        Who asks at the same moment shares one read, which begins after all of them asked.
        Raises Unauthenticated, in the same words and after the same work, whatever is wrong with the bearer;
        StoreFailed when the store cannot say.
        """
        match = _BEARER.fullmatch(bearer)
        key_id, secret = match.groups() if match else (_NO_ID, bearer[:64])
        credential = await self._reads.put(None, key_id)
        wanted = _NO_HASH if credential is None else credential.secret_hash
        same = hmac.compare_digest(secret_hash(secret), wanted)
        if not same or match is None or credential is None or credential.revoked_at is not None:
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
