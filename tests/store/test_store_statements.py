"""Every named statement is one that its engine accepts, and none that is read often walks a whole table."""

import apsw.ext
import asyncpg
import pytest
from store_engines import Postgres, Sqlite

import servers
from verify.store.statements import (
    load_copyings,
    load_postgres_statements,
    load_row_statements,
    load_sqlite_statements,
)

STATEMENTS = sorted(load_sqlite_statements())
WALKS = {
    "broken_uploads", "list_agencies", "list_credentials", "list_signing_keys", "ready_batches", "last_trust_list",
    "list_counters", "list_lost", "list_revocation_lists", "last_pack_manifest", "last_packs", "delete_pack_manifests",
    "delete_ended_sessions",
}  # fmt: skip
"""Small tables, read by people, at start and once in minutes; `last_…` walk a key backwards and stop."""


async def test_sqlite_accepts_every_statement_and_look_ups_use_an_index(sqlite_engine: Sqlite) -> None:
    connection = apsw.Connection(str(sqlite_engine.path))
    walking = set()
    for name, text in load_sqlite_statements().items():
        info = apsw.ext.query_info(connection, text, explain_query_plan=True)
        steps = [step.detail for step in (info.query_plan.sub or [])] if info.query_plan else []
        if any(
            step.startswith("SCAN")
            and not any(w in step for w in ("json_each", "USING INDEX", "CONSTANT ROW"))
            for step in steps
        ):
            walking.add(name)
    assert {
        name for name in walking if name not in WALKS and not name.startswith(("audit_", "page_"))
    } == set()


async def test_postgres_accepts_every_statement(postgres_server: servers.Postgres) -> None:
    engine = Postgres(postgres_server.dsn)
    await engine.create()
    connection = await asyncpg.connect(engine.dsn)
    refused = {}
    texts = [*load_postgres_statements().items(), *load_row_statements().items()]
    for name, text in texts:
        try:
            await connection.prepare(text)
        except asyncpg.PostgresError as error:
            refused[name] = str(error)
    for name, copying in load_copyings().items():
        columns = ", ".join(copying.columns)
        try:
            await connection.prepare(f"select {columns} from {copying.table}")
        except asyncpg.PostgresError as error:
            refused[name] = str(error)
    await connection.close()
    assert refused == {}


@pytest.mark.parametrize("name", STATEMENTS)
def test_the_engines_have_the_same_statements_with_the_same_arguments(name: str) -> None:
    import re

    lite, networked = load_sqlite_statements()[name], load_postgres_statements()[name]
    assert {int(n) for n in re.findall(r"\?(\d+)", lite)} == {
        int(n) for n in re.findall(r"\$(\d+)", networked)
    }


@pytest.mark.parametrize("name", sorted(load_row_statements()))
def test_a_text_for_many_rows_takes_the_arguments_of_the_one_for_one_row(name: str) -> None:
    import re

    one, many = load_postgres_statements()[name], load_row_statements()[name]
    assert set(re.findall(r"\$\d+", one)) == set(re.findall(r"\$\d+", many))
