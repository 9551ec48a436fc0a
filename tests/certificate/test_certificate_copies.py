"""Copies: their arrows, and the remark that a new one carries."""

from importlib.resources import files
from itertools import product

import pytest

from verify.certificate.copies import COPY_ARROWS, REMARKS, CopyMove, move_copy, reissue_remark
from verify.certificate.record import CopyCause, CopyState
from verify.errors import ForbiddenArrow


@pytest.mark.parametrize(("state", "by"), list(product(CopyState, CopyMove)))
def test_a_copy_follows_its_arrow_or_the_move_is_forbidden(state, by):
    if (state, by) in COPY_ARROWS:
        assert move_copy(state, by) is COPY_ARROWS[state, by]
    else:
        with pytest.raises(ForbiddenArrow):
            move_copy(state, by)


def test_the_table_of_copies_in_the_readme_is_the_table_of_arrows():
    readme = files("verify.certificate").joinpath("README.md").read_text("utf-8")
    lines = [f"| {start} | {by} | {end} |" for (start, by), end in COPY_ARROWS.items()]
    assert "| from | move | to |\n| --- | --- | --- |\n" + "\n".join(lines) in readme


def test_every_new_copy_says_why_and_the_first_says_nothing():
    assert set(REMARKS) == set(CopyCause) - {CopyCause.ORIGINAL}
    assert reissue_remark(CopyCause.ORIGINAL, None) is None
    assert "遗失" in reissue_remark(CopyCause.LOST, None)
    assert reissue_remark(CopyCause.LOST, "登报声明作废后补发") == "登报声明作废后补发"
