"""The press: a sheet in, a PDF or PNG out; same input, same bytes."""

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec
import typst

from verify.documents.glyphs import BUNDLED_FONT, refuse_missing
from verify.documents.ornament import flourish_svg, ornament_svg
from verify.documents.qr import PRINT_DPI, make_qr, render_qr_svg, shows_code, unreadable_again
from verify.documents.sheet import Sheet, sheet_data
from verify.errors import BadDocument, Words

TEMPLATES: Final = Path(__file__).parent / "templates"
MIN_PPI: Final = 36.0
MAX_PPI: Final = 600.0
SCANNABLE_PIXELS: Final = 2
_ENCODER: Final = msgspec.json.Encoder()


class Press:
    """One typst compiler with its fonts and template, kept warm.

    Building one takes some 50 ms, so keep it. Use one `Press` per thread: the compiler
    works without the interpreter's lock but holds the sheet of its present run. Never fork a process after its first
    rendering (the compiler's threads do not survive); spawned processes are fine.
    """

    def __init__(self, extra_fonts: Sequence[Path] = ()) -> None:
        """Load the bundled Noto Serif SC, then `extra_fonts` (files) for characters that it lacks.

        Raises:
            BadDocument: a font file cannot be used.
        """
        self._extra_fonts = tuple(extra_fonts)
        refuse_missing("", self._extra_fonts)
        files = [str(path.resolve()) for path in (BUNDLED_FONT, *self._extra_fonts)]
        fonts = typst.Fonts(
            include_system_fonts=False,
            include_embedded_fonts=False,
            font_paths=list(dict.fromkeys(str(Path(file).parent) for file in files)),
        )
        family = {str(Path(font.path).resolve()): font.family for font in fonts.fonts() if font.path}
        self._families = ",".join(family[file] for file in files)
        self._compiler = typst.Compiler(
            str(TEMPLATES / "certificate.typ"),
            root=str(TEMPLATES),
            font_paths=fonts,
            ignore_system_fonts=True,
        )

    def render_pdf(self, sheet: Sheet) -> bytes:
        """One A4 landscape page, PDF/A-3a and PDF/UA-1, fonts embedded, dated by the copy's issue instant.

        PDF/A-3a keeps, and carries attachments; PDF/UA-1 reads aloud; a signature can be added to both.

        Raises:
            BadDocument: a character without a glyph (named with its code point), a text too long for its
                place, or QR content that cannot be drawn.
        """
        return self._compile(sheet, "pdf", PRINT_DPI)

    def render_png(self, sheet: Sheet, ppi: float = 144) -> bytes:
        """The same page as a picture, `ppi` pixels an inch (36 to 600).

        From about 110 ppi on a module is two pixels or more, and the code is read back from the finished picture
        before it leaves; below, the picture is a preview whose code cannot be scanned.

        Raises:
            BadDocument: as `render_pdf`; or `ppi` out of range.
        """
        if not MIN_PPI <= ppi <= MAX_PPI:
            raise BadDocument(
                Words("分辨率须为每英寸 36 至 600 像素。", "The resolution must be 36 to 600 ppi.")
            )
        png = self._compile(sheet, "png", ppi)
        if make_qr(sheet.qr_content).dots(ppi) >= SCANNABLE_PIXELS and not shows_code(png, sheet.qr_content):
            raise unreadable_again()
        return png

    def _compile(self, sheet: Sheet, form: Literal["pdf", "png"], ppi: float) -> bytes:
        refuse_missing("".join(_texts(sheet_data(sheet))), self._extra_fonts)
        try:
            pages = self._compiler.compile(
                format=form,
                ppi=ppi if form == "png" else None,
                sys_inputs=_inputs(sheet, self._families, ppi),
                pdf_standards=["a-3a", "ua-1"] if form == "pdf" else [],
                timestamp=int(sheet.issued_at.astimezone(dt.UTC).timestamp()),
            )
        except typst.TypstError as problem:
            raise _translate(problem) from problem
        if not isinstance(pages, bytes):
            raise BadDocument(Words("内容超出一页。", "The content does not fit one page."))
        return pages


def _inputs(sheet: Sheet, families: str, dpi: float) -> dict[str, str]:
    """What the template reads; the code's width makes a module a whole number of dots at `dpi`."""
    inputs = {
        "sheet": _ENCODER.encode(sheet_data(sheet)).decode(),
        "fonts": families,
        "ornament": ornament_svg(),
        "flourish": flourish_svg(),
        "qr": render_qr_svg(sheet.qr_content),
        "qr_mm": f"{make_qr(sheet.qr_content).width_mm(dpi):.4f}",
    }
    return inputs if sheet.photo is None else inputs | {"photo": _ENCODER.encode(list(sheet.photo)).decode()}


def _texts(value: object) -> Iterator[str]:
    """Every string of the template's data."""
    match value:
        case str():
            yield value
        case Words():
            yield from (value.zh, value.en)
        case dict():
            for part in value.values():
                yield from _texts(part)
        case list() | tuple():
            for part in value:
                yield from _texts(part)
        case _:
            return


def _translate(problem: typst.TypstError) -> BadDocument:
    """The compiler's words become the product's; `too-long:` comes from the template itself."""
    _, found, field = problem.message.partition("too-long:")
    if found:
        name = field.strip(' "')
        return BadDocument(
            Words(f"文字过长，印不下：{name}。", f"This text is too long for its place: {name}.")
        )
    return BadDocument(Words("证书排版失败。", "The certificate could not be typeset."), hint=problem.message)
