"""The judge of histories must itself condemn what is stale and acquit what is not."""

from history import Read, Write, violations

FIRST = Write("n", 0, 0, 1, "valid")


def test_a_read_that_overlaps_a_change_may_show_either_side_of_it() -> None:
    revoke = Write("n", 10, 20, 2, "revoked")
    assert violations([FIRST, revoke], [Read("n", 11, 19, 1, "valid"), Read("n", 12, 21, 2, "revoked")]) == []


def test_an_older_state_after_the_acknowledgement_is_found() -> None:
    assert violations([FIRST, Write("n", 10, 20, 2, "revoked")], [Read("n", 21, 22, 1, "valid")])


def test_a_flicker_between_two_reads_is_found_before_any_acknowledgement() -> None:
    revoke = Write("n", 10, 50, 2, "revoked")
    assert violations([FIRST, revoke], [Read("n", 11, 12, 2, "revoked"), Read("n", 13, 14, 1, "valid")])


def test_a_revision_that_nobody_wrote_yet_is_found() -> None:
    assert violations([FIRST], [Read("n", 1, 2, 2, "revoked")])
    assert violations([FIRST, Write("n", 10, 20, 2, "revoked")], [Read("n", 1, 2, 2, "revoked")])


def test_a_state_that_does_not_belong_to_its_revision_is_found() -> None:
    assert violations([FIRST, Write("n", 10, 20, 2, "revoked")], [Read("n", 21, 22, 2, "valid")])


def test_a_change_of_unknown_outcome_may_show_or_not_but_once_shown_it_stays() -> None:
    unknown = Write("n", 10, 20, None, "revoked")
    assert violations([FIRST, unknown], [Read("n", 21, 22, 1, "valid")]) == []
    assert violations([FIRST, unknown], [Read("n", 21, 22, 2, "revoked")]) == []
    assert violations([FIRST, unknown], [Read("n", 21, 22, 2, "revoked"), Read("n", 23, 24, 1, "valid")])


def test_histories_of_different_certificates_do_not_mix() -> None:
    other = Write("m", 0, 0, 5, "suspended")
    assert violations([FIRST, other], [Read("m", 1, 2, 5, "suspended"), Read("n", 3, 4, 1, "valid")]) == []
