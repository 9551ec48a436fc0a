"""Status packs: what one is made of (how far every counter is, and every number that is not valid), and the
published ones with their files."""

import datetime as dt
from collections.abc import Mapping

import msgspec

from verify.proof.pack import Listed
from verify.store.contract import Program, run, run_many
from verify.store.journal import from_micros, to_micros
from verify.store.losses import list_losses

PAGE = 20_000
"""Rows fetched at once; all pages belong to one snapshot."""

_STATES = {state.name.lower(): state for state in Listed if state is not Listed.CLEAR}


class Standing(msgspec.Struct, frozen=True):
    """The register as a pack sees it, true at ledger sequence `seq`."""

    seq: int
    counters: tuple[tuple[str, int], ...]
    """Prefix and the next serial."""
    listed: tuple[tuple[str, Listed], ...]
    """Numbers by which something is wrong, ascending. Prepared ones are nobody's business and left out."""


def read_standing(at: dt.datetime) -> Program[Standing]:
    """Counters and every suspended, revoked, replaced or void number. A suspension that has ended by `at` (aware
    UTC) is over, as it is for look-ups."""
    ((seq,),) = yield from run("read_seq")
    counters = yield from run("list_counters")
    listed: list[tuple[str, Listed]] = []
    last = ""
    while True:
        rows = yield from run("list_not_valid", to_micros(at), last, PAGE)
        listed += [(number, _STATES[status]) for number, status in rows]
        if len(rows) < PAGE:
            break
        last = rows[-1][0]
    lost = yield from _lost(at)
    listed = sorted({**dict(listed), **lost}.items()) if lost else listed
    return Standing(seq, tuple((prefix, following) for prefix, following in counters), tuple(listed))


def _lost(at: dt.datetime) -> Program[dict[str, Listed]]:
    """What a restore did not bring back, by what the ledger last said of it. One that is settled and was valid has
    another in its place: it is listed as void."""
    found: dict[str, Listed] = {}
    for one in (yield from list_losses()):
        over = one.until is not None and one.until <= at
        if one.copy == 1 and one.status in _STATES and not over:
            found[one.number] = _STATES[one.status]
        elif one.copy == 1 and one.settled_at is not None:
            found[one.number] = Listed.VOID
    return found


class Manifest(msgspec.Struct, frozen=True):
    """A published manifest."""

    seq: int
    """The ledger sequence that its pack is true at."""
    issued_at: dt.datetime
    pack: str
    """Name of the whole pack's file."""
    document: bytes
    """Signed by the root."""


def last_manifest() -> Program[Manifest | None]:
    """The newest manifest: of the highest sequence, and of several the latest."""
    rows = yield from run("last_pack_manifest")
    return Manifest(rows[0][0], from_micros(rows[0][1]), rows[0][2], rows[0][3]) if rows else None


def last_packs(count: int) -> Program[list[bytes]]:
    """The files of the newest whole packs, newest first."""
    return [body for (body,) in (yield from run("last_packs", count))]


def find_file(name: str) -> Program[bytes | None]:
    """A file by its name."""
    rows = yield from run("find_pack_file", name)
    return rows[0][0] if rows else None


def publish(manifest: Manifest, files: Mapping[str, bytes], forget_before: dt.datetime) -> Program[None]:
    """Put up a manifest with its files, by name; drop what was made before `forget_before` (aware UTC).

    The ledger does not tell of it: a pack is derived from the register, and the root vouches for it.
    """
    at = to_micros(manifest.issued_at)
    yield from run_many("insert_pack_file", [(name, body, at) for name, body in files.items()])
    yield from run("insert_pack_manifest", manifest.seq, at, manifest.pack, manifest.document)
    yield from run("delete_pack_manifests", to_micros(forget_before))
    yield from run("delete_pack_files", to_micros(forget_before))
