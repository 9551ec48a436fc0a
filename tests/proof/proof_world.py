"""A small world for the proof tests: one operator, one agency, one synthetic holder, fixed times."""

import datetime as dt
from typing import Any

from verify.certificate.record import (
    Agency,
    AgencyState,
    CopyCause,
    Face,
    Kind,
    Level,
    Occupation,
)
from verify.certificate.scan_code import new_scan_code
from verify.errors import Words
from verify.proof.credential import Credential, credential_claims
from verify.proof.keys import KeyPair, generate_ed25519, generate_p256, public_record
from verify.proof.public import KeyPurpose, PublicKey
from verify.proof.signer import SoftSigner
from verify.proof.token import TokenClaims, assemble_token, to_be_signed, token_payload
from verify.proof.window import KeyMove, move_key

NOW = dt.datetime(2026, 11, 21, 4, 40, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
AGENCY_CODE = "Y000199000001"
NUMBER = "Y000199000001263000001"
SCAN_CODE = new_scan_code(lambda size: b"\x5a" * size)
PASSPHRASE = "correct horse battery"

PAIR: KeyPair = generate_p256()
ROOT: KeyPair = generate_p256()
STATEMENT: KeyPair = generate_p256()
INTEGRITY: KeyPair = generate_ed25519()


def record(pair: KeyPair, purpose: KeyPurpose = KeyPurpose.TOKEN, owner: str = AGENCY_CODE) -> PublicKey:
    """An active public record, opened a day before NOW."""
    name = Words("某评价机构", "An agency")
    pending = public_record(pair, owner=owner, owner_name=name, purpose=purpose, created_at=NOW - 2 * DAY)
    return move_key(pending, KeyMove.ACTIVATE, NOW - DAY)


PUBLIC = record(PAIR)
ROOT_PUBLIC = record(ROOT, KeyPurpose.ROOT, "operator")
KEYS = {PUBLIC.kid: PUBLIC}
STATEMENT_PUBLIC = record(STATEMENT, KeyPurpose.STATEMENT, "operator")
ROOTS = {ROOT_PUBLIC.kid: ROOT_PUBLIC}


def claims(**changes: Any) -> TokenClaims:
    """Claims of a token, some of them changed."""
    values: dict[str, Any] = {
        "kid": PAIR.kid,
        "issued_at": NOW,
        "scan_code": SCAN_CODE,
        "number": NUMBER,
        "name": "阿依古丽·买买提",
        "occupation_code": "6-18-01-01",
        "level": Level.THREE,
        "id_tail": "123X",
    }
    return TokenClaims(**(values | changes))


def signed_token(given: TokenClaims | None = None, pair: KeyPair = PAIR) -> bytes:
    """A token signed by `pair`."""
    payload = token_payload(given or claims())
    message = to_be_signed(pair.kid, payload, pair.alg)
    return assemble_token(pair.kid, payload, SoftSigner(pair).sign_now(message), pair.alg)


def credential(**changes: Any) -> Credential:
    """A credential of the world's certificate."""
    occupation = Occupation("6-18-01-01", "车工")
    face = Face(Kind.SKILL_LEVEL, AGENCY_CODE, occupation, None, Level.THREE, dt.date(2026, 11, 20))
    agency = Agency(
        AGENCY_CODE, Kind.SKILL_LEVEL, "某评价机构", "An assessment agency", AgencyState.ACTIVE, NOW
    )
    values: dict[str, Any] = {
        "public_url": "https://zs.example.cn",
        "number": NUMBER,
        "face": face,
        "agency": agency,
        "name": "张三",
        "id_type": "RESIDENT_ID",
        "id_number_masked": "9****************X",
        "copy_number": 1,
        "copy_cause": CopyCause.ORIGINAL,
        "scan_code": SCAN_CODE,
        "signed_at": NOW,
    }
    return credential_claims(**(values | changes))
