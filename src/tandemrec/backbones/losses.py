"""Losses that several papers share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tandemrec.data.batches import Triples


class _Margins(torch.autograd.Function):
    """The gradients add straight into the two tables, without one row for each of 3 B lookups."""

    @staticmethod
    def forward(ctx: Any, users: Tensor, items: Tensor, *places: Tensor) -> Tensor:
        user, liked, other = places
        chosen = users.index_select(0, user)  # [B, D]
        difference = items.index_select(0, liked).sub_(items.index_select(0, other))  # [B, D]
        ctx.save_for_backward(chosen, difference, *places)
        ctx.lengths = len(users), len(items)
        return (chosen * difference).sum(1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        chosen, difference, user, liked, other = ctx.saved_tensors
        weight = gradients[0][:, None]  # [B, 1]
        users, items = (chosen.new_zeros(length, chosen.shape[1]) for length in ctx.lengths)
        users.index_add_(0, user, difference * weight)
        pull = chosen * weight
        items.index_add_(0, liked, pull).index_add_(0, other, pull, alpha=-1)
        return users, items, None, None, None


def margins(users: Tensor, items: Tensor, batch: Triples) -> Tensor:
    """y_ui - y_uj of each triple [B], for scores that are inner products of [U, D] and [I, D]."""
    result: Tensor = _Margins.apply(users, items, *batch)  # type: ignore[no-untyped-call]
    return result


def bpr(margins: Tensor) -> Tensor:
    """Mean of -log sigmoid(y_ui - y_uj) over margins [B]: Rendle et al., UAI 2009, section 4.1.

    Llama4Rec's equation 1 is the sum; the mean differs by a constant that the learning rate holds.
    """
    return nn.functional.softplus(-margins).mean()


class _HalfSquares(torch.autograd.Function):
    """The gradient is the table itself, each row times its weight: one product."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(table, weights)
        return weights @ torch.linalg.vector_norm(table, dim=1).square() / 2

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        table, weights = ctx.saved_tensors
        return table * (weights * gradients[0])[:, None], None


def half_squares(table: Tensor, rows: Tensor, examples: int) -> Tensor:
    """Half the squared norm of the table's rows [R], each as often as it is named, per example.

    The L2 term of BPR: lambda times this is added to the mean loss over `examples` triples.
    """
    times = torch.bincount(rows, minlength=len(table)).to(table.dtype)  # [N]
    result: Tensor = _HalfSquares.apply(table, times / examples)  # type: ignore[no-untyped-call]
    return result
