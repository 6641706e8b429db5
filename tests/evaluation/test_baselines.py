"""The mean and the biases, by hand."""

import numpy as np
import pytest

from tandemrec.data.interactions import Interactions
from tandemrec.evaluation.baselines import biases, mean_rating, recent_mean


def world() -> tuple[Interactions, Interactions]:
    """User 0 gave items 0 and 1 a 5 and a 3, user 1 gave item 0 a 4; asked: all, and a new item."""
    train = Interactions.sorted(
        np.array([0, 0, 1]),
        np.array([0, 1, 0]),
        np.array([5, 3, 4], np.float32),
        n_users=3,
        n_items=3,
    )
    pairs = Interactions.sorted(np.array([0, 1, 2]), np.array([2, 1, 2]), n_users=3, n_items=3)
    return train, pairs


def test_the_mean_of_training_for_everybody() -> None:
    train, pairs = world()
    found = mean_rating(train, pairs)
    assert found.values.tolist() == [4, 4, 4] and (found.items == [2, 1, 2]).all()


def test_biases_by_hand() -> None:
    """Item 0: (1 + 0) / (2 + 25); item 1: -1 / (1 + 25). User 0: what is left over of 5 and 3, by 2
    + 10; user 1: what is left of 4, by 1 + 10; user 2 and item 2 are as the mean."""
    train, pairs = world()
    first, second = 1 / 27, -1 / 26
    zero = ((1 - first) + (-1 - second)) / 12
    one = (0 - first) / 11
    wanted = [4 + zero, 4 + one + second, 4]
    assert biases(train, pairs).values == pytest.approx(wanted, rel=1e-6)


def test_the_mean_of_the_last_ratings() -> None:
    """User 0 gave 5, 3, 1 and 2 in this order; user 1 a 4; user 2 nothing. One more is the mean."""
    past = Interactions.sorted(
        np.array([0, 0, 0, 0, 1]),
        np.array([0, 1, 2, 3, 0]),
        np.array([5, 3, 1, 2, 4], np.float32),
        n_users=3,
        n_items=5,
    )
    pairs = Interactions.sorted(np.arange(3), np.array([4, 4, 4]), n_users=3, n_items=5)
    for n, first in ((1, (2 + 3) / 2), (2, (1 + 2 + 3) / 3), (4, 14 / 5), (50, 14 / 5)):
        found = recent_mean(past, pairs, n, 3.0)
        assert found.values == pytest.approx([first, 3.5, 3.0]) and found.same_pairs(pairs)


def test_biases_stay_on_the_scale() -> None:
    users = np.repeat(np.arange(2), 400)
    items = np.tile(np.arange(400), 2)
    stars = np.where(items < 200, 5, 1).astype(np.float32)
    train = Interactions.sorted(users, items, stars, n_users=2, n_items=400)
    found = biases(train, train).values
    assert found.min() >= 1 and found.max() <= 5 and found.max() > 3
