"""The journal: every line of the ledger once more, on other storage, before the change is acknowledged.

A backup is as old as the last one made. With the journal beside it, whatever was acknowledged since can be
applied to it, so that a restored register never takes a revocation back. A line holds an event's number, hash
and exact bytes; like the ledger it carries no personal data.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from verify.errors import LedgerBroken, NotReady, StoreFailed, Words
from verify.proof.ledger import Link

TAIL_BYTES = 1 << 20
"""Read from the end to find the last line; one event is far smaller."""


class Line(msgspec.Struct, frozen=True):
    """One line of the file, JSON."""

    seq: int
    hash: str
    """Hex."""
    body: str
    """The event, byte for byte."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Line).decode


class Logbook:
    """One file that only grows; call it from one thread at a time.

    Several processes of one machine may append: a line is written whole, and one that is there twice does no
    harm. Nodes on several machines have a file each, and a restore reads all of them.
    """

    def __init__(self, path: Path) -> None:
        """Open or begin `path`, mode 0600. Raises NotReady when it cannot be written."""
        self.path = path
        try:
            fresh = not path.exists()
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if fresh:
                sync_folder(path.parent)
            self.last = _last_line(self._file)
            """The last line, or None while it is empty."""
            self._mend()
        except OSError as error:
            what = Words(f"无法写入日志簿 {path}。", f"The journal {path} cannot be written.")
            raise NotReady(what, hint=f"mount its storage, check its rights: {error}") from error

    def append(self, links: Sequence[Link]) -> None:
        """On disk when it returns. Raises StoreFailed."""
        lines = [Line(link.seq, link.hash.hex(), link.body.decode()) for link in links]
        try:
            _write_all(self._file, b"".join(_encode(line) + b"\n" for line in lines))
            os.fsync(self._file)
        except OSError as error:
            what = Words(
                "日志簿未能写入，变更未予确认。",
                "The journal was not written; the change is not acknowledged.",
            )
            hint = f"make room at {self.path.parent}; the change may stand, ask for it again: {error}"
            raise StoreFailed(what, hint=hint) from error
        if lines:
            self.last = lines[-1]

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def _mend(self) -> None:
        """A line that a crash broke off is ended, so that the next one stands by itself."""
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b"\n":
            _write_all(self._file, b"\n")


def read_logbooks(paths: Iterable[Path], after: int) -> list[Link]:
    """The events after `after`, from all files together, by number; a line that broke off is left out.

    Raises NotReady for a file that cannot be read, LedgerBroken when two files tell of different pasts.
    """
    found: dict[int, Link] = {}
    for path in paths:
        try:
            with path.open("rb") as file:
                for raw in file:
                    link = _parse(raw)
                    if link is None or link.seq <= after:
                        continue
                    if found.setdefault(link.seq, link) != link:
                        what = Words(
                            f"日志簿第 {link.seq} 条互相矛盾。",
                            f"The journals disagree about entry {link.seq}.",
                        )
                        raise LedgerBroken(what, hint="find out which register each was written for")
        except OSError as error:
            what = Words(f"无法读取日志簿 {path}。", f"The journal {path} cannot be read.")
            raise NotReady(
                what, hint=f"mount its storage, or name another with --journal: {error}"
            ) from error
    return [found[seq] for seq in sorted(found)]


def sync_folder(path: Path) -> None:
    """A new name in a folder survives a power cut only after this."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _parse(raw: bytes) -> Link | None:
    try:
        line = _decode(raw)
        return Link(line.seq, line.body.encode(), bytes.fromhex(line.hash))
    except (msgspec.DecodeError, ValueError):
        return None


def _last_line(file: int) -> Line | None:
    size = os.fstat(file).st_size
    tail = os.pread(file, min(size, TAIL_BYTES), max(0, size - TAIL_BYTES))
    best: Line | None = None
    for raw in tail.splitlines():
        try:
            line = _decode(raw)
        except msgspec.DecodeError:
            continue
        if best is None or line.seq > best.seq:
            best = line
    return best


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
