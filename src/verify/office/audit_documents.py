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

Place = tuple[str, int, str, int]
"""Number, copy, form and part."""


def audit_documents(
    numbers: Sequence[str], events: Iterable[Row], data_keys: DataKeys, findings: Findings
) -> Program[None]:
    """Compare the files of some certificates, one in memory at a time, with their events (number and body)."""
    told = _told(events)
    lines = yield from documents_of(numbers)
    held = {(line.number, line.copy, line.kind, line.part): line for line in lines}
    for place in sorted(told.keys() - held.keys()):
        zh = "台账有而文件已不在；再次索取或到期时会重新生成。"
        findings.add(
            "document",
            _where(place),
            zh,
            "The ledger has it, the file is gone; it is made anew, or renewed again, when its time comes.",
        )
    for place, line in held.items():
        digest = yield from _digest(line, data_keys)
        if told.get(place) != line.digest or digest != line.digest:
            zh = "保存的文件与台账记录的摘要不符。"
            findings.add(
                "document", _where(place), zh, "The kept file is not the one whose digest the ledger has."
            )


def _told(events: Iterable[Row]) -> dict[Place, bytes]:
    """The last digest that the ledger has for each part; a file that was made anew begins again."""
    told: dict[Place, bytes] = {}
    for number, body in events:
        try:
            event = decode_event(body)
            data = event.data
            if event.kind == EventKind.DOCUMENT_KEPT:
                first = (number, data["copy"], data["kind"])
                told = {place: digest for place, digest in told.items() if place[:3] != first}
                told[*first, 0] = bytes.fromhex(data["digest"])
            elif event.kind == EventKind.DOCUMENT_RENEWED:
                told[number, data["copy"], data["kind"], data["part"]] = bytes.fromhex(data["digest"])
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError, ValueError):
            continue  # the first part of the audit names what cannot be read
    return told


def _digest(line: KeptLine, data_keys: DataKeys) -> Program[bytes | None]:
    """Of the file up to this part as it opens now; None when it does not."""
    kept = yield from find_document(line.number, line.copy, line.kind)
    try:
        return hashlib.sha256(unseal_document(data_keys, kept[: line.part + 1])).digest()
    except VerifyError:
        return None


def _where(place: Place) -> str:
    number, copy, kind, part = place
    return f"document {number}/{copy}/{kind}" + (f" part {part}" if part else "")
