"""What a backup says of itself: where its ledger ends, and the digest of every part."""

import datetime as dt
import hashlib
import os
from pathlib import Path

import msgspec

from verify.errors import LedgerBroken, NotReady, Words
from verify.store.logbook import sync_folder

FILE_NAME = "manifest.json"
FORMAT = 2


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a backup."""

    sha256: str
    rows: int | None = None
    columns: tuple[str, ...] = ()
    """Of a table's copy, in the order of the file."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a backup holds. Written last: a folder without it is no backup."""

    format: int
    engine: str
    """`sqlite` or `postgresql`."""
    made_at: dt.datetime
    """UTC."""
    seq: int
    """The last ledger entry inside; note it elsewhere, and no older backup can pass for this one."""
    hash: str
    """Its hash, hex."""
    parts: dict[str, Part]
    """By file name."""


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Finish a backup: durable when it returns."""
    path = folder / FILE_NAME
    with path.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=2))
        file.flush()
        os.fsync(file.fileno())
    sync_folder(folder)


def read_manifest(folder: Path) -> Manifest:
    """The manifest, after comparing every part with its digest. Raises NotReady, LedgerBroken."""
    try:
        manifest = msgspec.json.decode((folder / FILE_NAME).read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        what = Words(f"{folder} 不是备份。", f"{folder} is no backup: its {FILE_NAME} is missing or damaged.")
        raise NotReady(what, hint="name the folder that `verify backup` made") from error
    if manifest.format != FORMAT:
        what = Words("备份格式不受支持。", f"This backup has format {manifest.format}, not {FORMAT}.")
        raise NotReady(what, hint="restore it with the version of verify that made it")
    for name, part in manifest.parts.items():
        if Path(name).name != name or digest_file(folder / name) != part.sha256:
            what = Words(
                f"备份文件 {name} 与清单不符。", f"{name} in the backup is not the one of its manifest."
            )
            raise LedgerBroken(what, hint="use another backup")
    return manifest


def digest_file(path: Path) -> str:
    """SHA-256, hex. Raises NotReady."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        what = Words(f"无法读取 {path}。", f"{path} cannot be read.")
        raise NotReady(what, hint="name the folder that `verify backup` made") from error
