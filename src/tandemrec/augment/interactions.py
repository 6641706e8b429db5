"""Data augmentation by interactions: for each item, a user who will like it and one who will not.

DALLRec's first strategy: users are drawn at random without repetition, and the language model is
asked whether each will like the item, until one has said yes and one no. The published script loses
the answers and has no bound; here order and answers are kept, and items without a pair are counted.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveInt
from scipy.special import expit

from tandemrec.augment.drawn import NO, UNREADABLE, YES, Drawn, draw_users
from tandemrec.augment.threshold import GREEDY, Threshold
from tandemrec.config import Settings
from tandemrec.data.catalogue import Catalogue
from tandemrec.data.interactions import Interactions
from tandemrec.data.tastes import Tastes
from tandemrec.errors import DataError
from tandemrec.llm.base import LLM
from tandemrec.llm.costs import tokens_since
from tandemrec.prompts import interactions as prompts
from tandemrec.prompts.interactions import TasteProfiles, TastePromptConfig

__all__ = [
    "Drawn",
    "InteractionsConfig",
    "Threshold",
    "ThresholdConfig",
    "chances",
    "interactions",
    "threshold",
]

Items = NDArray[np.int64]
LONGEST = 8
"Tokens of a written answer."


class InteractionsConfig(TastePromptConfig):
    """Who is asked about an item, and what is made of the answers."""

    draws: PositiveInt = 10
    """At most so many users are asked about an item; the paper has no bound."""
    way: Literal["chances", "written"] = "chances"
    """chances: the probability of yes against no. written: the greedy answer is read, as in the
    paper; its probability is 1 or 0."""
    threshold: float | None = Field(default=None, ge=0, le=1)
    """From which probability of yes on an answer is a yes; none takes what validation chose, and
    where it chose nothing, one half, which is the paper's."""
    most: NonNegativeInt | None = None
    """Ask only about items with at most so many training interactions; none asks about all."""
    learn: Literal["edges", "triples", "both"] = "edges"
    """edges: the liking user's interaction joins training. triples: the liking user's score for the
    item is to be above the other's."""


class ThresholdConfig(Settings):
    """How the threshold is chosen."""

    sample: int = Field(default=200, ge=2)
    """Held-out interactions that are asked about, half of them liked."""
    seed: int = 0
    """Draws them."""


def interactions(
    train: Interactions,
    tastes: Tastes,
    catalogue: Catalogue,
    noun: str,
    llm: LLM,
    config: InteractionsConfig,
    threshold: float | None = None,
) -> Drawn:
    """Ask of each item who will like it, until one user has said yes and one has said no.

    `tastes` are those of `train`, the only interactions that are looked at. Users are drawn among
    those of whom a like or a dislike is known there and who have not met the item there. Questions
    go round by round, each round about all items that are still open in one call. `threshold`: what
    validation chose, used where `config.threshold` says nothing. Raises DataError where nobody's
    taste is known.
    """
    items = asked_about(train, config.most)
    users = draw_users(train, tastes.known, items, config.draws, config.seed)  # [I, D]
    cut = next((each for each in (config.threshold, threshold) if each is not None), GREEDY)
    profiles, before = TasteProfiles.of(tastes, catalogue, noun, config), tokens_since(llm)
    found = np.full(users.shape, np.nan)
    labels, asked = np.zeros(users.shape, np.int8), np.zeros(users.shape, bool)
    for turn in range(users.shape[1]):
        both = (labels == YES).any(axis=1) & (labels == NO).any(axis=1)
        rows = np.flatnonzero(~both & (users[:, turn] >= 0))
        found[rows, turn] = chances(users[rows, turn], items[rows], profiles, llm, config.way)
        labels[rows, turn], asked[rows, turn] = _labels(found[rows, turn], cut), True
    places, order = np.nonzero(asked)
    return Drawn(
        items[places],
        users[asked],
        order,
        found[asked],
        labels[asked],
        n_items=len(items),
        threshold=cut,
        rating=_liking(train, tastes),
        learn=config.learn,
        asked=len(places),
        tokens=tokens_since(llm, before),
    )


def threshold(
    valid: Interactions,
    train: Interactions,
    tastes: Tastes,
    catalogue: Catalogue,
    noun: str,
    llm: LLM,
    config: InteractionsConfig,
    choice: ThresholdConfig,
) -> Threshold:
    """Ask about held-out interactions of which it is known whether they were liked, in the way in
    which items are asked about: what the model knows, and from which probability on it is a yes.

    `tastes` are those of `train`, from which the users are told. Raises DataError where nothing of
    `valid` was liked, or nothing disliked.
    """
    rows, liked = _known_rows(valid, train, tastes, choice)
    users, items = valid.users[rows], valid.items[rows]
    profiles, before = TasteProfiles.of(tastes, catalogue, noun, config), tokens_since(llm)
    found = chances(users, items, profiles, llm, config.way)
    return Threshold(users, items, liked, found, tokens_since(llm, before))


def _known_rows(
    valid: Interactions, train: Interactions, tastes: Tastes, choice: ThresholdConfig
) -> tuple[Items, NDArray[np.bool_]]:
    """As many liked rows as disliked ones, rising, and which are liked."""
    sides = held_out(valid, train, tastes)
    n = min(choice.sample // 2, *map(len, sides))
    if not n:
        raise DataError(
            f"validation has {len(sides[0])} likes and {len(sides[1])} dislikes to choose a "
            "threshold with.",
            column="rating",
            remedy="Leave it out with threshold=none, which takes the likelier of yes and no.",
        )
    rng = np.random.default_rng(choice.seed)
    rows = np.sort(np.concatenate([rng.permutation(side)[:n] for side in sides]))
    return rows, np.isin(rows, sides[0])


def held_out(valid: Interactions, train: Interactions, tastes: Tastes) -> list[Items]:
    """The rows of `valid` that were liked, and those that were disliked, of users whose tastes are
    told, and none that were met in training already."""
    signs = tastes.signs(valid.ratings)
    signs[~np.isin(valid.users, tastes.known) | train.met(valid.users, valid.items)] = 0
    return [np.flatnonzero(signs == sign) for sign in (1, -1)]


def asked_about(train: Interactions, most: int | None) -> Items:
    """The items that are asked about: all, or those with at most so many interactions."""
    return np.flatnonzero(train.popularity <= (len(train) if most is None else most))


def chances(
    users: Items, items: Items, profiles: TasteProfiles, llm: LLM, way: str = "chances"
) -> NDArray[np.float64]:
    """The probability that each user says yes to the item beside it, against no, [N]; NaN where the
    answer cannot be read. A user's questions stand beside each other."""
    order = np.lexsort((items, users))
    rows = zip(users[order].tolist(), items[order].tolist(), strict=True)
    asked = [prompts.like(profiles.facts(user, item)) for user, item in rows]
    if way == "written":
        said = [prompts.parse(text) for text in llm.generate(asked, max_tokens=LONGEST)]
        values = [np.nan if yes is None else float(yes) for yes in said]
    else:
        choices = llm.choose(asked, [prompts.ANSWERS] * len(asked))
        with np.errstate(invalid="ignore"):  # neither answer is possible: NaN
            values = [float(expit(np.subtract(*choice.logprobs))) for choice in choices]
    found = np.empty(len(users))
    found[order] = values
    return found


def _labels(found: NDArray[np.float64], threshold: float) -> NDArray[np.int8]:
    said = np.where(found >= threshold, YES, NO)
    return np.where(np.isnan(found), UNREADABLE, said).astype(np.int8)


def _liking(train: Interactions, tastes: Tastes) -> float:
    """What a joined edge is rated: the lower median of the likes, or the highest rating where there
    is none."""
    likes = tastes.liked.ratings
    if not len(likes):
        return float(np.nanmax(train.ratings))
    return float(np.percentile(likes, 50, method="lower"))
