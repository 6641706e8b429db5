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

    def of(
        self,
        history: Items,
        user: int,
        n: int,
        length: int,
        recent: int,
        about: Items | None = None,
    ) -> list[Items]:
        """The `n` passages, best first, of at most `length` items each, that match a history.

        A passage is a window of another user's training history (never of `user`'s own, one a
        user). Its worth is the sum, over those of the history's last `recent` items that it holds,
        of 1 / sqrt(place from the end).

        With `about`, such as a user's candidates, only windows that hold one of these count, the
        more the better among equals, and only these and the matched items are quoted: as many words
        tell several times as much.
        """
        latest = history[::-1][:recent]
        rows, worth = self._hits(latest, user)
        starts, stops = self._windows(rows, length)
        values = np.round(_within(rows, worth, starts, stops), 9)
        held = np.ones(len(starts)) if about is None else self._holding(about, starts, stops)
        order = np.lexsort((starts, -held, -values))
        order = order[held[order] > 0]
        first = np.unique(self.train.users[starts[order]], return_index=True)[1]
        best = order[np.sort(first)[:n]]
        passages = [self.train.items[starts[place] : stops[place]] for place in best]
        if about is None:
            return passages
        quoted = np.union1d(about, latest)
        return [passage[np.isin(passage, quoted)] for passage in passages]

    def _hits(self, latest: Items, user: int) -> tuple[Items, NDArray[np.float64]]:
        """Rows of other users that hold one of the latest items, rising, and what each is worth."""
        found = self._of_items(latest)
        places = np.repeat(np.arange(len(found)), [len(rows) for rows in found])
        rows = np.concatenate(found)
        others = self.train.users[rows] != user
        rows, worth = rows[others], 1 / np.sqrt(places[others])
        order = np.argsort(rows, kind="stable")
        return rows[order], worth[order]

    def _holding(self, items: Items, starts: Items, stops: Items) -> NDArray[np.float64]:
        """How many rows of each window hold one of the items."""
        rows = np.sort(np.concatenate(self._of_items(np.unique(items))))
        return _within(rows, np.ones(len(rows)), starts, stops)

    def _of_items(self, items: Items) -> list[Items]:
        """Each item's rows, behind an empty array that stands for no item."""
        bounds = zip(self._bounds[items], self._bounds[items + 1], strict=True)
        return [np.empty(0, np.int64), *(self._rows[start:stop] for start, stop in bounds)]

    def _windows(self, rows: Items, length: int) -> tuple[Items, Items]:
        """Starts and stops of all windows over a hit, each within one user's rows."""
        shifted = (rows[:, None] - np.arange(length)).ravel()
        users = np.repeat(self.train.users[rows], length)
        starts = np.unique(np.maximum(shifted, self.train.bounds[users]))
        stops = np.minimum(starts + length, self.train.bounds[self.train.users[starts] + 1])
        return starts, stops


def _within(
    rows: Items, worth: NDArray[np.float64], starts: Items, stops: Items
) -> NDArray[np.float64]:
    """The worth of the rows (rising) in each window."""
    sums = np.concatenate([[0.0], np.cumsum(worth)])
    return np.asarray(sums[np.searchsorted(rows, stops)] - sums[np.searchsorted(rows, starts)])
