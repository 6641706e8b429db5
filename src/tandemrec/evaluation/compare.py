"""Is one method better than another, or was it luck? Paired t-tests over users and over runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tandemrec.errors import ConfigError
from tandemrec.evaluation.metrics import LOWER, ROOT, UserMetrics, Values

SAME = 1e-12
"Differences below this are rounding: metrics are between 0 and 1, errors not far above."


@dataclass(frozen=True)
class Comparison:
    """The outcome of a paired, two-sided t-test of a against b."""

    mean_difference: float
    "Mean of a - b, in the metric's own unit."
    ci95: tuple[float, float]
    "The 95 % confidence interval of the mean difference."
    t: float
    df: int
    p_value: float

    @property
    def n(self) -> int:
        """How many pairs were compared."""
        return self.df + 1


def paired(a: NDArray[np.floating], b: NDArray[np.floating]) -> Comparison:
    """Student's paired, two-sided t-test (as in Llama4Rec, section IV-A2) of two arrays [N].

    Where all differences are equal there is no variance to divide by: if they are 0 (within
    rounding) then t = 0 and p = 1; if they are not, t is infinite and p = 0. Raises ConfigError
    for fewer than two pairs.
    """
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"a and b must be of one shape [N]. Received: {a.shape} and {b.shape}.")
    if len(a) < 2:
        raise ConfigError(
            f"A paired test needs at least two pairs. Received: {len(a)}. "
            "Evaluate more users, or more seeds (--seeds 2)."
        )
    differences = a.astype(np.float64) - b
    mean, df = float(differences.mean()), len(a) - 1
    if np.ptp(differences) < SAME:
        return _without_variance(mean, df)
    result = stats.ttest_1samp(differences, 0.0)
    interval = result.confidence_interval(0.95)
    ci95 = (float(interval.low), float(interval.high))
    return Comparison(mean, ci95, float(result.statistic), df, float(result.pvalue))


def _without_variance(mean: float, df: int) -> Comparison:
    if abs(mean) < SAME:
        return Comparison(0.0, (0.0, 0.0), 0.0, df, 1.0)
    return Comparison(mean, (mean, mean), math.copysign(math.inf, mean), df, 0.0)


def over_users(a: Sequence[UserMetrics], b: Sequence[UserMetrics], metric: str) -> Comparison:
    """Pairs are users; each user's value is his mean over the runs (seeds) first.

    It tells whether the difference would hold for other users, for models trained like these. Of
    ratings, a user's value is also his mean over the ratings that he holds out, since ratings of
    one user hang together: everybody counts alike here, while a table's RMSE and MAE are over all
    ratings, where a user with more of them counts for more. What is tested for RMSE are users' mean
    squared errors; the difference and its interval are told as those of the roots of their means.
    """
    _check(a, b)
    ours, theirs = _user_means(a, metric), _user_means(b, metric)
    found = paired(ours, theirs)
    return _rooted(found, ours, theirs) if metric in ROOT else found


def _rooted(found: Comparison, a: Values, b: Values) -> Comparison:
    """A difference of mean squares as one of their roots: x^2 - y^2 = (x - y) (x + y)."""
    both = math.sqrt(a.mean()) + math.sqrt(b.mean())
    if both == 0:
        return found
    low, high = found.ci95
    difference = found.mean_difference / both
    return replace(found, mean_difference=difference, ci95=(low / both, high / both))


def over_runs(a: Sequence[UserMetrics], b: Sequence[UserMetrics], metric: str) -> Comparison:
    """Pairs are runs: `a[n]` and `b[n]` have one seed; the value is the metric over users.

    It tells whether the difference would hold for other seeds, on these users. Raises ConfigError
    for fewer than two runs.
    """
    _check(a, b)
    return paired(*(np.array([run.mean(metric) for run in runs]) for runs in (a, b)))


def varies(runs: Sequence[UserMetrics], metric: str) -> bool:
    """Whether a metric differs between runs. Where neither method's does, there is one draw of
    each, and nothing to test over runs."""
    return bool(np.ptp([run.mean(metric) for run in runs]) >= SAME)


def improvement(ours: float, base: float, metric: str = "") -> float | None:
    """By how many percent `ours` is better than `base`: above it, or below it for a metric of which
    less is better; None where the base is 0."""
    if base == 0:
        return None
    return 100 * (base - ours if metric in LOWER else ours - base) / base


def _user_means(runs: Sequence[UserMetrics], metric: str) -> Values:
    """Each user's mean over runs and over his rows, [U], in the order in which users stand."""
    means: Values = np.mean([run.values[metric] for run in runs], axis=0)
    _, first, which = np.unique(runs[0].users, return_index=True, return_inverse=True)
    place = np.argsort(np.argsort(first))[which]
    return np.bincount(place, means) / np.bincount(place)


def _check(a: Sequence[UserMetrics], b: Sequence[UserMetrics]) -> None:
    if len(a) != len(b) or not a:
        raise ValueError(f"both methods need the same runs. Received: {len(a)} and {len(b)}.")
    if any(not np.array_equal(run.users, a[0].users) for run in (*a, *b)):
        raise ValueError("both methods must be measured on the same users")
