"""BERT4Rec: Sun et al., "BERT4Rec: Sequential Recommendation with Bidirectional Encoder
Representations from Transformer", CIKM 2019, https://arxiv.org/abs/1904.06690.

Items of a sequence are hidden, and told from what stands on both sides; to recommend, a hidden item
is put at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import gelu

from tandemrec.backbones.base import BackboneConfig, SequentialBackbone
from tandemrec.backbones.losses import softmax
from tandemrec.backbones.transformers import Attention, Dropout, at, from_the_end
from tandemrec.data.batches import shuffled
from tandemrec.data.interactions import Interactions
from tandemrec.data.sequences import windows


class BERT4RecConfig(BackboneConfig):
    """The paper's settings for MovieLens-1M (section 4.3)."""

    width: PositiveInt = 64
    """Size of an embedding: d."""
    layers: PositiveInt = 2
    """Blocks of attention and feed-forward: L."""
    heads: PositiveInt = 2
    """Of each attention: h."""
    length: int = Field(default=200, ge=2)
    """How many items of a user are read, the last ones, with the hidden one: N."""
    hidden: float = Field(default=0.2, gt=0, lt=1)
    """Which share of a sequence is hidden: rho."""
    last: float = Field(default=1 / 11, ge=0, le=1)
    """How often only the last item is hidden, as it is to recommend: the authors' code makes ten
    random copies of a sequence and one such."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """On embeddings and in blocks."""
    every_window: bool = True
    """Learn earlier windows of long sequences too, as the authors' code does, not only the last
    `length` items."""


class Cloze(NamedTuple):
    """Sequences with hidden items, and what they are; elsewhere the number `n_items`, no item's."""

    items: Tensor  # [B, T]
    wanted: Tensor  # [B, T]


class BERT4Rec(SequentialBackbone[Cloze]):
    """BERT4Rec: Sun et al., CIKM 2019. Hidden items told from both sides."""

    Config: ClassVar[type[BackboneConfig]] = BERT4RecConfig
    published: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-4, "batch_size": 256}
    quick: ClassVar[Mapping[str, Any]] = {"learning_rate": 2e-3, "batch_size": 64}
    quick_config: ClassVar[Mapping[str, Any]] = {
        "length": 50,
        "hidden": 0.4,
    }
    room: ClassVar[int] = 1

    def __init__(self, config: BERT4RecConfig, train: Interactions) -> None:
        super().__init__(config, train)
        self.settings, self.mark = config, train.n_items + 1
        width = config.width
        self.items = nn.Embedding(train.n_items + 2, width, padding_idx=train.n_items)
        self.places = nn.Embedding(config.length, width)
        self.norm, self.dropout = nn.LayerNorm(width), Dropout(config.dropout)
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.layers))
        self.out, self.out_norm = nn.Linear(width, width), nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(train.n_items))
        for part in self.modules():
            if isinstance(part, (nn.Linear, nn.Embedding)):
                nn.init.trunc_normal_(part.weight, std=0.02, a=-0.02, b=0.02)
            if isinstance(part, nn.Linear):
                nn.init.zeros_(part.bias)
        with torch.no_grad():
            self.items.weight[train.n_items] = 0

    def batches(
        self,
        train: Interactions,
        size: int,
        rng: np.random.Generator,
        extra: Any = None,
    ) -> Iterator[Cloze]:
        """Every user's last window once, or all of them, with other items hidden each time."""
        self.refuse(extra)
        _, rows = windows(train, self.settings.length, every=self.settings.every_window)
        for picked in shuffled(len(rows), size, rng):
            part = rows[picked]
            part = part[:, : (part < self.n_items).sum(1).max()]
            hidden = self._hide(part, rng)
            pair = np.where(hidden, self.mark, part), np.where(hidden, part, self.n_items)
            yield Cloze(*map(torch.from_numpy, pair))

    def _hide(self, rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.bool_]:
        """What is hidden of rows [B, T]: a random share, but one at least; or the last item."""
        given = rows < self.n_items
        chance = np.where(given, rng.random(rows.shape), 2)
        hidden = chance < self.settings.hidden
        hidden |= chance == chance.min(1, keepdims=True)
        last = np.arange(rows.shape[1]) == given.sum(1, keepdims=True) - 1
        return np.where(rng.random((len(rows), 1)) < self.settings.last, last, hidden)

    def encode(self, items: Tensor) -> Tensor:
        """What both sides say of each place of sequences [B, T], [B, T, D] (section 3)."""
        given = items != self.n_items
        signal = self.items(items) + self.places(from_the_end(items, given, self.settings.length))
        signal = self.dropout(self.norm(signal))
        for block in self.blocks:
            signal = block(signal, given)
        return signal

    def logits(self, said: Tensor) -> Tensor:
        """Every item's, [..., I] (equation 7)."""
        return self.asked(said) @ self.catalogue().T + self.bias

    def asked(self, said: Tensor) -> Tensor:
        """What is held against the items' embeddings, [..., D]."""
        return self.out_norm(gelu(self.out(said)))

    def catalogue(self) -> Tensor:
        """The items' embeddings, [I, D]."""
        return self.items.weight[: self.n_items]

    def loss(self, batch: Cloze) -> Tensor:
        """Equation 8: cross-entropy of the hidden items, the mean over all of the batch."""
        hidden = batch.wanted < self.n_items
        said = self.asked(self.encode(batch.items)[hidden])
        return softmax(said, self.catalogue(), batch.wanted[hidden], self.bias)

    def represent(self, queries: Tensor) -> Tensor:
        """At the hidden item that is put at the end."""
        nothing = queries.new_full((len(queries), 1), self.n_items)
        rows = torch.cat([queries, nothing], dim=1)
        end = (rows < self.n_items).sum(1, keepdim=True)  # [B, 1]
        return at(self.encode(rows.scatter(1, end, self.mark)), end[:, 0])[:, 0]

    def score(self, queries: Tensor) -> Tensor:
        return self.logits(self.represent(queries))


class _Block(nn.Module):
    """norm(x + attention x), then norm(x + feed-forward x) (section 3.3)."""

    def __init__(self, config: BERT4RecConfig) -> None:
        super().__init__()
        width = config.width
        self.attention = Attention(width, config.heads, config.dropout, mixed=True)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.dropout = Dropout(config.dropout)

    def forward(self, signal: Tensor, given: Tensor) -> Tensor:
        signal = self.norms[0](signal + self.dropout(self.attention(signal, given)))
        inner = self.narrow(gelu(self.wide(signal)))
        return self.norms[1](signal + self.dropout(inner))
