import numpy as np
import polars as pl
import pytest

from tandemrec.data.catalogue import Catalogue
from tandemrec.data.interactions import Interactions
from tandemrec.prompts.alike import Alike


def past() -> Interactions:
    """Users 0 to 2 met the items 0 and 1, user 3 the items 0 and 2; nobody met item 3."""
    pairs = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1), (3, 0), (3, 2)]
    users, items = np.array(pairs).T
    return Interactions.sorted(users, items, n_users=4, n_items=4)


def alike(items: pl.DataFrame | None = None) -> Alike:
    return Alike.of(past(), Catalogue([], [], [], pl.DataFrame() if items is None else items))


def test_who_rated_both() -> None:
    found = alike().likeness(0, np.array([1, 2, 3, 0]))
    assert found == pytest.approx([3 / np.sqrt(4 * 3), 1 / np.sqrt(4 * 1), 0, 1])


def test_what_the_catalogue_says_of_both() -> None:
    """Item 3 shares one of four traits with item 0, and item 2 one of three; a number is none."""
    items = pl.DataFrame(
        {
            "year": [1995, 1995, 1995, 1995],
            "genres": [["War", "Crime", "War"], None, ["War", ""], ["Crime", "Drama"]],
            "author": ["Ann", "", None, "Bob"],
        }
    )
    found = alike(items).likeness(0, np.array([1, 2, 3]))
    assert found == pytest.approx([3 / np.sqrt(12), 1 / 2 + 1 / 3, 1 / 5])


def test_the_same_word_in_two_columns_is_two_traits() -> None:
    items = pl.DataFrame({"author": ["Ann", "", "", ""], "publisher": ["", "", "", "Ann"]})
    assert alike(items).likeness(0, np.array([3])).tolist() == [0.0]


def test_the_most_alike_stand_last_and_of_equals_the_later() -> None:
    others = np.array([3, 1, 2, 3])
    assert alike().most(0, others, 2).tolist() == [2, 1]
    assert alike().most(0, others, 9).tolist() == [0, 3, 2, 1]
    assert alike().most(0, others, 3).tolist() == [3, 2, 1]
    assert alike().most(0, others[:0], 3).tolist() == []


def test_other_training_data_other_likeness() -> None:
    whole = alike()
    less = whole.seeing(past().rows(np.arange(4)))
    assert less.likeness(0, np.array([2])) == 0 < whole.likeness(0, np.array([2]))
    assert less.fingerprint != whole.fingerprint
    assert alike(pl.DataFrame({"author": list("abca")})).fingerprint != whole.fingerprint
