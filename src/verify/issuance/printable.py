"""Characters that no certificate could show are refused when it is asked for, not when it is printed."""

from collections.abc import Collection, Sequence
from typing import Final

from verify.certificate.record import Agency
from verify.certificate.request import Checked
from verify.documents.glyphs import describe, glyph_faults
from verify.documents.standin import marks_in
from verify.errors import Fault, Invalid, Words
from verify.issuance.stand_ins import StandIns

_PRINTS: Final[set[str]] = set()
"""Characters known to print: whole texts are held against it in a fifth of a microsecond. Bounded by Unicode."""


async def require_printable(checked: Checked, agency: Agency, stand_ins: StandIns) -> None:
    """Pass if everything that the page will say can be printed, the name with the pictures that were accepted for it.
    About 1 µs; the register is asked only about a name that needs a picture.

    Raises Invalid naming field, character and code point, and how a picture is filed. Lengths need no check here:
    what the rules let through fits its place (documents/README.md).
    """
    face = checked.face
    texts = (
        checked.holder.name, face.occupation.name, face.work_type, checked.remark, checked.blank_serial,
        agency.name_zh, agency.name_en,
    )  # fmt: skip
    if all(text is None or _PRINTS.issuperset(text) for text in texts):
        return
    served = [one.mark for one in await stand_ins.serving(agency.code, checked.holder.name)]
    faults = list(_name_fault(checked.holder.name, served, agency.code))
    pointers = (
        "/occupation/name", "/work_type", "/remark", "/blank_serial", "/agency/name_zh", "/agency/name_en",
    )  # fmt: skip
    for pointer, text in zip(pointers, texts[1:], strict=True):
        found = glyph_faults(pointer, text)
        faults += found
        _PRINTS.update(() if found else text or ())
    if faults:
        raise Invalid(faults[0].detail, faults=faults)


def _name_fault(name: str, served: Collection[str], agency: str) -> Sequence[Fault]:
    marks = marks_in(name)
    _PRINTS.update(set(name).difference("".join(marks)))
    lacking = [mark for mark in marks if mark not in served]
    if not lacking:
        return ()
    named = "、".join(describe(mark) if len(mark) == 1 else mark for mark in lacking[:8])
    mark = lacking[0]
    what = Words(
        f"证书字体没有姓名中的以下字符：{named}。请为每个字提交白底黑字的字形图片及证明（证件照片）："
        f"POST /api/v1/agencies/{agency}/stand-ins（multipart：character、picture、evidence、note），"
        f"或 verify stand-in file {agency} {mark} --picture 字形.png --evidence 证件.jpg --note 说明；"
        "运营方受理后重新提交本申请。运维也可安装扩展字库（fonts-hanazono）。",
        f"The certificate's fonts lack {named} of the name. File a picture of each, black on white, with evidence (a photo "
        f"of the document): POST /api/v1/agencies/{agency}/stand-ins (multipart: character, picture, evidence, note), or "
        f"verify stand-in file {agency} {mark} --picture glyph.png --evidence document.jpg --note TEXT; send this request "
        "again once the operator has accepted it. Or have the larger fonts installed (fonts-hanazono).",
    )
    return (Fault("/holder/name", "unprintable", what),)
