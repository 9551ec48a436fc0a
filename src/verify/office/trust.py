"""The trust list: signed by the root after every change of keys, and again before its readers call it old."""

import datetime as dt
from collections.abc import Callable, Sequence

from verify.errors import BadKey, Conflict, VerifyError, Words
from verify.proof.keyfiles import KeyStore
from verify.proof.public import OPERATOR, KeyPurpose, KeyState, PublicKey, by_kid
from verify.proof.signer import SoftSigner, sign_and_read_back
from verify.proof.trust import assemble_trust_list, build_trust_list, trust_signing_input, verify_trust_list
from verify.store import register
from verify.store.contract import Program, Store
from verify.store.journal import Origin
from verify.store.register import TrustList

TRIES = 5
"""Another process may publish between our reading and our writing; then we sign again."""


class TrustDesk:
    """Signs and publishes trust lists. Safe to call concurrently, from several processes too."""

    def __init__(
        self, store: Store, key_store: KeyStore, *, max_age_s: int, now: Callable[[], dt.datetime]
    ) -> None:
        """Work on `store` with the private keys of `key_store`; a list may be relied on for `max_age_s`."""
        self._store = store
        self._key_store = key_store
        self._max_age_s = max_age_s
        self._now = now

    async def last(self) -> TrustList | None:
        """The newest published list."""
        return await self._store.read(register.last_trust_list)

    async def publish(self, actor: str) -> TrustList:
        """Sign all keys as they are now under the next sequence number, and publish. Durable on return.

        Raises BadKey when there is no active root or its file cannot be used; whatever the store raises.
        """
        for _ in range(TRIES - 1):
            try:
                return await self._publish(actor)
            except Conflict:
                continue  # somebody else published this sequence number: sign again over what is there now
        return await self._publish(actor)

    async def refresh(self, actor: str) -> TrustList:
        """The newest list if it says what the register says and is young; else a new one.

        A list is renewed at a third of its maximum age, or when a crash came between a change of keys and its
        publication: this is the normal code, run again. Raises as `publish`.
        """
        keys, last = await self._store.read(_keys_and_last)
        if last is not None and self._is_current(last, keys):
            return last
        return await self.publish(actor)

    def _is_current(self, last: TrustList, keys: Sequence[PublicKey]) -> bool:
        now = self._now()
        if now - last.issued_at >= dt.timedelta(seconds=self._max_age_s / 3):
            return False
        roots = by_kid(key for key in keys if _is_root_in_use(key))
        try:
            return verify_trust_list(last.document, roots, now=now).keys == by_kid(keys)
        except VerifyError:
            return False

    async def _publish(self, actor: str) -> TrustList:
        keys, last = await self._store.read(_keys_and_last)
        root = root_in_use(keys)
        at = self._now()
        sequence = 1 if last is None else last.sequence + 1
        payload = build_trust_list(keys, sequence=sequence, issued_at=at, max_age_s=self._max_age_s)
        signer = SoftSigner(self._key_store.load(root.kid))
        (signature,) = await sign_and_read_back(signer, root, [trust_signing_input(root, payload)])
        made = TrustList(sequence, at, assemble_trust_list(root, payload, signature))
        origin = Origin(actor, at)
        return await self._store.write(lambda: register.add_trust_list(made, origin))


def root_in_use(keys: Sequence[PublicKey]) -> PublicKey:
    """The operator's active root. Raises BadKey when there is none."""
    for key in keys:
        if _is_root_in_use(key):
            return key
    what = Words("没有启用中的根密钥。", "There is no active root key.")
    raise BadKey(what, hint="verify init; or: verify key create --purpose root, then verify key activate KID")


def statement_in_use(keys: Sequence[PublicKey]) -> PublicKey:
    """The key that signs the operator's daily word. Raises BadKey when there is none: the root does not stand in."""
    for key in keys:
        if key.owner == OPERATOR and key.purpose is KeyPurpose.STATEMENT and key.state is KeyState.ACTIVE:
            return key
    what = Words("没有启用中的声明密钥。", "There is no active statement key.")
    raise BadKey(what, hint="verify key create operator --purpose statement --activate")


def _is_root_in_use(key: PublicKey) -> bool:
    return key.owner == OPERATOR and key.purpose is KeyPurpose.ROOT and key.state is KeyState.ACTIVE


def _keys_and_last() -> Program[tuple[list[PublicKey], TrustList | None]]:
    keys = yield from register.list_keys()
    return keys, (yield from register.last_trust_list())
