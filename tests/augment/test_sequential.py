"""Items that the LLM picks for sequences: what is asked, where they go."""

from dataclasses import replace

import numpy as np
import pytest

from tandemrec.augment.sequential import InsertionConfig, Insertions, insertions
from tandemrec.data.interactions import Interactions
from tandemrec.errors import DataError
from tandemrec.llm.base import Prompt
from tandemrec.llm.fake import FakeLLM, FollowingLLM
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


@pytest.mark.parametrize("way", ["letters", "likelihood"])
def test_an_answer_of_no_use_picks_nothing(way: str) -> None:
    nothing = FollowingLLM(lambda prompt, option: float("nan"))
    found = insertions(past(), profiles(), nothing, InsertionConfig(way=way, items=26))
    assert (len(found.users), found.asked) == (0, 2)


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
    rated = made.into(replace(past(), ratings=np.arange(15, dtype=np.float32)))
    assert rated.ratings[:7].tolist() == [0, 0, 1, 2, 2, 3, 3]  # of the one before, or behind
    first = Insertions(np.array([2]), np.array([7]), np.array([0]), np.array([0.1]), 1)
    own = first.into(replace(past(), ratings=np.arange(15, dtype=np.float32)))
    assert own.ratings[2:6].tolist() == [2, 3, 3, 4]  # not of another user
    decided = made.most_decided(0.67).into(past())
    assert [row.tolist() for row in decided.histories[:3]] == [[3, 1, 2, 8], [], [5, 9]]


def crowd(n_users: int) -> tuple[Interactions, Profiles]:
    """User u met u % 3 + 1 of five items, in rising order."""
    rows = [(user, item) for user in range(n_users) for item in range(user % 3 + 1)]
    users, items = np.array(rows).T
    times = np.arange(len(rows))
    met = Interactions.sorted(users, items, times=times, n_users=n_users, n_items=5)
    return met, Profiles("film", TITLES[:5], met.histories, PromptConfig(history=1))


def test_every_place_of_a_sequence_is_as_likely() -> None:
    """1,500 users, 500 of each length n: 500 / (n + 1) of them for each place 0 to n."""
    met, told = crowd(1500)
    found = insertions(met, told, FakeLLM(), InsertionConfig(items=2))
    assert found.users.tolist() == list(range(1500))
    for length in (1, 2, 3):
        times = np.bincount(found.places[met.counts == length], minlength=length + 1)
        expected = 500 / (length + 1)
        assert len(times) == length + 1
        assert ((times - expected) ** 2).sum() / expected < 30  # chi-square; one in 700,000


def test_what_is_picked_stands_there_and_the_others_keep_their_order() -> None:
    met, told = crowd(60)
    found = insertions(met, told, FakeLLM(), InsertionConfig(items=2, insertions=3))
    grown = found.into(met)
    assert len(grown) == len(met) + len(found.users) > len(met) + 60
    for user in range(60):
        row, own = grown.of(user).tolist(), met.of(user).tolist()
        assert [item for item in row if item in own] == own
        before = [sum(one in own for one in row[: row.index(item)]) for item in row]
        stood = {item: n for item, n in zip(row, before, strict=True) if item not in own}
        mine = found.users == user
        pairs = zip(found.items[mine].tolist(), found.places[mine].tolist(), strict=True)
        assert stood == dict(pairs)


def test_the_prior_takes_off_what_a_title_is_worth_to_anybody() -> None:
    """After a history film 11 has -1 nat and film 10 -2; without one 11 has 0, 10 has -4 and the
    others -1. With half of that taken off, film 10 is at 0, and 11 at -1."""

    def score(prompt: Prompt, option: str) -> float:
        told = "Film 0" in prompt.user  # the history
        known = {"Film 11\n": (0.0, -1.0), "Film 10\n": (-4.0, -2.0)}
        return known.get(option, (-1.0, -9.0))[told]

    def picked(**values: float) -> Insertions:
        config = InsertionConfig(way="likelihood", items=26, **values)
        return insertions(past(), profiles(), FollowingLLM(score), config)

    for found, item in ((picked(prior=0.0), 11), (picked(prior=0.5), 10), (picked(), 10)):
        assert found.items.tolist() == [item] * 2
        np.testing.assert_allclose(found.margins, 1)


def test_a_place_behind_the_end_is_refused() -> None:
    made = Insertions(*np.array([[0], [7], [5]]), np.array([0.1]), 1)
    with pytest.raises(DataError, match="behind the end"):
        made.into(past())


def test_who_has_no_sequence_to_learn_gets_none() -> None:
    """User 1 has met something by now, but nothing that the backbone learns."""
    now, learnt = past(), past().rows(past().users == 0)
    config = InsertionConfig(insertions=40, items=3)
    made = insertions(now, profiles(), FollowingLLM(larger), config, into=learnt)
    assert set(made.users) == {0}
    assert set(made.places) <= set(range(learnt.counts[0] + 1))
    both = Insertions(*np.array([[0, 1], [7, 7], [1, 0]]), np.array([0.1, 0.1]), 2)
    assert both.into(learnt).users.tolist() == [0] * (len(learnt) + 1)


def test_none_and_back_from_a_folder(tmp_path) -> None:  # type: ignore[no-untyped-def]
    none = insertions(past(), profiles(), FollowingLLM(larger), InsertionConfig(insertions=0))
    assert none.into(past()).fingerprint == past().fingerprint
    config = InsertionConfig(insertions=2, items=3)
    made = insertions(past(), profiles(), FollowingLLM(larger), config)
    made.save(tmp_path)
    assert Insertions.load(tmp_path).fingerprint == made.fingerprint
    assert Insertions.load(tmp_path).asked == made.asked
