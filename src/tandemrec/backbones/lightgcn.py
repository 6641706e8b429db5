"""LightGCN: He et al., "LightGCN: Simplifying and Powering Graph Convolution Network for
Recommendation", SIGIR 2020, https://arxiv.org/abs/2002.02126.

Users and items are nodes of one graph; a node's embedding is the mean of what reaches it in
0, 1, ..., `layers` steps. There are no weights but the embeddings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor, nn

from tandemrec.backbones.base import BackboneConfig, EmbeddingBackbone
from tandemrec.backbones.graphs import Graph, mean_over_steps, travelled
from tandemrec.backbones.losses import bpr, margins, squares_of_nodes
from tandemrec.data.batches import Triples
from tandemrec.data.interactions import Interactions


class LightGCNConfig(BackboneConfig):
    """The paper's settings (section 4.1.2); the first embeddings as in the authors' code."""

    width: PositiveInt = 64
    """Size of an embedding."""
    layers: NonNegativeInt = 3
    """How many steps a node's signal travels; 0 is MF."""
    decay: NonNegativeFloat = 1e-4
    """Weight of the L2 penalty on the first-layer embeddings of a batch."""
    spread: PositiveFloat = 0.1
    """Standard deviation of the first embeddings; the authors' code draws them so, while the
    paper says Xavier."""


class LightGCN(EmbeddingBackbone):
    """LightGCN: He et al., SIGIR 2020. Embeddings averaged over the steps of a graph."""

    Config: ClassVar[type[BackboneConfig]] = LightGCNConfig
    published: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-3, "batch_size": 1024}
    quick: ClassVar[Mapping[str, Any]] = {
        "learning_rate": 5e-3,
        "batch_size": 8192,
        "patience": 15,
    }
    by_rows: ClassVar[bool] = True
    "The loss of a batch is the mean of its rows' losses, so that processes can share it."

    def __init__(self, config: LightGCNConfig, train: Interactions) -> None:
        super().__init__(config, train)
        self.layers, self.decay = config.layers, config.decay
        self.sizes = [train.n_users, train.n_items]
        self.nodes = nn.Embedding(sum(self.sizes), config.width)
        nn.init.normal_(self.nodes.weight, std=config.spread)
        self.graph: Graph
        graph = travelled(train.matrix)
        if isinstance(graph, Tensor):
            self.register_buffer("graph", graph, persistent=False)
        else:
            self.graph = graph

    def embed(self) -> tuple[Tensor, Tensor]:
        final = mean_over_steps(self.graph, self.nodes.weight, self.layers)
        users, items = torch.split(final, self.sizes)
        return users, items

    def loss(self, batch: Triples) -> Tensor:
        """BPR's mean over the batch (equation 15), the penalty on layer 0 alone."""
        loss = bpr(margins(*self.embed(), batch))
        if not self.decay:
            return loss
        return loss + self.decay * squares_of_nodes(self.nodes.weight, batch, self.sizes[0])
