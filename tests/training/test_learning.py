"""What is learnt: of interactions, extra triples and pairs of users; a seed decides it."""

from typing import Any

import numpy as np
import pytest
import torch

from tandemrec.backbones import BACKBONES, MF, LightGCN, build
from tandemrec.data.interactions import Interactions
from tandemrec.data.worlds import checkerboard, clubs, one_pair
from tandemrec.training import fit
from training.fits import Noisy, config, same
from training.worlds import PAIRS, SMALL, a_split, with_more


def test_the_loss_falls_and_the_curve_tells() -> None:
    fitted = fit(MF, clubs(), config(), hyper=SMALL)
    assert [point.epoch for point in fitted.curve] == list(range(1, 31))
    assert fitted.curve[-1].loss < 0.5 * fitted.curve[0].loss
    assert all(point.valid is None for point in fitted.curve)
    assert fitted.best_epoch == 30


def test_one_pair_is_enough_to_learn() -> None:
    fitted = fit(LightGCN, one_pair(), config())
    scores = fitted.score(torch.tensor([0]))[0]
    assert scores[0] > scores[1]


@pytest.mark.parametrize("backbone", [MF, LightGCN, Noisy])
def test_a_seed_gives_the_same_weights_and_leaves_the_generator(backbone: type) -> None:
    before = torch.get_rng_state()
    one, two = (fit(backbone, clubs(), config(epochs=4, seed=3)) for _ in range(2))
    other = fit(backbone, clubs(), config(epochs=4, seed=4))
    assert torch.equal(torch.get_rng_state(), before)
    assert same(one, two) and not same(one, other)


def test_a_model_that_is_given_stays_as_it_was() -> None:
    model = build(LightGCN, clubs(), SMALL)
    first = model.nodes.weight.detach().clone()
    fitted = fit(model, clubs(), config(epochs=2))
    assert torch.equal(model.nodes.weight, first)
    assert not torch.equal(fitted.model.nodes.weight, first)


def test_a_sequential_backbone_is_built_from_what_was_met() -> None:
    split = a_split()
    fitted = fit("sasrec", split, config(epochs=1), hyper=SMALL, augmented=with_more(split.train))
    assert fitted.train is split.train
    own = build(BACKBONES["sasrec"], split.train, SMALL).own
    assert torch.equal(fitted.model.own, own)


def test_progress_is_told_after_each_epoch() -> None:
    told: list[tuple[Any, ...]] = []
    fit(MF, a_split(), config(epochs=2), hyper=SMALL, progress=lambda *args: told.append(args))
    assert [call[:3] for call in told] == [("MF", 1, 2), ("MF", 2, 2)]
    assert "loss 0." in told[0][3] and "NDCG@10" in told[1][3]


def test_extra_triples_change_what_is_learnt() -> None:
    """Item 19 of the odd ones is said to be liked by even users: they now score it higher."""
    world, even = checkerboard(), np.arange(0, 20, 2)
    extra = (np.repeat(even, 4), np.full(40, 19), np.tile([1, 3, 5, 7], 10))
    without = fit(MF, world, config(), hyper=SMALL).score(torch.from_numpy(even))
    told = fit(MF, world, config(), hyper=SMALL, extra_triples=extra)
    scores = told.score(torch.from_numpy(even))
    assert (scores[:, 19] > without[:, 19]).all()
    assert (scores[:, 19] > scores[:, [1, 3, 5, 7]].max(1).values).all()


def test_extra_triples_are_in_the_gradient() -> None:
    """One step from the same weights: only the extra triple moves user 1, who met nothing."""
    train = Interactions.sorted(np.array([0]), np.array([0]), n_users=2, n_items=3)
    moved = []
    for extra in (None, (np.array([1]), np.array([1]), np.array([2]))):
        fitted = fit(MF, train, config(epochs=1), hyper={"decay": 0}, extra_triples=extra)
        moved.append(fitted.model.users.weight[1] - build(MF, train, {"decay": 0}).users.weight[1])
    assert not moved[0].any() and moved[1].all()


@pytest.mark.parametrize("backbone", [MF, LightGCN])
def test_pairs_of_users_are_learnt(backbone: type) -> None:
    """Told the opposite of what it met, it learns less of the difference."""
    world, swapped = checkerboard(), (PAIRS[0], PAIRS[2], PAIRS[1])
    gaps = []
    for pairs in (PAIRS, None, swapped):
        fitted = fit(backbone, world, config(epochs=5), hyper=SMALL, between_users=pairs)
        scores = fitted.score(torch.arange(20))[:, 7]
        gaps.append((scores[PAIRS[1]] - scores[PAIRS[2]]).mean().item())
    assert gaps[0] > gaps[1] > gaps[2]


def test_pairs_of_users_are_in_the_gradient() -> None:
    """Only they move users 1 and 2 and item 2, whom nobody met; each epoch is a step more."""
    train = Interactions.sorted(np.array([0]), np.array([0]), n_users=3, n_items=3)
    pairs = np.array([2]), np.array([1]), np.array([2])
    plain = build(MF, train, {"decay": 0})
    for given, moves in ((None, False), (pairs, True)):
        fitted = fit(MF, train, config(epochs=1), hyper={"decay": 0}, between_users=given)
        moved = fitted.model.users.weight - plain.users.weight
        assert moved[1:].all() if moves else not moved[1:].any()
