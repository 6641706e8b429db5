"""How good a ranking is for each user (hit ratio, NDCG, MRR), and how far ratings are off."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tandemrec.data.interactions import Interactions
from tandemrec.errors import ConfigError
from tandemrec.rankings import Rankings
from tandemrec.ratings import Ratings

Values = NDArray[np.float64]
LOWER = frozenset({"RMSE", "MAE"})
"Metrics of which less is better."
ROOT = frozenset({"RMSE"})
"Metrics that are the root of the mean of their values, not the mean."


@dataclass(frozen=True, eq=False)
class UserMetrics:
    """Every metric of every user who has a held-out item; of ratings, of every held-out one."""

    users: NDArray[np.int64]  # [U], rising; of ratings, a user as often as he has held-out ones
    values: Mapping[str, Values]
    """"HR@3", "NDCG@3", ..., "MRR": each [U], from 0 to 1. "RMSE": squared errors; "MAE": absolute
    ones."""

    def means(self) -> dict[str, float]:
        """Each metric over all rows: the mean, or the root of the mean; 0 where there are none."""
        return {name: self.mean(name) for name in self.values}

    def mean(self, metric: str) -> float:
        """One metric over all rows."""
        values = self.values[metric]
        mean = float(values.mean()) if len(values) else 0.0
        return mean**0.5 if metric in ROOT else mean

    def of(self, users: NDArray[np.int64]) -> UserMetrics:
        """The rows of some users."""
        keep = np.isin(self.users, users)
        return UserMetrics(self.users[keep], {name: v[keep] for name, v in self.values.items()})

    @cached_property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(self.users.tobytes())
        for name, each in self.values.items():
            digest.update(name.encode() + b"\0" + each.tobytes())
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        names = np.array(list(self.values))
        table = np.stack(list(self.values.values())) if self.values else np.empty((0, 0))
        np.savez_compressed(folder / "metrics.npz", users=self.users, names=names, values=table)

    @classmethod
    def load(cls, folder: Path) -> UserMetrics:
        with np.load(folder / "metrics.npz", allow_pickle=False) as file:
            names = [str(name) for name in file["names"]]
            return cls(file["users"], dict(zip(names, file["values"], strict=True)))


def per_user(
    rankings: Rankings, truth: Interactions, ks: Sequence[int] = (3, 5, 10)
) -> UserMetrics:
    """HR@k and NDCG@k for each k, and MRR over the whole list, of each user in `truth`.

    HR@k is 1 if any held-out item stands in the first k places (Llama4Rec, section IV-A2).
    NDCG@k divides the sum of 1 / log2(place + 1) by the best possible one for that user's number of
    held-out items (Järvelin and Kekäläinen 2002); with one held-out item the divisor is 1. MRR is
    1 / place of the first held-out item. A user who is not in the rankings has 0 everywhere, and
    counts.
    """
    _check(rankings, truth, ks)
    users = np.unique(truth.users)
    hits = _hits(rankings, truth, users)
    first = _first_place(hits)
    values: dict[str, Values] = {}
    for k in ks:
        values[f"HR@{k}"] = ((first > 0) & (first <= k)).astype(np.float64)
        values[f"NDCG@{k}"] = _ndcg(hits[:, :k], _relevant(truth, users), k)
    reciprocal: Values = (first > 0) / np.maximum(first, 1)
    values["MRR"] = reciprocal
    return UserMetrics(users, values)


def rating_errors(ratings: Ratings, truth: Interactions) -> UserMetrics:
    """The squared error (RMSE) and the absolute error (MAE) of each held-out rating, in the order
    of `truth` (Llama4Rec, section IV-A2).

    Raises ValueError where the ratings are not of the pairs of `truth`, in its order, or one is not
    finite; ConfigError where a held-out rating is missing.
    """
    if not ratings.same_pairs(truth):
        raise ValueError("ratings must be of the held-out pairs, in the same order")
    if not np.isfinite(ratings.values).all():
        raise ValueError("a predicted rating is not finite")
    _check_rated(truth)
    errors: Values = ratings.values - truth.ratings
    return UserMetrics(truth.users, {"RMSE": errors**2, "MAE": np.abs(errors)})


def _check_rated(truth: Interactions) -> None:
    missing = np.flatnonzero(~np.isfinite(truth.ratings))
    if len(missing):
        user, item = truth.users[missing[0]], truth.items[missing[0]]
        raise ConfigError(
            f"RMSE and MAE need every held-out rating. Received {len(missing):,} of {len(truth):,} "
            f"without, the first of user number {user} for item number {item}. Leave these rows "
            "out, or take a backbone that ranks."
        )


def better(metric: str, one: float, other: float) -> bool:
    """Whether the one value is better than the other."""
    return one < other if metric in LOWER else one > other


def best(metric: str, values: Iterable[float]) -> float:
    """The best value. Raises ValueError where there is none."""
    return min(values) if metric in LOWER else max(values)


def winner(metric: str, values: Iterable[float | None]) -> float | None:
    """The best value, or None if there is no single best among two or more."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return None
    top = best(metric, known)
    return top if known.count(top) == 1 else None


def places(rankings: Rankings, truth: Interactions) -> NDArray[np.int64]:
    """The place of each user's first held-out item, from 1; 0 if it is not in the list.

    Shape [U], for the users of `per_user`, in the same order.
    """
    return _first_place(_hits(rankings, truth, np.unique(truth.users)))


def _check(rankings: Rankings, truth: Interactions, ks: Sequence[int]) -> None:
    check_cut_offs(ks)
    width = rankings.items.shape[1]
    if width < min(max(ks), truth.n_items):
        raise ConfigError(
            f"HR@{max(ks)} needs rankings of at least {max(ks)} places. Received: {width}. "
            "Rank more candidates, or ask for a smaller cut-off."
        )
    if len(np.unique(rankings.users)) != len(rankings.users):
        raise ValueError("each user must have one row in the rankings")


def check_cut_offs(ks: Sequence[int]) -> None:
    """Raises ConfigError where metrics at these cut-offs would have no meaning."""
    if not ks or min(ks) < 1:
        raise ConfigError(f"Metrics need cut-offs of at least 1. Received: {list(ks)}.")


def _hits(rankings: Rankings, truth: Interactions, users: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each place holds a held-out item of the user: [U, K]."""
    hits = np.zeros((len(users), rankings.items.shape[1]), dtype=bool)
    rows = np.flatnonzero(np.isin(rankings.users, users))
    hits[np.searchsorted(users, rankings.users[rows])] = rankings.of(rows).met(truth)
    if (hits.sum(axis=1) > _relevant(truth, users)).any():
        raise ValueError("an item stands twice in one user's ranking")
    return hits


def _relevant(truth: Interactions, users: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many different held-out items each user has: [U]."""
    counts: NDArray[np.int64] = np.diff(truth.matrix.indptr)
    return counts[users]


def _first_place(hits: NDArray[np.bool_]) -> NDArray[np.int64]:
    if not hits.shape[1]:
        return np.zeros(len(hits), np.int64)
    return np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, 0)


def _ndcg(hits: NDArray[np.bool_], relevant: NDArray[np.int64], k: int) -> Values:
    discounts = 1 / np.log2(np.arange(2, k + 2))  # [k]
    best = np.cumsum(discounts)[np.minimum(relevant, k) - 1]  # [U]
    gains: Values = hits @ discounts[: hits.shape[1]]
    return gains / best
