"""Splits, and the filter that comes before them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tandemrec.data.catalogue import Catalogue, Dataset
from tandemrec.data.interactions import Interactions
from tandemrec.errors import DataError
from tandemrec.oneline import counted

PART, PARTS = "part", ("train", "valid", "test")
"The context column that a data set's own split stands in, and what it may say."
_LABELS = "train, valid or test"


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Training, validation and test interactions over one catalogue."""

    data: Dataset
    train: Interactions
    valid: Interactions
    test: Interactions

    def __repr__(self) -> str:
        sizes = (
            f"{len(self.train):,} training",
            f"{len(self.valid):,} validation",
            f"{len(self.test):,} test",
        )
        return f"Split({self.data.name!r}: {', '.join(sizes)} interactions)"

    @property
    def catalogue(self) -> Catalogue:
        return self.data.catalogue

    @cached_property
    def before_test(self) -> Interactions:
        """Training and validation together: what is past when test is asked about."""
        return self.train.with_rows(self.valid)

    @cached_property
    def fingerprint(self) -> str:
        parts = (self.data, self.train, self.valid, self.test)
        return "-".join(part.fingerprint[:16] for part in parts)


def _rows(data: Any) -> Interactions:
    """A data set's interactions. Raises DataError for what is none."""
    if not isinstance(data, Dataset):
        raise DataError(
            f"only a data set can be split. Received: {type(data).__name__}.",
            remedy="Give what tr.load or tr.from_frames returns.",
        )
    return data.interactions


def leave_last_out(data: Dataset) -> Split:
    """Each user's last interaction is test, the one before validation, the rest training.

    Ties in time are broken by the position in the source file (Llama4Rec, IV-A3; the tie rule
    is ours, since the paper states none). Users with fewer than three interactions stay in training
    whole, and are not tested; an error if that is everybody.
    """
    rows = _rows(data)
    ends = rows.bounds[1:][rows.counts >= 3]
    if not len(ends):
        raise DataError(
            "No user has three interactions, so nobody can be split into training, validation and "
            f"test. Received: {len(rows)} interactions of {rows.n_users} users.",
            remedy="Give a longer log, or use ratio_split.",
        )
    kept = np.ones(len(rows), dtype=bool)
    kept[ends - 1] = kept[ends - 2] = False
    return Split(data, rows.rows(kept), rows.rows(ends - 2), rows.rows(ends - 1))


def ratio_split(
    data: Dataset, train: float = 0.8, valid: float = 0.1, *, by_time: bool = True, seed: int = 0
) -> Split:
    """Cut each user's interactions at the given shares, in time order or (seeded) random order.

    Everybody keeps at least one for training, and so does every pair that is there twice, since
    what was learnt from one of its rows would be asked about the other. With `valid` 0 nothing can
    be chosen on validation: such a split can be fitted, but a whole run refuses it.
    """
    if not (0 < train < 1 and 0 <= valid < 1 and train + valid < 1):
        raise DataError(
            "The share of training must be positive, that of validation not negative, and both "
            f"must leave some for test. Received: {train} and {valid}."
        )
    rows = _rows(data)
    place = _places(rows, np.arange(len(rows)) if by_time else _shuffled_within_users(rows, seed))
    place[_repeated(rows)] = -1
    first = np.maximum(np.round(rows.counts * train).astype(np.int64), 1)[rows.users]
    second = np.round(rows.counts * (train + valid)).astype(np.int64)[rows.users]
    cuts = (
        place < first,
        (place >= first) & (place < second),
        (place >= first) & (place >= second),
    )
    return Split(data, *(rows.rows(cut) for cut in cuts))


def released(data: Dataset, valid: float = 0.125, *, by_time: bool = True, seed: int = 0) -> Split:
    """The split that comes with the data: the context column "part" says train, valid or test.

    Where no row says valid, it is a share of each user's training rows: the last ones, for a test
    part that is each user's last rows, or, without `by_time`, drawn by the seed. At least one stays
    (choices need validation, and DALLRec's authors have none: an eighth of their 80 % makes it
    8:1:1). A pair that is there twice is not taken. The column does not go into the three parts,
    where a rating backbone would read it. Raises DataError for data without that column, for
    another label, and where no row says train, or none test.
    """
    if not 0 <= valid < 1:
        raise DataError(f"The share of validation must be from 0 to below 1. Received: {valid}.")
    labels = _labels(data)
    rows = data.interactions
    train, held = labels == "train", labels == "valid"
    if not held.any():
        # What is taken first has the lowest number.
        number = -np.arange(len(rows)) if by_time else np.random.default_rng(seed).random(len(rows))
        held = _taken(rows, train & ~_repeated(rows), valid, number)
    context = {name: values for name, values in rows.context.items() if name != PART}
    rows = replace(rows, context=context)
    return Split(data, *(rows.rows(part) for part in (train & ~held, held, labels == "test")))


def _labels(data: Dataset) -> NDArray[np.str_]:
    """What the column says of each row, [N]."""
    if PART not in data.interactions.context:
        raise DataError(
            f"{data.name} has no column {PART!r} that says which rows are {_LABELS}.",
            remedy=f"Name it when the data is loaded (--context {PART}; in Python "
            f"context=[{PART!r}]), or split otherwise (--split ratio; ratio_split).",
        )
    labels = data.interactions.context[PART].astype(np.str_)
    wrong = np.flatnonzero(~np.isin(labels, PARTS))
    if len(wrong):
        raise _wrong_label(data, labels, wrong)
    if absent := [name for name in ("train", "test") if name not in labels]:
        raise DataError(f"no row of {data.name} says {absent[0]}.", column=PART)
    return labels


def _wrong_label(data: Dataset, labels: NDArray[np.str_], wrong: NDArray[np.int64]) -> DataError:
    rows, names, first = data.interactions, data.catalogue, wrong[0]
    who, what = names.user_ids[rows.users[first]], names.item_ids[rows.items[first]]
    found = repr(str(labels[first])) if labels[first] else "nothing"
    return DataError(
        f"expected {_LABELS}, found {found:.80} in {data.name} for user {who} and item {what}, "
        f"one of {counted(len(wrong), 'row')}.",
        column=PART,
    )


def _taken(
    rows: Interactions, pool: NDArray[np.bool_], share: float, number: NDArray[Any]
) -> NDArray[np.bool_]:
    """A share of each user's rows of the pool [N], those of the lowest number; all but one at
    most."""
    place = _places(rows, np.lexsort((number, ~pool, rows.users)))  # the pool before the others
    sizes = np.bincount(rows.users[pool], minlength=rows.n_users)
    wanted = np.minimum(np.round(sizes * share).astype(np.int64), np.maximum(sizes - 1, 0))
    return pool & (place < wanted[rows.users])


def _shuffled_within_users(rows: Interactions, seed: int) -> NDArray[np.int64]:
    draws = np.random.default_rng(seed).random(len(rows))
    return np.lexsort((draws, rows.users))


def _places(rows: Interactions, order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each row's place among its user's, from 0, where `order` puts each user's in order; [N]."""
    place = np.empty(len(rows), np.int64)
    place[order] = np.arange(len(rows)) - rows.bounds[rows.users]
    return place


def _repeated(rows: Interactions) -> NDArray[np.bool_]:
    """Whether the row's pair of user and item is there more than once, [N]."""
    pairs = rows.users * rows.n_items + rows.items
    _, which, often = np.unique(pairs, return_inverse=True, return_counts=True)
    return often[which] > 1


def k_core(data: Dataset, users: int = 5, items: int = 5) -> Dataset:
    """Drop users and items with too few interactions until none is left; renumber what stays."""
    rows = data.interactions
    while True:
        keep = (rows.counts >= users)[rows.users] & (rows.popularity >= items)[rows.items]
        if keep.all():
            return _renumbered(data, rows)
        rows = rows.rows(keep)
        if not len(rows):
            raise DataError(
                f"Nothing is left of {data.name} after the {users}-core of users and {items}-core "
                "of items.",
                remedy="Ask for a smaller core.",
            )


def _renumbered(data: Dataset, rows: Interactions) -> Dataset:
    old_users, users = np.unique(rows.users, return_inverse=True)
    old_items, items = np.unique(rows.items, return_inverse=True)
    full = data.catalogue
    catalogue = Catalogue(
        [full.user_ids[n] for n in old_users],
        [full.item_ids[n] for n in old_items],
        [full.titles[n] for n in old_items],
        full.items[old_items] if full.items.width else full.items,
        full.users[old_users] if full.users.width else full.users,
        full.types,
    )
    interactions = replace(
        rows, users=users, items=items, n_users=len(old_users), n_items=len(old_items)
    )
    return replace(data, interactions=interactions, catalogue=catalogue)
