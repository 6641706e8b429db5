"""Ids that become numbers block by block, in order of appearance."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

SPAN = 2**28
"From the lowest to the highest whole number, so far that a table of all between is made."


@dataclass(eq=False)
class Known:
    """The ids of one role that were met so far."""

    found: list[pl.Series] = field(default_factory=list)
    "In order of appearance, those of each block that has new ones."

    def __post_init__(self) -> None:
        self._lookup: Spanned | Joined = Spanned()

    @property
    def ids(self) -> pl.Series:
        """Each id at the place of its number, [X]."""
        return pl.concat(self.found)

    def numbers(self, values: pl.Series) -> NDArray[np.int32]:
        """The number of each of these ids, [B]; those that are new get the next ones."""
        if not len(values):
            return np.zeros(0, np.int32)
        if isinstance(self._lookup, Spanned) and not self._lookup.reaches(values):
            self._lookup = Joined(pl.concat([*self.found, values.head(0)]))
        numbers = self._lookup.of(values)
        fresh = values.filter(pl.Series(numbers < 0)).unique(maintain_order=True)
        if not len(fresh):
            return numbers
        self.found.append(fresh)
        self._lookup.add(fresh)
        return self._lookup.of(values)


class Spanned:
    """Whole numbers that lie close enough: a table from the lowest to the highest of them."""

    def __init__(self) -> None:
        self.first, self.n = 0, 0
        self.table: NDArray[np.int32] = np.zeros(0, np.int32)
        "From `first` on, one more than each id's number; pages that nobody met cost no memory."

    def reaches(self, values: pl.Series) -> bool:
        """Whether the table can hold these too; if so it is long enough for them."""
        if not values.dtype.is_integer():
            return False
        low, high = _ends(values)
        if len(self.table):
            low, high = min(low, self.first), max(high, self.first + len(self.table) - 1)
        if high - low >= SPAN or high > np.iinfo(np.int64).max:
            return False
        if high - low >= len(self.table):
            longer = np.zeros(high - low + 1, np.int32)
            longer[self.first - low :][: len(self.table)] = self.table
            self.first, self.table = low, longer
        return True

    def of(self, values: pl.Series) -> NDArray[np.int32]:
        """Each one's number; -1 where it is new."""
        return self.table[self._places(values)] - np.int32(1)

    def add(self, fresh: pl.Series) -> None:
        """Number these, each of which is there once."""
        self.table[self._places(fresh)] = np.arange(self.n + 1, self.n + 1 + len(fresh))
        self.n += len(fresh)

    def _places(self, values: pl.Series) -> NDArray[np.int64]:
        return values.cast(pl.Int64).to_numpy() - self.first


def _ends(values: pl.Series) -> tuple[int, int]:
    """The least and the greatest of one or more."""
    low, high = values.min(), values.max()
    assert isinstance(low, int) and isinstance(high, int)
    return low, high


class Joined:
    """Any ids: a frame of them, which each block is joined with."""

    def __init__(self, ids: pl.Series) -> None:
        self.ids = self._numbered(ids, 0)

    def of(self, values: pl.Series) -> NDArray[np.int32]:
        """Each one's number; -1 where it is new."""
        block = pl.DataFrame({"id": values})
        found = block.join(self.ids, on="id", how="left", maintain_order="left")["number"]
        numbers: NDArray[Any] = found.fill_null(-1).to_numpy()
        return numbers

    def add(self, fresh: pl.Series) -> None:
        """Number these, each of which is there once."""
        self.ids = pl.concat([self.ids, self._numbered(fresh, len(self.ids))])

    @staticmethod
    def _numbered(ids: pl.Series, start: int) -> pl.DataFrame:
        numbers = pl.int_range(start, start + len(ids), dtype=pl.Int32, eager=True)
        return pl.DataFrame({"id": ids, "number": numbers})
