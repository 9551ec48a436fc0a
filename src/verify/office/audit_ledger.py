"""First half of the audit: the whole chain, and the tables of the administration as the fold of its events."""

import json
from typing import Any

import msgspec

from verify.errors import LedgerBroken
from verify.office.audit_statements import StatementAudit
from verify.office.findings import Findings
from verify.proof.ledger import GENESIS, event_hash
from verify.store import register
from verify.store.contract import Program, Row, run
from verify.store.journal import Event, EventKind, decode_event, to_micros

PAGE = 2000


class Fold:
    """What the events alone say of agencies, filings, API keys, keys, counters and the trust list."""

    def __init__(self) -> None:
        """Nothing has happened yet."""
        self.agencies: dict[str, dict[str, Any]] = {}
        self.filings: dict[str, dict[str, Any]] = {}
        self.credentials: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, dict[str, Any]] = {}
        self.counters: dict[str, int] = {}
        self.unlisted: set[str] = set()
        self.trust = 0

    def take(self, event: Event) -> None:
        """Let one event happen."""
        data = event.data
        match event.kind:
            case EventKind.AGENCY_REGISTERED:
                self.agencies[_scoped(event)] = {**data, "reason": None}
            case EventKind.AGENCY_CHANGED:
                self.agencies.setdefault(_scoped(event), {}).update(data)
            case EventKind.FILING_ADDED:
                self.filings[data["id"]] = {**data, "agency": _scoped(event)}
            case EventKind.FILING_ENDED:
                self.filings.setdefault(data["id"], {}).update(data)
            case EventKind.CREDENTIAL_CREATED:
                self.credentials[data["id"]] = {**data, "revoked": False, "rotations": 0, "old_until": None}
            case EventKind.CREDENTIAL_REVOKED:
                self.credentials.setdefault(data["id"], {})["revoked"] = True
            case EventKind.CREDENTIAL_ROTATED | EventKind.CREDENTIAL_OLD_ENDED:
                self.credentials.setdefault(data["id"], {}).update(data)
            case EventKind.KEY_CREATED | EventKind.KEY_CHANGED:
                self.keys[data["kid"]] = data
            case EventKind.NAME_SEARCH_SET:
                change = self.unlisted.discard if data["listed"] else self.unlisted.add
                change(data["certificate"])
            case EventKind.TRUST_LIST_SIGNED:
                self.trust = data["sequence"]
            case EventKind.NUMBERS_TAKEN:
                after = data["first"] + data["count"]
                self.counters[data["prefix"]] = max(self.counters.get(data["prefix"], 0), after)
            case _:
                pass  # the life of certificates is folded in `audit_certificates.py`


class Chain:
    """Follows the chain row by row and goes on after a break, so that every break is named."""

    def __init__(self, findings: Findings) -> None:
        """Begin at the genesis."""
        self._findings = findings
        self.seq = 0
        self.hash = GENESIS

    def follow(self, row: Row) -> Event | None:
        """Check one row against the one before it; the event inside if it can be read."""
        seq, kind, number, scope, body, digest = row
        where = f"ledger {seq}"
        if seq != self.seq + 1:
            self._findings.add(
                "ledger-gap", where, f"缺少第 {self.seq + 1} 条。", f"Entry {self.seq + 1} is missing."
            )
        elif not _follows(self.hash, body, digest):
            self._findings.add(
                "ledger-hash", where, "内容与哈希链不符。", "The entry was altered: its hash does not follow."
            )
        self.seq, self.hash = seq, digest
        try:
            event = decode_event(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._findings.add("ledger-body", where, "内容无法读取。", "The entry cannot be read.")
            return None
        if (event.seq, event.kind, event.number, event.scope) != (seq, kind, number, scope):
            self._findings.add(
                "ledger-columns", where, "列与内容不符。", "Its columns differ from what its hash covers."
            )
        return event


def audit_ledger(findings: Findings, statements: StatementAudit) -> Program[tuple[Chain, Fold]]:
    """Follow every row from the genesis to the head, then compare the administration's tables.

    `statements` is shown every page of events.
    """
    chain, fold = Chain(findings), Fold()
    while rows := (yield from run("read_events", chain.seq, PAGE)):
        born, events = [], []
        for row in rows:
            event = chain.follow(row)
            if event is None:
                continue
            if event.kind == EventKind.ISSUED and event.number:
                born.append((event.seq, event.number))
            events.append(event)
            _take(fold, event, findings)
        yield from _existing(born, findings)
        yield from statements.take(events)
    ((seq, digest),) = yield from run("read_head")
    if (seq, digest) != (chain.seq, chain.hash):
        zh = f"台账末条为 {chain.seq}，记录的头为 {seq}。"
        en = (
            f"The ledger ends at {chain.seq}, its head says {seq}: entries at the end are missing or altered."
        )
        findings.add("ledger-head", f"ledger {seq}", zh, en)
    yield from _compare(fold, findings)
    return chain, fold


def _follows(previous: bytes, body: str, digest: bytes) -> bool:
    try:
        return event_hash(previous, body.encode()) == digest
    except LedgerBroken:
        return False


def _take(fold: Fold, event: Event, findings: Findings) -> None:
    try:
        fold.take(event)
    except (KeyError, TypeError):
        where = f"ledger {event.seq}"
        findings.add("ledger-body", where, "内容缺少应有的项。", "The entry lacks what its kind needs.")


def _existing(born: list[tuple[int, str]], findings: Findings) -> Program[None]:
    if not born:
        return
    numbers = [number for _, number in born]
    found = {number for (number,) in (yield from run("find_taken", numbers))}
    # The operator has answered for what a restore did not bring back: it is known, and nothing is left to do.
    settled = {number for (number,) in (yield from run("find_settled", numbers))}
    for seq, number in born:
        if number not in found | settled:
            zh, en = (
                f"台账第 {seq} 条颁发的证书不在表中。",
                f"Ledger {seq} issued it; the table has no such row.",
            )
            findings.add("certificate-missing", f"certificate {number}", zh, en)


def _compare(fold: Fold, findings: Findings) -> Program[None]:
    yield from _compare_agencies(fold, findings)
    yield from _compare_credentials(fold, findings)
    yield from _compare_keys(fold, findings)
    yield from _compare_unlisted(fold, findings)
    last = yield from register.last_trust_list()
    sequence = 0 if last is None else last.sequence
    findings.differ("trust-list", "trust list", {"sequence": (sequence, fold.trust)})


def _compare_agencies(fold: Fold, findings: Findings) -> Program[None]:
    agencies = yield from register.list_agencies()
    _same_rows("agency", {agency.code for agency in agencies}, set(fold.agencies), findings)
    filings = []
    for agency in agencies:
        filings += yield from register.list_filings(agency.code)
        said = fold.agencies.get(agency.code, {})
        names = ("kind", "name_zh", "name_en", "state", "reason")
        pairs = {name: (getattr(agency, name), said.get(name)) for name in names}
        findings.differ("agency", f"agency {agency.code}", pairs)
    _same_rows("filing", {filing.id for filing in filings}, set(fold.filings), findings)
    for filing in filings:
        said = fold.filings.get(filing.id, {})
        what = filing.occupation
        pairs = {
            "agency": (filing.agency, said.get("agency")),
            "occupation": (what.code, said.get("occupation")),
            "name": (what.name, said.get("name")),
            "edition": (what.edition, said.get("edition")),
            "levels": ([level.value for level in filing.levels], json.loads(said.get("levels", "null"))),
            "work_types": (list(filing.work_types), json.loads(said.get("work_types", "null"))),
            "from_on": (filing.from_on.isoformat(), said.get("from_on")),
            "to_on": (filing.to_on and filing.to_on.isoformat(), said.get("to_on")),
        }
        findings.differ("filing", f"filing {filing.id}", pairs)


def _compare_credentials(fold: Fold, findings: Findings) -> Program[None]:
    credentials = yield from register.list_credentials()
    _same_rows("credential", {one.id for one in credentials}, set(fold.credentials), findings)
    for one in credentials:
        said = fold.credentials.get(one.id, {})
        pairs = {
            "role": (one.role, said.get("role")),
            "agency": (one.agency, said.get("agency")),
            "revoked": (one.revoked_at is not None, said.get("revoked")),
            "rotations": (one.rotations, said.get("rotations")),
            "old_until": (None if one.old_until is None else to_micros(one.old_until), said.get("old_until")),
        }
        findings.differ("credential", f"credential {one.id}", pairs)
        if not one.secret_hash and one.revoked_at is None:
            zh, en = (
                "恢复时丢失了新密钥，请再次更换。",
                "A restore lost its new secret: rotate it again, or revoke it.",
            )
            findings.add("credential-secret", f"credential {one.id}", zh, en)


def _compare_keys(fold: Fold, findings: Findings) -> Program[None]:
    keys = yield from register.list_keys()
    _same_rows("key", {key.kid for key in keys}, set(fold.keys), findings)
    for key in keys:
        said = fold.keys.get(key.kid, {})
        pairs: dict[str, tuple[object, object]] = {
            "owner": (key.owner, said.get("owner")),
            "purpose": (key.purpose, said.get("purpose")),
            "alg": (key.alg, said.get("alg")),
            "public": (key.key_bytes.hex(), said.get("public")),
            "state": (key.state, said.get("state")),
        }
        for name in ("active_from", "active_to", "compromised_at"):
            at = getattr(key, name)
            pairs[name] = (None if at is None else to_micros(at), said.get(name))
        findings.differ("key", f"key {key.kid}", pairs)


def _compare_unlisted(fold: Fold, findings: Findings) -> Program[None]:
    """Whoever left the search by person is out of it; a certificate that is not there needs no row."""
    table = {number for (number,) in (yield from run("audit_unlisted"))}
    missing = sorted(fold.unlisted - table)
    there = {number for (number,) in (yield from run("find_taken", missing))} if missing else set()
    _same_rows("unlisted", table, {one for one in fold.unlisted if one in table or one in there}, findings)


def _same_rows(what: str, table: set[str], ledger: set[str], findings: Findings) -> None:
    for key in sorted(ledger - table):
        findings.add(
            f"{what}-missing", f"{what} {key}", "台账有而表中无。", "The ledger has it, the table not."
        )
    for key in sorted(table - ledger):
        findings.add(
            f"{what}-unknown", f"{what} {key}", "表中有而台账无。", "The table has it, the ledger not."
        )


def _scoped(event: Event) -> str:
    return (event.scope or "").removeprefix("agency:")
