"""Bytes of a roster to lines of text: UTF-8 with or without mark, or GB 18030, whatever the sender used.

The first lines that are not plain ASCII decide. A later line that does not decode is that line's fault.
"""

import codecs
from collections.abc import Iterator

from verify.errors import Fault, Malformed, Words

WINDOW_BYTES = 64 << 10
"""How much is looked at before the encoding is settled."""

_MARKS = {
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_GB_2022: dict[int, int] = {
    0xE81E: 0x9FB4, 0xE826: 0x9FB5, 0xE82B: 0x9FB6, 0xE82C: 0x9FB7,
    0xE832: 0x9FB8, 0xE843: 0x9FB9, 0xE854: 0x9FBA, 0xE864: 0x9FBB,
}  # fmt: skip
"""Python's codec is of 2005; GB 18030-2022 gives these eight characters their Unicode places."""


class RowDecoder:
    """Takes bytes in pieces of any size and gives lines, line ends kept; holds at most one line in memory."""

    def __init__(self, max_line_bytes: int) -> None:
        """Lines longer than `max_line_bytes` become a fault and are passed over unread."""
        self._max = max_line_bytes
        self._encoding: str | None = None
        self._rest = b""
        self._skipping = False
        self._first = True

    def feed(self, piece: bytes) -> Iterator[str | Fault]:
        """The lines that are complete now. Raises Malformed when the encoding cannot be told."""
        data = self._rest + piece
        if self._first and len(data) < WINDOW_BYTES:
            self._rest = data
            return
        yield from self._lines(self._settle(data))

    def finish(self) -> Iterator[str | Fault]:
        """The last line, if the file does not end with a line end. Raises Malformed."""
        data, self._rest = self._rest, b""
        yield from self._lines(self._settle(data))
        rest, self._rest = self._rest, b""
        if self._skipping:
            self._skipping = False
        elif rest:
            yield self._decode(rest)

    def _settle(self, data: bytes) -> bytes:
        """Settle the encoding at the first sight of anything that is not ASCII; takes a mark away."""
        if self._first:
            self._first = False
            for mark, name in _MARKS.items():
                if data.startswith(mark):
                    raise _refused(f"文件是 {name} 编码", f"The file is {name}")
            if data.startswith(b"\xef\xbb\xbf"):
                self._encoding = "utf-8"
                return data[3:]
        if self._encoding is None and not data.isascii():
            self._encoding = detect_encoding(data)
        return data

    def _lines(self, data: bytes) -> Iterator[str | Fault]:
        lines = data.split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            if self._skipping:  # the end of a line that was refused before
                self._skipping = False
            elif len(line) > self._max:
                yield too_long(self._max)
            else:
                yield self._decode(line + b"\n")
        if self._skipping:
            self._rest = b""
        elif len(self._rest) > self._max:
            self._rest, self._skipping = b"", True
            yield too_long(self._max)

    def _decode(self, line: bytes) -> str | Fault:
        try:
            if self._encoding == "gb18030":
                return line.decode("gb18030").translate(_GB_2022)
            return line.decode("utf-8")
        except UnicodeDecodeError as error:
            name = "GB 18030" if self._encoding == "gb18030" else "UTF-8"
            what = Words(
                f"该行第{error.start + 1}字节起不是{name}，请重新导出后再传。",
                f"From byte {error.start + 1} on this line is not {name}; export it again.",
            )
            return Fault("", "encoding", what, "GB 18030-2022; RFC 3629")


def detect_encoding(data: bytes) -> str:
    """`utf-8` or `gb18030`, by what most lines that are not ASCII are. Raises Malformed when by neither.

    Single lines can be valid as both (联通 in GB 18030 is valid UTF-8), so lines vote.
    """
    lines = [line for line in data.split(b"\n") if not line.isascii()]
    utf8 = sum(_is(line, "utf-8") for line in lines)
    if 2 * utf8 >= len(lines) and utf8:
        return "utf-8"
    if 2 * sum(_is(line, "gb18030") for line in lines) > len(lines):
        return "gb18030"
    raise _refused("文件既不是 UTF-8 也不是 GB 18030", "The file is neither UTF-8 nor GB 18030")


def too_long(limit: int) -> Fault:
    """The fault of a line that is longer than any row can be."""
    what = Words(
        f"该行超过{limit >> 10} KiB，未读取。", f"The row is longer than {limit >> 10} KiB and was not read."
    )
    return Fault("", "row-too-large", what)


def _is(line: bytes, encoding: str) -> bool:
    try:  # the last line may end within a character
        codecs.getincrementaldecoder(encoding)().decode(line)
    except UnicodeDecodeError:
        return False
    return True


def _refused(zh: str, en: str) -> Malformed:
    what = Words(
        f"{zh}，未读取任何行；请另存为 UTF-8（CSV UTF-8）或 GB 18030。",
        f"{en}; no row was read. Save it as UTF-8 (CSV UTF-8) or GB 18030.",
    )
    return Malformed(what, hint="in a spreadsheet: save as “CSV UTF-8”")
