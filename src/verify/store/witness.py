"""The witness: how far the ledger had come, noted where whoever restores or alters the database does not reach.

A register whose ledger does not hold the entry that the witness noted is a restored backup or a fork; it
answers nothing until the changes since were applied, or somebody accepts the loss by name.
"""

import base64
import contextlib
import os
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from verify.errors import BadSettings, LedgerBroken, NotReady, Words
from verify.proof.ledger import Head
from verify.store.contract import Program, run
from verify.store.logbook import sync_folder

TAIL_BYTES = 64 << 10
TIMEOUT_S = 5.0


class Note(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One line of a witness, JSON."""

    seq: int
    hash: str
    """Hex."""
    accepted: bool = False
    """An operator accepted this head, whatever was noted before: a loss that cannot be mended."""


class Witness(Protocol):
    """Somebody who remembers the head. Blocking: call it from a thread."""

    where: str

    def last(self) -> Head | None:
        """The highest head noted since the last acceptance, or None. Raises NotReady when it cannot be asked."""
        ...

    def note(self, head: Head, *, accepted: bool = False) -> None:
        """Remember `head`, durably. Raises NotReady."""
        ...


def open_witness(address: str) -> Witness:
    """The witness behind a path or an `http(s)://` address. Raises BadSettings."""
    if address.startswith(("http://", "https://")):
        return ServiceWitness(address)
    if "://" in address:
        what = Words(
            "VERIFY_WITNESS 应为文件路径或 http(s) 地址。", "VERIFY_WITNESS is a path or http(s) URL."
        )
        raise BadSettings(what, hint="VERIFY_WITNESS=/mnt/other/verify.witness")
    return FileWitness(Path(address))


class FileWitness:
    """A file on another disk or host, one line for each note; nothing is ever taken away."""

    def __init__(self, path: Path) -> None:
        """It need not exist yet."""
        self._path = path
        self._lock = threading.Lock()
        self.where = str(path)

    def last(self) -> Head | None:
        """See `Witness`."""
        try:
            with self._path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - TAIL_BYTES))
                lines = file.read().splitlines()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _away(self.where, error) from error
        best: Note | None = None
        for raw in lines:
            with contextlib.suppress(msgspec.DecodeError):
                note = msgspec.json.decode(raw, type=Note)
                if best is None or note.accepted or note.seq > best.seq:
                    best = note
        return None if best is None else Head(best.seq, bytes.fromhex(best.hash))

    def note(self, head: Head, *, accepted: bool = False) -> None:
        """See `Witness`."""
        line = msgspec.json.encode(Note(head.seq, head.hash.hex(), accepted)) + b"\n"
        with self._lock:
            try:
                fresh = not self._path.exists()
                file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
                try:
                    # Begins with a line's end: one that a crash broke off must not swallow this one.
                    os.write(file, line if fresh else b"\n" + line)
                    os.fsync(file)
                finally:
                    os.close(file)
                if fresh:
                    sync_folder(self._path.parent)
            except OSError as error:
                raise _away(self.where, error) from error


class ServiceWitness:
    """`verify witness` on another host, or anything that speaks as little: GET the last note, POST one."""

    def __init__(self, address: str) -> None:
        """`address` may carry `name:secret@`, sent as Basic authorization."""
        parts = urllib.parse.urlsplit(address)
        login, _, host = parts.netloc.rpartition("@")
        self.where = urllib.parse.urlunsplit(parts._replace(netloc=host))
        self._headers = {"content-type": "application/json"}
        if login:
            secret = base64.b64encode(urllib.parse.unquote(login).encode()).decode()
            self._headers["authorization"] = f"Basic {secret}"

    def last(self) -> Head | None:
        """See `Witness`."""
        body = self._ask(None)
        if not body:
            return None
        try:
            note = msgspec.json.decode(body, type=Note)
            return Head(note.seq, bytes.fromhex(note.hash))
        except (msgspec.DecodeError, ValueError) as error:
            raise _away(self.where, error) from error

    def note(self, head: Head, *, accepted: bool = False) -> None:
        """See `Witness`."""
        self._ask(msgspec.json.encode(Note(head.seq, head.hash.hex(), accepted)))

    def _ask(self, body: bytes | None) -> bytes:
        request = urllib.request.Request(self.where, data=body, headers=self._headers)  # noqa: S310  # http(s) by open_witness
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:  # noqa: S310  # as above
                found: bytes = reply.read(1 << 16)
                return found
        except (OSError, ValueError) as error:
            raise _away(self.where, error) from error


def check_witness(last: Callable[[], Head | None]) -> Program[Head]:
    """Hold the ledger against what `last` tells was noted. Returns the local head.

    `last` is called before the ledger is read, so that what is noted meanwhile does no harm.
    Raises LedgerBroken for a ledger that is behind, or that has another entry in the noted one's place.
    """
    noted = last()
    ((seq, digest),) = yield from run("read_head")
    if noted is None or noted.seq == 0:
        return Head(seq, digest)
    if seq < noted.seq:
        raise LedgerBroken(
            Words(
                f"台账止于第 {seq} 条，见证已记到第 {noted.seq} 条：这是旧备份。",
                f"The ledger ends at {seq}, the witness noted {noted.seq}: this is a restored backup.",
            ),
            hint=_HINT,
        )
    ((_, _, _, _, _, there),) = yield from run("read_events", noted.seq - 1, 1)
    if bytes(there) != noted.hash:
        raise LedgerBroken(
            Words(
                f"台账第 {noted.seq} 条与见证所记不同。",
                f"Entry {noted.seq} of the ledger is not the one that the witness noted.",
            ),
            hint=_HINT,
        )
    return Head(seq, digest)


_HINT = "apply what came after it: verify restore with --journal; or, if it is lost for good: verify recover accept"


def _away(where: str, error: Exception) -> NotReady:
    what = Words(f"无法访问见证 {where}。", f"The witness {where} cannot be reached.")
    return NotReady(what, hint=f"mount or start it; VERIFY_WITNESS names it: {error}")
