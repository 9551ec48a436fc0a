"""The office's half of a house: private keys, the issuing desks, the administration.

Only this module of the room can reach a signing key; a public node never loads it.
"""

import datetime as dt
import os
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from verify.cases.desk import Desk
from verify.cases.imitations import Imitations
from verify.cases.queue import Queue
from verify.config import Settings
from verify.employers.dispatcher import Dispatcher
from verify.employers.lists import Lists
from verify.employers.receipt_papers import ReceiptPapers
from verify.employers.receipts import Receipts
from verify.employers.subscriptions import Subscriptions
from verify.employers.webhooks import Webhooks
from verify.errors import BadKey, Words
from verify.holders.choices import Choices
from verify.holders.files import Files
from verify.holders.links import Links
from verify.holders.session import Sessions
from verify.issuance.archive import Archive
from verify.issuance.batches import Batches
from verify.issuance.change import Changes
from verify.issuance.issue import Issuance
from verify.issuance.papers import Papers
from verify.issuance.reissue import Reissues
from verify.issuance.revocation import Revocations
from verify.issuance.signing import SignersInUse
from verify.issuance.stand_ins import StandIns
from verify.issuance.view import Views
from verify.office.office import Office, open_office
from verify.office.trust import statement_in_use
from verify.proof.keyfiles import KeyStore
from verify.proof.public import KeyState, PublicKey
from verify.proof.signer import Signer, SoftSigner, sign_and_read_back
from verify.store import register
from verify.store.contract import Store
from verify.wiring.house import House, about, close_quietly, open_public, passphrase, utc_now
from verify.wiring.key_probe import KeysReady
from verify.wiring.press import PressRoom
from verify.wiring.probes import Probe
from verify.wiring.settings import Role
from verify.wiring.timestamp import http_get, open_timestamp
from verify.wiring.webhook import WebhookPost


class OfficeHouse(House, frozen=True):
    """A house whose office is open too."""

    office: Office
    issuance: Issuance
    changes: Changes
    reissues: Reissues
    revocations: Revocations
    batches: Batches
    views: Views
    papers: Papers
    archive: Archive
    stand_ins: StandIns
    press: PressRoom
    receipts: Receipts
    receipt_papers: ReceiptPapers
    lists: Lists
    subscriptions: Subscriptions
    webhooks: Webhooks
    dispatcher: Dispatcher
    webhook_post: WebhookPost
    sessions: Sessions
    links: Links
    choices: Choices
    files: Files
    desk: Desk
    queue: Queue
    imitations: Imitations

    def probes(self) -> dict[str, Probe]:
        """See `House.probes`; and the key files."""
        return super().probes() | {
            "keys": KeysReady(self.settings.keys_dir, self.store, self.office.keys.check)
        }

    async def close(self) -> None:
        """Finish what is under way and let go of the database."""
        await self.press.close()
        await self.webhook_post.close()
        await super().close()


class LoadedKeys:
    """Private keys of this process by id, each opened once: opening costs 45 ms by design."""

    def __init__(self, key_store: KeyStore) -> None:
        """None is loaded yet."""
        self._key_store = key_store
        self._signers: dict[str, SoftSigner] = {}

    def signer(self, kid: str) -> SoftSigner:
        """What signs with this key. Raises BadKey."""
        if kid not in self._signers:
            self._signers[kid] = SoftSigner(self._key_store.load(kid))
        return self._signers[kid]


class StatementSigner:
    """Signs receipts, result lists and webhooks with the operator's statement key in use."""

    def __init__(self, store: Store, keys: LoadedKeys) -> None:
        """The key is looked up at each signature: a rotation takes effect with the next one."""
        self._store = store
        self._keys = keys

    async def sign(self, make: Callable[[PublicKey], bytes]) -> tuple[bytes, bytes]:
        """See `employers.operator.OperatorSigner`."""
        key, signer = await self.in_use()
        message = make(key)
        (signature,) = await sign_and_read_back(signer, key, [message])
        return message, signature

    async def in_use(self) -> tuple[PublicKey, Signer]:
        """See `employers.operator.OperatorSigner`."""
        key = statement_in_use(await self._store.read(register.list_keys))
        return key, self._keys.signer(key.kid)


async def open_office_house(
    settings: Settings,
    role: Role = Role.ALL,
    *,
    now: Callable[[], dt.datetime] = utc_now,
    random: Callable[[int], bytes] = os.urandom,
    keys_checked: bool = True,
) -> OfficeHouse:
    """Open the house with the office; see `house.open_house`, which this is the other half of.

    With `keys_checked` every active key is loaded, signs and is verified now, the trust list is renewed if it
    is due, and copies that a crash left half-way are finished; without, keys are loaded when first used.
    """
    house = await open_public(settings, role, read_only=False, now=now)
    try:
        opened = _furnish(house, now, random)
        if keys_checked:
            with about("keys"):
                await _make_ready(opened)
        return opened
    except BaseException:
        await close_quietly(house)
        raise


def _furnish(house: House, now: Callable[[], dt.datetime], random: Callable[[int], bytes]) -> OfficeHouse:
    settings, store, data_keys = house.settings, house.store, house.data_keys
    key_store = KeyStore(settings.keys_dir, passphrase(settings))
    public_url = settings.public_url.rstrip("/")
    keys_of_process = LoadedKeys(key_store)
    signers = SignersInUse(store, keys_of_process.signer)
    operator = StatementSigner(store, keys_of_process)
    asking: dict[str, Any] = {"data_keys": data_keys, "public_url": public_url, "now": now, "random": random}
    issuance = Issuance(
        store, data_keys=data_keys, signers=signers, public_url=public_url, now=now, random=random
    )
    views = Views(store, data_keys=data_keys, public_url=public_url, now=now)
    press = PressRoom(templates_dir=settings.templates_dir, data_font=settings.data_font)
    timestamp, timestamp_roots = open_timestamp(settings, random)
    papers = Papers(
        views, store, data_keys=data_keys, signers=signers, room=press, now=now, timestamp=timestamp,
        timestamp_roots=timestamp_roots,
    )  # fmt: skip
    office = open_office(
        store, key_store, trust_max_age_s=settings.trust_max_age_s, now=now, random=random,
        public_url=public_url,
    )  # fmt: skip
    archive = Archive(
        store, data_keys=data_keys, own_lists=office.crl.refresh, fetch=http_get, now=now, timestamp=timestamp,
        timestamp_roots=timestamp_roots, addresses=settings.timestamp_lists.split(),
    )  # fmt: skip
    lists = Lists(
        store, house.lookup, house.checker, operator, daily_rows=settings.employer_rows_per_day, **asking
    )
    post = WebhookPost(loopback=settings.webhook_loopback)
    return OfficeHouse(
        **msgspec.structs.asdict(house),
        office=office,
        issuance=issuance,
        changes=Changes(store, data_keys=data_keys, now=now),
        reissues=Reissues(issuance),
        revocations=Revocations(store, data_keys=data_keys, now=now),
        batches=Batches(issuance),
        views=views,
        papers=papers,
        archive=archive,
        stand_ins=issuance.stand_ins,
        press=press,
        receipts=Receipts(store, house.lookup, house.checker, operator, **asking),
        receipt_papers=ReceiptPapers(store, operator, press, public_url=public_url),
        lists=lists,
        subscriptions=Subscriptions(store, house.lookup, lists, data_keys=data_keys, now=now),
        webhooks=Webhooks(
            store,
            operator,
            post,
            data_keys=data_keys,
            loopback=settings.webhook_loopback,
            now=now,
            random=random,
        ),
        dispatcher=Dispatcher(
            store, operator, post, revoked_public=settings.revoked_public, now=now, random=random
        ),
        webhook_post=post,
        sessions=Sessions(store, data_keys=data_keys, now=now),
        links=Links(store, house.lookup, data_keys=data_keys, now=now, random=random),
        choices=Choices(store, now=now),
        files=Files(store, papers, views, draw=press.share, now=now),
        desk=Desk(store, data_keys=data_keys, now=now, random=random),
        queue=Queue(store, data_keys=data_keys, now=now),
        imitations=Imitations(store, host=urlsplit(public_url).netloc, now=now),
    )


async def _make_ready(house: OfficeHouse) -> None:
    """What must hold before anything is signed, and what a crash may have left."""
    keys = await house.store.read(register.list_keys)
    if not any(key.state is KeyState.ACTIVE for key in keys):
        what = Words("没有启用中的密钥。", "There is no active key, not even the operator's root.")
        raise BadKey(what, hint="verify init")
    faults = await house.office.keys.check()
    if faults:
        first = faults[0]
        more = "" if len(faults) == 1 else f" ({len(faults)} keys cannot sign: verify key list --check)"
        detail = Words(
            f"密钥 {first.kid}（{first.owner}）不能签名：{first.detail.zh}",
            f"Key {first.kid} of {first.owner} cannot sign: {first.detail.en}",
        )
        raise BadKey(detail, hint=first.hint + more)
    await house.office.trust.refresh("system")
    await house.office.crl.refresh()
    await house.issuance.resume()
