"""One agency, its key, and drafts whose seals and signatures are plain bytes: the store looks into neither."""

import datetime as dt

from verify.certificate.record import Agency, AgencyState, Face, Kind, Level, Occupation, Status
from verify.errors import Words
from verify.proof.keys import generate_p256
from verify.proof.public import KeyPurpose, KeyState, PublicKey
from verify.store.certificates import Built, Draft, Prepared, Signed, complete, prepare
from verify.store.contract import Store
from verify.store.journal import Origin
from verify.store.reads import read_certificates
from verify.store.register import add_agency, add_key

NOON = dt.datetime(2026, 11, 20, 4, 0, tzinfo=dt.UTC)
ORIGIN = Origin("tester", NOON, b"\x01" * 32)
AGENCY = "S000035000123"
PREFIX = AGENCY + "263"
FACE = Face(
    Kind.SKILL_LEVEL, AGENCY, Occupation("6-18-01-01", "车工"), None, Level.THREE, dt.date(2026, 11, 20), "A"
)
_PAIR = generate_p256()
KID = _PAIR.kid


def key_record(state: KeyState = KeyState.ACTIVE) -> PublicKey:
    return PublicKey(
        kid=KID, alg="ES256", owner=AGENCY, owner_name=Words("机构", "Agency"), purpose=KeyPurpose.TOKEN,
        key_bytes=_PAIR.key_bytes, state=state, created_at=NOON, active_from=NOON,
    )  # fmt: skip


def draft(key: str, *, tag: str | None = None, number: str | None = None, request: bytes = b"r",
          again: bool = False, width: int = 6, replaces: str | None = None) -> Draft:  # fmt: skip
    def build(made: str) -> Built:
        return Built(
            b"sealed " + made.encode(), b"c" * 32, (b"tag:" + (tag or key).encode(),), f"SCAN{made[-12:]}"
        )

    return Draft(
        key=key, request=request, face=FACE, business_tag=(tag or key).encode(), intended_duplicate=again,
        prefix=PREFIX, serial_width=width, number=number, kid=KID, build=build, replaces=replaces,
    )  # fmt: skip


async def issue(store: Store, *keys: str) -> list[str]:
    """Prepare and complete; returns numbers."""
    outcomes = await store.write(lambda: prepare(AGENCY, [draft(key) for key in keys], ORIGIN))
    numbers = [o.number for o in outcomes if isinstance(o, Prepared)]
    await store.write(lambda: complete([Signed(n, 1, b"token", b"jws") for n in numbers], ORIGIN))
    return numbers


async def see(store: Store, number: str) -> Status | None:
    snapshot = await store.read(lambda: read_certificates([number]))
    found = snapshot.certificates.get(number)
    return found.status if found else None


async def add_world(store: Store) -> None:
    """The agency and its key."""
    agency = Agency(AGENCY, Kind.SKILL_LEVEL, "示例机构", "Example Agency", AgencyState.ACTIVE, NOON)
    await store.write(lambda: add_agency(agency, ORIGIN))
    await store.write(lambda: add_key(key_record(), ORIGIN))
