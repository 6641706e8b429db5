"""Cold items by hand."""

import numpy as np
import pytest

from tandemrec.backbones import ScoreMatrix
from tandemrec.data.interactions import Interactions
from tandemrec.errors import ConfigError
from tandemrec.evaluation.cold import cold, is_cold
from tandemrec.evaluation.compare import over_users

SIZES = {"n_users": 3, "n_items": 6}


def log(pairs: list[tuple[int, int]]) -> Interactions:
    return Interactions.sorted(*np.array(pairs, np.int64).T, **SIZES)


TRAIN = log([(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (0, 2)])
"Items 0 to 5 were met 3, 2, 1, 0, 0 and 0 times."
HELD = log([(0, 3), (0, 4), (1, 2), (1, 3), (2, 1)])
SCORES = np.array(
    [[9, 9, 9, 1, 3, 2], [9, 9, 4, 5, 7, 6], [9, 8, 7, 6, 5, 4]], np.float32
)  # users 0 and 1 met items 0, 1 (and 0 item 2), which are hidden


def test_which_held_out_items_are_cold() -> None:
    assert is_cold(TRAIN, HELD, 0).tolist() == [True, True, False, True, False]
    assert is_cold(TRAIN, HELD, 1).tolist() == [True, True, True, True, False]
    assert is_cold(TRAIN, HELD).all()


def test_recall_of_cold_items_by_hand() -> None:
    """User 0: item 4 is first, 3 third. User 1: 4 and 5, then 3, then 2. User 2 holds out none."""
    found = cold(ScoreMatrix(SCORES), TRAIN, TRAIN, HELD, (1, 3), most=1)
    assert found.users.tolist() == [0, 1]
    assert found.values["Recall@1"].tolist() == [1 / 2, 0]
    assert found.values["Recall@3"].tolist() == [1, 1 / 2]
    alone = cold(ScoreMatrix(SCORES), TRAIN, TRAIN, HELD, (3,), most=0)
    assert alone.values["Recall@3"].tolist() == [1, 1]


def test_a_warm_held_out_item_stays_in_the_way() -> None:
    scores = SCORES.copy()
    scores[1, 2] = 10  # held out and no cold item: it takes the first place
    found = cold(ScoreMatrix(scores), TRAIN, TRAIN, HELD, (3,), ("Recall", "NDCG"), most=0)
    assert found.values["Recall@3"].tolist() == [1, 0]
    assert found.values["NDCG@3"][0] == pytest.approx((1 + 1 / 2) / (1 + 1 / np.log2(3)))


def test_two_models_are_compared_on_the_same_users() -> None:
    models = ScoreMatrix(SCORES), ScoreMatrix(-SCORES)
    one, other = ([cold(model, TRAIN, TRAIN, HELD, (1,), most=1)] for model in models)
    test = over_users(one, other, "Recall@1")
    assert test.n == 2 and test.mean_difference == pytest.approx((0 - 0.5) / 2)


def test_without_cold_items_there_is_nothing_to_measure() -> None:
    held = log([(2, 1), (1, 0)])
    with pytest.raises(ConfigError, match="at most 1 interactions in training; the fewest are 2"):
        cold(ScoreMatrix(SCORES), TRAIN, TRAIN, held, most=1)
