"""Which items each user liked and disliked, read off his ratings."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tandemrec.data.interactions import Interactions
from tandemrec.data.scales import Scale
from tandemrec.errors import DataWarning


@dataclass(frozen=True, eq=False)
class Tastes:
    """The liked rows and the disliked ones; `liked.of(user)` are a user's liked items.

    A row that is neither was met and not rated.
    """

    liked: Interactions
    disliked: Interactions
    above: float
    "A rating above this is a like."
    zeros: bool
    "Whether a 0 is a rating; else it says that an item was met."

    @classmethod
    def of(
        cls, past: Interactions, above: float | None = None, zeros: bool | None = None
    ) -> Tastes:
        """Likes are ratings above `above`, by default above the middle of the scale: above 3 of 5
        and above 5 of 10, as in DALLRec. The other ratings are dislikes.

        Whether a 0 is a rating is found out unless it is said: it is none beside several values
        that are all positive (Book-Crossing: 0 besides 1 to 10), and one beside 1 alone. Where all
        ratings are one value, a DataWarning says that they count as likes. Raises DataError where
        ratings are on no scale and `above` is not given.
        """
        values = _different(past.ratings)
        if zeros is None:
            zeros = bool((values < 0).any() or (values > 0).sum() < 2)
        if above is None:
            above = _middle(past, values if zeros else values[values != 0], zeros)
        signs = _signs(past.ratings, above, zeros)
        return cls(past.rows(signs > 0), past.rows(signs < 0), above, zeros)

    def signs(self, ratings: NDArray[np.floating]) -> NDArray[np.int8]:
        """1 for a like, -1 for a dislike, 0 for neither, [N], by the same rule."""
        return _signs(ratings, self.above, self.zeros)

    @property
    def known(self) -> NDArray[np.int64]:
        """Users of whom a like or a dislike is known, rising."""
        return np.flatnonzero(self.liked.counts + self.disliked.counts)

    @cached_property
    def fingerprint(self) -> str:
        parts = (self.liked.fingerprint, self.disliked.fingerprint, repr(self.above))
        return hashlib.sha256("".join(parts).encode()).hexdigest()


def _different(ratings: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.unique(ratings[np.isfinite(ratings)])


def _signs(ratings: NDArray[np.floating], above: float, zeros: bool) -> NDArray[np.int8]:
    rated = np.isfinite(ratings) & (zeros | (ratings != 0))
    return np.where(rated, np.where(ratings > above, 1, -1), 0).astype(np.int8)


def _middle(past: Interactions, values: NDArray[np.float32], zeros: bool) -> float:
    """The middle of the scale of these ratings; below the only one where there is no scale."""
    if len(values) == 1:
        text = f"Every rating is {values[0]:g}: whatever was met counts as liked, nothing else is."
        warnings.warn(text, DataWarning, stacklevel=3)
        return float(np.nextafter(values[0], np.float32(-np.inf)))
    rated = past.rows(np.isfinite(past.ratings) & (zeros | (past.ratings != 0)))
    return sum(Scale.of(rated).bounds) / 2
