"""The set of pairs tells what it holds, whatever falls beside it."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tandemrec.data.interactions import Interactions
from tandemrec.data.unmet import Pairs

NUMBERS = st.sets(st.integers(0, 300), max_size=120)


@settings(max_examples=60, deadline=None)
@given(NUMBERS)
def test_a_set_holds_what_it_was_made_of_and_nothing_else(inside: set[int]) -> None:
    pairs, everything = Pairs.of(np.array(sorted(inside), dtype=np.int64)), np.arange(301)
    assert set(pairs.held(everything).tolist()) == inside


def test_large_numbers_do_not_overflow_into_the_set() -> None:
    numbers = np.array([0, 2**40, 2**62 - 1])
    assert Pairs.of(numbers).held(np.array([2**62 - 1, 2**40 - 1, 2**40, 1])).tolist() == [0, 2]


def test_unmet_items_go_by_number() -> None:
    """User 0 met 0, 3 and 4 of six items, user 1 nothing, user 2 all but 4."""
    users, items = np.array([0, 0, 0, *[2] * 5]), np.array([4, 0, 3, 0, 1, 2, 3, 5])
    unmet = Interactions.sorted(users, items, n_users=3, n_items=6).unmet
    assert unmet.counts(np.arange(3)).tolist() == [3, 6, 1]
    asked, numbers = np.array([0, 0, 0, 2, *[1] * 6]), np.array([0, 1, 2, 0, *range(6)])
    assert unmet.numbered(asked, numbers).tolist() == [1, 2, 5, 4, *range(6)]
