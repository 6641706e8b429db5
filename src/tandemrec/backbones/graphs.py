"""The user-item graph, and signals that travel on it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from tandemrec.data.blocks import PART, parts


def normalised(met: sparse.csr_array) -> Tensor:
    """D^-1/2 A D^-1/2 of the bipartite graph of who met what [U, I], users first: a symmetric CSR
    tensor [U+I, U+I].

    He et al., SIGIR 2020, equation 7. A node without edges has an empty row. Indices are int32,
    which the CPU's and the GPU's sparse kernels take as they are.
    """
    return both_ways(_weighed(met))


def travelled(met: sparse.csr_array) -> Graph:
    """The same, in parts where there are many users."""
    return Parted(_weighed(met)) if met.shape[0] > RANGE else normalised(met)


def _weighed(met: sparse.csr_array) -> sparse.csr_array:
    """D^-1/2 A D^-1/2, from items to users alone: [U, I]."""
    user_degree = np.diff(met.indptr)
    item_degree = np.maximum(np.bincount(met.indices, minlength=met.shape[1]), 1)
    roots, weights = np.maximum(user_degree, 1) ** -0.5, np.empty(met.nnz, np.float32)
    for part in parts(met.shape[0], PART // 16):
        rows = slice(met.indptr[part.start], met.indptr[part.stop])
        exact = np.repeat(roots[part], user_degree[part]) * met.data[rows]
        weights[rows] = exact * (item_degree**-0.5)[met.indices[rows]]
    return sparse.csr_array((weights, met.indices, met.indptr), met.shape)


def both_ways(met: sparse.csr_array) -> Tensor:
    """The bipartite graph itself, its edges as they are: a symmetric CSR tensor [U+I, U+I]."""
    n_users, n_items = met.shape
    back = met.T.tocsr()
    starts = np.append(met.indptr, met.nnz + back.indptr[1:].astype(np.int64))
    columns = np.empty(2 * met.nnz, _kind(max(2 * met.nnz, n_users + n_items)))
    np.add(met.indices, n_users, out=columns[: met.nnz], casting="unsafe")
    columns[met.nnz :] = back.indices
    values = np.concatenate([met.data, back.data], dtype=np.float32)
    size = n_users + n_items
    return _tensor(sparse.csr_array((values, columns, starts), (size, size)))


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
    return csr(*_arrays(matrix), list(matrix.shape), check=True)


def _arrays(matrix: sparse.csr_array) -> tuple[Tensor, Tensor, Tensor]:
    """Where rows start, columns and values, without copies where their types allow."""
    matrix.sort_indices()
    kind = _kind(max(matrix.nnz, *matrix.shape))
    starts = torch.from_numpy(matrix.indptr.astype(kind, copy=False))
    columns = torch.from_numpy(matrix.indices.astype(kind, copy=False))
    return starts, columns, torch.from_numpy(matrix.data)


def csr(
    starts: Tensor,
    columns: Tensor,
    values: Tensor,
    size: list[int] | tuple[int, ...],
    *,
    check: bool = False,
) -> Tensor:
    """A CSR tensor of that size, without torch's warning that it is new."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return torch.sparse_csr_tensor(
            starts, columns, values, size, device=values.device, check_invariants=check
        )


def _kind(largest: int) -> type[np.integer[Any]]:
    """What indices are held in: int32 where that is enough."""
    return np.int32 if largest <= np.iinfo(np.int32).max else np.int64


RANGE = 2**15
"Users whose rows the processor's cache holds: 8 MB at width 64."


class Parted(nn.Module):
    """A symmetric bipartite graph of many users: items hear one range of users after the other, so
    that an edge costs as much with a million users as with some thousands."""

    def __init__(self, met: sparse.csr_array) -> None:
        super().__init__()
        self.sizes = list(met.shape)
        self.ranges = list(parts(met.shape[0], RANGE))
        self._keep("to_users", met)
        for number, users in enumerate(self.ranges):
            self._keep(f"from_{number}", met[users].T.tocsr())

    def _keep(self, name: str, matrix: sparse.csr_array) -> None:
        for part, array in zip(_ARRAYS, _arrays(matrix), strict=True):
            self.register_buffer(f"{name}_{part}", array, persistent=False)

    def product(self, signal: Tensor) -> Tensor:
        """A x: [U + I, D] -> [U + I, D]."""
        users, items = signal.split(self.sizes)
        found = torch.zeros_like(signal)
        to_users, to_items = found.split(self.sizes)
        to_users.copy_(self._heard("to_users", items))
        for number, own in enumerate(self.ranges):
            to_items.add_(self._heard(f"from_{number}", users[own]))
        return found

    def _heard(self, name: str, signal: Tensor) -> Tensor:
        starts, columns, values = (self.get_buffer(f"{name}_{part}") for part in _ARRAYS)
        return product(csr(starts, columns, values, [len(starts) - 1, len(signal)]), signal)


_ARRAYS = ("starts", "columns", "values")
Graph = Tensor | Parted


def product(graph: Graph, signal: Tensor, more: Tensor | None = None) -> Tensor:
    """A x, or A x + y: [M, N] and [N, D] -> [M, D].

    No gradient goes through it. On a CPU, torch's bags fetch the next rows while they add up one: a
    third of the time of its sparse product with a million edges, a fifth with twenty.
    """
    if isinstance(graph, Parted):
        found = graph.product(signal)
        return found if more is None else found.add_(more)
    values = graph.values()
    if graph.device.type != "cpu" or signal.dtype != values.dtype:
        return graph @ signal if more is None else torch.addmm(more, graph, signal)
    found = torch.nn.functional.embedding_bag(
        graph.col_indices(),
        signal.contiguous(),
        graph.crow_indices(),
        per_sample_weights=values,
        mode="sum",
        include_last_offset=True,
    )
    return found if more is None else found.add_(more)


class _Mean(torch.autograd.Function):
    """Mean of A^0 x, ..., A^K x; it is linear and symmetric in x, so it is its own gradient."""

    @staticmethod
    def forward(ctx: Any, graph: Graph, signal: Tensor, steps: int) -> Tensor:
        ctx.graph, ctx.steps = graph, steps
        return _mean(graph, signal, steps)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor, None]:
        return None, _mean(ctx.graph, gradients[0], ctx.steps), None


def _mean(graph: Graph, signal: Tensor, steps: int) -> Tensor:
    total = signal
    for _ in range(steps):  # x + A (x + A (x + ...))
        total = product(graph, total, signal)
    return total / (steps + 1)


def mean_over_steps(graph: Graph, signal: Tensor, steps: int) -> Tensor:
    """What reaches each node in 0, 1, ..., `steps` steps, averaged: [N, D] -> [N, D].

    `graph` must be symmetric: the backward pass uses the same products.
    """
    result: Tensor = _Mean.apply(graph, signal, steps)  # type: ignore[no-untyped-call]
    return result


class _Step(torch.autograd.Function):
    """A x; A is symmetric, so the gradient takes the same way."""

    @staticmethod
    def forward(ctx: Any, graph: Graph, signal: Tensor) -> Tensor:
        ctx.graph = graph
        return product(graph, signal)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, product(ctx.graph, gradients[0])


def one_step(graph: Graph, signal: Tensor) -> Tensor:
    """What reaches each node in one step: [N, D] -> [N, D]. `graph` must be symmetric."""
    result: Tensor = _Step.apply(graph, signal)  # type: ignore[no-untyped-call]
    return result


class _Across(torch.autograd.Function):
    """A x; the gradient goes back by the other graph, which saves transposing A."""

    @staticmethod
    def forward(ctx: Any, there: Tensor, back: Tensor, signal: Tensor) -> Tensor:
        ctx.back = back
        return product(there, signal)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, None, Tensor]:
        return None, None, product(ctx.back, gradients[0])


def across(there: Tensor, back: Tensor, signal: Tensor) -> Tensor:
    """What reaches the nodes on the other side in one step: [N, D] -> [M, D]. `back` must be the
    transpose of `there` [M, N]."""
    result: Tensor = _Across.apply(there, back, signal)  # type: ignore[no-untyped-call]
    return result


class _Steps(torch.autograd.Function):
    """x, A_1 x, A_2 A_1 x, ..., each A symmetric."""

    @staticmethod
    def forward(ctx: Any, signal: Tensor, *graphs: Graph) -> Tensor:
        ctx.graphs = graphs
        found = [signal]
        for graph in graphs:
            found.append(product(graph, found[-1]))
        return torch.stack(found)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        *below, total = gradients[0]
        for graph, own in zip(reversed(ctx.graphs), reversed(below), strict=True):
            total = product(graph, total, own)
        return (total, *[None for _ in ctx.graphs])


def steps(graphs: Sequence[Graph], signal: Tensor) -> Tensor:
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
