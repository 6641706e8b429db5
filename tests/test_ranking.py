"""Rankings in blocks: what is left out, ties, short rows; similar users."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tandemrec.backbones import MF, EmbeddingBackbone, LightGCN, ScoreMatrix, build, scoring
from tandemrec.backbones.validation import ndcg
from tandemrec.data.interactions import Interactions
from tandemrec.data.worlds import clubs
from tandemrec.errors import BackboneError, DataError
from tandemrec.ranking import neighbours, rank, similar_users
from tandemrec.rankings import Rankings


def met(pairs: list[tuple[int, int]], n_users: int = 3, n_items: int = 4) -> Interactions:
    users, items = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return Interactions.sorted(users, items, n_users=n_users, n_items=n_items)


SCORES = ScoreMatrix(np.array([[4, 3, 2, 1], [1, 2, 3, 4], [0, 0, 0, 0]]))


def test_what_was_met_is_left_out() -> None:
    train, valid = met([(0, 0), (1, 3), (1, 2)]), met([(0, 2)])
    best = rank(SCORES, train, None, 2, exclude=valid)
    assert best.items.tolist() == [[1, 3], [1, 0], [0, 1]]
    assert best.scores.tolist() == [[3, 1], [2, 1], [0, 0]]
    assert best.items.dtype == np.int64 and best.scores.dtype == np.float32


def test_a_user_with_few_items_left_has_a_short_row() -> None:
    best = rank(SCORES, met([(0, 0), (0, 1), (0, 2)]), np.array([2, 0]), 6)
    assert best.users.tolist() == [2, 0]
    assert best.items.tolist() == [[0, 1, 2, 3, -1, -1], [3, -1, -1, -1, -1, -1]]
    assert best.scores[1].tolist() == [1] + [-np.inf] * 5


def test_only_candidates_are_ranked() -> None:
    nothing = met([])
    shared = rank(SCORES, nothing, None, 2, candidates=np.array([3, 1]))
    assert shared.items.tolist() == [[1, 3], [3, 1], [1, 3]]
    own = np.array([[0, 3], [1, -1], [2, 3]])
    for size in (1, 2, 100):
        best = rank(SCORES, nothing, None, 2, candidates=own, batch_size=size)
        assert best.items.tolist() == [[0, 3], [1, -1], [2, 3]]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(1, 8))
def test_it_is_what_a_plain_sort_gives(seed: int, k: int, size: int) -> None:
    """Scores of three values: full of ties, which go to the lower item number."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 3, (6, 8)).astype(np.float32)
    pairs = np.argwhere(rng.random((6, 8)) < 0.3)
    train = met([tuple(pair) for pair in pairs], 6, 8)
    best = rank(ScoreMatrix(scores), train, None, k, batch_size=size)
    for user in range(6):
        left = [item for item in range(8) if item not in train.of(user)]
        expected = sorted(left, key=lambda item: (-scores[user, item], item))[:k]
        assert best.items[user].tolist() == expected + [-1] * (k - len(expected))


def test_blocks_change_nothing() -> None:
    world = clubs()
    model = build(LightGCN, world)
    one, many = (rank(model, world, None, 5, batch_size=size) for size in (1000, 7))
    assert (one.items == many.items).all()
    np.testing.assert_allclose(one.scores, many.scores, rtol=1e-5)


def test_no_users_give_no_rows() -> None:
    assert rank(SCORES, met([]), np.array([], np.int64), 3).items.shape == (0, 3)
    assert neighbours(SCORES, np.array([], np.int64), 2).items.shape == (0, 2)


def test_a_user_that_is_not_there_is_named() -> None:
    with pytest.raises(DataError, match=r"from 0 to 2. Received numbers from 1 to 3"):
        rank(SCORES, met([]), np.array([1, 3]), 2)


class Own(nn.Module):
    def __init__(self, table: list[list[float]]) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.tensor(table))
        self.dropout = nn.Dropout(0.9)

    def score(self, users: torch.Tensor) -> torch.Tensor:
        return self.dropout(self.table)[users]


def test_ids_are_no_numbers_of_users() -> None:
    with pytest.raises(DataError, match=r"Received: \['u-001'\]. catalogue.user\(id\)"):
        rank(ScoreMatrix(np.zeros((3, 4))), met([(0, 0)]), ["u-001"], 2)  # type: ignore[arg-type]


def test_the_model_is_read_without_dropout_and_stays_as_it_was() -> None:
    model = Own([[1.0, 2.0], [2.0, 1.0]]).train()
    best = rank(model, met([], 2, 2), None, 2)
    assert best.scores.tolist() == [[2, 1], [2, 1]]
    assert model.training and model.dropout.training


def test_scores_that_are_kept_by_the_model_are_not_touched() -> None:
    class Keeps:
        table = torch.zeros(3, 4)

        def score(self, users: torch.Tensor) -> torch.Tensor:
            return self.table

    rank(Keeps(), met([(0, 1)]), None, 2)
    assert not Keeps.table.any()


def test_scores_that_are_no_numbers_are_named() -> None:
    with pytest.raises(BackboneError, match=r"Own.score gave values that are not numbers"):
        rank(Own([[1.0, float("nan")]]), met([], 1, 2), None, 1)


def test_what_cannot_score_is_named() -> None:
    with pytest.raises(BackboneError, match=r"object has no method `score\(users\)`"):
        rank(object(), met([]), None, 1)
    with pytest.raises(BackboneError, match=r"Own has no method `user_embeddings\(\)`"):
        similar_users(Own([[1.0]]))


def test_an_embedding_backbone_may_have_a_score_of_its_own() -> None:
    class Biased(MF):
        def score(self, queries: torch.Tensor) -> torch.Tensor:
            return super().score(queries) + torch.arange(40) * 1000

    world = clubs()
    best = rank(build(Biased, world), world.rows(np.zeros(len(world), bool)), None, 2)
    assert issubclass(Biased, EmbeddingBackbone)
    assert (best.items == [39, 38]).all()


def test_similar_users_by_hand() -> None:
    """Cosine, not inner product: user 2 is long but points elsewhere; nobody is like himself, and
    nobody like him who has no embedding."""
    vectors = [[1.0, 0.0], [2.0, 1.0], [9.0, 9.0], [0.0, 3.0], [0.0, 0.0]]
    model = ScoreMatrix(np.zeros((5, 4)), embeddings=vectors)
    assert similar_users(model).tolist() == [1, 2, 1, 2, -1]
    alike = neighbours(model, np.array([0]), 3)
    assert alike.items.tolist() == [[1, 2, 3]]
    np.testing.assert_allclose(alike.scores, [[2 / 5**0.5, 0.5**0.5, 0]], atol=1e-6)
    for size in (1, 2, 3):
        assert similar_users(model, batch_size=size).tolist() == [1, 2, 1, 2, -1]


@pytest.mark.parametrize("k", [1, 3, 9])
def test_tiles_of_users_change_nothing(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is rounded and many are equal, of which the lower number wins."""
    vectors = np.array([[1, 0], [0, 2], [-3, 0], [0, 0]])[
        np.random.default_rng(0).integers(4, size=30)
    ]
    model = ScoreMatrix(np.zeros((30, 4)), embeddings=vectors)
    asked = np.array([29, 0, 7, 7, 15])
    whole = neighbours(model, asked, k)
    monkeypatch.setattr(scoring, "CELLS", 4 * 5 * 4)  # four users wide
    tiled = neighbours(model, asked, k)
    assert tiled.items.tolist() == whole.items.tolist()
    assert tiled.scores.tolist() == whole.scores.tolist()


def test_a_single_user_has_nobody() -> None:
    assert similar_users(ScoreMatrix(np.ones((1, 3)))).tolist() == [-1]


def test_no_block_of_scores_is_larger_than_memory_is_to_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not for ranking, nor for neighbours, nor for validation."""
    world = clubs()
    model = build(MF, world)

    def all_three() -> tuple[Rankings, np.ndarray, float]:
        return rank(model, world, None, 5), similar_users(model), ndcg(model, world, world)

    whole, largest, best = all_three(), [], torch.topk
    monkeypatch.setattr(scoring, "CELLS", 3 * max(world.n_items, world.n_users))

    def noted(scores: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        largest.append(scores.numel())
        return best(scores, k)

    monkeypatch.setattr(torch, "topk", noted)
    parts = all_three()
    assert len(largest) > 2 and max(largest) <= scoring.CELLS
    np.testing.assert_array_equal(parts[0].items, whole[0].items)
    np.testing.assert_array_equal(parts[1], whole[1])
    assert parts[2] == pytest.approx(whole[2])
