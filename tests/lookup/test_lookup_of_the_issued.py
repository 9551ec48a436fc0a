"""What the issuing side made is found by every way of asking, at once."""

import msgspec
import pytest
from lookup_desk import read_answer

from verify.certificate.form import OccupationInput
from verify.lookup.check import Checker
from verify.lookup.scan import Lookup
from verify.proof.digits import encode_digits
from world import LATHE, PUBLIC_URL, World

PEOPLE = (
    ("阿卜杜热合曼·买买提", "RESIDENT_ID", None),
    ("欧阳娜", "HKMO_TRAVEL_PERMIT", "H0123456701"),
    ("ANNA SMITH-JONES", "PASSPORT", "E12345678"),
    ("王小明", "RESIDENT_ID_15", "990101900101123"),
)


@pytest.mark.parametrize("kind", ["skill", "qualification"])
@pytest.mark.parametrize("person", PEOPLE, ids=lambda person: person[1])
async def test_an_issued_certificate_is_found_by_every_way_of_asking(
    world: World, kind: str, person: tuple[str, str, str | None]
) -> None:
    lookup = Lookup(
        world.store, data_keys=world.data_keys, near_cache_bytes=1 << 20, deadline_s=5, now=world.clock
    )
    checker = Checker(world.store, data_keys=world.data_keys, deadline_s=5, now=world.clock)
    name, id_type, id_number = person
    given = {"name": name, "id_type": id_type} | ({"id_number": id_number} if id_number else {})
    request = world.request(**given)
    request = msgspec.structs.replace(
        request, kind=None, occupation=OccupationInput(LATHE.code, LATHE.name), work_type=None
    )
    agency = world.skill if kind == "skill" else world.qualification
    issued = await world.issuance.issue(agency, request, "key-1", "test")
    holder = request.holder
    for _ in range(2):
        assert len((await lookup.by_number(issued.number)).answers) == 1
        named = await lookup.by_number_and_name(issued.number, holder.name)
        person_found = await lookup.by_person(holder.id_type, holder.id_number, holder.name)
        scanned = await lookup.by_scan_code(issued.scan_code)
        assert named.answers == person_found.answers == scanned.answers
        assert read_answer(named.answers[0])["holder"]["name"] == holder.name
        assert holder.id_number not in repr(named)
    address = f"{PUBLIC_URL}/V/{issued.scan_code}#{encode_digits(issued.token)}"
    for text in (address, issued.credential, encode_digits(issued.token), issued.scan_code):
        report = await checker.check(text)
        assert report.verdict == "valid"
        assert all(check.outcome != "failed" for check in report.checks)
