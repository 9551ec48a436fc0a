"""Status packs: which numbers are not valid, built, signed and put up for phones to keep."""

import asyncio
import datetime as dt
from collections.abc import Callable, Sequence

import msgspec

from verify.errors import Invalid, Unreadable
from verify.office.trust import statement_in_use
from verify.proof.keyfiles import KeyStore
from verify.proof.pack import (
    Pack,
    assemble_manifest,
    build_manifest,
    build_pack,
    decode_pack,
    diff_packs,
    digest,
    encode_delta,
    encode_pack,
    manifest_kid,
    manifest_signing_input,
    without_place,
)
from verify.proof.public import PublicKey
from verify.proof.signer import SoftSigner, sign_and_read_back
from verify.store import packs, register
from verify.store.contract import Program, Store
from verify.store.packs import Manifest, Standing
from verify.telemetry import log

MAX_AGE_S = 24 * 3600
"""How long a phone without network may show a pack as recent."""
BASES = 8
"""Packs from which a delta leads to the new one: a phone that comes back soon fetches some bytes."""
KEEP = dt.timedelta(days=3)
"""How long files stay: whoever has read a manifest can still fetch what it names."""


class _Made(msgspec.Struct, frozen=True):
    """What is signed, and the files that it names."""

    pack: str
    payload: bytes
    files: dict[str, bytes]
    left_out: int
    """Listed numbers that have no place in a pack."""


class PackDesk:
    """Builds, signs and publishes status packs. Safe to call concurrently, from several processes too: two packs
    of the same moment are both true, and the register's newest is the one that is served."""

    def __init__(
        self,
        store: Store,
        key_store: KeyStore,
        *,
        now: Callable[[], dt.datetime],
        max_age_s: int = MAX_AGE_S,
    ) -> None:
        """Work on `store` with the statement key of `key_store`; a pack counts as recent for `max_age_s`."""
        self._store = store
        self._key_store = key_store
        self._now = now
        self._max_age_s = max_age_s

    async def refresh(self, every_s: float) -> Manifest:
        """The newest manifest if it is younger than half of `every_s` and signed by the key in use, else a new one.

        Raises as `publish`.
        """
        last, keys = await self._store.read(_last_and_keys)
        if last is not None and manifest_kid(last.document) == statement_in_use(keys).kid:
            age_s = (self._now() - last.issued_at).total_seconds()
            if 0 <= age_s < every_s / 2:
                return last
        return await self.publish()

    async def publish(self) -> Manifest:
        """Make the pack of this moment, with deltas from the last few. Durable on return.

        A brought number that no counter reaches cannot be listed: it is left out with a line in the log, and
        the pack says of it that it is beyond what was given out. Raises BadKey when there is no active statement
        key or its file cannot be used, Invalid for a pack that would be too large, and whatever the store raises.
        """
        # 1. One snapshot of the register; suspensions that have ended by now are over.
        at = self._now().replace(microsecond=0)
        keys, standing, held = await self._store.read(lambda: _read(at))
        key = statement_in_use(keys)
        # 2. The files, and what names them; in a thread, for a register of millions takes a second.
        made = await asyncio.to_thread(_make, standing, held, at, self._max_age_s)
        if made.left_out:
            log.warning("numbers without a place are left out of the status pack", count=made.left_out)
        # 3. Signed, and read back.
        signer = SoftSigner(self._key_store.load(key.kid))
        (signature,) = await sign_and_read_back(signer, key, [manifest_signing_input(key, made.payload)])
        document = assemble_manifest(key, made.payload, signature)
        # 4. Manifest and files appear in one commit; what is older than anybody needs goes.
        manifest = Manifest(standing.seq, at, made.pack, document)
        await self._store.write(lambda: packs.publish(manifest, made.files, at - KEEP))
        return manifest


def _last_and_keys() -> Program[tuple[Manifest | None, list[PublicKey]]]:
    last = yield from packs.last_manifest()
    return last, (yield from register.list_keys())


def _read(at: dt.datetime) -> Program[tuple[list[PublicKey], Standing, list[bytes]]]:
    keys = yield from register.list_keys()
    standing = yield from packs.read_standing(at)
    return keys, standing, (yield from packs.last_packs(BASES))


def _make(standing: Standing, held: Sequence[bytes], at: dt.datetime, max_age_s: int) -> _Made:
    outside = set(without_place(standing.counters, (number for number, _ in standing.listed)))
    listed = [one for one in standing.listed if one[0] not in outside]
    pack = build_pack(standing.counters, listed, seq=standing.seq, issued_at=at, max_age_s=max_age_s)
    whole = encode_pack(pack)
    steps = [(base, delta) for base in held if base != whole and (delta := _delta(base, pack)) is not None]
    files = {digest(body): body for body in (whole, *(delta for _, delta in steps))}
    return _Made(digest(whole), build_manifest(pack, steps), files, len(outside))


def _delta(base: bytes, pack: Pack) -> bytes | None:
    """What leads from a base to the pack; None when nothing does, as from one that another node made later."""
    try:
        return encode_delta(diff_packs(decode_pack(base), pack))
    except (Invalid, Unreadable):
        return None
