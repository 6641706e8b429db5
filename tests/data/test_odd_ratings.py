"""A rating that hardly belongs to the scale is told, or refused."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from tandemrec.data.catalogue import Catalogue, Dataset
from tandemrec.data.diagnosis import diagnose
from tandemrec.data.interactions import Interactions
from tandemrec.data.odd_ratings import apart, check_scale, odd_ratings
from tandemrec.data.split import Split, leave_last_out
from tandemrec.errors import DataError, DataWarning


def stars(n: int, *odd: float) -> np.ndarray:
    """1 to 5 in turn, and the odd ones behind them."""
    return np.append(1 + np.arange(n) % 5, odd).astype(np.float32)


def world(*odd: float) -> Dataset:
    """Forty users with six ratings of 1 to 5 each; the odd ones in place of the last users' first,
    those of u39 and before."""
    ratings = stars(240)
    for n, rating in enumerate(odd, 1):
        ratings[240 - 6 * n] = rating
    users, items = np.divmod(np.arange(240), 6)
    rows = Interactions.sorted(users, items, ratings, items, n_users=40, n_items=6)
    names = [f"u{n}" for n in range(40)], [f"i{n}" for n in range(6)]
    return Dataset("stars", rows, Catalogue(*names, [f"Film {n}" for n in range(6)]))


def held_out(rating: float) -> Split:
    """The last user's last rating, which is test, is another."""
    split = leave_last_out(world())
    ratings = split.test.ratings.copy()
    ratings[-1] = rating
    return replace(split, test=replace(split.test, ratings=ratings))


def told(split: Split, bounds: tuple[float, float] | None = None) -> list[str]:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        check_scale(split, bounds)
    assert all(each.category is DataWarning for each in found)
    return [str(each.message) for each in found]


@pytest.mark.parametrize(
    ("ratings", "found"),
    [
        (stars(500, 55), [55]),
        (stars(500, 55, 44), [44, 55]),  # neither is the other's excuse
        (stars(500, -9), [-9]),
        (stars(500, 7), [7]),
        (stars(6000, 55, 55, 55, 55, 55), [55] * 5),
        (stars(500, 6), []),  # the next step
        (stars(500, 6, 7), []),  # a step at a time
        (stars(500, 55, 55), []),  # two in five hundred
        (stars(10_000, *[55] * 6), []),  # more than a handful
        (stars(60, 55), []),  # of so few ratings each is rare
        (np.where(stars(500) == 3, 4, stars(500)), []),  # nobody gave a 3
        (np.arange(500, dtype=np.float32) ** 1.1, []),  # none is frequent
    ],
)
def test_rare_ratings_behind_a_wide_gap_stand_apart(ratings: np.ndarray, found: list[int]) -> None:
    assert sorted(ratings[apart(ratings)].tolist()) == found


def test_a_typo_is_told_with_whose_it_is_and_what_to_do() -> None:
    [text] = told(leave_last_out(world(55)))
    assert text.startswith("1 rating far from all others, which go from 1 to 5: first 55 of user u")
    assert "user u39 for item i0" in text and "scale = [1, 5]" in text


def test_data_check_tells_the_same() -> None:
    found = diagnose(world(55)).warnings
    assert any("first 55 of user u39 for item i0" in text for text in found)
    assert not any("rating" in text for text in diagnose(world()).warnings)


def test_a_scale_that_is_too_fine_is_told_of_the_run_and_of_the_data() -> None:
    data = world()
    fine = data.interactions.ratings + np.arange(240, dtype=np.float32) % 4 / 100
    data = replace(data, interactions=replace(data.interactions, ratings=fine))
    for texts in (told(leave_last_out(data)), diagnose(data).warnings):
        assert sum("too fine for a language model" in text for text in texts) == 1


def test_nothing_is_odd_about_stars_or_about_what_is_no_scale() -> None:
    assert told(leave_last_out(world())) == []
    rows = world().interactions
    for ratings in (np.ones(240), np.arange(240) * 40):
        odd = replace(rows, ratings=ratings.astype(np.float32))
        assert not list(odd_ratings(odd, world().catalogue))


def test_held_out_ratings_beyond_training_are_told() -> None:
    [text] = told(held_out(9))
    assert "1 held-out rating beyond the scale of training, 1 to 5" in text
    assert "first 9 of user u39 for item i5" in text


@pytest.mark.parametrize("split", [leave_last_out(world(55)), held_out(55)])
def test_a_rating_beyond_the_scale_that_is_named_is_refused(split: Split) -> None:
    with pytest.raises(
        DataError,
        match=r"'rating': 1 rating beyond the scale, 1 to 5: first 55 of"
        r" user u39 for item i[05]\. Mend it, or name another scale",
    ):
        check_scale(split, (1, 5))
    assert not any("far from" in text for text in told(split, (1, 55)))


def test_a_scale_that_is_named_does_not_stretch_what_the_backbone_predicts() -> None:
    assert not any("beyond" in text for text in told(leave_last_out(world(55)), (1, 55)))
    [text] = [text for text in told(held_out(55), (1, 55)) if "beyond" in text]
    assert "training, 1 to 5, which the backbone's predictions do not leave: first 55" in text
