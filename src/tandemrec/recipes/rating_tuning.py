"""The instruction set of a rating run, built out of fold."""

from __future__ import annotations

from tandemrec.data.fields import Fields
from tandemrec.predicting import predict
from tandemrec.ranking import similar_users
from tandemrec.recipes.fitting import fitted
from tandemrec.recipes.rating import profiles_of
from tandemrec.recipes.setup import Setup
from tandemrec.tuning.examples import Example, hold_out
from tandemrec.tuning.ratings import rating_instructions


def rating_examples(setup: Setup, teacher: Setup, seed: int) -> list[Example]:
    """Instructions whose hints and similar users are of the `teacher`'s backbone, fitted on what
    the fold shows (or, in sample, on everything: the published way, which leaks)."""
    config = setup.config.ratings.model_copy(update={"seed": seed})
    if not config.instructions:
        return []
    fold = hold_out(setup.split.train, config.targets)
    learnt = fold.seen if config.out_of_fold else setup.split.train
    own = "base" if setup.config.examples.backbone is None else "teacher"
    fields = Fields.of(learnt, setup.split.catalogue, setup.config.fields)
    name = "fold" if config.out_of_fold else own
    model = fitted(teacher, seed, name, train=learnt, fields=fields)
    told = profiles_of(setup, None, None).telling(similar=similar_users(model))
    return rating_instructions(fold, predict(model, fold.targets), told, config)
