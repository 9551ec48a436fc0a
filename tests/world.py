"""A small simulated world: one register on disk, a clock that moves when told, two agencies, real keys.

    async with World.open(tmp_path) as world:
        issued = await world.issuance.issue(world.skill, world.request(), "key-1", "test")
        world.clock.forward(days=1)

Its keys are the same in every run, so that a second process can open the same world: `World.reopen`.
Everything personal in it is synthetic: resident IDs lie in area 99xxxx, which does not exist.
"""

import contextlib
import csv
import datetime as dt
import hashlib
import io
import itertools
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from verify.certificate.form import HolderInput, IssueRequest, OccupationInput, ResultsInput
from verify.certificate.identity import check_character
from verify.certificate.reason import Role
from verify.certificate.record import Agency, AgencyState, Filing, Kind, Level, Occupation
from verify.errors import Words
from verify.issuance.batches import Batches
from verify.issuance.caller import Caller
from verify.issuance.change import Changes
from verify.issuance.issue import Issuance
from verify.issuance.reissue import Reissues
from verify.issuance.revocation import Revocations
from verify.issuance.signing import SignersInUse
from verify.issuance.view import Views
from verify.proof.keys import PURPOSE_ALGORITHMS, KeyPair, key_pair, public_record
from verify.proof.public import KeyPurpose, PublicKey
from verify.proof.sealing import DataKeys, generate_data_keys
from verify.proof.signer import Signer, SoftSigner
from verify.proof.window import KeyMove, move_key, rotate
from verify.store.contract import Store
from verify.store.journal import Origin
from verify.store.register import (
    add_agency,
    add_filing,
    add_key,
    change_agency,
    change_keys,
    key_in_use,
    list_keys,
)
from verify.store.sqlite import SqliteStore, migrate_sqlite

NOON = dt.datetime(2026, 11, 21, 4, 0, tzinfo=dt.UTC)
"""Noon in China: where every world begins."""
SKILL = "S000044000456"
"""A social assessment organisation filed in Guangdong; synthetic."""
QUALIFICATION = "10012003"
"""A local testing station; the shape is the rule's own example."""
PUBLIC_URL = "https://verify.example.org"

LATHE = Occupation("6-18-01-01", "车工")
MILLER = Occupation("6-18-01-02", "铣工")
FARMER = Occupation("5-05-01-02", "农业经理人")
TRAINER = Occupation("4-04-05-05", "人工智能训练师")
"""Filed with the work type 数据标注员 alone."""
LEVELS = (Level.FIVE, Level.FOUR, Level.THREE, Level.TWO, Level.ONE)

_SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜"
_GIVEN = "敏刚静伟芳娜秀英强磊洋艳勇军杰娟涛超明霞平桂兰丽文辉力波宁贵福生"

COLUMNS = (
    "row_id", "name", "id_type", "id_number", "occupation_code", "occupation_name", "work_type", "level",
    "issued_on", "theory", "practical", "review", "remark",
)  # fmt: skip
"""The header of a roster."""


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, at: dt.datetime = NOON) -> None:
        self.at = at

    def __call__(self) -> dt.datetime:
        return self.at

    def forward(self, **span: float) -> dt.datetime:
        """Move by `dt.timedelta(**span)`, backwards too."""
        self.at += dt.timedelta(**span)
        return self.at


def resident_id(serial: int, born: dt.date = dt.date(1990, 1, 1)) -> str:
    """The `serial`-th synthetic resident ID of that birth date; its check character fits."""
    area, sequence = divmod(serial, 1000)
    body = f"99{area % 10_000:04d}{born - dt.timedelta(days=area // 10_000):%Y%m%d}{sequence:03d}"
    return body + check_character(body + "0")


def person_name(serial: int) -> str:
    """A made-up name of three characters."""
    rest, a = divmod(serial, len(_SURNAMES))
    rest, b = divmod(rest, len(_GIVEN))
    return _SURNAMES[a] + _GIVEN[b] + _GIVEN[(rest + 7 * b) % len(_GIVEN)]


def _secret(label: str, size: int) -> bytes:
    return hashlib.sha256(f"world/{label}".encode()).digest()[:size]


def _private(purpose: KeyPurpose, secret: bytes) -> ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey:
    if PURPOSE_ALGORITHMS[purpose] == "ES256":
        return ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.from_private_bytes(secret)


class World:
    """See the module. Made by `World.open`; every room's door is a property built on first use."""

    def __init__(self, directory: Path, store: Store, clock: Clock) -> None:
        count = itertools.count()
        self.directory = directory
        self.store: Store = store
        self.clock = clock
        self.data_keys = DataKeys(generate_data_keys(lambda size: _secret(f"data-{next(count)}", size)))
        self.pairs: dict[str, KeyPair] = {}
        """Private keys by id."""
        self.skill = SKILL
        self.qualification = QUALIFICATION
        self._people = 0
        self._made = 0

    # --- beginning and end ------------------------------------------------------------------------------

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, directory: Path, *, store: Store | None = None) -> AsyncIterator["World"]:
        """A fresh world in `directory`, closed at the end. `store` replaces the SQLite file."""
        if store is None:
            migrate_sqlite(directory / "verify.db")
            store = SqliteStore(directory / "verify.db")
        world = cls(directory, store, Clock())
        try:
            await world._populate()
            yield world
        finally:
            await world.store.close()

    @classmethod
    @contextlib.asynccontextmanager
    async def reopen(cls, directory: Path) -> AsyncIterator["World"]:
        """The world that another process made in `directory`, with the same keys."""
        store = SqliteStore(directory / "verify.db")
        world = cls(directory, store, Clock())
        try:
            wanted = {key.kid for key in await store.read(list_keys)}
            while not wanted <= set(world.pairs):
                for purpose in (KeyPurpose.TOKEN, KeyPurpose.DATA_INTEGRITY):  # one of each algorithm
                    pair = key_pair(_private(purpose, _secret(f"key-{world._made}", 32)))
                    world.pairs[pair.kid] = pair
                world._made += 1
            yield world
        finally:
            await store.close()

    def _pair(self, purpose: KeyPurpose) -> KeyPair:
        """The next key pair of a fixed row, so that another process finds the same."""
        pair = key_pair(_private(purpose, _secret(f"key-{self._made}", 32)))
        self._made += 1
        self.pairs[pair.kid] = pair
        return pair

    @property
    def path(self) -> Path:
        """The database file."""
        return self.directory / "verify.db"

    def origin(self, actor: str = "test") -> Origin:
        """Who and when, for the store's programs."""
        return Origin(actor, self.clock())

    async def _populate(self) -> None:
        await self.add_key("operator", Words("运营方", "Operator"), KeyPurpose.ROOT)
        await self.add_key("operator", Words("运营方", "Operator"), KeyPurpose.STATEMENT)
        await self.add_agency(SKILL, Kind.SKILL_LEVEL, "岭南技能评价中心", "Lingnan Skills Assessment Centre")
        await self.add_agency(
            QUALIFICATION, Kind.QUALIFICATION, "江南职业技能鉴定所", "Jiangnan Testing Station"
        )
        for occupation in (LATHE, MILLER, FARMER):
            await self.add_filing(SKILL, occupation)
        await self.add_filing(SKILL, TRAINER, work_types=("数据标注员",), levels=LEVELS[:2])
        await self.add_filing(QUALIFICATION, LATHE)

    async def add_agency(self, code: str, kind: Kind, zh: str, en: str) -> Agency:
        """An agency with an active token key."""
        agency = Agency(code, kind, zh, en, AgencyState.ACTIVE, self.clock())
        await self.store.write(lambda: add_agency(agency, self.origin()))
        await self.add_key(code, Words(zh, en), KeyPurpose.TOKEN)
        return agency

    async def set_agency(self, code: str, state: AgencyState, reason: str = "ANNUAL_INSPECTION") -> None:
        """Suspend, cancel or reinstate."""
        await self.store.write(lambda: change_agency(code, state, reason, self.origin()))

    async def add_filing(self, agency: str, occupation: Occupation, **changes: Any) -> Filing:
        """File all five levels since 2020, or what `changes` say."""
        filing = Filing(
            id=changes.pop("id", f"{agency}-{occupation.code}"),
            agency=agency,
            occupation=occupation,
            levels=changes.pop("levels", LEVELS),
            work_types=changes.pop("work_types", ()),
            from_on=changes.pop("from_on", dt.date(2020, 1, 1)),
            to_on=changes.pop("to_on", None),
        )
        assert not changes, changes
        await self.store.write(lambda: add_filing(filing, self.origin()))
        return filing

    # --- keys -------------------------------------------------------------------------------------------

    async def add_key(
        self, owner: str, name: Words, purpose: KeyPurpose, *, active: bool = True
    ) -> PublicKey:
        """A new key pair, its public half in the register."""
        pair = self._pair(purpose)
        key = public_record(pair, owner=owner, owner_name=name, purpose=purpose, created_at=self.clock())
        await self.store.write(lambda: add_key(key, self.origin()))
        if active:
            key = move_key(key, KeyMove.ACTIVATE, self.clock())
            await self.store.write(lambda: change_keys([key], self.origin()))
        return key

    async def token_key(self, agency: str) -> PublicKey:
        """The token key in use."""
        key = await self.store.read(lambda: key_in_use(agency, KeyPurpose.TOKEN))
        assert key is not None
        return key

    async def rotate_key(self, agency: str) -> PublicKey:
        """Retire the token key and put a new one in its place."""
        old = await self.token_key(agency)
        fresh = await self.add_key(agency, old.owner_name, KeyPurpose.TOKEN, active=False)
        pair = rotate(old, fresh, self.clock())
        await self.store.write(lambda: change_keys(pair, self.origin()))
        return pair[1]

    async def compromise_key(self, agency: str) -> PublicKey:
        """Mark the token key as compromised since now; the agency then has none."""
        key = move_key(await self.token_key(agency), KeyMove.COMPROMISE, self.clock())
        await self.store.write(lambda: change_keys([key], self.origin()))
        return key

    def open_signer(self, kid: str) -> Signer:
        """The signer of one private key."""
        return SoftSigner(self.pairs[kid])

    # --- the rooms --------------------------------------------------------------------------------------

    @property
    def issuance(self) -> Issuance:
        """The issuing desk on this world's store."""
        return self._once("issuance", lambda: self.new_issuance())

    def new_issuance(self, store: Store | None = None) -> Issuance:
        """Another desk on the same register, as another process would have it."""
        store = store or self.store
        signers = SignersInUse(store, self.open_signer)
        return Issuance(
            store, data_keys=self.data_keys, signers=signers, public_url=PUBLIC_URL, now=self.clock
        )

    @property
    def changes(self) -> Changes:
        """Suspend, reinstate, revoke."""
        return self._once("changes", lambda: Changes(self.store, data_keys=self.data_keys, now=self.clock))

    @property
    def revocations(self) -> Revocations:
        """Two-person bulk revocation."""
        return self._once(
            "revocations", lambda: Revocations(self.store, data_keys=self.data_keys, now=self.clock)
        )

    @property
    def reissues(self) -> Reissues:
        """Lost, damaged, corrected."""
        return self._once("reissues", lambda: Reissues(self.issuance))

    @property
    def batches(self) -> Batches:
        """Uploads."""
        return self._once("batches", lambda: Batches(self.issuance))

    @property
    def views(self) -> Views:
        """The office's view."""
        return self._once(
            "views",
            lambda: Views(self.store, data_keys=self.data_keys, public_url=PUBLIC_URL, now=self.clock),
        )

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        if name not in self.__dict__.setdefault("_rooms", {}):
            self.__dict__["_rooms"][name] = make()
        return self.__dict__["_rooms"][name]

    def agency_caller(self, agency: str = SKILL, actor: str = "vk_agency") -> Caller:
        """Somebody of an agency."""
        return Caller(actor, Role.AGENCY, agency)

    def operator(self, actor: str = "vk_operator") -> Caller:
        """Somebody of the operator."""
        return Caller(actor, Role.OPERATOR)

    # --- requests ---------------------------------------------------------------------------------------

    def request(self, **changes: Any) -> IssueRequest:
        """A correct request for a person who was not there before; `changes` replace fields.

        `name`, `id_type`, `id_number` go to the holder, `theory`, `practical`, `review` to the results.
        """
        self._people += 1
        serial = self._people
        holder = HolderInput(
            changes.pop("name", person_name(serial)),
            changes.pop("id_type", "RESIDENT_ID"),
            changes.pop("id_number", resident_id(serial)),
        )
        results = ResultsInput(
            changes.pop("theory", 82.0), changes.pop("practical", 91.0), changes.pop("review", None)
        )
        request = IssueRequest(
            holder=holder,
            occupation=OccupationInput(LATHE.code, LATHE.name),
            level="3",
            issued_on="2026-11-20",
            results=results,
            batch="2026-11-A",
        )
        return msgspec.structs.replace(request, **changes)

    def roster(self, count: int, **changes: str) -> list[dict[str, str]]:
        """`count` rows of a roster for new people; `changes` replace cells of every row."""
        rows = []
        for _ in range(count):
            request = self.request()
            row = {
                "row_id": f"R{self._people:06d}",
                "name": request.holder.name,
                "id_type": "RESIDENT_ID",
                "id_number": request.holder.id_number,
                "occupation_code": request.occupation.code,
                "occupation_name": request.occupation.name,
                "work_type": "",
                "level": "4",
                "issued_on": "2026-11-20",
                "theory": "82",
                "practical": "91",
                "review": "",
                "remark": "",
            }
            rows.append(row | changes)
        return rows


def to_csv(rows: Iterable[dict[str, str]], columns: Iterable[str] = COLUMNS, newline: str = "\n") -> bytes:
    """Rows as a UTF-8 roster file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), lineterminator=newline)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
