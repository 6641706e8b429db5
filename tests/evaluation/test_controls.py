"""Echo, random and oracle keep the candidates; position bias finds a lazy reader."""

import numpy as np
import pytest

from tandemrec.data.interactions import Interactions
from tandemrec.evaluation import echo, oracle, per_user, position_bias, random_order
from tandemrec.rankings import Rankings

MISSING = -1


def world() -> tuple[Rankings, Interactions]:
    """Three users; user 1 has two candidates only; the targets stand at places 3, 2, nowhere."""
    items = np.array([[5, 3, 8, 1], [2, 7, MISSING, MISSING], [0, 1, 2, 3]])
    scores = np.array([[9, 8, 7, 6], [3, 2, -np.inf, -np.inf], [4, 3, 2, 1]], np.float32)
    truth = Interactions.sorted(np.arange(3), np.array([8, 7, 6]), n_users=3, n_items=9)
    return Rankings(np.arange(3), items, scores), truth


def test_echo_repeats() -> None:
    rankings, truth = world()
    assert echo(rankings).items.tolist() == rankings.items.tolist()
    assert echo(rankings).scores[1].tolist() == [-1, -2, -np.inf, -np.inf]
    assert per_user(echo(rankings), truth, (3,)).means() == per_user(rankings, truth, (3,)).means()


def test_random_keeps_the_candidates_and_follows_the_seed() -> None:
    rankings, _ = world()
    first, again, other = (random_order(rankings, seed).items for seed in (1, 1, 2))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()
    assert np.sort(first).tolist() == np.sort(rankings.items).tolist()
    assert first[1, 2:].tolist() == [MISSING, MISSING]


def test_random_puts_everything_everywhere_alike() -> None:
    items = np.tile(np.arange(4), (8000, 1))
    many = Rankings(np.arange(8000), items, -items.astype(np.float32))
    firsts = np.bincount(random_order(many, 0).items[:, 0]) / 8000
    assert firsts == pytest.approx(np.full(4, 0.25), abs=0.02)


def test_oracle_is_the_ceiling() -> None:
    rankings, truth = world()
    best = oracle(rankings, truth)
    assert best.items.tolist() == [[8, 5, 3, 1], [7, 2, MISSING, MISSING], [0, 1, 2, 3]]
    assert per_user(best, truth, (1,)).means()["HR@1"] == pytest.approx(2 / 3)


def chosen(firsts: np.ndarray) -> Rankings:
    return Rankings(np.arange(len(firsts)), firsts[:, None], np.zeros((len(firsts), 1), np.float32))


def test_a_reader_who_takes_the_first_slot_is_found() -> None:
    shown = np.random.default_rng(0).permuted(np.tile(np.arange(5), (200, 1)), axis=1)
    bias = position_bias(shown, chosen(shown[:, 0]))
    assert bias.shares.tolist() == [1, 0, 0, 0, 0]
    assert bias.n == 200
    assert bias.p_value < 1e-9


def test_a_reader_of_the_items_shows_no_bias() -> None:
    shown = np.random.default_rng(0).permuted(np.tile(np.arange(5), (2000, 1)), axis=1)
    bias = position_bias(shown, chosen(np.full(2000, 3)))
    assert bias.shares.sum() == pytest.approx(1)
    assert bias.p_value > 0.01


def test_chi_square_by_hand() -> None:
    """Wins 6, 2 of 8, expected 4, 4: chi-square 2 with one degree of freedom, p = .1573."""
    shown = np.tile([0, 1], (8, 1))
    bias = position_bias(shown, chosen(np.array([0, 0, 0, 0, 0, 0, 1, 1])))
    assert bias.p_value == pytest.approx(0.157299, abs=1e-5)


def test_short_lists_expect_more_of_their_slots() -> None:
    """Lists of one item can only win at slot 0; that is no bias."""
    shown = np.array([[0, MISSING], [0, MISSING], [0, 1], [0, 1]])
    bias = position_bias(shown, chosen(np.array([0, 0, 0, 1])))
    assert bias.shares.tolist() == [0.75, 0.25]
    assert bias.p_value == pytest.approx(1)


def test_rankings_without_an_answer_are_left_out() -> None:
    bias = position_bias(np.array([[0, 1], [0, 1]]), chosen(np.array([1, MISSING])))
    assert (bias.n, bias.shares.tolist()) == (1, [0, 1])


def test_nothing_chosen_is_no_bias() -> None:
    bias = position_bias(np.empty((0, 3), np.int64), chosen(np.empty(0, np.int64)))
    assert (bias.n, bias.p_value, bias.shares.tolist()) == (0, 1, [0, 0, 0])


def test_an_item_that_was_not_shown_is_refused() -> None:
    with pytest.raises(ValueError, match="shown"):
        position_bias(np.array([[0, 1]]), chosen(np.array([5])))
