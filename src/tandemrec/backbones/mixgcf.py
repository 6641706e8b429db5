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
from tandemrec.backbones.losses import bpr
from tandemrec.data import batches
from tandemrec.data.batches import Columns
from tandemrec.data.interactions import Interactions

BLOCK = 256
"Rows whose candidates are looked at together: their embeddings stay in the cache."


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
        user, liked = users[:, batch.users], items[:, batch.liked]  # [L + 1, B, D]
        other = items.gather(1, _rows(hardest(users.mean(0), items, batch), items))
        share = batch.share.T[:, :, None]
        negative = share * liked + (1 - share) * other
        margin = (user.mean(0) * (liked.mean(0) - negative.mean(0))).sum(1)  # [B]
        first = torch.stack([user[0], liked[0], negative[0]])
        return bpr(margin) + self.decay * first.square().sum() / 2 / len(margin)


@torch.no_grad()
def hardest(users: Tensor, items: Tensor, batch: Mixed) -> Tensor:
    """The candidate whose embedding at each step has the largest inner product with the user's
    final one, [L + 1, B]; users [U, D], items [L + 1, I, D].

    The paper's hop mixing; with a mean over the steps, its query is the final embedding. What is
    mixed in is the same for all candidates of a step, so it does not decide.
    """
    found = torch.empty(len(items), len(batch.users), dtype=torch.long, device=items.device)
    for start in range(0, len(batch.users), BLOCK):
        rows = slice(start, start + BLOCK)
        given, user = batch.candidates[rows], users[batch.users[rows]]  # [b, M], [b, D]
        for step, item in enumerate(items):
            scores = torch.bmm(item[given], user[:, :, None])[:, :, 0]  # [b, M]
            found[step, rows] = given.gather(1, scores.argmax(1, keepdim=True))[:, 0]
    return found


def _rows(places: Tensor, table: Tensor) -> Tensor:
    """Rows [L, B] as an index of every column, [L, B, D]."""
    return places[:, :, None].expand(-1, -1, table.shape[-1])
