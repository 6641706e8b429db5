"""Recommendations from a finished rating run: the unmet items of the highest ratings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from tandemrec import aggregate
from tandemrec.aggregate import blend_ratings
from tandemrec.data.interactions import Interactions
from tandemrec.ranking import rank
from tandemrec.rankings import Rankings
from tandemrec.rate import rate
from tandemrec.ratings import Ratings
from tandemrec.recipes.arms import Weighing
from tandemrec.recipes.rating import RatedSeed, profiles_of, scale_of
from tandemrec.recipes.recommend import by_neighbours, frame, numbers_of
from tandemrec.recipes.setup import Setup
from tandemrec.report.contents import FULL


def for_users(setup: Setup, seed: RatedSeed, names: Sequence[str], k: int) -> pl.DataFrame:
    """A long frame (user_id, item_id, title, score, rank) of each user's `k` unmet items of the
    highest ratings: the backbone's best, of which the first `candidates` are blended with the LLM's
    ratings and sorted by what that gives, their score. Those behind them, about which the LLM is
    not asked, stand in the backbone's order, and their score is its rating, which may be above a
    blended one.

    All of a user's interactions count as met and stand in his history, held-out ones too: this is
    use, not evaluation. Raises DataError for an unknown user.
    """
    known = setup.split.data.interactions
    numbers = [setup.split.catalogue.user(name) for name in names]
    users = np.array(list(dict.fromkeys(numbers)), np.int64)
    users.sort()
    candidates = rank(seed.backbone, known, users, max(setup.config.candidates, k))
    blended = _blended(setup, seed, candidates.top(setup.config.candidates), known)
    rows = np.searchsorted(users, numbers)
    values = scale_of(setup).within(candidates.scores).astype(np.float32)
    found = replace(candidates, scores=values).of(rows)
    return frame(setup, blended.of(rows), found, list(names), k, alike=True)


def _blended(setup: Setup, seed: RatedSeed, head: Rankings, known: Interactions) -> Rankings:
    """The candidates in the order of Llama4Rec's ratings, with what validation chose."""
    real = head.items >= 0
    pairs = Interactions.sorted(
        np.repeat(head.users, real.sum(1)),
        head.items[real],
        n_users=known.n_users,
        n_items=known.n_items,
    )
    choice, scale = seed.choices[FULL], scale_of(setup)
    backbone = Ratings(pairs.users, pairs.items, scale.within(head.scores[real]))
    profiles = profiles_of(setup, seed.backbone, backbone, known)
    said = rate(pairs, profiles, seed.llm, setup.config.rate, scale=scale, fallback=backbone)
    weighing = Weighing.of(setup.split.train, setup.config.blend)
    tail = aggregate.long_tail(known.counts[pairs.users], setup.config.blend.tail)
    alpha = weighing.alpha_of(tail, choice.arm.order, choice.grid)
    mixed = blend_ratings(backbone, choice.calibration.apply(said.ratings, scale), alpha)
    scores = np.full(head.items.shape, -np.inf)
    scores[real] = mixed.values
    return Rankings.best_first(head.users, head.items, scores)


def for_history(setup: Setup, seed: RatedSeed, items: Sequence[str], k: int) -> pl.DataFrame:
    """The same for somebody new, from item ids: the mean of what the backbone predicts for the 50
    training users whose histories are most alike, weighted by likeness. The LLM is not asked: its
    prompt would tell his ratings, which nobody knows. Raises DataError for an empty history, and
    where nobody met an item of it."""
    train = setup.split.train
    met = numbers_of(setup, items)
    _, scores = by_neighbours(seed, train, met)
    scores[met] = -np.inf
    best = np.argsort(-scores, kind="stable")[:k]
    best = best[np.isfinite(scores[best])]
    values = scale_of(setup).within(scores[best])[None].astype(np.float32)
    found = Rankings(np.array([train.n_users]), best[None], values)
    return frame(setup, found, found, ["new"], k)
