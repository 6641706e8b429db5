"""Recommenders from elsewhere as backbones: a matrix of scores, a fitted model of `implicit`.

They score already, so `rank` and `similar_users` take them as they are; `fit` has nothing to train.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from torch import Tensor

from tandemrec.errors import BackboneError


class ScoreMatrix:
    """Every user's score of every item, [U, I], dense or scipy-sparse; higher is better.

    A place that a sparse matrix does not store has the score `missing`: 0, or -inf for "never
    recommend". Similar users (Llama4Rec, equation 3) are those whose rows of the matrix have the
    highest cosine, or, where `embeddings` [U, D] are given, whose embeddings have.
    """

    def __init__(
        self,
        scores: ArrayLike | sparse.sparray | sparse.spmatrix,
        *,
        embeddings: ArrayLike | None = None,
        missing: float = 0.0,
    ) -> None:
        self.sparse = bool(sparse.issparse(scores))
        self.scores: Any = _rows(scores) if self.sparse else _table("scores", scores)
        self.missing = missing
        self.embeddings = None if embeddings is None else _table("embeddings", embeddings)
        if self.embeddings is not None and len(self.embeddings) != self.scores.shape[0]:
            raise BackboneError(
                f"There must be one embedding for each of the {self.scores.shape[0]} users. "
                f"Received {len(self.embeddings)}."
            )

    @property
    def n_users(self) -> int:
        """How many users have a row."""
        return int(self.scores.shape[0])

    def score(self, queries: Tensor) -> Tensor:
        """The rows of these users, [B, I]."""
        rows = self.scores[queries.numpy()]
        return torch.from_numpy(self._filled(rows) if self.sparse else rows)

    def _filled(self, rows: Any) -> NDArray[np.float32]:
        dense = np.full(rows.shape, self.missing, np.float32)
        stored = rows.tocoo()
        dense[stored.row, stored.col] = stored.data
        return dense

    def user_embeddings(self) -> Tensor:
        """What similar users are found by, [U, D], or the rows of scores [U, I].

        Where a score is -inf, or is missing from a sparse matrix, the row counts as 0 there.
        """
        if self.embeddings is not None:
            return torch.from_numpy(self.embeddings)
        dense = self.scores.toarray() if self.sparse else self.scores
        return torch.from_numpy(np.where(np.isfinite(dense), dense, np.float32(0)))

    @cached_property
    def fingerprint(self) -> str:
        parts = [self.scores]
        if self.sparse:
            parts = [self.scores.indptr, self.scores.indices, self.scores.data]
        parts += [] if self.embeddings is None else [self.embeddings]
        return _hashed(f"{self.scores.shape},{self.missing}", parts)


class ImplicitModel:
    """A fitted factor model of `implicit` (ALS, BPR, LMF), or anything with `user_factors` [U, D]
    and `item_factors` [I, D].

    A score is the inner product of the two; the models with biases keep them as a factor. It must
    have been fitted on the training part alone: `model.fit(split.train.matrix.tocsr())`.
    """

    def __init__(self, model: Any) -> None:
        if not (hasattr(model, "user_factors") and hasattr(model, "item_factors")):
            raise BackboneError(
                f"{type(model).__name__} has no user_factors and item_factors. If it is an "
                "item-to-item model, give its scores: "
                "ScoreMatrix(train.matrix @ model.similarity)."
            )
        if model.user_factors is None or model.item_factors is None:
            raise BackboneError(f"This {type(model).__name__} is not fitted; call its fit first.")
        self.users = _table("user_factors", model.user_factors)
        self.items = _table("item_factors", model.item_factors)

    @property
    def n_users(self) -> int:
        """How many users have factors."""
        return len(self.users)

    def embed(self) -> tuple[Tensor, Tensor]:
        """The users' and the items' factors, [U, D] and [I, D]."""
        return torch.from_numpy(self.users), torch.from_numpy(self.items)

    def score(self, queries: Tensor) -> Tensor:
        """Every item's score, [B, I]."""
        users, items = self.embed()
        return users[queries] @ items.T

    def user_embeddings(self) -> Tensor:
        """The users' factors, [U, D]."""
        return self.embed()[0]

    @cached_property
    def fingerprint(self) -> str:
        return _hashed("implicit", [self.users, self.items])


def _rows(scores: Any) -> Any:
    """A float32 CSR array in which each place is stored once, [U, I]."""
    rows = scores.tocsr().astype(np.float32)
    rows.sum_duplicates()
    return rows


def _table(name: str, values: Any) -> NDArray[np.float32]:
    """A [rows, columns] array; a GPU's matrix of implicit comes over by its own `to_numpy`."""
    values = values.to_numpy() if hasattr(values, "to_numpy") else values
    table = np.ascontiguousarray(values, dtype=np.float32)
    if table.ndim != 2:
        raise BackboneError(f"{name} must have two dimensions. Received shape {table.shape}.")
    return table


def _hashed(head: str, parts: list[Any]) -> str:
    digest = hashlib.sha256(head.encode())
    for part in parts:
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()
