"""The rating networks by hand: each paper's formula in loops over numbers, with weights that were
set by hand."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from tandemrec.backbones import AFM, DCN, NFM, AutoInt, DeepFM, XDeepFM, build
from tandemrec.backbones.features import Looked, deep, pairs
from tandemrec.data.batches import Rated
from tandemrec.data.catalogue import Catalogue
from tandemrec.data.codings import NOTHING
from tandemrec.data.fields import Fields, FieldsConfig
from tandemrec.data.interactions import Interactions

Rows = list[list[float]]
WIDTH = 2


def world() -> tuple[Interactions, Fields]:
    """Two users, one with an age above and one below the mean; three items with tags."""
    users, items = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 2])
    ratings = np.array([4, 2, 5, 3], np.float32)
    train = Interactions.sorted(users, items, ratings, n_users=2, n_items=3)
    tags = pl.DataFrame({"tags": [["a", "b"], ["a"], []]})
    ages = pl.DataFrame({"age": [20, 40]})
    config = FieldsConfig(least=1, few=0)
    catalogue = Catalogue(range(2), range(3), ["x", "y", "z"], tags, ages)
    return train, Fields.of(train, catalogue, config)


def model_of(kind: Any, **settings: Any) -> Any:
    """A network in double precision, every weight of which is a number of its own."""
    train, fields = world()
    model = build(kind, train, {"width": WIDTH, **settings}, fields=fields).double().eval()
    rng = np.random.default_rng(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.from_numpy(np.round(rng.normal(0, 0.6, weight.shape), 2)))
        for name, value in model.named_buffers():
            if "running" in name:
                value.copy_(torch.from_numpy(np.round(rng.uniform(0.5, 1.5, value.shape), 2)))
        model.features.table[NOTHING] = 0
    return model


def batch() -> Rated:
    """User 1 and item 0, and somebody new with something new."""
    users, items = torch.tensor([1, -1]), torch.tensor([0, -1])
    empty = torch.empty(2, 0)
    return Rated(users, items, torch.tensor([5.0, 1.0]), empty.int(), empty)


def looked_up(model: Any) -> list[tuple[Rows, float]]:
    """Each row's fields' embeddings and the sum of its first-order weights, by hand.

    The fields are user (unknown, 0, 1), age (unknown, known), item (unknown, 0, 1, 2) and tags
    (unknown, a, b), from slot 1 on. Mean and standard deviation of the ages: 30 and 10, so that
    user 1 is one above.
    """
    table = model.features.table.detach().numpy()
    first = [(table[3], 1.0), (table[5], 1.0), (table[7], 1.0)]
    rows = [
        [[slot] for slot in first] + [[(table[11], 0.5), (table[12], 0.5)]],
        [[(table[slot], 1.0)] for slot in (1, 4, 6, 10)],
    ]
    found = []
    for row in rows:
        fields = [[sum(w * e[d] for e, w in field) for d in range(WIDTH)] for field in row]
        alone = sum(w * e[-1] for field in row for e, w in field)
        found.append((fields, alone))
    return found


def numbers(weight: torch.Tensor) -> Any:
    return weight.detach().numpy()


def dense(row: list[float], layer: Any) -> list[float]:
    """A linear layer."""
    weight = numbers(layer.weight)
    bias = numbers(layer.bias) if layer.bias is not None else [0.0] * len(weight)
    return [float(np.dot(line, row)) + b for line, b in zip(weight, bias, strict=True)]


def normalised(row: list[float], norm: Any) -> list[float]:
    """Batch normalisation by what training kept."""
    parts = (norm.running_mean, norm.running_var, norm.weight, norm.bias)
    return [
        (x - mean) / math.sqrt(variance + norm.eps) * weight + bias
        for x, mean, variance, weight, bias in zip(row, *map(numbers, parts), strict=True)
    ]


def relu(row: list[float]) -> list[float]:
    return [max(x, 0.0) for x in row]


def layers(row: list[float], network: Any) -> list[float]:
    """The deep network, without dropout."""
    for step in network:
        if isinstance(step, torch.nn.Linear):
            row = dense(row, step)
        elif isinstance(step, torch.nn.BatchNorm1d):
            row = normalised(row, step)
        elif isinstance(step, torch.nn.ReLU):
            row = relu(row)
    return row


def flat(fields: Rows) -> list[float]:
    return [x for field in fields for x in field]


def products(fields: Rows) -> Rows:
    """Of each pair of fields, place by place."""
    n = len(fields)
    found = []
    for one in range(n):
        for other in range(one + 1, n):
            found.append([a * b for a, b in zip(fields[one], fields[other], strict=True)])
    return found


def summed(rows: Rows) -> list[float]:
    return [sum(column) for column in zip(*rows, strict=True)]


def deepfm(model: Any, fields: Rows) -> float:
    second = sum(flat(products(fields)))
    return second + dense(layers(flat(fields), model.deep), model.out)[0]


def nfm(model: Any, fields: Rows) -> float:
    pooled = summed(products(fields))
    if not isinstance(model.normal, torch.nn.Identity):
        pooled = normalised(pooled, model.normal)
    return dense(layers(pooled, model.deep), model.out)[0]


def dcn(model: Any, fields: Rows) -> float:
    first = found = flat(fields)
    for weight, bias in zip(numbers(model.weights), numbers(model.biases), strict=True):
        inner = sum(x * w for x, w in zip(found, weight, strict=True))
        found = [x0 * inner + b + x for x0, b, x in zip(first, bias, found, strict=True)]
    return dense(found + layers(first, model.deep), model.out)[0]


def afm(model: Any, fields: Rows) -> float:
    rows = products(fields)
    said = [math.exp(dense(relu(dense(row, model.attention)), model.says)[0]) for row in rows]
    counts = [each / sum(said) for each in said]
    pooled = summed([[c * x for x in row] for c, row in zip(counts, rows, strict=True)])
    return dense(pooled, model.out)[0]


def xdeepfm(model: Any, fields: Rows) -> float:
    last, said = fields, []
    for number, layer in enumerate(model.cross):
        maps = []
        for line in numbers(
            layer.weight
        ):  # W^{k,h}: rows of the layer before, columns of the first
            weights = line.reshape(len(last), len(fields))
            row = [0.0] * WIDTH
            for i, before in enumerate(last):
                for j, field in enumerate(fields):
                    for d in range(WIDTH):
                        row[d] += weights[i, j] * before[d] * field[d]
            maps.append(row)
        half = model.config.split_half and number < len(model.cross) - 1
        onward = (len(maps) + 1) // 2 if half else len(maps)
        said += [sum(row) for row in (maps[onward:] if half else maps)]
        last = maps[:onward]
    return dense(said + layers(flat(fields), model.deep), model.out)[0]


def autoint(model: Any, fields: Rows) -> float:
    signal, heads = fields, model.config.heads
    size = model.config.head_width
    for layer in model.layers:
        parts = [np.split(np.array(dense(row, layer.parts)), 4) for row in signal]
        asks, holds, gives, stays = zip(*parts, strict=True)
        found = []
        for m in range(len(signal)):
            row = []
            for head in range(heads):
                own = slice(head * size, (head + 1) * size)
                inner = [np.dot(asks[m][own], other[own]) for other in holds]
                if model.config.scaled:
                    inner = [each / math.sqrt(size) for each in inner]
                shares = np.exp(inner) / np.exp(inner).sum()
                row += summed([[a * x for x in v[own]] for a, v in zip(shares, gives, strict=True)])
            found.append(relu([a + b for a, b in zip(row, stays[m], strict=True)]))
        signal = found
    result = dense(flat(signal), model.out)[0]
    if model.config.hidden:
        result += dense(layers(flat(fields), model.deep), model.deep_out)[0]
    return result


CASES: list[tuple[Any, Callable[[Any, Rows], float], dict[str, Any]]] = [
    (DeepFM, deepfm, {"hidden": (3, 2)}),
    (NFM, nfm, {"hidden": (3,)}),
    (NFM, nfm, {"hidden": (3, 2), "normal": False}),
    (DCN, dcn, {"layers": 3, "hidden": (3, 2)}),
    (DCN, dcn, {"layers": 0, "hidden": (3,), "normal": False}),
    (AFM, afm, {"attention": 3}),
    (XDeepFM, xdeepfm, {"cross": (3, 2), "hidden": (3,)}),
    (XDeepFM, xdeepfm, {"cross": (5, 4, 3), "hidden": (3,), "split_half": True}),
    (AutoInt, autoint, {"layers": 2, "heads": 2, "head_width": 3}),
    (AutoInt, autoint, {"layers": 1, "head_width": 2, "scaled": True, "hidden": (3, 2)}),
]


@pytest.mark.parametrize(("kind", "by_hand", "settings"), CASES)
def test_a_rating_by_hand(kind: Any, by_hand: Any, settings: dict[str, Any]) -> None:
    model = model_of(kind, **settings)
    expected = []
    for fields, alone in looked_up(model):
        line = alone if kind not in (DCN, AutoInt) else 0.0
        expected.append(model.mean.item() + line + by_hand(model, fields))
    found = model.predict(batch()).tolist()
    assert found == pytest.approx(expected, rel=1e-9)
    assert abs(found[0] - found[1]) > 0.01


def test_dcn_and_autoint_have_no_first_order_weights() -> None:
    for kind in (DCN, AutoInt):
        assert model_of(kind, hidden=(2,)).features.table.shape[1] == WIDTH


def test_the_loss_by_hand() -> None:
    """The mean squared error, and half the squares of what the rows read: four slots each, the
    first row one more for its second tag; a slot that only fills a place is not read."""
    model = model_of(DeepFM, hidden=(2,), decay=0.1)
    table, rated = numbers(model.features.table), batch()
    errors = (model.predict(rated) - rated.ratings).tolist()
    read = [3, 5, 7, 11, 12, 1, 4, 6, 10]
    penalty = sum(x * x for slot in read for x in table[slot]) / 2 / 2
    expected = (errors[0] ** 2 + errors[1] ** 2) / 2 + 0.1 * penalty
    assert model.loss(rated).item() == pytest.approx(expected)


def test_an_embedding_of_nothing_stays_nothing() -> None:
    """The slot that fills places is 0 at first, and no gradient reaches it; nor do "unknown" ones
    that no row has."""
    train, fields = world()
    model = build(DeepFM, train, {"width": WIDTH, "hidden": (2,), "decay": 0.1}, fields=fields)
    rows = Rated.of(train, fields)
    model.loss(rows).backward()
    slots = np.array([0, 1, 4, 6])
    assert not model.features.table[slots].any() and not model.features.table.grad[slots].any()
    assert model.features.table.grad[10].any()  # item 2 has no tag


def test_the_lookup_and_its_gradient_are_those_of_plain_autograd() -> None:
    model = model_of(DeepFM, hidden=(3,))
    features = model.features
    slots, weights = features.slots(batch())
    shares = torch.nn.functional.one_hot(features.owners).double()
    read = features.table[slots.long()]  # [B, C, D + 1]
    found = torch.einsum("bcd,bc,cf->bfd", read, weights.double(), shares)
    penalty = read.square().sum() / 2 / len(slots)
    expected = Looked(found[..., :WIDTH], found[..., WIDTH].sum(1), penalty)
    looked = features(batch())
    torch.testing.assert_close(looked, expected)
    toward = torch.randn(2, features.n_fields, WIDTH, dtype=torch.double)
    slopes = []
    for one in (expected, looked):
        features.table.grad = None
        ((one.fields * toward).sum() + 2 * one.alone[1] + 3 * one.penalty).backward()
        slopes.append(features.table.grad)
    torch.testing.assert_close(slopes[1], slopes[0])


def test_pairs_are_the_sum_over_pairs() -> None:
    fields = torch.randn(3, 4, 2, dtype=torch.double, requires_grad=True)
    expected = [summed(products(row)) for row in fields.tolist()]
    np.testing.assert_allclose(pairs(fields).detach(), expected)
    assert torch.autograd.gradcheck(pairs, (fields,))


def test_a_deep_network_is_in_the_order_of_the_papers() -> None:
    kinds = [type(step).__name__ for step in deep((2, 3, 4), 0.5, normal=True)]
    assert kinds == ["Linear", "BatchNorm1d", "ReLU", "Dropout"] * 2
    assert [type(step).__name__ for step in deep((2, 3))] == ["Linear", "ReLU"]
