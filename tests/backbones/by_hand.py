"""A small world with content, and what the formulas share, in arrays of numbers."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tandemrec.backbones import build
from tandemrec.data.batches import Triples
from tandemrec.data.content import Content
from tandemrec.data.interactions import Interactions

Numbers = NDArray[np.float64]
USERS, ITEMS = 3, 4
MET = [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2)]
"Item 3 is met by nobody."
OF_USER = [[i for u, i in MET if u == user] for user in range(USERS)]
OF_ITEM = [[u for u, i in MET if i == item] for item in range(ITEMS)]
WIDTHS = {"title": 2, "image": 3}
TRIPLES = Triples(torch.tensor([0, 2]), torch.tensor([1, 2]), torch.tensor([3, 0]))


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


def bpr_by_hand(nodes: Numbers) -> float:
    losses = [
        minus_log_sigmoid(nodes[u] @ (nodes[USERS + i] - nodes[USERS + j]))
        for u, i, j in zip(*(column.tolist() for column in TRIPLES), strict=True)
    ]
    return sum(losses) / 2


def squares_by_hand(nodes: Numbers) -> float:
    """Of all that TRIPLES names."""
    return sum((nodes[node] ** 2).sum() for node in (0, 4, 6, 2, 5, 3))
