"""Links that a holder gives away: they show the public face until they expire or are withdrawn."""

import datetime as dt
import os
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from verify.certificate.text import compact, free_text, invalid
from verify.errors import Fault, Invalid, NotFound, Words
from verify.holders.session import Session
from verify.lookup.scan import Lookup
from verify.proof.sealing import DataKeys
from verify.store.contract import Store
from verify.store.holders import Share, add_share, follow_share, list_shares, withdraw_share
from verify.store.journal import Origin

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LENGTH: Final = 16
"""80 random bits."""
MAX_DAYS: Final = 90
MAX_OPEN: Final = 20
MAX_LABEL: Final = 40
HOLDER: Final = "holder"
"""How the ledger names whoever acts here: no more than that it was the holder."""


class Link(msgspec.Struct, frozen=True):
    """A link as its holder sees it."""

    id: str
    code: str
    label: str
    created_at: dt.datetime
    expires_at: dt.datetime
    withdrawn_at: dt.datetime | None


class Shown(msgspec.Struct, frozen=True):
    """What an open link shows."""

    answer: bytes
    """The finished public answer, as of now."""
    label: str
    expires_at: dt.datetime


class _Kept(msgspec.Struct, frozen=True):
    code: str
    label: str


_encode = msgspec.json.Encoder().encode
_kept = msgspec.json.Decoder(_Kept).decode


class Links:
    """Makes, lists, withdraws and follows links. Safe to call concurrently."""

    def __init__(
        self,
        store: Store,
        lookup: Lookup,
        *,
        data_keys: DataKeys,
        now: Callable[[], dt.datetime],
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """`now` gives aware UTC. Following works on a store that can only read."""
        self._store = store
        self._lookup = lookup
        self._keys = data_keys
        self._now = now
        self._random = random

    async def make(self, session: Session, days: int, label: str) -> Link:
        """A link that leads to the certificate for `days` days. Raises Invalid, Conflict when there are too many."""
        faults: list[Fault] = []
        said = free_text(label, "/label", MAX_LABEL, faults) or ""
        if not 1 <= days <= MAX_DAYS:
            what = Words(f"1 至 {MAX_DAYS} 天。", f"1 to {MAX_DAYS} days.")
            faults.append(Fault("/days", "range", what))
        if faults:
            raise invalid(*faults)
        code = "".join(ALPHABET[byte & 31] for byte in self._random(CODE_LENGTH))
        now, share_id = self._now(), f"sh_{self._random(8).hex()}"
        sealed = self._keys.seal(_encode(_Kept(code, said)), share_id.encode())
        share = Share(share_id, session.number, sealed, now, now + dt.timedelta(days=days), None)
        tag, origin = self._tag(code), Origin(HOLDER, now)
        await self._store.write(lambda: add_share(share, tag, MAX_OPEN, origin))
        return self._link(share)

    async def list(self, session: Session) -> list[Link]:
        """The links of the certificate, newest first, ended ones included."""
        return [self._link(one) for one in await self._store.read(partial(list_shares, session.number))]

    async def withdraw(self, session: Session, share_id: str) -> Link:
        """End a link: the next request with it finds nothing. Raises NotFound."""
        origin = Origin(HOLDER, self._now())
        return self._link(await self._store.write(lambda: withdraw_share(share_id, session.number, origin)))

    async def follow(self, code: str) -> Shown:
        """What a link shows now. Raises NotFound for every code that leads nowhere, Unavailable."""
        text = compact(code).translate(_TYPED)
        if len(text) != CODE_LENGTH or not set(text) <= set(ALPHABET):
            raise NotFound
        tag, at = self._tag(text), self._now()
        followed = await self._store.read(lambda: follow_share(tag, at))
        if followed is None:
            raise NotFound
        share, scan_code = followed
        try:
            found = await self._lookup.by_scan_code(scan_code)
        except Invalid as error:
            raise NotFound from error
        if not found.answers:
            raise NotFound
        return Shown(found.answers[0], self._link(share).label, share.expires_at)

    def _tag(self, code: str) -> bytes:
        return self._keys.place_tag("share", code)

    def _link(self, share: Share) -> Link:
        kept = _kept(self._keys.unseal(share.sealed, share.id.encode()))
        return Link(share.id, kept.code, kept.label, share.created_at, share.expires_at, share.withdrawn_at)


_TYPED: Final = str.maketrans("OIL", "011")
"""Letters that people read for digits (Crockford base32)."""
