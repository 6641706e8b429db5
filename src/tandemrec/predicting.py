"""A trained rating backbone's Ratings."""

from __future__ import annotations

from typing import Any

from tandemrec.backbones import Fitted
from tandemrec.backbones.scoring import predicted
from tandemrec.data.interactions import Interactions
from tandemrec.ratings import Ratings


def predict(model: Any, pairs: Interactions, *, batch_size: int = 8192) -> Ratings:
    """The rating of each row of `pairs`, whose own ratings are not looked at; within the scale of
    training.

    `model`: what `fit` gave, or a rating backbone. Raises BackboneError for a model that predicts
    no ratings, or gives another number of them than there are rows, or one that is not finite; and
    for users and items that it was not built for (-1 is somebody or something new).
    """
    model = model.model if isinstance(model, Fitted) else model
    return Ratings(pairs.users, pairs.items, predicted(model, pairs, batch_size=batch_size))
