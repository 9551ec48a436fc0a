"""Strangers' PDFs, opened in a process of their own: pages as pictures, and the text with its places.

PDFium is a native parser and a PDF from the street is hostile input. So it runs as
`python -m verify.documents.pdfium` with limits on processor time, memory and files and no environment, takes one
request on standard input and gives one answer on standard output. If it crashes or dawdles, only it dies.
"""

import ctypes
import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

import msgspec

from verify.errors import NotReady, Unreadable, Words

MAX_BYTES: Final = 8 * 1024 * 1024
"""Of one PDF; our own have about a hundred kilobytes, a scan a few million."""
MAX_PAGES: Final = 4
MAX_PIXELS: Final = 9_000_000
"""Of one page: A4 at 300 dpi. A larger page is rendered coarser."""
MAX_CHARACTERS: Final = 20_000
"""Of one page."""
MAX_FILES: Final = 16
MAX_FILE_BYTES: Final = 512 * 1024
"""Of the files inside a PDF."""
CPU_S: Final = 6
MEMORY_BYTES: Final = 1 << 30
"""Address space of the child."""
WALL_S: Final = 12.0
INVISIBLE: Final = 3
"""Text rendering mode "neither fill nor stroke", ISO 32000-2 table 104."""
POINT_MM: Final = 25.4 / 72


class Order(msgspec.Struct, frozen=True, array_like=True):
    """What the child is asked."""

    pdfs: list[bytes]
    dpi: float


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """One character of a page's text; millimetres from the upper left corner of the page."""

    text: str
    x: float
    y: float
    width: float
    height: float
    size: float
    """Font size, points."""


class Page(msgspec.Struct, frozen=True, array_like=True):
    """One page, as it is shown."""

    width_mm: float
    height_mm: float
    columns: int
    rows: int
    grey: bytes
    """`rows` × `columns` bytes, 0 black to 255 white, annotations and form fields drawn."""
    marks: list[Mark]
    """In the order of the file; text in the invisible mode left out."""


class Opened(msgspec.Struct, frozen=True, array_like=True):
    """One document's first pages."""

    pages: list[Page]
    page_count: int
    attachments: list[tuple[str, bytes]]
    """Name and content of the files inside, the first 16 of at most 512 KiB each; untrusted."""


def open_pdfs(pdfs: Sequence[bytes], dpi: float = 150) -> list[Opened]:
    """Render and read up to four pages of each PDF, in a confined process; some 200 ms.

    Raises:
        Unreadable: not a PDF, larger than 8 MiB, encrypted, damaged, more than four pages, or more work than 6
            seconds of processor time and 1 GiB of memory allow.
        NotReady: pypdfium2 is not installed.
    """
    if find_spec("pypdfium2") is None:
        raise NotReady(
            Words("未安装 pypdfium2，不能读取 PDF。", "pypdfium2 is not installed; PDFs cannot be read."),
            hint="pip install pypdfium2",
        )
    for pdf in pdfs:
        if len(pdf) > MAX_BYTES or b"%PDF-" not in pdf[:1024]:
            raise Unreadable(
                Words(
                    f"不是 PDF 文件，或大于 {MAX_BYTES >> 20} MiB。",
                    f"This is no PDF, or larger than {MAX_BYTES >> 20} MiB.",
                )
            )
    order = msgspec.msgpack.encode(Order(list(pdfs), dpi))
    keep = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "verify.documents.pdfium"],
            input=order,
            capture_output=True,
            timeout=WALL_S,
            env=keep,
            check=True,
        )
        opened = msgspec.msgpack.decode(done.stdout, type=list[Opened])
    except (subprocess.SubprocessError, msgspec.DecodeError) as problem:
        raise Unreadable(
            Words("PDF 已损坏或过于复杂，无法读取。", "The PDF is damaged, encrypted or too complex to read.")
        ) from problem
    if any(document.page_count > MAX_PAGES for document in opened):
        raise Unreadable(Words(f"PDF 超过 {MAX_PAGES} 页。", f"The PDF has more than {MAX_PAGES} pages."))
    return opened


def main() -> None:
    """The child: limits first, then the parser is loaded, then one order is carried out."""
    order = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Order)
    for limit, value in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(limit, (value, value))
    opened = [_open(pdf, order.dpi) for pdf in order.pdfs]
    sys.stdout.buffer.write(msgspec.msgpack.encode(opened))


def _open(pdf: bytes, dpi: float) -> Opened:
    document: Any = import_module("pypdfium2").PdfDocument(pdf)  # untyped; loaded only in the child
    document.init_forms()
    count = len(document)
    pages = [_page(document[index], dpi) for index in range(count)] if count <= MAX_PAGES else []
    return Opened(pages, count, list(_attachments(document)))


def _attachments(document: Any) -> Iterator[tuple[str, bytes]]:
    for at in range(min(document.count_attachments(), MAX_FILES)):
        file = document.get_attachment(at)
        data = bytes(file.get_data())
        if len(data) <= MAX_FILE_BYTES:
            yield file.get_name(), data


def _page(page: Any, dpi: float) -> Page:
    width, height = page.get_size()
    scale = min(dpi / 72, (MAX_PIXELS / max(width * height, 1)) ** 0.5)
    picture = page.render(scale=scale, grayscale=True, may_draw_forms=True, draw_annots=True)
    lines = memoryview(picture.buffer).cast("B")
    grey = b"".join(
        bytes(lines[row * picture.stride : row * picture.stride + picture.width])
        for row in range(picture.height)
    )
    return Page(
        width * POINT_MM,
        height * POINT_MM,
        picture.width,
        picture.height,
        grey,
        list(_marks(page, height)),
    )


def _marks(page: Any, height: float) -> Iterator[Mark]:
    pdfium: Any = import_module("pypdfium2.raw")
    text = page.get_textpage()
    box = pdfium.FS_RECTF()
    high = 0
    for at in range(min(text.count_chars(), MAX_CHARACTERS)):
        point = pdfium.FPDFText_GetUnicode(text.raw, at)
        if 0xD800 <= point < 0xDC00:
            high = point
            continue
        if 0xDC00 <= point < 0xE000:
            point = 0x10000 + ((high - 0xD800) << 10) + point - 0xDC00
        thing = pdfium.FPDFText_GetTextObject(text.raw, at)
        if thing and pdfium.FPDFTextObj_GetTextRenderMode(thing) == INVISIBLE:
            continue
        if point < 32 or not pdfium.FPDFText_GetLooseCharBox(text.raw, at, ctypes.byref(box)):
            continue
        yield Mark(
            chr(point),
            box.left * POINT_MM,
            (height - box.top) * POINT_MM,
            (box.right - box.left) * POINT_MM,
            (box.top - box.bottom) * POINT_MM,
            pdfium.FPDFText_GetFontSize(text.raw, at),
        )


if __name__ == "__main__":
    main()
