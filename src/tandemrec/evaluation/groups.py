"""Who gains, and with what: results by how active users are, and how popular items are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tandemrec.data.interactions import Interactions
from tandemrec.evaluation.metrics import UserMetrics


@dataclass(frozen=True, eq=False)
class Group:
    """Users with a like number of training interactions."""

    label: str
    "The smallest and the greatest N(u) in the group, such as 8–23."
    users: NDArray[np.int64]  # [G]


def by_activity(train: Interactions, users: NDArray[np.int64], parts: int = 4) -> list[Group]:
    """The users [U] in quartiles of N(u), their number of training interactions; least first.

    A user who stands there more than once counts once. Users with one N(u) are never put apart, so
    groups may differ in size, and where many users share one N(u) there are fewer than `parts`.
    """
    return by_counts(users, train.counts[users], parts)


def by_counts(users: NDArray[np.int64], counts: NDArray[np.int64], parts: int = 4) -> list[Group]:
    """The same of users [U] and the number of training interactions of each, [U]."""
    users, first = np.unique(users, return_index=True)
    return [Group(*part) for part in _parted(users, counts[first], parts)]


@dataclass(frozen=True, eq=False)
class Shelf:
    """Items with a like number of training interactions."""

    label: str
    "The smallest and the greatest number on the shelf, such as 0–5."
    items: NDArray[np.int64]  # [G]

    def of(self, held_out: Interactions) -> NDArray[np.bool_]:
        """Which held-out rows are of these items, [N]."""
        return np.isin(held_out.items, self.items)


def by_popularity(train: Interactions, items: NDArray[np.int64], parts: int = 4) -> list[Shelf]:
    """The items [I] in quartiles of their number of training interactions, by the rules of
    `by_activity`; least first. For results, measure each shelf's rows alone:
    `of_places(held_out.rows(mask), places[mask])` with `mask = shelf.of(held_out)`."""
    items = np.unique(items)
    return [Shelf(*part) for part in _parted(items, train.popularity[items], parts)]


def _parted(
    numbers: NDArray[np.int64], counts: NDArray[np.int64], parts: int
) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Users or items in quantiles of their counts, each part with its label."""
    if not len(numbers):
        return
    edges = np.unique(np.quantile(counts, np.arange(1, parts) / parts))
    part = np.searchsorted(edges, counts)  # [U]; a count equal to an edge belongs below it
    for n in np.unique(part):
        low, high = int(counts[part == n].min()), int(counts[part == n].max())
        yield f"{low}" if low == high else f"{low}–{high}", numbers[part == n]


def means(metrics: UserMetrics, groups: Sequence[Group]) -> list[dict[str, float]]:
    """Each metric over each group, beside `groups`."""
    return [metrics.of(group.users).means() for group in groups]
