"""Recommendations from a finished rating run: the unmet items of the highest ratings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tandemrec import aggregate
from tandemrec.aggregate import blend_ratings
from tandemrec.data.history import History
from tandemrec.data.interactions import Interactions
from tandemrec.errors import DataError
from tandemrec.evaluation.baselines import USERS
from tandemrec.ranking import rank, similar_users
from tandemrec.rankings import Rankings
from tandemrec.rate import rate
from tandemrec.ratings import Ratings
from tandemrec.recipes.arms import Weighing
from tandemrec.recipes.rating import RatedSeed, profiles_of, scale_of
from tandemrec.recipes.recommend import by_neighbours, frame, newcomers, numbers_of
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
    found = rank(seed.backbone, known, users, max(setup.config.candidates, k))
    candidates = _within(setup, found)
    blended = _blended(setup, seed, candidates, known, similar_users(seed.backbone))
    rows = np.searchsorted(users, numbers)
    return frame(setup, blended.of(rows), candidates.of(rows), list(names), k, alike=True)


def for_history(setup: Setup, seed: RatedSeed, history: History, k: int) -> pl.DataFrame:
    """The same for somebody new.

    What the backbone predicts for him is the mean over the 50 training users whose histories are
    most alike, weighted by likeness. Where he tells his ratings, it is moved by how far these lie
    above it, drawn towards 0 where there are few (`level`), and the LLM, which reads them beside
    those of the most alike user, is asked about the candidates; where he does not, there is nothing
    to tell it, and the backbone's order stands. Raises DataError for an empty history, where nobody
    met an item of it, and for a rating beyond the run's scale.
    """
    train = setup.split.train
    met = numbers_of(setup, history.items)
    ratings = None if history.ratings is None else _on_scale(setup, history)
    alike, scores = by_neighbours(seed, train, met)
    if ratings is None:
        found = _within(setup, newcomers(train, scores, met, k))
        return frame(setup, found, found, ["new"], k)
    scores += level(ratings, scores[met])
    found = newcomers(train, scores, met, max(setup.config.candidates, k))
    candidates = _within(setup, found)
    similar = np.append(np.full(train.n_users, -1), alike)
    blended = _blended(setup, seed, candidates, _only(met, ratings, train), similar)
    return frame(setup, blended, candidates, ["new"], k, alike=True)


def _on_scale(setup: Setup, history: History) -> NDArray[np.float64]:
    """A newcomer's ratings, [N]."""
    values, scale = np.asarray(history.ratings, np.float64), scale_of(setup)
    bad = ~((values >= scale.low) & (values <= scale.high))  # NaN is neither
    if bad.any():
        place = int(bad.argmax())
        raise DataError(
            f"item {history.items[place]} is rated {values[place]:g}; the run's ratings go from "
            f"{scale.low:g} to {scale.high:g}."
        )
    return values


def level(ratings: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    """How far somebody rates above what is predicted, drawn towards 0 where there are few ratings,
    as `evaluation.baselines.biases` does with users (Koren, "Factor in the Neighbors")."""
    told = np.isfinite(predicted)
    return float((ratings - predicted)[told].sum() / (told.sum() + USERS))


def _only(
    met: NDArray[np.int64], ratings: NDArray[np.float64], train: Interactions
) -> Interactions:
    """What somebody behind all training users met."""
    number = np.full(len(met), train.n_users)
    return Interactions.sorted(
        number,
        met,
        ratings.astype(np.float32),
        np.arange(len(met)),
        n_users=train.n_users + 1,
        n_items=train.n_items,
    )


def _within(setup: Setup, found: Rankings) -> Rankings:
    """Scores as ratings on the scale."""
    return replace(found, scores=scale_of(setup).within(found.scores).astype(np.float32))


def _blended(
    setup: Setup,
    seed: RatedSeed,
    candidates: Rankings,
    known: Interactions,
    similar: NDArray[np.int64],
) -> Rankings:
    """The first candidates in the order of Llama4Rec's ratings, with what validation chose; `known`
    are everybody's own ratings, and `similar` everybody's most similar user."""
    head = candidates.top(setup.config.candidates)
    real = head.items >= 0
    pairs = Interactions.sorted(
        np.repeat(head.users, real.sum(1)),
        head.items[real],
        n_users=known.n_users,
        n_items=known.n_items,
    )
    choice, scale = seed.choices[FULL], scale_of(setup)
    backbone = Ratings(pairs.users, pairs.items, scale.within(head.scores[real]))
    profiles = profiles_of(setup, None, None, known)
    if choice.arm.told:
        profiles = profiles.telling(similar=similar, hints=backbone)
    said = rate(pairs, profiles, seed.llm, setup.config.rate, scale=scale, fallback=backbone)
    weighing = Weighing.of(setup.split.train, setup.config.blend)
    tail = aggregate.long_tail(known.counts[pairs.users], setup.config.blend.tail)
    alpha = weighing.alpha_of(tail, choice.arm.order, choice.grid)
    mixed = blend_ratings(backbone, said.on(choice.calibration, scale), alpha)
    scores = np.full(head.items.shape, -np.inf)
    scores[real] = mixed.values
    return Rankings.best_first(head.users, head.items, scores)
