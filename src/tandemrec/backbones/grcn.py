"""GRCN: Wei et al., "Graph-Refined Convolutional Network for Multimedia Recommendation with
Implicit Feedback", ACM Multimedia 2020, https://arxiv.org/abs/2111.02036.

What a user met by accident should not speak for him: in each modality he has a prototype of what he
likes, and an item that is far from it sends little along its edge.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, normalize

from tandemrec.backbones.base import BackboneConfig, ContentBackbone
from tandemrec.backbones.edges import Edges
from tandemrec.backbones.losses import bpr, half_squares, margins
from tandemrec.data.batches import Triples
from tandemrec.data.content import Content
from tandemrec.data.interactions import Interactions


class GRCNConfig(BackboneConfig):
    """The settings of the authors' repository for MovieLens."""

    width: PositiveInt = 64
    """Size of an embedding, and of what each modality is projected to."""
    layers: PositiveInt = 2
    """How many steps a signal travels on the refined graph."""
    routings: PositiveInt = 3
    """How often a prototype moves towards those items of its user that are near it."""
    hard: bool = False
    """Whether an edge of negative confidence is cut (ReLU); else it is only weighed, as in the
    authors' runs."""
    decay: NonNegativeFloat = 1e-6
    """Weight of the L2 penalty on the nodes' embeddings and the users' first prototypes of a batch,
    per triple; the authors' 1e-4 is of the mean square of a number."""


class GRCN(ContentBackbone):
    """GRCN: Wei et al., ACM Multimedia 2020. Edges weighed by content, then graph convolution."""

    Config: ClassVar[type[BackboneConfig]] = GRCNConfig
    published: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-4, "batch_size": 1024}
    quick: ClassVar[Mapping[str, Any]] = {"learning_rate": 5e-3, "batch_size": 8192}

    def __init__(self, config: GRCNConfig, train: Interactions, content: Content) -> None:
        super().__init__(config, train, content)
        self.grcn, self.edges = config, Edges(train.matrix)
        widths = content.widths.values()
        self.users = nn.Embedding(train.n_users, config.width)
        self.items = nn.Embedding(train.n_items, config.width)
        self.projections = nn.ModuleList(nn.Linear(width, config.width) for width in widths)
        shape = len(widths), train.n_users, config.width
        self.first = nn.Parameter(torch.empty(shape))
        "The prototypes before they move, [M, U, D]."
        self.user_trust = nn.Parameter(torch.empty(len(widths), train.n_users))
        self.item_trust = nn.Parameter(torch.empty(len(widths), train.n_items))
        trust = self.user_trust, self.item_trust
        for table in (self.users.weight, self.items.weight, *self.first, *trust):
            nn.init.xavier_normal_(table)

    def embed(self) -> tuple[Tensor, Tensor]:
        """What travelled on the refined graph beside what each modality says, (1 + M) D wide."""
        found = [self.prototypes(number) for number in range(len(self.first))]
        near = [self.edges.products(*pair) for pair in found]
        by_user, by_item = map(self.edges.among_user, near), map(self.edges.among_item, near)
        to_users = self._weight(by_user, self.user_trust, self.edges.users)
        to_items = self._weight(by_item, self.item_trust, self.edges.items)
        users, items = zip(self._travelled(to_users, to_items), *found, strict=True)
        return torch.cat(users, dim=1), torch.cat(items, dim=1)

    def prototypes(self, modality: int) -> tuple[Tensor, Tensor]:
        """The users' prototypes and the items' content, all of length 1, [U, D] and [I, D].

        Neighbour routing: p + sum over the user's items of softmax(p x) x, again and again.
        """
        items = leaky_relu(self.projections[modality](self.modalities[modality]))
        items = normalize(items, dim=1)
        users = normalize(self.first[modality], dim=1)
        for _ in range(self.grcn.routings):
            near = self.edges.among_user(self.edges.products(users, items))
            users = normalize(users + self.edges.to_users(near, items), dim=1)
        return users, items

    def _weight(self, shares: Iterable[Tensor], trust: Tensor, ends: Tensor) -> Tensor:
        """What an edge tells the node at its end: the largest over modalities of its share, M times
        [E], times the node's trust in the modality [M, N] -> [E]."""
        pairs = zip(shares, trust, strict=True)
        weight = torch.stack([share * own.index_select(0, ends) for share, own in pairs]).amax(0)
        return weight.relu() if self.grcn.hard else weight

    def _travelled(self, to_users: Tensor, to_items: Tensor) -> tuple[Tensor, Tensor]:
        """The sum of the embeddings of 0, 1, ... steps, [U, D] and [I, D]."""
        users, items = self.users.weight, self.items.weight
        all_users, all_items = users, items
        for _ in range(self.grcn.layers):
            heard = self.edges.to_users(to_users, items), self.edges.to_items(to_items, users)
            users, items = heard
            all_users, all_items = all_users + users, all_items + items
        return all_users, all_items

    def loss(self, batch: Triples) -> Tensor:
        """BPR's mean over the batch, and the penalty."""
        loss = bpr(margins(*self.embed(), batch))
        if not self.grcn.decay:
            return loss
        size, pair = len(batch.users), torch.cat([batch.liked, batch.other])
        norms = half_squares(self.items.weight, pair, size)
        for table in (self.users.weight, *self.first):
            norms = norms + half_squares(table, batch.users, size)
        return loss + self.grcn.decay * norms
