"""How good a ranking is for each user (hit ratio, recall, precision, NDCG, MRR), and how far
ratings are off."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tandemrec.data.interactions import Interactions
from tandemrec.errors import ConfigError, UnknownName
from tandemrec.rankings import Rankings
from tandemrec.ratings import Ratings

Values = NDArray[np.float64]
LOWER = frozenset({"RMSE", "MAE"})
"Metrics of which less is better."
ROOT = frozenset({"RMSE"})
"Metrics that are the root of the mean of their values, not the mean."
DEFAULT = ("HR", "NDCG", "MRR")
"What Llama4Rec measures; DALLRec: Recall, NDCG, Precision."


@dataclass(frozen=True, eq=False)
class UserMetrics:
    """Every metric of every user who has a held-out item; of ratings, of every held-out one."""

    users: NDArray[np.int64]  # [U], rising; of ratings, a user as often as he has held-out ones
    values: Mapping[str, Values]
    """"HR@3", "NDCG@3", ..., "MRR", or "Recall@3", "Precision@3": each [U], from 0 to 1. "RMSE":
    squared errors; "MAE": absolute ones."""

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
    rankings: Rankings,
    truth: Interactions,
    ks: Sequence[int] = (3, 5, 10),
    metrics: Sequence[str] = DEFAULT,
) -> UserMetrics:
    """Metrics of each user in `truth`: for each k those that have a cut-off, and then MRR.

    HR@k is 1 if any held-out item stands in the first k places (Llama4Rec, section IV-A2).
    Recall@k is the share of the user's held-out items that stand there, of all of them even where
    they are more than k; Precision@k the share of the k places that hold one (DALLRec, table 2).
    NDCG@k divides the sum of 1 / log2(place + 1) by the best possible one for that user's number of
    held-out items (Järvelin and Kekäläinen 2002); with one held-out item the divisor is 1. MRR is
    1 / place of the first held-out item, over the whole list. A user who is not in the rankings has
    0 everywhere, and counts. Raises ConfigError for a cut-off that the lists are too short for, and
    UnknownName for a metric that is none of these.
    """
    _check(rankings, truth, ks, metrics)
    users = np.unique(truth.users)
    rows, columns = np.nonzero(_hits(rankings, truth, users))
    return _measured(users, Found(rows, columns + 1, _relevant(truth, users)), ks, metrics)


def of_places(
    truth: Interactions,
    places: NDArray[np.int64],
    ks: Sequence[int] = (3, 5, 10),
    metrics: Sequence[str] = DEFAULT,
) -> UserMetrics:
    """As `per_user`, from the place of each held-out item, [N] as in `truth`, from 1; 0 for one
    that is in no list. An item that a user holds out twice counts once."""
    check_metrics(ks, metrics)
    users = np.unique(truth.users)
    listed = truth.once[places[truth.once] > 0]
    rows = np.searchsorted(users, truth.users[listed])
    return _measured(users, Found(rows, places[listed], _relevant(truth, users)), ks, metrics)


@dataclass(frozen=True, eq=False)
class Found:
    """Where held-out items stand in their users' lists."""

    rows: NDArray[np.int64]  # [H], the row of each one's user
    places: NDArray[np.int64]  # [H], from 1
    relevant: NDArray[np.int64]  # [U], how many held-out items each user has, listed or not

    def sums(self, k: int, gains: Values) -> Values:
        """The sum of a user's gains [H] in the first k places, [U]."""
        gains = gains * (self.places <= k)
        return np.bincount(self.rows, gains, len(self.relevant)).astype(np.float64)

    def hits(self, k: int) -> Values:
        """How many held-out items stand in the first k places, [U]."""
        return self.sums(k, np.ones(len(self.rows)))


def _hit_ratio(found: Found, k: int) -> Values:
    return (found.hits(k) > 0).astype(np.float64)


def _recall(found: Found, k: int) -> Values:
    return found.hits(k) / found.relevant


def _precision(found: Found, k: int) -> Values:
    return found.hits(k) / k


def _ndcg(found: Found, k: int) -> Values:
    best = np.cumsum(1 / np.log2(np.arange(2, k + 2)))[np.minimum(found.relevant, k) - 1]
    return found.sums(k, 1 / np.log2(found.places + 1)) / best


def _reciprocal(found: Found) -> Values:
    first = np.full(len(found.relevant), np.inf)
    np.minimum.at(first, found.rows, found.places)
    return 1 / first


AT: dict[str, Callable[[Found, int], Values]] = {
    "HR": _hit_ratio,
    "Recall": _recall,
    "Precision": _precision,
    "NDCG": _ndcg,
}
"Metrics of the first k places."
WHOLE: dict[str, Callable[[Found], Values]] = {"MRR": _reciprocal}
"Metrics of a whole list."


def _measured(
    users: NDArray[np.int64], found: Found, ks: Sequence[int], metrics: Sequence[str]
) -> UserMetrics:
    values = {f"{name}@{k}": AT[name](found, k) for k in ks for name in metrics if name in AT}
    values |= {name: WHOLE[name](found) for name in metrics if name in WHOLE}
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


def _check(
    rankings: Rankings, truth: Interactions, ks: Sequence[int], metrics: Sequence[str]
) -> None:
    check_metrics(ks, metrics)
    width = rankings.items.shape[1]
    if width < min(max(ks), truth.n_items):
        raise ConfigError(
            f"{metrics[0]}@{max(ks)} needs rankings of at least {max(ks)} places. Received: "
            f"{width}. Rank more candidates, or ask for a smaller cut-off."
        )
    if len(np.unique(rankings.users)) != len(rankings.users):
        raise ValueError("each user must have one row in the rankings")


def check_metrics(ks: Sequence[int], metrics: Sequence[str] = DEFAULT) -> None:
    """Raises ConfigError where metrics at these cut-offs would have no meaning, or there are none,
    and UnknownName for a metric that there is not."""
    if not ks or min(ks) < 1:
        raise ConfigError(f"Metrics need cut-offs of at least 1. Received: {list(ks)}.")
    if isinstance(metrics, str) or not metrics:
        known = ", ".join((*AT, *WHOLE))
        raise ConfigError(f"Name one or more metrics of {known}. Received: {metrics!r}.")
    for name in metrics:
        if name not in AT and name not in WHOLE:
            raise UnknownName("metric", name, (*AT, *WHOLE))


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
