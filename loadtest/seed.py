"""Fill a register with synthetic certificates, fast, through the same programs that issue real ones.

Holder data is really sealed and findable. The first `signed` certificates carry real tokens and credentials;
the rest carry placeholder bytes in their place, because signatures are what takes the time and no look-up
reads them. Everything follows from the index, so a load generator can ask for what exists without a list.
"""

import asyncio
import datetime as dt
import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from verify.certificate.identity import check_character, mask_id_number, parse_identity
from verify.certificate.number import compose_number, number_prefix
from verify.certificate.record import (
    Agency,
    AgencyState,
    CopyCause,
    Face,
    Holder,
    Kind,
    Level,
    Occupation,
    Personal,
    Results,
)
from verify.certificate.scan_code import new_scan_code
from verify.errors import Words
from verify.proof.credential import assemble_jws, credential_claims, credential_payload, jws_signing_input
from verify.proof.keys import KeyPair, generate_p256
from verify.proof.public import KeyPurpose, KeyState, PublicKey
from verify.proof.sealing import DataKeys
from verify.proof.signer import SoftSigner
from verify.proof.token import TokenClaims, assemble_token, to_be_signed, token_payload
from verify.store.certificates import Built, Draft, Prepared, Signed, complete, prepare
from verify.store.contract import Store
from verify.store.journal import Origin
from verify.store.personal import business_tag, commit_personal, finder_tags, seal_personal, seal_signed
from verify.store.register import add_agency, add_key
from verify.store.sqlite import SqliteStore, migrate_sqlite

AT: Final = dt.datetime(2026, 11, 20, 4, 0, tzinfo=dt.UTC)
ON: Final = dt.date(2026, 11, 20)
PUBLIC_URL: Final = "https://zs.example.cn"
ORIGIN: Final = Origin("seed", AT, b"\x00" * 32)
AGENCIES: Final = tuple(f"S00003500{code:04d}" for code in range(1201, 1205))
LEVELS: Final = (Level.FIVE, Level.FOUR, Level.THREE, Level.TWO, Level.ONE)
OCCUPATIONS: Final = (
    Occupation("6-18-01-01", "车工"),
    Occupation("6-18-02-04", "焊工"),
    Occupation("4-03-02-01", "中式烹调师"),
    Occupation("6-29-02-11", "电梯安装维修工"),
)
AT_ONCE: Final = 1000
PLACES: Final = len(AGENCIES) * len(LEVELS)
SURNAMES: Final = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗"
GIVEN: Final = "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂巧云海燕晓东建华国庆春梅玉珍"


class Seeded(msgspec.Struct, frozen=True):
    """What stands in the register under one index."""

    number: str
    scan_code: str
    holder: Holder
    face: Face


def seeded(index: int) -> Seeded:
    """The certificate with this index; the same on every machine."""
    place, serial = index % PLACES, index // PLACES + 1
    agency, level = AGENCIES[place % len(AGENCIES)], LEVELS[place // len(AGENCIES)]
    digest = hashlib.sha256(b"seed %d" % index).digest()
    face = Face(
        Kind.SKILL_LEVEL,
        agency,
        OCCUPATIONS[digest[0] % len(OCCUPATIONS)],
        None,
        level,
        ON,
        f"B{index // 5000}",
    )
    name = SURNAMES[digest[1] % len(SURNAMES)] + GIVEN[digest[2] % len(GIVEN)] + GIVEN[digest[3] % len(GIVEN)]
    number = compose_number(agency, Kind.SKILL_LEVEL, level, ON.year, serial)
    code = new_scan_code(lambda size: digest[8 : 8 + size])
    return Seeded(number, code, Holder(name, "RESIDENT_ID", resident_id(index)), face)


def seed_certificates(
    path: Path, count: int, *, data_keys: DataKeys, pair: KeyPair | None = None, signed: int = 1000
) -> KeyPair:
    """Write certificates 0 to `count` - 1 into a new register at `path`; returns the pair that signed.

    The first `signed` have real signatures. Raises VerifyError when the register cannot be written.
    """
    migrate_sqlite(path)
    store = SqliteStore(path)
    made = pair or generate_p256()
    try:
        asyncio.run(_seed(store, count, data_keys, made, signed))
    finally:
        asyncio.run(store.close())
    return made


async def _seed(store: SqliteStore, count: int, data_keys: DataKeys, pair: KeyPair, signed: int) -> None:
    await add_issuers(store, pair)
    for number, group in enumerate(groups(count)):
        await write_group(store, group, number, data_keys, pair, signed)


def agency_of(code: str) -> Agency:
    """The record of one seeded agency."""
    return Agency(
        code,
        Kind.SKILL_LEVEL,
        f"示例评价机构{code[-2:]}",
        f"Example Agency {code[-2:]}",
        AgencyState.ACTIVE,
        AT,
    )


async def add_issuers(store: Store, pair: KeyPair) -> None:
    """The agencies, and one key for the first of them: seeded copies name it whoever issued them."""
    for code in AGENCIES:
        await store.write(partial(add_agency, agency_of(code), ORIGIN))
    key = PublicKey(
        kid=pair.kid, alg=pair.alg, owner=AGENCIES[0], owner_name=Words("示例评价机构01", "Example Agency 01"),
        purpose=KeyPurpose.TOKEN, key_bytes=pair.key_bytes, state=KeyState.ACTIVE, created_at=AT, active_from=AT,
    )  # fmt: skip
    await store.write(lambda: add_key(key, ORIGIN))


async def write_group(
    store: Store, indexes: list[int], group: int, data_keys: DataKeys, pair: KeyPair, signed: int
) -> None:
    """Prepare and complete certificates of one agency."""
    made = {(one := seeded(index)).number: (index, one) for index in indexes}
    drafts = [draft_of(index, one, data_keys, pair.kid) for index, one in made.values()]
    agency = next(iter(made.values()))[1].face.agency
    outcomes = await store.write(lambda: prepare(agency, drafts, ORIGIN))
    signer = SoftSigner(pair)
    done = []
    for outcome in outcomes:
        assert isinstance(outcome, Prepared), f"group {group}: {outcome}"
        index, one = made[outcome.number]
        token, credential = sign(one, signer) if index < signed else (b"placeholder", "placeholder")
        done.append(Signed(one.number, 1, *seal_signed(data_keys, one.number, 1, token, credential)))
    await store.write(lambda: complete(done, ORIGIN))


def sign(one: Seeded, signer: SoftSigner) -> tuple[bytes, str]:
    """Token and credential of copy 1, really signed."""
    holder = one.holder
    claims = TokenClaims(
        signer.kid, AT, one.scan_code, one.number, holder.name, one.face.occupation.code, one.face.level,
        holder.id_number[-4:],
    )  # fmt: skip
    payload = token_payload(claims)
    token = assemble_token(signer.kid, payload, signer.sign_now(to_be_signed(signer.kid, payload)))
    credential = credential_claims(
        public_url=PUBLIC_URL, number=one.number, face=one.face, agency=agency_of(one.face.agency),
        name=holder.name, id_type=holder.id_type,
        id_number_masked=mask_id_number(holder.id_type, holder.id_number), copy_number=1,
        copy_cause=CopyCause.ORIGINAL, scan_code=one.scan_code, signed_at=AT,
    )  # fmt: skip
    signing_input = jws_signing_input(signer.kid, credential_payload(credential))
    return token, assemble_jws(signing_input, signer.sign_now(signing_input))


def groups(count: int) -> Iterator[list[int]]:
    """Indexes by agency, in the order in which serials are taken."""
    for start in range(0, count, AT_ONCE * len(AGENCIES)):
        block = range(start, min(count, start + AT_ONCE * len(AGENCIES)))
        for agency in range(len(AGENCIES)):
            group = [index for index in block if index % len(AGENCIES) == agency]
            if group:
                yield group


def draft_of(index: int, one: Seeded, data_keys: DataKeys, kid: str) -> Draft:
    """The request for one seeded certificate, as issuing would put it to the store."""
    holder, face = one.holder, one.face
    identity = parse_identity(holder.id_type, holder.id_number, ON)
    personal = Personal(holder, Results(80, 81), hashlib.sha256(b"salt %d" % index).digest()[:16])

    def build(number: str) -> Built:
        return Built(
            seal_personal(data_keys, number, personal),
            commit_personal(number, personal),
            finder_tags(data_keys, number, identity, holder.name),
            one.scan_code,
        )

    return Draft(
        key=f"seed-{index}", request=b"seed", face=face, business_tag=business_tag(data_keys, face, identity),
        intended_duplicate=False, prefix=number_prefix(face.agency, Kind.SKILL_LEVEL, face.level, ON.year),
        serial_width=6, number=None, kid=kid, build=build,
    )  # fmt: skip


def resident_id(index: int) -> str:
    """A well-formed number of the area 99xxxx, which exists nowhere."""
    area, rest = 990000 + index % 10000, index // 10000
    born = dt.date(1960, 1, 1) + dt.timedelta(days=rest % 12000)
    body = f"{area}{born:%Y%m%d}{rest // 12000 % 1000:03d}"
    return body + check_character(body)
