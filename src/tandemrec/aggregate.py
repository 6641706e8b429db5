"""Two rankings, or two ratings, become one: adaptive aggregation (Llama4Rec, III-D, equations 4 to
6)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field
from scipy.special import softmax

from tandemrec.config import Settings
from tandemrec.data.interactions import Interactions
from tandemrec.rankings import Rankings
from tandemrec.ratings import Ratings

Floats = NDArray[np.float64]
Alpha = Annotated[float, Field(ge=0, le=1)]
Alphas = Annotated[
    tuple[Alpha, ...],
    BeforeValidator(lambda given: (given,) if isinstance(given, int | float) else given),
    Field(min_length=1),
]
"What is tried; a single number is a grid of one."
DIGITS = 12
"What differs behind these is rounding."


class BlendConfig(Settings):
    """How the backbone's and the LLM's views of the same candidates are merged."""

    utility: Literal["rank", "score", "share"] = "rank"
    """What is added up: -C * position as in the paper; the rankers' own scores, each centred per
    user and divided by its spread over all users; or the softmax of these (both ours)."""
    form: Literal["inside", "outside"] = "inside"
    """Equation 6: alpha1 * max(fraction, alpha2), or max(alpha1 * fraction, alpha2)."""
    tail: Literal["log1p", "log", "count"] = "log1p"
    """Equation 4: the long-tail coefficient log(N + 1), log(N), or N itself."""
    alpha1: Alphas = (0.1, 0.3, 0.5, 0.7, 0.9)
    """The values of alpha1 that are tried on validation."""
    alpha2: Alphas = (0.1, 0.3, 0.5, 0.7, 0.9)
    """The values of alpha2 that are tried on validation."""
    constant: float = Field(default=0.5, ge=0, le=1)
    """The weight of the LLM where adaptive aggregation is left out."""


def long_tail(counts: NDArray[np.int64], tail: str = "log1p") -> Floats:
    """Equation 4, l_u of each user from N(u), the number of training interactions; [U] to [U]."""
    if tail == "count":
        return counts.astype(np.float64)
    return np.log(counts + 1.0) if tail == "log1p" else np.log(np.maximum(counts, 1.0))


def weights(
    coefficients: Floats,
    alpha1: float,
    alpha2: float,
    form: str = "inside",
    *,
    bounds: tuple[float, float] | None = None,
) -> Floats:
    """Equation 6, the LLM's weight for each user from l_u; [U] to [U], within [0, 1].

    The tail of users weighs the LLM more. `bounds` are l_min and l_max over all training users,
    where `coefficients` holds others; whoever is beyond counts as at the bound. Where all users are
    alike, the fraction is 0.
    """
    low, high = bounds or (coefficients.min(), coefficients.max())
    known = coefficients.clip(low, high)
    fraction = (high - known) / (high - low) if high > low else np.zeros_like(known)
    if form == "inside":
        return alpha1 * np.maximum(fraction, alpha2)
    return np.maximum(alpha1 * fraction, alpha2)


def utilities(rankings: Rankings, kind: str = "rank", spread: float = 1.0) -> Floats:
    """Each candidate's worth in one ranker's eyes, [U, K] in the order of `rankings`.

    "rank": U = -C * position, C = 1, positions from 1 (Llama4Rec, section III-D). "score": the
    score less its mean over the user's candidates, divided by `spread`. "share": the softmax of
    these over the user's candidates, so that equation 5 mixes two distributions over them, and one
    candidate that a ranker finds absurd does not flatten its view of the others.
    """
    if kind == "rank":
        positions = np.arange(1, rankings.items.shape[1] + 1)
        return np.broadcast_to(-positions, rankings.items.shape).astype(np.float64)
    scores = _centred(rankings) / spread
    if kind == "score":
        return scores
    missing = rankings.items < 0
    shares: Floats = softmax(np.where(missing, LEAST, scores), axis=1)
    return np.where(missing, 0.0, shares)


LEAST = -1e9
"A missing candidate's score; finite, so that a user without any candidate makes no NaN."


def spread(rankings: Rankings) -> float:
    """The standard deviation of scores around each user's mean, over all users' candidates."""
    deviations = _centred(rankings)[rankings.items >= 0]
    return float(np.sqrt(np.mean(deviations**2))) if deviations.any() else 1.0


def _centred(rankings: Rankings) -> Floats:
    real = rankings.items >= 0
    scores = np.where(real, rankings.scores, 0.0)
    mean = scores.sum(1, keepdims=True) / np.maximum(real.sum(1, keepdims=True), 1)
    return np.where(real, scores - mean, 0.0)


@dataclass(frozen=True)
class Pair:
    """The two rankers' utilities of the same users' same candidates, ready to be blended."""

    candidates: Rankings  # the backbone's, best first
    backbone: Floats  # [U, K]
    llm: Floats  # [U, K], in the candidates' order
    spreads: tuple[float, float] = (1.0, 1.0)  # of the backbone's and of the LLM's scores

    def blend(self, weight: Floats | float) -> Rankings:
        """Equation 5: U = alpha_u * U_LLM + (1 - alpha_u) * U_backbone; `weight` is [U] or one.

        Ties keep the backbone's order, also those that only rounding parts; missing places stay at
        the end.
        """
        alpha = np.broadcast_to(weight, len(self.candidates.users))[:, None]
        mixed = (alpha * self.llm + (1 - alpha) * self.backbone).round(DIGITS)
        mixed = np.where(self.candidates.items >= 0, mixed, -np.inf)
        return Rankings.best_first(self.candidates.users, self.candidates.items, mixed)


def pair(
    backbone: Rankings,
    llm: Rankings,
    config: BlendConfig,
    spreads: tuple[float, float] | None = None,
) -> Pair:
    """Line up two rankings of the same candidates.

    `spreads` are the two rankers' spreads on validation, so that a single user is blended on the
    same scale; by default those of the rankings themselves. Raises ValueError where the users
    or a user's candidates differ.
    """
    if not np.array_equal(backbone.users, llm.users):
        raise ValueError("Blending needs the same users, in the same order, in both rankings.")
    order_a, order_b = (np.argsort(r.items, axis=1, kind="stable") for r in (backbone, llm))
    sorted_a = np.take_along_axis(backbone.items, order_a, axis=1)
    if not np.array_equal(sorted_a, np.take_along_axis(llm.items, order_b, axis=1)):
        raise ValueError("Blending needs the same items for each user in both rankings.")
    one, other = spreads or (spread(backbone), spread(llm))
    theirs = np.empty(llm.items.shape)
    values = np.take_along_axis(utilities(llm, config.utility, other), order_b, axis=1)
    np.put_along_axis(theirs, order_a, values, axis=1)
    return Pair(backbone, utilities(backbone, config.utility, one), theirs, (one, other))


@dataclass(frozen=True)
class Grid:
    """The metric of every (alpha1, alpha2), and the best pair; nothing is fitted again for it."""

    alpha1: tuple[float, ...]
    alpha2: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]  # [alpha1][alpha2]
    lower: bool = False
    "Whether less of the metric is better."

    @classmethod
    def of_one(cls, alpha1: float, alpha2: float) -> Grid:
        """A grid that leaves no choice."""
        return cls((alpha1,), (alpha2,), ((0.0,),))

    @property
    def best(self) -> tuple[float, float]:
        """The best pair; the smaller alpha1 wins ties, then the smaller alpha2."""
        sign = 1 if self.lower else -1
        rated = (
            (sign * value, alpha1, alpha2)
            for alpha1, row in zip(self.alpha1, self.values, strict=True)
            for alpha2, value in zip(self.alpha2, row, strict=True)
        )
        return min(rated)[1:]


def search(
    lined_up: Pair,
    coefficients: Floats,
    metric: Callable[[Rankings], float],
    config: BlendConfig,
    *,
    bounds: tuple[float, float],
) -> Grid:
    """Try the grid of (alpha1, alpha2) with `metric` on validation rankings."""
    table = _tried(coefficients, lambda alpha: metric(lined_up.blend(alpha)), config, bounds)
    return Grid(config.alpha1, config.alpha2, table)


def _tried(
    coefficients: Floats,
    value: Callable[[Floats], float],
    config: BlendConfig,
    bounds: tuple[float, float],
) -> tuple[tuple[float, ...], ...]:
    """The value of the weights of every pair of alphas, [alpha1][alpha2]."""

    def one(alpha1: float, alpha2: float) -> float:
        return value(weights(coefficients, alpha1, alpha2, config.form, bounds=bounds))

    return tuple(tuple(one(a, b) for b in config.alpha2) for a in config.alpha1)


def blend_ratings(backbone: Ratings, llm: Ratings, weight: Floats | float) -> Ratings:
    """Equation 5 with predicted ratings as utilities; `weight` is the LLM's, [N] or one.

    Raises ValueError where the two do not speak of the same pairs in the same order.
    """
    if not backbone.same_pairs(llm):
        raise ValueError("Blending needs ratings of the same pairs, in the same order.")
    alpha = np.broadcast_to(weight, len(backbone))
    return backbone.with_values(alpha * llm.values + (1 - alpha) * backbone.values)


def search_ratings(
    backbone: Ratings,
    llm: Ratings,
    coefficients: Floats,
    truth: Interactions,
    config: BlendConfig,
    *,
    bounds: tuple[float, float],
) -> Grid:
    """Try the grid of (alpha1, alpha2) by RMSE on the ratings of validation.

    `coefficients` [N] are the l_u of each row's user. Raises ValueError where the ratings are not
    of the pairs of `truth`.
    """
    if not backbone.same_pairs(truth):
        raise ValueError("Weights are chosen on the held-out pairs, in the same order.")

    def rmse(alpha: Floats) -> float:
        errors = blend_ratings(backbone, llm, alpha).values - truth.ratings
        return float(np.sqrt(np.mean(errors**2))) if len(errors) else 0.0

    table = _tried(coefficients, rmse, config, bounds)
    return Grid(config.alpha1, config.alpha2, table, lower=True)
