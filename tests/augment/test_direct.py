"""The LLM's preferences: what is asked, what is kept."""

import tracemalloc
from collections.abc import Sequence
from hashlib import sha256

import numpy as np
import pytest

from tandemrec.augment.direct import PreferenceConfig, Preferences, draw_pairs, preferences
from tandemrec.data.interactions import Interactions
from tandemrec.data.worlds import clubs
from tandemrec.llm.base import Choice, Prompt
from tandemrec.llm.fake import FollowingLLM
from tandemrec.prompts.passages import Passages
from tandemrec.prompts.profiles import Profiles, PromptConfig
from tandemrec.rankings import Rankings

TITLES = [f"Film {n:02d}" for n in range(12)]


class Likes:
    """Prefers the film of the greater number, or always what stands first."""

    name = fingerprint = "likes"

    def __init__(self, echo: bool = False) -> None:
        self.echo = echo
        self.asked: list[Prompt] = []

    def choose(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[Choice]:
        self.asked += prompts
        return [self._choice(*pair) for pair in zip(prompts, options, strict=True)]

    def _choice(self, prompt: Prompt, row: Sequence[str]) -> Choice:
        if self.echo:
            values = [-float(place) for place in range(len(row))]
        elif row == ("A", "B"):
            names = [line[3:] for line in prompt.user.splitlines()[-2:]]
            values = [float(name.split()[1]) for name in names]
        else:
            values = [0.0 if prompt.user.endswith("order:\n") else float(r.split()[1]) for r in row]
        return Choice(np.array(values, np.float32), np.ones(len(row), np.int64))

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int) -> list[str]:
        raise AssertionError("preferences need no text")


def train() -> Interactions:
    """User 0 met the even films, user 1 the first three, user 2 all but one."""
    pairs = [(0, i) for i in range(0, 12, 2)] + [(1, i) for i in range(3)]
    pairs += [(2, i) for i in range(11)]
    users, items = np.array(pairs).T
    return Interactions.sorted(users, items, n_users=3, n_items=12)


def profiles() -> Profiles:
    return Profiles("film", TITLES, [train().of(user) for user in range(3)], PromptConfig())


@pytest.mark.parametrize("way", ["letters", "likelihood"])
def test_the_preferred_item_is_the_llms(way: str) -> None:
    found = preferences(train(), profiles(), Likes(), PreferenceConfig(pairs=3, way=way))
    assert found.asked == len(found.users) == 6
    assert (found.preferred > found.other).all()
    assert not train().met(found.users, found.preferred).any()
    assert not train().met(found.users, found.other).any()
    assert set(found.users) == {0, 1}  # user 2 has no two unmet items


@pytest.mark.parametrize("way", ["letters", "likelihood"])
def test_where_everybody_met_everything_there_are_no_pairs(way: str) -> None:
    users, items = np.repeat([0, 1], 12), np.tile(np.arange(12), 2)
    past = Interactions.sorted(users, items, n_users=2, n_items=12)
    told = Profiles("film", TITLES, past.histories, PromptConfig())
    found = preferences(past, told, Likes(), PreferenceConfig(way=way))
    assert (len(found.users), found.asked) == (0, 0)


def test_answers_that_depend_on_the_order_are_dropped() -> None:
    config = PreferenceConfig(pairs=3, way="letters")
    llm = Likes(echo=True)
    assert len(preferences(train(), profiles(), llm, config).users) == 0
    assert len(llm.asked) == 12
    once = config.model_copy(update={"both_orders": False})
    assert len(preferences(train(), profiles(), Likes(echo=True), once).users) == 6


@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize("way", ["letters", "likelihood"])
def test_an_answer_of_no_use_prefers_nothing(way: str, both: bool) -> None:
    config = PreferenceConfig(pairs=3, way=way, both_orders=both)
    nothing = FollowingLLM(lambda prompt, option: float("nan"))
    found = preferences(train(), profiles(), nothing, config)
    assert (len(found.users), found.asked) == (0, 6)


def test_close_calls_are_dropped() -> None:
    config = PreferenceConfig(pairs=3, way="likelihood", margin=2.0)
    found = preferences(train(), profiles(), Likes(), config)
    assert (found.preferred - found.other > 2).all()
    assert found.asked == 6 > len(found.users)


def test_the_most_decided_stay_in_their_order() -> None:
    found = preferences(train(), profiles(), Likes(), PreferenceConfig(pairs=3, way="likelihood"))
    assert (found.margins == found.preferred - found.other).all()  # what `Likes` says
    half = found.most_decided(0.5)
    assert len(half.users) == 3 == len(half.margins) and half.asked == found.asked == 6
    assert sorted(half.margins) == sorted(found.margins)[3:]
    rows = list(zip(*found.triples, strict=True))
    assert [rows.index(row) for row in zip(*half.triples, strict=True)] == sorted(
        rows.index(row) for row in zip(*half.triples, strict=True)
    )
    assert found.most_decided(1.0).fingerprint == found.fingerprint
    assert len(found.most_decided(0.0).users) == 0


def test_in_letters_the_less_decided_of_both_orders_counts() -> None:
    found = preferences(train(), profiles(), Likes(), PreferenceConfig(pairs=3, way="letters"))
    assert (found.margins > 0).all()


def test_likelihood_reads_a_history_once_for_all_pairs() -> None:
    llm = Likes()
    preferences(train(), profiles(), llm, PreferenceConfig(pairs=4, way="likelihood"))
    assert len(llm.asked) == 2 + 1  # two users, and the titles without a history


def test_pairs_may_come_from_the_backbones_best() -> None:
    pool = Rankings(np.arange(3), np.tile([1, 3, 5, 7], (3, 1)), np.zeros((3, 4), np.float32))
    users, first, second = draw_pairs(train(), PreferenceConfig(pairs=5, pool=3), pool)
    assert set(first[users == 0]) | set(second[users == 0]) == {1, 3, 5}
    assert (first != second).all()


def test_pairs_are_different_and_of_few_items() -> None:
    pairs = draw_pairs(train(), PreferenceConfig(pairs=99, items=4))
    assert [len(items) for items in pairs.items.values()] == [4, 4]
    asked = {(user, *sorted(pair)) for user, *pair in zip(*pairs, strict=True)}
    assert len(asked) == len(pairs.users) == 2 * 6  # every two of four
    every = draw_pairs(train(), PreferenceConfig(pairs=99))
    assert np.bincount(every.users).tolist() == [6 * 5 / 2, 9 * 8 / 2]


def test_each_pair_is_as_likely_first_as_second() -> None:
    draws = [draw_pairs(train(), PreferenceConfig(pairs=99, seed=seed)) for seed in range(40)]
    first = np.concatenate([one < two for _, one, two in draws])
    assert abs(first.mean() - 0.5) < 0.05


def alike(n_users: int) -> Interactions:
    """Everybody met the items 0 and 3 of six."""
    users, items = np.repeat(np.arange(n_users), 2), np.tile([0, 3], n_users)
    return Interactions.sorted(users, items, n_users=n_users, n_items=6)


@pytest.mark.parametrize("few", [None, 2, 3])
def test_pairs_of_all_that_is_unmet_are_equally_likely(few: int | None) -> None:
    users, first, second = draw_pairs(alike(3600), PreferenceConfig(pairs=1, items=few))
    assert users.tolist() == list(range(3600))
    times = np.bincount(first * 6 + second, minlength=36).reshape(6, 6)
    unmet = np.array([1, 2, 4, 5])
    others = times[np.ix_(unmet, unmet)][~np.eye(4, dtype=bool)]
    assert others.sum() == 3600  # no met item, and no item twice
    assert np.abs(others - 300).max() < 5 * np.sqrt(300)


def test_a_users_pairs_are_different_in_whichever_order() -> None:
    users, first, second = draw_pairs(alike(200), PreferenceConfig(pairs=4))
    pairs = {(user, *sorted(pair)) for user, *pair in zip(users, first, second, strict=True)}
    assert len(pairs) == len(users) == 4 * 200


def test_pairs_cost_nothing_by_the_size_of_the_catalogue() -> None:
    users, items = np.array([0, 0, 1]), np.array([10**7 - 1, 5, 5])
    past = Interactions.sorted(users, items, n_users=3, n_items=10**7)
    for few in (None, 8):
        tracemalloc.start()
        drawn = draw_pairs(past, PreferenceConfig(pairs=4, items=few))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert np.bincount(drawn.users).tolist() == [4, 4, 4]
        assert not past.met(np.tile(drawn.users, 2), np.append(drawn.first, drawn.second)).any()
        assert peak < 10**6  # bytes: not one for each item


def test_pairs_of_a_pool_stay_those_of_the_published_tables() -> None:
    """By the digest of what was drawn when the tables were made."""
    past, rng = clubs(), np.random.default_rng(5)
    best = rng.permuted(np.tile(np.arange(40), (60, 1)), axis=1)[:, :20]
    best[::7, 15:], best[13, :], best[14, 1:] = -1, -1, -1
    pool = Rankings(np.arange(60), best, np.zeros((60, 20), np.float32))
    config = PreferenceConfig(pairs=16, items=8, pool=12)
    drawn = draw_pairs(past, config, pool)
    assert sha256(np.concatenate(drawn).tobytes()).hexdigest()[:16] == "37f87e086774b7e0"
    drawn = draw_pairs(past, PreferenceConfig(pairs=3, pool=20, seed=4), pool)
    assert sha256(np.concatenate(drawn).tobytes()).hexdigest()[:16] == "0519abc533021b8b"


def test_prompts_may_quote_passages_about_the_items() -> None:
    likes = Likes()
    about = profiles().about_candidates(Passages(train()), 2)
    config = PreferenceConfig(pairs=1, items=2, way="likelihood", seed=3)
    preferences(train(), about, likes, config)
    pairs = draw_pairs(train(), config)
    for prompt, (user, items) in zip(likes.asked, pairs.items.items(), strict=False):
        quoted = prompt.user.partition("Films this user")[0].splitlines()
        allowed = {TITLES[item] for item in [*items, *train().of(user)]}
        assert set(quoted) - allowed == {"Other users:", ""}
        assert set(quoted) & {TITLES[item] for item in items}


def test_same_seed_same_pairs() -> None:
    draws = [draw_pairs(train(), PreferenceConfig(seed=seed)) for seed in (1, 1, 2)]
    assert all((a == b).all() for a, b in zip(draws[0], draws[1], strict=True))
    assert not all((a == b).all() for a, b in zip(draws[0], draws[2], strict=True))


def test_saved_and_loaded(tmp_path) -> None:  # type: ignore[no-untyped-def]
    found = preferences(train(), profiles(), Likes(), PreferenceConfig(way="likelihood"))
    found.save(tmp_path)
    again = Preferences.load(tmp_path)
    assert (again.fingerprint, again.asked) == (found.fingerprint, found.asked)
