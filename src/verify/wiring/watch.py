"""What watches the register from outside of its database: the witness and the journal of the settings."""

import asyncio

from verify.config import Settings
from verify.store.contract import Store
from verify.store.logbook import Logbook
from verify.store.watched import open_watched
from verify.store.witness import Witness, open_witness


async def watch_store(store: Store, settings: Settings, *, writes: bool) -> Store:
    """The store held against what was noted outside, and watched from now on; itself when nothing is set.

    Raises NotReady, LedgerBroken or BadSettings; the store is then still the caller's to close.
    """
    logbook: Logbook | None = None
    if writes and settings.journal is not None:
        logbook = await asyncio.to_thread(Logbook, settings.journal)
    try:
        return await open_watched(store, witness=find_witness(settings), logbook=logbook, writes=writes)
    except BaseException:
        if logbook is not None:
            logbook.close()
        raise


def find_witness(settings: Settings) -> Witness | None:
    """The witness of the settings. Raises BadSettings."""
    return None if settings.witness is None else open_witness(settings.witness)
