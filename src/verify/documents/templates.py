"""The forms a certificate can be printed in: those of the product, and an agency's own.

A form is a .typ file written with the words of `templates/vocabulary.typ`. One that the product does not ship may
print only after its code was shown to scan (`gate.py`): the record of that trial lies beside it as
`<name>.gate.json` and names the SHA-256 of exactly these bytes.
"""

import hashlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, Literal

import msgspec

from verify.certificate.record import Kind
from verify.errors import BadDocument, Words

BUILT_IN: Final = Path(__file__).parent / "templates"
FORMS: Final = ("certificate", "portrait")
"""The product's own, in the order of the README."""
MAX_BYTES: Final = 64 * 1024
MAX_TEMPLATES: Final = 64
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
_HEADER: Final = re.compile(r"^//! ([a-z]+): *(\S.*?) *$", re.MULTILINE)

Orientation = Literal["portrait", "landscape"]


class Template(msgspec.Struct, frozen=True):
    """One form, with its text as it was read."""

    name: str
    title: str
    """For people, from the header; the name where it has none."""
    kinds: frozenset[Kind]
    orientation: Orientation
    source: bytes
    built_in: bool = False

    @property
    def sha256(self) -> str:
        """Of the source, lower-case hex."""
        return hashlib.sha256(self.source).hexdigest()


class GateRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate writes beside a template: `<name>.gate.json`."""

    template: str
    template_sha256: str
    vocabulary_sha256: str
    """Of `vocabulary.typ`: a new release of the product asks for a new trial."""
    passed: bool
    rows: tuple[tuple[str, ...], ...]
    """The report's table, first line the heads."""
    report_sha256: str = ""
    """Of everything above; see `sealed`."""

    def sealed(self) -> "GateRecord":
        """The record with its own digest, so that an edited table is noticed."""
        bare = msgspec.structs.replace(self, report_sha256="")
        digest = hashlib.sha256(msgspec.json.encode(bare)).hexdigest()
        return msgspec.structs.replace(bare, report_sha256=digest)


@cache
def vocabulary_sha256() -> str:
    """Of the words that every template uses, lower-case hex."""
    return hashlib.sha256((BUILT_IN / "vocabulary.typ").read_bytes()).hexdigest()


def parse_template(name: str, source: bytes, *, built_in: bool = False) -> Template:
    """A template from its file's name and bytes.

    Raises:
        BadDocument: the name is not lower-case ASCII, the file is large or not UTF-8, its `//!` header lacks kinds
            or orientation, or it imports a package (nothing is loaded from a network).
    """
    if not _NAME.fullmatch(name) or len(source) > MAX_BYTES:
        raise _refuse(name, Words("名称或大小不符", "name or size"))
    try:
        text = source.decode()
    except UnicodeDecodeError as problem:
        raise _refuse(name, Words("不是 UTF-8", "not UTF-8")) from problem
    head = dict(_HEADER.findall(text))
    known = {kind.value: kind for kind in Kind}
    kinds = head.get("kinds", "").replace(",", " ").split()
    match head.get("orientation"):
        case "portrait":
            orientation: Orientation = "portrait"
        case "landscape":
            orientation = "landscape"
        case _:
            raise _refuse(name, Words("缺少 //! orientation", "no //! orientation: portrait|landscape"))
    if not kinds or not set(kinds) <= known.keys():
        raise _refuse(name, Words("缺少 //! kinds", f"no //! kinds: {' '.join(known)}"))
    if '"@' in text:
        raise _refuse(name, Words("不得引用软件包", "packages cannot be imported"))
    return Template(
        name, head.get("name", name), frozenset(known[kind] for kind in kinds), orientation, source, built_in
    )


class Templates:
    """The registry: read once from the product and one directory; later changes need a restart."""

    def __init__(self, directory: Path | None = None) -> None:
        """Read the product's forms, then `*.typ` of `directory` with their gate records.

        Raises:
            BadDocument: a file is no template, there are more than 64, or one has a name of the product's.
        """
        self._forms = {name: load_template(BUILT_IN / f"{name}.typ", built_in=True) for name in FORMS}
        self._records: dict[str, GateRecord | None] = {}
        files = sorted(directory.glob("*.typ")) if directory else []
        if len(files) > MAX_TEMPLATES:
            raise BadDocument(
                Words(f"模板超过 {MAX_TEMPLATES} 个。", f"There are more than {MAX_TEMPLATES} templates.")
            )
        for path in files:
            if path.stem in self._forms:
                raise _refuse(path.stem, Words("名称已被占用", "the name is taken"))
            self._forms[path.stem] = load_template(path)
            self._records[path.stem] = load_record(path)

    def __iter__(self) -> Iterator[Template]:
        return iter(self._forms.values())

    def get(self, name: str, kind: Kind) -> Template:
        """The form of that name, if it may print this kind of certificate.

        Raises:
            BadDocument: there is none, it is for another kind, or no passed gate record matches its bytes.
        """
        template = self._forms.get(name)
        if template is None:
            raise _refuse(name, Words("没有此模板", f"there are only {', '.join(self._forms)}"))
        if kind not in template.kinds:
            raise _refuse(name, Words("不适用于该类证书", f"not for {kind.value}"))
        if not self.active(template):
            raise BadDocument(
                Words(
                    f"模板 {name} 未通过扫码测试，不能使用。",
                    f"Template {name} has not passed the scannability gate and cannot be used.",
                ),
                hint=f"verify template check {name}.typ",
            )
        return template

    def active(self, template: Template) -> bool:
        """Whether it may print: the product's own, or tried in exactly this state."""
        record = self._records.get(template.name)
        return template.built_in or (record is not None and matches(record, template))


def matches(record: GateRecord, template: Template) -> bool:
    """Whether `record` is whole, passed, and of exactly this template and vocabulary."""
    return (
        record.passed
        and record == record.sealed()
        and (record.template, record.template_sha256) == (template.name, template.sha256)
        and record.vocabulary_sha256 == vocabulary_sha256()
    )


def load_template(path: Path, *, built_in: bool = False) -> Template:
    """The template in a file. Raises BadDocument: see `parse_template`; or it cannot be read."""
    try:
        with path.open("rb") as file:
            source = file.read(MAX_BYTES + 1)
    except OSError as problem:
        raise _refuse(path.stem, Words("无法读取", "cannot be read")) from problem
    return parse_template(path.stem, source, built_in=built_in)


def record_path(template: Path) -> Path:
    """Where the gate's record of a template file lies: `<name>.gate.json` beside it."""
    return template.with_suffix(".gate.json")


def load_record(template: Path) -> GateRecord | None:
    """The record beside a template file, or None if there is none that can be read."""
    try:
        with record_path(template).open("rb") as file:
            return msgspec.json.decode(file.read(1 << 20), type=GateRecord)
    except (OSError, msgspec.DecodeError):
        return None


def _refuse(name: str, why: Words) -> BadDocument:
    return BadDocument(Words(f"模板 {name} 不可用：{why.zh}。", f"Template {name} cannot be used: {why.en}."))
