import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from tandemrec.data.interactions import Interactions
from tandemrec.evaluation.likelihood import log_likelihood
from tandemrec.rankings import Rankings


def held_out(items: list[int]) -> Interactions:
    return Interactions.sorted(
        np.arange(len(items)), np.array(items), n_users=len(items), n_items=9
    )


def lists(scores: list[list[float]]) -> Rankings:
    """Items 0, 1, 2, ... for every user; a missing place has -inf."""
    values = np.array(scores, np.float32)
    items = np.where(np.isfinite(values), np.arange(values.shape[1]), -1)
    return Rankings(np.arange(len(scores)), items, values)


def test_against_the_formula() -> None:
    scores = [[2.0, 1.0, 0.5], [1.5, 1.0, 0.0], [3.0, 2.0, 1.0]]
    targets = [0, 0, 2]

    def loss(factor: float) -> float:
        shares = np.exp(factor * np.array(scores))
        shares /= shares.sum(1, keepdims=True)
        return -float(np.log(shares[range(3), targets]).mean())

    best = minimize_scalar(loss, bounds=(0, 10), method="bounded").fun
    assert log_likelihood(lists(scores), held_out(targets)) == pytest.approx(-best, abs=1e-6)


def test_the_scale_and_each_users_level_do_not_matter() -> None:
    scores = [[2.0, 1.0, 0.5], [1.5, 1.0, 0.0], [3.0, 2.0, 1.0]]
    moved = [[1000 * value + n for value in row] for n, row in enumerate(scores)]
    truth = held_out([0, 0, 2])
    assert log_likelihood(lists(moved), truth) == pytest.approx(
        log_likelihood(lists(scores), truth), abs=1e-5
    )


def test_knowing_nothing_is_chance_and_worse_than_nothing_is_no_worse() -> None:
    chance = -np.log(3)
    same = lists([[1.0, 1.0, 1.0]] * 2)
    wrong = lists([[3.0, 2.0, 1.0]] * 2)  # ties would be better: the factor goes to 0
    assert log_likelihood(same, held_out([2, 2])) == pytest.approx(chance)
    assert log_likelihood(wrong, held_out([2, 2])) == pytest.approx(chance, abs=1e-3)


def test_users_without_a_held_out_item_in_the_list_do_not_count() -> None:
    scores = [[2.0, 1.0, -np.inf], [1.0, 0.0, 0.5]]
    both = log_likelihood(lists(scores), held_out([1, 8]))
    assert both == pytest.approx(log_likelihood(lists(scores[:1]), held_out([1])))
    assert both == pytest.approx(-np.log(2), abs=1e-3)  # a missing place takes no share
    assert log_likelihood(lists(scores), held_out([8, 8])) == 0
