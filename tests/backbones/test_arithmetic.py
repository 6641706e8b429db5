"""Numbers worked out by hand: what a contract that only asks for good answers cannot see."""

import math
import warnings

import numpy as np
import pytest
import torch

from tandemrec.backbones import MF, SGL, LightGCN, MixGCF, build, mixgcf
from tandemrec.backbones.graphs import (
    mean_over_steps,
    normalised,
    steps,
    without_edges,
    without_nodes,
)
from tandemrec.backbones.losses import bpr, half_squares
from tandemrec.backbones.mixgcf import Mixed
from tandemrec.backbones.sgl import View, Viewed
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
    graph = normalised(train.matrix).to_dense()
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
    graph = normalised(clubs().matrix)
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


def test_mixgcf_loss_by_hand() -> None:
    """No step: user 2, met item 3, candidates 1 and -4; the user would like 1 more (2 > -8), and a
    quarter of 3 is mixed in: 0.25 * 3 + 0.75 * 1 = 1.5. Margin 2 * (3 - 1.5) = 3."""
    zero, three = np.zeros(1, np.int64), {"n_users": 1, "n_items": 3}
    train = Interactions.sorted(zero, zero, **three)
    model = build(MixGCF, train, {"width": 1, "layers": 0, "decay": 0.1, "candidates": 2})
    model.nodes.weight.data = torch.tensor([[2.0], [3.0], [1.0], [-4.0]])
    batch = Mixed(numbers(0), numbers(0), torch.tensor([[2, 1]]), torch.tensor([[0.25]]))
    penalty = 0.1 * (4 + 9 + 1.5**2) / 2
    assert model.loss(batch).item() == pytest.approx(math.log(1 + math.exp(-3)) + penalty)


def test_mixgcf_chooses_at_each_step_by_the_users_final_embedding() -> None:
    """User 0 met item 0, user 1 item 1, nobody item 2: a step swaps what a user and its item hold.

    User 0 ends at (4 + 2) / 2 = 3. Items hold 2, 3, 2 at step 0 and 4, 1, 0 at step 1.
    """
    train = Interactions.sorted(np.array([0, 1]), np.array([0, 1]), n_users=2, n_items=3)
    model = build(MixGCF, train, {"width": 1, "layers": 1, "decay": 0.0, "candidates": 2})
    model.nodes.weight.data = torch.tensor([[4.0], [1.0], [2.0], [3.0], [2.0]])
    # candidates 1 and 2: item 1 at both steps (3 > 2, 1 > 0), the mean of 3 and 1; margin 3 (3 - 2)
    batch = Mixed(numbers(0), numbers(0), torch.tensor([[1, 2]]), torch.zeros(1, 2))
    assert model.loss(batch).item() == pytest.approx(math.log(1 + math.exp(-3)))
    # candidates 0 and 1: item 1 at step 0 (3 > 2), item 0 at step 1 (4 > 1): (3 + 4) / 2 = 3.5
    batch = Mixed(numbers(0), numbers(0), torch.tensor([[0, 1]]), torch.zeros(1, 2))
    assert model.loss(batch).item() == pytest.approx(math.log(1 + math.exp(1.5)))


def test_mixgcf_asks_not_by_what_the_user_holds_at_first() -> None:
    """The same world; user 0 holds -1, and his item 5: he ends at (-1 + 5) / 2 = 2 and likes item 1
    better than 2 at both steps (3 > 2, 1 > 0), which what he held at first would turn round. The
    liked item is (5 - 1) / 2 = 2, the other (3 + 1) / 2 = 2: a margin of nothing."""
    train = Interactions.sorted(np.array([0, 1]), np.array([0, 1]), n_users=2, n_items=3)
    model = build(MixGCF, train, {"width": 1, "layers": 1, "decay": 0.0, "candidates": 2})
    model.nodes.weight.data = torch.tensor([[-1.0], [1.0], [5.0], [3.0], [2.0]])
    batch = Mixed(numbers(0), numbers(0), torch.tensor([[1, 2]]), torch.zeros(1, 2))
    assert model.loss(batch).item() == pytest.approx(math.log(2))


def test_mixgcf_mixes_as_much_at_each_step_as_its_share_says() -> None:
    """The same world, item 0 liked, which holds 2 and 4; the candidate is item 1, which holds 3
    and 1. Half of 2 and half of 3 are 2.5, a quarter of 4 and the rest of 1 are 1.75: their mean
    is 2.125, the margin 3 (3 - 2.125). The penalty is on user 4, item 2 and the negative 2.5."""
    train = Interactions.sorted(np.array([0, 1]), np.array([0, 1]), n_users=2, n_items=3)
    model = build(MixGCF, train, {"width": 1, "layers": 1, "decay": 0.1, "candidates": 2})
    model.nodes.weight.data = torch.tensor([[4.0], [1.0], [2.0], [3.0], [2.0]])
    batch = Mixed(numbers(0), numbers(0), torch.tensor([[1, 1]]), torch.tensor([[0.5, 0.25]]))
    penalty = 0.1 * (16 + 4 + 2.5**2) / 2
    assert model.loss(batch).item() == pytest.approx(math.log(1 + math.exp(-2.625)) + penalty)


def test_mixgcf_draws_a_share_for_each_row_and_step() -> None:
    world = clubs(n_users=300)
    model = build(MixGCF, world, {"width": 4, "layers": 2, "candidates": 3})
    rng = np.random.default_rng(0)
    rows = list(model.batches(world, 64, rng))
    assert all(row.share.shape == (len(row.users), 3) for row in rows)
    share = torch.cat([row.share for row in rows])
    assert ((share >= 0) & (share < 1)).all()
    assert len(share.unique()) > 0.99 * share.numel()
    assert len(share) > 1500  # a mean's deviation is below .0075
    assert share.mean(0).tolist() == pytest.approx([0.5] * 3, abs=0.04)
    assert share.std(0).tolist() == pytest.approx([math.sqrt(1 / 12)] * 3, abs=0.03)
    again = next(iter(model.batches(world, 64, rng))).share
    assert not torch.equal(again, rows[0].share)


def test_mixgcf_has_a_stated_preference_as_its_only_candidate() -> None:
    world = clubs()
    model = build(MixGCF, world, {"width": 4, "candidates": 3})
    stated = (np.array([5]), np.array([7]), np.array([9]))
    rng = np.random.default_rng(0)
    rows = list(model.batches(world, 50, rng, stated))
    found = [
        r
        for r in rows
        for n in range(len(r.users))
        if (r.candidates[n] == 9).all() and (r.users[n], r.liked[n]) == (5, 7)
    ]
    assert len(found) == 1
    assert sum(len(r.users) for r in rows) == len(world) + 1
    met = world.matrix.toarray()
    drawn = [(u, c) for r in rows for u, cs in zip(r.users, r.candidates, strict=True) for c in cs]
    assert sum(met[u, c] for u, c in drawn) == 3 * met[5, 9]


def test_sgl_second_task_by_hand() -> None:
    """Two users at right angles in one view, alike in the other; tau 0.5.

    User 0's cosines to users 0 and 1 of the other view are 1 and 1: a half. User 1's are 0 and 0.
    """
    train = Interactions.sorted(np.array([0, 1]), np.array([0, 0]), n_users=2, n_items=1)
    settings = {"width": 2, "layers": 1, "temperature": 0.5, "weight": 1.0, "decay": 0.0}
    model = build(SGL, train, settings)
    model.nodes.weight.data = torch.tensor([[2.0, 0.0], [0.0, 3.0], [0.0, 0.0]])
    none = normalised(without_edges(train.matrix, 1.0, np.random.default_rng(0)))
    batch = Viewed(numbers(0, 0, 1), numbers(0, 0, 0), numbers(0, 0, 0), View([none]), View([none]))
    # the users' cosine to themselves is 1, to the other 0; the only item is always itself
    own = -math.log(math.exp(2) / (math.exp(2) + 1))
    assert model.contrast(batch).item() == pytest.approx(own)
    bpr_alone = build(SGL, train, settings | {"weight": 0.0})
    bpr_alone.nodes.weight.data = model.nodes.weight.data
    assert model.loss(batch).item() == pytest.approx(bpr_alone.loss(batch).item() + own)


def test_sgl_contrasts_one_view_with_the_other() -> None:
    """In view one, user 0 is (1, 0) / 2; in view two its item adds (0, 3): (1, 3) / 2."""
    train = Interactions.sorted(np.array([0, 1]), np.array([0, 1]), n_users=2, n_items=2)
    model = build(SGL, train, {"width": 2, "layers": 1, "temperature": 1.0})
    model.nodes.weight.data = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 3.0], [0.0, 0.0]])
    none = normalised(without_edges(train.matrix, 1.0, np.random.default_rng(0)))
    whole = normalised(train.matrix)
    batch = Viewed(numbers(0), numbers(1), numbers(0), View([none]), View([whole]))
    own, other = 1 / math.sqrt(10), 1.0
    users = -math.log(math.exp(own) / (math.exp(own) + math.exp(other)))
    items = math.log(2)  # item 1 is nothing in view one: its cosines are 0
    assert model.contrast(batch).item() == pytest.approx(users + items)


def test_sgl_counts_a_node_as_often_as_the_batch_names_it() -> None:
    """Equation 10, row by row; and equation 11 with a weight that is not 1."""
    train = clubs(n_users=12, n_items=8)
    settings = {"width": 4, "layers": 2, "temperature": 0.7, "decay": 0.0, "drop": 0.4}
    model = build(SGL, train, settings | {"weight": 0.3})
    batch = next(iter(model.batches(train, 40, np.random.default_rng(0))))
    assert len(batch.users.unique()) < len(batch.users)
    one, two = (
        torch.nn.functional.normalize(steps(view, model.nodes.weight).mean(0), dim=1)
        for view in (batch.one, batch.two)
    )
    expected = 0.0
    for rows, first, n in ((batch.users, 0, 12), (batch.liked, 12, 8)):
        every = two[first : first + n]
        own = [-((every @ one[first + row]) / 0.7).log_softmax(0)[row] for row in rows.tolist()]
        expected += torch.stack(own).mean().item()
    assert model.contrast(batch).item() == pytest.approx(expected, rel=1e-5)
    alone = build(SGL, train, settings | {"weight": 0.0})
    assert model.loss(batch).item() == pytest.approx(alone.loss(batch).item() + 0.3 * expected)


@pytest.mark.parametrize("view", ["edges", "nodes", "walk"])
def test_a_view_is_divided_by_the_degrees_that_are_left(view: str) -> None:
    """Section 3.1: each view is a graph of its own, which LightGCN's rule normalises."""
    train = clubs(n_users=30, n_items=20)
    model = build(SGL, train, {"view": view, "drop": 0.4, "width": 4, "layers": 2})
    batch = next(iter(model.batches(train, 64, np.random.default_rng(0))))
    for graph in (*batch.one, *batch.two):
        dense = graph.to_dense()
        degrees = (dense > 0).sum(1).double()
        assert (degrees[:30] < torch.from_numpy(train.counts)).any()
        here, there = dense.nonzero(as_tuple=True)
        expected = 1 / (degrees[here] * degrees[there]).sqrt()
        torch.testing.assert_close(dense[here, there].double(), expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize("view", ["edges", "nodes", "walk"])
def test_views_are_drawn_anew_and_keep_their_share(view: str) -> None:
    train = clubs(n_users=300, n_items=200)
    model = build(SGL, train, {"view": view, "drop": 0.3, "width": 4, "layers": 2})
    rng = np.random.default_rng(0)
    first, again = (next(iter(model.batches(train, 64, rng))) for _ in range(2))
    graphs = [*first.one, *first.two, *again.one]
    different = {graph.values().sum().item() for graph in graphs}
    assert len(different) == (6 if view == "walk" else 3)
    edges = train.matrix.nnz
    kept = [graph.values().numel() / 2 / edges for graph in graphs]
    expected = 0.49 if view == "nodes" else 0.7
    assert np.mean(kept) == pytest.approx(expected, abs=0.05)


def test_thinned_graphs_lose_edges_or_nodes_whole() -> None:
    met, rng = clubs().matrix, np.random.default_rng(0)
    dense = met.toarray()
    for thin in (without_edges, without_nodes):
        kept = thin(met, 0.5, rng).toarray()
        assert ((kept == dense) | (kept == 0)).all() and 0 < kept.sum() < dense.sum()
    users = kept.any(1)
    items = kept.any(0)
    assert (kept == dense * users[:, None] * items).all()


def test_steps_and_their_gradient_are_those_of_dense_autograd() -> None:
    met, rng = clubs().matrix, np.random.default_rng(0)
    graphs = [normalised(without_edges(met, 0.3, rng)) for _ in range(3)]
    signal, weight = torch.randn(100, 5, requires_grad=True), torch.randn(4, 100, 5)
    reached = [signal]
    for graph in graphs:
        reached.append(graph.to_dense() @ reached[-1])
    (torch.stack(reached) * weight).sum().backward()
    expected, signal.grad = signal.grad, None
    ours = steps(graphs, signal)
    torch.testing.assert_close(ours, torch.stack(reached))
    (ours * weight).sum().backward()
    torch.testing.assert_close(signal.grad, expected)


def test_no_warning_of_torch_reaches_the_user() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build(LightGCN, clubs()).score(numbers(0))


def test_mixgcf_finds_the_same_candidates_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    users, items = torch.randn(7, 4), torch.randn(3, 9, 4)
    rows = torch.randint(7, (600,)), torch.randint(9, (600,)), torch.randint(9, (600, 5))
    batch = Mixed(*rows, torch.rand(600, 3))
    scores = (items[:, rows[2]] * users[rows[0]][:, None]).sum(-1)  # [L + 1, B, M]
    expected = rows[2].expand(3, -1, -1).gather(2, scores.argmax(2, keepdim=True))[:, :, 0]
    assert torch.equal(mixgcf.hardest(users, items, batch), expected)
    monkeypatch.setattr(mixgcf, "DENSE", 0)
    assert torch.equal(mixgcf.hardest(users, items, batch), expected)
