"""Status packs as the office publishes them: true, signed, reachable by deltas, and harmless when made twice."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from verify.errors import BadKey
from verify.office.packs import KEEP, PackDesk
from verify.proof.keyfiles import KeyStore
from verify.proof.pack import (
    Listed,
    Lookup,
    Pack,
    apply_delta,
    check_file,
    decode_delta,
    decode_pack,
    digest,
    find_number,
    verify_manifest,
)
from verify.proof.pack import Manifest as Signed
from verify.proof.public import KeyPurpose, by_kid
from verify.store import packs, register
from world import World

PASSPHRASE = "a passphrase of the tests"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with World.open(tmp_path) as world:
        yield world


@pytest.fixture
async def key_store(world: World, tmp_path: Path) -> KeyStore:
    keys = await world.store.read(register.list_keys)
    store = KeyStore(tmp_path / "keys", PASSPHRASE)
    for key in keys:
        if key.purpose is KeyPurpose.STATEMENT:
            store.add(world.pairs[key.kid])
    return store


@pytest.fixture
def desk(world: World, key_store: KeyStore) -> PackDesk:
    return PackDesk(world.store, key_store, now=world.clock)


async def fetch(world: World) -> tuple[Signed, Pack]:
    """The newest manifest and pack as a phone gets them."""
    last = await world.store.read(packs.last_manifest)
    assert last is not None
    roots = by_kid(await world.store.read(register.list_keys))
    signed = verify_manifest(last.document, roots, now=world.clock())
    body = await world.store.read(lambda: packs.find_file(signed.full.sha256))
    assert body is not None
    check_file(signed.full, body)
    return signed, decode_pack(body)


async def issue(world: World, count: int = 1, **changes: str) -> list[str]:
    return [
        (
            await world.issuance.issue(world.skill, world.request(**changes), f"k{world._people}", "test")
        ).number
        for _ in range(count)
    ]


async def revoke(world: World, number: str) -> None:
    await world.changes.revoke(number, "FORGED", world.operator())


async def test_an_empty_register_has_a_pack(world: World, desk: PackDesk) -> None:
    await desk.publish()
    signed, pack = await fetch(world)
    assert pack.series == {}
    assert signed.deltas == ()
    assert find_number(pack, "S000044000456263000001") is Lookup.BEYOND


async def test_deltas_from_the_last_packs_lead_to_the_new_one_byte_by_byte(
    world: World, desk: PackDesk
) -> None:
    first, second = await issue(world, 2)
    await desk.publish()
    held = [(await fetch(world))[0]]
    for number in (first, second):
        world.clock.forward(minutes=15)
        await revoke(world, number)
        await desk.publish()
        held.append((await fetch(world))[0])
    signed, pack = await fetch(world)
    assert [find_number(pack, number) for number in (first, second)] == [Listed.REVOKED, Listed.REVOKED]
    assert {step.base for step in signed.deltas} == {old.full.sha256 for old in held[:-1]}
    for step in signed.deltas:
        base = await world.store.read(lambda step=step: packs.find_file(step.base))
        delta = await world.store.read(lambda step=step: packs.find_file(step.sha256))
        assert base is not None and delta is not None
        check_file(step, delta)
        assert apply_delta(decode_pack(base), decode_delta(delta)) == pack


async def test_a_suspension_leaves_the_pack_when_its_time_is_over(world: World, desk: PackDesk) -> None:
    (number,) = await issue(world)
    end = world.clock() + dt.timedelta(hours=1)
    await world.changes.suspend(number, "UNDER_REVIEW", world.operator(), until=end)
    await desk.publish()
    assert find_number((await fetch(world))[1], number) is Listed.SUSPENDED
    world.clock.forward(hours=2)
    await desk.publish()
    signed, pack = await fetch(world)
    assert find_number(pack, number) is Lookup.CLEAR
    assert len(signed.deltas) == 1  # the ledger did not move, the pack did


async def test_a_number_outside_every_counter_is_left_out_and_never_called_clear(
    world: World, desk: PackDesk
) -> None:
    plain, odd = await issue(world, 1), await issue(world, 1, level="4")
    for number in (*plain, *odd):
        await revoke(world, number)
    raw = apsw.Connection(str(world.path))
    raw.execute("drop trigger counter_stays")
    raw.execute("delete from counter where prefix = ?", (odd[0][:-6],))
    raw.close()
    await desk.publish()
    _, pack = await fetch(world)
    assert find_number(pack, plain[0]) is Listed.REVOKED
    assert find_number(pack, odd[0]) is Lookup.BEYOND


async def test_two_nodes_at_once_both_publish_what_is_true(world: World, key_store: KeyStore) -> None:
    await issue(world, 3)
    desks = [PackDesk(world.store, key_store, now=world.clock) for _ in range(3)]
    await asyncio.gather(*(desk.publish() for desk in desks))
    assert (await fetch(world))[1].series
    world.clock.forward(seconds=1)
    await asyncio.gather(*(desk.publish() for desk in desks))
    assert (await fetch(world))[0].issued_at == world.clock()


async def test_one_node_makes_the_pack_and_the_others_see_that_it_is_young(
    world: World, desk: PackDesk
) -> None:
    made = await desk.refresh(900)
    world.clock.forward(seconds=400)
    assert await desk.refresh(900) == made
    world.clock.forward(seconds=100)
    assert await desk.refresh(900) != made


async def test_files_go_when_nobody_can_need_them(world: World, desk: PackDesk) -> None:
    first = await desk.publish()
    world.clock.forward(days=2)
    await desk.publish()
    assert await world.store.read(lambda: packs.find_file(first.pack)) is not None
    world.clock.at = first.issued_at + KEEP + dt.timedelta(seconds=1)
    await desk.publish()
    assert await world.store.read(lambda: packs.find_file(first.pack)) is None
    assert digest(b"") not in {step.base for step in (await fetch(world))[0].deltas}


async def test_without_the_root_s_file_nothing_is_published(world: World, tmp_path: Path) -> None:
    desk = PackDesk(world.store, KeyStore(tmp_path / "none", PASSPHRASE), now=world.clock)
    with pytest.raises(BadKey):
        await desk.publish()
    assert await world.store.read(packs.last_manifest) is None
