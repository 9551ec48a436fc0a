"""The audit: ledger, tables, signatures and numbers held against each other, in one snapshot."""

from collections.abc import Callable

import msgspec

from verify.office.audit_certificates import CertificateAudit
from verify.office.audit_documents import audit_documents
from verify.office.audit_ledger import audit_ledger
from verify.office.audit_published import audit_published
from verify.office.audit_statements import StatementAudit
from verify.office.findings import Finding, Findings
from verify.proof.sealing import DataKeys
from verify.store import register
from verify.store.contract import Program, Store, run
from verify.store.losses import list_losses

PAGE = 250


class Report(msgspec.Struct, frozen=True):
    """What an audit found, and over how much."""

    seq: int
    """The last ledger entry."""
    hash: str
    """Its hash, hex: compare with what a witness noted earlier."""
    certificates: int
    copies: int
    findings: tuple[Finding, ...]
    count: int
    """All disagreements, those beyond the list included."""


async def audit(store: Store, data_keys: DataKeys, progress: Callable[[int], None] | None = None) -> Report:
    """Hold everything against everything; `progress` is told how many certificates are done.

    1. The ledger's chain follows from the genesis to the head. 2. Agencies, filings, API keys, keys, the trust
    list and the number counters are what its events say. 3. Each certificate's status, revision, reason, dates,
    links and copies are the fold of its events. 4. Each number parses and says what the face says. 5. Each token
    and credential carries a signature of a key of its agency, in its window, over this certificate. 6. Each
    sealed holder opens, is what the ledger committed to, and can be found by number + name and person. 7. Each kept file opens
    and is the one whose digest the ledger has. 8. Each receipt and each employer's list is what the ledger says of it, and
    results kept are those that were signed. 9. The newest trust list and the newest status pack carry a signature of the
    operator in its key's window, over what the tables say; every pack file is its digest.

    It reads one snapshot and changes nothing, so it may run beside a busy service; at about 300 µs a certificate
    the database cannot fold back its log meanwhile. An API key's secret hash is not in the ledger and so not
    checked. Raises StoreFailed, and BadKey for a data key that is missing.
    """
    return await store.read(lambda: _audit(data_keys, progress or (lambda done: None)))


def _audit(data_keys: DataKeys, progress: Callable[[int], None]) -> Program[Report]:
    findings = Findings()
    # 1. The chain, and the tables that are folds of it.
    statements = StatementAudit(findings)
    chain, fold = yield from audit_ledger(findings, statements)
    yield from statements.close(data_keys)
    # 2. Certificates, page by page, each against its own events.
    keys = {key.kid: key for key in (yield from register.list_keys())}
    losses = yield from list_losses()
    settled = {(one.number, one.copy) for one in losses if one.settled_at is not None}
    desk = CertificateAudit(findings, keys, data_keys, settled)
    after = ""
    while rows := (yield from run("certificate_page", after, PAGE)):
        numbers = [row[0] for row in rows]
        events = yield from run("events_of", numbers)
        copies = yield from run("copies_of", numbers)
        desk.take(rows, events, copies)
        tags = desk.wanted_tags()
        desk.take_tags((yield from run("index_of_tags", tags)) if tags else [])
        yield from audit_documents(numbers, events, data_keys, findings)
        after = numbers[-1]
        progress(desk.certificates)
    # 3. What every reader is handed; and no counter may give a number again.
    yield from audit_published(list(keys.values()), chain.seq, findings)
    counters: dict[str, int] = dict((yield from run("list_counters")))
    desk.check_counters(counters, fold.counters)
    return Report(
        seq=chain.seq,
        hash=chain.hash.hex(),
        certificates=desk.certificates,
        copies=desk.copies,
        findings=tuple(findings.kept),
        count=findings.count,
    )
