"""SGL: Wu et al., "Self-supervised Graph Learning for Recommendation", SIGIR 2021,
https://arxiv.org/abs/2010.10783.

LightGCN with a second task: each epoch draws two thinned graphs, and a node's embeddings in both
should be more alike than those of different nodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat
from torch import Tensor
from torch.nn.functional import normalize

from tandemrec.backbones.base import BackboneConfig
from tandemrec.backbones.graphs import normalised, steps, without_edges, without_nodes
from tandemrec.backbones.lightgcn import LightGCN, LightGCNConfig
from tandemrec.backbones.losses import softmax
from tandemrec.data import batches
from tandemrec.data.batches import Columns, Triples
from tandemrec.data.interactions import Interactions


class SGLConfig(LightGCNConfig):
    """The authors' settings for Yelp2018; what LightGCN has is as there."""

    view: Literal["edges", "nodes", "walk"] = "edges"
    """What is left out of a view: edges (ED), nodes (ND), or other edges at each layer (RW)."""
    drop: float = Field(default=0.1, ge=0, lt=1)
    """Which share is left out: rho."""
    weight: NonNegativeFloat = 0.1
    """Weight of the second task: lambda_1."""
    temperature: PositiveFloat = 0.2
    """Divides the cosines: tau. The smaller, the more the hardest others count."""


class View(tuple[Tensor, ...]):
    """A thinned graph for each layer."""

    def to(self, device: torch.device) -> View:
        """On that device."""
        return View(graph.to(device) for graph in self)


class Viewed(NamedTuple):
    """Triples, and the two views of their epoch."""

    users: Tensor  # [B]
    liked: Tensor  # [B]
    other: Tensor  # [B]
    one: View
    two: View


class SGL(LightGCN):
    """SGL: Wu et al., SIGIR 2021. LightGCN that also tells nodes apart in two thinned graphs."""

    Config: ClassVar[type[BackboneConfig]] = SGLConfig
    published: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-3, "batch_size": 2048}
    quick: ClassVar[Mapping[str, Any]] = {"learning_rate": 5e-3, "batch_size": 8192}
    quick_config: ClassVar[Mapping[str, Any]] = {"weight": 0.01}

    def __init__(self, config: SGLConfig, train: Interactions) -> None:
        super().__init__(config, train)
        self.sgl = config

    def batches(  # type: ignore[override]
        self,
        train: Interactions,
        size: int,
        rng: np.random.Generator,
        extra: Columns | None = None,
    ) -> Iterator[Viewed]:
        """Triples as for LightGCN, with two views that are drawn anew each epoch."""
        views = self._view(train, rng), self._view(train, rng)
        for triples in batches.triples(train, size, rng, extra):
            yield Viewed(*triples, *views)

    def _view(self, train: Interactions, rng: np.random.Generator) -> View:
        """Section 3.1: equations 4 (nodes), 5 (edges) and 6 (walk)."""
        thin = without_nodes if self.sgl.view == "nodes" else without_edges
        draws = self.layers if self.sgl.view == "walk" else 1
        weight = self.nodes.weight
        graphs = [normalised(thin(train.matrix, self.sgl.drop, rng)) for _ in range(draws)]
        graphs = [graph.to(weight.device, weight.dtype) for graph in graphs]
        return View(graphs if draws == self.layers else graphs * self.layers)

    def loss(self, batch: Viewed) -> Tensor:  # type: ignore[override]
        """Equation 11: LightGCN's loss, and the second task's of the batch's users and items."""
        loss = super().loss(Triples(batch.users, batch.liked, batch.other))
        if not self.sgl.weight:
            return loss
        return loss + self.sgl.weight * self.contrast(batch)

    def contrast(self, batch: Viewed) -> Tensor:
        """Equation 10: -log of how a node's cosine to itself in the other view stands out among
        those to all nodes of its kind; the mean over the batch's users plus that over its items."""
        one, two = (
            steps(view, self.nodes.weight).mean(0).split(self.sizes)
            for view in (batch.one, batch.two)
        )
        kinds = zip(one, two, (batch.users, batch.liked), strict=True)
        return torch.stack([self._nce(*kind) for kind in kinds]).sum()

    def _nce(self, one: Tensor, two: Tensor, rows: Tensor) -> Tensor:
        """InfoNCE of some rows of [N, D], each as often as it is named."""
        times = torch.bincount(rows, minlength=len(one))
        named = times.nonzero()[:, 0]
        said = normalize(one[named], dim=1) / self.sgl.temperature
        return softmax(said, normalize(two, dim=1), named, weight=times.to(said.dtype))
