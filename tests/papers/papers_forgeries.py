"""Forgeries of a served certificate, made with other people's tools."""

import asyncio
import datetime as dt
import io
from urllib.parse import urlsplit

from pades_world import FOREIGN, FOREIGN_DER, FOREIGN_ROOT_DER
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from verify.certificate.identity import ID_TYPES
from verify.certificate.level import level_text
from verify.certificate.record import CopyCause, Kind, Level
from verify.documents.brought import look_at
from verify.documents.press import Press
from verify.documents.sheet import Sheet
from verify.errors import Words
from verify.issuance.papers import attachments
from verify.proof.pades import sign_pdf
from verify.proof.signer import SoftSigner


def flip_signed_byte(pdf: bytes) -> bytes:
    """One bit of the page's own content, well inside what is signed."""
    at = pdf.index(b"stream\n") + 40
    return pdf[:at] + bytes([pdf[at] ^ 1]) + pdf[at + 1 :]


def _written(writer: IncrementalPdfFileWriter) -> bytes:
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def append_page(pdf: bytes) -> bytes:
    """A second page in an incremental update."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    pages = writer.root["/Pages"]
    page = generic.DictionaryObject(
        {
            pdf_name("/Type"): pdf_name("/Page"),
            pdf_name("/Parent"): writer.root.raw_get("/Pages"),
            pdf_name("/MediaBox"): generic.ArrayObject(map(generic.NumberObject, (0, 0, 100, 100))),
        }
    )
    pages["/Kids"].append(writer.add_object(page))
    pages[pdf_name("/Count")] = generic.NumberObject(2)
    writer.update_container(pages["/Kids"])
    writer.update_container(pages)
    return _written(writer)


def overlay_name(pdf: bytes) -> bytes:
    """A text box with another name over the page."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    page = writer.root["/Pages"]["/Kids"][0]
    note = generic.DictionaryObject(
        {
            pdf_name("/Type"): pdf_name("/Annot"),
            pdf_name("/Subtype"): pdf_name("/FreeText"),
            pdf_name("/Rect"): generic.ArrayObject(map(generic.NumberObject, (500, 400, 600, 420))),
            pdf_name("/Contents"): generic.TextStringObject("张三"),
            pdf_name("/DA"): generic.TextStringObject("/Helv 12 Tf"),
        }
    )
    annotations = generic.ArrayObject([*page.get("/Annots", []), writer.add_object(note)])
    page[pdf_name("/Annots")] = annotations
    writer.update_container(page)
    return _written(writer)


def remove_attachment(pdf: bytes) -> bytes:
    """The signed record taken out of the catalogue."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    names = writer.root["/Names"]
    del names["/EmbeddedFiles"]
    writer.update_container(names)
    writer.update_root()
    return _written(writer)


def strip_signature(pdf: bytes) -> bytes:
    """The file as it was before it was signed: the first revision."""
    return pdf[: pdf.index(b"%%EOF") + 6]


def resign_by_stranger(pdf: bytes) -> bytes:
    """The same page, sealed under a self-made root."""
    signing = sign_pdf(
        strip_signature(pdf),
        signer=SoftSigner(FOREIGN),
        certificate=FOREIGN_DER,
        chain=[FOREIGN_ROOT_DER],
        signed_at=dt.datetime.now(dt.UTC),
        reason=Words("颁发", "issued"),
    )
    return asyncio.run(signing)


def forge_face(pdf: bytes, name: str = "张三丰") -> bytes:
    """Another holder's name in the product's own form, under the genuine code and with the genuine record."""
    seen = look_at(pdf)
    face, address = seen.face, urlsplit(seen.codes[0])
    level = next(level for level in Level if level_text(Kind.SKILL_LEVEL, level).zh == face.level)
    sheet = Sheet(
        kind=Kind.SKILL_LEVEL,
        name=name,
        id_type_words=ID_TYPES["RESIDENT_ID"].words,
        id_number=face.id_number or "",
        occupation_name=face.occupation or "",
        occupation_code="6-18-01-01",
        work_type=face.work_type or "--",
        level_zh=face.level or "",
        level_en=level_text(Kind.SKILL_LEVEL, level).en,
        number=face.number or "",
        issued_on=dt.date(2026, 11, 20),
        agency_name_zh="岭南技能评价中心",
        agency_name_en="Centre",
        copy_number=1,
        cause=CopyCause.ORIGINAL,
        host=address.netloc.lower(),
        scan_code=address.path[3:],
        qr_content=seen.codes[0],
        issued_at=dt.datetime(2026, 11, 20, tzinfo=dt.UTC),
    )
    return Press().render_pdf(sheet, attachments(seen.attachments["credential.jwt"].decode()))
