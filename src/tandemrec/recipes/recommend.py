"""Recommendations from a finished run, for its users and for somebody new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tandemrec import aggregate
from tandemrec.data.interactions import Interactions
from tandemrec.errors import DataError
from tandemrec.ranking import rank
from tandemrec.rankings import Rankings
from tandemrec.recipes.arms import ARMS, Weighing
from tandemrec.recipes.llama4rec import SeedResult, Setup, known_profiles
from tandemrec.report.contents import FULL
from tandemrec.rerank import rerank

NEIGHBOURS = 50
"How many training users speak for somebody new."


def for_users(setup: Setup, seed: SeedResult, names: Sequence[str], k: int) -> pl.DataFrame:
    """A long frame (user_id, item_id, title, score, rank) of each user's `k` best unmet items.

    All of a user's interactions count as met and stand in his history, held-out ones too: this is
    use, not evaluation. Raises DataError for an unknown user.
    """
    everything = setup.split.data.interactions
    users = np.array([setup.split.catalogue.user(name) for name in names], np.int64)
    depth = max(setup.config.candidates, k)
    candidates = rank(seed.augmented, everything, users, depth)
    histories = [everything.of(user) for user in range(everything.n_users)]
    alphas = _alpha(setup, seed, everything.counts[users])
    return _blended(setup, seed, candidates, histories, alphas, list(names), k)


def for_history(setup: Setup, seed: SeedResult, items: Sequence[str], k: int) -> pl.DataFrame:
    """The same for somebody new, from item ids (oldest first).

    The backbone knows no embedding of him, so the 50 training users whose histories are most alike
    (cosine) speak for him: his scores are the mean of theirs, weighted by likeness. That works for
    any backbone, a score matrix too. The most alike of them is the similar user in the prompt.
    """
    met = np.array([setup.split.catalogue.item(item) for item in items], np.int64)
    if not len(met):
        raise DataError("The history is empty; give at least one item that the run knows.")
    alike, weights = _neighbours(setup.split.train, met)
    scores = _scores(setup, seed, alike, weights)
    scores[met] = -np.inf
    best = np.argsort(-scores, kind="stable")[: max(setup.config.candidates, k)]
    candidates = Rankings(np.zeros(1, np.int64), best[None], scores[best][None].astype(np.float32))
    histories = [met, setup.split.train.of(int(alike[0]))]
    alphas = _alpha(setup, seed, np.array([len(met)]))
    return _blended(setup, seed, candidates, histories, alphas, ["new"], k, np.array([1, 0]))


def _neighbours(
    train: Interactions, met: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    vector = np.zeros(train.n_items, np.float32)
    vector[met] = 1
    likeness = (train.matrix @ vector) / np.sqrt(np.maximum(train.counts, 1) * len(met))
    users = np.argsort(-likeness, kind="stable")[:NEIGHBOURS]
    if likeness[users[0]] == 0:
        raise DataError("Nobody in the training data met an item of this history.")
    return users, likeness[users].astype(np.float64)


def _scores(
    setup: Setup, seed: SeedResult, users: NDArray[np.int64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The weighted mean of some users' scores of every item, [I]."""
    nothing = setup.split.train.rows(np.zeros(len(setup.split.train), bool))
    lists = rank(seed.augmented, nothing, users, nothing.n_items)
    scores = np.zeros(nothing.n_items)
    for items, values, weight in zip(lists.items, lists.scores, weights, strict=True):
        scores[items] += weight * values
    return scores / weights.sum()


def _alpha(setup: Setup, seed: SeedResult, counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Equation 6 for given N(u), on the training data's scale."""
    blend, grid = setup.config.blend, seed.choices[FULL].grid
    assert grid is not None  # the whole method is adaptive
    low, high = Weighing.of(setup.split.train, blend).bounds
    found = aggregate.long_tail(counts, blend.tail).clip(low, high)
    return aggregate.weights(found, *grid.best, blend.form, bounds=(low, high))


def _blended(
    setup: Setup,
    seed: SeedResult,
    candidates: Rankings,
    histories: Sequence[NDArray[np.int64]],
    alphas: NDArray[np.float64],
    names: Sequence[str],
    k: int,
    similar: NDArray[np.int64] | None = None,
) -> pl.DataFrame:
    """The first k' candidates in the blended order, the others after them."""
    head = candidates.top(setup.config.candidates)
    told = known_profiles(setup, seed.augmented, head, similar)
    config, choice = setup.config, seed.choices[FULL]
    told = replace(told, histories=histories)
    if not ARMS[FULL].told:
        told = told.plain
    asked = rerank(head, told, seed.llm, config.rerank[choice.way])
    lined_up = aggregate.pair(head, asked.rankings, config.blend, choice.spreads)
    return _frame(setup, lined_up.blend(alphas), candidates, names, k)


def _frame(
    setup: Setup, blended: Rankings, candidates: Rankings, names: Sequence[str], k: int
) -> pl.DataFrame:
    catalogue, depth = setup.split.catalogue, blended.items.shape[1]
    rows = []
    for row, name in enumerate(names):
        items = [*blended.items[row], *candidates.items[row, depth:]]
        scores = [*blended.scores[row], *[None] * (candidates.items.shape[1] - depth)]
        found = [(i, s) for i, s in zip(items, scores, strict=True) if i >= 0][:k]
        rows += [
            (name, str(catalogue.item_ids[i]), catalogue.titles[i], s and float(s), place)
            for place, (i, s) in enumerate(found, 1)
        ]
    return pl.DataFrame(rows, orient="row", schema=SCHEMA)


SCHEMA = {
    "user_id": pl.String,
    "item_id": pl.String,
    "title": pl.String,
    "score": pl.Float64,
    "rank": pl.Int64,
}
