"""The same commands on PostgreSQL: the engine is a setting, and the audit holds there too."""

import asyncio

import asyncpg
import pytest
from cli_shell import AGENCY, Shell

import servers


def test_an_installation_on_postgresql_lives_and_is_audited(
    bare: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    with servers.postgres() as server:
        monkeypatch.setenv("VERIFY_DATABASE_URL", server.dsn)
        bare("init")
        assert not any(step["fresh"] for step in bare.json("init"))
        bare("agency", "add", AGENCY, "--name", "某评价机构")
        bare(
            "filing",
            "add",
            AGENCY,
            "--occupation",
            "6-18-01-01",
            "车工",
            "--levels",
            "5,4,3",
            "--from",
            "2020-01-01",
        )
        bare("key", "create", AGENCY, "--activate")
        first, second, third = bare.issued()
        bare("revoke", first, "--reason", "OBTAINED_BY_FRAUD")
        bare("reissue", second, "--reason", "lost")
        bare("reissue", third, "--reason", "corrected", "--set", "level=5")
        assert bare.json("lookup", first, code=1)["answers"][0]["verdict"] == "revoked"
        bare("audit")
        asyncio.run(_unrevoke(server.dsn))
        report = bare.json("audit", code=1)
        assert {(f["check"], f["where"]) for f in report["findings"]} == {
            ("status-fold", f"certificate {first}")
        }


async def _unrevoke(dsn: str) -> None:
    """What a superuser can do: switch the guards off, change, leave."""
    connection = await asyncpg.connect(dsn)
    await connection.execute("set session_replication_role = replica")
    await connection.execute(
        "update certificate set status = 'valid', reason = null where status = 'revoked'"
    )
    await connection.close()
