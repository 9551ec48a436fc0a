"""Keys: born pending, one in use, retired for ever good, compromised since a date; the trust list follows."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

from verify.errors import BadKey, Conflict, Forbidden, ForbiddenArrow, NotFound, Words
from verify.office.office import Office, open_office
from verify.proof.authority import check_certificate
from verify.proof.keyfiles import KeyStore
from verify.proof.public import KeyPurpose, KeyState, PublicKey, by_kid
from verify.proof.trust import TrustList, verify_trust_list
from verify.store import register
from verify.store.sqlite import SqliteStore

CODE = "S000035000123"
Now = Callable[[], dt.datetime]


async def _agency(office: Office) -> list[PublicKey]:
    await office.agencies.add(CODE, name_zh="某评价机构", actor="t")
    return await office.keys.create_pair(CODE, actor="t")


async def _trust(office: Office, now: Now) -> TrustList:
    last = await office.trust.last()
    assert last is not None
    roots = {key.kid: key for key in await office.keys.list_keys("operator") if key.purpose == "root"}
    return verify_trust_list(last.document, roots, now=now())


async def test_opening_the_root_twice_makes_one_root(rooted: Office) -> None:
    before = await rooted.keys.list_keys()
    await rooted.keys.open_root(Words("别的", "other"), actor="t")
    assert await rooted.keys.list_keys() == before
    assert {key.purpose for key in before} == {KeyPurpose.ROOT, KeyPurpose.STATEMENT, KeyPurpose.LOG}
    assert all(key.state is KeyState.ACTIVE for key in before)


async def test_an_agency_key_is_certified_by_the_root_and_signs_only_once_activated(rooted: Office) -> None:
    token, integrity = await _agency(rooted)
    root = next(key for key in await rooted.keys.list_keys("operator") if key.purpose == "root")
    assert root.certificate is not None
    assert token.certificate is not None
    check_certificate(token.certificate, root.certificate, token.key_bytes)
    assert (token.alg, integrity.alg) == ("ES256", "Ed25519")
    assert token.state is KeyState.PENDING
    active = await rooted.keys.activate(token.kid, actor="t")
    assert active.state is KeyState.ACTIVE


async def test_activating_retires_the_key_before_it_in_the_same_commit(
    rooted: Office, store: SqliteStore, clock: Now
) -> None:
    old = (await _agency(rooted))[0]
    await rooted.keys.activate(old.kid, actor="t")
    new = await rooted.keys.create(CODE, KeyPurpose.TOKEN, actor="t")
    clock.forward(days=1)  # type: ignore[attr-defined]  # the test's clock moves
    await rooted.keys.activate(new.kid, actor="t")
    found = by_kid(await rooted.keys.list_keys(CODE))
    assert found[old.kid].state is KeyState.RETIRED
    assert found[old.kid].active_to == found[new.kid].active_from == clock()
    in_use = await store.read(lambda: register.key_in_use(CODE, KeyPurpose.TOKEN))
    assert in_use is not None
    assert in_use.kid == new.kid


async def test_every_change_of_a_key_is_published_under_the_next_sequence(rooted: Office, clock: Now) -> None:
    first = await _trust(rooted, clock)
    token, _ = await _agency(rooted)
    second = await _trust(rooted, clock)
    assert second.sequence == first.sequence + 1
    assert token.kid in second.keys
    await rooted.keys.activate(token.kid, actor="t")
    await rooted.keys.compromise(token.kid, clock() - dt.timedelta(hours=1), actor="t")
    third = await _trust(rooted, clock)
    assert third.sequence == second.sequence + 2
    assert third.keys[token.kid].state is KeyState.COMPROMISED
    assert third.keys == by_kid(await rooted.keys.list_keys())


async def test_the_list_is_signed_again_at_a_third_of_its_age_and_not_before(
    rooted: Office, clock: Now
) -> None:
    first = await _trust(rooted, clock)
    clock.forward(hours=2, minutes=59)  # type: ignore[attr-defined]  # the test's clock moves
    assert (await rooted.trust.refresh("t")).sequence == first.sequence
    clock.forward(minutes=1)  # type: ignore[attr-defined]  # the test's clock moves
    assert (await rooted.trust.refresh("t")).sequence == first.sequence + 1


async def test_a_crash_between_a_change_and_its_publication_is_made_good_by_the_next_refresh(
    rooted: Office, store: SqliteStore, clock: Now
) -> None:
    token, _ = await _agency(rooted)
    before = await _trust(rooted, clock)
    dead = token.__class__(**{f: getattr(token, f) for f in token.__struct_fields__} | {
        "state": KeyState.RETIRED, "active_to": clock()})  # fmt: skip
    await store.write(lambda: register.change_keys([dead], register.Origin("t", clock())))
    after = await rooted.trust.refresh("t")
    assert after.sequence == before.sequence + 1
    assert (await _trust(rooted, clock)).keys[token.kid].state is KeyState.RETIRED


async def test_a_compromise_reaches_back_and_is_final(rooted: Office, clock: Now) -> None:
    token, _ = await _agency(rooted)
    await rooted.keys.activate(token.kid, actor="t")
    since = clock() - dt.timedelta(days=2)
    assert (await rooted.keys.compromise(token.kid, since, actor="t")).compromised_at == since
    later = await rooted.keys.compromise(token.kid, clock(), actor="t")
    assert later.compromised_at == since
    with pytest.raises(ForbiddenArrow):
        await rooted.keys.activate(token.kid, actor="t")
    with pytest.raises(Forbidden):
        await rooted.keys.compromise(token.kid, clock() + dt.timedelta(days=1), actor="t")


async def test_the_operators_purposes_and_the_agencies_purposes_do_not_mix(rooted: Office) -> None:
    await _agency(rooted)
    with pytest.raises(Forbidden):
        await rooted.keys.create(CODE, KeyPurpose.ROOT, actor="t")
    with pytest.raises(Forbidden):
        await rooted.keys.create("operator", KeyPurpose.TOKEN, actor="t")
    with pytest.raises(NotFound):
        await rooted.keys.create("S000035000999", KeyPurpose.TOKEN, actor="t")


async def test_a_new_root_signs_the_next_list(rooted: Office, clock: Now) -> None:
    new = await rooted.keys.create("operator", KeyPurpose.ROOT, actor="t")
    await rooted.keys.activate(new.kid, actor="t")
    last = await rooted.trust.last()
    assert last is not None
    assert verify_trust_list(last.document, {new.kid: new}, now=clock()).sequence == last.sequence


async def test_no_agency_key_without_a_root(office: Office) -> None:
    await office.agencies.add(CODE, name_zh="某评价机构", actor="t")
    with pytest.raises(BadKey) as caught:
        await office.keys.create(CODE, KeyPurpose.TOKEN, actor="t")
    assert "verify" in caught.value.hint
    assert await office.keys.list_keys() == []


@pytest.mark.parametrize("harm", ["missing", "open", "damaged", "swapped", "passphrase"])
async def test_a_key_that_cannot_sign_is_found_and_never_activated(
    rooted: Office, store: SqliteStore, tmp_path: Path, clock: Now, harm: str
) -> None:
    token, integrity = await _agency(rooted)
    await rooted.keys.activate(integrity.kid, actor="t")
    assert await rooted.keys.check() == []
    office = rooted
    for key in (token, integrity):
        file = tmp_path / "keys" / f"{key.kid}.pem"
        match harm:
            case "missing":
                file.unlink()
            case "open":
                file.chmod(0o640)
            case "damaged":
                file.write_bytes(file.read_bytes()[:-60])
            case "swapped":
                file.write_bytes(
                    (tmp_path / "keys" / f"{_root(await rooted.keys.list_keys())}.pem").read_bytes()
                )
            case _:
                other = KeyStore(tmp_path / "keys", "another passphrase")
                office = open_office(store, other, trust_max_age_s=3600, now=clock)
    with pytest.raises(BadKey) as caught:
        await office.keys.activate(token.kid, actor="t")
    assert caught.value.hint
    assert integrity.kid in {fault.kid for fault in await office.keys.check()}
    assert by_kid(await rooted.keys.list_keys())[token.kid].state is KeyState.PENDING


async def test_two_desks_that_publish_at_once_both_succeed_in_sequence(
    rooted: Office, database: Path, key_store: KeyStore, clock: Now
) -> None:
    second_store = SqliteStore(database)
    try:
        second = open_office(second_store, key_store, trust_max_age_s=9 * 3600, now=clock)
        before = await _trust(rooted, clock)
        published = [await rooted.trust.publish("t"), await second.trust.publish("t")]
        assert [one.sequence for one in published] == [before.sequence + 1, before.sequence + 2]
        with pytest.raises(Conflict):
            await second_store.write(
                lambda: register.add_trust_list(published[0], register.Origin("t", clock()))
            )
    finally:
        await second_store.close()


def _root(keys: list[PublicKey]) -> str:
    return next(key.kid for key in keys if key.purpose is KeyPurpose.ROOT)
