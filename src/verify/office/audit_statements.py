"""Fourth part of the audit: what the operator told employers, against the ledger's digests and the results kept.

A receipt or signed list that the register has under another digest would be called a forgery, and a forged one that it
has would pass: so each row is held against the event that made it. The signatures themselves are with the employers.
"""

import hashlib
from collections.abc import Sequence

from verify.errors import VerifyError
from verify.office.findings import Findings
from verify.proof.sealing import DataKeys
from verify.store.contract import Program, run
from verify.store.employers import check_rows, result_place
from verify.store.journal import Event, EventKind

PAGE = 500
ROWS = 1000


class StatementAudit:
    """Follows the events of receipts and lists, page by page, and counts what it has seen of each table."""

    def __init__(self, findings: Findings) -> None:
        """Report into `findings`."""
        self._findings = findings
        self._receipts = 0
        self._checks = 0
        self._signed = 0

    def take(self, events: Sequence[Event]) -> Program[None]:
        """Hold one page of events against the tables."""
        by_kind: dict[str, list[Event]] = {}
        for event in events:
            if "id" in event.data:
                by_kind.setdefault(event.kind, []).append(event)
        yield from self._given(by_kind.get(EventKind.RECEIPT_GIVEN, []))
        yield from self._lists(
            by_kind.get(EventKind.CHECK_RECEIVED, []), by_kind.get(EventKind.CHECK_SIGNED, [])
        )

    def _given(self, events: Sequence[Event]) -> Program[None]:
        if not events:
            return
        rows = {
            row[0]: row for row in (yield from run("receipts_of", [event.data["id"] for event in events]))
        }
        for event in events:
            key = event.data["id"]
            if key not in rows:
                self._missing("receipt", key)
                continue
            self._receipts += 1
            _, employer, request, digest = rows[key]
            pairs = {"employer": (employer, event.actor), "request": (request.hex(), event.request),
                     "digest": (digest.hex(), event.data.get("digest"))}  # fmt: skip
            self._findings.differ("receipt", f"receipt {key}", pairs)

    def _lists(self, received: Sequence[Event], signed: Sequence[Event]) -> Program[None]:
        if not received and not signed:
            return
        ids = [event.data["id"] for event in (*received, *signed)]
        rows = {row[0]: row for row in (yield from run("checks_of", ids))}
        for event in received:
            if event.data["id"] in rows:  # one that a restore lost was sent again, and harms nobody
                self._checks += 1
                self._list(event, *rows[event.data["id"]])
        for event in signed:
            key = event.data["id"]
            if key not in rows:
                self._missing("check", key)
                continue
            digest = rows[key][-1]
            self._signed += digest is not None
            pairs = {"digest": (None if digest is None else digest.hex(), event.data.get("digest"))}
            self._findings.differ("check", f"check {key}", pairs)

    def _list(
        self, event: Event, key: str, employer: str, request: bytes, created_at: int, done_at: int | None,
        total: int, found: int, missed: int, failed: int, _: bytes | None,
    ) -> None:  # fmt: skip
        pairs: dict[str, tuple[object, object]] = {
            "employer": (employer, event.actor), "request": (request.hex(), event.request),
            "created_at": (created_at, event.at), "total": (total, event.data.get("rows")),
        }  # fmt: skip
        self._findings.differ("check", f"check {key}", pairs)
        if (found + missed + failed == total) != (done_at is not None):
            zh, en = "各行的结果之和与总数不符。", "Its counts do not make up its total."
            self._findings.add("check", f"check {key}", zh, en)

    def close(self, data_keys: DataKeys) -> Program[None]:
        """After the last page: rows that no event made, and the files of results as long as they are kept."""
        ((receipts, checks, signed),) = yield from run("audit_statement_counts")
        for what, there, told in (
            ("receipt", receipts, self._receipts),
            ("check", checks, self._checks),
            ("check", signed, self._signed),
        ):
            if there > told:
                zh = f"表中有 {there - told} 行是台账没有的。"
                self._findings.add(
                    f"{what}-unknown",
                    f"table {what}",
                    zh,
                    f"{there - told} rows that the ledger does not have.",
                )
        yield from self._results(data_keys)

    def _results(self, data_keys: DataKeys) -> Program[None]:
        after = ""
        while rows := (yield from run("page_signed_checks", after, PAGE)):
            for key, digest in rows:
                told = yield from _digest_of_results(key, data_keys)
                if told not in (None, digest):
                    zh, en = (
                        "保存的结果与已签摘要不符。",
                        "The results kept are not those whose digest was signed.",
                    )
                    self._findings.add("check-results", f"check {key}", zh, en)
            after = rows[-1][0]

    def _missing(self, what: str, key: str) -> None:
        zh, en = "台账有而表中无。", "The ledger has it, the table not."
        self._findings.add(f"{what}-missing", f"{what} {key}", zh, en)


def _digest_of_results(key: str, data_keys: DataKeys) -> Program[bytes | None]:
    """Of the file of results as it opens now, None once they were dropped; nothing that does not open agrees."""
    state, row = hashlib.sha256(), 0
    while rows := (yield from check_rows(key, row, ROWS)):
        for one in rows:
            try:
                state.update(data_keys.unseal(one.sealed, result_place(key, one.row)) + b"\n")
            except VerifyError:
                return b""
        row = rows[-1].row
    return state.digest() if row else None
