"""Files carried inside the PDF: the signed record travels with the page that shows it (ISO 19005-3 § 6.8)."""

import re
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from verify.errors import BadDocument, Words

MAX_ATTACHMENTS: Final = 8
MAX_BYTES: Final = 256 * 1024
"""All attachments of one document together."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MIME: Final = re.compile(r"[a-z]+/[a-z0-9.+-]+")


class Attachment(msgspec.Struct, frozen=True):
    """One file inside a PDF/A-3."""

    name: str
    """File name, ASCII."""
    data: bytes
    mime: str
    """E.g. `application/vc+jwt`."""
    description: Words
    relationship: Literal["source", "data", "alternative", "supplement"] = "data"
    """`AFRelationship` (ISO 32000-2 § 7.11.3): `source` is what the page was made from, `data` what it shows."""


def attachment_data(attachments: Sequence[Attachment]) -> list[dict[str, object]]:
    """The attachments as a template takes them; bytes pass unchanged.

    Raises:
        BadDocument: too many, too large, the same name twice, or a name or type that is not plain ASCII.
    """
    names = {item.name for item in attachments}
    odd = [item for item in attachments if not _NAME.fullmatch(item.name) or not _MIME.fullmatch(item.mime)]
    size = sum(len(item.data) for item in attachments)
    if odd or len(names) < len(attachments) or len(attachments) > MAX_ATTACHMENTS or size > MAX_BYTES:
        raise BadDocument(
            Words(
                f"附件须为不同的 ASCII 文件名，最多 {MAX_ATTACHMENTS} 个、共 {MAX_BYTES // 1024} KiB。",
                f"Attachments need different ASCII names; at most {MAX_ATTACHMENTS}, {MAX_BYTES // 1024} KiB "
                "together.",
            )
        )
    return [
        {
            "name": item.name,
            "data": _plain(item.data),
            "mime": item.mime,
            "description": f"{item.description.zh} {item.description.en}",
            "relationship": item.relationship,
        }
        for item in attachments
    ]


def _plain(data: bytes) -> str | list[int]:
    """Text as text, which costs a tenth; anything else byte by byte."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return list(data)
