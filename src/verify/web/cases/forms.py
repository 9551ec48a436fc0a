"""Forms as fields of text and one picture, whatever way they came."""

from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from verify.errors import Malformed
from verify.web.hygiene import check_form_text
from verify.web.multipart import parse_multipart

URLENCODED: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
PICTURE: Final = "picture"
_MAX_FIELDS: Final = 16


class Form(msgspec.Struct, frozen=True):
    """What a form brought: known fields of text, empty ones left out, and a picture."""

    fields: dict[str, str]
    picture: bytes = b""


def read_urlencoded(body: bytes, known: Iterable[str]) -> Form:
    """Raises Malformed for text that is not UTF-8, control characters, too many fields, or a field sent twice."""
    try:
        pairs = parse_qsl(body.decode("ascii"), errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError as error:
        raise Malformed from error
    if len({name for name, _ in pairs}) != len(pairs):
        raise Malformed
    return Form({name: check_form_text(value) for name, value in pairs if name in known})


def read_multipart(content_type: bytes, body: bytes, known: Iterable[str]) -> Form:
    """Raises Malformed as `read_urlencoded`, and as `multipart.parse_multipart`."""
    fields, picture = {}, b""
    for name, part in parse_multipart(content_type, body).items():
        if name == PICTURE:
            picture = part.data
        elif name in known:
            try:
                text = check_form_text(part.data.decode("utf-8"))
            except UnicodeDecodeError as error:
                raise Malformed from error
            if text:
                fields[name] = text
    return Form(fields, picture)
