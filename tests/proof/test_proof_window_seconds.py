"""A token tells whole seconds, so a key's first second belongs to its window."""

import datetime as dt

import pytest

from verify.errors import Words
from verify.proof.keys import generate_p256, public_record
from verify.proof.public import KeyPurpose
from verify.proof.window import KeyMove, Standing, move_key, standing

OPENED = dt.datetime(2026, 11, 20, 4, 0, 0, 700_000, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (OPENED.replace(microsecond=0), Standing.IN_FORCE),
        (OPENED.replace(microsecond=0) - dt.timedelta(microseconds=1), Standing.NOT_YET),
        (OPENED, Standing.IN_FORCE),
    ],
)
def test_a_token_signed_in_its_keys_first_second_is_in_force(at: dt.datetime, expected: Standing) -> None:
    pair = generate_p256()
    key = public_record(
        pair,
        owner="S000035000123",
        owner_name=Words("机构", "Agency"),
        purpose=KeyPurpose.TOKEN,
        created_at=OPENED,
    )
    assert standing(move_key(key, KeyMove.ACTIVATE, OPENED), at) is expected
