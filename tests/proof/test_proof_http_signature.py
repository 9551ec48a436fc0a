"""Signed HTTP requests: the RFC's own examples, an independent verifier, and two messages never share a base."""

import datetime as dt
from base64 import b64decode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from http_message_signatures import HTTPMessageSignaturesException, HTTPMessageVerifier, MappingKeyResolver
from http_message_signatures.algorithms import ECDSA_P256_SHA256, ED25519
from hypothesis import given
from hypothesis import strategies as st

from verify.errors import Invalid, Words
from verify.proof.http_signature import (
    ALGORITHMS,
    Component,
    Parameters,
    content_digest,
    signature_base,
    signature_fields,
    signature_input,
)
from verify.proof.keys import key_pair, public_record
from verify.proof.public import (
    Algorithm,
    Jwk,
    KeyPurpose,
    KeyState,
    PublicKey,
    from_jwk,
    key_id,
    verify_signature,
)
from verify.proof.signer import SoftSigner

ECC = Jwk(
    kty="EC", crv="P-256", x="qIVYZVLCrPZHGHjP17CTW0_-D9Lfw0EkjqF7xB4FivA",
    y="Mc4nN9LTDOBhfoUeg8Ye9WedFRhnZXZJA12Qp0zZ6F0",
)  # fmt: skip
"""test-key-ecc-p256, RFC 9421 appendix B.1.3."""
EDWARDS = Jwk(kty="OKP", crv="Ed25519", x="JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs")
"""test-key-ed25519, appendix B.1.4."""

B24: list[Component] = [
    ("@status", "200"),
    ("content-type", "application/json"),
    (
        "content-digest",
        "sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:",
    ),
    ("content-length", "23"),
]
B26: list[Component] = [
    ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
    ("@method", "POST"),
    ("@path", "/foo"),
    ("@authority", "example.com"),
    ("content-type", "application/json"),
    ("content-length", "18"),
]
CREATED = 1618884473


def test_the_base_and_signature_of_appendix_b_2_4_are_the_rfcs_own() -> None:
    parameters = Parameters(created=CREATED, keyid="test-key-ecc-p256")
    base = signature_base(B24, parameters)
    assert base.decode() == (
        '"@status": 200\n'
        '"content-type": application/json\n'
        '"content-digest": sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:\n'
        '"content-length": 23\n'
        '"@signature-params": ("@status" "content-type" "content-digest" "content-length")'
        ';created=1618884473;keyid="test-key-ecc-p256"'
    )
    signature = b64decode(
        "wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw=="
    )
    _verify(ECC, base, signature)
    fields = signature_fields("sig-b24", B24, parameters, signature)
    assert fields["Signature-Input"].startswith('sig-b24=("@status" "content-type" "content-digest"')
    assert fields["Signature"].startswith("sig-b24=:wNmSUAhwb5")


def test_the_base_and_signature_of_appendix_b_2_6_are_the_rfcs_own() -> None:
    base = signature_base(B26, Parameters(created=CREATED, keyid="test-key-ed25519"))
    signature = b64decode(
        "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
    )
    _verify(EDWARDS, base, signature)


def _verify(jwk: Jwk, base: bytes, signature: bytes) -> None:
    alg, key_bytes = from_jwk(jwk)
    key = public_record_of(alg, key_bytes)
    verify_signature(key, base, signature)


def public_record_of(alg: Algorithm, key_bytes: bytes) -> PublicKey:
    return PublicKey(
        kid=key_id(alg, key_bytes), alg=alg, owner="operator", owner_name=Words("", ""), purpose=KeyPurpose.ROOT,
        key_bytes=key_bytes, state=KeyState.ACTIVE, created_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    )  # fmt: skip


def test_the_digest_is_that_of_rfc_9530() -> None:
    """Appendix D.1 of RFC 9530, the same content with SHA-256."""
    body = b'{"hello": "world"}'
    assert content_digest(body) == "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"


class _Request:
    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self.method = "POST"
        self.url = url
        self.headers = headers


@pytest.mark.parametrize("kind", ["ES256", "Ed25519"])
async def test_an_independent_library_verifies_what_is_signed(kind: str) -> None:
    private: Any = (
        ec.generate_private_key(ec.SECP256R1()) if kind == "ES256" else ed25519.Ed25519PrivateKey.generate()
    )
    pair = key_pair(private)
    purpose = KeyPurpose.ROOT if kind == "ES256" else KeyPurpose.LOG
    key = public_record(
        pair, owner="operator", owner_name=Words("", ""), purpose=purpose, created_at=dt.datetime.now(dt.UTC)
    )
    url, body = "https://hr.example.com/hook?a=1&b=%20", b'{"x":1}'
    sent = {
        "Content-Type": "application/json",
        "Content-Digest": content_digest(body),
        "Verify-Event-Id": "7.Y1",
    }
    components: list[Component] = [
        ("@method", "POST"), ("@target-uri", url), *((n.lower(), v) for n, v in sent.items())
    ]  # fmt: skip
    now = int(dt.datetime.now(dt.UTC).timestamp())
    parameters = Parameters(created=now, keyid=key.kid, alg=ALGORITHMS[key.alg], tag="verify-webhook")
    (signature,) = await SoftSigner(pair).sign([signature_base(components, parameters)])
    fields = sent | signature_fields("verify", components, parameters, signature)
    keys = MappingKeyResolver(public_keys={key.kid: private.public_key()}, private_keys={})
    algorithm = ECDSA_P256_SHA256 if kind == "ES256" else ED25519
    verifier = HTTPMessageVerifier(signature_algorithm=algorithm, key_resolver=keys)
    (result,) = verifier.verify(_Request(url, fields), max_age=dt.timedelta(minutes=5))
    assert list(result.covered_components)[:-1] == [f'"{name}"' for name, _ in components]
    for name, value in (("Verify-Event-Id", "8.Y1"), ("Content-Digest", content_digest(b"{}"))):
        with pytest.raises(HTTPMessageSignaturesException):
            verifier.verify(_Request(url, fields | {name: value}), max_age=dt.timedelta(minutes=5))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a\nb", "x"),
        ("Date", "x"),
        ("date", "x\ny"),
        ("date", "x\r"),
        ("date", "名"),
        ('da"te', "x"),
        ("", "x"),
    ],
)
def test_what_could_be_read_as_another_message_is_refused(name: str, value: str) -> None:
    with pytest.raises(Invalid):
        signature_base([(name, value)], Parameters(created=1, keyid="k"))


def test_a_component_stands_once() -> None:
    with pytest.raises(Invalid):
        signature_base([("date", "x"), ("date", "y")], Parameters(created=1, keyid="k"))


_values = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
_components = st.lists(
    st.tuples(st.from_regex(r"@?[a-z][a-z-]{0,6}", fullmatch=True), _values),
    max_size=4,
    unique_by=lambda c: c[0],
)


@given(_components, _components, _values, _values)
def test_two_messages_never_share_a_base(one: list[Component], two: list[Component], a: str, b: str) -> None:
    first = signature_base(one, Parameters(created=1, keyid=a))
    second = signature_base(two, Parameters(created=1, keyid=b))
    assert (first == second) == ((one, a) == (two, b))
    assert signature_input(one, Parameters(created=1, keyid=a)).isascii()
