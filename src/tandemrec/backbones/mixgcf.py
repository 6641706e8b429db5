"""MixGCF: Huang et al., "MixGCF: An Improved Training Method for Graph Neural Network-based
Recommender Systems", KDD 2021, https://doi.org/10.1145/3447548.3467408.

LightGCN against negatives that do not exist: at each step of the graph, the candidate that the
user would like most gives its embedding, some of the liked item's is mixed in, and the mean over
the steps is the negative.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from pydantic import PositiveInt
from torch import Tensor

from tandemrec.backbones.base import BackboneConfig
from tandemrec.backbones.graphs import steps
from tandemrec.backbones.lightgcn import LightGCN, LightGCNConfig
from tandemrec.backbones.losses import bpr, gathered, half_squares
from tandemrec.data import batches
from tandemrec.data.batches import Columns
from tandemrec.data.interactions import Interactions

BLOCK = 256
"Rows whose candidates are looked at together: their embeddings stay in the cache."
DENSE = 16
"Everybody's scores of everything are one product, and cheaper than up to so many times fewer."


class MixGCFConfig(LightGCNConfig):
    """The authors' settings; what LightGCN has is as there."""

    candidates: PositiveInt = 64
    """How many unmet items a negative is mixed from: M."""


class Mixed(NamedTuple):
    """What each user liked, the candidates for its negative, and how much is mixed in."""

    users: Tensor  # [B]
    liked: Tensor  # [B]
    candidates: Tensor  # [B, M]
    share: Tensor  # [B, L + 1], the liked item's at each step, 0 to 1


class MixGCF(LightGCN):
    """MixGCF: Huang et al., KDD 2021. LightGCN with negatives mixed from 64 candidates."""

    Config: ClassVar[type[BackboneConfig]] = MixGCFConfig
    published: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-3, "batch_size": 2048}
    quick: ClassVar[Mapping[str, Any]] = {"learning_rate": 5e-3, "batch_size": 8192}
    quick_config: ClassVar[Mapping[str, Any]] = {"candidates": 16}

    def __init__(self, config: MixGCFConfig, train: Interactions) -> None:
        super().__init__(config, train)
        self.candidates = config.candidates

    def batches(  # type: ignore[override]
        self,
        train: Interactions,
        size: int,
        rng: np.random.Generator,
        extra: Columns | None = None,
    ) -> Iterator[Mixed]:
        """Every interaction once, with fresh candidates. A stated preference has its own item as
        the only candidate, in which the preferred one is mixed as well."""
        for crowd in batches.crowds(train, size, rng, self.candidates, extra):
            share = torch.from_numpy(rng.random((len(crowd.users), self.layers + 1)))
            yield Mixed(*crowd, share.to(self.nodes.weight.dtype))

    def loss(self, batch: Mixed) -> Tensor:  # type: ignore[override]
        """BPR against the mixed negatives, the penalty on what goes in at step 0 (section 3)."""
        reached = steps([self.graph] * self.layers, self.nodes.weight)  # [L + 1, U + I, D]
        users, items = reached.split(self.sizes, dim=1)
        final, first, size = users.mean(0), items[0], len(batch.users)
        other, kept = hardest(final, items, batch), 1 - batch.share  # [L + 1, B], [B, L + 1]
        user = gathered(final, batch.users[:, None], torch.ones_like(kept[:, :1]))
        margin = (user * self._against(items, batch.liked, other, kept)).sum(1)  # [B]
        pair = torch.stack([batch.liked, other[0]], dim=1)
        negative = gathered(first, pair, torch.stack([batch.share[:, 0], kept[:, 0]], dim=1))
        squares = half_squares(users[0], batch.users, size) + half_squares(first, batch.liked, size)
        return bpr(margin) + self.decay * (squares + negative.square().sum() / 2 / size)

    def _against(self, items: Tensor, liked: Tensor, other: Tensor, kept: Tensor) -> Tensor:
        """The liked items less the mixed negatives, each the mean over the steps, [B, D]: at each
        step what is not mixed in of the liked item stands against as much of the other."""
        of_step = torch.arange(len(items), device=liked.device) * items.shape[1]
        rows = torch.cat([liked[:, None] + of_step, other.T + of_step], dim=1)  # [B, 2 (L + 1)]
        weights = torch.cat([kept, -kept], dim=1) / len(items)
        return gathered(items.reshape(-1, items.shape[-1]), rows, weights)


@torch.no_grad()
def hardest(users: Tensor, items: Tensor, batch: Mixed) -> Tensor:
    """The candidate whose embedding at each step has the largest inner product with the user's
    final one, [L + 1, B]; users [U, D], items [L + 1, I, D].

    The paper's hop mixing; with a mean over the steps, its query is the final embedding. What is
    mixed in is the same for all candidates of a step, so it does not decide.
    """
    found = torch.empty(len(items), len(batch.users), dtype=torch.long, device=items.device)
    for step, item in enumerate(items):
        for rows, scores in _scored(users, item, batch):
            best = scores.argmax(1, keepdim=True)
            found[step, rows] = batch.candidates[rows].gather(1, best)[:, 0]
    return found


def _scored(users: Tensor, items: Tensor, batch: Mixed) -> Iterator[tuple[slice, Tensor]]:
    """Every row's scores of its candidates, [b, M] by [b, M]."""
    if len(users) * len(items) <= DENSE * batch.candidates.numel():
        every = (users @ items.T).flatten()
        yield slice(None), every[batch.users[:, None] * len(items) + batch.candidates]
        return
    for start in range(0, len(batch.users), BLOCK):
        rows = slice(start, start + BLOCK)
        given, user = items[batch.candidates[rows]], users[batch.users[rows]]
        yield rows, torch.bmm(given, user[:, :, None])[:, :, 0]
