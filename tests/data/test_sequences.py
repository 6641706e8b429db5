from itertools import pairwise

import numpy as np

from tandemrec.data.interactions import Interactions
from tandemrec.data.sequences import latest, windows


def some() -> Interactions:
    """User 0 met 5, 1, 3, 0, 2; user 1 nothing; user 2 met 4; user 3 met 2, 5."""
    users = np.array([0, 0, 0, 0, 0, 2, 3, 3])
    items = np.array([5, 1, 3, 0, 2, 4, 2, 5])
    times = np.arange(8)
    return Interactions.sorted(users, items, times=times, n_users=4, n_items=6)


def test_latest_items_stand_at_the_left_oldest_first() -> None:
    found = latest(some(), np.array([3, 0, 1, 2]), 3)
    assert found.tolist() == [[2, 5, 6], [3, 0, 2], [6, 6, 6], [4, 6, 6]]
    assert latest(some(), np.array([1]), 3).tolist() == [[6]]
    assert latest(some(), np.array([], np.int64), 3).shape == (0, 1)


def test_windows_are_the_last_ones_of_users_with_two_items() -> None:
    users, rows = windows(some(), 3)
    assert users.tolist() == [0, 3]
    assert rows.tolist() == [[3, 0, 2], [2, 5, 6]]


def test_every_item_but_the_first_comes_next_once() -> None:
    for length in (2, 3, 4, 5, 9):
        users, rows = windows(some(), length, every=True)
        pairs = [
            (user, before, item)
            for user, row in zip(users.tolist(), rows.tolist(), strict=True)
            for before, item in pairwise(row)
            if item < 6
        ]
        steps = [(0, 5, 1), (0, 1, 3), (0, 3, 0), (0, 0, 2), (3, 2, 5)]
        assert sorted(pairs) == sorted(steps), length
        assert rows.shape[1] <= length
