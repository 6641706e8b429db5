"""Long columns in parts that the processor's cache holds, so that a row costs as much in a table of
a hundred million as in one of a million."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

PART = 2**20
"Rows of a part."
LONG = 4 * PART
"Rows up to which everything is done at once."
_COUNTABLE = 10**9
"Rows from which numpy draws no hypergeometric numbers."


def parts(n: int, size: int = PART) -> Iterator[slice]:
    """The rows 0 to `n` - 1 in slices of at most `size`."""
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def in_order(users: NDArray[Any], *further: NDArray[Any]) -> NDArray[np.int64]:
    """The order that sorts rows by user and then by further columns, the first of them first, [N];
    rows that are the same in all stay as they come. Users are numbers from 0.

    A long table is first dealt to ranges of users, each of which is sorted on its own.
    """
    keys = (*reversed(further), users)
    if len(users) <= LONG:
        return np.lexsort(keys)
    dealt = ranges(np.bincount(users))[users]
    order = np.argsort(dealt, kind="stable")
    ends = np.cumsum(np.bincount(dealt))
    for start, stop in zip(np.append(0, ends[:-1]), ends, strict=True):
        rows = order[start:stop]
        order[start:stop] = rows[np.lexsort([key[rows] for key in keys])]
    return order


def ranges(counts: NDArray[np.int64]) -> NDArray[np.unsignedinteger[Any]]:
    """The number of each user's range, [U], by how many rows users have: of users in a row, with
    about a part of rows together. Small numbers, which numpy sorts by radix."""
    numbers = (np.cumsum(counts) - counts) // PART
    return numbers.astype(np.min_scalar_type(int(numbers[-1])))


def dealt(n: int, size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """The numbers 0 to `n` - 1 once each, dealt at random to hands of `size`, each way of dealing
    equally likely. In a long table each hand is rising, so that what it asks for lies in order.

    A part's rows go to the hands as balls are drawn from an urn of as many colours, so that how
    many of it each hand gets is multivariate hypergeometric, and which ones is a shuffle.
    """
    order = _order_of_hands(n, size, rng) if LONG < n < _COUNTABLE else rng.permutation(n)
    for start in range(0, n, size):
        yield order[start : start + size]


def _order_of_hands(n: int, size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    hands = -(-n // size)
    left = np.full(hands, size)
    left[-1] = n - size * (hands - 1)
    names = np.arange(hands, dtype=np.min_scalar_type(hands))
    given = np.empty(n, names.dtype)
    for part in parts(n):
        sizes = rng.multivariate_hypergeometric(left, part.stop - part.start, method="marginals")
        given[part] = np.repeat(names, sizes)
        rng.shuffle(given[part])
        left -= sizes
    return by_number(given, hands)


def by_number(numbers: NDArray[Any], length: int) -> NDArray[np.int64]:
    """The order that sorts whole numbers from 0 to `length` - 1, equal ones as they come, [N].

    numpy sorts numbers of 16 bits by radix, which takes a tenth of the time: longer ones are sorted
    by their low and then by their high bits.
    """
    if length <= 2**16 or length > 2**32:
        return numbers.astype(np.min_scalar_type(length - 1)).argsort(kind="stable")
    order = (numbers & 0xFFFF).astype(np.uint16).argsort(kind="stable")
    high = (numbers >> 16).astype(np.min_scalar_type((length - 1) >> 16))
    return order[high[order].argsort(kind="stable")]
