"""What every backbone must do. A new one is tested as soon as its line is in BACKBONES."""

import inspect
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tandemrec.backbones import (
    BACKBONES,
    ContentBackbone,
    DirectBackbone,
    RatingBackbone,
    SequentialBackbone,
    build,
    get,
    hyper_of,
    training_of,
)
from tandemrec.data.batches import BetweenUsers, Rated
from tandemrec.data.content import Content
from tandemrec.data.fields import Fields
from tandemrec.data.interactions import Interactions
from tandemrec.data.split import leave_last_out
from tandemrec.data.worlds import checkerboard, clubs, rings, tastes
from tandemrec.errors import BackboneError, ConfigError, UnknownName
from tandemrec.predicting import predict
from tandemrec.ranking import neighbours, rank, similar_users
from tandemrec.training import TrainConfig, fit

DIRECT = [name for name, backbone in BACKBONES.items() if issubclass(backbone, DirectBackbone)]
SEQUENTIAL = [name for name, one in BACKBONES.items() if issubclass(one, SequentialBackbone)]
RATING = [name for name, one in BACKBONES.items() if issubclass(one, RatingBackbone)]
CONTENT = [name for name, one in BACKBONES.items() if issubclass(one, ContentBackbone)]
CALM = {"dropout": 0.0, "heads": 1, "length": 8}
LITTLE = {
    **{"hidden": (8,), "cross": (4, 4), "layers": 2, "head_width": 4, "attention": 4},
    **{"dropout": 0.0, "hidden_dropout": 0.0, "decay": 1e-3},
}
"Of networks over fields, those that one of them has."
STILL = {"dropout": 0.0, "judge_dropout": 0.0, "heads": 1}
"Of direct ones, likewise."
FAST = TrainConfig(epochs=60, batch_size=32, learning_rate=0.01)


def small(name: str, width: int, **others: Any) -> dict[str, Any]:
    """Settings for a small world, without chance in the forward pass."""
    if name not in SEQUENTIAL:
        known, common = BACKBONES[name].Config.model_fields, LITTLE if name in RATING else STILL
        others = {key: value for key, value in (common | others).items() if key in known}
    return {"width": width} | (CALM if name in SEQUENTIAL else others)


def reads(name: str, world: Interactions) -> dict[str, Content]:
    """What a backbone reads besides: a modality that tells items apart by number modulo 4, under
    noise, and one that says nothing."""
    rng, n = np.random.default_rng(0), world.n_items
    title = rng.normal(size=(n, 5)) + 2 * (np.arange(n)[:, None] % 4 == np.arange(5))
    arrays = {"title": title, "image": rng.normal(size=(n, 3))}
    return {"content": Content.of(arrays)} if name in CONTENT else {}


def rated(world: Interactions) -> Interactions:
    """The same with ratings of 1 to 5."""
    return replace(world, ratings=(1 + (3 * world.users + world.items) % 5).astype(np.float32))


@pytest.mark.parametrize("name", DIRECT)
def test_direct_finds_what_alike_users_like(name: str) -> None:
    world, config = checkerboard(), FAST
    if name == "neumf":  # each unmet item is a wrong answer, so in time it learns all of them
        config = TrainConfig(epochs=20, batch_size=32, learning_rate=0.003)
    fitted = fit(name, world, config, hyper={"width": 16}, **reads(name, world))
    best = rank(fitted, world, None, k=1)
    assert (best.items[:, 0] == best.users).all()


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


def off(name: str, fields: Fields | None) -> float:
    """How far the ratings of the last pairs in `tastes` are off; a constant is off by 1.42."""
    split = leave_last_out(tastes())
    config = TrainConfig(epochs=60, batch_size=64, learning_rate=0.015, patience=60)
    fitted = fit(name, split, config, hyper=small(name, 8), fields=fields)
    errors = predict(fitted, split.test).values - split.test.ratings
    return float(np.sqrt(np.mean(errors**2)))


@pytest.mark.parametrize("name", RATING)
def test_ratings_follow_from_a_field_of_the_user_and_one_of_the_item(name: str) -> None:
    """Pairs that nobody rated: no mean says anything, the two fields together all."""
    assert off(name, None) < 0.6


def test_of_pairs_that_nobody_rated_ids_alone_say_nothing() -> None:
    assert off("dcn", Fields.of(leave_last_out(tastes()).train)) > 1.3


@pytest.mark.parametrize("name", RATING)
def test_a_score_is_the_rating_without_context_and_the_newcomer_has_one(name: str) -> None:
    world = tastes(30, 12, 4)
    fields = Fields.of(world.interactions, world.catalogue)
    model = build(BACKBONES[name], world.interactions, small(name, 4), fields=fields).eval()
    scores = model.score(torch.tensor([3, -1]))
    users, items = np.divmod(np.arange(24), 12)
    pairs = Rated.anywhere(torch.tensor([3, -1])[users], torch.from_numpy(items), fields)
    torch.testing.assert_close(scores.flatten(), model.predict(pairs))
    assert torch.isfinite(scores).all() and not torch.equal(scores[0], scores[1])


@pytest.mark.parametrize("name", RATING)
def test_a_rating_does_not_depend_on_the_rows_beside_it_nor_on_the_truth(name: str) -> None:
    world = tastes(30, 12, 4)
    fitted = fit(name, world.interactions, TrainConfig(epochs=2), hyper=small(name, 4))
    whole = predict(fitted, world.interactions)
    part = world.interactions.rows(np.arange(5))
    unknown = replace(part, ratings=np.full(5, np.nan, np.float32))
    np.testing.assert_allclose(predict(fitted, unknown).values, whole.values[:5], rtol=1e-5)


@pytest.mark.parametrize("name", RATING)
def test_a_rating_backbone_refuses_triples(name: str) -> None:
    extra = (np.array([1]), np.array([2]), np.array([3]))
    with pytest.raises(BackboneError, match="learns ratings, not triples"):
        fit(name, rated(clubs()), FAST, hyper=small(name, 4), extra_triples=extra)


@pytest.mark.parametrize("name", RATING)
def test_similar_users_have_like_ratings(name: str) -> None:
    """Users who say 5 where others say 1, on every item."""
    users, items = np.divmod(np.arange(400), 20)
    ratings = np.where((users + items) % 2, 1, 5).astype(np.float32)
    world = Interactions.sorted(users, items, ratings, n_users=20, n_items=20)
    fitted = fit(name, world, FAST, hyper=small(name, 8))
    assert (neighbours(fitted, k=5).items % 2 == np.arange(20)[:, None] % 2).all()


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


@pytest.mark.parametrize("name", CONTENT)
def test_content_decides_where_it_differs(name: str) -> None:
    """Of two items that nobody met, the one is scored by what is known of it, not by its number."""
    world = checkerboard()
    arrays = reads(name, world)["content"].arrays
    other = {key: np.roll(array, 1, axis=0) for key, array in arrays.items()}
    one, two = (
        build(BACKBONES[name], world, small(name, 8), content=Content.of(each)).eval()
        for each in (arrays, other)
    )
    queries = torch.arange(20)
    assert not torch.allclose(one.score(queries), two.score(queries))


@pytest.mark.parametrize("name", CONTENT)
def test_one_modality_or_three_of_any_width(name: str) -> None:
    world = clubs()
    for widths in ([1], [3, 1, 40]):
        rng = np.random.default_rng(0)
        arrays = {f"m.{w} wide": rng.normal(size=(world.n_items, w)) for w in widths}
        fitted = fit(name, world, TrainConfig(epochs=2), content=Content.of(arrays))
        assert torch.isfinite(fitted.score(torch.arange(60))).all()


@pytest.mark.parametrize("name", CONTENT)
def test_content_of_other_items_is_refused(name: str) -> None:
    content = Content.of({"title": np.ones((7, 2))})
    with pytest.raises(BackboneError, match=r"content of each of the 40 items .* Received: 7 rows"):
        build(BACKBONES[name], clubs(), content=content)
    with pytest.raises(BackboneError, match="reads the items' content, and there is none"):
        build(BACKBONES[name], clubs())


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
