"""What every direct backbone must do besides."""

import numpy as np
import pytest
import torch

from backbones.kinds import DIRECT, FAST, reads, small
from tandemrec.backbones import BACKBONES, build
from tandemrec.data.batches import BetweenUsers
from tandemrec.data.worlds import checkerboard, clubs
from tandemrec.ranking import neighbours, rank
from tandemrec.training import TrainConfig, fit


@pytest.mark.parametrize("name", DIRECT)
def test_direct_finds_what_alike_users_like(name: str) -> None:
    world, config = checkerboard(), FAST
    if name == "neumf":  # each unmet item is a wrong answer, so in time it learns all of them
        config = TrainConfig(epochs=20, batch_size=32, learning_rate=0.003)
    fitted = fit(name, world, config, hyper={"width": 16}, **reads(name, world))
    best = rank(fitted, world, None, k=1)
    assert (best.items[:, 0] == best.users).all()


@pytest.mark.parametrize("name", DIRECT)
def test_similar_users_share_their_taste(name: str) -> None:
    world = checkerboard()
    fitted = fit(name, world, FAST, hyper={"width": 16}, **reads(name, world))
    alike = neighbours(fitted, k=9).items % 2 == np.arange(20)[:, None] % 2
    # MMGCN's last step leaves little below 0, so that all its users have something in common
    assert alike.mean() > (0.8 if name == "mmgcn" else 0.999)


@pytest.mark.parametrize("name", DIRECT)
def test_pairs_of_users_are_learnt_by_their_scores(name: str) -> None:
    """The loss between two users of an item is that of the difference of their scores."""
    world = clubs()
    model = build(BACKBONES[name], world, small(name, 8), **reads(name, world)).eval()
    items, liking, other = np.array([3, 5, 3]), np.array([1, 0, 2]), np.array([0, 7, 9])
    scores = model.score(torch.arange(60)).detach().numpy()
    by_hand = np.log1p(np.exp(scores[other, items] - scores[liking, items])).mean()
    batch = BetweenUsers(*map(torch.from_numpy, (items, liking, other)))
    assert model.between_users(batch).item() == pytest.approx(by_hand, rel=1e-5)
