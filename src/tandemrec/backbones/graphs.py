"""The user-item graph, and signals that travel on it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor


def normalised(met: sparse.csr_array) -> Tensor:
    """D^-1/2 A D^-1/2 of the bipartite graph of who met what [U, I], users first: a symmetric CSR
    tensor [U+I, U+I].

    He et al., SIGIR 2020, equation 7. A node without edges has an empty row. Indices are int32,
    which the CPU's and the GPU's sparse kernels take as they are.
    """
    user_degree = np.maximum(np.diff(met.indptr), 1)
    item_degree = np.maximum(np.bincount(met.indices, minlength=met.shape[1]), 1)
    scaled = sparse.diags_array(user_degree**-0.5) @ met @ sparse.diags_array(item_degree**-0.5)
    return both_ways(scaled)


def both_ways(met: sparse.csr_array) -> Tensor:
    """The bipartite graph itself, its edges as they are: a symmetric CSR tensor [U+I, U+I]."""
    joined = sparse.block_array([[None, met], [met.T, None]], format="csr")
    return _tensor(joined.astype(np.float32))


def one_way(met: sparse.csr_array) -> tuple[Tensor, Tensor]:
    """The graph from items to users [U, I], and back [I, U], as CSR tensors."""
    return _tensor(met.astype(np.float32)), _tensor(met.T.tocsr().astype(np.float32))


def degrees(met: sparse.csr_array) -> tuple[Tensor, Tensor]:
    """How many edges each user and each item has, at least 1, [U, 1] and [I, 1]."""
    users, items = np.diff(met.indptr), np.bincount(met.indices, minlength=met.shape[1])
    found = (np.maximum(side, 1).astype(np.float32) for side in (users, items))
    one, other = (torch.from_numpy(side)[:, None] for side in found)
    return one, other


def _tensor(matrix: sparse.csr_array) -> Tensor:
    matrix.sort_indices()
    starts = torch.from_numpy(matrix.indptr.astype(np.int32))
    columns = torch.from_numpy(matrix.indices.astype(np.int32))
    values, size = torch.from_numpy(matrix.data), list(matrix.shape)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(starts, columns, values, size, check_invariants=True)


class _Mean(torch.autograd.Function):
    """Mean of A^0 x, ..., A^K x; it is linear and symmetric in x, so it is its own gradient."""

    @staticmethod
    def forward(ctx: Any, graph: Tensor, signal: Tensor, steps: int) -> Tensor:
        ctx.graph, ctx.steps = graph, steps
        return _mean(graph, signal, steps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor, None]:
        return None, _mean(ctx.graph, gradients[0], ctx.steps), None


def _mean(graph: Tensor, signal: Tensor, steps: int) -> Tensor:
    total = signal
    for _ in range(steps):  # x + A (x + A (x + ...))
        total = torch.addmm(signal, graph, total)
    return total / (steps + 1)


def mean_over_steps(graph: Tensor, signal: Tensor, steps: int) -> Tensor:
    """What reaches each node in 0, 1, ..., `steps` steps, averaged: [N, D] -> [N, D].

    `graph` must be symmetric: the backward pass uses the same products.
    """
    result: Tensor = _Mean.apply(graph, signal, steps)  # type: ignore[no-untyped-call]
    return result


class _Step(torch.autograd.Function):
    """A x; A is symmetric, so the gradient takes the same way."""

    @staticmethod
    def forward(ctx: Any, graph: Tensor, signal: Tensor) -> Tensor:
        ctx.graph = graph
        return graph @ signal

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, ctx.graph @ gradients[0]


def one_step(graph: Tensor, signal: Tensor) -> Tensor:
    """What reaches each node in one step: [N, D] -> [N, D]. `graph` must be symmetric."""
    result: Tensor = _Step.apply(graph, signal)  # type: ignore[no-untyped-call]
    return result


class _Across(torch.autograd.Function):
    """A x; the gradient goes back by the other graph, which saves transposing A."""

    @staticmethod
    def forward(ctx: Any, there: Tensor, back: Tensor, signal: Tensor) -> Tensor:
        ctx.back = back
        return there @ signal

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, Tensor]:
        return None, None, ctx.back @ gradients[0]


def across(there: Tensor, back: Tensor, signal: Tensor) -> Tensor:
    """What reaches the nodes on the other side in one step: [N, D] -> [M, D]. `back` must be the
    transpose of `there` [M, N]."""
    result: Tensor = _Across.apply(there, back, signal)  # type: ignore[no-untyped-call]
    return result


class _Steps(torch.autograd.Function):
    """x, A_1 x, A_2 A_1 x, ..., each A symmetric."""

    @staticmethod
    def forward(ctx: Any, signal: Tensor, *graphs: Tensor) -> Tensor:
        ctx.graphs = graphs
        found = [signal]
        for graph in graphs:
            found.append(graph @ found[-1])
        return torch.stack(found)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        *below, total = gradients[0]
        for graph, own in zip(reversed(ctx.graphs), reversed(below), strict=True):
            total = torch.addmm(own, graph, total)
        return (total, *[None for _ in ctx.graphs])


def steps(graphs: Sequence[Tensor], signal: Tensor) -> Tensor:
    """What reaches each node in 0, 1, ..., L steps, the l-th along the l-th graph: [N, D] ->
    [L + 1, N, D]. Each graph must be symmetric."""
    result: Tensor = _Steps.apply(signal, *graphs)  # type: ignore[no-untyped-call]
    return result


def without_edges(
    met: sparse.csr_array, share: float, rng: np.random.Generator
) -> sparse.csr_array:
    """The graph less a random share of its edges."""
    return _kept(met, rng.random(met.nnz) >= share)


def without_nodes(
    met: sparse.csr_array, share: float, rng: np.random.Generator
) -> sparse.csr_array:
    """The graph less all edges of a random share of its users and of its items."""
    users, items = (rng.random(size) >= share for size in met.shape)
    return _kept(met, np.repeat(users, np.diff(met.indptr)) & items[met.indices])


def _kept(met: sparse.csr_array, edges: np.ndarray[Any, np.dtype[np.bool_]]) -> sparse.csr_array:
    """The graph with some of its edges, [E] in the order in which they are stored."""
    ends = np.append(0, np.cumsum(edges))[met.indptr]
    return sparse.csr_array((met.data[edges], met.indices[edges], ends), shape=met.shape)
