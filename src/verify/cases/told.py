"""What people tell the desk, checked: bounded plain text, nothing refused for how it is typed."""

import datetime as dt
from typing import Final, Literal, TypeAlias

import msgspec

from verify.certificate.number import parse_number
from verify.certificate.text import REFUSED, invalid
from verify.errors import Fault, Invalid, Words
from verify.lookup.entries import read_identity

MAX_WORDS: Final = 2000
MAX_ADDRESS: Final = 500
MAX_CODE: Final = 60
MAX_NAME: Final = 100
"""Characters."""

ReportMatter: TypeAlias = Literal["fake-certificate", "edited-certificate", "imitation-website", "other"]
ObjectionMatter: TypeAlias = Literal[
    "missing", "name", "document", "occupation", "date", "photo", "status", "other"
]
HolderMatter: TypeAlias = Literal["name", "document", "occupation", "date", "photo", "status", "other"]


class ReportRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A forgery, or a site that imitates this one. Whoever reports it is not asked who they are."""

    matter: ReportMatter
    words: str = ""
    address: str = ""
    """Of a web page; never fetched."""
    code: str = ""
    """A certificate number or scan code, as seen."""


class ObjectionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A certificate that is missing or wrong: its number, or the person's name and document."""

    matter: ObjectionMatter
    words: str = ""
    number: str = ""
    name: str = ""
    id_type: str = ""
    id_number: str = ""


class HolderObjectionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An error on the certificate that the session is about."""

    matter: HolderMatter
    words: str = ""


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was told, as it is sealed."""

    words: str = ""
    address: str = ""
    code: str = ""
    name: str = ""
    id_type: str = ""
    id_number: str = ""


class Answer(msgspec.Struct, frozen=True):
    """How a case ended; public to whoever has the receipt."""

    outcome: str
    words: str
    number: str | None = None
    """The certificate that holds the correction."""


def check_report(given: ReportRequest, *, pictured: bool) -> Told:
    """The report as it is kept. Raises Invalid when it says nothing, or too much."""
    faults: list[Fault] = []
    told = Told(
        words=plain(given.words, "/words", MAX_WORDS, faults),
        address=line(given.address, "/address", MAX_ADDRESS, faults),
        code=line(given.code, "/code", MAX_CODE, faults),
    )
    if not faults and not pictured and not (told.words or told.address or told.code):
        what = Words(
            "请至少填写情况说明、网址、编号中的一项，或附一张图片。",
            "Say what happened, or give an address, a number or a picture.",
        )
        faults.append(Fault("/words", "nothing-told", what))
    if faults:
        raise invalid(*faults)
    return told


def check_objection(given: ObjectionRequest, at: dt.datetime) -> tuple[Told, str | None]:
    """The objection as it is kept, and the agency that its number names, registered or not.

    Raises Invalid when neither a number nor name and document are there, or a document's number cannot be one.
    """
    faults: list[Fault] = []
    number = line(given.number, "/number", MAX_CODE, faults)
    name = line(given.name, "/name", MAX_NAME, faults)
    words = plain(given.words, "/words", MAX_WORDS, faults)
    id_number = ""
    if given.id_number:
        try:
            id_number = read_identity(given.id_type, given.id_number, at).number
        except Invalid as error:
            faults += error.faults
    if not faults and not number and not (name and id_number):
        what = Words(
            "请填写证书编号；没有编号的，填写姓名和证件号码。",
            "Give the certificate number, or else name and document.",
        )
        missing = "/number" if not name and not id_number else "/name" if not name else "/id_number"
        faults.append(Fault(missing, "missing", what))
    if faults:
        raise invalid(*faults)
    told = Told(
        words=words, code=number, name=name, id_type=given.id_type if id_number else "", id_number=id_number
    )
    return told, _agency_of(number)


def check_holder_objection(given: HolderObjectionRequest) -> Told:
    """The objection as it is kept. Raises Invalid."""
    faults: list[Fault] = []
    told = Told(words=plain(given.words, "/words", MAX_WORDS, faults))
    if not told.words and not faults:
        faults.append(
            Fault(
                "/words",
                "missing",
                Words("请说明哪里有误，应当是什么。", "Say what is wrong, and what is right."),
            )
        )
    if faults:
        raise invalid(*faults)
    return told


def plain(text: str, pointer: str, limit: int, faults: list[Fault]) -> str:
    """Text of several lines without what cannot be seen; a fault when it is too long."""
    unified = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = (REFUSED.sub("", part.replace("\t", " ")).rstrip() for part in unified.split("\n"))
    clean = "\n".join(lines).strip()
    if len(clean) > limit:
        what = Words(
            f"共{len(clean)}个字符，最多{limit}个。",
            f"{len(clean)} characters; at most {limit} are accepted.",
        )
        faults.append(Fault(pointer, "too-long", what))
    return clean


def line(text: str, pointer: str, limit: int, faults: list[Fault]) -> str:
    """The same on one line."""
    return plain(" ".join(text.split()), pointer, limit, faults)


def _agency_of(number: str) -> str | None:
    try:
        return parse_number(number).agency
    except Invalid:
        return None
