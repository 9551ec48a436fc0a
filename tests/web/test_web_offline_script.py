"""The token reader of the pages takes and refuses what the Python one does, and reads the same claims."""

import datetime as dt
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from phone_world import CODE, PAIR, token_digits

from javascript import run_script
from verify.certificate.record import Level
from verify.errors import Invalid, Unreadable
from verify.proof.digits import decode_digits, encode_digits
from verify.proof.token import TokenClaims, assemble_token, parse_token, token_payload

READ = """
return given.map((digits) => { try { const t = Proof.parseToken(Proof.decodeDigits(digits));
  return [t.kid, t.issuedAt.toISOString(), t.scanCode, t.number, t.name, t.occupation, t.level, t.idTail];
} catch (error) { if (error.why !== "unreadable") throw error; return null; } });
"""
NUMBERS = st.one_of(
    st.from_regex(r"[A-Z][0-9]{14}[0-9A-Z][0-9]{6}", fullmatch=True),
    st.from_regex(r"[0-9]{16}", fullmatch=True),
    st.from_regex(r"R[GSCX][NW][0-9]{17}", fullmatch=True),
)
NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30)


@st.composite
def tokens(draw: st.DrawFn) -> bytes:
    values: dict[str, Any] = {
        "kid": draw(st.binary(min_size=4, max_size=4)).hex(),
        "issued_at": dt.datetime.fromtimestamp(draw(st.integers(1 << 16, (1 << 32) - 1)), dt.UTC),
        "scan_code": CODE,
        "number": draw(NUMBERS),
        "name": draw(NAMES),
        "occupation_code": draw(st.from_regex(r"[0-9]-[0-9]{2}-[0-9]{2}-[0-9]{2}", fullmatch=True)),
        "level": draw(st.sampled_from(Level)),
        "id_tail": draw(st.text("0123456789X岁", max_size=4)),
    }
    signature = draw(st.binary(min_size=64, max_size=64))
    return assemble_token(values["kid"], token_payload(TokenClaims(**values)), signature)


def read(digits: str) -> list[str] | None:
    try:
        claims = parse_token(decode_digits(digits)).claims
    except (Unreadable, Invalid):
        return None
    at = claims.issued_at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return [claims.kid, at, claims.scan_code, claims.number, claims.name, claims.occupation_code,
            claims.level.value, claims.id_tail]  # fmt: skip


@settings(max_examples=4, deadline=None)
@given(st.lists(tokens(), min_size=40, max_size=40))
def test_every_token_is_read_alike(made: list[bytes]) -> None:
    digits = [encode_digits(token) for token in made]
    assert run_script(["proof.js"], READ, digits) == [read(one) for one in digits]


def test_damaged_digits_and_bytes_are_refused_or_read_alike() -> None:
    """Bytes that only Python refuses (a wrong check character, text that a writer would not carry) carry no
    signature either: the script may read them, and must then refuse the signature."""
    dice = random.Random(9)
    good = decode_digits(token_digits(PAIR))
    cases = ["", "0", "12a", "9" * 53, "9" * 1025, encode_digits(good) + "0", encode_digits(good)[:-1]]
    for _ in range(1500):
        damaged = bytearray(good)
        damaged[dice.randrange(len(good) - 64)] ^= 1 << dice.randrange(8)
        cases.append(encode_digits(bytes(damaged)))
    for case, there in zip(cases, run_script(["proof.js"], READ, cases), strict=True):
        here = read(case)
        assert here is None or here == there
    assert all(there is None for there in run_script(["proof.js"], READ, cases[:7]))
