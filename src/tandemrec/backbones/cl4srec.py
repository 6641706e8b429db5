"""CL4SRec: Xie et al., "Contrastive Learning for Sequential Recommendation", ICDE 2022,
https://arxiv.org/abs/2010.14395.

SASRec with a second task: two changed copies of a sequence (cut, with items hidden, or partly
shuffled) should be more alike than copies of different sequences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor
from torch.nn.functional import cross_entropy, softplus

from tandemrec.backbones.base import BackboneConfig
from tandemrec.backbones.sasrec import SASRec, SASRecConfig, Steps
from tandemrec.data.unmet import Unmet

Items = NDArray[np.int64]
Change = Literal["crop", "mask", "reorder"]


class CL4SRecConfig(SASRecConfig):
    """The paper's settings (section IV-A); what SASRec has is as there."""

    width: PositiveInt = 64
    """Size of an embedding: d."""
    heads: PositiveInt = 2
    """Of each attention."""
    length: PositiveInt = 50
    """How many items of a user are read, the last ones: T."""
    changes: tuple[Change, ...] = Field(default=("crop", "mask", "reorder"), min_length=1)
    """What may be done to a copy; each copy draws one."""
    crop: float = Field(default=0.6, gt=0, le=1)
    """The share that is kept: eta."""
    mask: float = Field(default=0.3, ge=0, le=1)
    """The share that is hidden: gamma."""
    reorder: float = Field(default=0.6, ge=0, le=1)
    """The share that is shuffled: beta."""
    weight: NonNegativeFloat = 0.1
    """Weight of the second task: lambda."""
    temperature: PositiveFloat = 1.0
    """Divides the inner products; the paper has none."""


class Changed(NamedTuple):
    """What SASRec learns, and two changed copies of a sequence of each of the batch's users."""

    items: Tensor  # [B, T]
    liked: Tensor  # [B, T]
    other: Tensor  # [B, T]
    one: Tensor  # [P, T]
    two: Tensor  # [P, T]


class CL4SRec(SASRec):
    """CL4SRec: Xie et al., ICDE 2022. SASRec that also recognises changed copies of sequences."""

    Config: ClassVar[type[BackboneConfig]] = CL4SRecConfig
    published: ClassVar[Mapping[str, Any]] = {"learning_rate": 1e-3, "batch_size": 256}
    marks: ClassVar[int] = 1
    settings: CL4SRecConfig

    def _steps(  # type: ignore[override]
        self, unmet: Unmet, users: Items, rows: Items, rng: np.random.Generator
    ) -> Changed:
        """As SASRec's, with two copies of a window of each user, changed anew each time. Other
        windows of the same user are none to tell it from."""
        steps = super()._steps(unmet, users, rows, rng)
        first = np.sort(np.unique(users, return_index=True)[1])
        windows = steps.items.numpy()[first]
        return Changed(*steps, *(torch.from_numpy(self._changed(windows, rng)) for _ in range(2)))

    def _changed(self, rows: Items, rng: np.random.Generator) -> Items:
        found = np.full_like(rows, self.n_items)
        drawn = rng.integers(len(self.settings.changes), size=len(rows))
        for row, kind, out in zip(rows, drawn, found, strict=True):
            held = row[row < self.n_items]
            copy = self._change(self.settings.changes[kind])(held, rng)
            out[: len(copy)] = copy
        return found

    def _change(self, kind: Change) -> Callable[[Items, np.random.Generator], Items]:
        return {"crop": self._crop, "mask": self._mask, "reorder": self._reorder}[kind]

    def _crop(self, row: Items, rng: np.random.Generator) -> Items:
        """A piece of the sequence (equation 10)."""
        part = _piece(len(row), self.settings.crop, rng, least=1)
        return row[part]

    def _mask(self, row: Items, rng: np.random.Generator) -> Items:
        """Some items hidden (equation 11)."""
        hidden = rng.permutation(len(row))[: int(self.settings.mask * len(row))]
        copy = row.copy()
        copy[hidden] = self.n_items + 1
        return copy

    def _reorder(self, row: Items, rng: np.random.Generator) -> Items:
        """A piece of the sequence shuffled (equation 12)."""
        part = _piece(len(row), self.settings.reorder, rng)
        copy = row.copy()
        copy[part] = rng.permutation(row[part])
        return copy

    def loss(self, batch: Changed) -> Tensor:  # type: ignore[override]
        """Equation 14: SASRec's loss, and the second task's."""
        loss = super().loss(Steps(batch.items, batch.liked, batch.other))
        if not self.settings.weight or len(batch.one) < 2:
            return loss
        return loss + self.settings.weight * self.contrast(batch.one, batch.two)

    def against(self, above: Tensor, below: Tensor) -> Tensor:
        """Equation 13: a softmax of the next item and one unmet item."""
        return softplus(below - above).mean()

    def contrast(self, one: Tensor, two: Tensor) -> Tensor:
        """Equation 7: a copy should find its twin among all other copies of the batch, by inner
        product; the mean over all 2 P copies."""
        said = torch.cat([self.represent(one), self.represent(two)])  # [2 P, D]
        alike = said @ said.T / self.settings.temperature
        alike = alike.masked_fill(
            torch.eye(len(said), dtype=torch.bool, device=said.device), -torch.inf
        )
        twins = torch.arange(len(said), device=said.device).roll(len(one))
        return cross_entropy(alike, twins)


def _piece(length: int, share: float, rng: np.random.Generator, least: int = 0) -> slice:
    """A random piece of so large a share of a sequence."""
    size = max(int(share * length), min(least, length))
    start = int(rng.integers(length - size + 1))
    return slice(start, start + size)
