"""Ratings that hardly belong to their scale: a typo above the highest, one beyond what is known."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tandemrec.data.catalogue import Catalogue
from tandemrec.data.interactions import Interactions
from tandemrec.data.scales import Scale
from tandemrec.data.split import Split
from tandemrec.errors import DataError, DataWarning
from tandemrec.oneline import counted

Ints = NDArray[np.int64]
Bounds = tuple[float, float]
FEW, ONE_IN, ENOUGH = 5, 1000, 100
"""Rare is what one rating alone says, or at most five and one in a thousand of them; of fewer than
a hundred ratings none is."""
_ROUNDING = 1e-4
"Ratings are held in 32 bits."


def check_scale(split: Split, bounds: Bounds | None) -> None:
    """Whether the ratings are on a scale, on the one that is named where one is. Raises DataError;
    warns with DataWarning of what is odd."""
    if bounds is not None:
        for part in (split.train, split.valid, split.test):
            refuse_beyond(part, split.catalogue, bounds)
    held_out = split.valid.with_rows(split.test)
    odd = odd_ratings(split.train, split.catalogue, bounds)
    known = split.train.ratings
    trained = float(known.min()), float(known.max())
    for text in (*odd, *unreached(held_out, split.catalogue, trained, named=bounds is not None)):
        warnings.warn(text, DataWarning, stacklevel=2)


def odd_ratings(
    rows: Interactions, catalogue: Catalogue, bounds: Bounds | None = None
) -> Iterator[str]:
    """A sentence about what is odd: where no `bounds` are known, ratings that stand apart, else a
    scale that is too fine to be told. Nothing is odd about ratings that are on no scale."""
    try:
        scale = Scale.of(rows, bounds)
    except DataError:
        return
    found = apart(rows.ratings)
    if bounds is None and len(found):
        others = np.delete(rows.ratings, found)
        low, high = float(others.min()), float(others.max())
        yield (
            f"{counted(len(found), 'rating')} far from all others, which go from {low:g} to "
            f"{high:g}: {_first(rows, catalogue, found)}. The scale is stretched to hold it. Mend "
            f"it, or name the scale: scale = [{low:g}, {high:g}] refuses what is beyond."
        )
    elif scale.coarse:
        yield (
            f"Ratings go from {scale.low:g} to {scale.high:g} by {scale.step:g}: too fine for a "
            f"language model, which answers with one of {', '.join(scale.labels)}."
        )


def apart(ratings: NDArray[np.floating]) -> Ints:
    """Which ratings stand apart, [M]: rare ones below or above all others, behind a gap wider than
    any between two neighbours that are not rare."""
    known, counts = np.unique(np.round(ratings.astype(np.float64), 4), return_counts=True)
    often = np.flatnonzero(counts > max(1, min(FEW, len(ratings) // ONE_IN)))
    if len(ratings) < ENOUGH or len(often) < 2:
        return np.zeros(0, np.int64)
    gaps = np.diff(known)
    wide = np.flatnonzero(gaps > np.diff(known[often]).max() + _ROUNDING)
    below, above = wide[wide < often[0]], wide[wide >= often[-1]]
    low = known[below[-1] + 1] if len(below) else known[0]
    high = known[above[0]] if len(above) else known[-1]
    return beyond(ratings, (low, high))


def beyond(ratings: NDArray[np.floating], bounds: Bounds) -> Ints:
    """Which ratings are below or above the bounds, [M]."""
    low, high = bounds
    return np.flatnonzero((ratings < low - _ROUNDING) | (ratings > high + _ROUNDING))


def unreached(
    held_out: Interactions, catalogue: Catalogue, trained: Bounds, *, named: bool
) -> Iterator[str]:
    """A sentence where held-out ratings are beyond those of training, which backbones' predictions
    are kept within."""
    found = beyond(held_out.ratings, trained)
    if len(found):
        whose, remedy = (
            ("which the backbone's predictions do not leave", "The language model's may")
            if named
            else (
                "which no prediction leaves",
                "Mend it, or name the whole scale: scale = [LOW, HIGH]",
            )
        )
        low, high = trained
        yield (
            f"{counted(len(found), 'held-out rating')} beyond the scale of training, {low:g} to "
            f"{high:g}, {whose}: {_first(held_out, catalogue, found)}. {remedy}."
        )


def refuse_beyond(rows: Interactions, catalogue: Catalogue, bounds: Bounds) -> None:
    """Raises DataError for a rating beyond the scale that was named."""
    found = beyond(rows.ratings, bounds)
    if len(found):
        raise DataError(
            f"{counted(len(found), 'rating')} beyond the scale, {bounds[0]:g} to {bounds[1]:g}: "
            f"{_first(rows, catalogue, found)}.",
            column="rating",
            remedy="Mend it, or name another scale: scale = [LOW, HIGH], or none.",
        )


def _first(rows: Interactions, catalogue: Catalogue, found: Ints) -> str:
    user, item = rows.users[found[0]], rows.items[found[0]]
    who, what = catalogue.user_ids[user], catalogue.item_ids[item]
    return f"first {rows.ratings[found[0]]:g} of user {who} for item {what}"
