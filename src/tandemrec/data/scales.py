"""The scale that a data set's ratings are on, and the labels that a language model answers with."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tandemrec.data.interactions import Interactions
from tandemrec.errors import DataError

Floats = NDArray[np.float64]
MOST = 11
"Labels of a scale: 0 to 10; a finer scale is told in coarser ones."
FEWEST = 5
"Labels that a coarsened scale is left with: 1 to 5."
WIDEST = 1000.0
"Ratings spread over more than this are counts, times or prices."
_FINEST = 4
"Decimals of a rating that count: ratings are held in 32 bits, where 3.3 is 3.2999999."


@dataclass(frozen=True)
class Scale:
    """From `low` to `high` by `step`: MovieLens 1 to 5 by 1, Book-Crossing 1 to 10 by 1."""

    low: float
    high: float
    step: float

    def __post_init__(self) -> None:
        if not (self.low < self.high and 0 < self.step <= self.high - self.low):
            raise ValueError(
                "A scale goes up from low to high by a step of at most their difference. Received: "
                f"{self.low}, {self.high} and {self.step}."
            )

    @classmethod
    def of(cls, rows: Interactions, bounds: tuple[float, float] | None = None) -> Scale:
        """The scale that the ratings are on: their lowest and their highest, or the `bounds` that
        are known, and the largest step by which all of them can be reached.

        Raises DataError where there is no rating, only one value, one that is no number, or a
        spread that no scale has.
        """
        ratings = rows.ratings.astype(np.float64)
        return cls(*_read(ratings if bounds is None else np.append(ratings, bounds)))

    @property
    def fingerprint(self) -> str:
        """The three numbers: what a stage was made with."""
        return f"{self.low!r} to {self.high!r} by {self.step!r}"

    @property
    def bounds(self) -> tuple[float, float]:
        """The lowest and the highest rating."""
        return self.low, self.high

    @property
    def coarse(self) -> bool:
        """Whether the labels are coarser than the scale."""
        return _count(self.low, self.high, self.step) > MOST

    @property
    def values(self) -> Floats:
        """What each label means, rising, [L]; those of a coarsened scale are round, and the outer
        ones may lie beyond it: 0 to 100 by 10 for ratings from 1 to 100."""
        if not self.coarse:
            n = _count(self.low, self.high, self.step)
            return np.asarray(np.round(self.low + self.step * np.arange(n), _FINEST))
        step = _round_step(self.low, self.high)
        first, steps = _around(self.low, self.high, step)
        return np.asarray(np.round(step * (first + np.arange(steps + 1.0)), _FINEST))

    @property
    def labels(self) -> tuple[str, ...]:
        """The same as texts, [L], all with as many decimals as the finest needs."""
        decimals = max(_decimals(value) for value in self.values.tolist())
        return tuple(f"{value:.{decimals}f}" for value in self.values.tolist())

    def within(self, values: NDArray[np.floating]) -> Floats:
        """The same, none below or above the scale."""
        return np.clip(values.astype(np.float64), self.low, self.high)


def _read(ratings: Floats) -> tuple[float, float, float]:
    """Lowest, highest and step."""
    if not len(ratings):
        raise DataError("there is no rating to read a scale off.", column="rating")
    if not np.isfinite(ratings).all():
        bad = ratings[~np.isfinite(ratings)][0]
        raise DataError(f"expected ratings, found {bad}.", column="rating")
    known = np.unique(np.round(ratings, _FINEST))
    low, high = float(known[0]), float(known[-1])
    if low == high:
        raise DataError(
            f"every rating is {low:g}, which is no scale: there is nothing to predict.",
            column="rating",
            remedy="Give a rating column with different values, or take a backbone that ranks.",
        )
    if high - low > WIDEST:
        raise DataError(
            f"ratings go from {low:g} to {high:g}, which is no scale: these look like counts or "
            "prices.",
            column="rating",
            remedy="Put them on a scale first, such as 1 to 5 by their quantiles; where one is "
            "mistyped, scale = [LOW, HIGH] says whose it is.",
        )
    gaps = np.round(np.diff(known) * 10**_FINEST).astype(np.int64)
    return low, high, int(np.gcd.reduce(gaps)) / 10**_FINEST


def _count(low: float, high: float, step: float) -> int:
    return round((high - low) / step) + 1


def _round_step(low: float, high: float) -> float:
    """The finest whole one of 1, 2, 5, 10, ... that leaves at most `MOST` labels, or, where those
    would be fewer than `FEWEST`, the finest of 0.0001, 0.0002, ..., 0.5."""
    whole = _finest(low, high, range(9))
    enough = _around(low, high, whole)[1] + 1 >= FEWEST
    return whole if enough else _finest(low, high, range(-_FINEST, 0))


def _finest(low: float, high: float, powers: range) -> float:
    steps = (round(factor * 10.0**power, _FINEST) for power in powers for factor in (1, 2, 5))
    return next(step for step in steps if _around(low, high, step)[1] < MOST)


def _around(low: float, high: float, step: float) -> tuple[int, int]:
    """The first multiple of the step at or below `low`, and how many steps lead to `high`."""
    first, last = (round(end / step, _FINEST) for end in (low, high))
    return math.floor(first), math.ceil(last) - math.floor(first)


def _decimals(value: float) -> int:
    return len(f"{value:.{_FINEST}f}".rstrip("0").partition(".")[2])
