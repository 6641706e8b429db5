"""Predicted ratings as a value: some rows, other values, the same pairs, saved and loaded."""

from pathlib import Path

import numpy as np
import pytest

from tandemrec.ratings import Ratings

USERS, ITEMS = np.array([3, 1, 1]), np.array([0, 2, 5])
TOLD = Ratings(USERS, ITEMS, np.array([0.5, 3.25, 6.0]))


def test_columns_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"one shape, \[N\]. Received: \(3,\), \(3,\) and \(2,\)"):
        Ratings(USERS, ITEMS, np.ones(2))


def test_some_rows_by_mask_or_number() -> None:
    assert len(TOLD) == 3
    assert TOLD.of(TOLD.users == 1).items.tolist() == [2, 5]
    part = TOLD.of(np.array([2, 0]))
    assert (part.users.tolist(), part.values.tolist()) == ([1, 3], [6, 0.5])


def test_other_values_leave_the_first_as_they_were() -> None:
    assert TOLD.within((1, 5)).values.tolist() == [1, 3.25, 5]
    assert TOLD.values.tolist() == [0.5, 3.25, 6]
    whole = TOLD.with_values(np.array([1, 2, 3], np.float32))
    assert whole.values.dtype == np.float64 and whole.same_pairs(TOLD)


def test_the_same_pairs_are_in_the_same_order() -> None:
    assert not TOLD.same_pairs(TOLD.of(np.array([0, 2, 1])))
    assert not TOLD.same_pairs(TOLD.of(np.array([0, 1])))


def test_what_was_saved_is_loaded_and_the_fingerprint_follows_every_column(tmp_path: Path) -> None:
    TOLD.save(tmp_path / "deep")
    assert Ratings.load(tmp_path / "deep").fingerprint == TOLD.fingerprint
    columns = TOLD.users, TOLD.items, TOLD.values
    changed = {TOLD.fingerprint}
    for place in range(3):
        other = [column + (number == place) for number, column in enumerate(columns)]
        changed.add(Ratings(*other).fingerprint)
    assert len(changed) == 4
