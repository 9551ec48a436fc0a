"""Keys at rest: only a right file, of the right user, with the right passphrase, is used; each refusal says what to do."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from proof_world import INTEGRITY, PAIR, PASSPHRASE

from verify.errors import BadKey
from verify.proof.datafile import (
    FILE_NAME,
    create_data_keys,
    load_data_keys,
    lock_data_keys,
    replace_data_keys,
    unlock_data_keys,
)
from verify.proof.keyfiles import KeyStore
from verify.proof.keys import generate_p256, key_pair
from verify.proof.pkcs8 import decrypt_pem, encrypt_pem
from verify.proof.sealing import generate_data_keys, rotate_seal_key

PEM = encrypt_pem(PAIR, PASSPHRASE)


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    keys = KeyStore(tmp_path / "keys", PASSPHRASE)
    path = keys.path(PAIR.kid)
    path.parent.mkdir(mode=0o700)
    path.write_bytes(PEM)
    path.chmod(0o600)
    return keys


def refused(store: KeyStore, kid: str = PAIR.kid) -> BadKey:
    with pytest.raises(BadKey) as caught:
        store.load(kid)
    assert caught.value.hint
    assert caught.value.detail.zh and caught.value.detail.en
    assert PASSPHRASE not in str(caught.value) + caught.value.hint
    return caught.value


@pytest.mark.parametrize("pair", [PAIR, INTEGRITY], ids=["p256", "ed25519"])
def test_a_key_written_is_the_key_read_and_its_file_is_for_its_owner_alone(tmp_path: Path, pair) -> None:
    store = KeyStore(tmp_path / "new" / "keys", PASSPHRASE)
    path = store.add(pair)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path.name == f"{pair.kid}.pem" and store.kids() == [pair.kid]
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert store.load(pair.kid).key_bytes == pair.key_bytes
    assert b"ENCRYPTED" in path.read_bytes()


def test_the_mode_does_not_depend_on_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        path = KeyStore(tmp_path / "keys", PASSPHRASE).add(PAIR)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_is_never_written_over_another_file(store: KeyStore) -> None:
    before = store.path(PAIR.kid).read_bytes()
    with pytest.raises(BadKey, match="already exists"):
        store.add(PAIR)
    assert store.path(PAIR.kid).read_bytes() == before
    assert len(list(store.path(PAIR.kid).parent.iterdir())) == 1


def test_a_missing_file_is_refused(store: KeyStore) -> None:
    store.path(PAIR.kid).unlink()
    assert "missing" in refused(store).detail.en
    assert store.kids() == []


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o666, 0o777, 0o700])
def test_a_file_open_to_others_is_refused_even_for_root(store: KeyStore, mode: int) -> None:
    store.path(PAIR.kid).chmod(mode)
    assert "chmod 600" in refused(store).hint


def test_a_narrower_mode_is_accepted(store: KeyStore) -> None:
    store.path(PAIR.kid).chmod(0o400)
    assert store.load(PAIR.kid).kid == PAIR.kid


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(store: KeyStore) -> None:
    os.chown(store.path(PAIR.kid), 12345, 12345)
    assert "chown" in refused(store).hint


def test_a_directory_that_others_may_write_to_is_refused_for_new_keys(tmp_path: Path) -> None:
    directory = tmp_path / "keys"
    directory.mkdir()
    directory.chmod(0o777)
    with pytest.raises(BadKey) as caught:
        KeyStore(directory, PASSPHRASE).add(PAIR)
    assert "chmod 700" in caught.value.hint


def test_a_wrong_passphrase_is_refused(store: KeyStore) -> None:
    wrong = KeyStore(store.path(PAIR.kid).parent, PASSPHRASE + "!")
    assert "passphrase" in refused(wrong).detail.en


@pytest.mark.parametrize("passphrase", ["", "short"])
def test_a_missing_or_short_passphrase_is_refused_at_once(tmp_path: Path, passphrase: str) -> None:
    with pytest.raises(BadKey, match="passphrase"):
        KeyStore(tmp_path, passphrase)


def test_a_key_in_the_clear_is_refused(store: KeyStore) -> None:
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        plain = PAIR.private.private_bytes(Encoding.PEM, form, NoEncryption())
        store.path(PAIR.kid).write_bytes(plain)
        assert "not encrypted" in refused(store).detail.en


@pytest.mark.parametrize("size", [0, 1, 30, len(PEM) // 2, len(PEM) - 40])
def test_a_file_cut_short_is_refused(store: KeyStore, size: int) -> None:
    store.path(PAIR.kid).write_bytes(PEM[:size])
    refused(store)


def test_a_file_with_one_character_altered_is_refused_or_is_the_same_key() -> None:
    for place in range(60, len(PEM) - 60, 7):
        altered = bytearray(PEM)
        altered[place] ^= 0x02
        try:
            pair = decrypt_pem(bytes(altered), PASSPHRASE)
        except BadKey:
            continue
        assert pair.kid == PAIR.kid


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_no_key(data: bytes) -> None:
    with pytest.raises(BadKey):
        decrypt_pem(data, PASSPHRASE)
    with pytest.raises(BadKey):
        decrypt_pem(b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n" + data, PASSPHRASE)


def test_another_key_under_this_name_is_refused(store: KeyStore) -> None:
    store.path(PAIR.kid).write_bytes(encrypt_pem(generate_p256(), PASSPHRASE))
    assert "another key" in refused(store).detail.en


def test_a_key_of_another_curve_is_refused(store: KeyStore) -> None:
    with pytest.raises(BadKey):
        key_pair(ec.generate_private_key(ec.SECP384R1()))


def test_a_link_a_directory_and_a_pipe_are_refused(store: KeyStore, tmp_path: Path) -> None:
    path = store.path(PAIR.kid)
    path.rename(tmp_path / "elsewhere.pem")
    path.symlink_to(tmp_path / "elsewhere.pem")
    refused(store)
    path.unlink()
    path.mkdir()
    refused(store)
    path.rmdir()
    os.mkfifo(path, 0o600)
    refused(store)


@pytest.mark.parametrize("kid", ["", "../../etc", "ABCDEF01", "0123456", "012345678", "0123456\n"])
def test_a_name_that_is_no_key_id_never_becomes_a_path(store: KeyStore, kid: str) -> None:
    with pytest.raises(BadKey):
        store.load(kid)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")
def test_openssl_opens_what_we_write_and_we_open_what_openssl_writes(store: KeyStore, tmp_path: Path) -> None:
    out = tmp_path / "again.pem"
    command = ["openssl", "pkcs8", "-topk8", "-scrypt", "-in", str(store.path(PAIR.kid)), "-out", str(out)]
    subprocess.run(
        [*command, "-passin", f"pass:{PASSPHRASE}", "-passout", f"pass:{PASSPHRASE}"],
        check=True,
        capture_output=True,
    )
    assert decrypt_pem(out.read_bytes(), PASSPHRASE).key_bytes == PAIR.key_bytes


def test_data_keys_written_are_the_data_keys_read(tmp_path: Path) -> None:
    directory = tmp_path / "keys"
    made = create_data_keys(directory, PASSPHRASE)
    path = directory / FILE_NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert unlock_data_keys(path.read_bytes(), PASSPHRASE) == made
    assert all(key not in path.read_bytes() for key in (*made.seal, made.index, made.cache))
    with pytest.raises(BadKey, match="already exists"):
        create_data_keys(directory, PASSPHRASE)
    before = load_data_keys(directory, PASSPHRASE)
    replace_data_keys(directory, rotate_seal_key(made), PASSPHRASE)
    after = load_data_keys(directory, PASSPHRASE)
    assert after.unseal(before.seal(b"plain", b"aad"), b"aad") == b"plain"
    assert after.newest != before.newest
    assert list(directory.iterdir()) == [path]


def test_a_data_key_file_that_is_missing_open_altered_or_under_another_passphrase_is_refused(
    tmp_path: Path,
) -> None:
    path = tmp_path / FILE_NAME
    data = lock_data_keys(generate_data_keys(), PASSPHRASE)
    with pytest.raises(BadKey, match="missing"):
        load_data_keys(tmp_path, PASSPHRASE)
    path.write_bytes(data)
    path.chmod(0o644)
    with pytest.raises(BadKey, match="open to others"):
        load_data_keys(tmp_path, PASSPHRASE)
    for altered in (data[:-1], data + b"\0", data[:40], b"", data[:-1] + bytes((data[-1] ^ 1,))):
        with pytest.raises(BadKey) as caught:
            unlock_data_keys(altered, PASSPHRASE)
        assert "backup" in caught.value.hint
    for passphrase in (PASSPHRASE + "x", "", "short"):
        with pytest.raises(BadKey):
            unlock_data_keys(data, passphrase)
