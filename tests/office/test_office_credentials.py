"""API keys: shown once, kept as a hash, refused from the moment they are revoked."""

from pathlib import Path

import pytest

from verify.errors import Invalid, NotFound, Unauthenticated
from verify.office.office import Office
from verify.store.register import list_credentials
from verify.store.sqlite import SqliteStore

CODE = "S000035000123"


async def _agency(office: Office) -> None:
    await office.agencies.add(CODE, name_zh="某评价机构", actor="tester")


async def test_a_key_opens_the_door_to_its_own_agency_only(office: Office) -> None:
    await _agency(office)
    made, bearer = await office.credentials.create("教务系统", agency=CODE, actor="tester")
    found = await office.credentials.authenticate(bearer)
    assert found == made
    assert (found.role, found.agency) == ("agency", CODE)
    assert bearer.startswith(f"vk_{made.id}_")


async def test_an_operator_key_belongs_to_no_agency(office: Office) -> None:
    _, bearer = await office.credentials.create("控制台", agency=None, actor="tester")
    found = await office.credentials.authenticate(bearer)
    assert (found.role, found.agency) == ("operator", None)


async def test_an_employers_key_belongs_to_no_agency_and_is_not_the_operators(office: Office) -> None:
    made, bearer = await office.credentials.create(
        "岭南机械有限公司", agency=None, employer=True, actor="tester"
    )
    found = await office.credentials.authenticate(bearer)
    assert found == made and (found.role, found.agency) == ("employer", None)


async def test_a_revoked_key_is_refused_by_the_next_request_on_another_node(
    office: Office, database: Path
) -> None:
    made, bearer = await office.credentials.create("x", agency=None, actor="tester")
    node = SqliteStore(database, read_only=True)
    try:
        desk = type(office.credentials)(node, now=lambda: made.created_at)
        assert (await desk.authenticate(bearer)).id == made.id
        await office.credentials.revoke(made.id, owner=None, actor="tester")
        with pytest.raises(Unauthenticated):
            await desk.authenticate(bearer)
    finally:
        await node.close()


async def test_every_wrong_bearer_is_refused_in_the_same_words(office: Office) -> None:
    made, bearer = await office.credentials.create("x", agency=None, actor="tester")
    _, other = await office.credentials.create("y", agency=None, actor="tester")
    await office.credentials.revoke(made.id, owner=None, actor="tester")
    wrong = [
        "",
        "vk_",
        bearer,
        bearer[:-1],
        bearer + "0",
        bearer.upper(),
        other[:-1] + ("0" if other[-1] != "0" else "1"),
        other.replace("_", "-"),
        f"vk_{made.id}_{other[-64:]}",
        f"vk_{'0' * 12}_{'0' * 64}",
        "vk_\u0660" + other[4:],
        "Bearer " + other,
        other + "\n",
    ]
    seen = set()
    for text in wrong:
        with pytest.raises(Unauthenticated) as caught:
            await office.credentials.authenticate(text)
        seen.add((str(caught.value), caught.value.detail, caught.value.hint, caught.value.faults))
    assert len(seen) == 1


async def test_the_secret_is_in_no_byte_of_the_database(
    office: Office, store: SqliteStore, database: Path
) -> None:
    _, bearer = await office.credentials.create("x", agency=None, actor="tester")
    secret = bearer.rsplit("_", 1)[1]
    written = b"".join(file.read_bytes() for file in database.parent.glob("verify.db*"))
    assert secret.encode() not in written
    assert bytes.fromhex(secret) not in written
    (kept,) = await store.read(list_credentials)
    assert secret not in repr(kept)


async def test_an_agency_cannot_revoke_the_key_of_another(office: Office) -> None:
    await _agency(office)
    made, bearer = await office.credentials.create("x", agency=None, actor="tester")
    with pytest.raises(NotFound):
        await office.credentials.revoke(made.id, owner=CODE, actor="tester")
    assert (await office.credentials.authenticate(bearer)).id == made.id


async def test_a_key_needs_a_name_and_an_agency_that_exists(office: Office) -> None:
    with pytest.raises(Invalid):
        await office.credentials.create(" ", agency=None, actor="tester")
    with pytest.raises(NotFound):
        await office.credentials.create("x", agency=CODE, actor="tester")
    with pytest.raises(Invalid):
        await office.credentials.create("x", agency="nonsense", actor="tester")


async def test_each_agency_sees_its_own_keys_and_the_operator_sees_all(office: Office) -> None:
    await _agency(office)
    mine, _ = await office.credentials.create("x", agency=CODE, actor="tester")
    await office.credentials.create("y", agency=None, actor="tester")
    assert [one.id for one in await office.credentials.list_credentials(CODE)] == [mine.id]
    assert len(await office.credentials.list_credentials()) == 2
