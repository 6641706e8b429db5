"""How one column of values becomes slots of the common table: by its names, or as an amount."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tandemrec.data.cells import EXACT
from tandemrec.oneline import short

Numbers = NDArray[np.int64]
NOTHING = 0
"The slot that fills columns for which a row has no value; it is no field's, and worth 0."
FAR = 5.0
"No number counts as further from the mean than so many standard deviations."


class Encoded(NamedTuple):
    """Rows as slots of the common table and how much each counts; a field is worth the sum of its
    slots, each times its weight.

    One value: its slot, weight 1. Several: each 1 / their number; where there are fewer than
    columns, the slot NOTHING, weight 0. A number: one slot, weighing as much as it is above the
    mean of training, in standard deviations, at most FAR. Nothing known: the field's slot
    "unknown", weight 1.
    """

    slots: Numbers  # [N, C]
    weights: NDArray[np.float32]  # [N, C]


@dataclass(frozen=True, eq=False)
class Coding:
    """How a column of plain values is read: the places of known names, or a mean and a spread."""

    first: int
    values: Mapping[str, int]
    scale: tuple[float, float] | None = None
    "Mean and standard deviation of a number."
    width: int = 0
    "How many names a row tells at most, where | divides them; 0 where each is one name."

    def encode(self, column: NDArray[Any] | None, n: int) -> Encoded:
        """A column [N] of texts or numbers, or none, as [N, 1], or [N, width] of several names."""
        if self.scale is not None:
            known = np.full(n, np.nan) if column is None else as_numbers(column)
            return amounts(known, self.first, self.scale)
        column = np.full(n, "") if column is None else as_names(column)
        names, places = np.unique(column, return_inverse=True)
        slots, weights = several(self._places(names), self.first, max(self.width, 1))
        return Encoded(slots[places], weights[places])

    def _places(self, names: NDArray[np.str_]) -> list[list[int]]:
        """What each text says, as places in the vocabulary; at most `width`."""
        rows = told(names) if self.width else [[name] for name in names.tolist()]
        found = [[self.values[name] for name in row if name in self.values] for row in rows]
        return [row[: max(self.width, 1)] for row in found]

    @property
    def note(self) -> list[Any]:
        """All of it, as JSON can hold it."""
        return [self.first, dict(self.values), self.scale, self.width]

    @classmethod
    def read(cls, note: Sequence[Any]) -> Coding:
        """What `note` gave; older ones had no width."""
        first, values, scale, *width = note
        return cls(first, values, None if scale is None else (scale[0], scale[1]), *width)


def vocabulary(values: Iterable[str], least: int) -> dict[str, int]:
    """Values that are there often enough, from 1, in the order of the alphabet."""
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    frequent = sorted(value for value, n in counts.items() if n >= least)
    return {value: place for place, value in enumerate(frequent, 1)}


def several(rows: Sequence[Sequence[int]], first: int, width: int) -> Encoded:
    """Each row's places in a vocabulary, from 1, as [N, width]; a row without any is unknown."""
    slots = np.full((len(rows), width), NOTHING, np.int64)
    weights = np.zeros(slots.shape, np.float32)
    for number, row in enumerate(rows):
        said = row or [0]
        slots[number, : len(said)] = np.add(said, first)
        weights[number, : len(said)] = 1 / len(said)
    return Encoded(slots, weights)


def amounts(values: NDArray[np.float64], first: int, scale: tuple[float, float]) -> Encoded:
    """Numbers [N] in standard deviations from the mean, [N, 1]; NaN and infinite ones are unknown.

    The slot behind the first is that of what is known.
    """
    known = np.isfinite(values)
    mean, spread = scale
    with np.errstate(over="ignore"):
        away = (np.where(known, values, mean) - mean) / spread
    weights = np.where(known, np.clip(away, -FAR, FAR), 1.0)
    return Encoded((first + known)[:, None], weights[:, None].astype(np.float32))


def scale_of(values: NDArray[np.float64]) -> tuple[float, float] | None:
    """Mean and standard deviation of what is known; none where that is one value or nothing, or
    float64 cannot tell the values apart or add them up.

    What is further from the median than a hundred times the width of the middle 98 % is no amount
    (a sentinel such as 999999999) and does not count: else all others would be as good as one.
    """
    known = values[np.isfinite(values)]
    if not len(known) or known.min() == known.max():
        return None
    low, middle, high = np.quantile(known, [0.01, 0.5, 0.99], method="nearest")
    with np.errstate(over="ignore", invalid="ignore"):
        near = np.abs(known - middle) <= 100 * (high - low)
    if low < high and near.any():
        known = known[near]
    with np.errstate(over="ignore", invalid="ignore"):
        mean, spread = float(known.mean()), float(known.std())
    return (mean, spread) if np.isfinite([mean, spread]).all() and spread > 0 else None


def as_names(column: NDArray[Any]) -> NDArray[np.str_]:
    """A column as texts; of numbers, whole ones without a point, and "" for NaN. What a value is
    called does not hang on the others."""
    if column.dtype.kind not in "iufb":
        return np.char.strip(column.astype(str))
    if column.dtype.kind == "f":
        known = np.isfinite(column)
        whole = known & (np.floor(column) == column) & (abs(column) <= EXACT)
        names = np.where(known, column.astype(str), "")
        return np.where(whole, np.where(whole, column, 0).astype(np.int64).astype(str), names)
    return column.astype(np.int64 if column.dtype.kind == "b" else column.dtype).astype(str)


def as_numbers(column: NDArray[Any]) -> NDArray[np.float64]:
    """A column as numbers; NaN for what is none."""
    if column.dtype.kind in "iufb":
        return column.astype(np.float64)
    texts = pl.Series(as_names(column))
    return texts.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()


def beside(parts: Sequence[Encoded], n: int) -> Encoded:
    """Columns beside each other; [N, C]."""
    slots = np.concatenate([np.empty((n, 0), np.int64), *(part.slots for part in parts)], axis=1)
    weights = [np.empty((n, 0), np.float32), *(part.weights for part in parts)]
    return Encoded(slots, np.concatenate(weights, axis=1))


def measured(values: pl.Series) -> NDArray[np.float64] | None:
    """A column of numbers, times or truths as numbers, NaN for nothing; None for any other."""
    kind = values.dtype
    if kind.is_temporal():
        values = values.to_physical()
    elif not (kind.is_numeric() or kind == pl.Boolean):
        return None
    return values.cast(pl.Float64).fill_null(np.nan).to_numpy()


def one_name(values: pl.Series) -> list[str | None]:
    """A column of single names as texts; whole numbers without a point."""
    if values.dtype.is_float() or values.dtype.is_decimal():
        return as_names(values.cast(pl.Float64).fill_null(np.nan).to_numpy()).tolist()
    return values.cast(pl.String).to_list()


def lists_of(values: pl.Series, declared: str = "") -> list[list[Any]] | None:
    """Rows of several values: lists of names, or texts with | between them; None for any other.

    Of texts that are `declared` a RecBole token_seq, blanks divide the values where no | does.
    """
    kind = values.dtype
    if isinstance(kind, pl.List | pl.Array):
        inner = kind.inner
        plain = not (inner.is_nested() or inner.is_float() or inner in (pl.Binary, pl.Object))
        return values.to_list() if plain else None
    if kind == pl.String and values.str.contains("|", literal=True).any():
        return values.str.split("|").to_list()
    return values.cast(pl.String).str.split(" ").to_list() if declared == "token_seq" else None


def told(names: NDArray[np.str_]) -> list[list[str]]:
    """What each text says, where | divides several names."""
    texts = pl.Series(names, dtype=pl.String)
    lists = lists_of(texts) or [[text] for text in texts.to_list()]
    return [texts_of(row) for row in lists]


def texts_of(values: Sequence[Any] | None) -> list[str]:
    """What is said, each once, without what is not: no nulls and no blanks."""
    stripped = (str(value).strip() for value in values or () if value is not None)
    return list(dict.fromkeys(value for value in stripped if value))


def too_few(said: Iterable[Sequence[str]], least: int, rows: str) -> str:
    """Why names that were said in training are no field: of no two is there enough."""
    different = {name for row in said for name in row}
    if len(different) > 1:
        n = f"{len(different):,}"
        return f"of its {n} values in training, not two are those of {least} {rows} or more"
    if different:
        return f"its one value in training is {short(different.pop(), 40)!r}"
    return "it is empty in training"


def no_scale(values: NDArray[np.float64]) -> str:
    """Why numbers of training are no field: there is no scale of them."""
    known = np.unique(values[np.isfinite(values)])
    if len(known) > 1:
        return "its numbers are too large or too near each other to be measured"
    return (
        f"its one number in training is {known[0]:g}" if len(known) else "it is empty in training"
    )
