"""The one table: its order, its slices, what it knows of pairs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tandemrec.data.interactions import Interactions

USERS, ITEMS = np.array([2, 0, 2, 0, 2]), np.array([1, 3, 0, 1, 3])
TIMES = np.array([5, 9, 5, 2, 1])
TABLE = Interactions.sorted(
    USERS, ITEMS, np.arange(5, dtype=np.float32), TIMES, n_users=4, n_items=5
)


def test_rows_are_sorted_by_user_then_time_then_place() -> None:
    assert TABLE.users.tolist() == [0, 0, 2, 2, 2]
    assert TABLE.items.tolist() == [1, 3, 3, 1, 0]  # 1 before 0: both at time 5, 1 came first
    assert TABLE.ratings.tolist() == [3, 1, 4, 0, 2]


def test_a_users_rows_are_a_slice_also_of_one_without_any() -> None:
    assert TABLE.bounds.tolist() == [0, 2, 2, 5, 5]
    assert [items.tolist() for items in TABLE.histories] == [[1, 3], [], [3, 1, 0], []]
    assert TABLE.counts.tolist() == [2, 0, 3, 0]
    assert TABLE.popularity.tolist() == [1, 2, 0, 2, 0]


def test_the_matrix_has_a_one_for_a_pair_that_met_twice() -> None:
    twice = Interactions.sorted(np.array([0, 0]), np.array([1, 1]), n_users=1, n_items=2)
    assert twice.matrix.toarray().tolist() == [[0, 1]]


def test_met_knows_pairs_and_not_just_ends() -> None:
    users, items = np.array([0, 0, 2, 2, 3, 0]), np.array([1, 0, 0, 4, 4, 3])
    assert TABLE.met(users, items).tolist() == [True, False, True, False, False, True]
    nobody = TABLE.rows(np.zeros(5, bool))
    assert not nobody.met(users, items).any()


def test_some_rows_keep_order_and_sizes() -> None:
    part = TABLE.rows(TABLE.items == 3)
    assert (part.users.tolist(), part.items.tolist()) == ([0, 2], [3, 3])
    assert (part.n_users, part.n_items) == (4, 5)


def test_without_ratings_and_times_the_order_of_rows_counts() -> None:
    plain = Interactions.sorted(USERS, ITEMS, n_users=3, n_items=4)
    assert plain.of(2).tolist() == [1, 0, 3]
    assert set(plain.ratings) == {1} and set(plain.times) == {0}


def test_the_fingerprint_follows_every_column_and_size() -> None:
    again = Interactions.sorted(
        USERS, ITEMS, np.arange(5, dtype=np.float32), TIMES, n_users=4, n_items=5
    )
    assert again.fingerprint == TABLE.fingerprint
    columns = [TABLE.users, TABLE.items, TABLE.ratings, TABLE.times]
    others = {Interactions(*columns, 4, 6).fingerprint, Interactions(*columns, 5, 5).fingerprint}
    for place in range(1, 4):
        changed = [each.copy() for each in columns]
        changed[place][0] += 1
        others.add(Interactions(*changed, 4, 5).fingerprint)
    assert len(others) == 5 and TABLE.fingerprint not in others


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    TABLE.save(tmp_path / "deep" / "er")
    again = Interactions.load(tmp_path / "deep" / "er")
    assert again.fingerprint == TABLE.fingerprint
    assert again.ratings.dtype == np.float32


def test_unequal_columns_and_unsorted_rows_are_refused() -> None:
    one, two = np.array([0]), np.array([0, 1])
    with pytest.raises(ValueError, match="one length"):
        Interactions(two, one, np.ones(2, np.float32), two, 2, 2)
    with pytest.raises(ValueError, match=r"use Interactions\.sorted"):
        Interactions(two[::-1], two, np.ones(2, np.float32), two, 2, 2)


WORDS, HOURS = np.array(["tv", "", "pad", "phone", "tv"]), np.array([1.5, np.nan, 3, 4, 5])
TOLD = Interactions.sorted(
    USERS, ITEMS, times=TIMES, n_users=4, n_items=5, context={"device": WORDS, "an hour": HOURS}
)


def test_context_goes_with_its_rows() -> None:
    assert TOLD.context["device"].tolist() == ["phone", "", "tv", "tv", "pad"]
    part = TOLD.rows(TOLD.items == 3)
    assert part.context["device"].tolist() == ["", "tv"]
    np.testing.assert_array_equal(part.context["an hour"], [np.nan, 5])


def test_context_is_saved_and_in_the_fingerprint(tmp_path: Path) -> None:
    TOLD.save(tmp_path)
    again = Interactions.load(tmp_path)
    assert again.fingerprint == TOLD.fingerprint
    assert again.context["device"].tolist() == TOLD.context["device"].tolist()
    np.testing.assert_array_equal(again.context["an hour"], TOLD.context["an hour"])
    plain = replace(TOLD, context={})
    named = replace(TOLD, context={"device": WORDS, "hour": HOURS})
    assert len({TOLD.fingerprint, plain.fingerprint, named.fingerprint}) == 3


def test_context_of_another_length_or_type_is_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        replace(TOLD, context={"device": WORDS[:2]})
    for values in (np.array([None, "a", "b", "c", "d"]), np.zeros(5, "datetime64[s]")):
        with pytest.raises(ValueError, match="'device' must hold texts or numbers"):
            replace(TOLD, context={"device": values})
