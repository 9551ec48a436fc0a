"""The files that a holder may fetch: the signed PDF, byte for byte the agency's, and the picture for a phone."""

import datetime as dt
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from verify.certificate.reason import Role
from verify.documents.sheet import Sheet
from verify.errors import NotFound
from verify.holders.links import HOLDER
from verify.holders.session import Session
from verify.issuance.caller import Caller
from verify.issuance.papers import Paper, Papers
from verify.issuance.view import Views
from verify.store.contract import Store
from verify.store.holders import Newest, Visited, count_visit, newest_copy

_CALLER: Final = Caller(HOLDER, Role.AGENCY)
"""Of no agency, so that none is asked for; the session has named the one certificate that it may speak about."""


class Files:
    """Safe to call concurrently. Needs the agencies' signers, as `Papers` does: a first file is made when asked for."""

    def __init__(
        self,
        store: Store,
        papers: Papers,
        views: Views,
        *,
        draw: Callable[[Sheet], Awaitable[bytes]],
        now: Callable[[], dt.datetime],
    ) -> None:
        """`draw` makes the picture for a phone; `now` gives aware UTC."""
        self._store = store
        self._papers = papers
        self._views = views
        self._draw = draw
        self._now = now

    async def newest(self, session: Session) -> Newest:
        """The last copy, and whether it has a file. Raises NotFound."""
        found = await self._store.read(partial(newest_copy, session.number))
        if found is None:
            raise NotFound
        return found

    async def document(self, session: Session) -> Paper:
        """The PDF of the last copy, with the full identity number on it. The visit is counted.

        Raises Conflict for a certificate that was revoked or replaced before its file was first made, and as
        `Papers.pdf`.
        """
        paper = await self._papers.pdf(session.number, _CALLER)
        await self._count(session, "document")
        return paper

    async def picture(self, session: Session) -> bytes:
        """A PNG for chats, without identity number and portrait. The visit is counted.

        Raises Conflict for a certificate that was revoked or replaced, BadDocument.
        """
        data = await self._draw(await self._views.sheet_for(session.number, _CALLER))
        await self._count(session, "picture")
        return data

    async def _count(self, session: Session, kind: Visited) -> None:
        await self._store.write(lambda: count_visit(session.number, kind, self._now()))
