"""Programs that keep the files of certificates: the first rendering of each copy, sealed, for ever the same.

The file lies in the table, its SHA-256 in the ledger. It holds the full identity number, so it is sealed before
it comes here, and bound to the copy it belongs to.
"""

from collections.abc import Sequence

import msgspec

from verify.proof.sealing import DataKeys
from verify.store.contract import Program, Row, run
from verify.store.journal import EventKind, Origin, open_journal


class Kept(msgspec.Struct, frozen=True):
    """One kept file."""

    number: str
    copy: int
    kind: str
    """The form it was printed in."""
    sealed: bytes
    digest: bytes
    """SHA-256 of the file itself."""


class KeptLine(msgspec.Struct, frozen=True):
    """The same without the file."""

    number: str
    copy: int
    kind: str
    digest: bytes


def seal_document(keys: DataKeys, number: str, copy: int, kind: str, file: bytes) -> bytes:
    """A file as it is stored; it opens as this form of this copy only."""
    return keys.seal(file, _place(number, copy, kind))


def unseal_document(keys: DataKeys, kept: Kept) -> bytes:
    """The file. Raises BadKey for an unknown data key, ProofFailed when it was altered or moved."""
    return keys.unseal(kept.sealed, _place(kept.number, kept.copy, kept.kind))


def find_document(number: str, copy: int, kind: str) -> Program[Kept | None]:
    """The file that was kept for this copy in this form."""
    rows = yield from run("find_document", number, copy, kind)
    return Kept(*rows[0]) if rows else None


def documents_of(numbers: Sequence[str]) -> Program[list[KeptLine]]:
    """Which files are kept for these certificates."""
    rows: list[Row] = yield from run("documents_of", list(numbers))
    return [KeptLine(*row) for row in rows]


def keep_document(file: Kept, origin: Origin) -> Program[Kept]:
    """Keep a file unless one is kept already; what is kept comes back. The certificate's revision stays."""
    journal = yield from open_journal(origin)  # its lock lets one of two first renderings win
    found = yield from find_document(file.number, file.copy, file.kind)
    if found is not None:
        return found
    yield from run("insert_document", file.number, file.copy, file.kind, file.sealed, file.digest)
    data = {"copy": file.copy, "kind": file.kind, "digest": file.digest.hex()}
    journal.add(EventKind.DOCUMENT_KEPT, data, number=file.number)
    yield from journal.close()
    return file


def _place(number: str, copy: int, kind: str) -> bytes:
    return f"{number}/{copy}/document/{kind}".encode()
