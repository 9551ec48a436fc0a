"""Reading and writing files that hold secrets: whole or not at all, for one user's eyes, never overwritten by chance."""

import os
import secrets
import stat
from pathlib import Path

from verify.errors import BadKey, Words

MIN_PASSPHRASE = 8
"""Characters. A generated passphrase of 20 and more is what the ceremony asks for."""

LIMIT_BYTES = 1 << 20
"""No key file comes near this; a larger one is refused unread."""


def check_passphrase(passphrase: str) -> bytes:
    """The passphrase as bytes. Raises BadKey when it is missing or too short to protect anything."""
    if len(passphrase) < MIN_PASSPHRASE:
        what = Words("密钥口令缺失或过短。", "The key passphrase is missing or shorter than 8 characters.")
        raise BadKey(what, hint="set VERIFY_KEY_PASSPHRASE_FILE to a file that holds it, mode 0600")
    return passphrase.encode()


def read_secret(path: Path) -> bytes:
    """The bytes of a regular file that this user owns, mode 0600 or narrower.

    The mode is read from the open file, so root is held to it too. Raises BadKey, each time with the command
    that mends it.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        what = Words(f"密钥文件 {path} 不存在。", f"The key file {path} is missing.")
        raise BadKey(what, hint="restore it from the backup, or make one: verify key create") from error
    except OSError as error:
        what = Words(f"无法打开密钥文件 {path}。", f"The key file {path} cannot be opened: {error.strerror}.")
        raise BadKey(what, hint=f"ls -l {path}; it must be a plain file of the service's user") from error
    try:
        _check(path, os.fstat(handle))
        with os.fdopen(handle, "rb", closefd=False) as file:
            return file.read(LIMIT_BYTES)
    except OSError as error:
        what = Words(f"无法读取密钥文件 {path}。", f"The key file {path} cannot be read: {error.strerror}.")
        raise BadKey(what, hint="check the disk, then restore the file from its backup") from error
    finally:
        os.close(handle)


def write_secret(path: Path, data: bytes, *, replace: bool = False) -> None:
    """Write mode 0600, durable when it returns; readers see the old file, or none, or the whole new one.

    Raises BadKey when the file exists (unless `replace`), or its directory is writable by others or fails.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        check_directory(path.parent)
        _write_durably(draft, data)
        if replace:
            draft.replace(path)
        else:
            path.hardlink_to(draft)
            draft.unlink()
        _sync_directory(path.parent)
    except FileExistsError as error:
        what = Words(
            f"密钥文件 {path} 已存在。", f"The key file {path} already exists; it was left as it is."
        )
        raise BadKey(what, hint=f"move {path} away first if it is to be replaced") from error
    except OSError as error:
        what = Words(f"无法写入 {path}。", f"The key file {path} cannot be written: {error.strerror}.")
        raise BadKey(what, hint=f"check the space on the disk and who owns {path.parent}") from error
    finally:
        draft.unlink(missing_ok=True)


def check_directory(directory: Path) -> None:
    """Make it, mode 0700, if it is missing. Raises BadKey when others may write to it, OSError if it cannot be made."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if directory.stat().st_mode & 0o022:
        what = Words(f"目录 {directory} 可被他人写入。", f"Others may write to the directory {directory}.")
        raise BadKey(what, hint=f"chmod 700 {directory}")


def _check(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode) or found.st_size > LIMIT_BYTES:
        what = Words(f"{path} 不是密钥文件。", f"{path} is not a key file.")
        raise BadKey(what, hint="restore the file from its backup")
    if found.st_uid != os.geteuid():
        what = Words(f"密钥文件 {path} 不属于本服务的用户。", f"Another user owns the key file {path}.")
        raise BadKey(what, hint=f"chown {os.geteuid()} {path}")
    if stat.S_IMODE(found.st_mode) & ~0o600:
        what = Words(f"密钥文件 {path} 的权限过宽。", f"The key file {path} is open to others.")
        raise BadKey(what, hint=f"chmod 600 {path}; if others had access, treat the key as compromised")


def _write_durably(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, 0o600)
        file.write(data)
        file.flush()
        os.fsync(handle)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
