"""The near cache: its bound, its guard, and the window behind it."""

import random
import sys
from collections.abc import Iterator

import pytest

from verify.certificate.record import Status
from verify.errors import Unavailable, Words
from verify.lookup.answer import Agency, Middle, NumberEntry, number_entry
from verify.lookup.near import MAX_CHANGES, NEVER, Near, Window
from verify.store.reads import Change, Head

AGENCY = Agency("S000035001201", Words("机构", "Agency"))


def entry(
    number: str, seq: int, *, until: int = NEVER, agency: Agency = AGENCY, text: int = 300
) -> NumberEntry:
    return number_entry(number, 1, Status.VALID, 0, None, None, until, seq, Middle(agency, b"x" * text))


def head(seq: int, *changes: tuple[int, str], complete: bool = True) -> Head:
    told = tuple(Change(at, None, what) if ":" in what else Change(at, what, None) for at, what in changes)
    return Head(seq, told, complete)


@pytest.fixture
def window() -> Iterator[Window]:
    window = Window()
    window.advance(head(10))
    yield window


def test_the_bytes_held_never_pass_the_bound_whatever_comes(window: Window) -> None:
    dice = random.Random(1)
    near: Near[NumberEntry] = Near(50_000, window)
    for _ in range(5000):
        number = f"S00003500120126300{dice.randrange(4000):05d}"
        if dice.random() < 0.1:
            near.drop(number, 1 << 40)
        else:
            near.put(number, entry(number, 10))
        assert near.bytes <= 50_000
        assert near.bytes == sum(one.size for one in near._entries.values())
    assert len(near) > 50


def test_an_entry_larger_than_the_bound_is_not_kept(window: Window) -> None:
    near: Near[NumberEntry] = Near(100, window)
    assert not near.put("n", entry("n", 10))
    assert near.bytes == 0


def test_the_size_of_an_entry_is_not_less_than_python_says() -> None:
    one = entry("S000035001201263000001", 10)
    own = sum(map(sys.getsizeof, (one, one.head, one.tail, one.seq, one.until)))
    assert one.size >= own + sys.getsizeof("S000035001201263000001") + 100


def test_the_least_recently_used_goes_first(window: Window) -> None:
    size = entry("a", 10).size
    near: Near[NumberEntry] = Near(2 * size, window)
    near.put("a", entry("a", 10))
    near.put("b", entry("b", 10))
    assert near.get("a", 0)
    near.put("c", entry("c", 10))
    assert (near.get("a", 0), near.get("b", 0)) == (entry("a", 10), None)


def test_a_slow_read_does_not_bring_back_what_a_later_look_dropped(window: Window) -> None:
    near: Near[NumberEntry] = Near(50_000, window)
    window.begin_read()
    window.advance(head(12, (11, "n")))
    assert not near.put("n", entry("n", 10))
    assert near.put("n", entry("n", 11))
    assert near.put("m", entry("m", 10))
    window.end_read()


def test_newer_beats_older_on_every_put(window: Window) -> None:
    near: Near[NumberEntry] = Near(50_000, window)
    assert near.put("n", entry("n", 12))
    assert not near.put("n", entry("n", 11))
    near.drop("n", 12)
    assert near.get("n", 0) == entry("n", 12)
    near.drop("n", 13)
    assert near.get("n", 0) is None


def test_an_agency_that_ended_takes_its_entries_with_it_and_lets_none_in(window: Window) -> None:
    agency = Agency("S000035001202", Words("机构", "Agency"))
    near: Near[NumberEntry] = Near(50_000, window)
    near.put("n", entry("n", 10, agency=agency))
    agency.live = False
    assert near.get("n", 0) is None
    assert near.bytes == 0
    assert not near.put("n", entry("n", 99, agency=agency))


def test_an_answer_with_an_end_is_not_used_at_it(window: Window) -> None:
    near: Near[NumberEntry] = Near(50_000, window)
    near.put("n", entry("n", 10, until=100))
    assert near.get("n", 99)
    assert near.get("n", 100) is None


def test_changes_are_remembered_only_while_a_read_may_be_older_than_they_are(window: Window) -> None:
    window.begin_read()
    window.advance(head(12, (11, "n"), (12, "agency:A")))
    assert not window.admits("n", 10)
    assert not window.admits("agency:A", 11)
    window.end_read()
    assert window.changed == {}


def test_more_changes_than_can_be_remembered_keep_every_older_read_out(window: Window) -> None:
    window.begin_read()
    last = 10
    for _ in range(4):
        changes = tuple((last + i, f"n{last + i}") for i in range(1, MAX_CHANGES // 3))
        last = changes[-1][0]
        window.advance(head(last, *changes))
        assert len(window.changed) <= MAX_CHANGES
    assert not window.admits("untouched", 10)
    assert window.admits("untouched", last)


def test_too_much_change_to_tell_keeps_every_older_read_out(window: Window) -> None:
    window.begin_read()
    window.advance(head(99_999, complete=False))
    assert not window.admits("n", 99_998)
    assert window.admits("n", 99_999)


def test_a_ledger_that_went_back_is_no_ground_to_answer_on(window: Window) -> None:
    with pytest.raises(Unavailable):
        window.advance(head(9))
    assert window.seq == 10
