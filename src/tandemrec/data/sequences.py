"""Users' items as rows of equal length, for backbones that read them in order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tandemrec.data.interactions import Interactions

Rows = NDArray[np.int64]


def latest(train: Interactions, users: NDArray[np.int64], length: int) -> Rows:
    """The last items of these users, at most `length`, oldest first: [B, T], T the longest of them.

    Rows begin at the left; behind a shorter one stands the number `n_items`, which no item has.
    """
    stops = train.bounds[users + 1]
    starts = np.maximum(train.bounds[users], stops - length)
    return _cut(train, starts, stops)


def windows(train: Interactions, length: int, *, every: bool = False) -> tuple[Rows, Rows]:
    """Each user's last `length` items, for those who have two: users [W] and items [W, T].

    With `every` earlier ones too, in windows that share one item, so that each item but the first
    has its predecessors in front of it once.
    """
    sizes = train.counts
    step = max(length - 1, 1)
    pieces = np.ceil((sizes - 1).clip(0) / step).astype(np.int64)
    pieces = pieces if every else pieces.clip(max=1)
    users = np.repeat(np.arange(train.n_users), pieces)
    place = np.arange(len(users)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    stops = train.bounds[users + 1] - place * step
    starts = np.maximum(train.bounds[users], stops - length)
    return users, _cut(train, starts, stops)


def _cut(train: Interactions, starts: Rows, stops: Rows) -> Rows:
    sizes = stops - starts
    place = np.arange(max(sizes.max(initial=0), 1))
    inside = place < sizes[:, None]
    rows = np.where(inside, starts[:, None] + place, 0)
    items = train.items[rows] if len(train) else np.zeros_like(rows)
    return np.where(inside, items, train.n_items)
