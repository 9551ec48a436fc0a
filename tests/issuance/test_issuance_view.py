"""The office's view, the history and the sheet: everything for the owner, nothing for anybody else."""

import base64
import io
from typing import Any

import msgspec
import pytest
from PIL import Image

from verify.certificate.record import CopyCause, Status
from verify.documents.press import Press
from verify.documents.qr import qr_content
from verify.errors import Conflict, Invalid, NotFound
from verify.issuance.issue import Issued
from verify.issuance.reissue import ReissueRequest
from verify.proof.digits import decode_digits
from verify.proof.token import verify_token
from world import PUBLIC_URL, QUALIFICATION, World


async def issue(world: World, key: str = "k", **changes: Any) -> Issued:
    return await world.issuance.issue(world.skill, world.request(**changes), key, "test")


def photo(colour: str = "white") -> str:
    picture = io.BytesIO()
    Image.new("RGB", (413, 579), colour).save(picture, "JPEG")
    return base64.b64encode(picture.getvalue()).decode()


async def test_the_owner_sees_the_holder_in_full_and_each_copy_with_its_signatures(world: World) -> None:
    issued = await issue(world, name="王小明", blank_serial="A1", remark="备注")
    view = await world.views.show(f" {issued.number.lower()} ", world.agency_caller())
    assert view.holder.name == "王小明" and len(view.holder.id_number) == 18
    assert (view.results.theory, view.status, view.copy) == (82.0, Status.VALID, 1)
    assert view.scan_url == f"{PUBLIC_URL}/V/{issued.scan_code}"
    key = await world.token_key(world.skill)
    assert verify_token(decode_digits(view.token), {key.kid: key}).number == issued.number
    assert view.copies[0].credential == issued.credential
    assert (view.copies[0].blank_serial, view.copies[0].remark) == ("A1", "备注")
    assert view.links["document_pdf"].endswith(f"{issued.number}/document.pdf")


async def test_a_lapsed_suspension_reads_valid(world: World) -> None:
    issued = await issue(world)
    until = world.clock.at.replace(day=22)
    await world.changes.suspend(issued.number, "UNDER_REVIEW", world.agency_caller(), until=until)
    assert (await world.views.show(issued.number, world.agency_caller())).status is Status.SUSPENDED
    world.clock.forward(days=2)
    view = await world.views.show(issued.number, world.agency_caller())
    assert (view.status, view.until) == (Status.VALID, None)


async def test_nobody_else_learns_whether_it_exists(world: World) -> None:
    issued = await issue(world)
    told = set()
    for number in (issued.number, "S000044000456263999999"):
        for act in (world.views.show, world.views.history, world.views.sheet_for):
            with pytest.raises(NotFound) as refused:
                await act(number, world.agency_caller(QUALIFICATION))
            told.add(str(refused.value).replace(number, "…"))
    assert len(told) == 1
    assert (await world.views.show(issued.number, world.operator())).number == issued.number
    with pytest.raises(Invalid):
        await world.views.show("12", world.operator())


async def test_the_history_tells_every_change_with_who_and_why(world: World) -> None:
    issued = await issue(world)
    caller = world.agency_caller(actor="vk_anna")
    await world.changes.suspend(issued.number, "UNDER_REVIEW", caller, note="来电")
    await world.changes.reinstate(issued.number, "REVIEW_CLEARED", caller)
    request = ReissueRequest("lost")
    await world.reissues.reissue(issued.number, request, "r", caller)
    entries = await world.views.history(issued.number, caller)
    assert [entry.kind for entry in entries] == ["issued", "suspended", "reinstated", "copy-issued"]
    assert (entries[1].actor, entries[1].note, entries[1].data["reason"]) == (
        "vk_anna",
        "来电",
        "UNDER_REVIEW",
    )


async def test_the_sheet_prints_what_the_register_says(world: World) -> None:
    issued = await issue(world, name="王小明", photo=photo(), work_type="数控车工", remark="备注")
    sheet = await world.views.sheet_for(issued.number, world.agency_caller())
    assert (sheet.name, sheet.work_type, sheet.level_zh) == ("王小明", "数控车工", "三级/高级工")
    assert sheet.id_type_words.zh == "居民身份证"
    assert (sheet.copy_number, sheet.cause, sheet.remark) == (1, CopyCause.ORIGINAL, "备注")
    assert sheet.host == "verify.example.org"
    assert sheet.qr_content.startswith(qr_content(PUBLIC_URL, issued.scan_code) + "#")
    assert sheet.photo is not None and sheet.photo.startswith(b"\xff\xd8")
    assert Press().render_pdf(sheet).startswith(b"%PDF")


async def test_a_new_photo_prints_on_the_copy_that_brought_it_and_on_later_ones(world: World) -> None:
    issued = await issue(world, photo=photo())
    first = await world.views.sheet_for(issued.number, world.agency_caller())
    request = msgspec.convert({"cause": "corrected", "changes": {"photo": photo("blue")}}, ReissueRequest)
    await world.reissues.reissue(issued.number, request, "r", world.agency_caller())
    await world.reissues.reissue(issued.number, ReissueRequest("lost"), "r2", world.agency_caller())
    last = await world.views.sheet_for(issued.number, world.agency_caller())
    assert last.photo is not None and last.photo != first.photo


async def test_a_photo_that_is_no_picture_is_refused(world: World) -> None:
    for bad in ("!!!", base64.b64encode(b"\xff\xd8\xffnonsense").decode()):
        with pytest.raises(Invalid) as refused:
            await issue(world, photo=bad)
        assert refused.value.faults[0].pointer == "/photo"


async def test_no_work_type_prints_two_hyphens(world: World) -> None:
    issued = await issue(world)
    assert (await world.views.sheet_for(issued.number, world.agency_caller())).work_type == "--"


async def test_a_dead_certificate_is_no_longer_printed(world: World) -> None:
    issued = await issue(world)
    await world.changes.revoke(issued.number, "FORGED", world.agency_caller())
    with pytest.raises(Conflict):
        await world.views.sheet_for(issued.number, world.agency_caller())
    assert (await world.views.show(issued.number, world.agency_caller())).status is Status.REVOKED


async def test_no_id_number_lies_in_the_clear_in_the_register(world: World) -> None:
    request = world.request(photo=photo())
    issued = await world.issuance.issue(world.skill, request, "k", "test")
    fresh = world.request().holder.id_number
    changes = {"holder": {"id_number": fresh}}
    corrected = msgspec.convert({"cause": "corrected", "changes": changes}, ReissueRequest)
    await world.reissues.reissue(issued.number, corrected, "r", world.agency_caller())
    disk = b"".join(path.read_bytes() for path in world.directory.iterdir())
    assert issued.number.encode() in disk
    for planted in (request.holder.id_number, fresh):
        assert planted.encode() not in disk
        assert base64.b64encode(planted.encode())[:-4] not in disk
    assert base64.b64decode(photo())[:64] not in disk
