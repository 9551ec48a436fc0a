"""Real partitions: nodes in network namespaces, packets dropped by nft; nothing stale, nothing false, nothing lost."""

import asyncio
import json
import time
from pathlib import Path

import asyncpg
import pytest
from faults_cluster import cluster
from faults_machine import Node
from faults_network import POSTGRES, WAYS, Network
from faults_partitions import GIVEN_UP_S, PARTITIONS, lose_redis, lose_replies
from faults_run import Run, judge

pytestmark = pytest.mark.xdist_group("faults")


@pytest.mark.long
async def test_every_promise_holds_while_acknowledgements_are_dropped_and_redis_is_cut_off(
    tmp_path: Path, network: Network
) -> None:
    async with cluster(tmp_path, network=network) as three:
        await judge(Run(three, 4), (lose_replies, lose_redis))


@pytest.mark.long
async def test_every_promise_holds_through_every_partition(tmp_path: Path, network: Network) -> None:
    async with cluster(tmp_path, network=network) as three:
        await judge(Run(three, 4), PARTITIONS)


async def until(dsn: str, query: str, limit_s: float = 20) -> None:
    """Until the server says yes."""
    admin = await asyncpg.connect(dsn)
    try:
        async with asyncio.timeout(limit_s):
            while not await admin.fetchval(query):
                await asyncio.sleep(0.02)
    finally:
        await admin.close()


async def hold_commits(dsn: str, held: bool) -> None:
    """Let every commit wait for a standby that is not there, or no longer."""
    admin = await asyncpg.connect(dsn)
    try:
        await admin.execute(f"alter system set synchronous_standby_names = '{'nobody' if held else ''}'")
        await admin.execute("select pg_reload_conf()")
    finally:
        await admin.close()
    await until(dsn, f"select current_setting('synchronous_standby_names') = '{'nobody' if held else ''}'")


def seen(node: Node, number: str) -> str:
    """The verdict, or that there is none."""
    status, body = node.get(f"/api/v1/certificates/{number}", 5)
    assert status in (0, 200, 503), (status, body)
    return str(json.loads(body)["verdict"]) if status == 200 else "none"


@pytest.mark.parametrize("span_s", [3.0, pytest.param(GIVEN_UP_S, marks=pytest.mark.long)])
async def test_a_commit_whose_acknowledgement_is_lost_is_unknown_and_never_denied(
    tmp_path: Path, network: Network, span_s: float
) -> None:
    async with cluster(tmp_path, network=network) as three:
        cut, whole, public = three.nodes
        assert cut.wire is not None
        number = three.seeded[0].number
        path, body = f"/api/v1/certificates/{number}/revocation", {"reason": "OBTAINED_BY_FRAUD"}
        assert {seen(node, number) for node in three.nodes} == {"valid"}
        # 1. The commit is on its way in PostgreSQL, and held there.
        await hold_commits(three.dsn, True)
        asked = asyncio.create_task(asyncio.to_thread(cut.post, path, body, three.operator_key, 60))
        await until(three.dsn, "select exists (select from pg_stat_activity where wait_event = 'SyncRep')")
        assert not asked.done()
        # 2. The way back is cut, and only then the commit becomes true.
        await asyncio.to_thread(cut.wire.lose, "from", POSTGRES)
        began = time.monotonic()
        await hold_commits(three.dsn, False)
        # 3. Everybody else sees it; who is cut off says that it cannot know.
        for node in (whole, public):
            assert await asyncio.to_thread(seen, node, number) == "revoked"
        while time.monotonic() < began + span_s:
            assert await asyncio.to_thread(seen, cut, number) == "none"
        if span_s < GIVEN_UP_S:
            assert not asked.done()
        # 4. The network heals: the writer hears the truth, or has been told that nobody knows.
        assert await asyncio.to_thread(cut.wire.heal) > 0
        status, told = await asked
        assert (status, json.loads(told)["verdict"]) == (200, "revoked") if status != 503 else True, told
        # 5. Done once: to ask again changes nothing.
        await three.wait_ready()
        again = [await asyncio.to_thread(node.post, path, body, three.operator_key) for node in three.offices]
        assert [one[0] for one in again] in ([409, 409], [200, 200]), again
        shown = [json.loads(node.get(f"/api/v1/certificates/{number}")[1]) for node in three.nodes]
        assert {(one["verdict"], one["revision"]) for one in shown} == {("revoked", 2)}
        assert await three.disagreements() == []


@pytest.mark.long
async def test_an_office_that_vanishes_in_the_middle_of_a_change_does_not_stop_the_others(
    tmp_path: Path, network: Network
) -> None:
    async with cluster(tmp_path, network=network) as three:
        lost, other, _ = three.nodes
        assert lost.wire is not None
        first, second = (one.number for one in three.seeded[:2])
        body = {"reason": "OBTAINED_BY_FRAUD"}
        admin = await asyncpg.connect(three.dsn)
        try:
            # 1. The office's transaction waits for the ledger head, then nothing from the office arrives any more.
            async with admin.transaction():
                await admin.execute("select 1 from ledger_head where id = 1 for update")
                path = f"/api/v1/certificates/{first}/revocation"
                asked = asyncio.create_task(asyncio.to_thread(lost.post, path, body, three.operator_key, 90))
                waiting = "select exists (select from pg_stat_activity where wait_event_type = 'Lock')"
                await until(three.dsn, waiting)
                for way in WAYS:
                    await asyncio.to_thread(lost.wire.lose, way, POSTGRES)
        finally:
            await admin.close()
        # 2. It has the head now and cannot go on: the others need not wait until somebody comes.
        path = f"/api/v1/certificates/{second}/revocation"
        status, told = await asyncio.to_thread(other.post, path, body, three.operator_key, 60)
        assert (status, json.loads(told).get("verdict")) == (200, "revoked"), told
        # 3. What the lost office was asked did not happen, and it does not say that it did.
        assert (await asked)[0] == 503
        assert await asyncio.to_thread(lost.wire.heal) > 0
        await three.wait_ready()
        assert {seen(node, first) for node in three.nodes} == {"valid"}
        assert await three.disagreements() == []
