"""Metrics of a model over the whole catalogue, without lists: by the places of held-out items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tandemrec.backbones import Fitted
from tandemrec.backbones.scoring import (
    beside_held,
    blocks,
    height,
    held_rows,
    hide_met,
    reading,
    scorer,
)
from tandemrec.data.interactions import Interactions
from tandemrec.evaluation.metrics import UserMetrics, Values, check_cut_offs

BATCH = 128
"Users at a time: their scores stay in the cache, which takes half the time of a thousand's."


def evaluate(
    model: Any,
    past: Interactions,
    truth: Interactions,
    ks: Sequence[int] = (3, 5, 10),
    *,
    batch_size: int = BATCH,
) -> UserMetrics:
    """HR@k, NDCG@k and MRR of each user in `truth`, among all items not met in the past.

    As `per_user` of `rank`'s lists of the whole catalogue, equal scores by item number too, at a
    fraction of the time: items are compared with the held-out ones, and not sorted. `model`: what
    `fit` gave, or anything with `score`. At most `batch_size` users are scored at a time, fewer
    where the catalogue is large. Raises BackboneError if the scores have the wrong shape,
    ConfigError for a cut-off below 1.
    """
    check_cut_offs(ks)
    found = full_places(model, past, truth, batch_size=batch_size)
    users, rows = np.unique(truth.users, return_inverse=True)
    gains = (found > 0) / np.log2(np.maximum(found, 1) + 1)
    ideal = np.cumsum(1 / np.log2(np.arange(2, max(ks) + 2)))
    first = np.full(len(users), np.inf)
    np.minimum.at(first, rows, np.where(found > 0, found, np.inf))
    values: dict[str, Values] = {}
    for k in ks:
        inside = (found > 0) & (found <= k)
        sums = np.bincount(rows, gains * inside, minlength=len(users))
        values[f"HR@{k}"] = (first <= k).astype(np.float64)
        values[f"NDCG@{k}"] = sums / ideal[np.minimum(truth.counts[users], k) - 1]
    values["MRR"] = 1 / first
    return UserMetrics(users, values)


def full_places(
    model: Any, past: Interactions, truth: Interactions, *, batch_size: int = BATCH
) -> NDArray[np.int64]:
    """The place of each held-out item, [N] as in `truth`, among all items not met in the past, from
    1; of equal scores the lower item number is the better. 0 for a score of -inf."""
    model = model.model if isinstance(model, Fitted) else model
    found = np.zeros(len(truth), np.int64)
    with reading(model):
        read = scorer(model, past)
        for users in blocks(np.unique(truth.users), height(batch_size, past.n_items)):
            scores = read(users)
            hide_met(scores, users, past)
            rows = held_rows(users, truth)
            owners = np.searchsorted(users, truth.users[rows])
            found[rows] = _places(scores, owners, truth.items[rows])
    return found


def _places(
    scores: Tensor, owners: NDArray[np.int64], items: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Of scores [B, I], the place of each owner's item, [N]."""
    mine, target = beside_held(scores, owners, items)
    above, even = _count(mine > target), mine == target
    tied = torch.nonzero(_count(even) > 1)[:, 0]
    columns = torch.from_numpy(items).to(scores.device)[tied, None]
    before = torch.arange(scores.shape[1], device=scores.device) < columns
    above[tied] += _count(even[tied] & before)
    places = torch.where(target[:, 0] == -torch.inf, 0, above + 1)
    return places.cpu().numpy()


def _count(places: Tensor) -> Tensor:
    """How many of each row are true, [N, I] -> [N]."""
    return places.sum(1, dtype=torch.int32)
