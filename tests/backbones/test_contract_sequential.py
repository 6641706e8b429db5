"""What every sequential backbone must do besides."""

import numpy as np
import pytest
import torch

from backbones.kinds import FAST, SEQUENTIAL, small
from tandemrec.backbones import BACKBONES, build
from tandemrec.data.interactions import Interactions
from tandemrec.data.worlds import rings
from tandemrec.ranking import neighbours, rank, similar_users
from tandemrec.training import TrainConfig, fit


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_sequential_finds_what_comes_next(name: str) -> None:
    world, config, more = rings(n_users=120), FAST, {}
    if name == "bert4rec":  # of eight items it hides three, or the last; and learns more slowly
        config = TrainConfig(epochs=120, batch_size=32, learning_rate=0.003)
        more = {"hidden": 0.4, "last": 0.5}
    fitted = fit(name, world, config, hyper=small(name, 16) | more)
    last = world.items[world.bounds[1:] - 1]
    best = rank(fitted, world, None, k=1).items[:, 0]
    assert (best == (last + 1) % world.n_items).mean() > 0.8


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_sequential_reads_only_the_last_items_and_their_order(name: str) -> None:
    """A user's earlier items change nothing, nor does padding; another order does."""
    world = rings(n_users=8)
    model = build(BACKBONES[name], world, {"width": 8, "length": 5, "heads": 1}).eval()
    long, short = torch.tensor([[7, 8, 9, 2]]), torch.tensor([[3, 4]])
    with torch.no_grad():
        assert not torch.allclose(model.score(long), model.score(long.flip(1)))
        padded = torch.tensor([[3, 4, world.n_items]])
        torch.testing.assert_close(model.score(short), model.score(padded))
    asked = model.queries(world, np.arange(8)).numpy()
    assert asked.shape == (8, model.length) and model.length < 8
    assert all((row == world.of(user)[-model.length :]).all() for user, row in enumerate(asked))


def two_groups() -> Interactions:
    """Users 0 to 9 met eight of items 0 to 9, users 10 to 29 eight of 10 to 19, in any order."""
    rng = np.random.default_rng(0)
    met = [rng.permutation(10)[:8] + 10 * (user >= 10) for user in range(30)]
    users, times = np.repeat(np.arange(30), 8), np.tile(np.arange(8), 30)
    return Interactions.sorted(users, np.concatenate(met), times=times, n_users=30, n_items=20)


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_users_of_like_sequences_are_similar(name: str) -> None:
    world = two_groups()
    config = TrainConfig(epochs=30, batch_size=32, learning_rate=0.01)
    fitted = fit(name, world, config, hyper=small(name, 16))
    first = np.arange(30) < 10
    assert (first[neighbours(fitted, k=5).items] == first[:, None]).all()
    assert (first[similar_users(fitted)] == first).all()


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_a_user_embedding_is_what_the_own_sequence_says(name: str) -> None:
    world = two_groups()
    model = build(BACKBONES[name], world, {"width": 8, "length": 5, "heads": 1}).eval()
    found = model.user_embeddings()
    for user in range(world.n_users):
        row = torch.from_numpy(world.of(user)[-model.length :])[None]
        assert torch.equal(model.queries(world, np.array([user])), row)
        torch.testing.assert_close(found[user], model.represent(row)[0])
