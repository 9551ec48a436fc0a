"""The desks of the administration in one hand."""

import datetime as dt
import os
from collections.abc import Callable

import msgspec

from verify.office.agencies import Agencies
from verify.office.credentials import Credentials
from verify.office.crl import CrlDesk
from verify.office.keys import Keys
from verify.office.packs import PackDesk
from verify.office.trust import TrustDesk
from verify.proof.keyfiles import KeyStore
from verify.store.contract import Store


class Office(msgspec.Struct, frozen=True):
    """What an operator can do besides issuing and changing certificates."""

    agencies: Agencies
    credentials: Credentials
    keys: Keys
    trust: TrustDesk
    packs: PackDesk
    crl: CrlDesk


def open_office(
    store: Store,
    key_store: KeyStore,
    *,
    trust_max_age_s: int,
    now: Callable[[], dt.datetime],
    random: Callable[[int], bytes] = os.urandom,
    public_url: str | None = None,
) -> Office:
    """Set up all desks over one store and one key store; certificates made here name `public_url` as the place where
    their root's revocation list is to be had."""
    crl = CrlDesk(store, key_store, max_age_s=trust_max_age_s, now=now)
    trust = TrustDesk(store, key_store, max_age_s=trust_max_age_s, now=now)
    return Office(
        agencies=Agencies(store, now=now, random=random),
        credentials=Credentials(store, now=now, random=random),
        keys=Keys(store, key_store, trust, crl, now=now, random=random, public_url=public_url),
        trust=trust,
        packs=PackDesk(store, key_store, now=now),
        crl=crl,
    )
