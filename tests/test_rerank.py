"""Re-ranking with a language model that answers as each test wants."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from tandemrec.data.interactions import Interactions
from tandemrec.errors import ConfigError
from tandemrec.llm.base import Choice, Prompt
from tandemrec.prompts.passages import Passages
from tandemrec.prompts.profiles import Profiles, PromptConfig
from tandemrec.rankings import Rankings
from tandemrec.rerank import RerankConfig, Reranked, Way, rerank

TITLES = ["Alien", "Babe", "Casino", "Dumbo", "Evita", "Fargo"]


class Scripted:
    """Gives each option the log-probability that a function says."""

    name = fingerprint = "scripted"

    def __init__(self, say: Callable[[Prompt, str], float], text: str = "") -> None:
        self.say, self.text = say, text
        self.asked: list[Prompt] = []

    def choose(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[Choice]:
        self.asked += prompts
        return [
            Choice(
                np.array([self.say(prompt, option) for option in row], np.float32),
                np.array([len(option.split()) for option in row]),
            )
            for prompt, row in zip(prompts, options, strict=True)
        ]

    def generate(self, prompts: Sequence[Prompt], *, max_tokens: int) -> list[str]:
        self.asked += prompts
        return [self.text] * len(prompts)


def profiles(config: PromptConfig = PromptConfig(), **more: object) -> Profiles:  # noqa: B008  frozen
    histories = [np.array([4, 5]), np.array([0])]
    return Profiles("movie", TITLES, histories, config, **more)  # type: ignore[arg-type]


def candidates() -> Rankings:
    return Rankings(
        np.array([0, 1]), np.array([[0, 1, 2], [3, 2, 1]]), np.zeros((2, 3), np.float32)
    )


def shown_in(prompt: Prompt) -> list[str]:
    listed = prompt.user.split("Candidates:\n")[1].splitlines()[:-1]
    return [line[3:] for line in listed]


def test_listwise_maps_labels_back_to_items() -> None:
    """The model likes titles late in the alphabet, whatever letter they stand under."""

    def say(prompt: Prompt, label: str) -> float:
        return TITLES.index(shown_in(prompt)["ABC".index(label)])

    found = rerank(candidates(), profiles(), Scripted(say), RerankConfig(way="listwise"))
    assert found.rankings.items.tolist() == [[2, 1, 0], [3, 2, 1]]
    assert found.rejected == {}


def test_pointwise_is_the_margin_of_yes() -> None:
    def say(prompt: Prompt, answer: str) -> float:
        return -1.0 if answer == "No" else -5.0 + 3 * ("Babe" in prompt.user)

    llm = Scripted(say)
    found = rerank(candidates(), profiles(), llm, RerankConfig(way="pointwise"))
    assert found.rankings.items[:, 0].tolist() == [1, 1]
    assert found.rankings.scores[0, 0] == pytest.approx(-1.0)
    assert len(llm.asked) == 6


def test_likelihood_takes_the_prior_off_and_shares_the_prefix() -> None:
    """With the history Alien -1, Babe -2, Casino -3; without it Casino -10, the others -1."""
    known = {"Alien\n": -1.0, "Babe\n": -2.0, "Casino\n": -3.0, "Dumbo\n": -9.0}

    def say(prompt: Prompt, line: str) -> float:
        if prompt.user.endswith("in order:\n"):
            return -10.0 if line == "Casino\n" else -1.0
        return known[line]

    llm = Scripted(say)
    found = rerank(candidates(), profiles(), llm, RerankConfig(way="likelihood", prior=0.5))
    assert found.rankings.items.tolist() == [[2, 0, 1], [2, 1, 3]]
    assert found.rankings.scores[0] == pytest.approx([-3 + 5, -1 + 0.5, -2 + 0.5])
    assert len(llm.asked) == 3  # one for each user, one without a history


def test_the_order_shown_depends_on_the_seed_and_the_user_only() -> None:
    def first_label(prompt: Prompt, label: str) -> float:
        return -float("ABC".index(label))

    def shown(seed: int, which: Rankings) -> Reranked:
        return rerank(
            which, profiles(), Scripted(first_label), RerankConfig(way="listwise", seed=seed)
        )

    whole = shown(0, candidates())
    assert (whole.rankings.items == whole.shown).all()  # a model that echoes gives what it is shown
    assert (shown(0, candidates()).shown == whole.shown).all()
    alone = shown(0, candidates().of(np.array([1])))
    assert (alone.shown[0] == whole.shown[1]).all()
    orders = {tuple(shown(seed, candidates()).shown[0]) for seed in range(20)}
    assert len(orders) == 6


def test_an_answer_without_labels_keeps_the_backbones_order_and_is_counted() -> None:
    config = RerankConfig(way="listwise", answer="generate")
    silent = rerank(candidates(), profiles(), Scripted(lambda *_: 0.0, "I like films."), config)
    assert silent.rejected == {"no label in the answer": 2}
    assert silent.rankings.items.tolist() == candidates().items.tolist()
    assert silent.used.tolist() == [False, False]
    partial = rerank(candidates(), profiles(), Scripted(lambda *_: 0.0, "C"), config)
    assert partial.rejected == {"labels missing, appended": 2}
    assert (partial.rankings.items[:, 0] == partial.shown[:, 2]).all()
    assert partial.used.tolist() == [True, True]


@pytest.mark.parametrize("way", ["pointwise", "likelihood"])
def test_only_whole_lists_are_written(way: Way) -> None:
    with pytest.raises(ConfigError, match=f"answer = generate is of way = listwise.*{way}"):
        RerankConfig(way=way, answer="generate")


def test_a_score_that_is_no_number_is_rejected() -> None:
    found = rerank(candidates(), profiles(), Scripted(lambda *_: np.nan), RerankConfig())
    assert found.rejected == {"not a number": 2} and not found.used.any()
    assert found.rankings.items.tolist() == candidates().items.tolist()


def test_augmented_prompts_tell_the_similar_user_and_the_hint() -> None:
    told = profiles(similar=np.array([1, 0]), hints=candidates())
    llm = Scripted(lambda *_: 0.0)
    rerank(candidates(), told, llm, RerankConfig(way="likelihood"))
    assert "Movies a similar user enjoyed:\nAlien\n" in llm.asked[0].user
    assert "A recommender suggests:\nAlien\nBabe\nCasino\n" in llm.asked[0].user
    assert "similar" not in rerank_prompt(told.plain)


def test_passages_are_about_what_each_user_is_asked_about() -> None:
    """User 2 met Evita (as user 0 did), Babe, and Alien (as user 1 did), in this order."""
    users, items = np.array([0, 1, 2, 2, 2]), np.array([4, 0, 4, 1, 0])
    train = Interactions.sorted(users, items, times=np.arange(5), n_users=3, n_items=6)
    told = profiles(config=PromptConfig(passages=3, about="candidates"), passages=Passages(train))
    llm = Scripted(lambda *_: 0.0)
    rerank(candidates(), told, llm, RerankConfig(way="likelihood"))
    assert llm.asked[0].user.startswith("Other users:\nEvita\nBabe\nAlien\n\nMovies this user")
    assert llm.asked[1].user.startswith("Other users:\nBabe\nAlien\n\nMovies this user")


def rerank_prompt(known: Profiles) -> str:
    llm = Scripted(lambda *_: 0.0)
    rerank(candidates(), known, llm, RerankConfig(way="likelihood"))
    return llm.asked[0].user


def test_short_lists_stay_short() -> None:
    short = Rankings(np.array([0]), np.array([[3, -1]]), np.array([[1, -np.inf]], np.float32))
    found = rerank(short, profiles(), Scripted(lambda *_: 0.0), RerankConfig(way="listwise"))
    assert found.rankings.items.tolist() == [[3, -1]]


def test_nobody_to_ask_is_no_question() -> None:
    llm = Scripted(lambda *_: 0.0)
    nobody = candidates().of(np.array([], np.int64))
    assert rerank(nobody, profiles(), llm, RerankConfig()).rankings.items.shape == (0, 3)
    assert llm.asked == []


def test_saved_and_loaded(tmp_path) -> None:  # type: ignore[no-untyped-def]
    found = rerank(candidates(), profiles(), Scripted(lambda *_: np.nan), RerankConfig())
    found.save(tmp_path)
    assert Reranked.load(tmp_path).fingerprint == found.fingerprint
    assert Reranked.load(tmp_path).rejected == found.rejected
    assert Reranked.load(tmp_path).used.tolist() == [False, False]
