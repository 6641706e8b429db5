"""Numbers worked out by hand: what a contract that only asks for good answers cannot see."""

import math
import warnings

import numpy as np
import pytest
import torch

from tandemrec.backbones import MF, LightGCN, build
from tandemrec.backbones.graphs import mean_over_steps, normalised
from tandemrec.backbones.losses import bpr, half_squares
from tandemrec.data.batches import Triples
from tandemrec.data.interactions import Interactions
from tandemrec.data.worlds import clubs, one_pair


def numbers(*values: int) -> torch.Tensor:
    return torch.tensor(values)


def test_bpr_is_the_mean_of_minus_log_sigmoid() -> None:
    by_hand = (math.log(1 + math.exp(-2)) + math.log(2) + math.log(1 + math.exp(1))) / 3
    assert bpr(torch.tensor([2.0, 0.0, -1.0])).item() == pytest.approx(by_hand)


def test_bpr_of_extreme_margins_is_finite() -> None:
    assert bpr(torch.tensor([200.0, -200.0])).item() == pytest.approx(100)


def test_half_squares_count_a_row_as_often_as_it_is_named() -> None:
    table = torch.tensor([[1.0, 2.0], [3.0, 0.0], [5.0, 5.0]])
    assert half_squares(table, numbers(0, 1, 1), 2).item() == pytest.approx((5 + 9 + 9) / 4)


def test_mf_loss_by_hand() -> None:
    """User 2, met item 3, other 1: margin 2 * (3 - 1) = 4; half the squares (4 + 9 + 1) / 2."""
    model = build(MF, one_pair(), {"width": 1, "decay": 0.1})
    model.users.weight.data = torch.tensor([[2.0]])
    model.items.weight.data = torch.tensor([[3.0], [1.0]])
    loss = model.loss(Triples(numbers(0), numbers(0), numbers(1)))
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-4)) + 0.1 * 7)
    loss.backward()
    pull = -1 / (1 + math.exp(4))  # d/dm of -log sigmoid(m) at 4
    assert model.users.weight.grad.item() == pytest.approx(pull * 2 + 0.1 * 2)
    assert model.items.weight.grad[:, 0].tolist() == pytest.approx(
        [pull * 2 + 0.1 * 3, -pull * 2 + 0.1 * 1]
    )


def test_the_graph_is_divided_by_both_degrees() -> None:
    """User 0 met items 0 and 1, user 1 met item 0: degrees 2, 1 and 2, 1, 0."""
    train = Interactions.sorted(np.array([0, 0, 1]), np.array([0, 1, 0]), n_users=2, n_items=3)
    graph = normalised(train).to_dense()
    expected = torch.zeros(5, 5)
    expected[0, 2], expected[0, 3], expected[1, 2] = 1 / 2, 1 / math.sqrt(2), 1 / math.sqrt(2)
    torch.testing.assert_close(graph, expected + expected.T)


def test_lightgcn_is_the_mean_over_steps() -> None:
    """One user, one item: each step swaps the two embeddings, so two of three terms are its own.

    The item that nobody met keeps a third of its own: nothing reaches it.
    """
    model = build(LightGCN, one_pair(), {"width": 1, "layers": 2})
    model.nodes.weight.data = torch.tensor([[3.0], [9.0], [6.0]])
    users, items = model.embed()
    assert users.item() == pytest.approx((3 + 9 + 3) / 3)
    assert items[:, 0].tolist() == pytest.approx([(9 + 3 + 9) / 3, 6 / 3])


def test_lightgcn_loss_by_hand() -> None:
    """Final embeddings 5, 7, 2; the penalty is on the first ones, 3, 9 and 6."""
    model = build(LightGCN, one_pair(), {"width": 1, "layers": 2, "decay": 0.01})
    model.nodes.weight.data = torch.tensor([[3.0], [9.0], [6.0]])
    loss = model.loss(Triples(numbers(0), numbers(0), numbers(1)))
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-25)) + 0.01 * (9 + 81 + 36) / 2)


def test_lightgcn_without_layers_is_mf() -> None:
    train = clubs()
    mf = build(MF, train, {"width": 8, "decay": 0.01})
    gcn = build(LightGCN, train, {"width": 8, "decay": 0.01, "layers": 0})
    gcn.nodes.weight.data = torch.cat(mf.embed()).detach().clone()
    batch = Triples(numbers(0, 1, 2), numbers(3, 4, 5), numbers(9, 8, 7))
    torch.testing.assert_close(gcn.loss(batch), mf.loss(batch))
    torch.testing.assert_close(gcn.score(numbers(4)), mf.score(numbers(4)))


def test_the_mean_and_its_gradient_are_those_of_dense_autograd() -> None:
    graph = normalised(clubs())
    signal = torch.randn(100, 5, requires_grad=True)
    weight = torch.randn(100, 5)
    dense, reached, total = graph.to_dense(), signal, signal
    for _ in range(3):
        reached = dense @ reached
        total = total + reached
    (total / 4 * weight).sum().backward()
    expected, signal.grad = signal.grad, None
    ours = mean_over_steps(graph, signal, 3)
    torch.testing.assert_close(ours, total / 4)
    (ours * weight).sum().backward()
    torch.testing.assert_close(signal.grad, expected)


def test_no_warning_of_torch_reaches_the_user() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build(LightGCN, clubs()).score(numbers(0))
