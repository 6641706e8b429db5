"""Which pairs met, and the sampler of items that a user has not met."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pairs:
    """A set of pairs, each told as one number; asking for what it does not hold is fast."""

    numbers: Ints  # rising
    marks: NDArray[np.bool_]  # [a power of two], true where a number of the set falls

    @classmethod
    def of(cls, numbers: Ints) -> Pairs:
        """Of numbers in rising order, each once."""
        marks = np.zeros(1 << (8 * len(numbers) + 1).bit_length(), dtype=bool)
        marks[_fall(numbers, len(marks))] = True
        return cls(numbers, marks)

    def held(self, numbers: Ints) -> Ints:
        """Which of the numbers are in the set: their places, rising. Where there is no mark, there
        is nothing to search for."""
        likely = np.flatnonzero(self.marks[_fall(numbers, len(self.marks))])
        wanted = numbers[likely]
        places = np.searchsorted(self.numbers, wanted)
        return likely[self.numbers.take(places, mode="clip") == wanted]


def _fall(numbers: Ints, places: int) -> NDArray[np.uint64]:
    """Multiplicative hashing (Knuth, TAOCP 3, section 6.4) into a power of two of places."""
    shift = np.uint64(65 - places.bit_length())
    return (numbers.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> shift


@dataclass(frozen=True, eq=False)
class Unmet:
    """Draws items that a user has not met, each equally likely; never a met one.

    First any item. Where the user met it, which is seldom, an unmet one by its number: if he met
    the items a_0 < a_1 < ..., then `a_j - j` unmet items stand before a_j, so the r-th unmet item
    is r plus the number of a_j with `a_j - j <= r`: one binary search for all rows. Both together
    give each of a user's I - n unmet items the chance 1 / I + (n / I) / (I - n) = 1 / (I - n).
    """

    n_items: int
    met: Pairs  # u * I + a_j
    bounds: Ints  # [U + 1], user u's part of `before`
    before: Ints  # [pairs], u * (I + 1) + a_j - j, rising

    @classmethod
    def of(cls, matrix: sparse.csr_array, met: Pairs) -> Unmet:
        """From a matrix [U, I] that holds each pair once, and the same pairs as u * I + i."""
        n_users, n_items = matrix.shape
        bounds = matrix.indptr.astype(np.int64)
        users = np.repeat(np.arange(n_users), np.diff(bounds))
        place = np.arange(len(users)) - bounds[users]
        return cls(n_items, met, bounds, met.numbers + users - place)

    def counts(self, users: Ints) -> Ints:
        """How many items each of these users has not met, [B]."""
        return self.n_items - (self.bounds[users + 1] - self.bounds[users])

    def draw(self, users: Ints, rng: np.random.Generator) -> Ints:
        """One unmet item for each of these users, [B]; each user must have one."""
        items = rng.integers(self.n_items, size=len(users))
        again = self.met.held(users * self.n_items + items)
        numbers = (rng.random(len(again)) * self.counts(users[again])).astype(np.int64)
        items[again] = self.numbered(users[again], numbers)
        return items

    def numbered(self, users: Ints, numbers: Ints) -> Ints:
        """The unmet items of these users by their numbers, [B]; 0 is a user's first."""
        passed = np.searchsorted(self.before, users * (self.n_items + 1) + numbers, side="right")
        return numbers + passed - self.bounds[users]
