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
    blocks,
    height,
    held_rows,
    hide_met,
    reading,
    scorer,
)
from tandemrec.data.interactions import Interactions
from tandemrec.evaluation.metrics import (
    DEFAULT,
    WHOLE,
    UserMetrics,
    check_metrics,
    of_places,
)

BATCH = 128
"Users at a time: their scores stay in the cache, which takes half the time of a thousand's."


def evaluate(
    model: Any,
    past: Interactions,
    truth: Interactions,
    ks: Sequence[int] = (3, 5, 10),
    metrics: Sequence[str] = DEFAULT,
    *,
    batch_size: int = BATCH,
) -> UserMetrics:
    """The metrics of `per_user` of each user in `truth`, among all items not met in the past.

    As `per_user` of `rank`'s lists of the whole catalogue, equal scores by item number too, at a
    fraction of the time: items are compared with the held-out ones, and not sorted. `model`: what
    `fit` gave, or anything with `score`. At most `batch_size` users are scored at a time, fewer
    where the catalogue is large. Raises BackboneError if the scores have the wrong shape or are not
    numbers, ConfigError for a cut-off below 1, UnknownName for a metric that there is not.
    """
    check_metrics(ks, metrics)
    within = None if any(name in WHOLE for name in metrics) else max(ks)
    places = full_places(model, past, truth, within=within, batch_size=batch_size)
    return of_places(truth, places, ks, metrics)


def full_places(
    model: Any,
    past: Interactions,
    truth: Interactions,
    *,
    within: int | None = None,
    batch_size: int = BATCH,
) -> NDArray[np.int64]:
    """The place of each held-out item, [N] as in `truth`, among all items not met in the past, from
    1; of equal scores the lower item number is the better. 0 for a score of -inf, and for a place
    beyond `within`, which takes far less time where users hold out many items."""
    model = model.model if isinstance(model, Fitted) else model
    found = np.zeros(len(truth), np.int64)
    with reading(model):
        read = scorer(model, past)
        size = height(batch_size, past.n_items, arrays=4)
        for users in blocks(np.unique(truth.users), size):
            scores = read(users)
            hide_met(scores, users, past)
            rows = held_rows(users, truth)
            held = np.searchsorted(users, truth.users[rows]), truth.items[rows]
            found[rows] = _all(scores, *held) if within is None else _first(scores, *held, within)
    return found


def _all(scores: Tensor, owners: NDArray[np.int64], items: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of scores [B, I], the place of each owner's item, [N]; in parts that memory holds."""
    parts = blocks(np.arange(len(items)), height(len(items), scores.shape[1]))
    return np.concatenate([_places(scores, owners[part], items[part]) for part in parts])


def _places(
    scores: Tensor, owners: NDArray[np.int64], items: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The same at once."""
    rows, columns = (torch.from_numpy(part).to(scores.device) for part in (owners, items))
    alone = np.array_equal(owners, np.arange(len(scores)))  # then no row need be copied
    mine = scores if alone else scores[rows]  # [N, I]
    target = mine.gather(1, columns[:, None])
    above, even = _count(mine > target), mine == target
    tied = torch.nonzero(_count(even) > 1)[:, 0]
    before = torch.arange(scores.shape[1], device=scores.device) < columns[tied, None]
    above[tied] += _count(even[tied] & before)
    places = torch.where(target[:, 0] == -torch.inf, 0, above + 1)
    return places.cpu().numpy()


def _first(
    scores: Tensor, owners: NDArray[np.int64], items: NDArray[np.int64], within: int
) -> NDArray[np.int64]:
    """As `_all`, but 0 beyond a place: against the best scores alone, all but where some tie."""
    rows, columns = (torch.from_numpy(part).to(scores.device) for part in (owners, items))
    best = scores.topk(min(within, scores.shape[1])).values  # [B, K]
    target = scores[rows, columns]
    inside = torch.nonzero(target >= best[rows, -1])[:, 0]
    mine, target = best[rows[inside]], target[inside, None]  # [H, K], [H, 1]
    found = np.zeros(len(items), np.int64)
    found[inside.cpu()] = (_count(mine > target) + 1).cpu()
    unsure = (_count(mine == target) > 1) | (mine[:, -1:] == target)[:, 0]
    if len(tied := inside[unsure].cpu().numpy()):
        found[tied] = _all(scores, owners[tied], items[tied])
    return np.where(found <= within, found, 0)


def _count(places: Tensor) -> Tensor:
    """How many of each row are true, [N, I] -> [N]."""
    return places.sum(1, dtype=torch.int32)
