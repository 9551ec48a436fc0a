"""A small strict reader of `multipart/form-data` (RFC 7578), for bodies that are bounded and whole in memory."""

import re
from typing import Final

import msgspec

from verify.errors import Malformed, Words

MAX_PARTS: Final = 8
MAX_HEAD_BYTES: Final = 4096

_BOUNDARY = re.compile(
    rb'multipart/form-data\s*;.*?boundary=(?:"([^"\r\n]{1,70})"|([^\s;,"]{1,70}))', re.IGNORECASE
)
_NAME = re.compile(
    rb'^content-disposition\s*:\s*form-data\s*;.*?\bname="([^"\r\n]*)"', re.IGNORECASE | re.MULTILINE
)
_FILENAME = re.compile(rb"\bfilename\*?=", re.IGNORECASE)


class Part(msgspec.Struct, frozen=True):
    """One field."""

    name: str
    is_file: bool
    data: bytes


def parse_multipart(content_type: bytes, body: bytes) -> dict[str, Part]:
    """Fields by name.

    Raises Malformed for a missing boundary, a body that does not follow it, too many parts, a name sent twice.
    """
    found = _BOUNDARY.match(content_type)
    if found is None:
        raise _malformed()
    mark = b"--" + (found[1] or found[2])
    if body.startswith(mark):
        body = b"\r\n" + body
    pieces = body.split(b"\r\n" + mark, MAX_PARTS + 2)
    if not 3 <= len(pieces) <= MAX_PARTS + 2 or not pieces[-1].startswith(b"--"):
        raise _malformed()
    parts: dict[str, Part] = {}
    for piece in pieces[1:-1]:
        part = _parse_part(piece)
        if part.name in parts:
            raise _malformed()
        parts[part.name] = part
    return parts


def _parse_part(piece: bytes) -> Part:
    if not piece.startswith(b"\r\n"):
        raise _malformed()
    head, gap, _ = piece[:MAX_HEAD_BYTES].partition(b"\r\n\r\n")
    name = _NAME.search(head[2:])
    if not gap or name is None:
        raise _malformed()
    try:
        text = name[1].decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed() from error
    return Part(text, _FILENAME.search(head) is not None, piece[len(head) + 4 :])


def _malformed() -> Malformed:
    return Malformed(Words("无法解析上传的表单。", "The uploaded form cannot be read."))
