"""What a re-ranker must be held against: repeating, guessing, knowing; and whether it looks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tandemrec.data.interactions import Interactions
from tandemrec.rankings import Rankings


def echo(rankings: Rankings) -> Rankings:
    """The same items in the same order: a re-ranker that repeats the list it was shown.

    Of the backbone's ranking it scores what the backbone scores. All three controls score an item
    by minus its place.
    """
    return _reordered(rankings, np.zeros(rankings.items.shape))


def random_order(rankings: Rankings, seed: int) -> Rankings:
    """The same items in a random order: what the choice of candidates alone is worth."""
    return _reordered(rankings, np.random.default_rng(seed).random(rankings.items.shape))


def oracle(rankings: Rankings, truth: Interactions) -> Rankings:
    """The held-out items first: the most that any re-ranking of these candidates can reach."""
    return _reordered(rankings, np.where(rankings.met(truth), 0.0, 1.0))


def _reordered(rankings: Rankings, keys: NDArray[np.float64]) -> Rankings:
    """Sort each row by rising key [U, K]; ties keep their order; missing places stay last."""
    missing = rankings.items < 0
    order = np.argsort(np.where(missing, np.inf, keys), axis=1, kind="stable")
    items = np.take_along_axis(rankings.items, order, axis=1)
    places = np.arange(1, items.shape[1] + 1, dtype=np.float32)
    return Rankings(rankings.users, items, np.where(items < 0, -np.inf, -places).astype(np.float32))


@dataclass(frozen=True, eq=False)
class PositionBias:
    """How often the first place went to the item shown at each slot."""

    shares: NDArray[np.float64]  # [K], sums to 1 (to 0 if nobody has a first place)
    p_value: float
    "Pearson's chi-square test against no preference; a small one says that the slot matters."
    n: int
    "How many rankings were counted."


def position_bias(presented: NDArray[np.int64], chosen: Rankings) -> PositionBias:
    """Does a re-ranker prefer a slot of the list it is shown, whatever stands there?

    `presented` is [U, K]: the items in the order shown, -1 for none, row by row beside `chosen`.
    The list must have been shuffled: then without bias each slot of a list of k items wins 1/k of
    the time, however good the re-ranker. Rows without a first place are left out. The test is
    approximate below some five rankings a slot.
    """
    if len(presented) != len(chosen.users):
        raise ValueError(f"one row for each ranking: {len(presented)}, {len(chosen.users)}")
    answered = chosen.items[:, 0] >= 0
    shown, first = presented[answered], chosen.items[answered, :1]
    matches = shown == first  # [R, K]
    if (matches.sum(axis=1) != 1).any():
        raise ValueError("each first place must have been shown exactly once")
    won = matches.sum(axis=0).astype(np.float64)
    return PositionBias(won / max(len(shown), 1), _chi_square(won, shown >= 0), len(shown))


def _chi_square(won: NDArray[np.float64], shown: NDArray[np.bool_]) -> float:
    """The p-value of the wins per slot [K]; `shown` [R, K] tells which slots held an item."""
    chances = shown / shown.sum(axis=1, keepdims=True)  # [R, K]
    expected = chances.sum(axis=0)
    open_slots = expected > 0
    if open_slots.sum() < 2:
        return 1.0
    return float(stats.chisquare(won[open_slots], expected[open_slots]).pvalue)
