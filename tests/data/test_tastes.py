"""Likes and dislikes, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tandemrec.data.interactions import Interactions
from tandemrec.data.tastes import Tastes
from tandemrec.errors import DataError, DataWarning


def rated(*ratings: float) -> Interactions:
    """One user's ratings of the items 0, 1, 2, ..."""
    n = len(ratings)
    values = np.array(ratings, np.float32)
    return Interactions.sorted(np.zeros(n, int), np.arange(n), values, n_users=2, n_items=n)


def parts(tastes: Tastes) -> tuple[list[int], list[int]]:
    return tastes.liked.of(0).tolist(), tastes.disliked.of(0).tolist()


@pytest.mark.parametrize(
    ("ratings", "liked", "disliked"),
    [
        ([1, 2, 3, 4, 5], [3, 4], [0, 1, 2]),  # the paper's movies: above 3
        ([1, 5, 6, 10], [2, 3], [0, 1]),  # the paper's books: above 5
        ([0, 1, 5, 6, 10, 0], [3, 4], [1, 2]),  # 0: met, not rated
        ([0.5, 2.5, 3.0, 5.0], [2, 3], [0, 1]),
        ([0, 1, 1], [1, 2], [0]),  # thumbs: 0 is a rating beside 1 alone
        ([-1, 0, 1], [2], [0, 1]),  # and where others are negative
        ([1, float("nan"), 5], [2], [0]),
    ],
)
def test_likes_are_above_the_middle_of_the_scale(
    ratings: list[float], liked: list[int], disliked: list[int]
) -> None:
    assert parts(Tastes.of(rated(*ratings))) == (liked, disliked)


def test_the_middle_can_be_another_and_zeros_can_be_said() -> None:
    assert parts(Tastes.of(rated(1, 2, 3, 4, 5), above=1.5)) == ([1, 2, 3, 4], [0])
    assert parts(Tastes.of(rated(0, 1, 2, 3), zeros=True)) == ([2, 3], [0, 1])
    assert parts(Tastes.of(rated(0, 3), above=2, zeros=False)) == ([1], [])


def test_other_rows_go_by_the_same_rule() -> None:
    books = Tastes.of(rated(0, 1, 5, 6, 10))
    assert books.signs(np.array([0, 5, 6, np.nan])).tolist() == [0, -1, 1, 0]
    assert (books.above, books.zeros) == (5.5, False)


def test_users_of_whom_something_is_known() -> None:
    users, items = np.array([0, 1, 2]), np.array([0, 0, 0])
    rows = Interactions.sorted(users, items, np.float32([0, 1, 10]), n_users=4, n_items=1)
    assert Tastes.of(rows).known.tolist() == [1, 2]


def test_one_rating_for_all_is_a_like_and_said_to_be() -> None:
    with pytest.warns(DataWarning, match=r"Every rating is 1: .*liked"):
        ones = Tastes.of(rated(1, 1, 1))
    assert parts(ones) == ([0, 1, 2], [])


def test_ratings_on_no_scale_need_a_limit() -> None:
    with pytest.raises(DataError, match="no scale"):
        Tastes.of(rated(1, 20_000, 7))
    with pytest.raises(DataError, match="no rating"):
        Tastes.of(rated(0, 0), zeros=False)
    assert parts(Tastes.of(rated(1, 20_000, 7), above=10)) == ([1], [0, 2])


def test_a_fine_scale_is_no_matter_here(recwarn: pytest.WarningsRecorder) -> None:
    Tastes.of(rated(*np.linspace(1, 9, 33)))
    assert not recwarn.list


def test_the_fingerprint_changes_with_what_is_liked() -> None:
    one = Tastes.of(rated(1, 2, 3, 4, 5))
    assert one.fingerprint == Tastes.of(rated(1, 2, 3, 4, 5)).fingerprint
    others = [Tastes.of(rated(1, 2, 3, 4, 5), above=2), Tastes.of(rated(1, 2, 3, 4, 4))]
    assert len({each.fingerprint for each in (one, *others)}) == 3
