"""What validation tells of a model: the pairs it is asked about, its threshold, its chances."""

import numpy as np
import pytest

from augment.ring import FILMS, N_ITEMS, N_USERS, TASTES, TOLD, train
from tandemrec.augment.interactions import InteractionsConfig, ThresholdConfig, chances, threshold
from tandemrec.augment.threshold import Threshold
from tandemrec.data.interactions import Interactions
from tandemrec.errors import DataError
from tandemrec.llm.fake import FakeLLM, FollowingLLM
from tandemrec.prompts.interactions import like


def valid() -> Interactions:
    """User u is to meet the item u + 4, liked if u is even."""
    users = np.arange(N_USERS)
    ratings = np.where(users % 2, 1, 5).astype(np.float32)
    items = (users + 4) % N_ITEMS
    return Interactions.sorted(users, items, ratings, n_users=N_USERS, n_items=N_ITEMS)


def threshold_of(rows: Interactions, llm: FakeLLM, **choice: int) -> Threshold:
    config = InteractionsConfig()
    return threshold(rows, train(), TASTES, FILMS, "film", llm, config, ThresholdConfig(**choice))


def test_validation_tells_what_a_model_knows() -> None:
    """A model that knows the answer, but says no to everything."""
    rows = valid().rows(valid().users < 9)  # user 9 is told as user 0
    up = rows.rows(rows.ratings > 3)
    pairs = zip(up.users.tolist(), up.items.tolist(), strict=True)
    liked = {like(TOLD.facts(user, item)) for user, item in pairs}
    llm = FollowingLLM(
        lambda p, text: float(np.log((0.3 if p in liked else 0.2) if text == "Yes" else 0.7))
    )
    found = threshold_of(rows, llm, sample=6)
    assert len(found.users) == llm.asked == 6 and found.liked.sum() == 3
    assert (found.greedy, found.accuracy, found.auc) == (0.5, 1.0, 1.0)
    assert 0.2 / 0.9 < found.value < 0.3
    assert (np.diff(found.users) > 0).all() and 11 not in found.users
    assert not train().met(found.users, found.items).any()


def test_the_validation_sample_is_seeded_and_balanced() -> None:
    def rows(seed: int, sample: int = 6) -> list[int]:
        found = threshold_of(valid(), FakeLLM(), sample=sample, seed=seed)
        assert 2 * found.liked.sum() == len(found.liked)
        return found.users.tolist()

    assert rows(0) == rows(0) and len({tuple(rows(seed)) for seed in range(9)}) > 3
    assert len(rows(0, 1000)) == 2 * min(np.bincount(valid().users % 2)) - 4  # what there is


def test_without_dislikes_there_is_no_threshold() -> None:
    liked = valid().rows(valid().ratings > 3)
    with pytest.raises(DataError, match=r"likes and 0 dislikes"):
        threshold_of(liked, FakeLLM())


def test_chances_are_those_of_yes_against_no_in_the_order_asked_for() -> None:
    users, items = np.array([7, 2, 7, 0]), np.array([0, 8, 3, 4])
    llm = FakeLLM()
    found = chances(users, items, TOLD, llm)
    for user, item, chance in zip(users, items, found, strict=True):
        prompt = like(TOLD.facts(int(user), int(item)))
        yes, no = (np.exp(llm.logprob(prompt, text)) for text in ("Yes", "No"))
        assert chance == pytest.approx(yes / (yes + no), abs=1e-6)
    assert len(chances(users[:0], items[:0], TOLD, llm)) == 0
