"""How a backbone's scores are read: in blocks of users, without gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tandemrec.backbones.base import EmbeddingBackbone, RatingBackbone
from tandemrec.data.batches import Rated
from tandemrec.data.interactions import Interactions
from tandemrec.errors import BackboneError

Scorer = Callable[[NDArray[np.int64]], Tensor]
"Users [B] -> every item's score, a fresh float32 [B, I]."


@contextmanager
def reading(model: Any) -> Iterator[None]:
    """No gradients, no dropout; afterwards the model is in the mode it was in."""
    was = getattr(model, "training", False)
    if isinstance(model, nn.Module):
        model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        if isinstance(model, nn.Module):
            model.train(was)


def scorer(model: Any, train: Interactions) -> Scorer:
    """The scores of blocks of users; what a model computes for everybody is computed once.

    To be made and used within `reading`. Raises BackboneError if the model cannot score, or its
    scores do not have the shape [B, I].
    """
    if not callable(getattr(model, "score", None)):
        raise BackboneError(
            f"{type(model).__name__} has no method `score(users)`, which gives every item's score, "
            "[B, I]; see docs/add-a-backbone.md."
        )
    score, device = _score(model), device_of(model)

    def scores(users: NDArray[np.int64]) -> Tensor:
        found = score(_queries(model, train, users).to(device))
        if tuple(found.shape) != (len(users), train.n_items):
            raise BackboneError(
                f"{type(model).__name__}.score must give one row a user and one column an item, "
                f"[{len(users)}, {train.n_items}]. Received {list(found.shape)}."
            )
        return found.to(torch.float32, copy=True)

    return scores


def _score(model: Any) -> Callable[[Tensor], Tensor]:
    """The model's own `score`, unless it is known to be an inner product of embeddings."""
    if getattr(type(model), "score", None) is not EmbeddingBackbone.score:
        score: Callable[[Tensor], Tensor] = model.score
        return score
    users, items = model.embed()
    return lambda queries: users[queries] @ items.T


def _queries(model: Any, train: Interactions, users: NDArray[np.int64]) -> Tensor:
    if hasattr(model, "queries"):
        queries: Tensor = model.queries(train, users)
        return queries
    return torch.from_numpy(users)


def device_of(model: Any) -> torch.device:
    """Where the model's parameters are; the CPU if it has none."""
    parameters = model.parameters() if isinstance(model, nn.Module) else iter(())
    first = next(parameters, None)
    return torch.device("cpu") if first is None else first.device


def hide_met(scores: Tensor, users: NDArray[np.int64], met: Interactions) -> None:
    """Set the score of every item that these users met to -inf, in place; scores [B, I]."""
    bounds = met.bounds
    lengths = bounds[users + 1] - bounds[users]
    rows = np.repeat(np.arange(len(users)), lengths)
    within = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    columns = met.items[np.repeat(bounds[users], lengths) + within]
    places = torch.from_numpy(rows), torch.from_numpy(columns)
    scores[tuple(place.to(scores.device) for place in places)] = -torch.inf


CELLS = 2**24
"Scores that are in memory at a time: 64 MB."


def height(size: int, columns: int, arrays: int = 1) -> int:
    """How many users to score at a time: at most `size`, and no more than memory is to hold where
    so many arrays of that size come and go. Small ones malloc keeps for the next; pages that are
    new each time cost more than what is done with them."""
    return max(1, min(size, CELLS // arrays // max(columns, 1)))


def blocks(users: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    """The users in slices of at most `size`."""
    for start in range(0, len(users), size):
        yield users[start : start + size]


def predicted(model: Any, pairs: Interactions, *, batch_size: int = 8192) -> NDArray[np.float64]:
    """A rating backbone's prediction for each row, [N], within the scale of its training.

    Raises BackboneError as `predicting.predict` says.
    """
    name = type(model).__name__
    if not isinstance(model, RatingBackbone):
        raise BackboneError(
            f"{name} predicts no ratings: a rating backbone derives from RatingBackbone and has "
            "`predict(batch)`; see docs/add-a-backbone.md."
        )
    _known(name, "user", pairs.users, model.n_users)
    _known(name, "item", pairs.items, model.n_items)
    device, found = device_of(model), [torch.empty(0)]
    whole = Rated.of(pairs, model.fields)
    with reading(model):
        for start in range(0, len(pairs), batch_size):
            rows = whole.rows(slice(start, start + batch_size))
            ratings = model.predict(Rated(*(column.to(device) for column in rows)))
            if ratings.shape != rows.users.shape:
                raise BackboneError(
                    f"{name}.predict must give one rating a row, {list(rows.users.shape)}. "
                    f"Received: {list(ratings.shape)}."
                )
            found.append(ratings.cpu())
    values = torch.cat(found).double().numpy()
    if not np.isfinite(values).all():
        raise BackboneError(f"{name} predicts ratings that are not finite. Lower learning_rate.")
    return np.clip(values, *model.scale)


def _known(name: str, kind: str, numbers: NDArray[np.int64], limit: int) -> None:
    if len(numbers) and not (numbers.min() >= -1 and numbers.max() < limit):
        raise BackboneError(
            f"{name} was trained on {kind}s 0 to {limit - 1}; -1 is a new {kind}. Received numbers "
            f"from {numbers.min()} to {numbers.max()}."
        )


@dataclass(frozen=True)
class Measure:
    """What training is stopped by: its name, how it is measured, and whether less is better."""

    name: str
    of: Callable[[Any, Interactions, Interactions], float]
    "Of a model, its training interactions and those held out."
    lower: bool = False

    def better(self, value: float, best: float | None) -> bool:
        """Whether a value is better than the best so far."""
        return best is None or (value < best if self.lower else value > best)


def rmse(model: Any, train: Interactions, held_out: Interactions) -> float:
    """The root of the mean squared error of predicted ratings."""
    errors = predicted(model, held_out) - held_out.ratings
    return float(np.sqrt(np.mean(errors**2)))


def measure_of(model: Any) -> Measure:
    """What a model's task is measured by."""
    return RMSE if isinstance(model, RatingBackbone) else NDCG


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
    asked = np.unique(held_out.users)
    gains = np.zeros(train.n_users)
    with reading(model):
        read = scorer(model, train)
        for users in blocks(asked, height(batch_size, train.n_items)):
            scores = read(users)
            hide_met(scores, users, train)
            gains[users] = _gains(scores, users, held_out, k)
    ideal = np.append(0, np.cumsum(1 / np.log2(np.arange(2, k + 2))))
    return float((gains[asked] / ideal[np.minimum(held_out.counts[asked], k)]).mean())


def _gains(
    scores: Tensor, users: NDArray[np.int64], held_out: Interactions, k: int
) -> NDArray[np.float64]:
    """The discounted gain of each user of a block, [B], from his held-out items."""
    rows = held_rows(users, held_out)
    owners = np.searchsorted(users, held_out.users[rows])
    place = _places(scores, owners, held_out.items[rows], k).cpu().numpy()  # 1 is the top
    gain = np.where(place <= k, 1 / np.log2(place + 1), 0)
    return np.bincount(owners, gain, minlength=len(users)).astype(np.float64)


def held_rows(users: NDArray[np.int64], held_out: Interactions) -> slice:
    """Where the held-out items of a block of users lie; the block holds every user with such an
    item from its first to its last."""
    return slice(held_out.bounds[users[0]], held_out.bounds[users[-1] + 1])


def _places(scores: Tensor, owners: NDArray[np.int64], items: NDArray[np.int64], k: int) -> Tensor:
    """Of a block's scores [B, I] and its held-out items, each with the place of its user in the
    block: how many of that user's items score at least as high, [N]; k + 1 for k + 1 and more where
    users hold out several, of whom the best scores alone are looked at."""
    rows, columns = (torch.from_numpy(part).to(scores.device) for part in (owners, items))
    target = scores[rows, columns][:, None]
    if len(rows) > len(scores):
        scores = scores.topk(min(k + 1, scores.shape[1])).values[rows]  # [N, k + 1]
    return (scores >= target).sum(1, dtype=torch.int32)


NDCG = Measure("NDCG@10", ndcg)
RMSE = Measure("RMSE", rmse, lower=True)
