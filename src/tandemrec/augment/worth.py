"""What data augmentation asks about, and what a language model finds items worth to a user."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tandemrec.data.interactions import Interactions
from tandemrec.llm.base import LLM
from tandemrec.prompts import direct
from tandemrec.prompts.profiles import Profiles
from tandemrec.rankings import Rankings
from tandemrec.rerank import priors

Items = NDArray[np.int64]


def draw_unmet(
    user: int,
    past: Interactions,
    most: int | None,
    best: int | None,
    pool: Rankings | None,
    rng: np.random.Generator,
) -> Items:
    """Up to `most` different items that the user has not met in the past, in a random order; of the
    backbone's `best` many, if that is asked. Costs by what is drawn, not by the catalogue."""
    if best is None or pool is None:
        left = unmet_count(user, past)
        return unmet_by_number(user, past, rng.choice(left, min(most or left, left), replace=False))
    items = pool.items[user][:best]
    return rng.permutation(np.setdiff1d(items[items >= 0], past.of(user)))[:most]


def unmet_count(user: int, past: Interactions) -> int:
    """How many items the user has not met in the past."""
    return int(past.unmet.counts(np.array([user]))[0])


def unmet_by_number(user: int, past: Interactions, numbers: Items) -> Items:
    """Of the items that the user has not met in the past, rising, those of these numbers."""
    return past.unmet.numbered(np.full(len(numbers), user), numbers)


def most_decided(margins: NDArray[np.float64], share: float) -> NDArray[np.int64]:
    """The places, rising, of the share of margins [N] that is largest; of equal ones the first."""
    order = np.argsort(-margins, kind="stable")
    return np.sort(order[: round(share * len(order))])


def by_likelihood(
    asked: Mapping[int, Items], profiles: Profiles, llm: LLM, prior: float
) -> dict[int, NDArray[np.float64]]:
    """Of each user's items, the log-probability of the title as the history's next line, less
    `prior` times that without a history. One question a user, and no order to be biased by."""
    facts = [profiles.facts(user, items) for user, items in asked.items()]
    lines = [[direct.line(name) for name in profiles.names(items)] for items in asked.values()]
    choices = llm.choose([direct.continuation(fact) for fact in facts], lines)
    alone = priors(sorted({text for row in lines for text in row}), profiles.noun, llm)
    return {
        user: np.array(
            [float(p) - prior * alone[text] for text, p in zip(row, choice.logprobs, strict=True)]
        )
        for user, row, choice in zip(asked, lines, choices, strict=True)
    }


def by_letters(
    asked: Mapping[int, Items], profiles: Profiles, llm: LLM
) -> dict[int, NDArray[np.float64]]:
    """Of each user's items, in the order they stand in, the log-probability of its letter."""
    facts = [(profiles.facts(user, items), profiles.names(items)) for user, items in asked.items()]
    options = [direct.LABELS[: len(names)] for _, names in facts]
    choices = llm.choose([profiles.wording.listwise(*fact) for fact in facts], options)
    return {
        user: choice.logprobs.astype(np.float64)
        for user, choice in zip(asked, choices, strict=True)
    }
