"""Third part of the audit: each kept file against the digest that the ledger has of it."""

import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from verify.errors import VerifyError
from verify.office.findings import Findings
from verify.proof.sealing import DataKeys
from verify.store.contract import Program, Row
from verify.store.documents import KeptLine, documents_of, find_document, unseal_document
from verify.store.journal import EventKind, decode_event

Place = tuple[str, int, str]
"""Number, copy and form."""


def audit_documents(
    numbers: Sequence[str], events: Iterable[Row], data_keys: DataKeys, findings: Findings
) -> Program[None]:
    """Compare the files of some certificates, one in memory at a time, with their events (number and body)."""
    told = _told(events)
    lines = yield from documents_of(numbers)
    held = {(line.number, line.copy, line.kind): line for line in lines}
    for place in sorted(told.keys() - held.keys()):
        zh = "台账有而文件已不在；再次索取时会重新生成。"
        findings.add(
            "document",
            _where(place),
            zh,
            "The ledger has it, the file is gone; it is made anew when asked for.",
        )
    for place, line in held.items():
        digest = yield from _digest(line, data_keys)
        if told.get(place) != line.digest or digest != line.digest:
            zh = "保存的文件与台账记录的摘要不符。"
            findings.add(
                "document", _where(place), zh, "The kept file is not the one whose digest the ledger has."
            )


def _told(events: Iterable[Row]) -> dict[Place, bytes]:
    """The last digest that the ledger has for each file."""
    told: dict[Place, bytes] = {}
    for number, body in events:
        try:
            event = decode_event(body)
            if event.kind == EventKind.DOCUMENT_KEPT:
                data = event.data
                told[number, data["copy"], data["kind"]] = bytes.fromhex(data["digest"])
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError, ValueError):
            continue  # the first part of the audit names what cannot be read
    return told


def _digest(line: KeptLine, data_keys: DataKeys) -> Program[bytes | None]:
    """Of the file as it opens now; None when it does not."""
    kept = yield from find_document(line.number, line.copy, line.kind)
    if kept is None:
        return None
    try:
        return hashlib.sha256(unseal_document(data_keys, kept)).digest()
    except VerifyError:
        return None


def _where(place: Place) -> str:
    number, copy, kind = place
    return f"document {number}/{copy}/{kind}"
