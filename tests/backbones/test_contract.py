"""What every backbone must do. A new one is tested as soon as its line is in BACKBONES."""

import inspect
from typing import Any

import numpy as np
import pytest
import torch

from tandemrec.backbones import BACKBONES, DirectBackbone, build, get, training_of
from tandemrec.data.worlds import checkerboard, clubs
from tandemrec.errors import ConfigError, UnknownName
from tandemrec.ranking import neighbours, rank
from tandemrec.training import TrainConfig, fit

DIRECT = [name for name, backbone in BACKBONES.items() if issubclass(backbone, DirectBackbone)]
FAST = TrainConfig(epochs=60, batch_size=32, learning_rate=0.01)


@pytest.mark.parametrize("name", DIRECT)
def test_direct_finds_what_alike_users_like(name: str) -> None:
    world = checkerboard()
    fitted = fit(name, world, FAST, hyper={"width": 16})
    best = rank(fitted, world, None, k=1)
    assert (best.items[:, 0] == best.users).all()


@pytest.mark.parametrize("name", DIRECT)
def test_similar_users_share_their_taste(name: str) -> None:
    world = checkerboard()
    fitted = fit(name, world, FAST, hyper={"width": 16})
    alike = neighbours(fitted, k=9).items
    assert (alike % 2 == np.arange(20)[:, None] % 2).all()


@pytest.mark.parametrize("name", BACKBONES)
def test_every_weight_learns(name: str) -> None:
    world = clubs()
    model = build(BACKBONES[name], world, {"width": 16})
    batch = next(iter(model.batches(world, 64, np.random.default_rng(0))))
    model.loss(batch).backward()
    idle = [key for key, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not idle


@pytest.mark.parametrize("name", BACKBONES)
def test_the_gradient_is_the_slope(name: str) -> None:
    """By finite differences, in double precision: what a hand-written backward pass gets wrong."""
    world = checkerboard(6)
    model = build(BACKBONES[name], world, {"width": 3, "decay": 0.1}).double()
    batch = next(iter(model.batches(world, 64, np.random.default_rng(0))))
    weights = list(model.parameters())
    model.loss(batch).backward()
    step, place = 1e-6, (1, 2)
    for weight in weights:
        values = []
        for sign in (1, -1):
            with torch.no_grad():
                weight[place] += sign * step
                values.append(model.loss(batch).item())
                weight[place] -= sign * step
        slope = (values[0] - values[1]) / (2 * step)
        assert weight.grad is not None
        assert weight.grad[place].item() == pytest.approx(slope, rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("name", BACKBONES)
def test_shapes(name: str) -> None:
    world = clubs(n_users=11, n_items=8, n_clubs=2)
    model = build(BACKBONES[name], world, {"width": 4})
    users = np.array([3, 1, 3])
    scores = model.score(model.queries(world, users))
    assert scores.shape == (3, 8) and torch.equal(scores[0], scores[2])
    assert model.user_embeddings().shape == (11, 4)


@pytest.mark.parametrize("name", BACKBONES)
def test_a_seed_decides_the_first_weights(name: str) -> None:
    world = clubs()
    before = torch.get_rng_state()
    one, two, other = (build(BACKBONES[name], world, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one.user_embeddings(), two.user_embeddings())
    assert not torch.equal(one.user_embeddings(), other.user_embeddings())


@pytest.mark.parametrize("name", BACKBONES)
def test_settings_are_documented_and_strict(name: str) -> None:
    config: Any = BACKBONES[name].Config
    with pytest.raises(ConfigError, match="Did you mean 'width'"):
        config(widht=16)
    missing = [key for key, field in config.model_fields.items() if not field.description]
    assert not missing
    TrainConfig(**training_of(BACKBONES[name]))


@pytest.mark.parametrize("name", BACKBONES)
def test_its_file_names_the_paper(name: str) -> None:
    module = inspect.getmodule(BACKBONES[name])
    assert "https://" in (module.__doc__ or "")


def test_a_wrong_name_gets_a_guess() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'lightgcn'"):
        get("lightgnc")
