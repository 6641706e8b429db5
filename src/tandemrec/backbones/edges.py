"""A user-item graph whose edges have weights that are learnt, or computed from what is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from tandemrec.backbones.graphs import csr, product

Graphed = Callable[[Tensor], Tensor]
Ends = Callable[[Tensor, Tensor], Tensor]


class Edges(nn.Module):
    """The edges of who met what [U, I], by user and then by item: [E]. Nothing here learns, and no
    copy of a row is made for an edge."""

    def __init__(self, met: sparse.csr_array) -> None:
        super().__init__()
        met = met.sorted_indices()
        self.n_users, self.n_items = met.shape
        order = np.argsort(met.indices, kind="stable")  # edges by item
        users = np.repeat(np.arange(self.n_users), np.diff(met.indptr))
        ends = np.cumsum(np.bincount(met.indices, minlength=self.n_items))
        tables = {
            "users": users.astype(np.int32),  # [E]
            "items": met.indices.astype(np.int32),  # [E]
            "user_starts": met.indptr.astype(np.int32),  # [U + 1]
            "item_starts": np.append(0, ends).astype(np.int32),  # [I + 1]
            "users_by_item": users[order].astype(np.int32),  # [E]
            "by_item": order.astype(np.int64),  # [E]
        }
        for name, table in tables.items():
            self.register_buffer(name, torch.from_numpy(table), persistent=False)

    users: Tensor
    items: Tensor
    user_starts: Tensor
    item_starts: Tensor
    users_by_item: Tensor
    by_item: Tensor

    def products(self, users: Tensor, items: Tensor) -> Tensor:
        """The inner product of each edge's two ends, [U, D] and [I, D] -> [E]."""
        result: Tensor = _Products.apply(self, users, items)  # type: ignore[no-untyped-call]
        return result

    def to_users(self, weights: Tensor, items: Tensor) -> Tensor:
        """What users hear: the sum over their edges of weight times item, [E] and [I, D] ->
        [U, D]."""
        ways = self.by_user, self.by_items, self.between
        result: Tensor = _Heard.apply(*ways, weights, items)  # type: ignore[no-untyped-call]
        return result

    def to_items(self, weights: Tensor, users: Tensor) -> Tensor:
        """What items hear: [E] and [U, D] -> [I, D]."""
        ways = self.by_items, self.by_user, lambda heard, said: self.between(said, heard)
        result: Tensor = _Heard.apply(*ways, weights, users)  # type: ignore[no-untyped-call]
        return result

    def among_user(self, values: Tensor) -> Tensor:
        """The softmax of values [E] among the edges of each user.

        No maximum is taken off before: values must be small, such as cosines.
        """
        result: Tensor = _Shares.apply(values, self.users, self.n_users)  # type: ignore[no-untyped-call]
        return result

    def among_item(self, values: Tensor) -> Tensor:
        """The same among the edges of each item."""
        result: Tensor = _Shares.apply(values, self.items, self.n_items)  # type: ignore[no-untyped-call]
        return result

    def by_user(self, weights: Tensor) -> Tensor:
        """The graph with such edges, a CSR tensor [U, I]."""
        return csr(self.user_starts, self.items, weights, (self.n_users, self.n_items))

    def by_items(self, weights: Tensor) -> Tensor:
        """The same the other way, [I, U]."""
        mixed = weights.index_select(0, self.by_item)
        return csr(self.item_starts, self.users_by_item, mixed, (self.n_items, self.n_users))

    def between(self, users: Tensor, items: Tensor) -> Tensor:
        """`products`, without a gradient."""
        nothing = self.by_user(users.new_zeros(len(self.users)))
        return torch.sparse.sampled_addmm(nothing, users, items.T, beta=0.0).values()


class _Shares(torch.autograd.Function):
    """A softmax by group, its gradient by the same sums."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, to: Tensor, n: int) -> Tensor:
        heights = values.exp()
        shares = heights / _sums(heights, to, n)
        ctx.save_for_backward(shares, to)
        ctx.n = n
        return shares

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        shares, to = ctx.saved_tensors
        pulled = gradients[0] * shares
        return pulled - shares * _sums(pulled, to, ctx.n), None, None


def _sums(values: Tensor, to: Tensor, n: int) -> Tensor:
    """The sum of its group's values, for each value: [E]."""
    return values.new_zeros(n).index_add(0, to, values).index_select(0, to)


class _Products(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, edges: Edges, users: Tensor, items: Tensor) -> Tensor:
        ctx.edges = edges
        ctx.save_for_backward(users, items)
        return edges.between(users, items)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor, Tensor]:
        (users, items), weights = ctx.saved_tensors, gradients[0]
        return (
            None,
            product(ctx.edges.by_user(weights), items),
            product(ctx.edges.by_items(weights), users),
        )


class _Heard(torch.autograd.Function):
    """What one side hears of the other. `there` makes the graph of weights, `back` its transpose,
    `ends` the inner product of each edge's two ends, the side that hears first."""

    @staticmethod
    def forward(
        ctx: Any, there: Graphed, back: Graphed, ends: Ends, weights: Tensor, said: Tensor
    ) -> Tensor:
        ctx.back, ctx.ends = back, ends
        ctx.save_for_backward(weights, said)
        return product(there(weights), said)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, None, Tensor, Tensor]:
        (weights, said), heard = ctx.saved_tensors, gradients[0]
        return None, None, None, ctx.ends(heard, said), product(ctx.back(weights), heard)
