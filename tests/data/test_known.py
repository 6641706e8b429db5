"""Ids get numbers by appearance, whichever way they are looked up."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandemrec.data import known
from tandemrec.data.known import Joined, Known, Spanned

BLOCKS = st.lists(st.lists(st.integers(-30, 30), min_size=1, max_size=20), min_size=1, max_size=6)


@pytest.mark.parametrize("span", [1, 25, 2**28])
@settings(max_examples=60, deadline=None)
@given(BLOCKS)
def test_numbers_go_by_appearance(span: int, values: list[list[int]]) -> None:
    """With a table, without one, and where a table becomes too short."""
    wanted: dict[int, int] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(known, "SPAN", span)
        ids = Known()
        for block in values:
            expected = [wanted.setdefault(each, len(wanted)) for each in block]
            assert ids.numbers(pl.Series(block)).tolist() == expected
    assert ids.ids.to_list() == list(wanted)


def test_an_empty_block_numbers_nobody() -> None:
    ids = Known()
    for block in ([], [7, 7], [], [8]):
        found = ids.numbers(pl.Series(block, dtype=pl.Int64))
        assert found.tolist() == {0: [], 2: [0, 0], 1: [1]}[len(block)]


def test_a_table_holds_only_whole_numbers_that_lie_close() -> None:
    assert Spanned().reaches(pl.Series([-5, 5]))
    for far in ([0, 2**28], [-(2**63), 2**63 - 1], ["a"], [1.0], [True]):
        assert not Spanned().reaches(pl.Series(far))
    assert not Spanned().reaches(pl.Series([2**63], dtype=pl.UInt64))


def test_both_ways_give_numbers_of_32_bits() -> None:
    for way in (Spanned(), Joined(pl.Series([], dtype=pl.Int64))):
        values = pl.Series([4, 9])
        assert not isinstance(way, Spanned) or way.reaches(values)
        assert way.of(values).tolist() == [-1, -1]
        way.add(values)
        assert way.of(values).tolist() == [0, 1] and way.of(values).dtype == np.int32
