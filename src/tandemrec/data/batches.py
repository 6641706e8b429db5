"""Batches for training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tandemrec.data.blocks import LONG, dealt
from tandemrec.data.fields import Fields
from tandemrec.data.interactions import Interactions
from tandemrec.errors import DataError

Columns = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def shuffled(n: int, size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """The numbers 0 to `n` - 1 once each, in a random order, at most `size` at a time."""
    order = rng.permutation(n)
    for start in range(0, n, size):
        yield order[start : start + size]


class Triples(NamedTuple):
    """For direct recommendation: each user liked the first item better than the second."""

    users: Tensor  # [B]
    liked: Tensor  # [B]
    other: Tensor  # [B]


def triples(
    train: Interactions,
    size: int,
    rng: np.random.Generator,
    extra: Columns | None = None,
) -> Iterator[Triples]:
    """One epoch: every interaction once, with one fresh item that its user has not met.

    `extra` holds stated preferences (users, preferred, other): each joins once, as it stands
    (Llama4Rec, equation 2: D' = D + those triples). Rows of a user who met every item are left
    out, since nothing can be ranked below.
    """
    if len(train) > LONG:
        yield from _long(train, size, rng, extra)
        return
    columns = _with(extra, _drawn(train, rng))
    order = rng.permutation(len(columns[0]))
    whole = Triples(*(torch.from_numpy(column[order]) for column in columns))
    for start in range(0, len(order), size):
        yield Triples(*(column[start : start + size] for column in whole))


def _long(
    train: Interactions, size: int, rng: np.random.Generator, extra: Columns | None
) -> Iterator[Triples]:
    """The same for a long table, whose columns are not copied: unmet items are drawn batch by
    batch, and each batch has its rows by user."""
    users, liked = _usable(train)
    nobody = np.empty(0, np.int64)
    said = extra or (nobody, nobody, nobody)
    for rows in dealt(len(users) + len(said[0]), size, rng):
        own, others = rows[rows < len(users)], rows[rows >= len(users)] - len(users)
        met = users[own], liked[own], train.unmet.draw(users[own], rng)
        chosen = [column[others] for column in said]
        both = (np.append(a, b) for a, b in zip(met, chosen, strict=True))
        yield Triples(*(torch.from_numpy(column) for column in both))


class BetweenUsers(NamedTuple):
    """For direct recommendation: the first user likes the item better than the second."""

    items: Tensor  # [B]
    liking: Tensor  # [B]
    other: Tensor  # [B]


def between_users(columns: Columns, size: int, rng: np.random.Generator) -> Iterator[BetweenUsers]:
    """One epoch: every (item, liking user, other user) once."""
    for rows in shuffled(len(columns[0]), size, rng):
        yield BetweenUsers(*(torch.from_numpy(column[rows]) for column in columns))


class Crowd(NamedTuple):
    """For direct recommendation: each user liked the item better than any of the candidates."""

    users: Tensor  # [B]
    liked: Tensor  # [B]
    candidates: Tensor  # [B, M]


def crowds(
    train: Interactions,
    size: int,
    rng: np.random.Generator,
    n: int,
    extra: Columns | None = None,
) -> Iterator[Crowd]:
    """As `triples`, with `n` unmet items that are drawn batch by batch, and may repeat. A stated
    preference has its own item `n` times."""
    users, liked = _usable(train)
    users, liked, other = _with(extra, (users, liked, np.full(len(users), -1)))
    for rows in shuffled(len(users), size, rng):
        given = np.repeat(other[rows, None], n, axis=1)
        free = given[:, 0] < 0
        given[free] = train.unmet.draw(np.repeat(users[rows][free], n), rng).reshape(-1, n)
        yield Crowd(*(torch.from_numpy(part) for part in (users[rows], liked[rows], given)))


class Rated(NamedTuple):
    """For rating prediction: what each user thought of the item, and what else is known of the
    row."""

    users: Tensor  # [B]; -1 is somebody new
    items: Tensor  # [B]; -1 is something new
    ratings: Tensor  # [B]
    slots: Tensor  # [B, C], the context's columns (data.fields)
    weights: Tensor  # [B, C]

    @classmethod
    def of(cls, rows: Interactions, fields: Fields) -> Rated:
        """Interactions as one batch."""
        columns = (rows.users, rows.items, rows.ratings, *fields.context_of(rows))
        users, items, ratings, slots, weights = map(torch.from_numpy, columns)
        return cls(users, items, ratings, slots.int(), weights)

    @classmethod
    def anywhere(cls, users: Tensor, items: Tensor, fields: Fields) -> Rated:
        """Pairs in no context, whose ratings nobody knows, on the pairs' device."""
        device, n = users.device, len(users)
        context = (torch.from_numpy(part).to(device) for part in fields.context_of(None))
        slots, weights = (part.expand(n, -1) for part in context)
        return cls(users, items, torch.zeros(n, device=device), slots.int(), weights)

    def rows(self, keep: Tensor | slice) -> Rated:
        """Some of the rows."""
        return Rated(*(column[keep] for column in self))


def rated(rows: Rated, size: int, rng: np.random.Generator) -> Iterator[Rated]:
    """One epoch: every rating once. A last one by itself joins the batch before it, since a batch's
    spread, which batch normalisation divides by, needs two."""
    order = torch.from_numpy(rng.permutation(len(rows.users)))
    mixed, n = rows.rows(order), len(order)
    alone = size > 1 and n > size and n % size == 1
    for start in range(0, n - alone, size):
        stop = start + size
        yield mixed.rows(slice(start, n if alone and stop + 1 == n else stop))


def _usable(train: Interactions) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The interactions of users who have an item left that they have not met."""
    able = train.unmet.counts(np.arange(train.n_users)) > 0
    if able.all():
        return train.users, train.items
    usable = able[train.users]
    return train.users[usable], train.items[usable]


def _drawn(train: Interactions, rng: np.random.Generator) -> Columns:
    users, liked = _usable(train)
    return users, liked, train.unmet.draw(users, rng)


def _with(extra: Columns | None, drawn: Columns) -> Columns:
    if extra is None:
        return drawn
    users, liked, other = (np.append(a, b) for a, b in zip(drawn, extra, strict=True))
    return users, liked, other


def stated(extra: Columns, train: Interactions) -> Columns:
    """Check preferences from outside: three whole-number columns of one length, ids within range.

    Raises DataError.
    """
    users, liked, other = _three(extra, "Extra triples", "users, preferred, other")
    _refuse_strangers("Extra triples", "a user", users, train.n_users)
    _refuse_strangers("Extra triples", "an item", np.append(liked, other), train.n_items)
    return users, liked, other


def stated_between(columns: Columns, train: Interactions) -> Columns:
    """Check pairs of users from outside, as `stated` checks preferences: items, users who like
    them, users who do not. Raises DataError."""
    items, liking, other = _three(columns, "Pairs of users", "items, liking, other")
    _refuse_strangers("Pairs of users", "an item", items, train.n_items)
    _refuse_strangers("Pairs of users", "a user", np.append(liking, other), train.n_users)
    return items, liking, other


def _three(columns: Columns, what: str, names: str) -> Columns:
    found = [np.asarray(column) for column in columns]
    shapes = [column.shape for column in found]
    if len(found) != 3 or len(set(shapes)) > 1 or len(shapes[0]) != 1:
        raise DataError(
            f"{what} must be three columns of one length: {names}. Received shapes "
            f"{', '.join(map(str, shapes))}."
        )
    if kinds := [str(each.dtype) for each in found if each.size and each.dtype.kind not in "iu"]:
        raise DataError(f"{what} must be whole numbers: {names}. Received {', '.join(kinds)}.")
    one, two, three = (column.astype(np.int64) for column in found)
    return one, two, three


def _refuse_strangers(what: str, kind: str, numbers: NDArray[np.int64], limit: int) -> None:
    if len(numbers) and not (numbers.min() >= 0 and numbers.max() < limit):
        raise DataError(
            f"{what} name {kind} that is not there. Received numbers from "
            f"{numbers.min()} to {numbers.max()}; allowed are 0 to {limit - 1}."
        )
