"""A register long ago with a timestamp service on loopback: what pyHanko can validate beyond every end (pades_world.NOW)."""

import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pades_world import NOW, YEAR, Authority, serve
from proof_world import DAY
from web_http_world import PASSPHRASE, issue_request

from verify.certificate.form import IssueRequest
from verify.certificate.reason import Role as Acting
from verify.config import Settings
from verify.errors import Words
from verify.issuance.caller import Caller
from verify.issuance.issue import Issued, Row
from verify.office.agencies import FilingRequest
from verify.office.office import open_office
from verify.proof.datafile import create_data_keys
from verify.proof.keyfiles import KeyStore
from verify.proof.public import KeyPurpose
from verify.wiring.desks import OfficeHouse, open_office_house
from verify.wiring.house import migrate, open_store

AGENCY = "10012003"
OPERATOR = Caller("test", Acting.OPERATOR)


class Past:
    """One house and its timestamp authority, on one clock."""

    def __init__(self, house: OfficeHouse, authority: Authority, numbers: list[str]) -> None:
        self.house = house
        self.authority = authority
        self.numbers = numbers

    async def pdf(self, number: str) -> bytes:
        """The file as it is served now."""
        return (await self.house.papers.pdf(number, OPERATOR)).data

    def forward(self, by: dt.timedelta) -> None:
        """Let time pass for everybody."""
        self.authority.now += by

    async def roots(self) -> list[bytes]:
        """The operator's root certificates."""
        keys = await self.house.office.keys.list_keys()
        return [k.certificate for k in keys if k.purpose is KeyPurpose.ROOT and k.certificate]


@contextlib.asynccontextmanager
async def past(folder: Path, url: str, *, count: int = 3, lists: str | None = None) -> AsyncIterator[Past]:
    """A register of 2012 behind `url`, one agency, `count` certificates; lists come from the authority by default."""
    authority = Authority(ends=NOW + 20 * YEAR)
    with serve(authority) as at:
        roots = folder / "tsa.pem"
        roots.write_bytes(x509.load_der_x509_certificate(authority.root_der).public_bytes(Encoding.PEM))
        settings = Settings(
            database_url=url, keys_dir=folder / "keys", key_passphrase=PASSPHRASE, timestamp_url=at,
            timestamp_roots=roots, timestamp_lists=at if lists is None else lists,
        )  # fmt: skip

        def clock() -> dt.datetime:
            return authority.now

        await _set_up(settings, clock)
        house = await open_office_house(settings, now=clock, keys_checked=False)
        try:
            yield Past(house, authority, await _issued(house, count))
        finally:
            await house.close()


async def _set_up(settings: Settings, clock: Callable[[], dt.datetime]) -> None:
    await migrate(settings.database_url)
    create_data_keys(settings.keys_dir, PASSPHRASE)
    store = await open_store(settings.database_url, read_only=False)
    office = open_office(
        store, KeyStore(settings.keys_dir, PASSPHRASE), trust_max_age_s=7 * 24 * 3600, now=clock,
        public_url="https://cert.example.cn",
    )  # fmt: skip
    await office.keys.open_root(Words("运营方", "Operator"), actor="test")
    await office.agencies.add(AGENCY, name_zh="江南职业技能鉴定所", name_en="Station", actor="test")
    filing = FilingRequest(
        occupation_code="6-18-01-01",
        occupation_name="车工",
        levels=("5", "4", "3"),
        from_on=dt.date(2010, 1, 1),
    )
    await office.agencies.add_filing(AGENCY, filing, actor="test")
    key = await office.keys.create(AGENCY, KeyPurpose.TOKEN, actor="test")
    await office.keys.activate(key.kid, actor="test")
    await store.close()


async def _issued(house: OfficeHouse, count: int) -> list[str]:
    on = (NOW - DAY).date().isoformat()
    rows = [
        Row(f"p-{i}", msgspec.convert(issue_request(i, kind="qualification", issued_on=on), IssueRequest))
        for i in range(count)
    ]
    made = await house.issuance.issue_many(AGENCY, rows, "test")
    assert all(isinstance(one, Issued) for one in made), made
    return [one.number for one in made if isinstance(one, Issued)]
