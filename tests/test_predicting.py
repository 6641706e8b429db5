"""Ratings of pairs by a backbone: in order, within the scale, and errors that name the model."""

from typing import Any

import numpy as np
import pytest
import torch

import tandemrec as tr
from tandemrec.backbones import MF, RatingBackbone, build
from tandemrec.backbones.validation import Measure, measure_of, rmse
from tandemrec.data.batches import Rated
from tandemrec.data.interactions import Interactions
from tandemrec.errors import BackboneError


def pairs(users: list[int], items: list[int], ratings: list[float] | None = None) -> Interactions:
    columns = np.array(users), np.array(items)
    given = None if ratings is None else np.array(ratings, np.float32)
    return Interactions.sorted(*columns, given, n_users=3, n_items=4)


TRAIN = pairs([0, 0, 1, 2], [0, 1, 2, 3], [2, 4, 3, 3])


class Fixed(RatingBackbone):
    """Ten a user and one an item, and whatever a test says."""

    told: Any = None

    def __init__(self, config: Any, train: Interactions, fields: Any = None) -> None:
        super().__init__(config, train, fields)
        self.zero = torch.nn.Parameter(torch.zeros(1))

    def predict(self, batch: Rated) -> torch.Tensor:
        if self.told is not None:
            return self.told
        assert not self.training and not torch.is_grad_enabled()
        return self.zero + 10 * batch.users + batch.items

    def user_embeddings(self) -> torch.Tensor:
        return torch.eye(self.n_users)


def test_predictions_are_in_order_and_within_the_scale_of_training() -> None:
    model = build(Fixed, TRAIN)
    asked = pairs([0, 0, 0, 1], [3, 1, 2, 0])
    for size in (1, 3, 100):
        told = tr.predict(model, asked, batch_size=size)
        assert told.values.tolist() == [3, 2, 2, 4]  # 3, 1, 2 and 10 within 2 to 4
        assert (told.users.tolist(), told.items.tolist()) == ([0, 0, 0, 1], [3, 1, 2, 0])
    assert model.training and told.values.dtype == np.float64
    assert len(tr.predict(model, asked.rows(np.zeros(4, bool)))) == 0


def test_somebody_new_is_minus_one() -> None:
    new = Interactions(
        np.array([-1]), np.array([3]), np.ones(1, np.float32), np.zeros(1, np.int64), 3, 4
    )
    fitted = tr.fit(tr.AFM, TRAIN, tr.TrainConfig(epochs=1), hyper={"width": 4})
    assert 2 <= tr.predict(fitted, new).values[0] <= 4


@pytest.mark.parametrize(("kind", "users", "items"), [("user", 3, 0), ("item", 0, 4)])
def test_numbers_that_training_did_not_know_are_named(kind: str, users: int, items: int) -> None:
    model = build(Fixed, TRAIN)
    asked = Interactions.sorted(np.array([users]), np.array([items]), n_users=9, n_items=9)
    with pytest.raises(
        BackboneError, match=rf"on {kind}s 0 to {2 if kind == 'user' else 3}; -1 is"
    ):
        tr.predict(model, asked)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (torch.ones(4, 1), r"Fixed.predict must give one rating a row, \[4\]. Received: \[4, 1\]"),
        (torch.ones(3), r"must give one rating a row, \[4\]. Received: \[3\]"),
        (torch.tensor([1.0, 2, torch.nan, 1]), "not finite"),
        (torch.tensor([1.0, 2, torch.inf, 1]), "not finite"),
    ],
)
def test_wrong_predictions_are_named(told: torch.Tensor, message: str) -> None:
    model = build(Fixed, TRAIN)
    model.told = told
    with pytest.raises(BackboneError, match=message):
        tr.predict(model, TRAIN)


def test_a_backbone_that_ranks_predicts_no_ratings() -> None:
    for model in (build(MF, TRAIN), tr.ScoreMatrix(np.ones((3, 4)))):
        with pytest.raises(BackboneError, match="predicts no ratings: a rating backbone derives"):
            tr.predict(model, TRAIN)


def test_rmse_by_hand_is_the_measure_of_rating_backbones_and_less_is_better() -> None:
    """Predicted 2 (of 0), 2 (of 1), 4 (of 12) and 4 (of 23), where 2, 4, 3 and 3 were given."""
    model = build(Fixed, TRAIN)
    assert rmse(model, TRAIN, TRAIN) == pytest.approx(np.sqrt((0 + 4 + 1 + 1) / 4))
    measure = measure_of(type(model))
    assert measure.name == "RMSE" and measure.of is rmse
    assert measure.better(1.0, None) and measure.better(0.9, 1.0) and not measure.better(1.0, 1.0)


def test_more_is_better_of_what_ranks() -> None:
    measure = measure_of(MF)
    assert measure.name == "NDCG@10"
    assert measure.better(0.2, 0.1) and not measure.better(0.1, 0.1)
    assert Measure("any", rmse).better(0, None)
