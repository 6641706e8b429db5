"""What every backbone that predicts ratings must do besides."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from backbones.kinds import FAST, RATING, rated, small
from tandemrec.backbones import BACKBONES, build
from tandemrec.backbones.transformers import Dropout
from tandemrec.data.batches import Rated
from tandemrec.data.fields import Fields
from tandemrec.data.interactions import Interactions
from tandemrec.data.split import leave_last_out
from tandemrec.data.worlds import clubs, tastes
from tandemrec.errors import BackboneError
from tandemrec.predicting import predict
from tandemrec.ranking import neighbours
from tandemrec.training import TrainConfig, fit


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


@pytest.mark.parametrize(
    ("name", "part"),
    [
        *[(name, "dropout") for name in ("nfm", "afm", "autoint")],
        *[(name, "deep.2") for name in ("nfm", "autoint", "deepfm", "dcn", "xdeepfm")],
    ],
)
def test_each_part_drops_in_training_and_only_there(name: str, part: str) -> None:
    world = tastes(30, 12, 4)
    fields = Fields.of(world.interactions, world.catalogue)
    chance = {"dropout": 0.5, "hidden_dropout": 0.5, "normal": False}
    settings = (small(name, 8, **chance), small(name, 8, normal=False))
    model, calm = (
        build(BACKBONES[name], world.interactions, each, fields=fields) for each in settings
    )
    for where, other in model.named_modules():
        if where != part and isinstance(other, Dropout):
            other.share = 0.0
    rows = Rated.of(world.interactions, fields)
    assert not torch.equal(model.train().predict(rows), model.predict(rows))
    expected = calm.predict(rows)
    assert torch.equal(model.eval().predict(rows), expected)
    assert torch.equal(calm.predict(rows), expected)
