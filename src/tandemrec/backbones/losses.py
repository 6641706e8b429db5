"""Losses that several papers share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, embedding_bag
from torch.utils.checkpoint import checkpoint

from tandemrec.data.batches import Triples
from tandemrec.data.blocks import PART, by_number, parts


class _Gathered(torch.autograd.Function):
    """The gradient is added up as it is read, without a copy for each of B K lookups."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(rows, weights)
        ctx.length = len(table)
        return embedding_bag(rows, table, per_sample_weights=weights, mode="sum")

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        rows, weights = ctx.saved_tensors
        places = torch.arange(len(rows), device=rows.device).repeat_interleave(rows.shape[1])
        flat = rows.reshape(-1), weights.reshape(-1)
        return _added(gradients[0], places, flat[1], flat[0], ctx.length), None, None


def gathered(table: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
    """Weighted sums of K rows of a table [N, D]: [B, K] twice -> [B, D]. Weights do not learn."""
    result: Tensor = _Gathered.apply(table, rows, weights)  # type: ignore[no-untyped-call]
    return result


class _Margins(torch.autograd.Function):
    """The gradients of 3 B lookups are added up as rows are read, without a copy for each."""

    @staticmethod
    def forward(ctx: Any, users: Tensor, items: Tensor, *places: Tensor) -> Tensor:
        user, liked, other = places
        pairs = torch.stack([liked, other], dim=1)
        kept = _differences(items, pairs) if len(pairs) <= PART else None  # [B, D]
        ctx.save_for_backward(users, items, kept, *places)
        found = []
        for part in parts(len(pairs), _PIECE):
            difference = _differences(items, pairs[part]) if kept is None else kept[part]
            found.append(_products(users, user[part], difference))
        return torch.cat(found) if found else users.new_zeros(0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        users, items, kept, user, liked, other = ctx.saved_tensors
        weights, rows = gradients[0], torch.arange(len(user), device=user.device)
        if kept is None:
            pairs = torch.stack([liked, other], dim=1)
            return *_long_gradients(users, items, user, pairs, weights), None, None, None
        to_users = _added(kept, rows, weights, user, len(users))
        both, item = torch.cat([weights, -weights]), torch.cat([liked, other])
        to_items = _added(users, torch.cat([user, user]), both, item, len(items))
        return to_users, to_items, None, None, None


def _long_gradients(
    users: Tensor, items: Tensor, user: Tensor, pairs: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """The gradients of a long batch's margins, without a row for each triple. Its triples lie by
    user, or are put so; then a part's users and items are in the processor's cache."""
    if not bool((user[1:] >= user[:-1]).all()):
        order = order_of(user, len(users))
        user, pairs, weights = user[order], pairs[order], weights[order]
    signed = torch.stack([weights, -weights], dim=1)
    flat = pairs.reshape(-1), signed.reshape(-1)
    to_users = _summed(items, *flat, torch.bincount(user, minlength=len(users)) * 2)
    to_items = torch.zeros_like(items)
    for part in parts(len(user), PART):
        twice, own = user[part].repeat_interleave(2), signed[part].reshape(-1)
        to_items += _added(users, twice, own, pairs[part].reshape(-1), len(items))
    return to_users, to_items


def _differences(items: Tensor, pairs: Tensor) -> Tensor:
    """The first item of each pair [B, 2] less the second: [I, D] -> [B, D]."""
    signs = items.new_ones(pairs.shape)
    signs[:, 1] = -1
    return embedding_bag(pairs, items, per_sample_weights=signs, mode="sum")


def _products(table: Tensor, rows: Tensor, vectors: Tensor) -> Tensor:
    """Inner products of rows [N] of a table and of vectors [N, D]: [N]."""
    return torch.einsum("bd,bd->b", table.index_select(0, rows), vectors)


def _added(table: Tensor, rows: Tensor, weights: Tensor, to: Tensor, length: int) -> Tensor:
    """Rows [N] of a table, times weights [N], added up by where they go [N]: [length, D]."""
    order, counts = order_of(to, length), torch.bincount(to, minlength=length)
    return _summed(table, rows.index_select(0, order), weights.index_select(0, order), counts)


def _summed(table: Tensor, rows: Tensor, weights: Tensor, counts: Tensor) -> Tensor:
    """Rows [N] of a table, times weights [N], added up by so many in a row, [M]: [M, D]."""
    return embedding_bag(
        rows,
        table,
        nn.functional.pad(counts.cumsum(0), (1, 0)),
        per_sample_weights=weights,
        mode="sum",
        include_last_offset=True,
    )


def order_of(numbers: Tensor, length: int) -> Tensor:
    """The order that sorts numbers below `length`. On a CPU by numpy, whose radix sort of small
    numbers takes a tenth of the time of torch's."""
    if numbers.device.type != "cpu":
        return numbers.argsort(stable=True)
    return torch.from_numpy(by_number(numbers.numpy(), length))


_PIECE = 2**16
"Rows of a batch whose copies are in memory at a time."


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


def squares_of_nodes(nodes: Tensor, batch: Triples, n_users: int) -> Tensor:
    """`half_squares` of a batch's users and items in one table of both [U + I, D], users first."""
    rows = torch.cat([batch.users, batch.liked + n_users, batch.other + n_users])
    return half_squares(nodes, rows, len(batch.users))


_SCORES = 2**22
"Scores of a softmax in memory at a time."


def softmax(
    said: Tensor,
    catalogue: Tensor,
    wanted: Tensor,
    bias: Tensor | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    """Cross-entropy of the wanted items [N] among all: the mean over representations [N, D], for
    scores that are inner products with items [I, D], and a bias [I]; each counts as its item's
    `weight` [I] says.

    In pieces, without [N, I] of memory: torch's own since 2.13, which take a third of the time.
    """
    options = getattr(nn, "LinearCrossEntropyOptions", None)
    if options is None:
        return _in_pieces(said, catalogue, wanted, bias, weight)
    result: Tensor = nn.functional.linear_cross_entropy(
        said, catalogue, wanted, linear_bias=bias, weight=weight, options=options()
    )
    return result


def _in_pieces(
    said: Tensor, catalogue: Tensor, wanted: Tensor, bias: Tensor | None, weight: Tensor | None
) -> Tensor:
    """The same with torch before 2.13; each piece is computed again for its gradient."""

    def piece(rows: slice) -> Tensor:
        scores = nn.functional.linear(said[rows], catalogue, bias)
        return cross_entropy(scores, wanted[rows], weight, reduction="sum")

    pieces = parts(len(said), max(1, _SCORES // len(catalogue)))
    losses = [checkpoint(piece, rows, use_reentrant=False) for rows in pieces]
    counted = len(said) if weight is None else weight[wanted].sum()
    return torch.stack(losses).sum() / counted
