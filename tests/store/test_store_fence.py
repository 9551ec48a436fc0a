"""The lease by itself: a simulated pair of servers with clocks, delays and failures, and rules that are nearly right."""

import random
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from verify.errors import StoreFailed
from verify.store.failover import MARGIN_S
from verify.store.fence import Fence, Guard
from verify.store.primary import split_hosts

LEASE_MS = 3000


class Old(NamedTuple):
    """What the old primary would say at one instant."""

    at: float
    beat: int
    begun: int
    heard: int


class Look(NamedTuple):
    """One read of a node."""

    sent: float
    ran: float
    came: float


def old_primary(dice: random.Random, stopped: float, end: float) -> list[Old]:
    """Beats of an office node; from `stopped` on the standby confirms nothing, and commits are given up later."""
    states, at, begun, heard, beat = [Old(0.0, 0, 0, 0)], 0.0, 0, 0, 0
    while at < end:
        begun += 1
        states.append(Old(at, beat, begun, heard))
        confirmed = at + dice.uniform(0.001, 0.2)
        lost = confirmed > stopped
        # The confirmation came, but this process was not run for a while: what it makes visible comes late.
        late = confirmed + (dice.random() ** 8) * 9
        beat += 1
        if lost:
            late = at + 1.5  # a wait that somebody cancelled: visible, never confirmed
            states.append(Old(late, beat, begun, heard))
        else:
            heard = begun
            states.append(Old(late, beat, begun, heard))
        at = late + 1.0
    return states


def looks(dice: random.Random, end: float) -> Iterator[Look]:
    at = 0.0
    while at < end:
        ran = at + (dice.random() ** 6) * 8
        yield Look(at, ran, ran + (dice.random() ** 6) * 8)
        at += dice.uniform(0.05, 0.6)


def stale(fence: Fence, seed: int) -> bool:
    """Whether a node that uses `fence` shows what the old primary says after the new one began to speak."""
    dice = random.Random(seed)
    stopped, end = dice.uniform(4, 12), 40.0
    promoted = stopped + LEASE_MS / 1000 + MARGIN_S
    states = old_primary(dice, stopped, end)
    for look in sorted(looks(dice, end), key=lambda look: look.came):
        old = [state for state in states if state.at <= look.ran][-1]
        guard = Guard(old.beat, LEASE_MS, old.begun, old.heard, 1)
        try:
            if isinstance(fence, FromTheReply):
                fence.judge(guard, look.came)
            else:
                fence.judge(guard, look.sent)
        except StoreFailed:
            continue
        if look.sent > promoted:
            return True
    return False


class FromTheReply(Fence):
    """Counts from when the answer came."""

    def judge(self, guard: Guard, sent: float) -> None:
        super().judge(guard, sent)


class FirstSight(Fence):
    """Counts from when a beat was first seen."""

    def judge(self, guard: Guard, sent: float) -> None:
        if guard.heard is not None and (not self._seen or self._seen[-1][0] < guard.heard):
            self._seen.append((guard.heard, sent))
        if not self._seen or sent - self._seen[-1][1] > guard.lease_ms / 1000:
            raise StoreFailed


class AnyBeat(Fence):
    """Takes a beat that is visible for one that was confirmed."""

    def judge(self, guard: Guard, sent: float) -> None:
        super().judge(guard._replace(heard=guard.seq, begun=guard.seq), sent)


def test_nothing_old_is_shown_whatever_is_delayed() -> None:
    assert not any(stale(Fence(), seed) for seed in range(1500))


@pytest.mark.parametrize("mutant", [FromTheReply, FirstSight, AnyBeat])
def test_the_simulation_catches_every_rule_that_is_nearly_right(mutant: type[Fence]) -> None:
    assert any(stale(mutant(), seed) for seed in range(1500))


def test_a_healthy_pair_is_believed_almost_always() -> None:
    fence, shown = Fence(), 0
    for i in range(300):
        at = i / 10
        try:
            fence.judge(Guard(7, LEASE_MS, int(at) + 1, int(at - 0.1) + 1, 1), at)
        except StoreFailed:
            continue
        shown += 1
    assert shown > 280


def test_without_a_standby_nothing_needs_proof() -> None:
    Fence().judge(Guard(7, 0, None, None, 1), 5.0)


def test_a_server_that_lost_its_pulse_in_a_crash_proves_nothing() -> None:
    fence = Fence()
    fence.judge(Guard(7, 0, 5, 4, 1), 0.0)
    for begun, heard in ((5, 4), (6, 5), (None, None), (1, 0)):
        with pytest.raises(StoreFailed):
            fence.judge(Guard(7, LEASE_MS, begun, heard, 1), 100.0)


def test_what_an_older_timeline_says_is_refused_once_a_newer_one_was_seen() -> None:
    fence = Fence()
    fence.judge(Guard(7, 0, None, None, 2), 0.0)
    with pytest.raises(StoreFailed, match="replaced"):
        fence.judge(Guard(9, 0, None, None, 1), 1.0)


@pytest.mark.parametrize(
    "dsn, each",
    [
        ("postgresql://u:p%40@a:1,b:2/d?sslmode=require&target_session_attrs=read-write",
         ["postgresql://u:p%40@a:1/d?sslmode=require", "postgresql://u:p%40@b:2/d?sslmode=require"]),
        ("postgresql://u@/d?host=/tmp/a,/tmp/b", ["postgresql://u@/d?host=/tmp/a", "postgresql://u@/d?host=/tmp/b"]),
        ("postgresql://u@h/d", ["postgresql://u@h/d"]),
        ("postgresql:///d", ["postgresql:///d"]),
    ],
)  # fmt: skip
def test_an_address_of_several_hosts_is_taken_apart(dsn: str, each: list[str]) -> None:
    assert split_hosts(dsn) == each
