"""The one table that every stage reads."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tandemrec.data.blocks import LONG, in_order
from tandemrec.data.unmet import Pairs, Unmet
from tandemrec.oneline import counted


@dataclass(frozen=True, eq=False, repr=False)
class Interactions:
    """Who met what, when, and how much they liked it.

    Rows are sorted by user, and within a user by (time, position in the source): a user's rows are
    one slice, oldest first. Ids are dense integers from 0; the catalogue knows the names behind.
    """

    users: NDArray[np.int64]  # [N]
    items: NDArray[np.int64]  # [N]
    ratings: NDArray[np.float32]  # [N]
    times: NDArray[np.int64]  # [N], seconds, or any whole number that orders
    n_users: int
    n_items: int
    context: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    "What else is known of a row, by the column's name, each [N]: texts, or numbers (NaN: unknown)."

    def __post_init__(self) -> None:
        if len({len(column) for column in (*self._columns, *self.context.values())}) != 1:
            raise ValueError("users, items, ratings, times and context must have one length")
        for name, values in self.context.items():
            if values.dtype.kind not in "iufbU":
                raise ValueError(
                    f"context {name!r} must hold texts or numbers. Received: {values.dtype}."
                )
        if (self.users[1:] < self.users[:-1]).any():
            raise ValueError("rows must be sorted by user; use Interactions.sorted")

    @classmethod
    def sorted(
        cls,
        users: NDArray[np.int64],
        items: NDArray[np.int64],
        ratings: NDArray[np.float32] | None = None,
        times: NDArray[np.int64] | None = None,
        *,
        n_users: int,
        n_items: int,
        context: Mapping[str, NDArray[Any]] | None = None,
    ) -> Interactions:
        """Build from rows in any order; ties in time keep the order that the rows came in."""
        ratings = np.ones(len(users), np.float32) if ratings is None else ratings
        times = np.zeros(len(users), np.int64) if times is None else times
        order = in_order(users, times)
        columns = (users[order], items[order], ratings[order], times[order])
        further = {name: values[order] for name, values in (context or {}).items()}
        return cls(*columns, n_users, n_items, further)

    def __len__(self) -> int:
        return len(self.users)

    def __repr__(self) -> str:
        return f"Interactions({self.sizes})"

    @property
    def sizes(self) -> str:
        """How many there are, in words."""
        users, items = counted(self.n_users, "user"), counted(self.n_items, "item")
        return f"{counted(len(self), 'interaction')} of {users} and {items}"

    def with_rows(self, more: Interactions) -> Interactions:
        """These rows and more of the same users and items, which come later where times are equal.
        One column at a time is there twice."""
        order = in_order(np.append(self.users, more.users), np.append(self.times, more.times))
        pairs = zip(self._columns, more._columns, strict=True)
        users, items, ratings, times = (np.append(*pair)[order] for pair in pairs)
        context = {
            name: np.append(values, more.context[name])[order]
            for name, values in self.context.items()
        }
        return Interactions(users, items, ratings, times, self.n_users, self.n_items, context)

    def rows(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> Interactions:
        """Some of the rows, in the same order; the numbers of users and items stay."""
        further = {name: values[keep] for name, values in self.context.items()}
        users, items, ratings, times = (column[keep] for column in self._columns)
        return Interactions(users, items, ratings, times, self.n_users, self.n_items, further)

    @property
    def _columns(self) -> tuple[NDArray[Any], ...]:
        return self.users, self.items, self.ratings, self.times

    @cached_property
    def bounds(self) -> NDArray[np.int64]:
        """User u's rows are `bounds[u]:bounds[u + 1]`; [U + 1]."""
        return np.searchsorted(self.users, np.arange(self.n_users + 1))

    def of(self, user: int) -> NDArray[np.int64]:
        """The user's items, oldest first."""
        return self.items[self.bounds[user] : self.bounds[user + 1]]

    @property
    def histories(self) -> list[NDArray[np.int64]]:
        """Every user's items, oldest first; [U]."""
        return [self.of(user) for user in range(self.n_users)]

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """N(u), how many interactions each user has: [U]."""
        return np.diff(self.bounds)

    @cached_property
    def popularity(self) -> NDArray[np.int64]:
        """How many interactions each item has: [I]."""
        return np.bincount(self.items, minlength=self.n_items)

    @cached_property
    def once(self) -> NDArray[np.int64]:
        """The first row of each pair of a user and an item, by user and item."""
        return np.unique(self.users * self.n_items + self.items, return_index=True)[1]

    @cached_property
    def distinct(self) -> Interactions:
        """The same with each pair once; itself where none is repeated."""
        return self if len(self.once) == len(self) else self.rows(np.sort(self.once))

    @cached_property
    def matrix(self) -> sparse.csr_array:
        """The [U, I] matrix with a 1 for each pair that met; each row's items rise."""
        largest = max(len(self), self.n_items)
        kind: Any = np.int32 if largest <= np.iinfo(np.int32).max else np.int64
        rows = np.ones(len(self), np.float32), self.items.astype(kind), self.bounds.astype(kind)
        matrix: sparse.csr_array[Any] = sparse.csr_array(rows, (self.n_users, self.n_items))
        matrix.sum_duplicates()
        matrix.data[:] = 1
        return matrix

    @cached_property
    def _pairs(self) -> Pairs:
        return Pairs.of(self.matrix)

    @cached_property
    def unmet(self) -> Unmet:
        """The sampler of items that a user has not met here."""
        return Unmet.of(self.matrix, self._pairs)

    def met(self, users: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each user met the item beside it, [N]."""
        found = np.zeros(len(users), dtype=bool)
        found[self._pairs.held(users, items)] = True
        return found

    @cached_property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(f"{self.n_users},{self.n_items}".encode())
        for column in self._columns:
            digest.update(_bytes(column))
        for name, values in self.context.items():
            digest.update(f"{name},{values.dtype}".encode())
            digest.update(_bytes(values))
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """As one file; a long table is not compressed, which would take minutes."""
        folder.mkdir(parents=True, exist_ok=True)
        values: dict[str, Any] = dict(zip(_COLUMNS, self._columns, strict=True))
        values |= {"n_users": self.n_users, "n_items": self.n_items}
        values |= {f"{_CONTEXT}{name}": column for name, column in self.context.items()}
        write = np.savez if len(self) > LONG else np.savez_compressed
        write(folder / "interactions.npz", **values)

    @classmethod
    def load(cls, folder: Path) -> Interactions:
        with np.load(folder / "interactions.npz", allow_pickle=False) as file:
            users, items, ratings, times = (file[name] for name in _COLUMNS)
            sizes = int(file["n_users"]), int(file["n_items"])
            names = [name for name in file.files if name.startswith(_CONTEXT)]
            context = {name.removeprefix(_CONTEXT): file[name] for name in names}
            return cls(users, items, ratings, times, *sizes, context)


def _bytes(column: NDArray[Any]) -> memoryview:
    """A column as it lies in memory, without a copy of it."""
    return np.ascontiguousarray(column).view(np.uint8).data


_COLUMNS, _CONTEXT = ("users", "items", "ratings", "times"), "context."
"How the columns are called in a file."
