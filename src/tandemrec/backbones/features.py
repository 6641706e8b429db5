"""What the rating backbones share: rows of numbered slots become one vector a field, and a network
over these gives the rating."""

from __future__ import annotations

from abc import abstractmethod
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import embedding_bag

from tandemrec.backbones.base import BackboneConfig, RatingBackbone
from tandemrec.backbones.losses import order_of
from tandemrec.backbones.transformers import Dropout
from tandemrec.data.batches import Rated
from tandemrec.data.codings import NOTHING
from tandemrec.data.fields import Fields
from tandemrec.data.interactions import Interactions


class FeatureConfig(BackboneConfig):
    """What every network over fields has."""

    width: PositiveInt = 10
    """Size of a field's embedding."""
    decay: NonNegativeFloat = 1e-4
    """Weight of half the squared norm of the embeddings and first-order weights that a row looks
    up."""


class Looked(NamedTuple):
    """What a batch looked up."""

    fields: Tensor  # [B, F, D]
    alone: Tensor | None  # [B], the sum of the first-order weights, where there are such
    penalty: Tensor  # half the squared norm of the rows of the table that were read, per row


class _Lookup(torch.autograd.Function):
    """The fields and the penalty in one pass over the table; the gradient is added up as it is
    read, without a copy of [B, C, D]."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, *read: Tensor) -> tuple[Tensor, Tensor]:
        """Of a table [N, D]: slots and weights [B, C], the first column of each field [F], and the
        field of each column [C] give [B, F, D] and []."""
        slots, weights, starts, owners = read
        rows, columns = slots.shape
        first = torch.arange(0, rows * columns, columns, device=slots.device, dtype=slots.dtype)
        flat, offsets = slots.reshape(-1), (first[:, None] + starts).reshape(-1)
        shares = weights.reshape(-1)
        found = embedding_bag(flat, table, offsets, per_sample_weights=shares, mode="sum")
        times = torch.bincount(flat, minlength=len(table))
        ctx.save_for_backward(table, flat, shares, owners, times)
        ctx.set_materialize_grads(False)
        penalty = (table.square().T @ times.to(table.dtype)).sum() / (2 * rows)
        return found.view(rows, len(starts), table.shape[1]), penalty

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        table, slots, shares, owners, times = ctx.saved_tensors
        fields, penalty = gradients
        total = torch.zeros_like(table)
        if fields is not None:
            total = _added(fields, owners, slots, shares, times)
        if penalty is not None:
            rows = len(slots) // len(owners)
            total.addcmul_(table, (times.to(table.dtype) * (penalty / rows))[:, None])
        return total, None, None, None, None


def _added(fields: Tensor, owners: Tensor, slots: Tensor, shares: Tensor, times: Tensor) -> Tensor:
    """The gradient of the fields [B, F, D] as that of the table [N, D], each of whose rows was read
    so many `times` [N]; columns' owners [C], and slots and shares of all columns [B C]."""
    first = torch.arange(len(fields), device=slots.device)[:, None] * fields.shape[1]
    order, bags = order_of(slots, len(times)), (first + owners).reshape(-1)
    return embedding_bag(
        bags.index_select(0, order),
        fields.flatten(0, 1),
        nn.functional.pad(times.cumsum(0), (1, 0)),
        per_sample_weights=shares.index_select(0, order),
        mode="sum",
        include_last_offset=True,
    )


class Features(nn.Module):
    """All fields' embeddings in one table and, where wanted, each slot's first-order weight in its
    last column, so that one lookup serves both. The slots "unknown" begin at 0: they say nothing
    until training has met one.
    """

    def __init__(
        self, fields: Fields, width: int, *, first_order: bool = True, spread: float = 0.01
    ) -> None:
        super().__init__()
        self.n_fields, self.width, self.first_order = len(fields.fields), width, first_order
        table = torch.randn(fields.n_slots, width + first_order) * spread
        table[NOTHING], table[torch.from_numpy(fields.unknown)] = 0, 0
        self.table = nn.Parameter(table)
        for side, rows in (("user", fields.users), ("item", fields.items)):
            slots, weights = (torch.from_numpy(part) for part in rows)
            self.register_buffer(f"{side}_slots", slots.int(), persistent=False)
            self.register_buffer(f"{side}_weights", weights, persistent=False)
        owners = fields.owners
        starts = np.searchsorted(owners, np.arange(self.n_fields))
        self.register_buffer("owners", torch.from_numpy(owners), persistent=False)
        self.register_buffer("starts", torch.from_numpy(starts).int(), persistent=False)

    def forward(self, batch: Rated) -> Looked:
        """What the rows look up."""
        read = *self.slots(batch), self.get_buffer("starts"), self.get_buffer("owners")
        found, penalty = _Lookup.apply(self.table, *read)  # type: ignore[no-untyped-call]
        if not self.first_order:
            return Looked(found, None, penalty)
        return Looked(found[..., : self.width], found[..., self.width].sum(1), penalty)

    def slots(self, batch: Rated) -> tuple[Tensor, Tensor]:
        """The rows' slots and their weights, [B, C] each."""
        found = []
        for name, further in (("slots", batch.slots), ("weights", batch.weights)):
            users, items = self.get_buffer(f"user_{name}"), self.get_buffer(f"item_{name}")
            found.append(torch.cat([users[batch.users], items[batch.items], further], 1))
        return found[0], found[1]

    def of_users(self, n: int) -> Tensor:
        """The embeddings of the users themselves, [U, D]."""
        own: Tensor = self.get_buffer("user_slots")[:n, 0]
        return self.table[own, : self.width]


class FeatureBackbone(RatingBackbone):
    """A rating is training's mean, which goes on learning, and what a network makes of the fields;
    and, where `first_order`, the sum of the fields' own weights (a linear regression)."""

    first_order: ClassVar[bool] = True

    def __init__(self, config: Any, train: Interactions, fields: Fields | None = None) -> None:
        super().__init__(config, train, fields)
        self.features = Features(self.fields, config.width, first_order=self.first_order)
        self.mean = nn.Parameter(torch.tensor([float(train.ratings.mean())]))

    @abstractmethod
    def interact(self, fields: Tensor) -> Tensor:
        """What the fields' embeddings [B, F, D] say together, [B]."""

    def predict(self, batch: Rated) -> Tensor:
        return self._from(self.features(batch))

    def _from(self, looked: Looked) -> Tensor:
        found = self.mean + self.interact(looked.fields)
        return found if looked.alone is None else found + looked.alone

    def loss(self, batch: Rated) -> Tensor:
        """The mean squared error, and the penalty of what was looked up."""
        looked = self.features(batch)
        error = nn.functional.mse_loss(self._from(looked), batch.ratings)
        decay: float = self.config.decay
        return error + decay * looked.penalty if decay else error

    def user_embeddings(self) -> Tensor:
        """The embeddings of the users themselves, [U, D] (Llama4Rec, equation 3)."""
        return self.features.of_users(self.n_users)


class _Pairs(torch.autograd.Function):
    """Each field's gradient is the sum of the others: one subtraction, one product."""

    @staticmethod
    def forward(ctx: Any, fields: Tensor) -> Tensor:
        total = fields.sum(1)
        ctx.save_for_backward(fields, total)
        return (total.square() - fields.square().sum(1)) / 2

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        fields, total = ctx.saved_tensors
        return (total[:, None] - fields).mul_(gradients[0][:, None])


def pairs(fields: Tensor) -> Tensor:
    """The bi-interaction of the fields' embeddings [B, F, D]: the sum over pairs of fields of their
    products, place by place, [B, D], as half the square of the sum less the sum of squares (Rendle,
    "Factorization Machines", ICDM 2010, lemma 3.1)."""
    result: Tensor = _Pairs.apply(fields)  # type: ignore[no-untyped-call]
    return result


def deep(sizes: tuple[int, ...], dropout: float = 0.0, *, normal: bool = False) -> nn.Sequential:
    """Linear layers from the first of `sizes` to the last, each with ReLU and dropout behind it,
    and batch normalisation before where `normal`; [B, sizes[0]] to [B, sizes[-1]]."""
    steps: list[nn.Module] = []
    for before, after in pairwise(sizes):
        steps += [nn.Linear(before, after, bias=not normal)]
        steps += [nn.BatchNorm1d(after)] if normal else []  # it brings a bias
        steps += [nn.ReLU(), *([Dropout(dropout)] if dropout else [])]
    return nn.Sequential(*steps)
