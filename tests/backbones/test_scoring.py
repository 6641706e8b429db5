"""What validation measures, by hand."""

import numpy as np
import pytest
import torch

from tandemrec.backbones.scoring import ndcg
from tandemrec.data.interactions import Interactions


class Fixed:
    def __init__(self, *rows: list[float]) -> None:
        self.table = torch.tensor(rows)

    def score(self, users: torch.Tensor) -> torch.Tensor:
        return self.table[users]


def test_ndcg_by_hand() -> None:
    """Item 0 is met; of 1..3 the held-out item 2 comes second, behind 3: 1 / log2(3)."""
    train = Interactions.sorted(np.array([0]), np.array([0]), n_users=2, n_items=4)
    held = Interactions.sorted(np.array([0]), np.array([2]), n_users=2, n_items=4)
    model = Fixed([9, 1, 2, 3], [0, 0, 0, 0])
    assert ndcg(model, train, held) == pytest.approx(1 / np.log2(3))
    assert ndcg(model, train, held, k=1) == 0


def test_ndcg_of_several_held_out_items_by_hand() -> None:
    """User 0 has places 1 and 3 of an ideal 1 and 2; user 1 scores all alike, which counts last."""
    train = Interactions.sorted(np.array([0]), np.array([0]), n_users=2, n_items=4)
    users, items = np.array([0, 0, 1]), np.array([3, 1, 0])
    held = Interactions.sorted(users, items, n_users=2, n_items=4)
    first = (1 + 1 / np.log2(4)) / (1 + 1 / np.log2(3))
    second = 1 / np.log2(5)
    model = Fixed([9, 1, 2, 3], [0, 0, 0, 0])
    assert ndcg(model, train, held) == pytest.approx((first + second) / 2)
    assert ndcg(model, train, held, batch_size=1) == pytest.approx((first + second) / 2)
