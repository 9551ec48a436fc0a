"""The commands of a bad day, on a real pair of servers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest
from care_pair import NAME, Pair, first_server, make_pair, open_pair, run_sql
from care_shell import Shell

from verify.errors import Conflict, NotReady, StoreFailed
from verify.store.failover import guard, promote, stand_alone
from verify.store.postgres import migrate_postgres, open_postgres
from verify.store.reads import read_head


@pytest.fixture
def pair(bare: Shell) -> Iterator[Pair]:
    """A pair whose register was made by `verify init`, the witness on another disk."""
    with first_server() as (a, dsn_a):
        asyncio.run(run_sql(a.dsn, "create database register"))
        bare.set("VERIFY_DATABASE_URL", dsn_a)
        bare.set("VERIFY_WITNESS", str(bare.folder / "other/witness"))
        bare.prepare()
        with make_pair(a, dsn_a) as made:
            bare.set("VERIFY_DATABASE_URL", made.dsn)
            yield made


def test_a_pair_is_guarded_loses_its_primary_and_answers_again(bare: Shell, pair: Pair) -> None:
    (number,) = bare.issue(1)
    assert "3 and 10" in bare("recover", "guard", "--lease", "1", code=1).stderr
    bare("recover", "guard", "--lease", "3")
    # Only an office node makes beats; a command that looks up has none to show, and says so.
    assert "standby" in bare("lookup", number, code=1).stderr
    bare("revoke", number, "--reason", "OBTAINED_BY_FRAUD")
    pair.a.kill()
    done = bare.json("recover", "promote")
    assert done["timeline"] == 2
    assert done["waited_s"] == 3.5
    assert bare.verdict(number) == "revoked"
    shown = bare.json("recover", "status")
    assert sorted(one["role"] for one in shown) == ["away", "primary"]
    assert "0 standbys" in bare("recover", "promote", code=1).stderr
    bare("audit")
    assert len(bare.issue(1)) == 1


def test_an_unguarded_pair_is_promoted_only_by_name(bare: Shell, pair: Pair) -> None:
    (number,) = bare.issue(1)
    assert "--old-primary-is-dead" in bare("recover", "promote", code=1).stderr
    assert len(bare.issue(1)) == 1  # the standby follows again: a change is acknowledged
    pair.a.kill()
    bare("recover", "promote", "--old-primary-is-dead")
    assert bare.verdict(number) == "valid"


def test_a_new_primary_that_lost_something_is_told_and_answers_nothing(bare: Shell, pair: Pair) -> None:
    asyncio.run(run_sql(pair.a.dsn, "alter system set synchronous_standby_names = ''"))
    asyncio.run(run_sql(pair.a.dsn, "select pg_reload_conf()"))
    pair.b.stop()
    (number,) = bare.issue(1)  # acknowledged by the primary alone
    pair.a.kill()
    pair.b.start()
    told = bare("recover", "promote", "--old-primary-is-dead", code=1).stderr
    assert "does not hold entry" in told and "不作答" in told
    assert "restored backup" in bare("lookup", number, code=1).stderr


async def test_only_a_pair_can_be_guarded_and_only_a_primary_stands_alone() -> None:
    with first_server() as (a, dsn_a):
        await run_sql(a.dsn, "create database register")
        await migrate_postgres(dsn_a)
        with pytest.raises(Conflict):
            await guard(dsn_a, 5000)  # nobody is named
        await run_sql(a.dsn, "alter system set synchronous_standby_names = 'FIRST 1 (x, y)'")
        await run_sql(a.dsn, "select pg_reload_conf()")
        await asyncio.sleep(0.3)
        with pytest.raises(Conflict, match="exactly one"):
            await guard(dsn_a, 5000)
        with pytest.raises(Conflict, match="still waits"):
            await stand_alone(dsn_a)
        await run_sql(a.dsn, f"alter system set synchronous_standby_names = '{NAME}'")
        await run_sql(a.dsn, "select pg_reload_conf()")
        with pytest.raises(Conflict, match="primary already"):
            await promote(dsn_a)


@contextlib.asynccontextmanager
async def _guarded() -> AsyncIterator[Pair]:
    async with open_pair() as pair:
        await guard(pair.dsn_a, 3000)
        yield pair


async def test_a_replica_answers_nothing_and_a_primary_without_its_standby_falls_silent() -> None:
    async with _guarded() as pair:
        with pytest.raises(NotReady):
            await open_postgres(pair.dsn_b)
        store = await open_postgres(pair.dsn, beat_s=0.3)
        try:
            await asyncio.sleep(1.5)
            await store.read(lambda: read_head(0), snapshot=False)
            await asyncio.to_thread(pair.b.stop)
            await asyncio.sleep(4)
            with pytest.raises(StoreFailed, match="standby"):
                await store.read(lambda: read_head(0), snapshot=False)
            await asyncio.to_thread(pair.b.start)
            async with asyncio.timeout(10):
                while True:
                    with contextlib.suppress(StoreFailed):
                        await store.read(lambda: read_head(0), snapshot=False)
                        break
                    await asyncio.sleep(0.1)
        finally:
            await store.close()
