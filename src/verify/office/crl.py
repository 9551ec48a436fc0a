"""The operator's X.509 revocation lists: one for each root, signed anew after a compromise and before it is old.

They say what the trust list says, to readers that know X.509 alone: PDF viewers, and validators of archived files.
A list holds nothing that the ledger's `key-changed` events do not, so publishing one is no event of its own.
"""

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence

from verify.errors import BadKey
from verify.proof.keyfiles import KeyStore
from verify.proof.public import KeyPurpose, KeyState, PublicKey
from verify.proof.revocation import issued_by, revocation_list, revoked_in, serial_of
from verify.store import register
from verify.store.contract import Program, Store
from verify.store.register import RevocationList
from verify.telemetry import log


class CrlDesk:
    """Signs and publishes revocation lists. Safe to call concurrently, from several processes too: of two lists made at
    once the younger stays."""

    def __init__(
        self, store: Store, key_store: KeyStore, *, max_age_s: int, now: Callable[[], dt.datetime]
    ) -> None:
        """A list names its successor `max_age_s` later; it is renewed at a third of that."""
        self._store = store
        self._key_store = key_store
        self._max_age = dt.timedelta(seconds=max_age_s)
        self._now = now

    async def refresh(self, since: dt.datetime | None = None) -> list[bytes]:
        """Make the lists that are old, say something else than the register, or were made before `since`; all newest
        lists (DER) come back.

        A root that is not in use any more, and whose key is not at hand, keeps its last list. Raises BadKey when the key
        of the root in use cannot be read; whatever the store raises.
        """
        keys, kept = await self._store.read(_keys_and_lists)
        now = self._now().replace(microsecond=0)
        lists = []
        for root in (key for key in keys if _is_root(key)):
            last = kept.get(root.kid)
            if last is None or self._is_stale(last, _revoked_under(root, keys), now, since):
                last = await self._made(root, keys, now) or last
            if last is not None:
                lists.append(last.document)
        return lists

    def _is_stale(
        self,
        last: RevocationList,
        revoked: dict[int, dt.datetime],
        now: dt.datetime,
        since: dt.datetime | None,
    ) -> bool:
        old = now - last.made_at >= self._max_age / 3 or (since is not None and last.made_at < since)
        return old or revoked_in(last.document) != revoked

    async def _made(
        self, root: PublicKey, keys: Sequence[PublicKey], now: dt.datetime
    ) -> RevocationList | None:
        assert root.certificate is not None  # as `_is_root` asks
        try:
            pair = await asyncio.to_thread(self._key_store.load, root.kid)
        except BadKey:
            if root.state is KeyState.ACTIVE:
                raise
            log.warning("a former root signs no revocation list any more: its key is not here", kid=root.kid)
            return None
        number = int(now.timestamp())  # grows by itself, also after a restore
        document = revocation_list(
            pair, root.certificate, _revoked_under(root, keys), number=number, made_at=now,
            next_at=now + self._max_age,
        )  # fmt: skip
        made = RevocationList(root.kid, now, document)
        await self._store.write(lambda: register.put_revocation_list(made))
        return made


def _is_root(key: PublicKey) -> bool:
    """Roots whose word counts: a thief's list would prove nothing."""
    good = key.state in (KeyState.ACTIVE, KeyState.RETIRED)
    return key.purpose is KeyPurpose.ROOT and good and key.certificate is not None


def _revoked_under(root: PublicKey, keys: Sequence[PublicKey]) -> dict[int, dt.datetime]:
    """Serials of compromised keys' certificates, with the second since when they prove nothing."""
    assert root.certificate is not None  # as `_is_root` asks
    return {
        serial_of(key.certificate): key.compromised_at.replace(microsecond=0)
        for key in keys
        if key.certificate is not None
        and key.compromised_at is not None
        and key.purpose is not KeyPurpose.ROOT
        and issued_by(key.certificate, root.certificate)
    }


def _keys_and_lists() -> Program[tuple[list[PublicKey], dict[str, RevocationList]]]:
    keys = yield from register.list_keys()
    return keys, {one.kid: one for one in (yield from register.list_revocation_lists())}
