"""Instruction sets of ratings: out of fold, from training data only."""

import numpy as np
import pytest

from prompts.test_rated import N_USERS, SIMILAR, VALID, profiles, split
from tandemrec.data.interactions import Interactions
from tandemrec.data.scales import Scale
from tandemrec.prompts.rated import RatedPromptConfig
from tandemrec.ratings import Ratings
from tandemrec.tuning.examples import Example, Fold, hold_out
from tandemrec.tuning.ratings import RatingExamplesConfig, rating_instructions

KNOWN = split()


def fold() -> Fold:
    """Of each user's films u to u + 4, the last two are held out."""
    return hold_out(KNOWN.train, 2)


def hints(pairs: Interactions) -> Ratings:
    return Ratings(pairs.users, pairs.items, 1.0 + pairs.items / 10)


def made(chosen: str = "newest", **config: object) -> list[Example]:
    told = profiles(KNOWN, RatedPromptConfig(chosen=chosen), KNOWN.before_test)
    told = told.telling(similar=SIMILAR)
    return rating_instructions(fold(), hints(fold().targets), told, RatingExamplesConfig(**config))


def film(example: Example) -> int:
    return int(example.prompt.user.partition("Film to rate: Film ")[2][:2])


def told(example: Example, who: str) -> list[str]:
    """The lines below "Ratings by this user" or "Ratings by a similar user"."""
    lines = example.prompt.user.partition(f"Ratings by {who}")[2].split("\n")[1:]
    stop = next(n for n, line in enumerate(lines) if not line.startswith("- "))
    return lines[:stop]


@pytest.mark.parametrize("chosen", ["newest", "alike"])
def test_no_target_is_told_and_none_of_anybody_elses(chosen: str) -> None:
    """The fold's held-out films of user u are u + 3 and u + 4, those of his similar user one more.

    The profiles were made with all of training, and with validation as the users' own.
    """
    examples = made(chosen, augmented=1.0)
    assert len(examples) == 2 * N_USERS
    for example in examples:
        mine = [int(line[7:9]) for line in told(example, "this user")]
        theirs = [int(line[7:9]) for line in told(example, "a similar user")]
        user = min(mine)
        assert sorted(mine) == [user, user + 1, user + 2]
        assert film(example) in (user + 3, user + 4)
        other = int(SIMILAR[user])
        assert sorted(theirs) == [other, other + 1, other + 2]
        assert VALID not in example.prompt.user


def test_the_answer_is_the_rating_and_the_hint_is_of_the_pair() -> None:
    for example in made(augmented=1.0):
        assert example.answer == str(1 + film(example) % 4)
        assert f"A recommender predicts: {1 + film(example) / 10:.1f}\n" in example.prompt.user


def test_half_of_the_instructions_are_augmented() -> None:
    examples = [each for seed in range(30) for each in made(seed=seed)]
    tell = ["similar" in each.prompt.user for each in examples]
    assert tell == ["A recommender predicts" in each.prompt.user for each in examples]
    assert 0.4 < np.mean(tell) < 0.6
    assert not any("similar" in each.prompt.user for each in made(augmented=0.0))


def test_same_seed_same_set() -> None:
    sets = [made(seed=seed, instructions=5) for seed in (0, 0, 1)]
    assert sets[0] == sets[1] != sets[2]
    assert [len(each) for each in sets] == [5, 5, 5]
    assert made(instructions=0) == []


def test_a_rating_between_labels_becomes_the_nearest() -> None:
    """Held-out ratings of 1.4 and 3.6 where the model answers with whole stars."""
    known = fold()
    stars = np.where(known.targets.items % 2 == 0, 1.4, 3.6).astype(np.float32)
    targets = Interactions.sorted(
        known.targets.users, known.targets.items, stars, n_users=N_USERS, n_items=24
    )
    told = profiles(KNOWN)
    assert told.scale == Scale(1, 5, 1)
    config = RatingExamplesConfig()
    examples = rating_instructions(Fold(known.seen, targets), hints(targets), told, config)
    assert {(film(each) % 2, each.answer) for each in examples} == {(0, "1"), (1, "4")}


def test_a_missing_rating_teaches_nothing() -> None:
    known = fold()
    stars = np.where(known.targets.items == 3, np.nan, 2).astype(np.float32)
    targets = Interactions.sorted(
        known.targets.users, known.targets.items, stars, n_users=N_USERS, n_items=24
    )
    config = RatingExamplesConfig()
    found = rating_instructions(Fold(known.seen, targets), hints(targets), profiles(KNOWN), config)
    assert len(found) == 2 * N_USERS - 1 and {each.answer for each in found} == {"2"}
