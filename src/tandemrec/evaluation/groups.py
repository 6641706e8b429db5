"""Who gains: results by how active the users are."""

from __future__ import annotations

from collections.abc import Sequence
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
    if not len(users):
        return []
    users = np.unique(users)
    counts = train.counts[users]
    edges = np.unique(np.quantile(counts, np.arange(1, parts) / parts))
    part = np.searchsorted(edges, counts)  # [U]; N(u) equal to an edge belongs below it
    return [_group(users[part == n], counts[part == n]) for n in np.unique(part)]


def _group(users: NDArray[np.int64], counts: NDArray[np.int64]) -> Group:
    low, high = int(counts.min()), int(counts.max())
    return Group(f"{low}" if low == high else f"{low}–{high}", users)


def means(metrics: UserMetrics, groups: Sequence[Group]) -> list[dict[str, float]]:
    """Each metric over each group, beside `groups`."""
    return [metrics.of(group.users).means() for group in groups]
