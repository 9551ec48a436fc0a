"""`data.keys`: the data keys at rest, in one file, under a passphrase (scrypt, AES-256-GCM)."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from verify.errors import BadKey, Words
from verify.proof.sealing import DataKeys, DataKeySet, generate_data_keys
from verify.proof.secretfiles import check_passphrase, read_secret, write_secret

FILE_NAME = "data.keys"
MAGIC = b"verify data keys 1\n"

_SALT_BYTES, _NONCE_BYTES, _MAC_BYTES = 16, 12, 16
_COST, _BLOCK, _PARALLEL = 1 << 15, 8, 1
_HINT = "check VERIFY_KEY_PASSPHRASE; else restore data.keys from its backup"


def lock_data_keys(keys: DataKeySet, passphrase: str, random: Callable[[int], bytes] = os.urandom) -> bytes:
    """The file's bytes: magic, salt, nonce, ciphertext. Raises BadKey for a passphrase under 8 characters."""
    salt, nonce = random(_SALT_BYTES), random(_NONCE_BYTES)
    plain = msgspec.msgpack.encode(keys)
    return MAGIC + salt + nonce + _cipher(passphrase, salt).encrypt(nonce, plain, MAGIC)


def unlock_data_keys(data: bytes, passphrase: str) -> DataKeySet:
    """The keys inside. Raises BadKey for a damaged file or another passphrase."""
    body = data[len(MAGIC) :]
    if not data.startswith(MAGIC) or len(body) < _SALT_BYTES + _NONCE_BYTES + _MAC_BYTES:
        what = Words("data.keys 已损坏或格式不符。", "data.keys is damaged or of another format.")
        raise BadKey(what, hint="restore data.keys from its backup")
    salt, nonce, sealed = body[:16], body[16:28], body[28:]
    try:
        plain = _cipher(passphrase, salt).decrypt(nonce, sealed, MAGIC)
        return msgspec.msgpack.decode(plain, type=DataKeySet)
    except (InvalidTag, msgspec.DecodeError) as error:
        what = Words(
            "无法打开 data.keys：口令不符或文件已损坏。", "Wrong passphrase, or data.keys is damaged."
        )
        raise BadKey(what, hint=_HINT) from error


def create_data_keys(directory: Path, passphrase: str) -> DataKeySet:
    """Make a first set and write it, mode 0600; never over another. Raises BadKey."""
    keys = generate_data_keys()
    write_secret(directory / FILE_NAME, lock_data_keys(keys, passphrase))
    return keys


def replace_data_keys(directory: Path, keys: DataKeySet, passphrase: str) -> None:
    """Write a rotated set in the place of the old one, whole or not at all. Raises BadKey."""
    write_secret(directory / FILE_NAME, lock_data_keys(keys, passphrase), replace=True)


def load_data_keys(directory: Path, passphrase: str) -> DataKeys:
    """Read `data.keys` and make it ready. Raises BadKey with the command that mends it."""
    return DataKeys(unlock_data_keys(read_secret(directory / FILE_NAME), passphrase))


def _cipher(passphrase: str, salt: bytes) -> AESGCM:
    secret = check_passphrase(passphrase)
    return AESGCM(
        hashlib.scrypt(secret, salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL, dklen=32, maxmem=64 << 20)
    )
