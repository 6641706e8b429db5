"""The control of a rating run: what the mean of a user's last ratings gives in the language model's
place (ours). A prompt tells these ratings, in order of time, and the backbone does not know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tandemrec.evaluation.baselines import recent_mean
from tandemrec.rate import Said
from tandemrec.ratings import Ratings
from tandemrec.recipes.arms import ARMS, Weighing
from tandemrec.recipes.llama4rec import told_past
from tandemrec.recipes.rating import Part, RatingView, final, pairs_of, predicted, tried
from tandemrec.recipes.setup import Setup

LENGTHS = (1, 2, 5, 10, 20, 50)
"How many last ratings are tried on validation."
_PLAIN = replace(ARMS["w/o PA"], augmented=False)
"Blended with adaptive weights, on the line that fits validation best, as the model's ratings are."


@dataclass(frozen=True)
class Recent:
    """What validation says of each number of ratings, and the ratings on test."""

    values: Mapping[int, float]
    "RMSE on validation."
    best: int
    "The number with the least; the smaller one of equals."
    ratings: Ratings
    "On test, with that number."


def recent(setup: Setup, base: Any, weighing: Weighing) -> Recent:
    """Beside a backbone, calibrated and weighed on validation; test is opened after that."""
    choices = {n: tried(setup, _PLAIN, _view(setup, base, "valid", n), weighing) for n in LENGTHS}
    values = {n: choice.value for n, choice in choices.items()}
    best = min(LENGTHS, key=values.__getitem__)
    found = final(setup, _view(setup, base, "test", best), choices[best], weighing)
    return Recent(values, best, found)


def _view(setup: Setup, base: Any, part: Part, n: int) -> RatingView:
    pairs, mean = pairs_of(setup, part), float(setup.split.train.ratings.mean())
    said = recent_mean(told_past(setup, part), pairs, n, mean)
    return RatingView(predicted(setup, base, part), Said(said, np.ones(len(pairs), bool), {}))
