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
    both_ways = sparse.block_array([[None, scaled], [scaled.T, None]], format="csr")
    return _tensor(both_ways.astype(np.float32))


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
