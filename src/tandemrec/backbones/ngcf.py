"""NGCF: Wang, He, Wang, Feng and Chua, "Neural Graph Collaborative Filtering", SIGIR 2019,
https://arxiv.org/abs/1905.08108.

Users and items are nodes of one graph; at each layer a node hears its neighbours, and more of what
it has in common with them. All layers side by side are its embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field, NonNegativeFloat, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, normalize

from tandemrec.backbones.base import BackboneConfig, EmbeddingBackbone
from tandemrec.backbones.graphs import normalised, one_step
from tandemrec.backbones.losses import bpr, margins, squares_of_nodes
from tandemrec.backbones.transformers import Dropout
from tandemrec.data.batches import Triples
from tandemrec.data.interactions import Interactions

SLOPE = 0.2
"Of the LeakyReLU below 0, as in the authors' code; the paper gives none."


class NGCFConfig(BackboneConfig):
    """The paper's settings (sections 4.2.3 and 4.4), the penalty as in the authors' code."""

    width: PositiveInt = 64
    """Size of an embedding, and of what each layer adds to it."""
    layers: PositiveInt = 3
    """How many steps a node's signal travels."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Which share of the numbers that a layer sends on is left out in training: message dropout."""
    node_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Which share of the nodes is not heard by the others at a layer in training."""
    decay: NonNegativeFloat = 1e-5
    """Weight of the L2 penalty on the first embeddings of a batch and on the layers' weights."""
    unit: bool = True
    """Whether each layer's part of an embedding has length 1: not in the paper, but in the authors'
    code."""


class NGCF(EmbeddingBackbone):
    """NGCF: Wang et al., SIGIR 2019. Layers of a graph that mix by learnt weights, side by side."""

    Config: ClassVar[type[BackboneConfig]] = NGCFConfig
    published: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-4, "batch_size": 1024}
    quick: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-2, "batch_size": 8192}
    quick_config: ClassVar[Mapping[str, Any]] = {"unit": False}

    def __init__(self, config: NGCFConfig, train: Interactions) -> None:
        super().__init__(config, train)
        self.decay, self.unit = config.decay, config.unit
        self.sizes = [train.n_users, train.n_items]
        self.nodes = nn.Embedding(sum(self.sizes), config.width)
        shape = config.layers, config.width, config.width
        self.heard, self.common = (nn.Parameter(torch.empty(shape)) for _ in range(2))
        for table in (*self.nodes.weight.split(self.sizes), *self.heard, *self.common):
            nn.init.xavier_uniform_(table)
        self.dropout, self.deaf = Dropout(config.dropout), Dropout(config.node_dropout)
        self.graph: Tensor
        self.register_buffer("graph", normalised(train.matrix), persistent=False)

    def embed(self) -> tuple[Tensor, Tensor]:
        """Every layer's embeddings side by side (equation 9), [U, (L + 1) D] and [I, (L + 1) D]."""
        found = [self.nodes.weight]
        signal = self.nodes.weight
        for heard, common in zip(self.heard, self.common, strict=True):
            signal = self.dropout(self._layer(signal, heard, common))
            found.append(normalize(signal, dim=1) if self.unit else signal)
        users, items = torch.cat(found, dim=1).split(self.sizes)
        return users, items

    def _layer(self, signal: Tensor, heard: Tensor, common: Tensor) -> Tensor:
        """Equation 7: with what arrives, L E, it is LeakyReLU((L E + E) W_1 + (L E * E) W_2)."""
        sent = signal * self.deaf(torch.ones_like(signal[:, :1]))  # a node is sent whole or not
        arrived = one_step(self.graph, sent)  # [N, D]
        return leaky_relu((arrived + signal) @ heard + (arrived * signal) @ common, SLOPE)

    def loss(self, batch: Triples) -> Tensor:
        """BPR's mean over the batch (equation 11), with the penalty on the first embeddings that
        it names, per triple, and on all W_1 and W_2."""
        loss = bpr(margins(*self.embed(), batch))
        if not self.decay:
            return loss
        weights = (self.heard.square().sum() + self.common.square().sum()) / 2
        squares = squares_of_nodes(self.nodes.weight, batch, self.sizes[0])
        return loss + self.decay * (squares + weights)
