"""Occupations and work types as the dictionary and the filing name them.

Codes are re-used between editions and have gaps, so a code is never looked up: the name as filed decides.
"""

import re
from typing import Final

from verify.certificate.record import Occupation
from verify.certificate.sources import DICTIONARY, WORK_TYPE_RULE
from verify.certificate.text import HYPHENS, SPACES, WIDTH, invalid, refused_fault
from verify.errors import Fault, Words

NO_WORK_TYPE: Final = "--"
"""Printed when there is none; never blank (《职业技能等级证书管理办法》第十二条)."""
MAX_NAME: Final = 50
"""Code points of an occupation's or work type's name; the longest in use has 22."""

_CODE = re.compile(r"[1-8](?:-[0-9]{2}){3}")
_TO_ASCII: dict[int, int | None] = (
    dict(WIDTH) | {ord(c): ord("-") for c in HYPHENS} | dict.fromkeys(map(ord, SPACES))
)
# S (digital), L (green), L/S after the name are marks of the dictionary, not part of the name.
_MARKS = re.compile(r"[\s(（]*(?<![A-Za-z/])[LS](?:/[LS])?[)）\s]*$")
_PLAIN_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]{1,50}")
_CHARACTERS = re.compile(r"[\w\s·•、，,./()（）+\-—－:：“”\"'#&]+")


def parse_occupation(code: str, name: str) -> Occupation:
    """Read a code `d-dd-dd-dd` and a name as printed, marks L, S and L/S stripped.

    Raises Invalid with a fault for each of the two.
    """
    folded = code.translate(_TO_ASCII)
    faults = []
    if _CODE.fullmatch(folded) is None:
        what = Words(
            "职业编码应为“大类-中类-小类-职业”，如 6-18-01-01，大类为1至8。",
            "An occupation code is major-middle-small-occupation such as 6-18-01-01, major class 1 to 8.",
        )
        faults.append(Fault("/occupation/code", "occupation-code", what, DICTIONARY))
    title = _title(name, "/occupation/name", faults)
    if title is None:
        what = Words("职业名称不得为空。", "The occupation's name is missing.")
        faults.append(Fault("/occupation/name", "occupation-name", what, WORK_TYPE_RULE))
    if faults:
        raise invalid(*faults)
    assert title is not None  # else there were faults
    return Occupation(folded, title)


def parse_work_type(text: str | None) -> str | None:
    """Read a work type; empty and `--` (any dashes) mean none, which is returned as None. Raises Invalid."""
    if text is None or not text.translate(_TO_ASCII).strip("-"):
        return None
    faults: list[Fault] = []
    title = _title(text, "/work_type", faults)
    if faults:
        raise invalid(*faults)
    return title


def print_work_type(work_type: str | None) -> str:
    """What stands on the face: the name, or two hyphens."""
    return work_type or NO_WORK_TYPE


def _title(text: str, pointer: str, faults: list[Fault]) -> str | None:
    if _PLAIN_HAN.fullmatch(text) is not None:
        return text
    if len(text) > 4 * MAX_NAME:  # before any pattern walks it
        faults.append(_too_long(len(text), pointer))
        return text
    title = _MARKS.sub("", text.strip()).strip()
    fault = refused_fault(title, pointer, WORK_TYPE_RULE)
    if fault is None and len(title) > MAX_NAME:
        fault = _too_long(len(title), pointer)
    if fault is None and title and _CHARACTERS.fullmatch(title) is None:
        what = Words(
            "名称含有不可用的符号，请按备案的规定名称填写。",
            "The name holds a sign that no filed name has; write it as filed.",
        )
        fault = Fault(pointer, "occupation-name", what, WORK_TYPE_RULE)
    if fault is not None:
        faults.append(fault)
    return title or None


def _too_long(length: int, pointer: str) -> Fault:
    what = Words(
        f"共{length}个字符，最多{MAX_NAME}个。", f"{length} characters; at most {MAX_NAME} are accepted."
    )
    return Fault(pointer, "too-long", what, WORK_TYPE_RULE)
