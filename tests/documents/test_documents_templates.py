"""A form prints only what the rules ask, and an agency's own form only after its code was shown to scan."""

import shutil
import subprocess
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pytest
from PIL import Image

from verify.certificate.record import Kind
from verify.documents.gate import DAMAGES, ZXING, Decoder, run_gate, trial_sheet
from verify.documents.press import Press
from verify.documents.templates import (
    GateRecord,
    Template,
    Templates,
    load_record,
    load_template,
    matches,
    parse_template,
    record_path,
    vocabulary_sha256,
)
from verify.errors import BadDocument

OWN = """//! kinds: skill_level
//! orientation: portrait
//! name: 某某协会版式
#import "vocabulary.typ": *
#show: sheet
#at(24mm, 27mm, width: 162mm, align(center, title(size: 26pt)))
#at(26mm, 60mm, body(width: 110mm))
#at(149mm, 55mm, photo())
#for (i, name) in ("name", "id_type", "id_number", "occupation", "work_type", "level", "number").enumerate() {
  at(26mm, 110mm + i * 14mm, field(name, width: 158mm))
}
#at(26mm, 215mm, QR)
#at(60mm, 215mm, host(width: 60mm))
#at(26mm, 246mm, addresses())
#at(120mm, 215mm, agency(width: 66mm))
#at(120mm, 240mm, issued(width: 66mm))
#at(26mm, 272mm, note())
"""


def own(tmp_path: Path, qr: str = "qr()", text: str = OWN) -> Path:
    path = tmp_path / "own.typ"
    path.write_text(text.replace("QR)", f"{qr})"))
    return path


def opencv(picture: Image.Image) -> list[str]:
    found = cv2.QRCodeDetector().detectAndDecode(np.array(picture))[0]
    return [found] if found else []


def zbar(picture: Image.Image, tmp_path: Path) -> list[str]:
    picture.save(tmp_path / "seen.png")
    command = ["zbarimg", "--raw", "-q", "-Sdisable", "-Sqrcode.enable", str(tmp_path / "seen.png")]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()


@pytest.fixture(scope="module")
def press() -> Press:
    return Press(())


@pytest.mark.parametrize("name", ["certificate", "portrait"])
def test_the_code_of_every_form_survives_every_damage_at_every_length(press: Press, name: str) -> None:
    template = next(form for form in press.templates if form.name == name)
    report = run_gate(press, template, (ZXING, Decoder("opencv", opencv, required=False)))
    assert report.passed, report.table()
    assert len(report.table()) == 1 + 3 * len(DAMAGES)
    assert {row.version for row in report.rows} == {3, 9, 10}
    assert all(0.40 < row.module_mm < 0.70 for row in report.rows)


def test_a_third_decoder_reads_them_too(press: Press, tmp_path: Path) -> None:
    if shutil.which("zbarimg") is None:
        pytest.skip("zbarimg (Debian's zbar-tools) is not installed: only two decoders read the codes")
    template = next(iter(press.templates))
    third = Decoder("zbar", lambda picture: zbar(picture, tmp_path), required=False)
    report = run_gate(press, template, (ZXING, third), ("typical",))
    assert report.passed, report.table()


def test_the_report_tells_version_module_damage_and_strength(press: Press) -> None:
    head, *rows = run_gate(press, next(iter(press.templates)), lengths=("short",)).table()
    assert head == ("data", "version", "mm/module", "damage", "strength", "zxing-cpp")
    assert rows[0] == ("short", "3", "0.677", "原样 undamaged", "300 dpi", "yes")


def test_an_agencys_own_form_prints_after_the_gate_and_not_before(press: Press, tmp_path: Path) -> None:
    path = own(tmp_path)
    sheet = msgspec.structs.replace(trial_sheet(Kind.SKILL_LEVEL, "typical"), template="own")
    for render in (
        Press((), templates_dir=tmp_path).render_pdf,
        Press((), templates_dir=tmp_path).render_png,
    ):
        with pytest.raises(BadDocument) as refused:
            render(sheet)
        assert "not passed" in refused.value.detail.en and "verify template check" in refused.value.hint
    report = run_gate(press, load_template(path), lengths=("typical",))
    assert report.passed, (report.missing, report.table())
    record_path(path).write_bytes(msgspec.json.encode(report.record()))
    assert Press((), templates_dir=tmp_path).render_pdf(sheet).startswith(b"%PDF-")
    path.write_text(path.read_text() + "\n")
    with pytest.raises(BadDocument):
        Press((), templates_dir=tmp_path).render_pdf(sheet)


@pytest.mark.parametrize(
    "qr",
    [
        "scale(50%, qr())",
        "{ qr(); place(top + left, rect(width: 26mm, height: 9mm, fill: black)) }",
        "block(fill: rgb(40, 40, 40), inset: 4mm, text(white)[x])",
    ],
)
def test_a_code_too_small_covered_or_absent_does_not_pass(press: Press, tmp_path: Path, qr: str) -> None:
    report = run_gate(press, load_template(own(tmp_path, qr)), lengths=("typical",))
    assert not report.passed
    assert not report.record().passed


def test_a_form_that_leaves_out_a_mandatory_item_does_not_pass(press: Press, tmp_path: Path) -> None:
    path = own(tmp_path, text=OWN.replace('"id_number", ', "").replace("#at(26mm, 246mm, addresses())", ""))
    report = run_gate(press, load_template(path), lengths=("short",))
    assert report.missing == ("copy", "id_number") and not report.passed


def test_a_record_that_was_edited_or_is_of_another_file_opens_nothing() -> None:
    template = parse_template("own", OWN.encode())
    good = GateRecord(
        template="own",
        template_sha256=template.sha256,
        vocabulary_sha256=vocabulary_sha256(),
        passed=True,
        rows=(("a",),),
    ).sealed()
    assert matches(good, template)
    edits = [
        {"passed": False},
        {"rows": (("b",),)},
        {"template": "other"},
        {"template_sha256": "0" * 64},
        {"vocabulary_sha256": "0" * 64},
        {"report_sha256": ""},
    ]
    for edit in edits:
        assert not matches(msgspec.structs.replace(good, **edit), template)
    failed = msgspec.structs.replace(good, passed=False).sealed()
    assert not matches(failed, template)


def test_a_record_that_is_no_record_counts_as_none(tmp_path: Path) -> None:
    path = own(tmp_path)
    assert load_record(path) is None
    record_path(path).write_text("[]")
    assert load_record(path) is None


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("own", b""),
        ("own", OWN.replace("//! kinds: skill_level", "").encode()),
        ("own", OWN.replace("skill_level", "driving_licence").encode()),
        ("own", OWN.replace("portrait", "round").encode()),
        ("own", OWN.encode() + b'#import "@preview/cetz:0.3.0"'),
        ("own", OWN.encode("utf-16")),
        ("own", OWN.encode() + b" " * 70_000),
        ("../own", OWN.encode()),
        ("OWN", OWN.encode()),
    ],
)
def test_what_is_no_template_is_refused(name: str, source: bytes) -> None:
    with pytest.raises(BadDocument):
        parse_template(name, source)


def test_a_form_sees_no_other_file_of_this_machine(press: Press, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    for target in (str(tmp_path / "secret.txt"), "../press.py", "/etc/passwd", "secret.txt"):
        text = OWN.replace("#at(26mm, 272mm, note())", f'#at(26mm, 272mm, read("{target}"))')
        with pytest.raises(BadDocument):
            run_gate(press, load_template(own(tmp_path, text=text)), lengths=("short",))


def test_the_names_of_the_products_forms_are_taken_and_unknown_ones_refused(tmp_path: Path) -> None:
    (tmp_path / "portrait.typ").write_text(OWN)
    with pytest.raises(BadDocument):
        Templates(tmp_path)
    with pytest.raises(BadDocument):
        Templates().get("absent", Kind.SKILL_LEVEL)


def test_a_form_prints_only_the_kinds_it_names(tmp_path: Path) -> None:
    own(tmp_path)
    with pytest.raises(BadDocument) as refused:
        Templates(tmp_path).get("own", Kind.QUALIFICATION)
    assert "qualification" in refused.value.detail.en


def test_the_registry_lists_name_title_kinds_and_orientation(tmp_path: Path) -> None:
    own(tmp_path)
    forms: dict[str, Template] = {form.name: form for form in Templates(tmp_path)}
    assert forms.keys() == {"certificate", "portrait", "own"}
    assert forms["portrait"].orientation == "portrait" and forms["certificate"].orientation == "landscape"
    assert forms["portrait"].kinds == {Kind.SKILL_LEVEL, Kind.QUALIFICATION}
    assert forms["own"].title == "某某协会版式" and not forms["own"].built_in


@pytest.mark.parametrize("name", ["certificate", "portrait"])
def test_asking_where_the_fields_stand_moves_nothing(press: Press, name: str) -> None:
    sheet = msgspec.structs.replace(trial_sheet(Kind.SKILL_LEVEL, "longest"), template=name)
    boxes = press.field_boxes(sheet)
    width, height = (297, 210) if name == "certificate" else (210, 297)
    assert {"name", "id_number", "number", "qr", "photo", "agency"} <= {box.name for box in boxes}
    assert all(0 < box.x < box.x + box.width < width for box in boxes)
    assert all(0 < box.y < box.y + box.height < height for box in boxes)
