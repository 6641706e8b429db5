"""SASRec: Kang and McAuley, "Self-Attentive Sequential Recommendation", ICDM 2018,
https://arxiv.org/abs/1808.09781.

Each place of a user's sequence looks back at all before it, and should score the next item above an
unmet one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from tandemrec.backbones.base import BackboneConfig, SequentialBackbone
from tandemrec.backbones.losses import softmax
from tandemrec.backbones.transformers import Attention, Dropout, at, from_the_end
from tandemrec.data.batches import shuffled
from tandemrec.data.interactions import Interactions
from tandemrec.data.sequences import windows
from tandemrec.data.unmet import Unmet


class SASRecConfig(BackboneConfig):
    """The paper's settings for MovieLens-1M (section 4.3)."""

    width: PositiveInt = 50
    """Size of an embedding: d."""
    layers: NonNegativeInt = 2
    """Blocks of attention and feed-forward: b; with 0 only the last item counts."""
    heads: PositiveInt = 1
    """Of each attention."""
    length: PositiveInt = 200
    """How many items of a user are read, the last ones: n."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """On embeddings and in blocks."""
    loss: Literal["pair", "all"] = "pair"
    """Against one unmet item (the paper), or against the whole catalogue (a softmax; ours)."""
    every_window: bool = False
    """Learn earlier windows of long sequences too, not only the last `length` items (ours)."""


class Steps(NamedTuple):
    """What was met in order, what came next at each place, and an unmet item beside it.

    Where nothing came next, both are the number `n_items`, which no item has; so is every unmet
    item where the loss needs none.
    """

    items: Tensor  # [B, T]
    liked: Tensor  # [B, T]
    other: Tensor  # [B, T]


class SASRec(SequentialBackbone[Steps]):
    """SASRec: Kang and McAuley, ICDM 2018. Self-attention over what a user met before."""

    Config: ClassVar[type[BackboneConfig]] = SASRecConfig
    published: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-3, "batch_size": 128}
    quick: ClassVar[Mapping[str, Any]] = {"learning_rate": 4e-3, "batch_size": 128}
    quick_config: ClassVar[Mapping[str, Any]] = {
        "width": 64,
        "layers": 1,
        "length": 50,
        "dropout": 0.5,
        "loss": "all",
        "every_window": True,
    }
    marks: ClassVar[int] = 0
    "How many numbers stand for no item, besides the one for nothing."

    def __init__(self, config: SASRecConfig, train: Interactions) -> None:
        super().__init__(config, train)
        self.settings = config
        rows = train.n_items + 1 + self.marks
        self.items = nn.Embedding(rows, config.width, padding_idx=train.n_items)
        self.places = nn.Embedding(config.length, config.width)
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        for table in (self.items, self.places):
            nn.init.normal_(table.weight, std=config.width**-0.5)
        with torch.no_grad():
            self.items.weight[train.n_items] = 0

    def batches(
        self,
        train: Interactions,
        size: int,
        rng: np.random.Generator,
        extra: Any = None,
    ) -> Iterator[Steps]:
        """Every user's last window once, or all of them; fresh unmet items for the pair loss."""
        self.refuse(extra)
        users, rows = windows(train, self.settings.length + 1, every=self.settings.every_window)
        if self.settings.loss == "pair":
            kept = train.unmet.counts(users) > 0
            users, rows = users[kept], rows[kept]
        for picked in shuffled(len(users), size, rng):
            yield self._steps(train.unmet, users[picked], rows[picked], rng)

    def _steps(
        self,
        unmet: Unmet,
        users: np.ndarray[Any, np.dtype[np.int64]],
        rows: np.ndarray[Any, np.dtype[np.int64]],
        rng: np.random.Generator,
    ) -> Steps:
        longest = (rows < self.n_items).sum(1).max()
        items, liked = rows[:, : longest - 1], rows[:, 1:longest]
        items = np.where(liked < self.n_items, items, self.n_items)  # the last has no next one
        other = np.full_like(liked, self.n_items)
        if self.settings.loss == "pair":
            drawn = unmet.draw(np.repeat(users, liked.shape[1]), rng).reshape(liked.shape)
            other = np.where(liked < self.n_items, drawn, other)
        return Steps(*(torch.from_numpy(np.ascontiguousarray(x)) for x in (items, liked, other)))

    def encode(self, items: Tensor) -> Tensor:
        """What each place of the sequences [B, T] says of the next item, [B, T, D] (section 3)."""
        signal = self._embedded(items)
        for block in self.blocks:
            signal = block(signal)
        return self.norm(signal)

    def represent(self, queries: Tensor) -> Tensor:
        """What the last place says; the last block is computed there alone."""
        signal = self._embedded(queries)
        last = (queries != self.n_items).sum(1).clamp(min=1) - 1
        for n, block in enumerate(self.blocks, start=1):
            signal = block(signal, last if n == len(self.blocks) else None)
        if not len(self.blocks):
            signal = at(signal, last)
        return self.norm(signal[:, 0])

    def _embedded(self, items: Tensor) -> Tensor:
        given = items != self.n_items
        places = from_the_end(items, given, self.settings.length)
        return self.dropout(self.items(items) * self.settings.width**0.5 + self.places(places))

    def loss(self, batch: Steps) -> Tensor:
        """The next item at every place against an unmet one, or against all items; the mean."""
        learnt = batch.liked < self.n_items
        said = self.encode(batch.items)[learnt]  # [N, D]
        liked, other = batch.liked[learnt], batch.other[learnt]
        if self.settings.loss == "all":
            return softmax(said, self.catalogue(), liked)
        above, below = ((said * self.items(each)).sum(1) for each in (liked, other))
        return self.against(above, below)

    def against(self, above: Tensor, below: Tensor) -> Tensor:
        """Equation 7: binary cross-entropy of scores [N] of next items and of unmet ones."""
        return -(logsigmoid(above) + logsigmoid(-below)).mean()

    def catalogue(self) -> Tensor:
        """The items' embeddings, [I, D]."""
        return self.items.weight[: self.n_items]

    def score(self, queries: Tensor) -> Tensor:
        return self.represent(queries) @ self.catalogue().T


class _Block(nn.Module):
    """x + attention(norm x), then x + feed-forward(norm x) (section 3.2 and equation 5)."""

    def __init__(self, config: SASRecConfig) -> None:
        super().__init__()
        width = config.width
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.attention = Attention(width, config.heads, config.dropout, mixed=False)
        self.forward_one, self.forward_two = (nn.Linear(width, width) for _ in range(2))
        self.dropout = Dropout(config.dropout)

    def forward(self, signal: Tensor, only: Tensor | None = None) -> Tensor:
        """[B, T, D] -> [B, T, D], or of one place of each row, `only` [B], [B, 1, D]."""
        given = self.norms[0](signal)
        if only is None:
            seen = self.attention(given)
        else:
            before = torch.arange(signal.shape[1], device=signal.device) <= only[:, None]
            seen, signal = self.attention(given, before, at(given, only)), at(signal, only)
        signal = signal + self.dropout(seen)
        inner = self.dropout(torch.relu(self.forward_one(self.norms[1](signal))))
        return signal + self.dropout(self.forward_two(inner))
