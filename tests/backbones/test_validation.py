"""What validation measures, by hand."""

import numpy as np
import pytest
import torch

from tandemrec.backbones.validation import ndcg, recall
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


def test_recall_by_hand() -> None:
    """User 0 finds one of two within two places, both within three; user 1 ties are last, 4th."""
    train = Interactions.sorted(np.array([0]), np.array([0]), n_users=3, n_items=4)
    users, items = np.array([0, 0, 1]), np.array([3, 1, 0])
    held = Interactions.sorted(users, items, n_users=3, n_items=4)
    model = Fixed([9, 1, 2, 3], [0, 0, 0, 0], [0, 0, 0, 0])
    found = [recall(model, train, held, k, batch_size=1) for k in (1, 2, 3, 4, 9)]
    assert found == [0.25, 0.25, 0.5, 1, 1]


@pytest.mark.parametrize("k", [1, 3, 30])
def test_ndcg_of_many_held_out_items_one_by_one(k: int) -> None:
    """Few different scores, so that many tie, also across the last place that counts."""
    rng = np.random.default_rng(0)
    scores = rng.integers(6, size=(12, 20)).astype(np.float32)
    kinds = rng.random((12, 20))
    train, held = (
        Interactions.sorted(*np.nonzero(chosen), n_users=12, n_items=20)
        for chosen in (kinds < 0.2, kinds > 0.6)
    )
    values = []
    for user in range(12):
        mine = np.where(kinds[user] < 0.2, -np.inf, scores[user])
        places = [int((mine >= mine[item]).sum()) for item in held.items[held.users == user]]
        gain = sum(1 / np.log2(place + 1) for place in places if place <= k)
        values.append(gain / sum(1 / np.log2(np.arange(2, min(k, len(places)) + 2))))
    found = ndcg(Fixed(*scores.tolist()), train, held, k=k, batch_size=5)
    assert found == pytest.approx(np.mean(values))
