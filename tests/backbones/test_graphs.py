"""The graph by its formula, and its products whichever way they are made."""

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import Tensor

from tandemrec.backbones import graphs
from tandemrec.backbones.graphs import (
    Parted,
    across,
    both_ways,
    mean_over_steps,
    normalised,
    one_step,
    one_way,
    steps,
    travelled,
)
from tandemrec.data.worlds import clubs
from tandemrec.training import TrainConfig, fit

MET = sparse.csr_array((np.random.default_rng(0).random((9, 6)) < 0.4).astype(np.float32))


def test_the_graph_is_that_of_the_formula() -> None:
    """He et al., SIGIR 2020, equation 7; user 9 and item 6 met nothing."""
    met = np.pad(MET.toarray(), ((0, 1), (0, 1)))
    adjacency = np.block([[np.zeros((10, 10)), met], [met.T, np.zeros((7, 7))]])
    roots = np.maximum(adjacency.sum(1), 1) ** -0.5
    padded = sparse.csr_array(met)
    np.testing.assert_allclose(both_ways(padded).to_dense(), adjacency)
    wanted = roots[:, None] * adjacency * roots
    np.testing.assert_allclose(normalised(padded).to_dense(), wanted, rtol=1e-6)


def test_weights_of_edges_are_kept() -> None:
    weighed = sparse.csr_array(MET * 3)
    torch.testing.assert_close(normalised(weighed).to_dense(), 3 * normalised(MET).to_dense())
    assert both_ways(weighed).values().unique().tolist() == [3]


def products(signal: Tensor) -> list[Tensor]:
    graph, (there, back) = travelled(MET), one_way(MET)
    signal = signal.clone().requires_grad_()
    every = [mean_over_steps(graph, signal, 3), one_step(graph, signal)]
    every += [steps([graph, graph], signal), across(there, back, signal[9:])]
    loss = sum((each * torch.arange(each.numel()).view_as(each)).sum() for each in every)
    return [*every, *torch.autograd.grad(loss, signal)]


def test_bags_give_what_sparse_products_give(monkeypatch: pytest.MonkeyPatch) -> None:
    signal = torch.randn(15, 4, generator=torch.Generator().manual_seed(0))
    bags, bag = [], torch.nn.functional.embedding_bag

    def noted(*given: Tensor, **more: object) -> Tensor:
        bags.append(given[0].numel())
        return bag(*given, **more)

    def plain(graph: Tensor, signal: Tensor, more: Tensor | None = None) -> Tensor:
        return graph @ signal if more is None else graph @ signal + more

    monkeypatch.setattr(torch.nn.functional, "embedding_bag", noted)
    found = products(signal)
    monkeypatch.setattr(graphs, "product", plain)
    for mine, wanted in zip(found, products(signal), strict=True):
        torch.testing.assert_close(mine, wanted)
    assert len(bags) == 3 + 3 + 2 * (1 + 2 + 1)


@pytest.mark.parametrize("size", [1, 4, 8])
def test_ranges_of_users_give_the_same_products_and_gradients(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    signal = torch.randn(15, 4, generator=torch.Generator().manual_seed(0))
    whole = products(signal)
    monkeypatch.setattr(graphs, "RANGE", size)
    graph = travelled(MET)
    assert isinstance(graph, Parted) and len(graph.ranges) == -(-9 // size)
    for mine, wanted in zip(products(signal), whole, strict=True):
        torch.testing.assert_close(mine, wanted)
    assert not graph.state_dict()


@pytest.mark.parametrize("name", ["lightgcn", "mixgcf"])
def test_a_backbone_learns_the_same_by_ranges(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = TrainConfig(epochs=2, batch_size=200)
    whole = fit(name, clubs(), config, hyper={"width": 8})
    monkeypatch.setattr(graphs, "RANGE", 7)
    fitted = fit(name, clubs(), config, hyper={"width": 8})
    assert isinstance(fitted.model.graph, Parted)
    assert whole.model.state_dict().keys() == fitted.model.state_dict().keys()
    for mine, wanted in zip(fitted.model.embed(), whole.model.embed(), strict=True):
        torch.testing.assert_close(mine, wanted, atol=1e-5, rtol=1e-4)
