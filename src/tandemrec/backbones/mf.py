"""MF: matrix factorisation with the BPR loss. Rendle et al., "BPR: Bayesian Personalized Ranking
from Implicit Feedback", UAI 2009, https://arxiv.org/abs/1205.2618.

A user likes an item by the inner product of their embeddings, and each met item should score above
an unmet one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn

from tandemrec.backbones.base import BackboneConfig, EmbeddingBackbone
from tandemrec.backbones.losses import bpr, half_squares, margins
from tandemrec.data.batches import Triples
from tandemrec.data.interactions import Interactions


class MFConfig(BackboneConfig):
    """The paper gives no single setting; width and spread are those LightGCN's paper compares MF
    with."""

    width: PositiveInt = 64
    """Size of an embedding."""
    decay: NonNegativeFloat = 1e-2
    """Weight of the L2 penalty on the embeddings of a batch; chosen on validation of ML-100K."""
    spread: PositiveFloat = 0.1
    """Standard deviation of the first embeddings."""


class MF(EmbeddingBackbone):
    """MF (BPR): Rendle et al., UAI 2009. Inner products, met items above unmet ones."""

    Config: ClassVar[type[BackboneConfig]] = MFConfig
    published: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-3, "batch_size": 1024}
    quick: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-2, "batch_size": 8192}
    by_rows: ClassVar[bool] = True
    "The loss of a batch is the mean of its rows' losses, so that processes can share it."

    def __init__(self, config: MFConfig, train: Interactions) -> None:
        super().__init__(config, train)
        self.decay = config.decay
        self.users = nn.Embedding(train.n_users, config.width)
        self.items = nn.Embedding(train.n_items, config.width)
        for table in (self.users, self.items):
            nn.init.normal_(table.weight, std=config.spread)

    def embed(self) -> tuple[Tensor, Tensor]:
        return self.users.weight, self.items.weight

    def loss(self, batch: Triples) -> Tensor:
        """BPR's mean over the batch, and `decay` times half the squared norms per triple."""
        users, items = self.embed()
        loss = bpr(margins(users, items, batch))
        if not self.decay:
            return loss
        size, pair = len(batch.users), torch.cat([batch.liked, batch.other])
        norms = half_squares(users, batch.users, size) + half_squares(items, pair, size)
        return loss + self.decay * norms
