"""What a restore does with pictures of rare characters: decisions hold, filings made since are told as lost."""

import datetime as dt
from typing import Any

import pytest
from care_shell import AGENCY, Shell
from test_care_tables import Lose, in_house, origin

from verify.store import stand_ins
from verify.store.replay import _Replay
from verify.wiring.desks import OfficeHouse


def drill(shell: Shell, lose: Lose) -> tuple[list[str], dict[str, Any]]:
    """Two filed before the backup, one accepted and one refused after it; a third is filed after it."""
    shell.issue(1)

    def filed(name: str) -> stand_ins.FiledStandIn:
        at = dt.datetime.now(dt.UTC)
        return stand_ins.FiledStandIn(name, AGENCY, name.encode(), b"sealed", "waiting", "cli:test", at)

    async def file(house: OfficeHouse, name: str) -> None:
        await house.store.write(lambda: stand_ins.file_stand_in(filed(name), None, origin()))

    async def decide(house: OfficeHouse, name: str, state: str) -> None:
        await house.store.write(lambda: stand_ins.decide_stand_in(name, state, None, origin()))

    async def states(house: OfficeHouse) -> list[str]:
        return [one.state for one in await house.store.read(lambda: stand_ins.list_stand_ins(AGENCY))]

    in_house(lambda house: file(house, "si_1"))
    in_house(lambda house: file(house, "si_2"))
    shell("backup", "backup")
    in_house(lambda house: decide(house, "si_1", "accepted"))
    in_house(lambda house: decide(house, "si_2", "refused"))
    in_house(lambda house: file(house, "si_3"))
    restored = shell.json("restore", "backup", *lose())
    return in_house(states), restored["replayed"]["lost_others"]


def test_decisions_hold_and_a_later_filing_is_told_as_lost(shell: Shell, lose: Lose) -> None:
    assert drill(shell, lose) == (["accepted", "refused"], {"stand-in-filed": ["si_3"]})
    shell("audit")


def test_a_replay_without_decisions_is_seen(
    shell: Shell, lose: Lose, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = _Replay.take

    def most(self: _Replay, event: Any) -> Any:
        if not event.kind.startswith("stand-in-"):
            yield from take(self, event)

    monkeypatch.setattr(_Replay, "take", most)
    assert drill(shell, lose) == (["waiting", "waiting"], {})
