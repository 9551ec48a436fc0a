"""The far cache: what the store said, kept in Redis for the other nodes. It can cost time, never truth.

An entry is sealed with a key that Redis does not have, bound to its kind, its number, this form of entry and the
history of the register, of which a restore begins another; it carries the ledger sequence at which it was true.
Whether it is still true is not decided here: `scan.py` uses it only if the node's window reaches back to that
sequence and knows no later change of the number or its agency.
So Redis may lose, delay, replay, swap or forge: what it sends is an entry that holds, or nothing.
"""

import asyncio
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar

import msgspec

from verify.errors import Unreadable, Words
from verify.lookup.answer import Agency, FullEntry
from verify.lookup.link import Link, place_key, script
from verify.proof.sealing import DataKeys
from verify.store.contract import Row

FORM: Final = b"1"
"""Part of every seal. Raise it when fields or the wording of answers change: nodes of both versions then run side
by side without reading each other's entries."""
PACK_FROM_BYTES: Final = 512
"""Shorter entries are not compressed: it would cost more than it saves."""
MOST_BYTES: Final = 64 << 10
"""A longer entry is not kept, and none is unpacked beyond it."""
KEEP_S: Final = 6 * 3600
"""Redis forgets an entry after so many seconds; it bounds memory there, and has no part in what is true."""
WAITING: Final = 4096
"""Entries that wait to be written; beyond it, new ones are let go."""
AT_ONCE: Final = 256

_PLAIN, _PACKED = b"\0", b"\1"

KEEP: Final = script(
    """
    for i, key in ipairs(KEYS) do redis.call('SET', key, ARGV[i + 1], 'EX', ARGV[1]) end
    local told = {}
    for i = 1, #KEYS do told[i] = 1 end
    return told
    """
)
"""Writes without a comparison: an older entry over a newer one costs a read of the store, because whoever reads it
looks at its sequence; and Redis could not compare what it cannot open."""

E = TypeVar("E", "FarNumber", "FarFace")


class FarNumber(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One row of `read_faces` and its agency's name, as at `seq`."""

    seq: int
    number: str
    face: str
    status: str
    revision: int
    since: int
    reason: str | None
    until: int | None
    agency: str
    zh: str
    en: str

    @property
    def row(self) -> Row:
        """As the store gives it."""
        return (self.number, self.face, self.status, self.revision, self.since, self.reason, self.until, self.agency)  # fmt: skip

    @property
    def names(self) -> dict[str, Words]:
        """The agency's name by its code."""
        return {self.agency: Words(self.zh, self.en)}


class FarFace(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A full public face, rendered: the masked ID number is all it has of the holder's document."""

    seq: int
    number: str
    until: int
    agency: str
    zh: str
    en: str
    size: int
    head: bytes
    middle: bytes
    tail: bytes
    current: bytes
    copies: tuple[tuple[str, bytes], ...]
    tags: tuple[bytes, bytes]

    @property
    def names(self) -> dict[str, Words]:
        """The agency's name by its code."""
        return {self.agency: Words(self.zh, self.en)}

    def entry(self, agency: Agency) -> FullEntry:
        """As the near cache holds it."""
        return FullEntry(
            self.seq, self.until, agency, self.size, self.head, self.middle, self.tail, self.current, self.copies,
            self.tags,
        )  # fmt: skip


def far_number(row: Row, seq: int, name: Words) -> FarNumber:
    """What is kept of one row of `read_faces`, read at `seq`; `name` is its agency's."""
    number, face, status, revision, since, reason, until, agency = row
    return FarNumber(seq, number, face, status, revision, since, reason, until, agency, name.zh, name.en)


def far_face(number: str, entry: FullEntry) -> FarFace:
    """What is kept of a full entry."""
    agency = entry.scope
    return FarFace(
        entry.seq, number, entry.until, agency.code, agency.name.zh, agency.name.en, entry.size, entry.head,
        entry.middle, entry.tail, entry.current, entry.copies, entry.tags,
    )  # fmt: skip


class Sought(msgspec.Struct, frozen=True):
    """What the far cache had; each still to be held against the window."""

    numbers: tuple[FarNumber, ...] = ()
    faces: tuple[FarFace, ...] = ()


_encode = msgspec.msgpack.Encoder().encode
_KINDS: Final[dict[type, bytes]] = {FarNumber: b"n", FarFace: b"f"}


class FarCache:
    """One per process. Nothing here raises, and nobody waits for a write."""

    def __init__(self, link: Link, data_keys: DataKeys, *, revoked_public: bool) -> None:
        """Over `link`. Nodes that show revoked certificates and nodes that do not keep apart."""
        self._link = link
        self._keys = data_keys
        self._form = FORM + (b"+" if revoked_public else b"-")
        self._decoders: dict[type, msgspec.msgpack.Decoder[Any]] = {
            kind: msgspec.msgpack.Decoder(kind) for kind in _KINDS
        }
        self._waiting: dict[bytes, tuple[FarNumber | FarFace, str]] = {}
        self._writing: asyncio.Task[None] | None = None
        self.refused = 0
        """Values that did not open, or not as what was asked for: garbage, forged, or moved."""

    async def seek(self, numbers: Sequence[str], faces: Sequence[str], history: str) -> Sought:
        """What is there for these numbers, of this history, in one round trip."""
        wanted: list[tuple[type, str]] = [(FarNumber, one) for one in numbers]
        wanted += [(FarFace, one) for one in faces]
        if not self._link.up:
            return Sought()
        values = await self._link.get_many([self._key(kind, number) for kind, number in wanted])
        found = list(zip(wanted, values, strict=True))
        return Sought(self._open_all(FarNumber, found, history), self._open_all(FarFace, found, history))

    def keep(self, entry: FarNumber | FarFace, history: str) -> None:
        """Write what was read in this history soon, or not at all when too many wait."""
        if not self._link.up or len(self._waiting) >= WAITING:
            return
        self._waiting[self._key(type(entry), entry.number)] = entry, history
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def close(self) -> None:
        """Let go of what waits to be written."""
        self._waiting.clear()
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)

    async def _write(self) -> None:
        try:
            while self._waiting:
                some = list(self._waiting)[:AT_ONCE]
                sealed = {key: self._seal(*self._waiting.pop(key)) for key in some}
                fitting = {key: (blob,) for key, blob in sealed.items() if len(blob) <= MOST_BYTES}
                await self._link.run(KEEP, list(fitting), (KEEP_S,), fitting)
        finally:
            self._writing = None

    def _key(self, kind: type, number: str) -> bytes:
        name = _KINDS[kind]
        return place_key(name, self._keys.place_tag(f"far/{name.decode()}", number))

    def _aad(self, kind: type, number: str, history: str) -> bytes:
        return b"%b/%b/%b/%b" % (_KINDS[kind], self._form, number.encode(), history.encode())

    def _seal(self, entry: FarNumber | FarFace, history: str) -> bytes:
        plain = _encode(entry)
        packed = _PLAIN + plain if len(plain) < PACK_FROM_BYTES else _PACKED + zlib.compress(plain, 1)
        return self._keys.seal_entry(packed, self._aad(type(entry), entry.number, history))

    def _open_all(
        self, kind: type[E], found: Iterable[tuple[tuple[type, str], bytes | None]], history: str
    ) -> tuple[E, ...]:
        opened = (
            self._open(kind, number, blob, history)
            for (one, number), blob in found
            if one is kind and blob is not None
        )
        return tuple(entry for entry in opened if entry is not None)

    def _open(self, kind: type[E], number: str, blob: bytes, history: str) -> E | None:
        try:
            packed = self._keys.unseal_entry(blob, self._aad(kind, number, history))
            entry: E = self._decoders[kind].decode(_unpack(packed))
        except (Unreadable, msgspec.DecodeError, zlib.error):
            self.refused += 1
            return None
        return entry


def _unpack(packed: bytes) -> bytes:
    """Ours by its seal, and bounded all the same."""
    if packed[:1] == _PLAIN:
        return packed[1:]
    return zlib.decompressobj().decompress(packed[1:], MOST_BYTES)
