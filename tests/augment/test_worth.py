"""Unmet items are drawn alike, whoever has how many left, and cost what is drawn."""

import tracemalloc

import numpy as np
import pytest

from tandemrec.augment.worth import draw_unmet
from tandemrec.data.interactions import Interactions
from tandemrec.rankings import Rankings


def past() -> Interactions:
    """User 0 met all of six items, user 1 all but 4, user 2 the items 0 and 3, user 3 nothing."""
    users, items = np.repeat([0, 1, 2], [6, 5, 2]), np.array([*range(6), 0, 1, 2, 3, 5, 0, 3])
    return Interactions.sorted(users, items, n_users=4, n_items=6)


@pytest.mark.parametrize(("user", "left"), [(0, []), (1, [4]), (2, [1, 2, 4, 5]), (3, range(6))])
def test_what_is_left_is_drawn_once_each(user: int, left: list[int]) -> None:
    rng = np.random.default_rng(0)
    assert sorted(draw_unmet(user, past(), 99, None, None, rng)) == list(left)
    assert sorted(draw_unmet(user, past(), None, None, None, rng)) == list(left)
    assert len(draw_unmet(user, past(), 2, None, None, rng)) == min(2, len(left))


def test_every_item_is_as_likely_at_every_place() -> None:
    rng, table = np.random.default_rng(0), past()
    draws = np.array([draw_unmet(2, table, 3, None, None, rng) for _ in range(2000)])
    for place in draws.T:
        times = np.bincount(place, minlength=6)[[1, 2, 4, 5]]
        assert times.sum() == 2000 and np.abs(times - 500).max() < 5 * np.sqrt(500)


def test_of_a_pool_only_its_best_unmet_items_are_drawn() -> None:
    pool = Rankings(np.arange(4), np.tile([3, 5, 1, -1], (4, 1)), np.zeros((4, 4), np.float32))
    rng = np.random.default_rng(0)
    assert sorted(draw_unmet(2, past(), 9, 4, pool, rng)) == [1, 5]
    assert draw_unmet(2, past(), 9, 2, pool, rng).tolist() == [5]
    assert not len(draw_unmet(0, past(), 9, 4, pool, rng))


def test_a_draw_costs_nothing_by_the_size_of_the_catalogue() -> None:
    table = Interactions.sorted(np.array([0]), np.array([7]), n_users=1, n_items=10**7)
    tracemalloc.start()
    drawn = draw_unmet(0, table, 10, None, None, np.random.default_rng(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(set(drawn.tolist()) - {7}) == 10
    assert peak < 10**6  # bytes: not one for each item
