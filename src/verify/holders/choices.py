"""What a holder decides and may see of one certificate: the search by person, and how often it was asked about."""

import datetime as dt
from collections.abc import Callable
from functools import partial

from verify.holders.links import HOLDER
from verify.holders.session import Session
from verify.store.contract import Store
from verify.store.holders import Asked, asked_about, is_listed, set_listed
from verify.store.journal import Origin


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
