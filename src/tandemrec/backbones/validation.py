"""What validation measures, and with it what training is stopped by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tandemrec.backbones.base import RatingBackbone
from tandemrec.backbones.scoring import (
    blocks,
    height,
    held_rows,
    hide_met,
    predicted,
    reading,
    scorer,
)
from tandemrec.data.interactions import Interactions
from tandemrec.errors import ConfigError, DataError

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Measure:
    """What a model is measured by: its name, how, and whether less is better."""

    name: str
    of: Callable[[Any, Interactions, Interactions], float]
    "Of a model, its training interactions and those held out."
    lower: bool = False

    def better(self, value: float, best: float | None) -> bool:
        """Whether a value is better than the best so far."""
        return best is None or (value < best if self.lower else value > best)


def measure_of(kind: type[Any], metric: str | None = None) -> Measure:
    """What backbones of a class are measured by: NDCG@10 or what `metric` names, or RMSE where
    they predict ratings.

    Raises ConfigError for a metric of the other kind.
    """
    rates = issubclass(kind, RatingBackbone)
    own = RMSE if rates else NDCG
    if metric is None or metric == own.name:
        return own
    name, _, k = metric.partition("@")
    if rates or name not in AT:
        does = "predicts ratings" if rates else "ranks items"
        known = RMSE.name if rates else " or ".join(f"{name}@k" for name in AT)
        raise ConfigError(
            f"{kind.__name__} {does}, so valid_metric can be {known}. Received: {metric!r}."
        )
    return Measure(metric, partial(AT[name], k=int(k)))


def rmse(model: Any, train: Interactions, held_out: Interactions) -> float:
    """The root of the mean squared error of predicted ratings."""
    if np.isnan(held_out.ratings).any():
        raise DataError(
            f"Validation has {int(np.isnan(held_out.ratings).sum())} rows without a rating.",
            remedy="Leave them out: a rating backbone is measured by the ratings of all.",
        )
    errors = predicted(model, held_out) - held_out.ratings
    return float(np.sqrt(np.mean(errors**2)))


def ndcg(
    model: Any,
    train: Interactions,
    held_out: Interactions,
    k: int = 10,
    *,
    batch_size: int = 1024,
) -> float:
    """Mean NDCG@k over the users with held-out items, over the full catalogue minus training items.

    A held-out item's place is the number of items that score at least as high, so a tie counts
    against the model. With several held-out items a user, the sum is divided by the best possible
    (Järvelin & Kekäläinen, TOIS 2002, with relevance 0 or 1).
    """
    gains = 1 / np.log2(np.arange(2, k + 2))
    found, held = _gained(model, train, held_out, gains, batch_size)
    return float((found / np.cumsum(gains)[np.minimum(held, k) - 1]).mean())


def recall(
    model: Any,
    train: Interactions,
    held_out: Interactions,
    k: int = 20,
    *,
    batch_size: int = 1024,
) -> float:
    """Mean share of a user's held-out items among the first k, with places as in `ndcg`."""
    hits, held = _gained(model, train, held_out, np.ones(k), batch_size)
    return float((hits / held).mean())


def _gained(
    model: Any, train: Interactions, held_out: Interactions, gains: Values, batch_size: int
) -> tuple[Values, NDArray[np.int64]]:
    """What each user with held-out items gains by them, in order, and how many he has: place 1, 2,
    ... of the ranking is worth `gains`, [k], and what comes after them nothing."""
    held_out = held_out.distinct
    asked = np.flatnonzero(held_out.counts)
    worth, found = np.append(gains, 0), []
    with reading(model):
        read = scorer(model, train)
        for users in blocks(asked, height(batch_size, train.n_items)):
            scores = read(users)
            hide_met(scores, users, train)
            rows = held_rows(users, held_out)
            owners = np.searchsorted(users, held_out.users[rows])
            places = _places(scores, owners, held_out.items[rows], len(gains)).cpu().numpy()
            each = worth[np.minimum(places, len(worth)) - 1]
            found.append(np.bincount(owners, each, minlength=len(users)))
    return np.concatenate(found), held_out.counts[asked]


def _places(scores: Tensor, owners: NDArray[np.int64], items: NDArray[np.int64], k: int) -> Tensor:
    """Of a block's scores [B, I] and its held-out items, each with the place of its user in the
    block: how many of that user's items score at least as high, [N]; k + 1 for k + 1 and more where
    users hold out several, of whom the best scores alone are looked at."""
    rows, columns = (torch.from_numpy(part).to(scores.device) for part in (owners, items))
    target = scores[rows, columns][:, None]
    if len(rows) > len(scores):
        scores = scores.topk(min(k + 1, scores.shape[1])).values[rows]  # [N, k + 1]
    return (scores >= target).sum(1, dtype=torch.int32)


AT: Mapping[str, Callable[..., float]] = {"NDCG": ndcg, "Recall": recall}
"What can be measured at a cut-off."
NDCG = Measure("NDCG@10", ndcg)
RMSE = Measure("RMSE", rmse, lower=True)
