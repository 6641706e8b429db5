"""The user-item graph, and signals that travel on it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from tandemrec.data.interactions import Interactions


def normalised(train: Interactions) -> Tensor:
    """D^-1/2 A D^-1/2 of the bipartite graph, users first: a symmetric CSR tensor [U+I, U+I].

    He et al., SIGIR 2020, equation 7. A node without edges has an empty row. Indices are int32,
    which the CPU's and the GPU's sparse kernels take as they are.
    """
    met = train.matrix
    user_degree = np.maximum(np.diff(met.indptr), 1)
    item_degree = np.maximum(np.bincount(met.indices, minlength=train.n_items), 1)
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
