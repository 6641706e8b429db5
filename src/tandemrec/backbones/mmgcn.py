"""MMGCN: Wei et al., "MMGCN: Multi-modal Graph Convolution Network for Personalized Recommendation
of Micro-video", ACM Multimedia 2019, https://doi.org/10.1145/3343031.3351034.

The content of each modality travels on the user-item graph by itself, and at every layer meets the
node's own embedding, which all modalities share. A node's embedding is their mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, normalize

from tandemrec.backbones.base import BackboneConfig, ContentBackbone
from tandemrec.backbones.graphs import both_ways, degrees, one_step
from tandemrec.backbones.losses import bpr, half_squares, margins, squares_of_nodes
from tandemrec.data.batches import Triples
from tandemrec.data.content import Content
from tandemrec.data.interactions import Interactions

Hears = Callable[[Tensor], Tensor]
"What all nodes send [N, D] -> what each hears [N, D]."


class MMGCNConfig(BackboneConfig):
    """The settings of the authors' repository for MovieLens."""

    width: PositiveInt = 64
    """Size of an embedding; each modality is projected to it first, as wide ones are in the
    authors' code."""
    layers: PositiveInt = 2
    """How many steps a signal travels."""
    combine: Literal["sum", "concat"] = "sum"
    """How a node's own part and what it hears become one: added up (equation 7), or side by side
    (equation 6)."""
    decay: NonNegativeFloat = 1e-6
    """Weight of the L2 penalty on the nodes' embeddings and the users' preferences of a batch, per
    triple; the authors' 1e-4 is of the mean square of a number."""


class MMGCN(ContentBackbone):
    """MMGCN: Wei et al., ACM Multimedia 2019. Each modality on a graph of its own, then the mean.

    The paper adds the modalities up; the authors' code divides by their number, as here.
    """

    Config: ClassVar[type[BackboneConfig]] = MMGCNConfig
    published: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-4, "batch_size": 1024}
    quick: ClassVar[Mapping[str, Any]] = {"learning_rate": 5e-3, "batch_size": 8192}

    def __init__(self, config: MMGCNConfig, train: Interactions, content: Content) -> None:
        super().__init__(config, train, content)
        self.decay, self.sizes = config.decay, [train.n_users, train.n_items]
        self.nodes = nn.Embedding(sum(self.sizes), config.width)
        nn.init.xavier_normal_(self.nodes.weight)
        widths = content.widths.values()
        self.sides = nn.ModuleList(Side(config, width) for width in widths)
        self.preferences = nn.Parameter(torch.empty(len(widths), train.n_users, config.width))
        for table in self.preferences:
            nn.init.xavier_normal_(table)
        self.graph: Tensor
        self.degrees: Tensor
        self.register_buffer("graph", both_ways(train.matrix), persistent=False)
        self.register_buffer("degrees", torch.cat(degrees(train.matrix)), persistent=False)

    def embed(self) -> tuple[Tensor, Tensor]:
        pairs = zip(self.sides, self.preferences, self.modalities, strict=True)
        found = [side(*pair, self.nodes.weight, self.heard) for side, *pair in pairs]
        users, items = torch.stack(found).mean(0).split(self.sizes)
        return users, items

    def heard(self, signal: Tensor) -> Tensor:
        """The mean over each node's neighbours, [N, D]; 0 where there are none."""
        return one_step(self.graph, signal) / self.degrees

    def loss(self, batch: Triples) -> Tensor:
        """BPR's mean over the batch (equation 9), and the penalty."""
        loss = bpr(margins(*self.embed(), batch))
        if not self.decay:
            return loss
        size = len(batch.users)
        norms = squares_of_nodes(self.nodes.weight, batch, self.sizes[0])
        for table in self.preferences:
            norms = norms + half_squares(table, batch.users, size)
        return loss + self.decay * norms


class Side(nn.Module):
    """One modality: how its content is projected, and its layers."""

    def __init__(self, config: MMGCNConfig, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(width, config.width)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))

    def forward(self, preferences: Tensor, table: Tensor, nodes: Tensor, heard: Hears) -> Tensor:
        """The users' preferences [U, D], the items' content [I, W] and the nodes' embeddings
        [N, D] -> what the nodes are in this modality, [N, D]."""
        signal = normalize(torch.cat([preferences, self.project(table)]), dim=1)
        for layer in self.layers:
            signal = layer(signal, nodes, heard)
        return signal


class Layer(nn.Module):
    """One step: aggregation, and combination with the node's own embedding."""

    def __init__(self, config: MMGCNConfig) -> None:
        super().__init__()
        width, self.concat = config.width, config.combine == "concat"
        self.told = nn.Linear(width, width, bias=False)  # W_1
        self.own = nn.Linear(width, width)  # W_2
        self.joined = nn.Linear(2 * width if self.concat else width, width)  # W_3
        for linear in (self.told, self.own, self.joined):
            nn.init.xavier_normal_(linear.weight)

    def forward(self, signal: Tensor, nodes: Tensor, heard: Hears) -> Tensor:
        """With h = LeakyReLU(mean of W_1 x) (equation 2) and x' = LeakyReLU(W_2 x) + id (equation
        5): LeakyReLU(W_3 h + x') or LeakyReLU(W_3 [h, x']), [N, D]."""
        around = leaky_relu(heard(self.told(signal)))
        own = leaky_relu(self.own(signal)) + nodes
        if self.concat:
            return leaky_relu(self.joined(torch.cat([around, own], dim=1)))
        return leaky_relu(self.joined(around) + own)
