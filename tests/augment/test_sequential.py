"""Items that the LLM picks for sequences: what is asked, where they go."""

import numpy as np
import pytest

from tandemrec.augment.sequential import InsertionConfig, Insertions, insertions
from tandemrec.data.interactions import Interactions
from tandemrec.llm.base import Prompt
from tandemrec.llm.fake import FollowingLLM
from tandemrec.prompts.profiles import Profiles, PromptConfig
from tandemrec.rankings import Rankings

TITLES = [f"Film {n:02d}" for n in range(12)]


def past() -> Interactions:
    """User 0 met 3, 1, 2, user 1 nothing, user 2 item 5, user 3 all but item 11."""
    users = np.array([0, 0, 0, 2, *[3] * 11])
    items = np.array([3, 1, 2, 5, *range(11)])
    return Interactions.sorted(users, items, times=np.arange(15), n_users=4, n_items=12)


def profiles() -> Profiles:
    return Profiles("film", TITLES, past().histories, PromptConfig())


def larger(prompt: Prompt, option: str) -> float:
    """The film of the greatest number is the best, by its line or by its letter."""
    if not option.startswith("Film"):
        listed = dict(row.split(". ") for row in prompt.user.splitlines() if row[1:3] == ". ")
        option = listed[option]
    return float(option.split()[1])


@pytest.mark.parametrize("way", ["letters", "likelihood"])
def test_the_best_of_some_unmet_items_is_picked(way: str) -> None:
    config = InsertionConfig(way=way, items=26, prior=0.0)
    found = insertions(past(), profiles(), FollowingLLM(larger), config)
    assert found.users.tolist() == [0, 2]  # user 3 has one item left, user 1 no sequence
    assert found.items.tolist() == [11, 11]
    assert found.asked == 2
    np.testing.assert_allclose(found.margins, 1)


def test_picks_are_unmet_and_differ_by_seed() -> None:
    seen = set()
    for seed in range(5):
        config = InsertionConfig(insertions=3, items=2, seed=seed)
        found = insertions(past(), profiles(), FollowingLLM(larger), config)
        assert not past().met(found.users, found.items).any()
        assert (found.places <= past().counts[found.users]).all()
        assert found.asked == 6 and len(found.users) <= 6
        pairs = list(zip(found.users.tolist(), found.items.tolist(), strict=True))
        assert len(set(pairs)) == len(pairs)
        seen.add(found.fingerprint)
    assert len(seen) == 5


def test_items_are_drawn_from_the_backbones_best() -> None:
    best = np.array([[9, 3, 4, 0]] * 4)
    pool = Rankings(np.arange(4), best, -best.astype(np.float32))
    config = InsertionConfig(insertions=4, items=2, pool=3)
    found = insertions(past(), profiles(), FollowingLLM(larger), config, pool)
    assert set(found.items[found.users == 0].tolist()) == {9}
    assert set(found.items[found.users == 2].tolist()) <= {9, 4}


def test_insertions_stand_at_their_places() -> None:
    users, items, places = np.array([0, 0, 2]), np.array([7, 8, 9]), np.array([0, 3, 1])
    made = Insertions(users, items, places, np.array([0.1, 0.3, 0.2]), 3)
    grown = made.into(past())
    assert [row.tolist() for row in grown.histories[:3]] == [[7, 3, 1, 2, 8], [], [5, 9]]
    assert grown.times[:5].tolist() == [0, 0, 1, 2, 2]
    assert len(past()) == 15 and len(grown) == 18
    decided = made.most_decided(0.67).into(past())
    assert [row.tolist() for row in decided.histories[:3]] == [[3, 1, 2, 8], [], [5, 9]]


def test_a_place_behind_the_end_is_the_end() -> None:
    """Asked from a longer past than the backbone learns."""
    made = Insertions(*np.array([[0], [7], [5]]), np.array([0.1]), 1)
    assert made.into(past()).histories[0].tolist() == [3, 1, 2, 7]
    assert made.into(past()).users.tolist()[:4] == [0, 0, 0, 0]


def test_none_and_back_from_a_folder(tmp_path) -> None:  # type: ignore[no-untyped-def]
    none = insertions(past(), profiles(), FollowingLLM(larger), InsertionConfig(insertions=0))
    assert none.into(past()).fingerprint == past().fingerprint
    config = InsertionConfig(insertions=2, items=3)
    made = insertions(past(), profiles(), FollowingLLM(larger), config)
    made.save(tmp_path)
    assert Insertions.load(tmp_path).fingerprint == made.fingerprint
    assert Insertions.load(tmp_path).asked == made.asked
