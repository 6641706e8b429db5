"""Long tables in parts: the same order as at once, and hands that are dealt fairly."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tandemrec.data import blocks
from tandemrec.data.blocks import by_number, dealt, in_order, parts


@pytest.fixture(scope="module", autouse=True)
def short() -> Iterator[None]:
    """Tables of more than 20 rows are long, and have parts of about 8."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "LONG", 20)
        patch.setattr(blocks, "PART", 8)
        yield


def test_parts_follow_one_another_and_the_last_may_be_short() -> None:
    assert [(part.start, part.stop) for part in parts(7, 3)] == [(0, 3), (3, 6), (6, 7)]
    assert list(parts(0, 3)) == []


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(-2, 2)), min_size=1, max_size=90))
def test_the_order_is_that_of_a_plain_stable_sort(rows: list[tuple[int, int]]) -> None:
    users, times = np.array(rows).T
    assert in_order(users, times).tolist() == sorted(range(len(rows)), key=lambda row: rows[row])


def test_further_columns_count_from_the_first() -> None:
    users, items, times = np.random.default_rng(0).integers(0, 5, (3, 200))
    assert (in_order(users, items, times) == np.lexsort((times, items, users))).all()


@pytest.mark.parametrize(("n", "size"), [(100, 7), (100, 100), (100, 300), (64, 8), (12, 5)])
def test_every_number_is_dealt_once(n: int, size: int) -> None:
    hands = list(dealt(n, size, np.random.default_rng(0)))
    assert [len(hand) for hand in hands[:-1]] == [size] * (len(hands) - 1)
    assert sorted(np.concatenate(hands)) == list(range(n))
    if n > blocks.LONG:
        assert all((np.diff(hand) > 0).all() for hand in hands)


def test_each_pair_of_numbers_is_as_often_in_one_hand_as_any_other() -> None:
    """Also where both are of one part, or of two: (4 - 1) / (24 - 1) of the times."""
    together, rng, times = np.zeros((24, 24)), np.random.default_rng(0), 6000
    for _ in range(times):
        for hand in dealt(24, 4, rng):
            together[np.ix_(hand, hand)] += 1
    shares = together[~np.eye(24, dtype=bool)] / times
    np.testing.assert_allclose(shares, 3 / 23, atol=0.02)


def test_deals_differ_and_follow_the_seed() -> None:
    one, two, other = (
        np.concatenate(list(dealt(60, 9, np.random.default_rng(seed)))) for seed in (1, 1, 2)
    )
    assert (one == two).all() and (one != other).any()


@pytest.mark.parametrize("length", [1, 200, 2**16, 2**16 + 1, 10**6, 2**33])
def test_small_and_large_numbers_are_sorted_stably(length: int) -> None:
    numbers = np.random.default_rng(0).integers(0, length, 500) // 7 * 7
    assert (by_number(numbers, length) == np.argsort(numbers, kind="stable")).all()
