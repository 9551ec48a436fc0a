"""Everything that one printed copy says, and the fixed wording around it."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from verify.certificate.record import CopyCause, Kind
from verify.documents.standin import StandIn
from verify.errors import Words


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """One copy as it is printed. Holds the full identity number: never log it, nor keep what it renders."""

    kind: Kind
    name: str
    """The holder's, separator U+00B7."""
    id_type_words: Words
    """E.g. 居民身份证 / PRC resident ID card."""
    id_number: str
    """In full: the paper is the holder's own."""
    occupation_name: str
    """As the dictionary names it, marks stripped."""
    occupation_code: str
    """`d-dd-dd-dd`."""
    work_type: str
    """`--` when there is none (seed001 art. 12)."""
    level_zh: str
    """Face wording, e.g. 一级/高级技师."""
    level_en: str
    number: str
    """Certificate number."""
    issued_on: dt.date
    """发证日期, a calendar day in China."""
    agency_name_zh: str
    """Exactly as filed and published, branch included (seed001 art. 11); also runs around the seal."""
    agency_name_en: str
    """May be empty."""
    copy_number: int
    """1, 2, 3 …"""
    cause: CopyCause
    remark: str | None = None
    blank_serial: str | None = None
    """印制流水码 of the numbered blank."""
    host: str
    """The service's domain, printed in clear beside the QR code: look-alikes are the commonest fraud."""
    scan_code: str
    """16 characters, printed in fours."""
    qr_content: str
    photo: bytes | None = None
    """As `check_photo` returns it."""
    issued_at: dt.datetime
    """UTC; the instant this copy was issued, and the PDF's creation date."""
    template: str = "certificate"
    """Which form it is printed in; see `templates.py`."""
    stand_ins: tuple[StandIn, ...] = ()
    """Pictures of characters that no font has."""


class Wording(msgspec.Struct, frozen=True):
    """What differs between the two kinds of certificate."""

    title: Words
    body: Words
    query_url: str
    """National address at which the certificate can be asked for."""
    agency_url: str | None
    """National address at which the agency can be asked for."""
    seal: str
    """Which seal of the agency it is; the lower line of the drawn one."""


WORDING: Final[Mapping[Kind, Wording]] = {
    Kind.SKILL_LEVEL: Wording(
        # 人社鉴发〔2021〕1号 二(一): the title is fixed to the character; the English is ours.
        title=Words("职业技能等级证书", "Certificate of Occupational Skill Level"),
        body=Words(
            "本证书表明持证人通过本机构组织的职业技能等级认定，"
            "具备本证书所载职业（工种）相应等级的职业技能水平。",
            "This is to certify that the bearer has passed the occupational skill level assessment organised "
            "by this institution and has attained the level stated herein.",
        ),
        query_url="http://jndj.osta.org.cn",
        agency_url="http://pjjg.osta.org.cn",
        seal="职业技能等级认定专用章",  # the rules for skill-level certificates, art. 16
    ),
    Kind.QUALIFICATION: Wording(
        title=Words("职业资格证书", "Certificate of Vocational Qualification"),
        body=Words(
            "本证书表明持证人通过国家职业技能鉴定，具备本证书所载职业（工种）相应等级的职业资格。",
            "This is to certify that the bearer has passed the national occupational skill testing and holds "
            "the vocational qualification stated herein.",
        ),
        query_url="http://zscx.osta.org.cn",
        agency_url=None,
        seal="证书专用章",
    ),
}

CAUSES: Final[Mapping[CopyCause, Words]] = {
    CopyCause.ORIGINAL: Words("首次颁发", "original"),
    CopyCause.LOST: Words("遗失补发", "after loss"),
    CopyCause.DAMAGED: Words("损坏换发", "after damage"),
    CopyCause.CORRECTED: Words("更正换发", "corrected"),
}

VALIDITY: Final = Words(
    "本证书是否有效，以核验页面当前显示的结果为准。",
    "Validity is what the verification page shows now, not what this sheet says.",
)


ABOUT: Final = Words(
    "技能人才评价电子证书，扫描二维码核验。",
    "Electronic certificate of skill assessment; scan the code to verify.",
)
"""The document's description in its metadata: says nothing about the holder."""


class Row(msgspec.Struct, frozen=True):
    """One item of the holder's data as it is printed."""

    name: str
    """By which templates and calibration files call it; stable."""
    label: Words
    value: str
    small: str = ""
    """Second line, 8.5 pt."""


def sheet_rows(sheet: Sheet) -> Iterator[Row]:
    """The holder's data, top to bottom."""
    yield Row("name", Words("姓名", "Name"), sheet.name)
    yield Row("id_type", Words("证件类型", "ID type"), sheet.id_type_words.zh, sheet.id_type_words.en)
    yield Row("id_number", Words("证件号码", "ID number"), sheet.id_number)
    yield Row(
        "occupation",
        Words("职业名称", "Occupation"),
        sheet.occupation_name,
        f"职业编码 Code {sheet.occupation_code}",
    )
    yield Row("work_type", Words("工种/职业方向", "Work type / direction"), sheet.work_type)
    if sheet.kind is Kind.SKILL_LEVEL:
        yield Row("level", Words("职业技能等级", "Skill level"), sheet.level_zh, sheet.level_en)
    else:
        yield Row("level", Words("资格等级", "Qualification level"), sheet.level_zh, sheet.level_en)
    yield Row("number", Words("证书编号", "Certificate No."), sheet.number)
    if sheet.blank_serial:
        yield Row("blank_serial", Words("印制流水码", "Printing serial"), sheet.blank_serial)
    if sheet.remark:
        yield Row("remark", Words("备注", "Remark"), sheet.remark)


def sheet_data(sheet: Sheet) -> dict[str, object]:
    """The sheet as a template takes it: text only, every decision already made."""
    wording = WORDING[sheet.kind]
    cause = CAUSES[sheet.cause]
    day = sheet.issued_on
    return {
        "title": wording.title,
        "body": wording.body,
        "rows": list(sheet_rows(sheet)),
        "agency": Words(sheet.agency_name_zh, sheet.agency_name_en),
        "issued": Words(f"{day.year}年{day.month}月{day.day}日", f"{day.day} {day:%B} {day.year}"),
        "query_url": wording.query_url,
        "agency_url": wording.agency_url,
        "host": sheet.host,
        "code": " ".join(sheet.scan_code[i : i + 4] for i in range(0, len(sheet.scan_code), 4)),
        "copy": Words(f"第{sheet.copy_number}份（{cause.zh}）", f"Copy {sheet.copy_number} ({cause.en})"),
        "validity": VALIDITY,
        "number": sheet.number,
        "about": ABOUT,
        "seal": wording.seal,
    }
