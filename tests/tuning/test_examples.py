"""Instruction sets: out of fold, from training data only."""

import numpy as np
import pytest

from tandemrec.data.interactions import Interactions
from tandemrec.prompts.passages import Passages
from tandemrec.prompts.profiles import Profiles, PromptConfig
from tandemrec.rankings import Rankings
from tandemrec.tuning.examples import ExamplesConfig, hold_out, instructions, sequences

N_USERS, N_ITEMS = 6, 30
TITLES = [f"Film {n:02d}" for n in range(N_ITEMS)]


def train() -> Interactions:
    """User u met the items u, u + 1, ..., u + 9 in that order, but user 5 only two."""
    pairs = [(u, u + n) for u in range(N_USERS) for n in range(2 if u == 5 else 10)]
    users, items = np.array(pairs).T
    return Interactions.sorted(users, items, times=items, n_users=N_USERS, n_items=N_ITEMS)


def parts(targets: int = 2):  # type: ignore[no-untyped-def]
    fold = hold_out(train(), targets)
    lists = np.array([[20, 21, 22, u + 9] for u in range(N_USERS)])
    candidates = Rankings(np.arange(N_USERS), lists, np.zeros(lists.shape, np.float32))
    histories = [fold.seen.of(user) for user in range(N_USERS)]
    similar = np.roll(np.arange(N_USERS), 1)
    profiles = Profiles(
        "film", TITLES, histories, PromptConfig(), similar=similar, hints=candidates
    )
    return fold, candidates, profiles


def test_the_last_training_interactions_are_held_out() -> None:
    fold = hold_out(train(), 3)
    assert fold.targets.of(1).tolist() == [8, 9, 10]
    assert fold.seen.of(1).tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert len(fold.targets.of(5)) == 0  # two interactions: too few


@pytest.mark.parametrize("way", ["listwise", "pointwise", "likelihood"])
def test_no_target_is_in_its_own_history_or_hint_unless_predicted(way: str) -> None:
    fold, candidates, profiles = parts()
    found = instructions(fold, candidates, profiles, ExamplesConfig(ways=(way,), augmented=0.0))
    assert found
    for example in found:
        history = example.prompt.user.split("in order:\n")[1].split("\nCandidates")[0]
        history = history.split("\nWould")[0].splitlines()
        user = int(history[0].split()[1])
        held = {f"Film {item:02d}" for item in fold.targets.of(user)}
        assert not held & set(history)
        assert "similar" not in example.prompt.user


def test_the_listwise_answer_is_the_targets_label() -> None:
    fold, candidates, profiles = parts(targets=1)
    found = instructions(
        fold, candidates, profiles, ExamplesConfig(ways=("listwise",), augmented=0.0)
    )
    for prompt, answer in found:
        listed = dict(line.split(". ") for line in prompt.user.splitlines() if ". " in line)
        first = int(prompt.user.split("in order:\nFilm ")[1][:2])
        assert listed[answer] == f"Film {first + 9:02d}"
        assert len(listed) == 4


def test_a_users_other_targets_are_never_shown_as_wrong() -> None:
    fold, candidates, profiles = parts(targets=2)
    for ways in ("listwise", "pointwise"):
        found = instructions(fold, candidates, profiles, ExamplesConfig(ways=(ways,), augmented=0))
        for prompt, answer in found:
            first = int(prompt.user.split("in order:\nFilm ")[1][:2])
            if ways == "listwise":
                shown = prompt.user.split("Candidates")[1]
                assert (f"Film {first + 9:02d}" in shown) + (f"Film {first + 8:02d}" in shown) == 1
            elif answer == "No":
                assert prompt.user[-8:-1] in ("Film 20", "Film 21", "Film 22")


def test_yes_and_no_are_equally_frequent() -> None:
    fold, candidates, profiles = parts()
    found = instructions(fold, candidates, profiles, ExamplesConfig(ways=("pointwise",)))
    answers = [answer for _, answer in found]
    assert answers.count("Yes") == answers.count("No") == len(fold.targets)


def test_half_of_the_instructions_are_augmented() -> None:
    fold, candidates, profiles = parts()
    config = ExamplesConfig(ways=("likelihood",), augmented=1.0)
    told = instructions(fold, candidates, profiles, config)
    assert all("A recommender suggests" in prompt.user for prompt, _ in told)


def test_what_came_next_is_learnt_and_passages_are_of_others() -> None:
    """Films go up by one in every history, so every continuation must too."""
    histories = [train().of(user) for user in range(N_USERS)]
    profiles = Profiles(
        "film", TITLES, histories, PromptConfig(passages=2), passages=Passages(train())
    )
    found = sequences(profiles, ExamplesConfig(sequences=40, window=4, augmented=1.0))
    assert len(found) == 40
    assert any("Other users:" in prompt.user for prompt, _ in found)
    for prompt, answer in found:
        told = prompt.user.split("in order:\n")[1].splitlines()
        numbers = [int(line.split()[1]) for line in [*told, *answer.splitlines()]]
        assert 1 <= len(answer.splitlines()) <= 4
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_same_seed_same_set() -> None:
    sets = [instructions(*parts(), ExamplesConfig(seed=seed)) for seed in (0, 0, 1)]
    assert sets[0] == sets[1] != sets[2]


def test_passages_in_an_instruction_are_about_what_it_asks() -> None:
    """The target is among the candidates that passages are about, and nothing else is quoted."""
    fold, candidates, profiles = parts()
    config = PromptConfig(similar=0, hint=0, passages=4, about="candidates")
    told = Profiles("film", TITLES, profiles.histories, config, passages=Passages(fold.seen))
    examples = ExamplesConfig(ways=("likelihood",), augmented=1.0)
    quoting = 0
    for prompt, answer in instructions(fold, candidates, told, examples):
        before, _, own = prompt.user.partition("Films this user enjoyed, in order:\n")
        quoted = set(before.splitlines()) - {"Other users:", ""}
        shown = {f"Film {item:02d}" for item in (20, 21, 22, *range(9, 14))} | {answer.strip()}
        assert quoted <= shown | set(own.splitlines())
        quoting += answer.strip() in quoted
    assert quoting  # otherwise the test looks at nothing
