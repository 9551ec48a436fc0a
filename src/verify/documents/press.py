"""The press: a sheet in, a PDF or PNG out; same input, same bytes."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec
import typst

from verify.documents.attachment import Attachment, attachment_data
from verify.documents.glyphs import BUNDLED_FONT, find_extra_fonts, missing_glyphs, refuse_missing
from verify.documents.ornament import flourish_svg, ornament_svg
from verify.documents.qr import PRINT_DPI, make_qr, render_qr_svg, shows_code, unreadable_again
from verify.documents.sheet import Sheet, sheet_data
from verify.documents.standin import StandIn, check_stand_in, is_placeholder, refuse_mark
from verify.documents.templates import BUILT_IN, Template, Templates
from verify.errors import BadDocument, Words

MIN_PPI: Final = 36.0
MAX_PPI: Final = 600.0
SCANNABLE_PIXELS: Final = 2
_ENCODER: Final = msgspec.json.Encoder()


class Box(msgspec.Struct, frozen=True):
    """Where a field stands on the page; millimetres from the upper left corner."""

    name: str
    x: float
    y: float
    width: float
    height: float


class Press:
    """One typst compiler with its fonts and forms, kept warm.

    Building one takes some 50 ms, so keep it. Use one `Press` per thread: the compiler
    works without the interpreter's lock but holds the sheet of its present run. Never fork a process after its first
    rendering (the compiler's threads do not survive); spawned processes are fine.
    """

    def __init__(
        self,
        extra_fonts: Sequence[Path] | None = None,
        *,
        templates_dir: Path | None = None,
        data_font: Path | None = None,
    ) -> None:
        """Load Noto Serif SC, `extra_fonts` (None: what `find_extra_fonts` finds), and the forms.

        `templates_dir` holds an agency's own forms. `data_font` is a 仿宋 that the agency has a licence to embed,
        used first for the filled data.

        Raises:
            BadDocument: a font or template file cannot be used.
        """
        extra = find_extra_fonts() if extra_fonts is None else tuple(extra_fonts)
        own = () if data_font is None else (data_font,)
        self._extra_fonts = (*extra, *own)
        refuse_missing("", self._extra_fonts)
        self.templates = Templates(templates_dir)
        files = [str(path.resolve()) for path in (BUNDLED_FONT, *extra, *own)]
        self._fonts = typst.Fonts(
            include_system_fonts=False,
            include_embedded_fonts=False,
            font_paths=list(dict.fromkeys(str(Path(file).parent) for file in files)),
        )
        family = {str(Path(font.path).resolve()): font.family for font in self._fonts.fonts() if font.path}
        absent = [file for file in files if file not in family]
        if absent:
            raise BadDocument(
                Words(f"字体文件不可用：{absent[0]}", f"This font file cannot be used: {absent[0]}")
            )
        families = [family[file] for file in files]
        self._families = {"fonts": ",".join(families)}
        if own:
            self._families["data_fonts"] = ",".join((families[-1], *families[:-1]))
        self._compiler = self._new_compiler(b"", {})

    def render_pdf(self, sheet: Sheet, attachments: Sequence[Attachment] = ()) -> bytes:
        """One A4 page in the form that `sheet.template` names, PDF/A-3a and PDF/UA-1, fonts embedded, `attachments`
        inside, dated by the copy's issue instant.

        PDF/A-3a keeps, and carries attachments; PDF/UA-1 reads aloud; a signature can be added to both.

        Raises:
            BadDocument: a character without a glyph (named with its code point), a text too long for its
                place, QR content that cannot be drawn, a form that may not be used, or odd attachments.
            Invalid: a stand-in's picture cannot be used.
        """
        form = self.templates.get(sheet.template, sheet.kind)
        return self._compile(
            form.source, self._inputs(sheet, form, PRINT_DPI, attachments), sheet.issued_at, "pdf"
        )

    def render_png(self, sheet: Sheet, ppi: float = 144) -> bytes:
        """The same page as a picture, `ppi` pixels an inch (36 to 600).

        From about 110 ppi on a module is two pixels or more, and the code is read back from the finished picture
        before it leaves; below, the picture is a preview whose code cannot be scanned.

        Raises:
            BadDocument, Invalid: as `render_pdf`; or `ppi` out of range.
        """
        if not MIN_PPI <= ppi <= MAX_PPI:
            raise BadDocument(
                Words("分辨率须为每英寸 36 至 600 像素。", "The resolution must be 36 to 600 ppi.")
            )
        png = self.render_trial(sheet, self.templates.get(sheet.template, sheet.kind), ppi)
        if make_qr(sheet.qr_content).dots(ppi) >= SCANNABLE_PIXELS and not shows_code(png, sheet.qr_content):
            raise unreadable_again()
        return png

    def render_trial(self, sheet: Sheet, form: Template, ppi: float) -> bytes:
        """A PNG in any form, tried or not, its code not read back: for the gate alone.

        Raises:
            BadDocument, Invalid: as `render_pdf`.
        """
        return self._compile(form.source, self._inputs(sheet, form, ppi), sheet.issued_at, "png", ppi)

    def field_boxes(self, sheet: Sheet, form: Template | None = None) -> list[Box]:
        """Where the fields of this sheet stand in its form, by name, in the order of the form.

        The gate alone gives a `form` that may not be used yet.

        Raises:
            BadDocument, Invalid: as `render_pdf`.
        """
        form = form or self.templates.get(sheet.template, sheet.kind)
        inputs = self._inputs(sheet, form, PRINT_DPI) | {"boxes": "1"}
        compiler = self._new_compiler(form.source, inputs)
        try:
            found = compiler.query("<field>", field="value", format="json")
        except RuntimeError as problem:  # a query does not say it as TypstError
            raise translate(problem) from problem
        return msgspec.json.decode(found, type=list[Box])

    def render_form(
        self,
        name: str,
        sheet: Sheet,
        extra: Mapping[str, str],
        form: Literal["pdf", "png"],
        ppi: float = PRINT_DPI,
    ) -> bytes:
        """A sheet in one of the product's other forms (`share`, `overprint`), with inputs of its own.

        Raises:
            BadDocument, Invalid: as `render_pdf`.
        """
        template = Template(name, name, frozenset({sheet.kind}), "portrait", _source(name), True)
        inputs = self._inputs(sheet, template, ppi) | dict(extra)
        return self._compile(template.source, inputs, sheet.issued_at, form, ppi)

    def render_data(
        self, name: str, data: Mapping[str, object], attachments: Sequence[Attachment], at: dt.datetime
    ) -> bytes:
        """Data that is no certificate in a form of its own (`receipt`), PDF/A-3a and PDF/UA-1, dated `at`.

        Raises:
            BadDocument: a character without a glyph, more than one page, or odd attachments.
        """
        self._refuse_unprintable(data, ())
        whole = dict(data) | {"attachments": attachment_data(attachments)}
        inputs = self._families | {"sheet": _ENCODER.encode(whole).decode()}
        return self._compile(_source(name), inputs, at, "pdf")

    def _inputs(
        self, sheet: Sheet, form: Template, dpi: float, attachments: Sequence[Attachment] = ()
    ) -> dict[str, str]:
        """What a template reads; the code's width makes a module a whole number of dots at `dpi`."""
        data = sheet_data(sheet)
        self._refuse_unprintable(data, sheet.stand_ins)
        stand_ins = [check_stand_in(stand_in) for stand_in in sheet.stand_ins]
        data |= {"stand_ins": stand_ins, "attachments": attachment_data(attachments)}
        inputs = self._families | {
            "sheet": _ENCODER.encode(data).decode(),
            "orientation": form.orientation,
            "ornament": ornament_svg(form.orientation == "portrait"),
            "flourish": flourish_svg(),
            "qr": render_qr_svg(sheet.qr_content),
            "qr_mm": f"{make_qr(sheet.qr_content).width_mm(dpi):.4f}",
        }
        if sheet.photo is not None:
            inputs["photo"] = _ENCODER.encode(list(sheet.photo)).decode()
        return inputs

    def _refuse_unprintable(self, data: object, stand_ins: Sequence[StandIn]) -> None:
        """Every character has a glyph or a stand-in, and no stand-in replaces what has a glyph."""
        text = "\n".join(texts(data))
        for stand_in in stand_ins:
            mark = stand_in.mark
            if not is_placeholder(mark) and not (len(mark) == 1 and missing_glyphs(mark, self._extra_fonts)):
                raise refuse_mark(mark)
            text = text.replace(mark, "")
        refuse_missing(text.replace("\n", ""), self._extra_fonts)

    def _compile(
        self,
        source: bytes,
        inputs: dict[str, str],
        at: dt.datetime,
        form: Literal["pdf", "png"],
        ppi: float = PRINT_DPI,
    ) -> bytes:
        try:
            pages = self._compiler.compile(
                input=source,
                format=form,
                ppi=ppi if form == "png" else None,
                sys_inputs=inputs,
                pdf_standards=["a-3a", "ua-1"] if form == "pdf" else [],
                timestamp=int(at.astimezone(dt.UTC).timestamp()),
            )
        except typst.TypstError as problem:
            raise translate(problem) from problem
        if not isinstance(pages, bytes):
            raise BadDocument(Words("内容超出一页。", "The content does not fit one page."))
        return pages

    def _new_compiler(self, source: bytes, inputs: dict[str, str]) -> typst.Compiler:
        """A compiler that sees its source, the product's vocabulary and nothing else of this machine."""
        return typst.Compiler(
            source, root=str(BUILT_IN), font_paths=self._fonts, ignore_system_fonts=True, sys_inputs=inputs
        )


def _source(name: str) -> bytes:
    return (BUILT_IN / f"{name}.typ").read_bytes()


def texts(value: object) -> Iterator[str]:
    """Every string of a template's data."""
    match value:
        case str():
            yield value
        case msgspec.Struct():
            for field in value.__struct_fields__:
                yield from texts(getattr(value, field))
        case dict():
            for part in value.values():
                yield from texts(part)
        case list() | tuple():
            for part in value:
                yield from texts(part)
        case _:
            return


def translate(problem: RuntimeError) -> BadDocument:
    """The compiler's words become the product's; `too-long:` comes from the vocabulary itself."""
    _, found, field = str(problem).partition("too-long:")
    if found:
        name = field.partition('"')[0].strip()
        return BadDocument(
            Words(f"文字过长，印不下：{name}。", f"This text is too long for its place: {name}.")
        )
    return BadDocument(Words("证书排版失败。", "The certificate could not be typeset."), hint=str(problem))
