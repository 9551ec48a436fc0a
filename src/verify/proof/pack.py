"""The status pack: which issued numbers are not valid, small enough for a phone to keep, and signed.

Positions are known beforehand: an allocation counter `prefix → next` says that the serials 1 … next − 1 exist. For
each prefix the serials in one state are written as gaps in a Rice code whose parameter fits that very list, so a
listed number is listed and no other is: a set, not a filter, with no false alarms.

    pack    "VSP" 01  ledger seq, issued at, maximum age              three varints
    delta   "VSD" 01  base seq, ledger seq, issued at, maximum age    four varints
    both    number of prefixes, then each prefix in byte order:
              characters shared with the one before, further ones     two bytes, then those characters
              next                                                    varint
              digits of a serial << 4 | states that follow            one byte; a bit per state, then a second
              per state: count, k                                       byte where "clear" may follow (delta)
                         gaps: ⌊gap / 2^k⌋ ones, a zero, k bits       most significant bit first, zeros to the byte

A delta tells the state of every serial that changed; applied to its base it gives the very bytes of the new pack.
Only a manifest is signed (a JWS like the trust list): it names pack and deltas by SHA-256, so the files may lie
anywhere and a wrong one is noticed.
"""

import datetime as dt
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from itertools import accumulate, pairwise, repeat
from typing import Annotated

import msgspec

from verify.errors import Invalid, ProofFailed, UnknownKey, Unreadable, Words
from verify.proof.jws import Header, parse_parts, signing_input, verify_parsed
from verify.proof.public import OPERATOR, SIGNATURE_BYTES, KeyPurpose, PublicKey, b64url
from verify.proof.trust import CLOCK_SKEW_S, MAX_AGE_S
from verify.proof.window import in_force

TYPE = "status-pack+jws"
MAX_PACK_BYTES = 32 << 20
MAX_MANIFEST_BYTES = 64 << 10
MAX_PREFIX_CHARACTERS = 32
MAX_WIDTH = 9
"""Digits of a serial; numbers of today have 5 or 6."""
MAX_RICE = 30

_PACK = b"VSP\x01"
_DELTA = b"VSD\x01"
_VARINT_BYTES = 8
_UNARY = [("1" * ones) + "0" for ones in range(256)]


class Listed(IntEnum):
    """In which state a listed serial is; the value is its bit in the file."""

    REVOKED = 0
    SUSPENDED = 1
    REPLACED = 2
    VOID = 3
    """Numbered, and then never issued."""
    CLEAR = 4
    """Only in deltas: no longer listed."""


class Lookup(IntEnum):
    """What a pack says of a number that is in none of its lists."""

    CLEAR = 0
    """Among the numbers given out, and in no list."""
    BEYOND = 1
    """Not among the numbers given out when the pack was made."""


class Series(msgspec.Struct, frozen=True):
    """The numbers of one prefix."""

    width: int
    """Digits of a serial."""
    next: int
    """The first serial that is not given out."""
    lists: Mapping[Listed, tuple[int, ...]]
    """Serials by state, ascending; a state without serials is absent."""


class Pack(msgspec.Struct, frozen=True):
    """All listed numbers at one ledger sequence."""

    seq: int
    issued_at: dt.datetime
    """UTC, whole seconds."""
    max_age_s: int
    series: Mapping[str, Series]
    """By prefix."""


class Delta(msgspec.Struct, frozen=True):
    """What to change in the pack of `base_seq` to get the pack of `seq`."""

    base_seq: int
    seq: int
    issued_at: dt.datetime
    max_age_s: int
    series: Mapping[str, Series]
    """Prefixes with a new `next` or a changed state; each serial under the state it has now."""


class PackFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file, named by its content."""

    sha256: str
    """Base64url, unpadded; also the name under which it is fetched."""
    size_bytes: Annotated[int, msgspec.Meta(ge=1, le=MAX_PACK_BYTES)]


class DeltaFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A delta for whoever holds the pack with the digest `base`."""

    base: str
    sha256: str
    size_bytes: Annotated[int, msgspec.Meta(ge=1, le=MAX_PACK_BYTES)]


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the root signs."""

    seq: Annotated[int, msgspec.Meta(ge=0)]
    """Ledger sequence that the pack is true at; a reader refuses less than it has seen."""
    issued_at: dt.datetime
    max_age_s: Annotated[int, msgspec.Meta(ge=1, le=MAX_AGE_S)]
    """How long an offline reader may show it as recent."""
    full: PackFile
    deltas: tuple[DeltaFile, ...] = ()


class _Flattened(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    payload: str
    protected: str
    signature: str


def build_pack(
    counters: Iterable[tuple[str, int]],
    listed: Iterable[tuple[str, Listed]],
    *,
    seq: int,
    issued_at: dt.datetime,
    max_age_s: int,
) -> Pack:
    """The pack of a register: counters `prefix, next` and every number that is not valid, with its state.

    A number with a letter in its serial or outside every counter has no position: it raises Invalid, as do a
    number listed twice and a bad age. Prefixes of 16 characters have serials of 6 digits, all others of 5.
    """
    if not 1 <= max_age_s <= MAX_AGE_S or seq < 0:
        raise _not_a_pack()
    nexts = dict(counters)
    found: dict[str, dict[Listed, list[int]]] = {prefix: {} for prefix in nexts}
    for number, state in listed:
        prefix, serial = _place(number, nexts)
        found[prefix].setdefault(state, []).append(serial)
    series = {
        prefix: Series(
            _width(prefix), nexts[prefix], {k: tuple(sorted(v)) for k, v in sorted(states.items())}
        )
        for prefix, states in sorted(found.items())
    }
    pack = Pack(seq, issued_at.astimezone(dt.UTC).replace(microsecond=0), max_age_s, series)
    _check_series(pack.series, (Listed.CLEAR,), Invalid)
    return pack


def without_place(counters: Iterable[tuple[str, int]], numbers: Iterable[str]) -> list[str]:
    """Those of the numbers that no counter reaches, so that no pack can list them; `find_number` says BEYOND."""
    nexts = dict(counters)
    return [number for number in numbers if not _has_place(number, nexts)]


def find_number(pack: Pack, number: str) -> Listed | Lookup:
    """What the pack says of a canonical number."""
    for width in range(1, MAX_WIDTH + 1):
        prefix, serial = number[:-width], number[-width:]
        series = pack.series.get(prefix)
        if series is not None and series.width == width and serial.isascii() and serial.isdigit():
            if not 1 <= int(serial) < series.next:
                return Lookup.BEYOND
            for state, serials in series.lists.items():
                if int(serial) in serials:
                    return state
            return Lookup.CLEAR
    return Lookup.BEYOND


def diff_packs(base: Pack, new: Pack) -> Delta:
    """What leads from `base` to `new`. Raises Invalid when `new` is older or has lost numbers."""
    changed: dict[str, Series] = {}
    for prefix, series in new.series.items():
        old = base.series.get(prefix)
        lists = _changes(old.lists if old else {}, series.lists)
        if old is not None and (old.next > series.next or old.width != series.width):
            raise _not_a_pack()
        if lists or old is None or old.next != series.next:
            changed[prefix] = Series(series.width, series.next, lists)
    if new.seq < base.seq or not base.series.keys() <= new.series.keys():
        raise _not_a_pack()
    return Delta(base.seq, new.seq, new.issued_at, new.max_age_s, changed)


def apply_delta(base: Pack, delta: Delta) -> Pack:
    """The pack that `delta` leads to. Raises Unreadable when it is for another base."""
    if delta.base_seq != base.seq or delta.seq < base.seq:
        raise Unreadable
    series = dict(base.series)
    for prefix, change in delta.series.items():
        old = series.get(prefix)
        if old is None:
            series[prefix] = Series(change.width, change.next, _without_clear(change.lists))
        elif old.width != change.width or old.next > change.next:
            raise Unreadable
        else:
            series[prefix] = Series(old.width, change.next, _apply(old.lists, change.lists))
    return Pack(delta.seq, delta.issued_at, delta.max_age_s, dict(sorted(series.items())))


def encode_pack(pack: Pack) -> bytes:
    """The file of a pack: one pack has one encoding."""
    return _PACK + _varint(pack.seq) + _encode_rest(pack.issued_at, pack.max_age_s, pack.series)


def encode_delta(delta: Delta) -> bytes:
    """The file of a delta."""
    head = _DELTA + _varint(delta.base_seq) + _varint(delta.seq)
    return head + _encode_rest(delta.issued_at, delta.max_age_s, delta.series)


def decode_pack(data: bytes) -> Pack:
    """Read a pack. Raises Unreadable for anything but exactly one, whole and in order."""
    reader = _Reader(data, _PACK)
    seq = reader.varint()
    issued_at, max_age_s, series = _decode_rest(reader)
    _check_series(series, (Listed.CLEAR,), Unreadable)
    return Pack(seq, issued_at, max_age_s, series)


def decode_delta(data: bytes) -> Delta:
    """Read a delta. Raises Unreadable for anything but exactly one, whole and in order."""
    reader = _Reader(data, _DELTA)
    base_seq, seq = reader.varint(), reader.varint()
    issued_at, max_age_s, series = _decode_rest(reader)
    _check_series(series, (), Unreadable)
    return Delta(base_seq, seq, issued_at, max_age_s, series)


def digest(data: bytes) -> str:
    """SHA-256 of a file, base64url: its name."""
    return b64url(hashlib.sha256(data).digest())


def build_manifest(pack: Pack, deltas: Iterable[tuple[bytes, bytes]] = ()) -> bytes:
    """What is signed for `pack` and the files `(base pack, delta)` that lead to it."""
    full = encode_pack(pack)
    files = tuple(DeltaFile(digest(base), digest(delta), len(delta)) for base, delta in deltas)
    whole = PackFile(digest(full), len(full))
    return msgspec.json.encode(Manifest(pack.seq, pack.issued_at, pack.max_age_s, whole, files))


def manifest_signing_input(key: PublicKey, payload: bytes) -> bytes:
    """What the statement key's signer signs."""
    return signing_input(_header(key), payload)


def assemble_manifest(key: PublicKey, payload: bytes, signature: bytes) -> bytes:
    """The signed manifest, a flattened JWS (RFC 7515 §7.2.2). Raises Invalid for a signature of the wrong size."""
    if len(signature) != SIGNATURE_BYTES:
        raise Invalid(Words("签名长度有误。", "A signature is 64 bytes."))
    protected, _, body = signing_input(_header(key), payload).decode().partition(".")
    return msgspec.json.encode(_Flattened(body, protected, b64url(signature)))


def manifest_kid(data: bytes) -> str:
    """The key that a manifest names; nothing is believed. Raises Unreadable."""
    try:
        outer = msgspec.json.decode(data, type=_Flattened)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise Unreadable from error
    return parse_parts(outer.protected, outer.payload, outer.signature).header.kid


def verify_manifest(
    data: bytes, keys: Mapping[str, PublicKey], *, now: dt.datetime, seen_seq: int = 0
) -> Manifest:
    """The manifest that a statement key of the trust list's `keys` signed; its age is the reader's to show.

    Raises Unreadable, UnknownKey (also for a key whose window does not hold the manifest's own time: nobody notes
    elsewhere when it was made), BadSignature, and ProofFailed when it steps back or comes from the future.
    """
    if len(data) > MAX_MANIFEST_BYTES:
        raise Unreadable
    try:
        outer = msgspec.json.decode(data, type=_Flattened)
        jws = parse_parts(outer.protected, outer.payload, outer.signature)
        key = verify_parsed(jws, keys, purpose=KeyPurpose.STATEMENT, typ=TYPE)
        manifest = msgspec.json.decode(jws.payload, type=Manifest)
        ahead = manifest.issued_at - now
        if key.owner != OPERATOR or key.compromised_at is not None or not in_force(key, manifest.issued_at):
            raise UnknownKey
    except (msgspec.DecodeError, UnicodeError, RecursionError, TypeError) as error:
        raise Unreadable from error
    if manifest.seq < seen_seq or ahead > dt.timedelta(seconds=CLOCK_SKEW_S):
        what = Words(
            "状态包比已见过的旧，或来自未来。", "This status pack is older than one seen, or from the future."
        )
        raise ProofFailed(what, hint="fetch /packs/status.json again")
    return manifest


def check_file(file: PackFile | DeltaFile, data: bytes) -> None:
    """Raises Unreadable unless `data` is the file that the manifest names."""
    if len(data) != file.size_bytes or digest(data) != file.sha256:
        raise Unreadable


# --- states ---------------------------------------------------------------------------------------------


def _place(number: str, nexts: Mapping[str, int]) -> tuple[str, int]:
    for width in (6, 5):
        prefix, serial = number[:-width], number[-width:]
        if prefix in nexts and _width(prefix) == width and serial.isascii() and serial.isdigit():
            return prefix, int(serial)
    raise _not_a_pack()


def _has_place(number: str, nexts: Mapping[str, int]) -> bool:
    try:
        prefix, serial = _place(number, nexts)
    except Invalid:
        return False
    return 1 <= serial < nexts[prefix]


def _width(prefix: str) -> int:
    """Digits that follow a prefix: 22-character numbers end in 6, the others in 5."""
    return 6 if len(prefix) == 16 else 5


def _state_of(lists: Mapping[Listed, tuple[int, ...]]) -> dict[int, Listed]:
    return {serial: state for state, serials in lists.items() for serial in serials}


def _lists(states: Mapping[int, Listed]) -> dict[Listed, tuple[int, ...]]:
    lists: dict[Listed, list[int]] = {}
    for serial in sorted(states):
        lists.setdefault(states[serial], []).append(serial)
    return {state: tuple(lists[state]) for state in sorted(lists)}


def _changes(
    old: Mapping[Listed, tuple[int, ...]], new: Mapping[Listed, tuple[int, ...]]
) -> dict[Listed, tuple[int, ...]]:
    if old == new:
        return {}
    before, after = _state_of(old), _state_of(new)
    changed = {serial: state for serial, state in after.items() if before.get(serial) is not state}
    return _lists(changed | dict.fromkeys(before.keys() - after.keys(), Listed.CLEAR))


def _apply(
    old: Mapping[Listed, tuple[int, ...]], change: Mapping[Listed, tuple[int, ...]]
) -> dict[Listed, tuple[int, ...]]:
    states = _state_of(old) | _state_of(change)
    return _lists({serial: state for serial, state in states.items() if state is not Listed.CLEAR})


def _without_clear(lists: Mapping[Listed, tuple[int, ...]]) -> dict[Listed, tuple[int, ...]]:
    return {state: serials for state, serials in lists.items() if state is not Listed.CLEAR}


def _check_series(
    series: Mapping[str, Series], barred: tuple[Listed, ...], error: type[Invalid] | type[Unreadable]
) -> None:
    """Every serial once, in its series, in an allowed state."""
    for prefix, one in series.items():
        good = 1 <= one.width <= MAX_WIDTH and 1 <= one.next <= 10**one.width
        good &= 0 < len(prefix) <= MAX_PREFIX_CHARACTERS and prefix.isascii() and prefix.isalnum()
        seen = sum(len(serials) for serials in one.lists.values())
        once = {serial for serials in one.lists.values() for serial in serials}
        good &= len(once) == seen and not any(state in one.lists for state in barred)
        if not good or (once and not (min(once) >= 1 and max(once) < one.next)):
            raise error


# --- bytes ----------------------------------------------------------------------------------------------


def _encode_rest(issued_at: dt.datetime, max_age_s: int, series: Mapping[str, Series]) -> bytes:
    parts = [_varint(int(issued_at.timestamp())), _varint(max_age_s), _varint(len(series))]
    before = ""
    for prefix in sorted(series):
        shared = next((i for i, (a, b) in enumerate(zip(before, prefix, strict=False)) if a != b), None)
        shared = min(len(before), len(prefix)) if shared is None else shared
        parts.append(bytes((shared, len(prefix) - shared)) + prefix[shared:].encode())
        parts.append(_encode_series(series[prefix]))
        before = prefix
    return b"".join(parts)


def _encode_series(series: Series) -> bytes:
    flags = sum(1 << state for state in series.lists)
    parts = [_varint(series.next), bytes((series.width << 4 | flags & 15, flags >> 4))]
    for state in sorted(series.lists):
        serials = series.lists[state]
        gaps = [serials[0] - 1, *(b - a - 1 for a, b in pairwise(serials))]
        k = _rice(gaps)
        parts += (_varint(len(gaps)), bytes((k,)), _encode_gaps(gaps, k))
    return b"".join(parts)


def _rice(gaps: list[int]) -> int:
    """The parameter that makes the list shortest; the smaller one of two."""
    about = (sum(gaps) // len(gaps) * 177 >> 8).bit_length()
    near = range(max(0, about - 1), min(MAX_RICE, about + 1) + 1)
    return min(near, key=lambda k: (sum(gap >> k for gap in gaps) + k * len(gaps), k))


def _encode_gaps(gaps: list[int], k: int) -> bytes:
    low = (1 << k) - 1
    tails = [f"{gap & low:0{k}b}" for gap in gaps] if k else repeat("")
    bits = "".join([_unary(gap >> k) + tail for gap, tail in zip(gaps, tails, strict=False)])
    size = -(-len(bits) // 8)
    return int(bits.ljust(size * 8, "0"), 2).to_bytes(size, "big")


def _unary(ones: int) -> str:
    return _UNARY[ones] if ones < 256 else "1" * ones + "0"


def _varint(value: int) -> bytes:
    """Seven bits a byte, low ones first; the last byte is below 128."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


class _Reader:
    """A cursor over hostile bytes: it never reads past the end and never makes more than it has read."""

    def __init__(self, data: bytes, magic: bytes) -> None:
        if len(data) > MAX_PACK_BYTES or not data.startswith(magic):
            raise Unreadable
        self.data = data
        self.at = len(magic)

    def take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self.data):
            raise Unreadable
        part, self.at = self.data[self.at : end], end
        return part

    def varint(self) -> int:
        value = 0
        for shift in range(0, 7 * _VARINT_BYTES, 7):
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                if byte == 0 and shift:
                    raise Unreadable
                return value
        raise Unreadable

    def gaps(self, count: int, k: int) -> Iterator[int]:
        """The gaps of one list. With the right `k` their ones number less than four a gap; see `_rice`."""
        bits, at = self._bits(count * (k + 5)), 0
        for _ in range(count):
            end = bits.find("0", at)
            if end < 0 or end + 1 + k > len(bits):
                raise Unreadable
            low = bits[end + 1 : end + 1 + k]
            yield (end - at << k) + (int(low, 2) if low else 0)
            at = end + 1 + k
        used = -(-at // 8)
        if "1" in bits[at : used * 8]:
            raise Unreadable
        self.at += used

    def _bits(self, most: int) -> str:
        """The next `most` bits or what is left, as text; the cursor stays."""
        part = self.data[self.at : self.at + -(-most // 8)]
        return f"{int.from_bytes(part, 'big'):0{len(part) * 8}b}" if part else ""


def _decode_rest(reader: _Reader) -> tuple[dt.datetime, int, dict[str, Series]]:
    seconds, max_age_s, count = reader.varint(), reader.varint(), reader.varint()
    if not 1 <= max_age_s <= MAX_AGE_S or seconds >= 1 << 34:
        raise Unreadable
    series: dict[str, Series] = {}
    before = ""
    for _ in range(count):
        prefix = _decode_prefix(reader, before)
        series[prefix] = _decode_series(reader)
        before = prefix
    if reader.at != len(reader.data):
        raise Unreadable
    return dt.datetime.fromtimestamp(seconds, dt.UTC), max_age_s, series


def _decode_prefix(reader: _Reader, before: str) -> str:
    shared, further = reader.take(2)
    try:
        prefix = before[:shared] + reader.take(further).decode("ascii")
    except UnicodeDecodeError as error:
        raise Unreadable from error
    if shared > len(before) or len(prefix) > MAX_PREFIX_CHARACTERS or prefix <= before:
        raise Unreadable
    if before[shared : shared + 1] == prefix[shared : shared + 1]:
        raise Unreadable  # one more character was shared: the same prefix has one form
    return prefix


def _decode_series(reader: _Reader) -> Series:
    following = reader.varint()
    first, second = reader.take(2)
    width, flags = first >> 4, first & 15 | second << 4
    if not 1 <= width <= MAX_WIDTH or flags >= 1 << len(Listed) or not 1 <= following <= 10**width:
        raise Unreadable
    lists = {}
    for state in Listed:
        if flags >> state & 1:
            lists[state] = _decode_serials(reader, following)
    return Series(width, following, lists)


def _decode_serials(reader: _Reader, following: int) -> tuple[int, ...]:
    count, k = reader.varint(), reader.take(1)[0]
    if not 1 <= count < following or k > MAX_RICE:
        raise Unreadable
    gaps = list(reader.gaps(count, k))
    serials = tuple(accumulate(gap + 1 for gap in gaps))
    if k != _rice(gaps):
        raise Unreadable  # another parameter would spell the same list
    return serials


def _header(key: PublicKey) -> Header:
    return Header(key.alg, key.kid, TYPE)


def _not_a_pack() -> Invalid:
    return Invalid(Words("状态包内容不一致。", "This does not make a status pack."))
