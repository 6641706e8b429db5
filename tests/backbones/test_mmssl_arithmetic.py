"""MMSSL against its paper's formulas, in loops over nodes without tensors."""

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
    content,
    made,
    neighbours,
    softmax,
    squares_by_hand,
    unit,
    world,
)
from tandemrec.backbones import MMSSL, build
from tandemrec.backbones.mmssl import Judged
from tandemrec.errors import ConfigError


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
    """Users 0 and 2."""
    model = mmssl(temperature=0.3)
    joined, by_hand = mmssl_joined(model), 0.0
    for modality in range(2):
        views = mmssl_views(model, modality)
        for user, other in ((0, 2), (2, 0)):
            own = np.exp(cosine(views[user], joined[user]) / 0.3)
            others = np.exp(cosine(views[user], joined[other]) / 0.3)
            others += np.exp(cosine(views[user], views[other]) / 0.3)
            by_hand += -np.log(own / (own + others)) / 2
    found = model.contrast(model.found(), torch.tensor([2, 0]))
    assert found.item() == pytest.approx(by_hand)


def test_mmssl_rows_for_the_judge_by_hand() -> None:
    model = mmssl(guidance=3.0)
    seen, observed = torch.tensor([2, 0]), torch.rand(2, ITEMS, dtype=torch.double)
    batch = Judged(*TRIPLES, seen, seen, observed, torch.rand(4, 1))
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


def test_neither_player_has_a_gradient_of_the_other() -> None:
    """The judge's weights learn from its own loss alone, and the rest from all but that."""
    model = mmssl(adversary=2.0, contrast=0.0, decay=0.0)
    mix, observed = torch.rand(4, 1).double(), torch.rand(2, ITEMS).double()
    pair = torch.tensor([2, 0])
    batch = Judged(*TRIPLES, pair, pair, observed, mix)
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
    pair = torch.tensor([2, 0])
    batch = Judged(*TRIPLES, pair, pair, observed, mix)
    found = model.found()
    told, real = model.rows(found, batch)
    by_hand = bpr_by_hand(array(torch.cat([found.users, found.items])))
    by_hand += 0.5 * model.contrast(found, batch.contrasted).item()
    by_hand += model.judge.loss(told, real, mix, 0.3).item() + 2 * model.judge.fooled(told).item()
    ids = array(torch.cat([model.users.weight, model.items.weight]))
    by_hand += 0.1 * squares_by_hand(ids) / 2 / 2
    assert model.loss(batch).item() == pytest.approx(by_hand)


def test_mmssl_draws_each_epoch_of_the_interactions_it_is_given() -> None:
    model = mmssl(judged=2, contrasted=1)
    model.relations.zero_()
    drawn = [*model.batches(world(), 4, np.random.default_rng(0))]
    assert model.relations.any()
    assert sum(len(batch.users) for batch in drawn) == len(MET)
    for batch in drawn:
        users = set(batch.users.tolist())
        assert len(batch.seen) == min(2, len(users)) and set(batch.seen.tolist()) <= users
        assert len(batch.contrasted) == 1 and set(batch.contrasted.tolist()) <= users
        assert batch.observed.shape == (len(batch.seen), ITEMS)
        assert batch.mix.shape == (2 * len(batch.seen), 1)
        for row, user in zip(batch.observed, batch.seen.tolist(), strict=True):
            assert set((row > 0.1).nonzero()[:, 0].tolist()) == set(OF_USER[user])


def test_a_width_that_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"multiple of its heads. Received: width=6, heads=4"):
        build(MMSSL, world(), {"width": 6}, content=content())
