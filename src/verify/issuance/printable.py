"""Characters that no certificate could show are refused when it is asked for, not when it is printed."""

from typing import Final

from verify.certificate.record import Agency
from verify.certificate.request import Checked
from verify.documents.glyphs import describe, missing_glyphs
from verify.errors import Fault, Invalid, Words

_PRINTS: Final[set[str]] = set()
"""Characters known to print: whole texts are held against it in a fifth of a microsecond. Bounded by Unicode."""


def require_printable(checked: Checked, agency: Agency) -> None:
    """Pass if everything that the page will say can be printed. About 1 µs.

    Raises Invalid naming field, character and code point. Lengths need no check here: what the rules let through
    fits its place (documents/README.md).
    """
    face = checked.face
    texts = (
        checked.holder.name, face.occupation.name, face.work_type, checked.remark, checked.blank_serial,
        agency.name_zh, agency.name_en,
    )  # fmt: skip
    if all(text is None or _PRINTS.issuperset(text) for text in texts):
        return
    pointers = (
        "/holder/name", "/occupation/name", "/work_type", "/remark", "/blank_serial", "/agency/name_zh",
        "/agency/name_en",
    )  # fmt: skip
    faults = [fault for at, text in zip(pointers, texts, strict=True) if text and (fault := _fault(at, text))]
    if faults:
        raise Invalid(faults=faults)


def _fault(pointer: str, text: str) -> Fault | None:
    missing = missing_glyphs(text)
    _PRINTS.update(set(text).difference(missing))
    if not missing:
        return None
    named = "、".join(describe(mark) for mark in missing[:8])
    what = Words(
        f"证书字体没有以下字符，无法打印：{named}。请运维安装扩展字库，或提供该字的字形图片及证明材料。",
        f"The certificate's fonts lack {named}. Install the larger fonts, or bring a picture of the character with "
        "evidence to stand in for it.",
    )
    return Fault(pointer, "unprintable", what)
