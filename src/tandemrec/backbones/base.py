"""What a backbone is: a network that gives a loss on a batch, and scores.

A backbone knows no files, loops, metrics or devices. Its task is its base class. A class of one's
own need not derive from these: `loss` and `score` are enough (docs/add-a-backbone.md).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tandemrec.backbones.losses import bpr, margins
from tandemrec.config import Settings
from tandemrec.data import batches, sequences
from tandemrec.data.batches import BetweenUsers, Columns, Rated, Triples
from tandemrec.data.content import Content
from tandemrec.data.fields import Fields
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

    def between_users(self, batch: BetweenUsers) -> Tensor:
        """BPR between two users of an item: the mean of -log sigmoid(y_liking,item - y_other,item).

        Raises BackboneError where a backbone does not say how its scores compare.
        """
        raise between_users_refused(self)


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

    def between_users(self, batch: BetweenUsers) -> Tensor:
        users, items = self.embed()
        return bpr(margins(items, users, Triples(*batch)))  # an item prefers a user


class ContentBackbone(EmbeddingBackbone):
    """An embedding backbone that also reads what is known of the items: `Config(...)`, the training
    data and their content build it."""

    def __init__(self, config: Any, train: Interactions, content: Content) -> None:
        super().__init__(config, train)
        _refuse_other_items(type(self).__name__, content, train)
        self.content = content
        for number, array in enumerate(content.arrays.values()):
            self.register_buffer(f"content_{number}", torch.from_numpy(array), persistent=False)

    @property
    def modalities(self) -> list[Tensor]:
        """The content, where the model is: a table [I, W_m] for each modality, in its order."""
        return [self.get_buffer(f"content_{number}") for number in range(len(self.content.arrays))]


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


class RatingBackbone(Backbone[Rated]):
    """Predicts the rating of a user for an item, from both and from the fields that describe them.

    `Config(...)`, the training data and their fields build it; without fields, the user's and the
    item's numbers are the only ones.
    """

    def __init__(self, config: Any, train: Interactions, fields: Fields | None = None) -> None:
        super().__init__(config, train)
        self.fields = fields or Fields.of(train)
        self.n_users, self.n_items = train.n_users, train.n_items
        self.scale = _scale(train)
        "The lowest and the highest rating of training, which no prediction exceeds."
        self._read: tuple[Interactions, Rated] | None = None

    def batches(
        self,
        train: Interactions,
        size: int,
        rng: np.random.Generator,
        extra: Columns | None = None,
    ) -> Iterator[Rated]:
        """Every rating once."""
        if extra is not None:
            raise BackboneError(
                "A rating backbone learns ratings, not triples: data augmentation adds attributes "
                "to the catalogue (augment.attributes)."
            )
        if self._read is None or self._read[0] is not train:
            self._read = train, Rated.of(train, self.fields)
        return batches.rated(self._read[1], size, rng)

    @abstractmethod
    def predict(self, batch: Rated) -> Tensor:
        """The rating of each row, [B]; those that the batch holds are not looked at."""

    def loss(self, batch: Rated) -> Tensor:
        """The mean squared error."""
        return nn.functional.mse_loss(self.predict(batch), batch.ratings)

    def queries(self, train: Interactions, users: NDArray[np.int64]) -> Tensor:
        """The users' numbers, [B]."""
        return torch.from_numpy(users)

    def score(self, queries: Tensor) -> Tensor:
        """The rating of every item, [B, I], where nothing is known of the context."""
        device = queries.device
        users = queries.repeat_interleave(self.n_items)
        items = torch.arange(self.n_items, device=device).repeat(len(queries))
        batch = Rated.anywhere(users, items, self.fields)
        pieces = (slice(start, start + _PIECE) for start in range(0, len(users), _PIECE))
        found = torch.cat([self.predict(batch.rows(piece)) for piece in pieces])
        return found.reshape(len(queries), self.n_items)

    @abstractmethod
    def user_embeddings(self) -> Tensor:
        """What similar users are found by, [U, D] (Llama4Rec, equation 3)."""


def between_users_refused(model: object) -> BackboneError:
    """What to say where a model has no loss between two users of an item."""
    return BackboneError(
        f"{type(model).__name__} cannot learn from pairs of users: it has no "
        "`between_users(batch)`, which gives the loss on items, users who like them and users who "
        "do not. Leave `between_users` out, or write it; see docs/add-a-backbone.md."
    )


def _refuse_other_items(name: str, content: Content, train: Interactions) -> None:
    if content.n_items != train.n_items:
        raise BackboneError(
            f"{name} needs content of each of the {train.n_items} items of the interactions. "
            f"Received: {content.n_items} rows. Give a row for every item of the catalogue, in its "
            "order."
        )


_PIECE = 2**13
"Rows that are predicted at a time."


def refuse_one_rating(model: Any, train: Interactions) -> None:
    """A column of ratings that is missing reads as 1 everywhere: BackboneError."""
    if isinstance(model, RatingBackbone) and model.scale[0] == model.scale[1]:
        raise BackboneError(
            f"There is nothing for {type(model).__name__} to learn: all ratings are "
            f"{train.ratings[0]:g}. Is there a column of ratings?"
        )


def _scale(train: Interactions) -> tuple[float, float]:
    """The lowest and the highest rating; BackboneError where there is none, or no number."""
    if not len(train):
        raise BackboneError("There are no ratings to learn from: the training data is empty.")
    lowest, highest = float(train.ratings.min()), float(train.ratings.max())
    if not (isfinite(lowest) and isfinite(highest)):
        raise BackboneError(
            f"Ratings must be finite numbers. Received: from {lowest} to {highest}. Drop the rows "
            "without a rating."
        )
    return lowest, highest
