"""What an audit says: each disagreement by name and place."""

from collections.abc import Mapping

import msgspec

from verify.errors import Words

LIMIT = 1000
"""Findings kept; a register in ruins need not list every stone."""


class Finding(msgspec.Struct, frozen=True):
    """Two things that should agree and do not."""

    check: str
    """Stable, kebab-case."""
    where: str
    """`ledger 17`, `certificate S…`, `copy S…/2`, `key ab12cd34`, `agency S…`."""
    detail: Words


class Findings:
    """Collects findings up to a limit, and counts the rest."""

    def __init__(self) -> None:
        """None yet."""
        self.kept: list[Finding] = []
        self.count = 0

    def add(self, check: str, where: str, zh: str, en: str) -> None:
        """One more."""
        self.count += 1
        if len(self.kept) < LIMIT:
            self.kept.append(Finding(check, where, Words(zh, en)))

    def differ(self, check: str, where: str, pairs: Mapping[str, tuple[object, object]]) -> None:
        """One more for every name whose two values differ: (what the table says, what the ledger says)."""
        for name, (table, ledger) in pairs.items():
            if table != ledger:
                zh = f"{name}：表中为 {table}，台账为 {ledger}。"
                self.add(check, where, zh, f"{name}: the table says {table}, the ledger says {ledger}.")
