"""What a holder decides and may see of one certificate: the search by person, and how often it was asked about."""

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Final

from verify.holders.links import HOLDER
from verify.holders.session import Session
from verify.store.contract import Store
from verify.store.holders import CHINA, Asked, asked_about, drop_counts, is_listed, set_listed
from verify.store.journal import Origin

COUNTS_KEPT: Final = dt.timedelta(days=3 * 366)
"""How long the counts of checks and visits stay: three years, as long as records of passing on personal data have to be
kept (Regulations on Network Data Security Management, art. 12), so that a holder sees what those records can explain;
longer they would be a profile that nobody asked for (PIPL art. 19)."""
SWEPT_AT_ONCE: Final = 500
"""Counts forgotten in one transaction: issuing waits a few milliseconds for it, never more."""


class Choices:
    """Safe to call concurrently."""

    def __init__(self, store: Store, *, now: Callable[[], dt.datetime]) -> None:
        """`now` gives aware UTC."""
        self._store = store
        self._now = now

    async def is_listed(self, session: Session) -> bool:
        """Whether a search by name and document shows the certificate."""
        return await self._store.read(partial(is_listed, session.number))

    async def set_listed(self, session: Session, listed: bool) -> bool:
        """Show it there, or not. Number and name, and the code on the document, lead to it either way."""
        origin = Origin(HOLDER, self._now())
        return await self._store.write(lambda: set_listed(session.number, session.tag, listed, origin))

    async def asked_about(self, session: Session) -> list[Asked]:
        """Employers' checks and visits as the holder, by day and kind, newest first; never by whom.

        Whoever has the paper can open a session, a present employer too: it must not learn who else asked.
        """
        return await self._store.read(partial(asked_about, session.number))

    async def sweep(self) -> None:
        """Forget counts that are older than `COUNTS_KEPT`, a few at a time."""
        before = (self._now() - COUNTS_KEPT).astimezone(CHINA).date()
        while await self._store.write(partial(drop_counts, before, SWEPT_AT_ONCE)) == SWEPT_AT_ONCE:
            pass
