"""MMGCN and GRCN against their papers' formulas, in loops over nodes without tensors."""

from typing import Any

import numpy as np
import pytest
import torch

from backbones.by_hand import (
    ITEMS,
    MET,
    OF_ITEM,
    OF_USER,
    TRIPLES,
    USERS,
    Numbers,
    applied,
    array,
    beside,
    bpr_by_hand,
    leaky,
    made,
    neighbours,
    softmax,
    squares_by_hand,
    unit,
    world,
)
from tandemrec.backbones import GRCN, MMGCN
from tandemrec.backbones.edges import Edges
from tandemrec.backbones.graphs import across, both_ways, degrees, one_way


def test_the_plain_graph_has_ones_and_degrees_of_at_least_one() -> None:
    met = world().matrix
    graph, (users, items) = both_ways(met).to_dense(), degrees(met)
    for node in range(USERS + ITEMS):
        assert graph[node].nonzero()[:, 0].tolist() == neighbours(node)
    assert set(graph.flatten().tolist()) == {0, 1}
    assert users[:, 0].tolist() == [2, 2, 1] and items[:, 0].tolist() == [1, 2, 2, 1]


def test_a_signal_goes_across_and_its_gradient_back() -> None:
    to_users, to_items = (table.double() for table in one_way(world().matrix))
    signal = torch.randn(ITEMS, 2, dtype=torch.double, requires_grad=True)
    heard = across(to_users, to_items, signal)
    expected = [sum(array(signal)[item] for item in items) for items in OF_USER]
    np.testing.assert_allclose(array(heard), np.stack(expected))
    assert torch.autograd.gradcheck(lambda x: across(to_users, to_items, x), signal)


def mmgcn_side(model: Any, modality: int, concat: bool) -> list[Numbers]:
    """Equations 1 to 7 for each node."""
    side, table = model.sides[modality], array(model.modalities[modality])
    signal = [unit(row) for row in array(model.preferences[modality])]
    signal += [unit(applied(side.project, row)) for row in table]
    for layer in side.layers:
        after = []
        for node in range(USERS + ITEMS):
            told = [applied(layer.told, signal[other]) for other in neighbours(node)]
            around = leaky(sum(told) / len(told)) if told else np.zeros(2)
            own = leaky(applied(layer.own, signal[node])) + array(model.nodes.weight)[node]
            if concat:
                after.append(leaky(applied(layer.joined, np.append(around, own))))
            else:
                after.append(leaky(applied(layer.joined, around) + own))
        signal = after
    return signal


@pytest.mark.parametrize("combine", ["sum", "concat"])
def test_mmgcn_by_hand(combine: str) -> None:
    model = made(MMGCN, width=2, combine=combine)
    sides = [mmgcn_side(model, modality, combine == "concat") for modality in range(2)]
    beside(model.embed(), [(one + two) / 2 for one, two in zip(*sides, strict=True)])


def test_mmgcn_loss_by_hand() -> None:
    model = made(MMGCN, width=2, decay=0.1)
    nodes = array(torch.cat(model.embed()))
    ids, preferences = array(model.nodes.weight), array(model.preferences)
    squares = squares_by_hand(ids)
    squares += sum((preferences[m, user] ** 2).sum() for m in (0, 1) for user in (0, 2))
    by_hand = bpr_by_hand(nodes) + 0.1 * squares / 2 / 2
    assert model.loss(TRIPLES).item() == pytest.approx(by_hand)


def grcn_prototypes(model: Any, modality: int) -> tuple[list[Numbers], list[Numbers]]:
    table = array(model.modalities[modality])
    items = [unit(leaky(applied(model.projections[modality], row))) for row in table]
    users = [unit(row) for row in array(model.first[modality])]
    for _ in range(model.grcn.routings):
        for user, met in enumerate(OF_USER):
            near = softmax([users[user] @ items[item] for item in met])
            pull = sum(share * items[item] for share, item in zip(near, met, strict=True))
            users[user] = unit(users[user] + pull)
    return users, items


def grcn_weights(model: Any, pairs: list[Any]) -> tuple[dict[Any, float], dict[Any, float]]:
    """What each edge tells its user, and its item: by the largest over modalities."""
    to_users: dict[Any, list[float]] = {edge: [] for edge in MET}
    to_items: dict[Any, list[float]] = {edge: [] for edge in MET}
    for m, (users, items) in enumerate(pairs):
        for user, met in enumerate(OF_USER):
            near = softmax([users[user] @ items[item] for item in met])
            for share, item in zip(near, met, strict=True):
                to_users[user, item].append(share * model.user_trust[m, user].item())
        for item, met in enumerate(OF_ITEM):
            if met:
                near = softmax([users[user] @ items[item] for user in met])
                for share, user in zip(near, met, strict=True):
                    to_items[user, item].append(share * model.item_trust[m, item].item())
    chosen = ({edge: max(both) for edge, both in side.items()} for side in (to_users, to_items))
    one, two = chosen
    if model.grcn.hard:
        one, two = ({edge: max(w, 0.0) for edge, w in side.items()} for side in (one, two))
    return one, two


@pytest.mark.parametrize("hard", [False, True])
def test_grcn_by_hand(hard: bool) -> None:
    model = made(GRCN, width=2, routings=2, hard=hard)
    pairs = [grcn_prototypes(model, modality) for modality in range(2)]
    to_users, to_items = grcn_weights(model, pairs)
    assert any(weight <= 0 for weight in [*to_users.values(), *to_items.values()])
    users, items = [*array(model.users.weight)], [*array(model.items.weight)]
    all_users, all_items = users, items
    for _ in range(2):
        told = [sum((to_users[u, i] * items[i] for i in OF_USER[u]), np.zeros(2)) for u in range(3)]
        back = [sum((to_items[u, i] * users[u] for u in OF_ITEM[i]), np.zeros(2)) for i in range(4)]
        users, items = told, back
        all_users = [a + b for a, b in zip(all_users, users, strict=True)]
        all_items = [a + b for a, b in zip(all_items, items, strict=True)]
    sides = zip(*(users + items for users, items in pairs), strict=True)
    joined = zip(all_users + all_items, sides, strict=True)
    beside(model.embed(), [np.concatenate([ids, *said]) for ids, said in joined])


def test_grcn_loss_by_hand() -> None:
    model = made(GRCN, width=2, decay=0.1)
    nodes = array(torch.cat(model.embed()))
    ids, first = array(torch.cat([model.users.weight, model.items.weight])), array(model.first)
    squares = squares_by_hand(ids)
    squares += sum((first[m, user] ** 2).sum() for m in (0, 1) for user in (0, 2))
    by_hand = bpr_by_hand(nodes) + 0.1 * squares / 2 / 2
    assert model.loss(TRIPLES).item() == pytest.approx(by_hand)


def test_edges_give_their_gradients() -> None:
    """By finite differences; sums, shares and products in both directions."""
    edges = Edges(world().matrix)
    users = torch.randn(USERS, 2, dtype=torch.double, requires_grad=True)
    items = torch.randn(ITEMS, 2, dtype=torch.double, requires_grad=True)
    weights = torch.randn(len(MET), dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(edges.products, (users, items))
    assert torch.autograd.gradcheck(edges.to_users, (weights, items))
    assert torch.autograd.gradcheck(edges.to_items, (weights, users))
    assert torch.autograd.gradcheck(edges.among_user, weights)
    assert torch.autograd.gradcheck(edges.among_item, weights)
