"""Keys, windows, certificates and the signing seam."""

import asyncio
import datetime as dt
import subprocess
from collections.abc import Sequence
from pathlib import Path
from ssl import DER_cert_to_PEM_cert

import msgspec
import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from proof_world import AGENCY_CODE, DAY, INTEGRITY, NOW, PAIR, PUBLIC, ROOT, record

from verify.errors import BadKey, BadSignature, ForbiddenArrow, ProofFailed
from verify.proof.authority import agency_certificate, check_certificate, root_certificate
from verify.proof.keys import PURPOSE_ALGORITHMS, generate_for, generate_p256, public_record
from verify.proof.public import (
    Algorithm,
    Jwk,
    KeyPurpose,
    KeyState,
    b64url,
    by_kid,
    from_jwk,
    key_id,
    parse_b64url,
    to_jwk,
    verify_signature,
)
from verify.proof.signer import Signer, SoftSigner, sign_and_read_back
from verify.proof.window import (
    KEY_ARROWS,
    KeyMove,
    Standing,
    in_force,
    move_key,
    rotate,
    signing_key,
    standing,
)

CA = root_certificate(
    ROOT, operator="某省技能鉴定中心", serial=b"r" * 16, not_before=NOW, not_after=NOW + 9000 * DAY
)


def agency_der(name: str = "某评价机构", serial: bytes = b"s" * 16) -> bytes:
    return agency_certificate(
        ROOT,
        CA,
        PAIR.key_bytes,
        agency=AGENCY_CODE,
        agency_name=name,
        serial=serial,
        not_before=NOW,
        not_after=NOW + 1000 * DAY,
    )


class RemoteSigner:
    """Signs in another thread after a wait, as an HSM behind a wire does; can be told to misbehave."""

    def __init__(self, *, spoil: bool = False, drop: int = 0) -> None:
        self._soft, self._spoil, self._drop = SoftSigner(PAIR), spoil, drop
        self.batches: list[int] = []

    @property
    def kid(self) -> str:
        return PAIR.kid

    @property
    def algorithm(self) -> Algorithm:
        return "ES256"

    async def sign(self, messages: Sequence[bytes]) -> list[bytes]:
        self.batches.append(len(messages))
        signed = await asyncio.to_thread(lambda: [self._soft.sign_now(message) for message in messages])
        if self._spoil:
            signed[-1] = signed[-1][:-1] + bytes((signed[-1][-1] ^ 1,))
        return signed[: len(signed) - self._drop]


async def test_a_batch_is_signed_in_order_and_every_signature_verifies() -> None:
    messages = [bytes((n,)) * 40 for n in range(100)]
    for signer in (SoftSigner(PAIR), RemoteSigner()):
        signatures = await sign_and_read_back(signer, PUBLIC, messages)
        for message, signature in zip(messages, signatures, strict=True):
            verify_signature(PUBLIC, message, signature)


async def test_a_whole_batch_goes_to_the_signer_in_one_call() -> None:
    signer = RemoteSigner()
    await sign_and_read_back(signer, PUBLIC, [b"x"] * 70)
    assert signer.batches == [70]


async def test_a_signature_that_does_not_read_back_stops_the_batch() -> None:
    with pytest.raises(BadSignature) as caught:
        await sign_and_read_back(RemoteSigner(spoil=True), PUBLIC, [b"a", b"b"])
    assert caught.value.hint


async def test_a_signer_that_answers_too_few_or_holds_another_key_is_refused() -> None:
    with pytest.raises(ProofFailed):
        await sign_and_read_back(RemoteSigner(drop=1), PUBLIC, [b"a", b"b"])
    other: Signer = SoftSigner(generate_p256())
    with pytest.raises(BadKey):
        await sign_and_read_back(other, PUBLIC, [b"a"])


async def test_the_same_message_has_one_signature() -> None:
    for pair in (PAIR, INTEGRITY):
        assert len(set(await SoftSigner(pair).sign([b"again"] * 5))) == 1


@given(st.binary(max_size=80))
def test_no_arbitrary_bytes_are_a_signature(signature: bytes) -> None:
    for key in (PUBLIC, record(INTEGRITY, KeyPurpose.DATA_INTEGRITY)):
        with pytest.raises(BadSignature):
            verify_signature(key, b"message", signature)


def test_the_degenerate_signatures_are_refused() -> None:
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    for r in (0, 1, order - 1, order, (1 << 256) - 1):
        for s in (0, 1, order, (1 << 256) - 1):
            with pytest.raises(BadSignature):
                verify_signature(PUBLIC, b"m", r.to_bytes(32, "big") + s.to_bytes(32, "big"))


def test_every_purpose_has_an_algorithm_and_a_key_of_another_algorithm_is_refused() -> None:
    for purpose in KeyPurpose:
        assert generate_for(purpose).alg == PURPOSE_ALGORITHMS[purpose]
    with pytest.raises(BadKey):
        record(PAIR, KeyPurpose.DATA_INTEGRITY)


@pytest.mark.parametrize("pair", [PAIR, INTEGRITY])
def test_a_key_survives_its_jwk(pair) -> None:
    assert from_jwk(to_jwk(pair.alg, pair.key_bytes)) == (pair.alg, pair.key_bytes)


@pytest.mark.parametrize(
    "jwk",
    [
        Jwk(kty="EC", crv="P-256", x="AA", y="AA"),
        Jwk(kty="EC", crv="P-256", x=b64url(b"\x01" * 32), y=b64url(b"\x01" * 32)),
        Jwk(kty="EC", crv="P-256", x=b64url(b"\x01" * 32)),
        Jwk(kty="OKP", crv="Ed25519", x="AA=="),
        Jwk(kty="OKP", crv="Ed25519", x=b64url(bytes(31))),
        Jwk(kty="OKP", crv="P-256", x=b64url(bytes(32))),
    ],
)
def test_a_jwk_that_is_no_key_is_refused(jwk: Jwk) -> None:
    with pytest.raises(BadKey):
        from_jwk(jwk)


@given(st.text(max_size=60))
def test_base64url_has_one_spelling(text: str) -> None:
    try:
        data = parse_b64url(text)
    except ProofFailed:
        return
    assert b64url(data) == text


def test_two_keys_with_one_id_or_an_id_that_is_not_the_keys_own_are_refused() -> None:
    with pytest.raises(BadKey):
        by_kid([PUBLIC, PUBLIC])
    with pytest.raises(BadKey):
        by_kid([msgspec.structs.replace(PUBLIC, kid="00000000")])


# --- windows --------------------------------------------------------------------------------------------


def test_the_table_of_arrows_is_the_whole_life_of_a_key() -> None:
    pending = msgspec.structs.replace(PUBLIC, state=KeyState.PENDING, active_from=None)
    reached = {KeyState.PENDING: pending}
    for _ in KeyState:
        for (state, move), after in KEY_ARROWS.items():
            if state in reached:
                reached.setdefault(after, move_key(reached[state], move, NOW))
    assert set(reached) == set(KeyState)
    for state, key in reached.items():
        for move in KeyMove:
            if (state, move) not in KEY_ARROWS:
                with pytest.raises(ForbiddenArrow):
                    move_key(key, move, NOW)


def test_a_retired_key_verifies_what_it_signed_in_its_window_for_ever_and_nothing_after() -> None:
    retired = move_key(PUBLIC, KeyMove.RETIRE, NOW)
    assert in_force(retired, NOW - dt.timedelta(microseconds=1))
    assert standing(retired, NOW) is Standing.ENDED
    assert standing(retired, NOW - 2 * DAY) is Standing.NOT_YET


def test_a_compromise_leaves_what_came_before_and_its_date_only_moves_back() -> None:
    key = move_key(move_key(PUBLIC, KeyMove.RETIRE, NOW), KeyMove.COMPROMISE, NOW - DAY / 2)
    assert in_force(key, NOW - DAY / 2 - dt.timedelta(seconds=1))
    assert standing(key, NOW - DAY / 2) is Standing.COMPROMISED
    assert standing(key, NOW + 100 * DAY) is Standing.COMPROMISED
    assert move_key(key, KeyMove.COMPROMISE, NOW).compromised_at == NOW - DAY / 2
    assert move_key(key, KeyMove.COMPROMISE, NOW - DAY).compromised_at == NOW - DAY


def test_a_key_cannot_retire_before_its_window_opened() -> None:
    with pytest.raises(ForbiddenArrow):
        move_key(PUBLIC, KeyMove.RETIRE, NOW - 5 * DAY)


def test_rotation_leaves_no_instant_without_a_key_and_none_with_two() -> None:
    fresh = public_record(
        generate_p256(),
        owner=AGENCY_CODE,
        owner_name=PUBLIC.owner_name,
        purpose=KeyPurpose.TOKEN,
        created_at=NOW,
    )
    old, new = rotate(PUBLIC, fresh, NOW)
    for at in (NOW - DAY / 2, NOW, NOW + DAY):
        assert in_force(old, at) != in_force(new, at)
    assert signing_key([old, new], AGENCY_CODE, KeyPurpose.TOKEN, NOW) == new


def test_an_owner_without_a_key_in_force_is_told_what_to_do() -> None:
    for keys in ([], [move_key(PUBLIC, KeyMove.RETIRE, NOW)], [move_key(PUBLIC, KeyMove.COMPROMISE, NOW)]):
        with pytest.raises(BadKey) as caught:
            signing_key(keys, AGENCY_CODE, KeyPurpose.TOKEN, NOW)
        assert "verify key create" in caught.value.hint


# --- certificates ---------------------------------------------------------------------------------------


def test_the_agency_certificate_is_what_a_document_signature_needs() -> None:
    certificate = x509.load_der_x509_certificate(agency_der())
    root = x509.load_der_x509_certificate(CA)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical and usage.value.digital_signature and usage.value.content_commitment
    assert not usage.value.key_cert_sign
    subject_id = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    authority = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert authority.key_identifier == subject_id.digest
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert AGENCY_CODE in certificate.subject.rfc4514_string()
    check_certificate(agency_der(), CA, PAIR.key_bytes)


def test_openssl_accepts_the_chain(tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_text(DER_cert_to_PEM_cert(CA))
    (tmp_path / "agency.pem").write_text(DER_cert_to_PEM_cert(agency_der()))
    command = ["openssl", "verify", "-x509_strict", "-attime", str(int(NOW.timestamp()) + 60), "-CAfile"]
    done = subprocess.run(
        [*command, str(tmp_path / "root.pem"), str(tmp_path / "agency.pem")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_long_agency_name_is_cut_to_what_x509_allows() -> None:
    certificate = x509.load_der_x509_certificate(agency_der(name="某" * 100))
    assert "某" * 64 in certificate.subject.rfc4514_string()


def test_a_certificate_by_another_root_for_another_key_or_altered_is_refused() -> None:
    der = agency_der()
    stranger = generate_p256()
    other = root_certificate(
        stranger, operator="某省技能鉴定中心", serial=b"r" * 16, not_before=NOW, not_after=NOW + DAY
    )
    for wrong, root, key in (
        (der, other, PAIR.key_bytes),
        (der, CA, ROOT.key_bytes),
        (der[:-1] + bytes((der[-1] ^ 1,)), CA, PAIR.key_bytes),
        (der[:-1], CA, PAIR.key_bytes),
        (b"", CA, PAIR.key_bytes),
    ):
        with pytest.raises(BadSignature):
            check_certificate(wrong, root, key)
    with pytest.raises(BadKey):
        agency_certificate(
            stranger,
            CA,
            PAIR.key_bytes,
            agency=AGENCY_CODE,
            agency_name="某",
            serial=b"s",
            not_before=NOW,
            not_after=NOW + DAY,
        )


def test_the_id_is_the_keys_own() -> None:
    assert PAIR.kid == key_id(PAIR.alg, PAIR.key_bytes)
    assert len(bytes.fromhex(PAIR.kid)) == 4
