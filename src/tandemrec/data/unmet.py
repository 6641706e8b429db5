"""Which pairs met, and the sampler of items that a user has not met."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from tandemrec.data.blocks import LONG, PART, parts

Ints = NDArray[np.int64]
_ABOVE = 2**31
"More than any item's number."


@dataclass(frozen=True, eq=False)
class Pairs:
    """Who met what, each pair once; asking for pairs that are not there is fast."""

    bounds: Ints  # [U + 1], user u's part of the items
    items: NDArray[Any]  # [pairs], each user's rising
    marks: NDArray[np.bool_]  # [8 pairs + 1], true where a pair falls

    @classmethod
    def of(cls, matrix: sparse.csr_array) -> Pairs:
        """Of a matrix [U, I] that holds each pair once, each row's items rising."""
        bounds, marks = matrix.indptr.astype(np.int64), np.zeros(8 * matrix.nnz + 1, dtype=bool)
        pairs = cls(bounds, matrix.indices, marks)
        for part in parts(matrix.shape[0], PART // 16):
            rows = slice(bounds[part.start], bounds[part.stop])
            users = np.repeat(np.arange(part.start, part.stop), np.diff(bounds)[part])
            pairs.marks[pairs._fall(users, matrix.indices[rows])] = True
        return pairs

    def held(self, users: Ints, items: Ints) -> Ints:
        """Which of these pairs [N] are in the set: their places, rising. Where there is no mark,
        there is nothing to search for."""
        likely = np.flatnonzero(self.marks[self._fall(users, items)])
        users, wanted = users[likely], items[likely]
        places = self._places(users, wanted)
        found = self.items.take(places, mode="clip") == wanted
        return likely[found & (places < self.bounds[users + 1])]

    def _places(self, users: Ints, wanted: Ints) -> Ints:
        """The first place of each user's part, [B], whose item is not below the wanted one."""
        if len(self.items) <= LONG:
            return np.searchsorted(self._numbers, users * _ABOVE + wanted)
        return self.search(users, lambda rows, at: self.items[at] < wanted[rows])

    @cached_property
    def _numbers(self) -> Ints:
        """Each pair as one number, rising: fast to search, and too long for a long table."""
        users = np.repeat(np.arange(len(self.bounds) - 1), np.diff(self.bounds))
        return users * _ABOVE + self.items

    def search(self, users: Ints, before: Callable[[Ints, Ints], NDArray[np.bool_]]) -> Ints:
        """The first place of each user's part, [B], that is not `before` (rows of these users,
        places in their parts) what is sought, or the end of the part: all searches at once."""
        low, high = self.bounds[users], self.bounds[users + 1]
        while len(left := np.flatnonzero(low < high)):
            middle = (low[left] + high[left]) // 2
            passed = before(left, middle)
            low[left[passed]] = middle[passed] + 1
            high[left[~passed]] = middle[~passed]
        return low

    def _fall(self, users: Ints, items: NDArray[Any]) -> Ints:
        """Where pairs fall, [N]: among the eight marks for each of the user's pairs, by
        multiplicative hashing (Knuth, TAOCP 3, section 6.4) of the item. So the marks of one user
        lie together, and asking for users in order reads them in order."""
        starts = self.bounds[users]
        room = 8 * (self.bounds[users + 1] - starts)
        scattered = (items * np.int64(0x9E3779B1)) & 0xFFFFFFFF
        scattered *= room
        scattered >>= 32
        return scattered + 8 * starts


@dataclass(frozen=True, eq=False)
class Unmet:
    """Draws items that a user has not met, each equally likely; never a met one.

    First any item. Where the user met it, which is seldom, an unmet one by its number: if he met
    the items a_0 < a_1 < ..., then `a_j - j` unmet items stand before a_j, so the r-th unmet item
    is r plus the number of a_j with `a_j - j <= r`: a binary search. Both together give each of a
    user's I - n unmet items the chance 1 / I + (n / I) / (I - n) = 1 / (I - n).
    """

    n_items: int
    met: Pairs

    @classmethod
    def of(cls, matrix: sparse.csr_array, met: Pairs) -> Unmet:
        """From a matrix [U, I] that holds each pair once, and its pairs."""
        return cls(matrix.shape[1], met)

    def counts(self, users: Ints) -> Ints:
        """How many items each of these users has not met, [B]."""
        return self.n_items - (self.met.bounds[users + 1] - self.met.bounds[users])

    def draw(self, users: Ints, rng: np.random.Generator) -> Ints:
        """One unmet item for each of these users, [B]; each user must have one."""
        if len(users) <= LONG:
            return self._drawn(users, rng)
        return np.concatenate([self._drawn(users[part], rng) for part in parts(len(users))])

    def _drawn(self, users: Ints, rng: np.random.Generator) -> Ints:
        items = rng.integers(self.n_items, size=len(users))
        again = self.met.held(users, items)
        numbers = (rng.random(len(again)) * self.counts(users[again])).astype(np.int64)
        items[again] = self.numbered(users[again], numbers)
        return items

    def numbered(self, users: Ints, numbers: Ints) -> Ints:
        """The unmet items of these users by their numbers, [B]; 0 is a user's first."""
        first, items = self.met.bounds[users], self.met.items
        if len(items) <= LONG:
            asked = users * _ABOVE + numbers
            return numbers + np.searchsorted(self._before, asked, side="right") - first
        places = self.met.search(
            users, lambda rows, at: items[at] - (at - first[rows]) <= numbers[rows]
        )
        return numbers + places - first

    @cached_property
    def _before(self) -> Ints:
        """How many unmet items stand before each met one, with its user in one number, rising; too
        long for a long table."""
        bounds, place = self.met.bounds, np.arange(len(self.met.items))
        users = np.repeat(np.arange(len(bounds) - 1), np.diff(bounds))
        return users * _ABOVE + self.met.items - (place - bounds[users])
