"""Budgets: what is granted, what a miss costs, how little memory they take."""

from hypothesis import given
from hypothesis import strategies as st

from verify.lookup.budget import MISS_COST, OFF, Bucket, Budgets, source_of


class Clock:
    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


def test_a_budget_grants_its_quota_at_once_and_then_refuses_with_the_wait() -> None:
    clock = Clock()
    budgets = Budgets(per_source=60, per_target=0, clock=clock)
    left = [budgets.spend("a").remaining for _ in range(60)]
    assert left == list(range(59, -1, -1))
    refused = budgets.spend("a")
    assert (refused.allowed, refused.policy, refused.quota) == (False, "source", 60)
    assert (refused.remaining, refused.reset_s, refused.retry_after_s) == (0, 60, 1)
    clock.s += refused.retry_after_s
    assert budgets.spend("a").allowed
    assert not budgets.spend("a").allowed


def test_a_refused_call_takes_nothing() -> None:
    clock = Clock()
    budgets = Budgets(per_source=2, per_target=0, clock=clock)
    for _ in range(20):
        budgets.spend("a")
    clock.s += 60
    assert budgets.spend("a").remaining == 1


def test_misses_empty_a_budget_several_times_as_fast_as_hits() -> None:
    budgets = Budgets(per_source=100, per_target=0, clock=Clock())
    granted = 0
    while budgets.spend("walker").allowed:
        budgets.missed("walker")
        granted += 1
    assert granted == 100 // MISS_COST


def test_sources_do_not_share_and_targets_are_counted_across_sources() -> None:
    budgets = Budgets(per_source=100, per_target=3, clock=Clock())
    for source in "abc":
        assert budgets.spend(source, b"person").allowed
    refused = budgets.spend("d", b"person")
    assert (refused.allowed, refused.policy) == (False, "target")
    assert budgets.spend("d", b"other").allowed


def test_a_refused_source_cannot_use_up_a_target_for_others() -> None:
    budgets = Budgets(per_source=1, per_target=2, clock=Clock())
    for _ in range(10):
        budgets.spend("hostile", b"person")
    assert budgets.spend("other", b"person").allowed


def test_a_budget_of_nothing_is_switched_off() -> None:
    budgets = Budgets(per_source=0, per_target=0, clock=Clock())
    assert {budgets.spend("a", b"t") for _ in range(1000)} == {OFF}
    budgets.missed("a")


def test_the_tighter_of_two_budgets_is_told() -> None:
    budgets = Budgets(per_source=100, per_target=5, clock=Clock())
    told = budgets.spend("a", b"t")
    assert (told.policy, told.quota, told.remaining) == ("target", 5, 4)
    unlimited = Budgets(per_source=0, per_target=5, clock=Clock()).spend("a", b"t")
    assert (unlimited.policy, unlimited.remaining) == ("target", 4)


def test_buckets_are_bounded_and_full_ones_are_forgotten() -> None:
    clock = Clock()
    bucket = Bucket("source", 10, clock, max_keys=100)
    for key in range(1000):
        bucket.spend(key)
    assert len(bucket) <= 100
    clock.s += 61
    for key in range(2000, 2100):
        bucket.spend(key)
        clock.s += 7
    assert len(bucket) < 5


@given(st.lists(st.tuples(st.floats(0, 30), st.booleans()), max_size=80))
def test_no_order_of_calls_grants_more_than_quota_and_refill(calls: list[tuple[float, bool]]) -> None:
    clock = Clock()
    bucket = Bucket("source", 10, clock)
    start, granted = clock.s, 0
    for wait, miss in calls:
        clock.s += wait
        decision = bucket.spend("a")
        granted += decision.allowed
        assert 0 <= decision.remaining <= 9
        assert 0 <= decision.reset_s <= 120
        if miss and decision.allowed:
            bucket.charge("a", 4)
    assert granted <= 10 + (clock.s - start) / 6 + 1e-6


def test_an_address_counts_as_itself_and_an_ipv6_address_as_its_network() -> None:
    assert source_of("192.0.2.7") == "192.0.2.7"
    assert source_of("2001:db8:1:2::1") == source_of("2001:db8:1:2:ffff::9") != source_of("2001:db8:1:3::1")
    assert source_of("::ffff:192.0.2.7") == "192.0.2.7"
    assert source_of("fe80::1%eth0") == source_of("fe80::2")
    assert source_of("not:an:address") == "not:an:address"
