"""Instruction sets for rating prediction, built out of fold from training data only."""

from __future__ import annotations

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt

from tandemrec.config import Settings
from tandemrec.prompts import rating
from tandemrec.prompts.rated import RatedProfiles
from tandemrec.ratings import Ratings
from tandemrec.tuning.examples import Example, Fold


class RatingExamplesConfig(Settings):
    """What an instruction set of ratings is made of."""

    instructions: NonNegativeInt = 5000
    """How many instructions; the paper has 5,000 for each task and data set."""
    augmented: float = Field(default=0.5, ge=0, le=1)
    """The share of instructions that tell the similar user's ratings and the backbone's hint."""
    out_of_fold: bool = True
    """Hints and similar users come from a backbone that has not seen the target. False takes the
    backbone that was trained on it, the published way, which leaks."""
    targets: PositiveInt = 5
    """How many of each user's last training ratings are held out as targets."""
    seed: int = 0
    """Draws the targets, and which instructions are augmented."""


def rating_instructions(
    fold: Fold, hints: Ratings, profiles: RatedProfiles, config: RatingExamplesConfig
) -> list[Example]:
    """Instructions whose answers are the labels nearest to the fold's held-out ratings.

    `hints` are a backbone's ratings of the fold's targets, `profiles.similar` its similar users. Of
    the ratings themselves, the prompts know what the fold shows and no more, whatever `profiles`
    knows. A target whose rating is no number teaches nothing; repeats are dropped.
    """
    rng = np.random.default_rng([config.seed, 3])
    known = np.flatnonzero(np.isfinite(fold.targets.ratings))
    rows = rng.choice(known, min(config.instructions, len(known)), replace=False)
    told = rng.random(len(rows)) < config.augmented
    augmented = profiles.seeing(fold.seen).telling(similar=profiles.similar, hints=hints)
    plain = augmented.plain
    found = (
        _instruction(fold, int(row), augmented if tells else plain)
        for row, tells in zip(rows, told, strict=True)
    )
    return list(dict.fromkeys(found))


def _instruction(fold: Fold, row: int, profiles: RatedProfiles) -> Example:
    targets = fold.targets
    facts = profiles.facts(int(targets.users[row]), int(targets.items[row]))
    answer = rating.label_of(float(targets.ratings[row]), facts.labels)
    return Example(rating.rating(facts), answer)
