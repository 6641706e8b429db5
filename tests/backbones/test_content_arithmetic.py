"""MMGCN, GRCN and MMSSL against their papers' formulas, in loops over nodes without tensors."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tandemrec.backbones import GRCN, MMGCN, MMSSL, build
from tandemrec.backbones.edges import Edges
from tandemrec.backbones.graphs import across, both_ways, degrees, one_way
from tandemrec.backbones.judging import Judge, judged_rows, softened
from tandemrec.backbones.mmssl import Judged
from tandemrec.data.batches import Triples
from tandemrec.data.content import Content
from tandemrec.data.interactions import Interactions
from tandemrec.errors import ConfigError

Numbers = NDArray[np.float64]
USERS, ITEMS = 3, 4
MET = [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2)]
"Item 3 is met by nobody."
OF_USER = [[i for u, i in MET if u == user] for user in range(USERS)]
OF_ITEM = [[u for u, i in MET if i == item] for item in range(ITEMS)]
WIDTHS = {"title": 2, "image": 3}


def world() -> Interactions:
    users, items = np.array(MET).T
    return Interactions.sorted(users, items, n_users=USERS, n_items=ITEMS)


def content() -> Content:
    rng = np.random.default_rng(3)
    return Content.of({name: rng.normal(size=(ITEMS, width)) for name, width in WIDTHS.items()})


def made(kind: type, **settings: Any) -> Any:
    """A model in double precision, all of whose numbers differ and none is small."""
    model = build(kind, world(), settings, content=content()).double()
    torch.manual_seed(5)
    for weight in model.parameters():
        weight.data = torch.randn_like(weight)
    return model.eval()


def array(tensor: torch.Tensor) -> Numbers:
    found: Numbers = tensor.detach().numpy()
    return found


def leaky(values: Numbers) -> Numbers:
    return np.where(values > 0, values, 0.01 * values)


def unit(row: Numbers) -> Numbers:
    return row / np.sqrt((row**2).sum()) if row.any() else row


def softmax(values: Any) -> Numbers:
    heights = np.exp(np.asarray(values))
    return heights / heights.sum()


def applied(linear: torch.nn.Linear, row: Numbers) -> Numbers:
    bias = 0 if linear.bias is None else array(linear.bias)
    return array(linear.weight) @ row + bias


def neighbours(node: int) -> list[int]:
    """Users are nodes 0 to 2, items 3 to 6."""
    if node < USERS:
        return [USERS + item for item in OF_USER[node]]
    return OF_ITEM[node - USERS]


def beside(found: Any, by_hand: list[Numbers]) -> None:
    """Users' and items' embeddings, as arrays of nodes."""
    nodes = torch.cat(found)
    np.testing.assert_allclose(array(nodes), np.stack(by_hand), rtol=1e-6, atol=1e-9)


def minus_log_sigmoid(value: float) -> float:
    return float(np.log1p(np.exp(-value)))


TRIPLES = Triples(torch.tensor([0, 2]), torch.tensor([1, 2]), torch.tensor([3, 0]))


def bpr_by_hand(nodes: Numbers) -> float:
    losses = [
        minus_log_sigmoid(nodes[u] @ (nodes[USERS + i] - nodes[USERS + j]))
        for u, i, j in zip(*(column.tolist() for column in TRIPLES), strict=True)
    ]
    return sum(losses) / 2


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
    squares = sum((ids[node] ** 2).sum() for node in (0, 4, 6, 2, 5, 3))
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
    squares = sum((ids[node] ** 2).sum() for node in (0, 4, 6, 2, 5, 3))
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


def mmssl_content(model: Any, modality: int) -> tuple[list[Numbers], list[Numbers]]:
    table, linear = array(model.modalities[modality]), model.projections[modality]
    sent = [applied(linear, row) for row in table]
    users = [sum(sent[item] for item in met) / np.sqrt(len(met)) for met in OF_USER]
    items = [
        sum((users[user] for user in met), np.zeros(4)) / np.sqrt(max(len(met), 1))
        for met in OF_ITEM
    ]
    return users, items


def cosine(one: Numbers, two: Numbers) -> float:
    norm = np.sqrt((one**2).sum() * (two**2).sum())
    return float(one @ two / norm) if norm else 0.0


def mmssl_related(model: Any, modality: int) -> list[list[int]]:
    """Each user's two items of the highest cosine."""
    users, items = mmssl_content(model, modality)
    return [sorted(range(ITEMS), key=lambda item: -cosine(user, items[item]))[:2] for user in users]


def mmssl_views(model: Any, modality: int) -> list[Numbers]:
    """What the ids say along a modality's relations, for users and then for items."""
    related = mmssl_related(model, modality)
    ids_of_users, ids_of_items = array(model.users.weight), array(model.items.weight)
    users = [sum(ids_of_items[item] for item in items) / np.sqrt(2) for items in related]
    items = []
    for item in range(ITEMS):
        mine = [ids_of_users[user] for user in range(USERS) if item in related[user]]
        items.append(sum(mine, np.zeros(4)) / np.sqrt(max(len(mine), 1)))
    return users + items


def mmssl_join(model: Any, views: list[Numbers]) -> Numbers:
    """Attention of two heads between the two modalities' views of one node, then the mean."""
    asks, holds = array(model.join.asks.weight), array(model.join.holds.weight)
    joined = []
    for view in views:
        heads = []
        for head in (slice(0, 2), slice(2, 4)):
            near = [(asks @ view)[head] @ (holds @ other)[head] / np.sqrt(2) for other in views]
            shares = softmax(near)
            heads.append(sum(share * other for share, other in zip(shares, views, strict=True)))
        joined.append(array(model.join.mix.weight) @ np.concatenate(heads))
    mean: Numbers = (joined[0] + joined[1]) / 2
    return mean


def mmssl(**settings: Any) -> Any:
    still = {"width": 4, "heads": 2, "related": 2, "dropout": 0.0, "judge_dropout": 0.0}
    model = made(MMSSL, **still | settings)
    model.relate()  # of these weights
    return model


def mmssl_joined(model: Any) -> list[Numbers]:
    views = zip(*(mmssl_views(model, modality) for modality in range(2)), strict=True)
    ids = array(torch.cat([model.users.weight, model.items.weight]))
    pairs = zip(ids, views, strict=True)
    return [own + model.mmssl.view * unit(mmssl_join(model, [*both])) for own, both in pairs]


def test_mmssl_by_hand() -> None:
    model = mmssl(view=0.7, content=0.4)
    assert {tuple(row) for row in model.relations[0].tolist()} == {
        tuple(row) for row in mmssl_related(model, 0)
    }
    joined = mmssl_joined(model)
    steps = [joined]
    for _ in range(2):  # over the root of both degrees
        before = steps[-1]
        after = []
        for node in range(USERS + ITEMS):
            near = neighbours(node)
            roots = [np.sqrt(len(near) * len(neighbours(other))) for other in near]
            told = [before[other] / root for other, root in zip(near, roots, strict=True)]
            after.append(sum(told, np.zeros(4)))
        steps.append(after)
    nodes = [sum(each) / 3 for each in zip(*steps, strict=True)]
    for modality in range(2):
        users, items = mmssl_content(model, modality)
        said = [unit(row) for row in users + items]
        nodes = [node + 0.4 * row for node, row in zip(nodes, said, strict=True)]
    beside(model.embed(), nodes)


def test_mmssl_contrast_by_hand() -> None:
    """Users 0 and 2, of whom 2 is named twice and counts once."""
    model = mmssl(temperature=0.3)
    joined, by_hand = mmssl_joined(model), 0.0
    for modality in range(2):
        views = mmssl_views(model, modality)
        for user, other in ((0, 2), (2, 0)):
            own = np.exp(cosine(views[user], joined[user]) / 0.3)
            others = np.exp(cosine(views[user], joined[other]) / 0.3)
            others += np.exp(cosine(views[user], views[other]) / 0.3)
            by_hand += -np.log(own / (own + others)) / 2
    found = model.contrast(model.found(), torch.tensor([2, 0, 2]))
    assert found.item() == pytest.approx(by_hand)


def test_mmssl_rows_for_the_judge_by_hand() -> None:
    model = mmssl(guidance=3.0)
    seen, observed = torch.tensor([2, 0]), torch.rand(2, ITEMS, dtype=torch.double)
    batch = Judged(*TRIPLES, seen, observed, torch.rand(4, 1))
    told, real = model.rows(model.found(), batch)
    users, items = (array(side) for side in model.embed())
    for row, user in enumerate(seen.tolist()):
        for modality in range(2):
            content_users, content_items = mmssl_content(model, modality)
            near = np.array([cosine(content_users[user], item) for item in content_items])
            np.testing.assert_allclose(array(told)[2 * modality + row], unit(near))
        own = unit(np.array([cosine(users[user], item) for item in items]))
        np.testing.assert_allclose(array(real)[row], unit(array(observed)[row] + 3 * own))
    assert told.requires_grad and not real.requires_grad


def test_observed_rows_are_softened() -> None:
    """Without noise, the softmax of 1 for what was met and 0 for the rest."""
    rng = np.random.default_rng(0)
    found = softened(world(), np.array([2, 0]), rng, noise=0.0, sharpness=0.5)
    by_hand = [softmax([0, 0, 2, 0]), softmax([2, 2, 0, 0])]
    np.testing.assert_allclose(found, np.stack(by_hand), rtol=1e-5)
    sharp = softened(world(), np.array([0]), rng, noise=1e-5, sharpness=0.005)
    np.testing.assert_allclose(sharp.sum(1), 1, rtol=1e-6)
    assert 0.4 < sharp[0, 0] < 0.6 and sharp[0, 0] != sharp[0, 1] and sharp[0, 2] < 1e-6


def test_gumbel_noise_chooses_as_often_as_the_softmax_says() -> None:
    """Of argmax(A + Gumbel), 1 wins against three 0s in e / (e + 3) of all draws."""
    rng = np.random.default_rng(0)
    many = np.full(20_000, 2)
    won = softened(world(), many, rng, noise=1.0, sharpness=1.0).argmax(1) == 2
    assert won.mean() == pytest.approx(np.e / (np.e + 3), abs=0.01)


def a_judge() -> Judge:
    torch.manual_seed(1)
    judge = Judge(ITEMS, 8, 0.0).double()
    for weight in judge.parameters():
        weight.data = torch.randn_like(weight)
    return judge


def verdict(judge: Judge, row: Numbers) -> float:
    """sigmoid of a linear form of two steps, each norm(LeakyReLU(W x + b))."""
    *steps, last, _ = judge.layers
    for step in steps:
        row = leaky(applied(step.linear, row))
        row = (row - row.mean()) / np.sqrt(row.var() + 1e-5)
        row = row * array(step.norm.weight) + array(step.norm.bias)
    return float(1 / (1 + np.exp(-applied(last, row)[0])))


def steepness(judge: Judge, row: Numbers) -> float:
    """(length of the verdict's gradient - 1) squared, by finite differences."""
    small = 1e-6 * np.eye(ITEMS)
    slopes = [(verdict(judge, row + s) - verdict(judge, row - s)) / 2e-6 for s in small]
    return float((np.sqrt(np.square(slopes).sum()) - 1) ** 2)


def test_the_judge_by_hand() -> None:
    judge, rng = a_judge(), np.random.default_rng(0)
    told, real, mix = rng.normal(size=(4, 4)), rng.normal(size=(2, 4)), rng.random((4, 1))
    by_hand = np.mean([verdict(judge, row) for row in told])
    by_hand -= np.mean([verdict(judge, row) for row in real])
    rows = [m * real[n % 2] + (1 - m) * told[n] for n, m in enumerate(mix)]
    by_hand += 0.3 * np.mean([steepness(judge, row) for row in rows])
    tensors = (torch.from_numpy(each) for each in (told, real, mix))
    assert judge.loss(*tensors, 0.3).item() == pytest.approx(by_hand)
    fooled = judge.fooled(torch.from_numpy(told)).item()
    assert fooled == pytest.approx(-np.mean([verdict(judge, row) for row in told]))


def test_neither_player_has_a_gradient_of_the_other() -> None:
    """The judge's weights learn from its own loss alone, and the rest from all but that."""
    model = mmssl(adversary=2.0, contrast=0.0, decay=0.0)
    mix, observed = torch.rand(4, 1).double(), torch.rand(2, ITEMS).double()
    batch = Judged(*TRIPLES, torch.tensor([2, 0]), observed, mix)
    model.loss(batch).backward()
    found = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    model.zero_grad()
    told, real = model.rows(model.found(), batch)
    model.judge.loss(told, real, mix, model.mmssl.penalty).backward()
    alone = {name: weight.grad for name, weight in model.named_parameters()}
    for name, gradient in found.items():
        if name.startswith("judge."):
            torch.testing.assert_close(gradient, alone[name])
        else:
            assert alone[name] is None
    weight = model.projections[0].weight
    assert found["projections.0.weight"][1, 0].item() == pytest.approx(slope(model, weight, batch))


def slope(model: Any, weight: torch.Tensor, batch: Judged) -> float:
    """Of the makers' part of the loss, at one weight, by finite differences."""
    values = []
    for small in (1e-6, -1e-6):
        with torch.no_grad():
            weight[1, 0] += small
            found = model.found()
            told, _ = model.rows(found, batch)
            nodes = array(torch.cat([found.users, found.items]))
            values.append(bpr_by_hand(nodes) + 2 * model.judge.fooled(told).item())
            weight[1, 0] -= small
    return (values[0] - values[1]) / 2e-6


def test_mmssl_loss_by_hand() -> None:
    model = mmssl(contrast=0.5, adversary=2.0, decay=0.1)
    mix, observed = torch.rand(4, 1).double(), torch.rand(2, ITEMS).double()
    batch = Judged(*TRIPLES, torch.tensor([2, 0]), observed, mix)
    found = model.found()
    told, real = model.rows(found, batch)
    by_hand = bpr_by_hand(array(torch.cat([found.users, found.items])))
    by_hand += 0.5 * model.contrast(found, batch.users).item()
    by_hand += model.judge.loss(told, real, mix, 0.3).item() + 2 * model.judge.fooled(told).item()
    ids = array(torch.cat([model.users.weight, model.items.weight]))
    by_hand += 0.1 * sum((ids[node] ** 2).sum() for node in (0, 4, 6, 2, 5, 3)) / 2 / 2
    assert model.loss(batch).item() == pytest.approx(by_hand)


def test_mmssl_draws_each_epoch_of_the_interactions_it_is_given() -> None:
    model = mmssl(judged=2)
    model.relations.zero_()
    drawn = [*model.batches(world(), 4, np.random.default_rng(0))]
    assert model.relations.any()
    assert sum(len(batch.users) for batch in drawn) == len(MET)
    for batch in drawn:
        users = set(batch.users.tolist())
        assert len(batch.seen) == min(2, len(users)) and set(batch.seen.tolist()) <= users
        assert batch.observed.shape == (len(batch.seen), ITEMS)
        assert batch.mix.shape == (2 * len(batch.seen), 1)
        for row, user in zip(batch.observed, batch.seen.tolist(), strict=True):
            assert set((row > 0.1).nonzero()[:, 0].tolist()) == set(OF_USER[user])


def test_a_width_that_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"multiple of its heads. Received: width=6, heads=4"):
        build(MMSSL, world(), {"width": 6}, content=content())


def test_judged_rows_have_length_one() -> None:
    rows = judged_rows(torch.randn(3, 2), torch.randn(5, 2))
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(3))
