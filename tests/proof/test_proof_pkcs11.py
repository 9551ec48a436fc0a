"""The agency's key in a device: it signs there, never comes out, and certificates signed by it hold."""

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from pades_world import NOW, REASON, ROOT_DER, an_agency, plain_pdf
from proof_world import DAY, ROOT, record

from verify.errors import BadKey, Unavailable
from verify.proof.keys import KeyPair
from verify.proof.pades import sign_pdf
from verify.proof.pades_check import check_pdf
from verify.proof.pkcs11 import Pkcs11Signer, open_pkcs11_signer
from verify.proof.public import key_id, load_public, verify_signature

LIBRARIES = [
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    Path("/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"),
    Path("/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so"),
]
LIBRARY = next((str(path) for path in LIBRARIES if path.exists()), "")
PIN = "synthetic-pin"

pytestmark = pytest.mark.skipif(
    not (LIBRARY and shutil.which("softhsm2-util")),
    reason="THE SIGNING DEVICE IS NOT TESTED: install softhsm2 (apt-get install softhsm2)",
)


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A fresh token with a P-256 pair labelled `agency` that cannot be exported."""
    home = tmp_path_factory.mktemp("softhsm")
    (home / "tokens").mkdir()
    settings = home / "softhsm2.conf"
    settings.write_text(
        f"directories.tokendir = {home / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(settings)
    label = f"token-{uuid.uuid4().hex[:8]}"
    command = ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", PIN]
    subprocess.run(command, check=True, capture_output=True)
    _make_key(label)
    yield label
    if before is None:
        del os.environ["SOFTHSM2_CONF"]
    else:
        os.environ["SOFTHSM2_CONF"] = before


def _make_key(label: str) -> None:
    import pkcs11
    from pkcs11.util.ec import encode_named_curve_parameters

    with pkcs11.lib(LIBRARY).get_token(token_label=label).open(user_pin=PIN, rw=True) as session:
        for name, curve in [("agency", "secp256r1"), ("other curve", "secp384r1")]:
            parameters = session.create_domain_parameters(
                pkcs11.KeyType.EC,
                {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters(curve)},
                local=True,
            )
            parameters.generate_keypair(store=True, label=name)


@pytest.fixture
def signer(token: str) -> Iterator[Pkcs11Signer]:
    """Logged in."""
    opened = open_pkcs11_signer(LIBRARY, token=token, pin=PIN, label="agency")
    yield opened
    opened.close()


async def test_a_batch_is_signed_in_order_and_every_signature_verifies(signer: Pkcs11Signer) -> None:
    public = record(KeyPair(signer.kid, "ES256", ROOT.private, signer.point))
    messages = [bytes([number]) * 100 for number in range(20)]
    signatures = await signer.sign(messages)
    for message, signature in zip(messages, signatures, strict=True):
        verify_signature(public, message, signature)
    assert signer.algorithm == "ES256"
    assert signer.kid == key_id("ES256", signer.point)


async def test_a_certificate_signed_in_the_device_holds(signer: Pkcs11Signer) -> None:
    load_public("ES256", signer.point)
    agency = an_agency(ROOT, ROOT_DER, KeyPair(signer.kid, "ES256", ROOT.private, signer.point))
    pdf = await sign_pdf(
        plain_pdf(), signer=signer, certificate=agency, chain=[ROOT_DER], signed_at=NOW, reason=REASON
    )
    report = check_pdf(pdf, [ROOT_DER], NOW + DAY)
    assert report.holds
    assert report.signature is not None and report.signature.kid == signer.kid


def test_the_key_does_not_come_out(token: str) -> None:
    import pkcs11

    session = pkcs11.lib(LIBRARY).get_token(token_label=token).open(user_pin=PIN)
    with session, pytest.raises(pkcs11.PKCS11Error):
        key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label="agency")
        key[pkcs11.Attribute.VALUE]


@pytest.mark.parametrize(
    "change",
    [{"library": "/nowhere/lib.so"}, {"token": "no such token"}, {"pin": "wrong"}, {"label": "no such key"}],
    ids=lambda change: next(iter(change)),
)
def test_a_wrong_library_token_pin_or_label_is_a_bad_key_with_a_hint(
    token: str, change: dict[str, str]
) -> None:
    given = {"library": LIBRARY, "token": token, "pin": PIN, "label": "agency"} | change
    with pytest.raises(BadKey) as caught:
        open_pkcs11_signer(given["library"], token=given["token"], pin=given["pin"], label=given["label"])
    assert caught.value.hint
    assert PIN not in str(caught.value)


def test_a_key_of_another_curve_is_refused(token: str) -> None:
    with pytest.raises(BadKey):
        open_pkcs11_signer(LIBRARY, token=token, pin=PIN, label="other curve")


async def test_a_device_that_went_away_is_unavailable(token: str) -> None:
    signer = open_pkcs11_signer(LIBRARY, token=token, pin=PIN, label="agency")
    signer.close()
    with pytest.raises(Unavailable):
        await signer.sign([b"message"])
