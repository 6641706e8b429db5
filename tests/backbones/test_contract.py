"""What every backbone must do. A new one is tested as soon as its line is in BACKBONES."""

import inspect
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from backbones.kinds import RATING, rated, reads, small
from tandemrec.backbones import BACKBONES, build, get, hyper_of, training_of
from tandemrec.data.fields import Fields
from tandemrec.data.worlds import checkerboard, clubs, rings, tastes
from tandemrec.errors import ConfigError, UnknownName
from tandemrec.training import TrainConfig, fit


@pytest.mark.parametrize("name", BACKBONES)
def test_every_weight_learns(name: str) -> None:
    world, fields = clubs(), None
    if name in RATING:  # of two fields alone, attention has nothing to choose
        world, fields = tastes().interactions, Fields.of(tastes().interactions, tastes().catalogue)
    model = build(BACKBONES[name], world, small(name, 16), fields=fields, **reads(name, world))
    batch = next(iter(model.batches(world, 64, np.random.default_rng(0))))
    model.loss(batch).backward()
    idle = [key for key, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert not idle


@pytest.mark.parametrize("name", BACKBONES)
def test_the_gradient_is_the_slope(name: str) -> None:
    """By finite differences, in double precision: what a hand-written backward pass gets wrong."""
    world = checkerboard(6)
    settings = small(name, 3, decay=0.1, adversary=0.0)  # two players: no slope of one sum
    model = build(BACKBONES[name], world, settings, **reads(name, world)).double()
    batch = next(iter(model.batches(world, 64, np.random.default_rng(0))))
    weights = list(model.parameters())
    model.loss(batch).backward()
    step = 1e-6
    for weight in weights:
        assert weight.grad is not None
        steepest = np.unravel_index(int(weight.grad.abs().argmax()), weight.shape)
        inside = tuple(min(n, size - 1) for n, size in enumerate(weight.shape, 1))
        for place in {tuple(int(n) for n in steepest), inside}:
            values = []
            for sign in (1, -1):
                with torch.no_grad():
                    weight[place] += sign * step
                    values.append(model.loss(batch).item())
                    weight[place] -= sign * step
            slope = (values[0] - values[1]) / (2 * step)
            assert weight.grad[place].item() == pytest.approx(slope, rel=1e-4, abs=1e-8)


@pytest.mark.parametrize("name", BACKBONES)
def test_shapes(name: str) -> None:
    world = clubs(n_users=11, n_items=8, n_clubs=2)
    model = build(BACKBONES[name], world, small(name, 4), **reads(name, world))
    users = np.array([3, 1, 3])
    scores = model.score(model.queries(world, users))
    assert scores.shape == (3, 8) and torch.equal(scores[0], scores[2])
    assert len(model.user_embeddings()) == 11 and model.user_embeddings().ndim == 2


@pytest.mark.parametrize("name", BACKBONES)
def test_a_seed_decides_the_first_weights(name: str) -> None:
    world = clubs()
    before = torch.get_rng_state()
    given = small(name, 8), reads(name, world)
    one, two, other = (build(BACKBONES[name], world, given[0], n, **given[1]) for n in (1, 1, 2))
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


@pytest.mark.parametrize("name", BACKBONES)
def test_published_and_quick_settings_are_settings(name: str) -> None:
    kind = BACKBONES[name]
    kind.Config(**hyper_of(kind, quick=True))
    world = rings(n_users=8)
    assert hyper_of(kind) == hyper_of(build(kind, world, **reads(name, world)), quick=True) == {}
    for quick in (False, True):
        TrainConfig(**training_of(kind, quick=quick))


def gradients(total: Tensor, model: nn.Module) -> list[Tensor | None]:
    """As after `total.backward()`, which would leave the context of a device."""
    model.zero_grad()
    engine, one = torch.autograd.Variable._execution_engine, torch.ones_like(total)
    reach = {"allow_unreachable": True, "accumulate_grad": True}
    engine.run_backward((total,), (one,), False, False, (), **reach)
    return [weight.grad for weight in model.parameters()]


@pytest.mark.parametrize("name", BACKBONES)
def test_what_a_pass_makes_is_made_where_the_model_is(name: str) -> None:
    """Without a GPU: what is made without a word on where is made nowhere ("meta"), and cannot be
    taken together with the rest, or makes a result that is nowhere."""
    world = clubs()
    model = build(BACKBONES[name], world, small(name, 8), **reads(name, world))
    batch = next(iter(model.batches(world, 16, np.random.default_rng(0))))
    queries = model.queries(world, np.arange(5))
    for one in (lambda: model.loss(batch), lambda: model.score(queries), model.user_embeddings):
        expected = one()
        slopes = gradients(expected.sum(), model)
        with torch.device("meta"):
            found = one()
            again = gradients(found.sum(), model)
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(again, slopes)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize("name", BACKBONES)
def test_on_a_gpu_it_learns_and_scores_as_on_a_cpu(name: str) -> None:
    world = rated(clubs())
    more = reads(name, world)
    queries = build(BACKBONES[name], world, small(name, 8), **more).queries(world, np.arange(5))
    config = TrainConfig(epochs=3, batch_size=64, learning_rate=0.01, device="cuda")
    one, two = (
        fit(name, world, config.model_copy(update={"device": where}), hyper=small(name, 8), **more)
        for where in ("cuda", "cpu")
    )
    assert {weight.device.type for weight in one.model.parameters()} == {"cuda"}
    first, last = one.curve[0].loss, one.curve[-1].loss
    assert last < first == pytest.approx(two.curve[0].loss, rel=1e-3)
    with torch.no_grad():
        found, users = one.score(queries.cuda()).cpu(), one.model.user_embeddings().cpu()
        moved = one.model.cpu()
        torch.testing.assert_close(found, moved.score(queries), rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(users, moved.user_embeddings(), rtol=1e-3, atol=1e-4)
