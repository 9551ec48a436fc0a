"""Private keys as encrypted PKCS#8 (RFC 5958 §3): PBES2 with scrypt (RFC 7914 §7) and AES-256-CBC.

The library's own writer stops at 2,048 rounds of PBKDF2, an hour's work against a short passphrase. This one
costs each guess 16 MiB and 45 ms. `openssl pkey -in FILE` reads the result, and the library's reader does.
"""

import hashlib
import os
from base64 import encodebytes
from collections.abc import Callable

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from verify.errors import BadKey, Words
from verify.proof.keys import KeyPair, key_pair
from verify.proof.secretfiles import check_passphrase

_BEGIN = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
_END = b"-----END ENCRYPTED PRIVATE KEY-----\n"
_COST, _BLOCK, _PARALLEL = 1 << 14, 8, 1
_PBES2 = bytes.fromhex("2a864886f70d01050d")
_SCRYPT = bytes.fromhex("2b06010401da47040b")
_AES_256_CBC = bytes.fromhex("60864801650304012a")
_SEQUENCE, _OID, _OCTETS, _INTEGER = 0x30, 0x06, 0x04, 0x02


def encrypt_pem(pair: KeyPair, passphrase: str, random: Callable[[int], bytes] = os.urandom) -> bytes:
    """The private key as encrypted PKCS#8 in PEM. Raises BadKey for a passphrase that is too short."""
    secret = check_passphrase(passphrase)
    plain = pair.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    salt, iv = random(16), random(16)
    key = hashlib.scrypt(secret, salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL, dklen=32, maxmem=64 << 20)
    pad = padding.PKCS7(128).padder()
    lock = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    sealed = lock.update(pad.update(plain) + pad.finalize()) + lock.finalize()
    return _BEGIN + encodebytes(_envelope(salt, iv, sealed)) + _END


def decrypt_pem(pem: bytes, passphrase: str) -> KeyPair:
    """The key pair inside. Raises BadKey when it is not encrypted, damaged, or the passphrase is another."""
    secret = check_passphrase(passphrase)
    if b"-----BEGIN " in pem and b"PRIVATE KEY-----" in pem and b"ENCRYPTED" not in pem:
        what = Words("密钥文件未加密，不予使用。", "The key file is not encrypted and is refused.")
        raise BadKey(what, hint="openssl pkcs8 -topk8 -scrypt -in OLD -out NEW; then delete OLD")
    if not pem.startswith(_BEGIN):
        what = Words("密钥文件已损坏或格式不符。", "The key file is damaged or of another format.")
        raise BadKey(what, hint="restore the file from its backup")
    try:
        private = load_pem_private_key(pem, secret)
    except (ValueError, TypeError, UnsupportedAlgorithm, InternalError, MemoryError) as error:
        what = Words("无法解密：口令不符或文件已损坏。", "Wrong passphrase, or the key file is damaged.")
        raise BadKey(what, hint="check VERIFY_KEY_PASSPHRASE; else restore the file from backup") from error
    return key_pair(private)


def _envelope(salt: bytes, iv: bytes, sealed: bytes) -> bytes:
    """EncryptedPrivateKeyInfo in DER."""
    scrypt = _tlv(_OCTETS, salt) + _integer(_COST) + _integer(_BLOCK) + _integer(_PARALLEL) + _integer(32)
    kdf = _tlv(_SEQUENCE, _tlv(_OID, _SCRYPT) + _tlv(_SEQUENCE, scrypt))
    cipher = _tlv(_SEQUENCE, _tlv(_OID, _AES_256_CBC) + _tlv(_OCTETS, iv))
    scheme = _tlv(_SEQUENCE, _tlv(_OID, _PBES2) + _tlv(_SEQUENCE, kdf + cipher))
    return _tlv(_SEQUENCE, scheme + _tlv(_OCTETS, sealed))


def _integer(value: int) -> bytes:
    return _tlv(_INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _tlv(tag: int, body: bytes) -> bytes:
    if len(body) < 0x80:
        return bytes((tag, len(body))) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + body
