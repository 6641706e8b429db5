"""What any predictor of ratings must beat: the mean, and how users and items deviate from it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tandemrec.data.interactions import Interactions
from tandemrec.ratings import Ratings

ITEMS, USERS = 25.0, 10.0
"How many ratings at the mean each item and each user is given besides its own: lambda_2, lambda_3."


def mean_rating(train: Interactions, pairs: Interactions) -> Ratings:
    """The mean of training for every pair."""
    values = np.full(len(pairs), train.ratings.mean(), np.float64)
    return Ratings(pairs.users, pairs.items, values)


def biases(train: Interactions, pairs: Interactions) -> Ratings:
    """The mean, plus what the item's ratings deviate from it, plus what the user's deviate from
    both, each drawn towards 0 where there are few (Koren, "Factor in the Neighbors", TKDD 4(1),
    2010, section 2.1: b_ui = mu + b_u + b_i); within the scale of training."""
    mean = float(train.ratings.mean())
    left = train.ratings - mean
    of_items = _damped(left, train.items, train.n_items, ITEMS)
    left = left - of_items[train.items]
    of_users = _damped(left, train.users, train.n_users, USERS)
    values = mean + of_items[pairs.items] + of_users[pairs.users]
    found = Ratings(pairs.users, pairs.items, values.astype(np.float64))
    return found.within((float(train.ratings.min()), float(train.ratings.max())))


def recent_mean(past: Interactions, pairs: Interactions, n: int, mean: float) -> Ratings:
    """The mean of each user's last `n` ratings in `past`, and of one more at `mean`; of fewer where
    there are fewer. What stands for users' moods, tempers and changing taste without a model."""
    ends = past.bounds[pairs.users + 1]
    starts = np.maximum(past.bounds[pairs.users], ends - n)
    sums = np.append(0.0, past.ratings.astype(np.float64).cumsum())
    values = (sums[ends] - sums[starts] + mean) / (ends - starts + 1)
    return Ratings(pairs.users, pairs.items, values)


def _damped(
    values: NDArray[np.floating], owners: NDArray[np.int64], n: int, damping: float
) -> NDArray[np.float64]:
    """The sum of each owner's values by their number and the damping, [n]."""
    sums = np.bincount(owners, values, minlength=n)
    return sums / (np.bincount(owners, minlength=n) + damping)
