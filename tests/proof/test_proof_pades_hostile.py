"""Every change to a signed certificate is caught and named; what strangers bring is read within bounds or refused."""

import asyncio
import io
import subprocess
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pikepdf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pades_world import (
    AGENCY_DER,
    FOREIGN,
    FOREIGN_DER,
    FOREIGN_ROOT_DER,
    NOW,
    REASON,
    ROOT_DER,
    SIGNER,
    plain_pdf,
)
from proof_world import DAY
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import SigFieldSpec, append_signature_field

from verify.errors import Unreadable
from verify.proof.pades import sign_pdf
from verify.proof.pades_check import (
    CHANGE_WORDS,
    FINDING_WORDS,
    MAX_PDF_BYTES,
    Change,
    Finding,
    PdfReport,
    check_pdf,
)
from verify.proof.signer import SoftSigner


@cache
def signed() -> bytes:
    """The world's certificate, B-B."""
    return asyncio.run(
        sign_pdf(
            plain_pdf(),
            signer=SIGNER,
            certificate=AGENCY_DER,
            chain=[ROOT_DER],
            signed_at=NOW,
            reason=REASON,
        )
    )


def check(pdf: bytes) -> PdfReport:
    """Against the operator's root, a day later."""
    return check_pdf(pdf, [ROOT_DER], NOW + DAY)


def holds(pdf: bytes) -> bool:
    """Whether it is taken for a signed certificate; unreadable is no."""
    try:
        return check(pdf).holds
    except Unreadable:
        return False


def updated(change: Callable[[IncrementalPdfFileWriter], None], pdf: bytes | None = None) -> bytes:
    """The signed certificate with an incremental update, as an editor would append it."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf or signed()))
    change(writer)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _page(writer: IncrementalPdfFileWriter) -> generic.DictionaryObject:
    return writer.root["/Pages"]["/Kids"][0]


def append_page(writer: IncrementalPdfFileWriter) -> None:
    """A second page."""
    pages = writer.root["/Pages"]
    page = generic.DictionaryObject(
        {pdf_name("/Type"): pdf_name("/Page"), pdf_name("/Parent"): writer.root.raw_get("/Pages")}
    )
    pages["/Kids"].append(writer.add_object(page))
    pages["/Count"] = generic.NumberObject(2)
    writer.mark_update(writer.root.raw_get("/Pages"))


def overlay_name(writer: IncrementalPdfFileWriter) -> None:
    """Another name laid over the printed one."""
    note = generic.DictionaryObject(
        {
            pdf_name("/Type"): pdf_name("/Annot"),
            pdf_name("/Subtype"): pdf_name("/FreeText"),
            pdf_name("/Rect"): generic.ArrayObject(map(generic.NumberObject, (500, 400, 600, 420))),
            pdf_name("/Contents"): generic.TextStringObject("张三"),
        }
    )
    page = _page(writer)
    page["/Annots"].append(writer.add_object(note))
    writer.mark_update(writer.root["/Pages"]["/Kids"].raw_get(0))


def replace_content(writer: IncrementalPdfFileWriter) -> None:
    """A new page description."""
    stream = generic.StreamObject(stream_data=b"BT ET")
    _page(writer)[pdf_name("/Contents")] = writer.add_object(stream)
    writer.mark_update(writer.root["/Pages"]["/Kids"].raw_get(0))


def overwrite_content(writer: IncrementalPdfFileWriter) -> None:
    """The old page description under its own number."""
    reference = _page(writer).raw_get("/Contents")
    writer.objects[(0, reference.idnum)] = generic.StreamObject(stream_data=b"BT ET")


def remove_attachment(writer: IncrementalPdfFileWriter) -> None:
    """The record gone from the file."""
    del writer.root["/Names"]
    del writer.root["/AF"]
    writer.update_root()


def swap_attachment(writer: IncrementalPdfFileWriter) -> None:
    """Another record under the old one's number."""
    reference = writer.root["/Names"]["/EmbeddedFiles"]["/Names"][1]["/EF"].raw_get("/F")
    writer.objects[(0, reference.idnum)] = generic.StreamObject(stream_data=b"forged")


def unlock(writer: IncrementalPdfFileWriter) -> None:
    """The certification taken off the catalogue."""
    del writer.root["/Perms"]
    writer.update_root()


def new_metadata(writer: IncrementalPdfFileWriter) -> None:
    """Another title."""
    reference = writer.root.raw_get("/Metadata")
    writer.objects[(0, reference.idnum)] = generic.StreamObject(stream_data=b"<x:xmpmeta/>")


def new_field(writer: IncrementalPdfFileWriter) -> None:
    """An empty signature field, visible."""
    append_signature_field(writer, SigFieldSpec("Second", box=(10, 10, 200, 60)))


CHANGES = [
    (append_page, Change.PAGES),
    (overlay_name, Change.ANNOTATION),
    (replace_content, Change.CONTENT),
    (overwrite_content, Change.CONTENT),
    (remove_attachment, Change.ATTACHMENT),
    (swap_attachment, Change.ATTACHMENT),
    (unlock, Change.FORM),
    (new_metadata, Change.METADATA),
    (new_field, Change.FORM),
]


@pytest.mark.parametrize(("change", "named"), CHANGES, ids=[change.__name__ for change, _ in CHANGES])
def test_an_increment_after_the_signature_is_caught_and_named(
    change: Callable[[IncrementalPdfFileWriter], None], named: Change
) -> None:
    report = check(updated(change))
    assert not report.holds
    assert named in report.changes
    assert Finding.CHANGED in report.findings
    assert Finding.NOT_WHOLE_FILE in report.findings
    assert Finding.ALTERED not in report.findings, (
        "the bytes that were signed are still there, and said to be"
    )


def test_every_object_of_the_signed_file_is_watched() -> None:
    reader = pikepdf.open(io.BytesIO(signed()))
    for number in range(1, len(reader.objects) + 1):

        def overwrite(writer: IncrementalPdfFileWriter, number: int = number) -> None:
            writer.objects[(0, number)] = generic.DictionaryObject(
                {pdf_name("/Forged"): generic.NumberObject(1)}
            )

        assert not holds(updated(overwrite)), number


def test_bytes_after_the_end_are_named() -> None:
    for tail in (b"\n", b"% comment\n", b"\0" * 500):
        report = check(signed() + tail)
        assert report.findings == (Finding.NOT_WHOLE_FILE,)
    with pytest.raises(Unreadable):
        check(signed() + b"\n%%EOF\n")


@given(st.integers(min_value=0), st.integers(1, 255))
def test_one_flipped_byte_anywhere_never_holds(position: int, flip: int) -> None:
    damaged = bytearray(signed())
    damaged[position % len(damaged)] ^= flip
    assert not holds(bytes(damaged))


def test_one_changed_digit_of_the_signature_itself_never_holds() -> None:
    start = signed().index(b"/Contents <3082") + 11
    for place in [*range(start, start + 260), *range(start + 260, signed().index(b">", start), 41)]:
        digit = b"0123456789ABCDEF"[(int(signed()[place : place + 1], 16) + 1) % 16]
        assert not holds(signed()[:place] + bytes([digit]) + signed()[place + 1 :]), place - start


def test_the_place_of_the_signature_hides_nothing() -> None:
    start = signed().index(b"/Contents <3082") + 11
    end = signed().index(b">", start)
    assert signed()[end - 40 : end] == b"0" * 40
    for place, byte in [(end - 1, b"1"), (end - 2, b" "), (start + 1, b"1"), (start + 300, b"x")]:
        assert not holds(signed()[:place] + byte + signed()[place + 1 :]), place


def test_a_flipped_byte_of_the_page_is_called_altered_by_us_and_by_poppler(tmp_path: Path) -> None:
    damaged = bytearray(signed())
    damaged[len(plain_pdf()) // 2] ^= 1
    assert check(bytes(damaged)).findings == (Finding.ALTERED,)
    file = tmp_path / "damaged.pdf"
    file.write_bytes(damaged)
    shown = subprocess.run(["pdfsig", "-nocert", str(file)], capture_output=True, text=True, check=False)
    assert "Digest Mismatch" in shown.stdout


def test_a_certificate_written_anew_by_an_editor_does_not_hold() -> None:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(signed())) as document:
        document.save(out)
    assert Finding.ALTERED in check(out.getvalue()).findings
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(signed())) as document:
        document.save(out, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    assert check(out.getvalue()).findings == (Finding.REWRITTEN,)


async def test_a_self_made_operator_with_the_agencys_name_is_foreign() -> None:
    forged = await sign_pdf(
        plain_pdf(),
        signer=SoftSigner(FOREIGN),
        certificate=FOREIGN_DER,
        chain=[FOREIGN_ROOT_DER],
        signed_at=NOW,
        reason=REASON,
    )
    report = check(forged)
    assert report.findings == (Finding.FOREIGN_ISSUER,)
    assert report.signature is not None and report.signature.intact
    assert check_pdf(forged, [FOREIGN_ROOT_DER], NOW + DAY).holds


def test_an_unsigned_pdf_is_unsigned() -> None:
    report = check(plain_pdf())
    assert report.findings == (Finding.UNSIGNED,)
    assert report.signature is None
    assert report.attachments, "what it carries is still shown"


def test_the_agencys_signature_on_another_document_does_not_hold() -> None:
    start = signed().index(b"/Contents <")
    other = bytearray(signed())
    other[1000] ^= 1
    assert signed()[start:] in bytes(other)
    assert not check(bytes(other)).holds


def encrypted() -> bytes:
    """A PDF behind a password."""
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(plain_pdf())) as document:
        document.save(out, encryption=pikepdf.Encryption(owner="o", user="u"))
    return out.getvalue()


def built(*objects: bytes, trailer: bytes = b"/Root 1 0 R") -> bytes:
    """A file of these objects with a right table."""
    body, places = b"%PDF-1.7\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    table += b"".join(b"%010d 00000 n \n" % place for place in places)
    size = b"trailer\n<</Size %d %s>>\n" % (len(objects) + 1, trailer)
    return body + table + size + b"startxref\n%d\n%%%%EOF\n" % len(body)


PAGES = b"<</Type/Pages/Kids[]/Count 0>>"


def bomb() -> bytes:
    """A megabyte that becomes a gigabyte, as an attachment."""
    packed = zlib.compress(zlib.compress(b"\0" * (1 << 28), 9), 9)
    return built(
        b"<</Type/Catalog/Pages 2 0 R/Names<</EmbeddedFiles<</Names[(a)3 0 R]>>>>>>",
        PAGES,
        b"<</F(a)/EF<</F 4 0 R>>>>",
        b"<</Length %d/Filter[/FlateDecode/FlateDecode]>>stream\n%s\nendstream" % (len(packed), packed),
    )


def table_loop() -> bytes:
    """A cross-reference table whose predecessor is itself."""
    file = built(b"<</Type/Catalog/Pages 2 0 R>>", PAGES)
    place = file.index(b"xref\n")
    return built(b"<</Type/Catalog/Pages 2 0 R>>", PAGES, trailer=b"/Root 1 0 R/Prev %d" % place)


def packed_tables() -> bytes:
    """A plain table before which stand ninety that unpack to 130 kB each."""
    body, before = b"%PDF-1.7\n", b""
    for number in range(90):
        place, packed = len(body), zlib.compress(b"\1\0\0\0\x09" * 26_000, 9)
        head = b"<</Type/XRef/W[1 3 1]/Index[%d 26000]/Size 3000000/Root 1 0 R" % (number * 30_000)
        head += before + b"/Filter/FlateDecode/Length %d>>" % len(packed)
        body += b"%d 0 obj\n%s\nstream\n%s\nendstream\nendobj\n" % (number * 30_000 + 29_999, head, packed)
        before = b"/Prev %d" % place
    trailer = b"trailer\n<</Size 1/Root 1 0 R%s>>\n" % before
    place = len(body)
    return body + b"xref\n0 1\n0000000000 65535 f \n" + trailer + b"startxref\n%d\n%%%%EOF\n" % place


HOSTILE = {
    "empty": lambda: b"",
    "not a PDF": lambda: b"PK\x03\x04" * 100,
    "a header only": lambda: b"%PDF-1.7\n",
    "too large": lambda: b"%PDF-1.7\n" + b" " * MAX_PDF_BYTES,
    "encrypted": encrypted,
    "bomb": bomb,
    "table loop": table_loop,
    "deep arrays": lambda: built(b"<</Type/Catalog/Pages 2 0 R/AcroForm " + b"[" * 100_000 + b">>", PAGES),
    "root is itself": lambda: built(b"1 0 R", PAGES),
    "root missing": lambda: built(b"<<>>", trailer=b""),
    "huge table": lambda: built(PAGES).replace(b"0 2\n", b"0 99999999\n"),
    "name tree loop": lambda: built(
        b"<</Type/Catalog/Pages 2 0 R/Names<</EmbeddedFiles 3 0 R>>>>", PAGES, b"<</Kids[3 0 R 3 0 R]>>"
    ),
    "fields without end": lambda: built(
        b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[" + b"3 0 R " * 100_000 + b"]>>>>",
        PAGES,
        b"<</FT/Sig>>",
    ),
    "an array without end": lambda: built(
        b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[" + b"1 " * 3_000_000 + b"]>>>>", PAGES
    ),
    "packed tables": packed_tables,
    "signature of nothing": lambda: built(
        b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[3 0 R]>>>>",
        PAGES,
        b"<</FT/Sig/T(x)/V 4 0 R>>",
        b"<</Type/Sig/SubFilter/ETSI.CAdES.detached/ByteRange[0 1 2 99999999999]/Contents<30820000>>>",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_are_unreadable_and_nothing_else(case: str) -> None:
    with pytest.raises(Unreadable):
        check(HOSTILE[case]())


@given(st.data())
def test_damage_anywhere_gives_a_report_or_unreadable(data: st.DataObject) -> None:
    pdf = bytearray(signed())
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(pdf) - 1))
        size = data.draw(st.integers(0, 40))
        pdf[place : place + size] = data.draw(st.binary(max_size=40))
    assert not holds(bytes(pdf)) or bytes(pdf) == signed()


def test_everything_has_words_in_both_languages() -> None:
    assert set(CHANGE_WORDS) == set(Change)
    assert set(FINDING_WORDS) == set(Finding)
    assert all(words.zh and words.en for words in (*CHANGE_WORDS.values(), *FINDING_WORDS.values()))
