"""The audit of what others were told, on both engines: receipts, signed lists, the status pack and the trust list."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import apsw
import asyncpg
import pytest
from employer_place import employer
from test_employers_feed import issue
from test_employers_statements import list_of, receipt_of

import servers
from verify.office.audit import audit
from verify.office.packs import KEEP, PackDesk
from verify.office.trust import TrustDesk
from verify.proof.keyfiles import KeyStore
from verify.proof.pack import (
    assemble_manifest,
    build_manifest,
    build_pack,
    digest,
    encode_pack,
    manifest_signing_input,
)
from verify.proof.public import OPERATOR, KeyPurpose
from verify.proof.signer import SoftSigner
from verify.proof.window import KeyMove, move_key
from verify.store import packs
from verify.store.postgres import migrate_postgres, open_postgres
from verify.store.register import change_keys, list_keys
from world import World

Sql = Callable[[str], Awaitable[None]]
PASSPHRASE = "a passphrase of the tests"


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Postgres]:
    """One server for this module."""
    with servers.postgres() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgres"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[World, Sql]]:
    """A register, and a way to change it behind the product's back."""
    if request.param == "sqlite":

        async def lite(text: str) -> None:
            connection = apsw.Connection(str(world.path))
            for (name,) in connection.execute(
                "select name from sqlite_schema where type = 'trigger'"
            ).fetchall():
                connection.execute(f"drop trigger {name}")
            connection.execute(text)
            assert connection.changes() > 0
            connection.close()

        async with World.open(tmp_path) as world:
            yield world, lite
        return
    server: servers.Postgres = request.getfixturevalue("server")
    name = f"audit_{tmp_path.name.lower()[-20:]}"
    connection = await asyncpg.connect(server.dsn)
    await connection.execute(f'create database "{name}"')
    await connection.close()
    dsn = server.dsn.replace("/postgres?", f"/{name}?")
    await migrate_postgres(dsn)

    async def networked(text: str) -> None:
        owner = await asyncpg.connect(dsn)
        for table in ("event", "ledger_head"):
            await owner.execute(f"alter table {table} disable trigger user")
        told = await owner.execute(text.replace("x'", "'\\\\x"))
        assert not told.endswith(" 0"), told
        await owner.close()

    async with World.open(tmp_path, store=await open_postgres(dsn)) as world:
        yield world, networked


async def key_store(world: World, tmp_path: Path) -> KeyStore:
    made = KeyStore(tmp_path / "audit-keys", PASSPHRASE)
    for key in await world.store.read(list_keys):
        if key.owner == OPERATOR and key.purpose in (KeyPurpose.STATEMENT, KeyPurpose.ROOT):
            made.add(world.pairs[key.kid])
    return made


async def told(world: World, tmp_path: Path) -> None:
    """Two receipts, two lists of which one is signed, a trust list, two packs."""
    made = await issue(world, 3)
    numbers = [one.number for one in made]
    keys = await key_store(world, tmp_path)
    desk = PackDesk(world.store, keys, now=world.clock)
    async with employer(world) as asked, employer(world):
        for number in numbers[:2]:
            await receipt_of(asked, number)
        await list_of(asked, numbers)
        rows = f"number,name\n{numbers[0]},x".encode()
        await asked.lists.receive(rows, "csv", "waiting", asked.credential)
        await TrustDesk(world.store, keys, max_age_s=86400, now=world.clock).publish("test")
        await desk.publish()
        await world.changes.revoke(numbers[2], "FORGED", world.agency_caller())
        world.clock.forward(minutes=1)
        await desk.publish()


async def found(world: World) -> dict[str, str]:
    report = await audit(world.store, world.data_keys)
    assert all(one.detail.zh and one.detail.en for one in report.findings)
    return {one.check: one.where for one in report.findings}


async def test_what_only_the_product_told_agrees_also_once_results_were_dropped(
    place: tuple[World, Sql], tmp_path: Path
) -> None:
    world, _ = place
    await told(world, tmp_path)
    assert await found(world) == {}
    world.clock.forward(days=40)
    async with employer(world) as asked:
        await asked.lists.work_once()
        await asked.lists.sweep()
    assert await found(world) == {}


OTHER = "x'" + "ab" * 32 + "'"
HARMS: dict[str, tuple[str, str]] = {
    "a receipt's digest exchanged": (f"update receipt set digest = {OTHER}", "receipt"),
    "a receipt given to another": (
        "update receipt set employer = (select id from credential where id <> receipt.employer)", "receipt"),
    "a receipt removed": ("delete from receipt where id = (select max(id) from receipt)", "receipt-missing"),
    "a receipt that nobody gave": (
        f"insert into receipt select 'rc_forged', employer, request, {OTHER}, given_at from receipt"
        " where id = (select max(id) from receipt)", "receipt-unknown"),
    "the digest of a signed list exchanged": (
        f"update employer_check set digest = {OTHER} where digest is not null", "check"),
    "a list signed that nobody signed": (
        f"update employer_check set digest = {OTHER} where digest is null", "check-unknown"),
    "the counts of a list changed": (
        "update employer_check set found = found - 1 where done_at is not null", "check"),
    "a list made larger": (
        "update employer_check set total = 4, found = 4 where done_at is not null", "check"),
    "a result moved to another row": (
        "update employer_check_row set sealed = (select sealed from employer_check_row where row = 2)"
        " where row = 1", "check-results"),
    "a result dropped": (
        "delete from employer_check_row where row = 3 and state = 'found'", "check-results"),
    "the newest pack taken away, an older one is served": (
        "update pack_manifest set seq = seq + 1000 where seq = (select min(seq) from pack_manifest)", "pack"),
    "a manifest altered": (
        "update pack_manifest set document = x'7b7d'", "pack-signature"),
    "a manifest led to another file": (
        "update pack_manifest set pack = 'other' where seq = (select max(seq) from pack_manifest)", "pack"),
    "a pack file altered": ("update pack_file set body = x'00'", "pack-file"),
    "a pack file removed": ("delete from pack_file", "pack-file"),
    "a trust list altered": ("update trust_list set document = x'7b7d'", "trust-list-signature"),
    "a trust list dated anew": (
        "update trust_list set issued_at = issued_at + 1000000", "trust-list-signature"),
}  # fmt: skip


@pytest.mark.parametrize("harm", HARMS)
async def test_tampering_is_named(place: tuple[World, Sql], tmp_path: Path, harm: str) -> None:
    world, sql = place
    await told(world, tmp_path)
    change, expected = HARMS[harm]
    await sql(change)
    assert expected in await found(world)


async def test_a_pack_that_says_something_else_is_named_though_it_is_signed(
    place: tuple[World, Sql], tmp_path: Path
) -> None:
    """Somebody who stole the statement key lists nothing, and puts its pack in place of the true one."""
    world, _ = place
    await told(world, tmp_path)
    (key,) = [one for one in await world.store.read(list_keys) if one.purpose is KeyPurpose.STATEMENT]
    at = world.clock.forward(minutes=1).replace(microsecond=0)
    standing = await world.store.read(lambda: packs.read_standing(at))
    clean = build_pack(standing.counters, [], seq=standing.seq, issued_at=at, max_age_s=86400)
    body, payload = encode_pack(clean), build_manifest(clean)
    signature = SoftSigner(world.pairs[key.kid]).sign_now(manifest_signing_input(key, payload))
    document = assemble_manifest(key, payload, signature)
    manifest = packs.Manifest(standing.seq, at, digest(body), document)
    await world.store.write(lambda: packs.publish(manifest, {digest(body): body}, at - KEEP))
    assert await found(world) == {"pack-content": f"pack {standing.seq}"}


async def test_a_compromised_statement_key_vouches_for_nothing_until_a_new_pack(
    place: tuple[World, Sql], tmp_path: Path
) -> None:
    world, _ = place
    await told(world, tmp_path)
    (key,) = [one for one in await world.store.read(list_keys) if one.purpose is KeyPurpose.STATEMENT]
    lost = move_key(key, KeyMove.COMPROMISE, world.clock())
    await world.store.write(lambda: change_keys([lost], world.origin()))
    assert set(await found(world)) == {"pack-signature"}
