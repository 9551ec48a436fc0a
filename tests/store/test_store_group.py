"""Programs that share one commit: what one of them refuses costs its neighbours nothing, on either engine."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from store_engines import Engine
from store_samples import AGENCY, ORIGIN, draft, issue

from verify.certificate.status import Move
from verify.errors import Conflict, NotFound, StoreFailed
from verify.store.certificates import Outcome, Prepared, prepare
from verify.store.changes import Change, change_status
from verify.store.contract import Program, Store, run

MANY = 40


class Group:
    """Programs that wait together behind one that is on its way, and how often each was run."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.runs: Counter[str] = Counter()

    async def commit(self, bad: Callable[[], Program[Any]]) -> list[Any]:
        """The outcome of the bad one, which stands in the middle, and of `MANY` good ones."""
        good = [self._counted(f"k{n}", self._good(f"k{n}")) for n in range(MANY)]
        programs = [*good[: MANY // 2], self._counted("bad", bad), *good[MANY // 2 :]]
        first = asyncio.create_task(self.store.write(self._good("first")))
        await asyncio.sleep(0)
        results = await asyncio.gather(
            *(self.store.write(program) for program in programs), return_exceptions=True
        )
        await first
        return [results.pop(MANY // 2), *results]

    def _good(self, key: str) -> Callable[[], Program[list[Outcome]]]:
        return lambda: prepare(AGENCY, [draft(key)], ORIGIN)

    def _counted(self, name: str, program: Callable[[], Program[Any]]) -> Callable[[], Program[Any]]:
        def counted() -> Program[Any]:
            self.runs[name] += 1
            return program()

        return counted


def _refuses_after_writing() -> Program[None]:
    yield from prepare(AGENCY, [draft("bad")], ORIGIN)
    raise Conflict


def _breaks_a_constraint() -> Program[None]:
    yield from run("insert_idempotency", AGENCY, "bad", b"r", "n")
    yield from run("insert_idempotency", AGENCY, "bad", b"r", "n")


def _refuses_at_once() -> Program[None]:
    yield from change_status([Change("no such number", Move.REVOKE, "FORGED")], None, ORIGIN)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (_refuses_after_writing, Conflict),
        (_breaks_a_constraint, StoreFailed),
        (_refuses_at_once, NotFound),
    ],
)
async def test_one_that_refuses_in_a_group_leaves_the_others_committed_exactly_once(
    store: Store, engine: Engine, bad: Callable[[], Program[Any]], told: type[Exception]
) -> None:
    group = Group(store)
    refusal, *results = await group.commit(bad)
    assert isinstance(refusal, told)
    numbers = {outcome.number for (outcome,) in results if isinstance(outcome, Prepared)}
    assert len(numbers) == MANY
    kept = [key for (key,) in await engine.sql("select key from idempotency")]
    assert sorted(kept) == sorted(["first", *(f"k{n}" for n in range(MANY))])
    taken = await engine.sql("select seq from event where kind = 'numbers-taken' order by seq")
    ((last,),) = await engine.sql("select seq from ledger_head")
    assert len(taken) == MANY + 1 and taken[-1] == (last,)


async def test_a_refusal_before_anything_is_written_makes_nobody_run_again(store: Store) -> None:
    group = Group(store)
    await group.commit(_refuses_at_once)
    assert set(group.runs.values()) == {1}


async def test_a_group_in_which_all_refuse_leaves_nothing(store: Store, engine: Engine) -> None:
    await issue(store, "a")
    before = await engine.dump()
    bad = [_refuses_after_writing, _breaks_a_constraint, _refuses_at_once] * 5
    results = await asyncio.gather(*(store.write(one) for one in bad), return_exceptions=True)
    assert [type(result) for result in results] == [Conflict, StoreFailed, NotFound] * 5
    assert await engine.dump() == before
