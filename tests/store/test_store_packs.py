"""What a status pack reads from the register, on both engines."""

import datetime as dt

import pytest
from store_engines import Engine
from store_samples import AGENCY, NOON, ORIGIN, PREFIX, draft, issue

from verify.certificate.status import Move
from verify.proof.pack import Listed, Lookup, build_pack, find_number
from verify.store import packs
from verify.store.certificates import prepare
from verify.store.changes import Change, change_status
from verify.store.contract import Store
from verify.store.reads import read_head


async def test_every_number_that_is_not_valid_is_listed_and_no_other(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packs, "PAGE", 2)  # three numbers take two pages
    valid, held, ended, revoked = await issue(store, "a", "b", "c", "d")
    lapse = NOON + dt.timedelta(days=3)
    for number, move, until in (
        (held, Move.SUSPEND, None), (ended, Move.SUSPEND, lapse), (revoked, Move.REVOKE, None),
    ):  # fmt: skip
        change = Change(number, move, "UNDER_REVIEW", until)
        await store.write(lambda change=change: change_status([change], None, ORIGIN))
    await store.write(lambda: prepare(AGENCY, [draft("e")], ORIGIN))
    before = await store.read(lambda: packs.read_standing(NOON))
    assert before.counters == ((PREFIX, 6),)
    assert dict(before.listed) == {
        held: Listed.SUSPENDED, ended: Listed.SUSPENDED, revoked: Listed.REVOKED,
    }  # fmt: skip
    after = await store.read(lambda: packs.read_standing(lapse))
    assert dict(after.listed) == {held: Listed.SUSPENDED, revoked: Listed.REVOKED}
    assert after.seq == (await store.read(lambda: read_head(0))).seq
    pack = build_pack(after.counters, after.listed, seq=after.seq, issued_at=lapse, max_age_s=60)
    assert find_number(pack, valid) is find_number(pack, ended) is Lookup.CLEAR
    assert find_number(pack, held) is Listed.SUSPENDED


async def test_an_empty_register_has_an_empty_standing(engine: Engine) -> None:
    store = await engine.open()
    standing = await store.read(lambda: packs.read_standing(NOON))
    await store.close()
    assert (standing.counters, standing.listed) == ((), ())


async def test_a_published_pack_is_found_with_its_files_until_it_is_forgotten(engine: Engine) -> None:
    store = await engine.open()
    assert await store.read(packs.last_manifest) is None
    day = dt.timedelta(days=1)
    old = packs.Manifest(7, NOON, "whole-7", b"{7}")
    new = packs.Manifest(7, NOON + day, "whole-8", b"{8}")
    await store.write(lambda: packs.publish(old, {"whole-7": b"seven"}, NOON - day))
    for _ in range(2):  # by two nodes at the same moment
        await store.write(lambda: packs.publish(new, {"whole-8": b"eight", "step": b"delta"}, NOON - day))
    assert await store.read(packs.last_manifest) == new
    assert await store.read(lambda: packs.last_packs(8)) == [b"eight", b"seven"]
    assert await store.read(lambda: packs.last_packs(1)) == [b"eight"]
    assert await store.read(lambda: packs.find_file("step")) == b"delta"
    newest = packs.Manifest(9, NOON + 2 * day, "whole-9", b"{9}")
    await store.write(lambda: packs.publish(newest, {"whole-9": b"nine"}, NOON + day))
    assert await store.read(lambda: packs.find_file("whole-7")) is None
    assert await store.read(lambda: packs.last_packs(8)) == [b"nine", b"eight"]
    await store.close()
