"""Recommendations from a finished run, for its users and for somebody new."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from torch.nn.functional import cosine_similarity

from tandemrec import aggregate
from tandemrec.backbones.scoring import device_of, reading, scorer
from tandemrec.data.history import History
from tandemrec.data.interactions import Interactions
from tandemrec.errors import DataError
from tandemrec.prompts.profiles import Profiles
from tandemrec.ranking import rank
from tandemrec.rankings import Rankings
from tandemrec.recipes.arms import Weighing
from tandemrec.recipes.dallrec import TaughtSeed
from tandemrec.recipes.llama4rec import SeedResult, told_profiles
from tandemrec.recipes.rating import RatedSeed
from tandemrec.recipes.setup import Setup
from tandemrec.report.contents import FULL
from tandemrec.rerank import rerank

NEIGHBOURS = 50
"How many training users speak for somebody new."


def for_users(setup: Setup, seed: SeedResult, names: Sequence[str], k: int) -> pl.DataFrame:
    """A long frame (user_id, item_id, title, score, rank) of each user's `k` best unmet items.

    All of a user's interactions count as met and stand in his history, held-out ones too: this is
    use, not evaluation. Raises DataError for an unknown user.
    """
    known = setup.split.data.interactions
    users = np.array([setup.split.catalogue.user(name) for name in names], np.int64)
    candidates = rank(seed.backbone, known, users, max(setup.config.candidates, k))
    head = candidates.top(setup.config.candidates)
    profiles = told_profiles(setup, seed.backbone, head, known)
    blended = _blended(setup, seed, head, profiles, known.counts[users])
    return frame(setup, blended, candidates, list(names), k)


def for_history(setup: Setup, seed: SeedResult, history: History, k: int) -> pl.DataFrame:
    """The same for somebody new, from what he met.

    A sequential backbone reads the history, and the user in the prompt is the one whose history it
    represents most alike (equation 3). Others know no embedding of him, so the 50 training users
    whose histories are most alike (cosine) speak for him: his scores are the mean of theirs,
    weighted by likeness; the most alike of them is the similar user in the prompt. Raises DataError
    for an empty history, and where nobody met an item of it and the backbone is not sequential.
    """
    train = setup.split.train
    met = numbers_of(setup, history.items)
    of_whom = _by_sequence if setup.sequential else by_neighbours
    alike, scores = of_whom(seed, train, met)
    candidates = newcomers(train, scores, met, max(setup.config.candidates, k))
    head = candidates.top(setup.config.candidates)
    profiles = told_profiles(setup, seed.backbone, head).joined_by(met, alike)
    blended = _blended(setup, seed, head, profiles, np.array([len(met)]))
    return frame(setup, blended, candidates, ["new"], k)


def of_backbone(setup: Setup[Any], seed: TaughtSeed, names: Sequence[str], k: int) -> pl.DataFrame:
    """The same frame from the backbone alone, which has learnt what the LLM said."""
    known = setup.split.data.interactions
    users = np.array([setup.split.catalogue.user(name) for name in names], np.int64)
    found = rank(seed.backbone, known, users, k)
    return frame(setup, found, found, list(names), k)


def of_backbone_new(setup: Setup[Any], seed: TaughtSeed, history: History, k: int) -> pl.DataFrame:
    """The same for somebody new, by the 50 training users whose histories are most alike."""
    train, met = setup.split.train, numbers_of(setup, history.items)
    _, scores = by_neighbours(seed, train, met)
    found = newcomers(train, scores, met, k)
    return frame(setup, found, found, ["new"], k)


def newcomers(
    train: Interactions, scores: NDArray[np.float64], met: NDArray[np.int64], k: int
) -> Rankings:
    """The best `k` for somebody new of what he has not met and may be recommended; -1 where there
    is no more."""
    open_scores = scores.astype(np.float32)
    open_scores[met] = -np.inf
    best = np.argsort(-open_scores, kind="stable")[:k]
    values = open_scores[best]
    return Rankings(
        np.array([train.n_users]), np.where(np.isfinite(values), best, -1)[None], values[None]
    )


def numbers_of(setup: Setup[Any], items: Sequence[str]) -> NDArray[np.int64]:
    """The numbers of a history's items. Raises DataError if it is empty, or for an unknown one."""
    if not len(items):
        raise DataError("The history is empty; give at least one item that the run knows.")
    return np.array([setup.split.catalogue.item(item) for item in items], np.int64)


def _by_sequence(
    seed: SeedResult, train: Interactions, met: NDArray[np.int64]
) -> tuple[int, NDArray[np.float64]]:
    """The most similar user, and what a sequential backbone makes of the history itself, [I]."""
    model, nobody = getattr(seed.backbone, "model", seed.backbone), np.zeros(len(met), np.int64)
    alone = Interactions(nobody, met, nobody.astype(np.float32), nobody, 1, train.n_items)
    with reading(model):
        queries = model.queries(alone, np.array([0])).to(device_of(model))
        likeness = cosine_similarity(model.represent(queries), model.user_embeddings())
        scores = scorer(model, alone)(np.array([0]))[0]
    return int(likeness.argmax()), scores.cpu().numpy().astype(np.float64)


def by_neighbours(
    seed: SeedResult | RatedSeed | TaughtSeed, train: Interactions, met: NDArray[np.int64]
) -> tuple[int, NDArray[np.float64]]:
    """The most similar user, and the weighted mean of the neighbours' scores of every item, [I]:
    over those to whom it may be recommended, and -inf where it may be to none."""
    users, weights = _neighbours(train, met)
    model = getattr(seed.backbone, "model", seed.backbone)
    with reading(model):
        said = scorer(model, train)(users).cpu().numpy().astype(np.float64)
    counted = np.isfinite(said) * weights[:, None]
    total = np.where(np.isfinite(said), said, 0).T @ weights
    weight = counted.sum(axis=0)
    return int(users[0]), np.where(weight > 0, total / np.where(weight > 0, weight, 1), -np.inf)


def _neighbours(
    train: Interactions, met: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    vector = np.zeros(train.n_items, np.float32)
    vector[met] = 1
    likeness = (train.matrix @ vector) / np.sqrt(np.maximum(train.counts, 1) * len(met))
    users = np.argsort(-likeness, kind="stable")[:NEIGHBOURS]
    if likeness[users[0]] == 0:
        raise DataError(
            "nobody in the training data met an item of this history, so nobody is alike.",
            remedy="Add an item that training knows.",
        )
    return users, likeness[users].astype(np.float64)


def _blended(
    setup: Setup,
    seed: SeedResult,
    head: Rankings,
    profiles: Profiles,
    counts: NDArray[np.int64],
) -> Rankings:
    """The candidates in Llama4Rec's order, with what validation chose; `counts` is N(u)."""
    blend, choice = setup.config.blend, seed.choices[FULL]
    config = setup.config.rerank[choice.way].model_copy(update={"seed": seed.seed})
    asked = rerank(head, profiles, seed.llm, config)
    lined_up = aggregate.pair(head, asked.rankings, blend, choice.spreads)
    weighing = Weighing.of(setup.split.train, blend)
    tail = aggregate.long_tail(counts, blend.tail)
    return lined_up.blend(weighing.alpha_of(tail, choice.arm.order, choice.grid))


def frame(
    setup: Setup[Any],
    blended: Rankings,
    candidates: Rankings,
    names: Sequence[str],
    k: int,
    *,
    alike: bool = False,
) -> pl.DataFrame:
    """Each user's `k` best: what is blended, then the candidates behind it, which have no score
    unless the backbone's are `alike` those of what is blended: ratings on one scale."""
    catalogue, depth = setup.split.catalogue, blended.items.shape[1]
    rows = []
    for row, name in enumerate(names):
        items = [*blended.items[row], *candidates.items[row, depth:]]
        behind = candidates.scores[row, depth:]
        scores = [*blended.scores[row], *(behind if alike else [None] * len(behind))]
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
