"""What every predictor of ratings gives and every later stage takes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tandemrec.data.interactions import Interactions

FILE = "ratings.npz"


@dataclass(frozen=True, eq=False)
class Ratings:
    """The predicted rating of each user for the item beside it, in the order that was asked."""

    users: NDArray[np.int64]  # [N]
    items: NDArray[np.int64]  # [N]
    values: NDArray[np.float64]  # [N], on the data's own scale

    def __post_init__(self) -> None:
        if len({column.shape for column in (self.users, self.items, self.values)}) != 1:
            raise ValueError(
                "users, items and values must have one shape, [N]. Received: "
                f"{self.users.shape}, {self.items.shape} and {self.values.shape}."
            )

    def __len__(self) -> int:
        return len(self.users)

    def of(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Ratings:
        """Some of the rows, by index or mask."""
        return Ratings(self.users[rows], self.items[rows], self.values[rows])

    def with_values(self, values: NDArray[np.floating]) -> Ratings:
        """Other predictions for the same pairs."""
        return replace(self, values=values.astype(np.float64))

    def within(self, scale: tuple[float, float]) -> Ratings:
        """The same, none below or above the scale."""
        return self.with_values(np.clip(self.values, *scale))

    def same_pairs(self, other: Ratings | Interactions) -> bool:
        """Whether both speak of the same pairs in the same order."""
        pairs = zip((self.users, self.items), (other.users, other.items), strict=True)
        return all(np.array_equal(one, another) for one, another in pairs)

    @cached_property
    def fingerprint(self) -> str:
        parts = (self.users, self.items, self.values)
        return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / FILE
        np.savez_compressed(file, users=self.users, items=self.items, values=self.values)

    @classmethod
    def load(cls, folder: Path) -> Ratings:
        with np.load(folder / FILE, allow_pickle=False) as file:
            return cls(file["users"], file["items"], file["values"])
