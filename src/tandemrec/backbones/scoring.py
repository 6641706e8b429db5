"""How a backbone's scores are read: in blocks of users, without gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tandemrec.backbones.adapters import ImplicitModel, ScoreMatrix
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

    To be made and used within `reading`. Raises BackboneError if the model cannot score, its scores
    do not have the shape [B, I], or one is not a number.
    """
    if not callable(getattr(model, "score", None)):
        raise BackboneError(
            f"{type(model).__name__} has no method `score(users)`, which gives every item's score, "
            "[B, I]; see docs/add-a-backbone.md."
        )
    if isinstance(model, ScoreMatrix | ImplicitModel) and model.n_users != train.n_users:
        raise BackboneError(
            f"This {type(model).__name__} scores {model.n_users} users, and the data have "
            f"{train.n_users}: its rows must be the users in the data's order."
        )
    score, device = _score(model), device_of(model)

    def scores(users: NDArray[np.int64]) -> Tensor:
        found = score(_queries(model, train, users).to(device))
        if tuple(found.shape) != (len(users), train.n_items):
            raise BackboneError(
                f"{type(model).__name__}.score must give one row a user and one column an item, "
                f"[{len(users)}, {train.n_items}]. Received {list(found.shape)}."
            )
        found = found.to(torch.float32, copy=True)
        _refuse_nan(model, found)
        return found

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


def _refuse_nan(model: Any, scores: Tensor) -> None:
    """Nothing is above such a score, nor below. The sum is looked at first, which takes a tenth of
    the time."""
    if torch.isnan(scores.sum()) and torch.isnan(scores).any():
        raise BackboneError(f"{type(model).__name__}.score gave values that are not numbers (nan).")


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


def held_rows(users: NDArray[np.int64], held_out: Interactions) -> slice:
    """Where the held-out items of a block of users lie; the block holds every user with such an
    item from its first to its last."""
    return slice(held_out.bounds[users[0]], held_out.bounds[users[-1] + 1])


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
