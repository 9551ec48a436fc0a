"""The printed certificate says everything the rules ask, in both kinds and all levels, or is not printed at all."""

import datetime as dt
import hashlib
import io
import math
import shutil
import subprocess
import threading
from pathlib import Path

import cv2
import msgspec
import numpy as np
import pikepdf
import pytest
import zxingcpp
from PIL import Image
from pylopdf_fonts_zh_cn import sans_path

from verify.certificate.record import CopyCause, Kind
from verify.documents.glyphs import BUNDLED_FONT, missing_glyphs
from verify.documents.picture import check_photo
from verify.documents.press import Press
from verify.documents.qr import make_qr, qr_content
from verify.documents.sheet import Sheet, sheet_data
from verify.errors import BadDocument, Words

SCAN_CODE = "7K3Q9XWMPA2D7K3Q"
CONTENT = qr_content("https://zs.example.cn", SCAN_CODE, "0123456789" * 31)
SKILL_LEVELS = [
    ("五级/初级工", "Level 5 / Junior Worker"),
    ("四级/中级工", "Level 4 / Intermediate Worker"),
    ("三级/高级工", "Level 3 / Senior Worker"),
    ("二级/技师", "Level 2 / Technician"),
    ("一级/高级技师", "Level 1 / Senior Technician"),
    ("特级技师", "Distinguished Technician"),
    ("首席技师", "Chief Technician"),
]
QUALIFICATION_LEVELS = [
    ("初级（国家职业资格五级）", "National Vocational Qualification Level 5"),
    ("高级技师（国家职业资格一级）", "National Vocational Qualification Level 1"),
]
SHEET = Sheet(
    kind=Kind.SKILL_LEVEL,
    name="王小明",
    id_type_words=Words("居民身份证", "PRC resident ID card"),
    id_number="990105194912310021",
    occupation_name="车工",
    occupation_code="6-18-01-01",
    work_type="--",
    level_zh="一级/高级技师",
    level_en="Level 1 / Senior Technician",
    number="S000035000123261000362",
    issued_on=dt.date(2026, 11, 20),
    agency_name_zh="福建省智能制造行业协会",
    agency_name_en="Fujian Intelligent Manufacturing Association",
    copy_number=1,
    cause=CopyCause.ORIGINAL,
    host="zs.example.cn",
    scan_code=SCAN_CODE,
    qr_content=CONTENT,
    issued_at=dt.datetime(2026, 11, 20, 4, 0, tzinfo=dt.UTC),
)
QUALIFICATION = msgspec.structs.replace(
    SHEET,
    kind=Kind.QUALIFICATION,
    level_zh="高级（国家职业资格三级）",
    level_en="National Vocational Qualification Level 3",
    number="2610012003300127",
    agency_name_zh="江苏省南京市职业技能鉴定中心",
    copy_number=2,
    cause=CopyCause.LOST,
    remark="原证书遗失补发",
    blank_serial="1000123456",
)
LONGEST = msgspec.structs.replace(
    SHEET,
    name="阿不都热合曼" * 10,
    id_type_words=Words(
        "港澳居民来往内地通行证（非中国籍）",
        "Mainland travel permit for Hong Kong and Macao residents (non-Chinese nationals)",
    ),
    occupation_name="贵金属首饰与宝玉石检测员兼半导体分立器件和集成电路装调工复合型技术技能",
    work_type="无人机驾驶员（植保、巡检、航拍、安防、物流多旋翼及固定翼综合应用方向）",
    agency_name_zh="中国某某某某装备制造集团有限公司某某省某某市职业技能等级认定中心某某分支机构",
    agency_name_en="Vocational Skill Assessment Centre, Some City Branch, China Some Equipment Group Co., Ltd.",
    remark="原证书姓名有误，经核实后更正换发，原件已收回并登记销毁。",
    blank_serial="NO.20260000012345",
    cause=CopyCause.CORRECTED,
    copy_number=12,
)
FORMS = [
    msgspec.structs.replace(sheet, template=template)
    for template in ("certificate", "portrait")
    for sheet in (SHEET, QUALIFICATION, LONGEST)
]
FORM_IDS = [
    f"{sheet.template}-{size}"
    for sheet, size in zip(FORMS, ["skill", "qualification", "longest"] * 2, strict=True)
]


@pytest.fixture(scope="module")
def press() -> Press:
    return Press(extra_fonts=())


@pytest.fixture(scope="module")
def photo() -> bytes:
    picture = Image.new("RGB", (600, 840), "white")
    picture.paste((210, 170, 140), (200, 200, 400, 500))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return check_photo(out.getvalue())


def page_text(pdf: bytes) -> str:
    """What a reader can copy out of the page, all blanks removed."""
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext (poppler-utils) is not installed: the text of the page was not read back")
    done = subprocess.run(["pdftotext", "-", "-"], input=pdf, capture_output=True, check=True)
    return "".join(done.stdout.decode().split())


def page_picture(pdf: bytes, tmp_path: Path) -> Image.Image:
    """The page as another program renders it at 300 dpi."""
    if shutil.which("pdftoppm") is None:
        pytest.skip("pdftoppm (poppler-utils) is not installed: the PDF was not rendered by another program")
    source = tmp_path / "page.pdf"
    source.write_bytes(pdf)
    subprocess.run(
        ["pdftoppm", "-r", "300", "-png", "-singlefile", str(source), str(tmp_path / "page")], check=True
    )
    with Image.open(tmp_path / "page.png") as page:
        return page.convert("L")


def codes(page: Image.Image) -> list[str]:
    return [found.text for found in zxingcpp.read_barcodes(page)]


def by_opencv(page: Image.Image, press: Press, sheet: Sheet) -> str:
    box = next(box for box in press.field_boxes(sheet) if box.name == "qr")
    edges = (box.x - 5, box.y - 5, box.x + box.width + 5, box.y + box.height + 5)
    corner = page.crop(tuple(round(edge / 25.4 * 300) for edge in edges))
    return cv2.QRCodeDetector().detectAndDecode(np.array(corner))[0]


def test_the_skill_level_page_says_every_mandatory_item(press: Press) -> None:
    text = page_text(press.render_pdf(SHEET))
    for item in (
        "职业技能等级证书",
        "CertificateofOccupationalSkillLevel",
        "本证书表明持证人通过本机构组织的职业技能等级认定",
        "福建省智能制造行业协会",
        "2026年11月20日",
        "20November2026",
        "王小明",
        "居民身份证",
        "990105194912310021",
        "车工",
        "--",
        "一级/高级技师",
        "S000035000123261000362",
        "照片",
        "http://jndj.osta.org.cn",
        "http://pjjg.osta.org.cn",
        "zs.example.cn",
        "7K3Q9XWMPA2D7K3Q",
        "第1份",
        "以核验页面当前显示的结果为准",
        "Validityiswhattheverificationpageshowsnow",
    ):
        assert item in text, item
    assert "备注" not in text and "印制流水码" not in text


def test_the_qualification_page_has_its_own_title_wording_and_address(press: Press) -> None:
    text = page_text(press.render_pdf(QUALIFICATION))
    for item in (
        "职业资格证书",
        "高级（国家职业资格三级）",
        "2610012003300127",
        "http://zscx.osta.org.cn",
        "备注",
        "原证书遗失补发",
        "印制流水码",
        "1000123456",
        "第2份（遗失补发）",
        "Copy2(afterloss)",
    ):
        assert item in text, item
    assert "职业技能等级" not in text and "jndj" not in text and "pjjg" not in text


@pytest.mark.parametrize(
    "sheet",
    [
        pytest.param(sheet, id=name, marks=() if name.endswith("longest") else pytest.mark.long)
        for sheet, name in zip(FORMS, FORM_IDS, strict=True)
    ],
)
def test_the_code_on_the_page_is_read_by_two_decoders(press: Press, sheet: Sheet, tmp_path: Path) -> None:
    page = page_picture(press.render_pdf(sheet), tmp_path)
    assert codes(page) == [CONTENT]
    assert by_opencv(page, press, sheet) == CONTENT


@pytest.mark.parametrize("ppi", [120, 144, 150, 200, 300])
def test_the_code_on_the_png_is_read(press: Press, ppi: int) -> None:
    assert codes(Image.open(io.BytesIO(press.render_png(SHEET, ppi))).convert("L")) == [CONTENT]


def test_a_module_is_a_whole_number_of_dots_at_300_dpi(press: Press) -> None:
    worst = qr_content(
        "https://" + "a" * 21 + ".cn", SCAN_CODE, "9" * (7 * 53 + math.ceil(88 * math.log10(2)))
    )
    code = make_qr(worst)
    assert code.version <= 10
    assert code.dots(300) >= 4
    assert math.isclose(code.width_mm(300) / code.span * 300 / 25.4, code.dots(300))
    page = press.render_png(msgspec.structs.replace(SHEET, qr_content=worst), 300)
    assert codes(Image.open(io.BytesIO(page)).convert("L")) == [worst]


@pytest.mark.parametrize(("zh", "en"), SKILL_LEVELS)
def test_every_skill_level_renders(press: Press, zh: str, en: str) -> None:
    text = page_text(press.render_pdf(msgspec.structs.replace(SHEET, level_zh=zh, level_en=en)))
    assert zh in text and en.replace(" ", "") in text


@pytest.mark.parametrize(("zh", "en"), QUALIFICATION_LEVELS)
def test_every_qualification_level_renders(press: Press, zh: str, en: str) -> None:
    assert zh in page_text(press.render_pdf(msgspec.structs.replace(QUALIFICATION, level_zh=zh, level_en=en)))


@pytest.mark.parametrize("cause", list(CopyCause))
def test_every_cause_of_a_copy_renders(press: Press, cause: CopyCause) -> None:
    assert press.render_pdf(msgspec.structs.replace(SHEET, cause=cause, copy_number=3)).startswith(b"%PDF-")


@pytest.mark.parametrize(
    "name",
    [
        "阿依古丽·买买提·吐尔逊江",
        "𠅤䶮𬭎",
        "JEAN-PIERRE O’NEILL MAXIMILIAN ALEXANDER VAN DER WESTHUIZEN",
        "某" * 50,
        "某" * 100,
    ],
)
def test_every_name_that_the_register_takes_is_printed_whole(press: Press, name: str) -> None:
    text = page_text(press.render_pdf(msgspec.structs.replace(SHEET, name=name)))
    assert name.replace(" ", "") in text


@pytest.mark.parametrize("length", [1, 4, 8, 14, 22, 30, 40])
def test_the_seal_takes_a_name_of_any_length(press: Press, length: int) -> None:
    sheet = msgspec.structs.replace(
        SHEET, agency_name_zh="福建省厦门市技能评价中心"[: min(length, 12)] + "某" * (length - 12)
    )
    assert press.render_pdf(sheet).startswith(b"%PDF-")


def test_what_does_not_fit_is_refused_and_never_cut_short(press: Press) -> None:
    with pytest.raises(BadDocument) as refused:
        press.render_pdf(msgspec.structs.replace(SHEET, name="某" * 400))
    assert "Name" in refused.value.detail.en
    full = dict.fromkeys(("name", "remark", "work_type", "occupation_name"), "某" * 130)
    assert press.render_pdf(msgspec.structs.replace(LONGEST, **full))
    more = dict.fromkeys(("level_zh", "blank_serial", "number", "id_number"), "某" * 130)
    with pytest.raises(BadDocument) as refused:
        press.render_pdf(msgspec.structs.replace(LONGEST, **full, **more))
    assert "rows" in refused.value.detail.en


@pytest.mark.parametrize("field", ["name", "agency_name_zh", "remark", "work_type", "occupation_name"])
def test_a_character_without_a_glyph_is_refused_by_name(press: Press, field: str) -> None:
    sheet = msgspec.structs.replace(SHEET, **{field: "张𰻝"})
    for render in (press.render_pdf, press.render_png):
        with pytest.raises(BadDocument) as refused:
            render(sheet)
        assert "𰻝 (U+30EDD)" in refused.value.detail.en and "𰻝" in refused.value.detail.zh


def test_intake_can_ask_which_characters_do_not_print() -> None:
    assert missing_glyphs("王小明·𠅤䶮 O’NEILL（-）") == []
    assert missing_glyphs("𰻝王𪚥𰻝\ue863\x07ئ", ()) == ["𰻝", "𪚥", "\ue863", "\x07", "ئ"]


def test_a_font_file_that_is_none_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(BUNDLED_FONT.read_bytes()[:40])
    for path in (broken, tmp_path / "absent.ttf"):
        with pytest.raises(BadDocument):
            Press(extra_fonts=[path])


def test_an_extra_font_prints_what_the_bundled_one_lacks() -> None:
    absent = missing_glyphs("".join(map(chr, range(0x20000, 0x2A6E0))), ())
    mark = next(mark for mark in absent if not missing_glyphs(mark, [sans_path()]))
    sheet = msgspec.structs.replace(SHEET, name=f"某{mark}")
    with pytest.raises(BadDocument):
        Press(()).render_pdf(sheet)
    assert f"某{mark}" in page_text(Press(extra_fonts=[sans_path()]).render_pdf(sheet))


def test_text_is_data_and_never_markup(press: Press) -> None:
    text = page_text(
        press.render_pdf(msgspec.structs.replace(SHEET, remark='#panic("x") *b* $a$ <l> @r \\ "'))
    )
    assert '#panic("x")*b*$a$<l>@r\\"' in text


@pytest.mark.parametrize("sheet", FORMS, ids=FORM_IDS)
def test_the_same_sheet_gives_the_same_bytes_in_any_press(press: Press, sheet: Sheet) -> None:
    first = press.render_pdf(sheet)
    press.render_pdf(msgspec.structs.replace(sheet, name="别人"))
    assert press.render_pdf(sheet) == first == Press(()).render_pdf(sheet) == Press().render_pdf(sheet)
    assert press.render_png(sheet, 72) == press.render_png(sheet, 72)


def test_a_press_per_thread_gives_the_same_bytes(press: Press) -> None:
    wanted = hashlib.sha256(press.render_pdf(SHEET)).digest()
    made: list[bytes] = []

    def work() -> None:
        own = Press(())
        made.extend(hashlib.sha256(own.render_pdf(SHEET)).digest() for _ in range(3))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [wanted] * 9


def test_the_size_stays_within_what_a_counter_can_send(press: Press, photo: bytes) -> None:
    for sheet in (SHEET, QUALIFICATION, LONGEST):
        plain = press.render_pdf(sheet)
        assert len(plain) <= 120 * 1024
        assert (
            len(press.render_pdf(msgspec.structs.replace(sheet, photo=photo)))
            <= len(plain) + len(photo) + 4096
        )


def test_the_portrait_is_on_the_page_and_the_empty_place_is_not(press: Press, photo: bytes) -> None:
    pdf = press.render_pdf(msgspec.structs.replace(SHEET, photo=photo))
    assert "照片" not in page_text(pdf)
    page = Image.open(io.BytesIO(press.render_png(msgspec.structs.replace(SHEET, photo=photo), 72)))
    middle = page.convert("RGB").getpixel((round(41.5 / 25.4 * 72), round(91 / 25.4 * 72)))
    assert isinstance(middle, tuple)
    assert all(abs(a - b) < 12 for a, b in zip(middle, (210, 170, 140), strict=True))


def test_the_file_claims_pdf_a_3a_and_pdf_ua_1_and_keeps_to_what_can_be_seen(
    press: Press, photo: bytes
) -> None:
    data = press.render_pdf(msgspec.structs.replace(SHEET, photo=photo))
    with pikepdf.open(io.BytesIO(data)) as pdf:
        assert len(pdf.pages) == 1
        box = [float(edge) for edge in pdf.pages[0].mediabox]
        assert (round(box[2] / 72 * 25.4), round(box[3] / 72 * 25.4)) == (297, 210)
        with pdf.open_metadata() as about:
            assert (about["pdfaid:part"], about["pdfaid:conformance"], about["pdfuaid:part"]) == (
                "3",
                "A",
                "1",
            )
            assert "职业技能等级证书" in str(about["dc:title"])
        assert str(pdf.Root.Lang).lower().startswith("zh")
        assert pdf.Root.MarkInfo.Marked
        assert pdf.Root.ViewerPreferences.DisplayDocTitle
        assert str(pdf.docinfo["/CreationDate"]).startswith("D:20261120040000")
        fonts = [
            thing
            for thing in pdf.objects
            if isinstance(thing, pikepdf.Dictionary) and "/FontDescriptor" in thing
        ]
        assert fonts and all("/FontFile3" in font.FontDescriptor for font in fonts)
        figures = [
            thing
            for thing in pdf.objects
            if isinstance(thing, pikepdf.Dictionary) and thing.get("/S") == "/Figure"
        ]
        assert len(figures) == 2 and all("/Alt" in figure for figure in figures)


def test_no_identity_number_is_in_the_metadata(press: Press) -> None:
    with pikepdf.open(io.BytesIO(press.render_pdf(SHEET))) as pdf:
        about = b"".join([pdf.Root.Metadata.read_bytes(), repr(dict(pdf.docinfo)).encode()])
    assert SHEET.id_number.encode() not in about and SHEET.name.encode() not in about


@pytest.mark.parametrize("ppi", [0, 35, 601, -1, float("nan")])
def test_an_absurd_resolution_is_refused(press: Press, ppi: float) -> None:
    with pytest.raises(BadDocument):
        press.render_png(SHEET, ppi)


def test_a_longer_life_than_the_memory_of_the_press(press: Press) -> None:
    """A hundred different sheets leave the press able to print the first one alike."""
    first = press.render_pdf(SHEET)
    for serial in range(100):
        press.render_pdf(msgspec.structs.replace(SHEET, number=f"S000035000123261{serial:06d}"))
    assert press.render_pdf(SHEET) == first


def test_nothing_of_the_results_is_printed() -> None:
    assert not {"theory", "practical", "review"} & set(sheet_data(SHEET))
