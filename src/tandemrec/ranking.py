"""A trained backbone's rankings, and its users' nearest neighbours, in blocks of users."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tandemrec.backbones import Fitted
from tandemrec.backbones.scoring import Scorer, blocks, height, hide_met, reading, scorer
from tandemrec.data.interactions import Interactions
from tandemrec.errors import BackboneError, DataError
from tandemrec.nearest import among_cells
from tandemrec.oneline import short
from tandemrec.rankings import Rankings


def rank(
    model: Any,
    train: Interactions,
    users: NDArray[np.int64] | None,
    k: int,
    *,
    exclude: Interactions | None = None,
    candidates: NDArray[np.int64] | None = None,
    batch_size: int = 1024,
) -> Rankings:
    """Each user's `k` best items of those not met in `train` (nor, at test, in `exclude`).

    `model`: what `fit` gave, or anything with `score`. `users`: [U], or None for all.
    `candidates`: rank only these items, [C] for everybody or [U, C] for each user (-1 is none).
    Equal scores are ordered by item number, so the result is the same on every machine. An item
    with score -inf is never ranked; a user with fewer than `k` items left has a short row (item -1,
    score -inf). At most `batch_size` users are scored at a time, fewer where the catalogue is
    large. Raises BackboneError if the scores have the wrong shape or are not numbers.
    """
    model = _bare(model)
    asked = _checked(users, train)
    found = []
    with reading(model):
        read = scorer(model, train)
        step = height(batch_size, train.n_items)
        for start in range(0, max(len(asked), 1), step):
            rows = slice(start, start + step)
            allowed = candidates[rows] if candidates is not None and candidates.ndim > 1 else None
            scores = _open_scores(read, asked[rows], (train, exclude))
            _keep(scores, candidates if allowed is None else allowed)
            found.append(_best(scores, k, type(model).__name__))
    items = np.concatenate([each[0] for each in found])
    return Rankings(asked, items, np.concatenate([each[1] for each in found]))


def _bare(model: Any) -> Any:
    return model.model if isinstance(model, Fitted) else model


def _checked(users: NDArray[np.int64] | None, train: Interactions) -> NDArray[np.int64]:
    remedy = "catalogue.user(id) gives an id's number."
    try:
        asked = np.arange(train.n_users) if users is None else np.asarray(users, np.int64)
    except (ValueError, TypeError):
        raise DataError(
            f"Users are numbered from 0 to {train.n_users - 1}. Received: {short(users)}.",
            remedy=remedy,
        ) from None
    if len(asked) and not (asked.min() >= 0 and asked.max() < train.n_users):
        raise DataError(
            f"Users are numbered from 0 to {train.n_users - 1}. Received numbers from "
            f"{asked.min()} to {asked.max()}.",
            remedy=remedy,
        )
    return asked


def _open_scores(
    read: Scorer, users: NDArray[np.int64], met: tuple[Interactions | None, ...]
) -> Tensor:
    """Scores [B, I] with -inf at what was met."""
    scores = read(users)
    for interactions in met:
        if interactions is not None:
            hide_met(scores, users, interactions)
    return scores


def _keep(scores: Tensor, candidates: NDArray[np.int64] | None) -> None:
    """Set all but the candidates to -inf, in place."""
    if candidates is None:
        return
    wanted = torch.from_numpy(np.tile(candidates, (len(scores) if candidates.ndim == 1 else 1, 1)))
    dropped = torch.ones(len(scores), scores.shape[1] + 1, dtype=torch.bool)
    # The column behind the last takes the -1s.
    dropped.scatter_(1, torch.where(wanted < 0, scores.shape[1], wanted), False)
    scores[dropped[:, :-1].to(scores.device)] = -torch.inf


def _best(scores: Tensor, k: int, name: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The k highest places of each row, ties by item number; two [B, k]."""
    values, items = _highest(scores, min(k, scores.shape[1]))
    if torch.isnan(values).any():
        raise BackboneError(f"{name}.score gave values that are not numbers (nan).")
    if k > 1:
        items = _lowest_of_ties(scores, values, items)
    items = items.sort(1).values
    values, order = scores.gather(1, items).sort(dim=1, descending=True, stable=True)
    items = items.gather(1, order).masked_fill(values == -torch.inf, -1)
    short = (0, k - items.shape[1])
    items = torch.nn.functional.pad(items, short, value=-1)
    values = torch.nn.functional.pad(values, short, value=-torch.inf)
    return items.cpu().numpy(), values.cpu().numpy()


def _highest(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k highest of each row and their places; of one alone, the first place that has it."""
    found = scores.max(1, keepdim=True) if k == 1 else torch.topk(scores, k)
    return found.values, found.indices


def _lowest_of_ties(scores: Tensor, values: Tensor, items: Tensor) -> Tensor:
    """Where more items have the last score than fit in, topk took any of them: take the lowest."""
    last = values[:, -1:]
    crowded = (scores == last).sum(1) > (values == last).sum(1)
    crowded &= last[:, 0] > -torch.inf
    if not crowded.any():
        return items
    order = scores[crowded].sort(dim=1, descending=True, stable=True).indices
    items[crowded] = order[:, : items.shape[1]]
    return items


def neighbours(
    model: Any,
    users: NDArray[np.int64] | None = None,
    k: int = 1,
    *,
    batch_size: int = 1024,
    way: Literal["exact", "faiss"] = "exact",
) -> Rankings:
    """Each user's `k` most similar other users; `items` holds user numbers, `scores` cosines.

    Llama4Rec, equation 3: sim(u, v) = e_u . e_v / (|e_u| |e_v|) on the backbone's user embeddings.
    A user without an embedding (all zero) has cosine 0 with everybody. Ties go to the lower number.
    At most `batch_size` users are compared at a time, with as many others as memory is to hold.
    With many users, `way` "faiss" looks only among those of the nearest cells (the extra `faiss`):
    far faster, and it misses some. Raises BackboneError if the model has no `user_embeddings()`,
    ConfigError for "faiss" where it is not installed.
    """
    model = _bare(model)
    with reading(model):
        embeddings = torch.nn.functional.normalize(_embeddings(model).float(), dim=1)  # [U, D]
    asked = np.arange(len(embeddings)) if users is None else np.asarray(users, np.int64)
    if way == "faiss":
        return Rankings(asked, *among_cells(embeddings.cpu().numpy(), asked, k))
    found = [_nearest(embeddings, block, k) for block in blocks(asked, batch_size)]
    if not found:
        return Rankings(asked, np.zeros((0, k), np.int64), np.zeros((0, k), np.float32))
    items = np.concatenate([each[0] for each in found])
    return Rankings(asked, items, np.concatenate([each[1] for each in found]))


def _embeddings(model: Any) -> Tensor:
    if not hasattr(model, "user_embeddings"):
        raise BackboneError(
            f"{type(model).__name__} has no method `user_embeddings()`, by which similar users are "
            "found: a row for each user, [U, D]. Add it, or set prompt.similar to 0."
        )
    embeddings: Tensor = model.user_embeddings()
    return embeddings


Found = tuple[NDArray[np.int64], NDArray[np.float32]]
"Numbers and scores, [B, K] each, best first."


def _nearest(embeddings: Tensor, users: NDArray[np.int64], k: int) -> Found:
    """Among all others, in tiles of them: the best so far beside the best of each tile."""
    places = torch.from_numpy(users).to(embeddings.device)
    own, width = embeddings[places], height(len(embeddings), len(users), arrays=4)
    best: list[Found] = []
    for first in range(0, len(embeddings), width):
        cosines = own @ embeddings[first : first + width].T  # [B, W]
        here = torch.nonzero((places >= first) & (places < first + width))[:, 0]
        cosines[here, places[here] - first] = -torch.inf
        items, scores = _best(cosines, k, "user_embeddings")
        best = [_joined([*best, (np.where(items < 0, -1, items + first), scores)], k)]
    return best[0]


def _joined(found: list[Found], k: int) -> Found:
    """The k best of all that was found; of equal ones those that were found first."""
    items, scores = (np.concatenate(columns, axis=1) for columns in zip(*found, strict=True))
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(items, order, 1), np.take_along_axis(scores, order, 1)


def similar_users(
    model: Any,
    users: NDArray[np.int64] | None = None,
    *,
    batch_size: int = 1024,
    way: Literal["exact", "faiss"] = "exact",
) -> NDArray[np.int64]:
    """The single most similar other user of each, [U]; -1 where nobody is: no other user, or none
    whose cosine is not 0, as of users without an embedding."""
    found = neighbours(model, users, 1, batch_size=batch_size, way=way)
    return np.where(found.scores[:, 0] != 0, found.items[:, 0], -1)
