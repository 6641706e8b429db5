"""Small worlds in which the right answer is known; every backbone is tested in its task's."""

from __future__ import annotations

import numpy as np
import polars as pl

from tandemrec.data.catalogue import Catalogue, Dataset
from tandemrec.data.interactions import Interactions


def checkerboard(n: int = 20) -> Interactions:
    """Direct: even users like even items, odd users odd ones; user u has not met item u yet.

    So the best unmet item of user u is u. `n` users and as many items, n * (n / 2 - 1) pairs.
    """
    pairs = [(u, i) for u in range(n) for i in range(n) if i % 2 == u % 2 and i != u]
    users, items = np.array(pairs, dtype=np.int64).T
    return Interactions.sorted(users, items, n_users=n, n_items=n)


def one_pair() -> Interactions:
    """Direct: one user who met one of two items; small enough to work out by hand."""
    zero = np.zeros(1, np.int64)
    return Interactions.sorted(zero, zero, n_users=1, n_items=2)


def clubs(n_users: int = 60, n_items: int = 40, n_clubs: int = 4, seed: int = 0) -> Interactions:
    """Direct, with noise: users meet items of their own club (u % n_clubs) nine times in ten.

    Users differ in how many items they met: 3 to 10.
    """
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(n_users), rng.integers(3, 11, n_users))
    own = rng.integers(n_items // n_clubs, size=len(users)) * n_clubs + users % n_clubs
    items = np.where(rng.random(len(users)) < 0.9, own, rng.integers(n_items, size=len(users)))
    users, items = np.divmod(np.unique(users * n_items + items), n_items)
    return Interactions.sorted(users, items, n_users=n_users, n_items=n_items)


def rings(n_users: int = 60, n_items: int = 20, steps: int = 8, seed: int = 0) -> Interactions:
    """Sequential: everybody goes round the items by number, from a place of his own.

    So the best next item is the last one plus 1 (0 after the last number).
    """
    first = np.random.default_rng(seed).integers(n_items, size=n_users)
    users = np.repeat(np.arange(n_users), steps)
    times = np.tile(np.arange(steps), n_users)
    items = (first[users] + times) % n_items
    return Interactions.sorted(users, items, times=times, n_users=n_users, n_items=n_items)


def tastes(n_users: int = 150, n_items: int = 120, rated: int = 6, seed: int = 0) -> Dataset:
    """Rating: 5 where the kind of an item is the mood of the user, 2 where it is not.

    There are three of each, equally many, and nobody rates more than `rated` items, so that neither
    the user's nor the item's mean says anything, and ids little of pairs that nobody rated.
    """
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(n_users), rated)
    items = np.concatenate([rng.permutation(n_items)[:rated] for _ in range(n_users)])
    moods, kinds = rng.permutation(n_users) % 3, rng.permutation(n_items) % 3
    ratings = np.where(moods[users] == kinds[items], 5, 2).astype(np.float32)
    times = np.tile(np.arange(rated), n_users)
    rows = Interactions.sorted(users, items, ratings, times, n_users=n_users, n_items=n_items)
    titles = [f"item {item}" for item in range(n_items)]
    catalogue = Catalogue(
        range(n_users),
        range(n_items),
        titles,
        pl.DataFrame({"kind": np.array(["song", "film", "book"])[kinds]}),
        pl.DataFrame({"mood": np.array(["calm", "glad", "blue"])[moods]}),
    )
    return Dataset("tastes", rows, catalogue)
