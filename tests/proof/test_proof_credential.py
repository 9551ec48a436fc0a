"""The certificate record as a signed credential, and the trust list that says whose signatures count."""

import datetime as dt
import json

import jwt
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws as joserfc_jws
from joserfc.jwk import ECKey, KeySet
from jwcrypto.jwk import JWK, JWKSet
from jwcrypto.jws import JWS
from proof_world import (
    AGENCY_CODE,
    DAY,
    INTEGRITY,
    KEYS,
    NOW,
    PAIR,
    PUBLIC,
    ROOT,
    ROOT_PUBLIC,
    ROOTS,
    credential,
    record,
)

from verify.errors import BadKey, BadSignature, Invalid, ProofFailed, UnknownKey, Unreadable
from verify.proof.credential import (
    CONTEXT,
    CredentialStatus,
    assemble_jws,
    credential_payload,
    jws_signing_input,
    parse_credential,
    verify_jws,
)
from verify.proof.jws import Header, assemble_compact, parse_compact, signing_input
from verify.proof.keys import generate_p256
from verify.proof.public import (
    KeyPurpose,
    PublicKey,
    b64url,
    fingerprint,
    parse_b64url,
    to_jwk,
    verify_signature,
)
from verify.proof.signer import SoftSigner
from verify.proof.trust import (
    CLOCK_SKEW_S,
    assemble_trust_list,
    build_trust_list,
    claimed_roots,
    jwks,
    trust_signing_input,
    verify_trust_list,
)
from verify.proof.window import KeyMove, move_key

RETIRED = move_key(record(generate_p256()), KeyMove.RETIRE, NOW)
COMPROMISED = move_key(record(generate_p256()), KeyMove.COMPROMISE, NOW - DAY / 2)
DATA_INTEGRITY = record(INTEGRITY, KeyPurpose.DATA_INTEGRITY)
ALL = [
    PUBLIC,
    RETIRED,
    COMPROMISED,
    DATA_INTEGRITY,
    msgspec.structs.replace(ROOT_PUBLIC, certificate=b"\x30\xff"),
]


def signed_credential(payload: bytes | None = None) -> str:
    message = jws_signing_input(PAIR.kid, payload or credential_payload(credential()))
    return assemble_jws(message, SoftSigner(PAIR).sign_now(message))


def sign(header: Header, payload: bytes) -> str:
    message = signing_input(header, payload)
    return assemble_compact(message, SoftSigner(PAIR).sign_now(message))


def test_a_credential_says_what_was_signed() -> None:
    assert parse_credential(verify_jws(signed_credential(), KEYS)) == credential()


def test_joserfc_verifies_the_credential() -> None:
    key = ECKey.import_key(msgspec.to_builtins(to_jwk(PAIR.alg, PAIR.key_bytes)))
    found = joserfc_jws.deserialize_compact(signed_credential(), key, algorithms=["ES256"])
    assert found.protected == {"alg": "ES256", "kid": PAIR.kid, "typ": "vc+jwt", "cty": "vc"}
    assert json.loads(found.payload)["credentialSubject"]["name"] == "张三"


def test_jwcrypto_verifies_the_credential_with_a_key_from_the_jwks() -> None:
    key = JWKSet.from_json(jwks(ALL).decode()).get_key(PAIR.kid)
    found = JWS()
    found.deserialize(signed_credential(), key)
    assert json.loads(found.payload)["type"] == ["VerifiableCredential", "VocationalCertificateCredential"]


def test_pyjwt_verifies_the_credential_with_a_key_from_the_jwks() -> None:
    token = signed_credential()
    keys = jwt.PyJWKSet.from_json(jwks(ALL).decode())
    kid = jwt.get_unverified_header(token)["kid"]
    found = jwt.decode(token, keys[kid].key, algorithms=["ES256"], options={"verify_iat": False})
    assert found["issuer"]["code"] == AGENCY_CODE


def test_the_credential_has_the_shape_of_the_data_model_2_0() -> None:
    found = json.loads(credential_payload(credential()))
    assert list(found)[:5] == ["@context", "id", "type", "issuer", "validFrom"]
    assert found["@context"] == [CONTEXT, {"@vocab": "https://zs.example.cn/terms#"}]
    assert found["type"][0] == "VerifiableCredential"
    assert found["issuer"]["id"] == f"https://zs.example.cn/api/v1/agencies/{AGENCY_CODE}"
    assert dt.datetime.fromisoformat(found["validFrom"]) == dt.datetime(2026, 11, 19, 16, tzinfo=dt.UTC)
    assert found["credentialSubject"]["certificate"]["issuedOn"] == "2026-11-20"
    assert found["credentialSubject"]["idNumberMasked"] == "9****************X"
    assert not {"vc", "vp", "iss", "sub"} & set(found)
    assert "credentialStatus" not in found


def test_a_status_entry_and_members_yet_unknown_are_additions() -> None:
    status = CredentialStatus(
        id="https://zs.example.cn/status/1#94567",
        type="BitstringStatusListEntry",
        status_purpose="revocation",
        status_list_index="94567",
        status_list_credential="https://zs.example.cn/status/1",
    )
    found = json.loads(credential_payload(credential(status=status)))
    assert found["credentialStatus"]["statusListIndex"] == "94567"
    found["evidence"] = [{"type": "Evidence"}]
    found["@context"].append("https://example.org/more")
    assert parse_credential(json.dumps(found).encode()).credential_status == status


def test_no_credential_with_one_character_altered_is_accepted() -> None:
    token = signed_credential()
    for place, character in enumerate(token):
        for other in (chr(ord(character) ^ 1), chr(ord(character) ^ 4)):
            with pytest.raises(ProofFailed):
                verify_jws(token[:place] + other + token[place + 1 :], KEYS)


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none", "kid": PAIR.kid, "typ": "vc+jwt", "cty": "vc"},
        {"alg": "HS256", "kid": PAIR.kid, "typ": "vc+jwt", "cty": "vc"},
        {"alg": "ES256", "kid": PAIR.kid, "typ": "vc+jwt", "cty": "vc", "crit": ["b64"], "b64": False},
        {"alg": "ES256", "kid": PAIR.kid, "typ": "vc+jwt", "jwk": {}},
        {"kid": PAIR.kid, "alg": "ES256", "typ": "vc+jwt", "cty": "vc"},
        {"alg": "ES256", "typ": "vc+jwt"},
        [],
    ],
)
def test_a_header_that_this_service_does_not_write_is_refused_unread(header: object) -> None:
    protected = b64url(json.dumps(header, separators=(",", ":")).encode())
    message = f"{protected}.{b64url(credential_payload(credential()))}".encode()
    token = f"{message.decode()}.{b64url(SoftSigner(PAIR).sign_now(message))}"
    with pytest.raises(Unreadable):
        verify_jws(token, KEYS)


def test_a_signature_of_another_type_algorithm_key_or_purpose_does_not_pass_for_a_credential() -> None:
    payload = credential_payload(credential())
    with pytest.raises(Unreadable):
        verify_jws(sign(Header("ES256", PAIR.kid, "trust-list+jws"), payload), KEYS)
    with pytest.raises(BadSignature):
        verify_jws(sign(Header("Ed25519", PAIR.kid, "vc+jwt", "vc"), payload), KEYS)
    with pytest.raises(UnknownKey):
        verify_jws(sign(Header("ES256", "00000000", "vc+jwt", "vc"), payload), KEYS)
    with pytest.raises(UnknownKey):
        verify_jws(signed_credential(), {PAIR.kid: msgspec.structs.replace(PUBLIC, purpose=KeyPurpose.LOG)})
    with pytest.raises(Invalid):
        assemble_jws(b"a.b", bytes(63))


@given(st.text(max_size=80) | st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{86}"))
def test_arbitrary_text_is_unreadable_and_nothing_else(text: str) -> None:
    with pytest.raises(Unreadable):
        parse_compact(text)


@given(
    st.binary(max_size=60)
    | st.recursive(st.integers() | st.text(), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_arbitrary_bytes_are_no_credential(payload: bytes) -> None:
    with pytest.raises(Unreadable):
        parse_credential(payload)


def test_what_is_too_large_or_nested_too_deep_is_unreadable() -> None:
    with pytest.raises(Unreadable):
        parse_compact("a" * 10_000_000)
    with pytest.raises(Unreadable):
        parse_credential(b"[" * 60_000)
    with pytest.raises(Unreadable):
        parse_credential(b'{"evidence":' + b"[" * 60_000)


# --- trust list -----------------------------------------------------------------------------------------


def trust(
    keys: list[PublicKey] = ALL,
    sequence: int = 7,
    issued_at: dt.datetime = NOW,
    signer=ROOT,
    root=ROOT_PUBLIC,
) -> bytes:
    payload = build_trust_list(keys, sequence=sequence, issued_at=issued_at, max_age_s=7 * 86400)
    signature = SoftSigner(signer).sign_now(trust_signing_input(root, payload))
    return assemble_trust_list(root, payload, signature)


def test_a_trust_list_brings_every_key_with_its_whole_life() -> None:
    found = verify_trust_list(trust(), ROOTS, now=NOW + DAY, seen_sequence=7)
    assert found.keys == {key.kid: key for key in ALL}
    assert (found.sequence, found.issued_at, found.expires_at) == (7, NOW, NOW + 7 * DAY)


def test_jwcrypto_verifies_the_trust_list_as_it_stands() -> None:
    key = JWK(**msgspec.to_builtins(to_jwk(ROOT.alg, ROOT.key_bytes)))
    found = JWS()
    found.deserialize(trust().decode(), key)
    assert len(json.loads(found.payload)["keys"]) == len(ALL)


def test_a_trust_list_older_than_one_already_seen_is_refused() -> None:
    with pytest.raises(ProofFailed, match="older"):
        verify_trust_list(trust(sequence=6), ROOTS, now=NOW, seen_sequence=7)


def test_an_expired_trust_list_is_refused_from_that_very_second() -> None:
    verify_trust_list(trust(), ROOTS, now=NOW + 7 * DAY - dt.timedelta(seconds=1))
    with pytest.raises(ProofFailed, match="expired"):
        verify_trust_list(trust(), ROOTS, now=NOW + 7 * DAY)


def test_a_trust_list_from_the_future_is_refused() -> None:
    early = NOW - dt.timedelta(seconds=CLOCK_SKEW_S)
    verify_trust_list(trust(), ROOTS, now=early)
    with pytest.raises(ProofFailed, match="future"):
        verify_trust_list(trust(), ROOTS, now=early - dt.timedelta(seconds=1))


def test_a_trust_list_by_another_root_or_by_a_thief_is_refused() -> None:
    stranger = generate_p256()
    with pytest.raises(UnknownKey):
        verify_trust_list(
            trust(signer=stranger, root=record(stranger, KeyPurpose.ROOT, "operator")), ROOTS, now=NOW
        )
    with pytest.raises(BadSignature):
        verify_trust_list(trust(signer=stranger), ROOTS, now=NOW)
    with pytest.raises(UnknownKey):
        verify_trust_list(trust(signer=PAIR, root=PUBLIC), KEYS, now=NOW)


def test_no_trust_list_with_one_bit_flipped_is_accepted() -> None:
    data = trust([ROOT_PUBLIC])
    for place in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[place // 8] ^= 1 << place % 8
        with pytest.raises(ProofFailed):
            verify_trust_list(bytes(flipped), ROOTS, now=NOW)


@given(st.binary(max_size=100))
def test_arbitrary_bytes_are_no_trust_list(data: bytes) -> None:
    with pytest.raises(Unreadable):
        verify_trust_list(data, ROOTS, now=NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"sequence": 0},
        {"max_age_s": 0},
        {"max_age_s": 10**12},
        {"issued_at": "9999-12-31T23:59:59Z"},
        {"issued_at": "2026-11-21T04:40:00"},
        {"issued_at": "2026-11-21T12:40:00+08:00"},
        {"keys": [{}]},
        {"more": 1},
    ],
)
def test_a_trust_list_of_another_shape_is_unreadable_even_when_the_root_signed_it(change: dict) -> None:
    payload = json.loads(build_trust_list(ALL, sequence=7, issued_at=NOW, max_age_s=366 * 86400)) | change
    body = json.dumps(payload).encode()
    data = assemble_trust_list(
        ROOT_PUBLIC, body, SoftSigner(ROOT).sign_now(trust_signing_input(ROOT_PUBLIC, body))
    )
    with pytest.raises(Unreadable):
        verify_trust_list(data, ROOTS, now=NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"alg": "Ed25519"},
        {"kid": "00000000"},
        {"x5c": []},
        {"x5c": ["***"]},
        {"jwk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}},
    ],
)
def test_a_trust_list_with_a_key_that_is_none_is_unreadable(change: dict) -> None:
    payload = json.loads(build_trust_list([PUBLIC], sequence=7, issued_at=NOW, max_age_s=60))
    payload["keys"][0] |= change
    body = json.dumps(payload).encode()
    data = assemble_trust_list(
        ROOT_PUBLIC, body, SoftSigner(ROOT).sign_now(trust_signing_input(ROOT_PUBLIC, body))
    )
    with pytest.raises(Unreadable):
        verify_trust_list(data, ROOTS, now=NOW)


def test_a_trust_list_without_a_sequence_or_with_two_keys_of_one_id_is_not_built() -> None:
    for sequence, age in ((0, 60), (1, 0), (1, 10**9)):
        with pytest.raises(Invalid):
            build_trust_list(ALL, sequence=sequence, issued_at=NOW, max_age_s=age)
    with pytest.raises(BadKey):
        build_trust_list([PUBLIC, PUBLIC], sequence=1, issued_at=NOW, max_age_s=60)


def test_a_reader_who_pinned_nothing_finds_the_root_in_the_list_and_its_fingerprint_to_compare() -> None:
    roots = claimed_roots(trust())
    assert set(roots) == {ROOT_PUBLIC.kid}
    verify_trust_list(trust(), roots, now=NOW)
    shown = fingerprint(roots[ROOT_PUBLIC.kid])
    assert shown.startswith(ROOT_PUBLIC.kid + " ") and len(shown.split()) == 8


@given(st.binary(max_size=60) | st.from_regex(rb'{"payload":"[A-Za-z]{0,20}","protected":"","signature":""}'))
def test_arbitrary_bytes_name_no_root(data: bytes) -> None:
    with pytest.raises(Unreadable):
        claimed_roots(data)


def test_the_jwks_holds_the_token_keys_retired_ones_too_and_nothing_private_or_compromised() -> None:
    found = json.loads(jwks(ALL))["keys"]
    assert {key["kid"] for key in found} == {PUBLIC.kid, RETIRED.kid}
    assert all(set(key) == {"kty", "crv", "x", "y", "kid", "alg", "use"} for key in found)
    KeySet.import_key_set({"keys": found})


def test_the_trust_list_is_checked_by_the_three_steps_that_a_browser_takes() -> None:
    outer = json.loads(trust())
    message = f"{outer['protected']}.{outer['payload']}".encode()
    verify_signature(ROOT_PUBLIC, message, parse_b64url(outer["signature"]))
    assert json.loads(parse_b64url(outer["payload"]))["sequence"] == 7
