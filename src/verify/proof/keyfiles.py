"""The key store: a directory of `<kid>.pem`, one encrypted private key each."""

import re
from pathlib import Path

from verify.errors import BadKey, Words
from verify.proof.keys import KeyPair
from verify.proof.pkcs8 import decrypt_pem, encrypt_pem
from verify.proof.secretfiles import check_passphrase, read_secret, write_secret

_KID = re.compile(r"[0-9a-f]{8}")


class KeyStore:
    """Private keys at rest. Opening one takes about 45 ms, so keys are loaded when first needed."""

    def __init__(self, directory: Path, passphrase: str) -> None:
        """Use `directory`. Raises BadKey when the passphrase is missing or too short."""
        check_passphrase(passphrase)
        self._directory = directory
        self._passphrase = passphrase

    def path(self, kid: str) -> Path:
        """Where that key lies. Raises BadKey for anything but 8 hex characters."""
        if not _KID.fullmatch(kid):
            raise BadKey(Words("密钥标识有误。", "A key id is 8 hex characters."), hint="verify key list")
        return self._directory / f"{kid}.pem"

    def kids(self) -> list[str]:
        """Ids of all keys here, sorted; empty when there is no directory yet. Opens no file."""
        if not self._directory.is_dir():
            return []
        return sorted(file.stem for file in self._directory.glob("*.pem") if _KID.fullmatch(file.stem))

    def add(self, pair: KeyPair) -> Path:
        """Write a new key, durable when it returns; never over another. Raises BadKey."""
        path = self.path(pair.kid)
        write_secret(path, encrypt_pem(pair, self._passphrase))
        return path

    def load(self, kid: str) -> KeyPair:
        """Read one key. Raises BadKey: missing, too open, not ours, not encrypted, damaged, wrong passphrase."""
        path = self.path(kid)
        pair = decrypt_pem(read_secret(path), self._passphrase)
        if pair.kid != kid:
            what = Words(f"{path} 中是另一把密钥 {pair.kid}。", f"{path} holds another key, {pair.kid}.")
            raise BadKey(what, hint=f"mv {path} {self.path(pair.kid)}")
        return pair
