"""A whole installation in a folder: keys, register, agencies with filings, API keys, seeded certificates.

Made as `verify init` and the office make it; the certificates come from `seed`. An installation of a given
engine and size is kept in the working folder and used again.
"""

import asyncio
import datetime as dt
import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from loadtest import seed
from verify.config import Settings
from verify.errors import Words
from verify.office.agencies import FilingRequest
from verify.proof.keyfiles import KeyStore
from verify.proof.public import KeyPurpose, KeyState
from verify.wiring.desks import OfficeHouse, open_office_house
from verify.wiring.house import migrate
from verify.wiring.setup import set_up

ACTOR = "loadtest"
SIGNED = 500
"""Certificates from the first on whose tokens and credentials are really signed."""
FILED_FROM = dt.date(2020, 1, 1)


class Site(msgspec.Struct, frozen=True):
    """One installation."""

    folder: str
    database_url: str
    count: int
    """Seeded certificates: indexes 0 to `count` - 1 of `seed.seeded`."""
    bearers: dict[str, str]
    """API keys by agency code, and `operator`."""
    seed_s: float
    """Seconds that the seeding took."""
    engine: str

    def environment(self, **settings: str) -> dict[str, str]:
        """`VERIFY_*` variables that serve this installation; budgets are off unless `settings` say otherwise."""
        folder = Path(self.folder)
        plain = {
            "database_url": self.database_url,
            "keys_dir": str(folder / "keys"),
            "key_passphrase_file": str(folder / "keys" / "passphrase"),
            "public_url": seed.PUBLIC_URL,
            "budget_per_source": "0",
            "budget_per_target": "0",
            "log_level": "warning",
        }
        return {f"VERIFY_{name.upper()}": value for name, value in (plain | settings).items()}


def make_site(
    folder: Path, count: int, *, dsn: str | None = None, say: Callable[[str], None] = print
) -> Site:
    """The installation of `count` certificates in `folder`: the one that is there, or a new one."""
    kept = folder / "site.json"
    if kept.exists():
        return msgspec.json.decode(kept.read_bytes(), type=Site)
    folder.mkdir(parents=True, exist_ok=True)
    url = dsn or f"sqlite:///{folder}/verify.db"
    site = asyncio.run(_make(folder, url, count, say))
    kept.write_bytes(msgspec.json.encode(site))
    return site


async def _make(folder: Path, url: str, count: int, say: Callable[[str], None]) -> Site:
    loop = asyncio.get_running_loop()
    settings = Settings(database_url=url, keys_dir=folder / "keys", public_url=seed.PUBLIC_URL)
    await migrate(url)
    settings, _ = await set_up(settings, Words("负载测试", "Load test"), ACTOR)
    house = await open_office_house(settings)
    try:
        for code in seed.AGENCIES:
            await _add_agency(house, code)
        bearers = {code: (await _bearer(house, code)) for code in seed.AGENCIES}
        bearers["operator"] = await _bearer(house, None)
        assert settings.key_passphrase is not None
        keys = KeyStore(settings.keys_dir, settings.key_passphrase)
        kid = next(
            key.kid for key in await house.office.keys.list_keys(seed.AGENCIES[0])
            if key.purpose is KeyPurpose.TOKEN and key.state is KeyState.ACTIVE
        )  # fmt: skip
        began = loop.time()
        pair = keys.load(kid)
        for group, indexes in enumerate(seed.groups(count)):
            await seed.write_group(house.store, indexes, group, house.data_keys, pair, SIGNED)
            if group % 40 == 39:
                say(f"  seeded {(group + 1) * seed.AT_ONCE} of {count} in {loop.time() - began:.0f} s")
        took = loop.time() - began
    finally:
        await house.close()
    engine = "PostgreSQL" if url.startswith("postgresql") else "SQLite"
    return Site(str(folder), url, count, bearers, took, engine)


async def _add_agency(house: OfficeHouse, code: str) -> None:
    record = seed.agency_of(code)
    await house.office.agencies.add(
        code, name_zh=record.name_zh, name_en=record.name_en, contact="load@example.cn", actor=ACTOR
    )
    for key in await house.office.keys.create_pair(code, actor=ACTOR):
        await house.office.keys.activate(key.kid, actor=ACTOR)
    for occupation in seed.OCCUPATIONS:
        filing = FilingRequest(
            occupation_code=occupation.code, occupation_name=occupation.name,
            levels=tuple(level.value for level in seed.LEVELS), from_on=FILED_FROM,
        )  # fmt: skip
        await house.office.agencies.add_filing(code, filing, actor=ACTOR)


async def _bearer(house: OfficeHouse, agency: str | None) -> str:
    return (await house.office.credentials.create("load", agency=agency, actor=ACTOR))[1]


def issue_body(serial: int) -> bytes:
    """A correct issue request for a person whom no seeded certificate names."""
    digest = hashlib.sha256(b"asked %d" % serial).digest()
    name = seed.SURNAMES[digest[0] % 20] + seed.GIVEN[digest[1] % 30] + seed.GIVEN[digest[2] % 30]
    occupation = seed.OCCUPATIONS[serial % len(seed.OCCUPATIONS)]
    return msgspec.json.encode(
        {
            "holder": {
                "name": name,
                "id_type": "RESIDENT_ID",
                "id_number": seed.resident_id(100_000_000 + serial),
            },
            "occupation": {"code": occupation.code, "name": occupation.name},
            "level": "4",
            "issued_on": seed.ON.isoformat(),
            "results": {"theory": 82, "practical": 91},
            "batch": "load",
        }
    )
