"""NeuMF and NGCF: numbers worked out by hand."""

import math
from collections import Counter
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from tandemrec.backbones import NGCF, NeuMF, build, neumf
from tandemrec.backbones.graphs import normalised, one_step
from tandemrec.backbones.neumf import Answers
from tandemrec.data.batches import BetweenUsers, Columns, Triples
from tandemrec.data.interactions import Interactions
from tandemrec.data.worlds import clubs, one_pair


def numbers(*values: int) -> Tensor:
    return torch.tensor(values)


def minus_log_sigmoid(value: float) -> float:
    return math.log(1 + math.exp(-value))


def two_by_two(decay: float = 0.0) -> NeuMF:
    """Users hold (2, 1) and (1, 3), items (3, -1) and (-1, 2): GMF's number and then MLP's.

    MLP's layers, of u and i: relu(u + 2 i + 1) and relu(u - i), then relu(first - 2 second + 4).
    """
    train = Interactions.sorted(np.array([0, 1]), np.array([0, 1]), n_users=2, n_items=2)
    model: NeuMF = build(NeuMF, train, {"width": 1, "hidden": (2, 1), "decay": decay})
    model.users.weight.data = torch.tensor([[2.0, 1.0], [1.0, 3.0]])
    model.items.weight.data = torch.tensor([[3.0, -1.0], [-1.0, 2.0]])
    model.first.weight.data = torch.tensor([[1.0, 2.0], [1.0, -1.0]])
    model.first.bias.data = torch.tensor([1.0, 0.0])
    model.deep[1].weight.data = torch.tensor([[1.0, -2.0]])
    model.deep[1].bias.data = torch.tensor([4.0])
    model.fuse.weight.data = torch.tensor([[0.5, -1.0]])
    model.fuse.bias.data = torch.tensor([0.25])
    return model


ANSWERS = [[3.25, -10.75], [1.75, -10.25]]
"""Half of GMF's product less MLP's last layer, and a quarter:
(0, 0): 6 / 2, layers (1 - 2 + 1, 1 + 1) = (0, 2), 0 - 4 + 4 = 0
(0, 1): -2 / 2, (1 + 4 + 1, 1 - 2 < 0) = (6, 0), 6 + 4 = 10
(1, 0): 3 / 2, (3 - 2 + 1, 3 + 1) = (2, 4), 2 - 8 + 4 < 0, so 0
(1, 1): -1 / 2, (3 + 4 + 1, 3 - 2) = (8, 1), 8 - 2 + 4 = 10"""


def test_neumf_answers_by_hand() -> None:
    model = two_by_two()
    pairs = numbers(0, 0, 1, 1), numbers(0, 1, 0, 1)
    by_hand = torch.tensor(ANSWERS)
    torch.testing.assert_close(model.answer(*pairs), by_hand.flatten())
    torch.testing.assert_close(model.score(numbers(1, 0, 1)), by_hand[[1, 0, 1]])


def test_neumf_loss_by_hand() -> None:
    """The penalty is on what the batch names, as often: (4 + 1 + 4 + 1) / 2 of user 0's numbers
    and (9 + 1 + 1 + 4) / 2 of the items', over two rows."""
    batch = Answers(numbers(0, 0), numbers(0, 1), torch.tensor([True, False]))
    logs = (minus_log_sigmoid(3.25) + minus_log_sigmoid(10.75)) / 2
    assert two_by_two().loss(batch).item() == pytest.approx(logs)
    wrong = batch._replace(liked=torch.tensor([False, False]))
    logs_wrong = (minus_log_sigmoid(-3.25) + minus_log_sigmoid(10.75)) / 2
    assert two_by_two().loss(wrong).item() == pytest.approx(logs_wrong)
    assert two_by_two(0.1).loss(batch).item() == pytest.approx(logs + 0.1 * (10 + 15) / 2 / 2)


def test_neumf_between_users_by_hand() -> None:
    """Item 0: user 0's 3.25 above user 1's 1.75; item 1: user 0's -10.75 below -10.25."""
    batch = BetweenUsers(numbers(0, 1), numbers(0, 0), numbers(1, 1))
    by_hand = (minus_log_sigmoid(1.5) + minus_log_sigmoid(-0.5)) / 2
    assert two_by_two().between_users(batch).item() == pytest.approx(by_hand)


def test_neumf_holds_both_towers_of_a_user() -> None:
    assert two_by_two().user_embeddings().tolist() == [[2, 1], [1, 3]]


def test_neumf_looks_up_before_or_after_the_product(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few pairs of many items, many pairs of few, and all pairs in pieces of three: the same."""
    torch.manual_seed(0)
    model = build(NeuMF, clubs(n_users=9, n_items=7), {"width": 5, "spread": 1.0})
    few = torch.stack([model.answer(numbers(u), numbers(i))[0] for u, i in product(*GRID)])
    many = model.answer(*(torch.tensor(side) for side in zip(*product(*GRID), strict=True)))
    torch.testing.assert_close(few, many)
    torch.testing.assert_close(model.score(torch.arange(9)).flatten(), many)
    monkeypatch.setattr(neumf, "PIECE", 3)
    torch.testing.assert_close(model.score(torch.arange(9)).flatten(), many)


GRID = range(9), range(7)


def rows_of(model: NeuMF, train: Interactions, extra: Columns | None = None) -> list[Counter]:
    """How often each pair is named, liked and not, in one epoch."""
    batches = list(model.batches(train, 64, np.random.default_rng(0), extra))
    assert [len(batch.users) for batch in batches[:-1]] == [64] * (len(batches) - 1)
    whole = Answers(*(torch.cat(column) for column in zip(*batches, strict=True)))
    pairs = list(zip(whole.users.tolist(), whole.items.tolist(), strict=True))
    marked = list(zip(pairs, whole.liked.tolist(), strict=True))
    return [Counter(pair for pair, mark in marked if mark == liked) for liked in (True, False)]


def test_neumf_learns_each_pair_once_beside_unmet_ones() -> None:
    train = clubs()
    liked, others = rows_of(build(NeuMF, train, {"width": 2, "negatives": 3}), train)
    met = train.matrix.toarray()
    assert liked == Counter(zip(*map(np.ndarray.tolist, met.nonzero()), strict=True))
    assert not any(met[pair] for pair in others)
    of_users = Counter(user for user, _ in others.elements())
    assert of_users == Counter({user: 3 * n for user, n in enumerate(train.counts.tolist())})
    assert len(others) > 0.7 * others.total()  # drawn anew, not the same ones again


def test_neumf_mixes_what_is_liked_with_what_is_not() -> None:
    train = clubs()
    batches = build(NeuMF, train, {"width": 2}).batches(train, 200, np.random.default_rng(0))
    assert all(0.08 < batch.liked.float().mean() < 0.35 for batch in list(batches)[:-1])


def test_neumf_learns_a_stated_preference_once() -> None:
    """Pairs beside those that it learns anyway: 5 likes 7 and not 9, twice 6 likes 7 and not 8."""
    train = clubs()
    extra = (np.array([5, 6, 6]), np.array([7, 7, 7]), np.array([9, 8, 8]))
    model = build(NeuMF, train, {"width": 2})
    plain, more = rows_of(model, train), rows_of(model, train, extra)
    assert more[0] - plain[0] == Counter({(5, 7): 1, (6, 7): 2})
    assert more[1].total() - plain[1].total() == 3
    assert more[1][5, 9] >= 1 and more[1][6, 8] >= 2


def test_neumf_leaves_out_who_met_everything() -> None:
    train = Interactions.sorted(np.array([0, 0, 1]), np.array([0, 1, 1]), n_users=2, n_items=2)
    extra = (np.array([0]), np.array([1]), np.array([0]))
    model = build(NeuMF, train, {"width": 1})
    assert rows_of(model, train) == [Counter({(1, 1): 1}), Counter({(1, 0): 4})]
    stated = [Counter({(1, 1): 1, (0, 1): 1}), Counter({(1, 0): 4, (0, 0): 1})]
    assert rows_of(model, train, extra) == stated


def test_neumf_learns_preferences_alone() -> None:
    train = Interactions.sorted(np.array([0, 0]), np.array([0, 1]), n_users=1, n_items=2)
    extra = (np.array([0]), np.array([1]), np.array([0]))
    found = rows_of(build(NeuMF, train, {"width": 1}), train, extra)
    assert found == [Counter({(0, 1): 1}), Counter({(0, 0): 1})]


def small_ngcf(**settings: object) -> NGCF:
    """User 0 holds 3, item 0, which he met, -2, and item 1, which nobody met, -6.

    W_1 is 0.5 and W_2 0.25 at the first layer, -1 and 0 at the second.
    """
    calm = {"width": 1, "layers": 2, "dropout": 0.0, "unit": False, "decay": 0.0}
    model: NGCF = build(NGCF, one_pair(), calm | settings)
    model.nodes.weight.data = torch.tensor([[3.0], [-2.0], [-6.0]])
    model.heard.data = torch.tensor([[[0.5]], [[-1.0]]])
    model.common.data = torch.tensor([[[0.25]], [[0.0]]])
    return model


def test_ngcf_layers_by_hand() -> None:
    """First layer: user and item both (3 - 2) / 2 - 6 / 4 = -1, of which a fifth is left; item 1
    -6 / 2 = -3, -0.6. Second: -(-0.2 - 0.2) = 0.4 for both, and 0.6 for item 1."""
    users, items = small_ngcf().embed()
    torch.testing.assert_close(users, torch.tensor([[3.0, -0.2, 0.4]]))
    torch.testing.assert_close(items, torch.tensor([[-2.0, -0.2, 0.4], [-6.0, -0.6, 0.6]]))


def test_ngcf_loss_by_hand() -> None:
    """Scores 3 (-2) + .04 + .16 = -5.8 and 3 (-6) + .12 + .24 = -17.64. The penalty is on the
    embeddings 3, -2, -6 of each triple, and on the weights 0.5, -1, 0.25, 0 once."""
    batch = Triples(numbers(0, 0), numbers(0, 0), numbers(1, 1))
    model = small_ngcf(decay=0.1)
    penalty = 0.1 * ((9 + 4 + 36) / 2 + (0.25 + 1 + 0.0625) / 2)
    assert model.loss(batch).item() == pytest.approx(minus_log_sigmoid(-5.8 + 17.64) + penalty)
    torch.testing.assert_close(model.score(numbers(0)), torch.tensor([[-5.8, -17.64]]))


def test_ngcf_layers_of_length_one() -> None:
    """With one number each, its sign is left of a layer; the next one hears the whole number."""
    users, items = small_ngcf(unit=True).embed()
    assert users.tolist() == [[3, -1, 1]]
    assert items.tolist() == [[-2, -1, 1], [-6, -1, 1]]


def test_ngcf_is_its_equations_in_numpy() -> None:
    """Equations 7 and 9 on a dense Laplacian, section 3.2."""
    train = clubs(n_users=12, n_items=9)
    model = build(NGCF, train, {"width": 4, "layers": 3, "unit": True}).eval()
    met = train.matrix.toarray().astype(float)
    graph = np.block([[np.zeros((12, 12)), met], [met.T, np.zeros((9, 9))]])
    degree = np.maximum(graph.sum(1), 1)
    graph /= np.sqrt(degree[:, None] * degree)
    read = [t.detach().double().numpy() for t in (model.nodes.weight, model.heard, model.common)]
    signal, found = read[0], [read[0]]
    for heard, common in zip(*read[1:], strict=True):
        mixed = (graph + np.eye(21)) @ signal @ heard + ((graph @ signal) * signal) @ common
        signal = np.where(mixed > 0, mixed, 0.2 * mixed)
        found.append(signal / np.linalg.norm(signal, axis=1, keepdims=True))
    ours = torch.cat(model.embed()).detach().numpy()
    np.testing.assert_allclose(ours, np.concatenate(found, axis=1), rtol=1e-4, atol=1e-6)


def test_ngcf_leaves_messages_out_in_training_alone() -> None:
    train = clubs(n_users=300, n_items=200)
    model = build(NGCF, train, {"width": 8, "layers": 2, "dropout": 0.3})
    torch.manual_seed(0)
    first, *layers = torch.cat(model.embed()).chunk(3, dim=1)
    assert torch.equal(first, model.nodes.weight)
    for layer in layers:
        assert (layer == 0).float().mean().item() == pytest.approx(0.3, abs=0.03)
    model.eval()
    assert torch.equal(torch.cat(model.embed()), torch.cat(model.embed()))
    assert (torch.cat(model.embed()) != 0).all()


def test_ngcf_without_some_nodes_does_not_hear_them_at_all() -> None:
    """One user who met 400 items, all hold 1: an item hears him whole or not, all items alike; he
    hears a half of them, twice as loud. Whoever is not heard still hears himself."""
    zeros, ones = np.zeros(400, np.int64), {"n_users": 1, "n_items": 400}
    train = Interactions.sorted(zeros, np.arange(400), **ones)
    settings = {"width": 1, "layers": 1, "dropout": 0.0, "node_dropout": 0.5, "unit": False}
    model = build(NGCF, train, settings)
    for weight, value in ((model.nodes.weight, 1), (model.heard, 1), (model.common, 0)):
        torch.nn.init.constant_(weight, value)
    torch.manual_seed(0)
    heard = set()
    for _ in range(12):
        users, items = (side[:, 1] - 1 for side in model.embed())  # less what it says itself
        assert len(items.unique()) == 1
        heard.add(round(items[0].item(), 4))
        assert users.item() == pytest.approx(20, abs=4)  # 400 / sqrt(400), deviation 1
    assert heard == {0, 0.1}  # 2 / sqrt(400)
    model.eval()
    assert model.embed()[1][:, 1].tolist() == pytest.approx([1.05] * 400)


def test_one_step_and_its_gradient_are_those_of_dense_autograd() -> None:
    graph = normalised(clubs().matrix)
    signal = torch.randn(100, 5, requires_grad=True)
    weight = torch.randn(100, 5)
    (graph.to_dense() @ signal * weight).sum().backward()
    expected, signal.grad = signal.grad, None
    ours = one_step(graph, signal)
    torch.testing.assert_close(ours, graph.to_dense() @ signal)
    (ours * weight).sum().backward()
    torch.testing.assert_close(signal.grad, expected)
