"""Passages of other users' histories that match what a user met last: prompt augmentation by
retrieval.

Ours, beside the paper's one similar user (Llama4Rec, equation 3): a language model too small to
know the items can still read what others went on with after the same ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tandemrec.data.interactions import Interactions

Items = NDArray[np.int64]


class Passages:
    """Finds passages in training histories; made once for a set of interactions."""

    def __init__(self, train: Interactions) -> None:
        self.train = train
        self._rows = np.argsort(train.items, kind="stable")  # an item's rows are one slice
        self._bounds = np.searchsorted(train.items[self._rows], np.arange(train.n_items + 1))

    def of(self, history: Items, user: int, n: int, length: int, recent: int) -> list[Items]:
        """The `n` passages, best first, of at most `length` items each, that match a history.

        A passage is a window of another user's training history (never of `user`'s own, one a
        user). Its worth is the sum, over those of the history's last `recent` items that it holds,
        of 1 / sqrt(place from the end).
        """
        rows, worth = self._hits(history[::-1][:recent], user)
        if not len(rows):
            return []
        starts, stops = self._windows(rows, length)
        sums = np.concatenate([[0.0], np.cumsum(worth)])
        values = sums[np.searchsorted(rows, stops)] - sums[np.searchsorted(rows, starts)]
        order = np.lexsort((starts, -np.round(values, 9)))
        first = np.unique(self.train.users[starts[order]], return_index=True)[1]
        best = order[np.sort(first)[:n]]
        return [self.train.items[starts[place] : stops[place]] for place in best]

    def _hits(self, latest: Items, user: int) -> tuple[Items, NDArray[np.float64]]:
        """Rows of other users that hold one of the latest items, rising, and what each is worth."""
        found = [self._rows[self._bounds[item] : self._bounds[item + 1]] for item in latest]
        places = np.repeat(np.arange(1, len(found) + 1), [len(rows) for rows in found])
        rows = np.concatenate(found) if found else np.empty(0, np.int64)
        others = self.train.users[rows] != user
        rows, worth = rows[others], 1 / np.sqrt(places[others])
        order = np.argsort(rows, kind="stable")
        return rows[order], worth[order]

    def _windows(self, rows: Items, length: int) -> tuple[Items, Items]:
        """Starts and stops of all windows over a hit, each within one user's rows."""
        shifted = (rows[:, None] - np.arange(length)).ravel()
        users = np.repeat(self.train.users[rows], length)
        starts = np.unique(np.maximum(shifted, self.train.bounds[users]))
        stops = np.minimum(starts + length, self.train.bounds[self.train.users[starts] + 1])
        return starts, stops
