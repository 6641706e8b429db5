"""What a backbone is: a network that gives a loss on a batch, and scores.

A backbone knows no files, loops, metrics or devices. Its task is its base class. A class of one's
own need not derive from these: `loss` and `score` are enough (docs/add-a-backbone.md).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tandemrec.config import Settings
from tandemrec.data import batches, sequences
from tandemrec.data.batches import Columns, Triples
from tandemrec.data.interactions import Interactions
from tandemrec.errors import BackboneError

Batch = TypeVar("Batch")


class BackboneConfig(Settings):
    """Hyperparameters of one backbone: each is written down once, in the backbone's own file."""


class Backbone(nn.Module, ABC, Generic[Batch]):
    """The part that all tasks share. `Config(...)` and the training data build it."""

    Config: ClassVar[type[BackboneConfig]] = BackboneConfig
    published: ClassVar[Mapping[str, Any]] = {}
    "Training settings of its paper, by the names of TrainConfig; the rest are TrainConfig's own."
    quick: ClassVar[Mapping[str, Any]] = {}
    "Training settings that reach as much in less time; chosen on validation (docs/log.md)."
    quick_config: ClassVar[Mapping[str, Any]] = {}
    "Hyperparameters that go with them, where they are not those of `Config`."

    def __init__(self, config: Any, train: Interactions) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def batches(
        self,
        train: Interactions,
        size: int,
        rng: np.random.Generator,
        extra: Columns | None = None,
    ) -> Iterator[Batch]:
        """One epoch of training batches; `extra` holds what data augmentation adds."""

    @abstractmethod
    def loss(self, batch: Batch) -> Tensor:
        """The loss on one batch, a scalar."""


class RankingBackbone(Backbone[Batch]):
    """A backbone that scores every item for a batch of queries."""

    @abstractmethod
    def queries(self, train: Interactions, users: NDArray[np.int64]) -> Tensor:
        """What `score` needs to know of these users, [B, ...]."""

    @abstractmethod
    def score(self, queries: Tensor) -> Tensor:
        """Every item's score, [B, I]; higher is better."""

    @abstractmethod
    def user_embeddings(self) -> Tensor:
        """What similar users are found by, [U, D] (Llama4Rec, equation 3)."""


class DirectBackbone(RankingBackbone[Triples]):
    """Recommends from the user's id."""

    def batches(
        self,
        train: Interactions,
        size: int,
        rng: np.random.Generator,
        extra: Columns | None = None,
    ) -> Iterator[Triples]:
        """Every interaction once, with a fresh unmet item, and the extra triples."""
        return batches.triples(train, size, rng, extra)

    def queries(self, train: Interactions, users: NDArray[np.int64]) -> Tensor:
        """The users' numbers, [B]."""
        return torch.from_numpy(users)


class EmbeddingBackbone(DirectBackbone):
    """A direct backbone whose score is the inner product of two embeddings."""

    @abstractmethod
    def embed(self) -> tuple[Tensor, Tensor]:
        """The users' and the items' final embeddings, [U, D] and [I, D]."""

    def score(self, queries: Tensor) -> Tensor:
        users, items = self.embed()
        return users[queries] @ items.T

    def user_embeddings(self) -> Tensor:
        return self.embed()[0]


class SequentialBackbone(RankingBackbone[Batch]):
    """Recommends from what a user met, in order. Its `Config` has a `length`."""

    room: ClassVar[int] = 0
    "How many places of a sequence are kept free of what was met."

    def __init__(self, config: Any, train: Interactions) -> None:
        super().__init__(config, train)
        self.n_items, self.length = train.n_items, max(int(config.length) - self.room, 1)
        own = sequences.latest(train, np.arange(train.n_users), self.length)
        self.own: Tensor
        self.register_buffer("own", torch.from_numpy(own), persistent=False)

    def queries(self, train: Interactions, users: NDArray[np.int64]) -> Tensor:
        """The users' last items in `train`, oldest first, [B, T]; `n_items` where there is none."""
        return torch.from_numpy(sequences.latest(train, users, self.length))

    @abstractmethod
    def represent(self, queries: Tensor) -> Tensor:
        """What the sequences say of the next item, [B, D]."""

    def user_embeddings(self) -> Tensor:
        return torch.cat([self.represent(rows) for rows in self.own.split(1024)])

    @staticmethod
    def refuse(extra: object) -> None:
        """Preferences between items are no part of a sequence."""
        if extra is not None:
            raise BackboneError(
                "A sequential backbone learns sequences, not triples: data augmentation inserts "
                "items into the training interactions (augment.sequential)."
            )
