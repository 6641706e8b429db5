"""Who likes each item: who is asked, in which order, and what is told."""

from itertools import groupby

import numpy as np
import pytest

from augment.ring import FILMS, N_ITEMS, N_USERS, TASTES, TOLD, ask, train
from tandemrec.augment.drawn import NO, UNREADABLE, YES, draw_users
from tandemrec.augment.interactions import InteractionsConfig, interactions
from tandemrec.data.tastes import Tastes
from tandemrec.errors import ConfigError, DataError
from tandemrec.llm.base import Prompt
from tandemrec.llm.fake import FakeLLM, FollowingLLM
from tandemrec.prompts.interactions import TasteProfiles, like


def number(prompt: Prompt) -> int:
    """Of what is asked about, the place in the catalogue."""
    titles = [FILMS.titles[n] for n in range(6)]
    asked = prompt.user.rpartition("\n")[2]
    return next((n for n, title in enumerate(titles) if f"film {title}?" in asked), 6)


def always(chance: float) -> FollowingLLM:
    return FollowingLLM(lambda _, text: float(np.log(chance if text == "Yes" else 1 - chance)))


def test_users_are_different_and_have_not_met_the_item() -> None:
    every = np.arange(N_ITEMS)
    drawn = draw_users(train(), TASTES.known, every, N_USERS, seed=0)
    for item, row in zip(every, drawn, strict=True):
        users = row[row >= 0]
        unmet = [u for u in TASTES.known if not train().met(np.array([u]), np.array([item]))[0]]
        assert sorted(users) == unmet and 11 not in users  # all of them, and nobody else
        assert (row[len(users) :] == -1).all()
    assert not (drawn[5] >= 0).any()  # whom everybody met


def test_the_order_depends_on_the_item_and_the_seed_alone() -> None:
    every = np.arange(N_ITEMS)
    whole = draw_users(train(), TASTES.known, every, 8, seed=0)
    assert (draw_users(train(), TASTES.known, every, 3, seed=0) == whole[:, :3]).all()
    assert (draw_users(train(), TASTES.known, every[4:6], 8, seed=0) == whole[4:6]).all()
    assert (draw_users(train(), TASTES.known, every, 8, seed=1) != whole).any()


def test_every_user_is_as_likely_the_first() -> None:
    none = train().rows(np.zeros(len(train()), bool))
    items = np.zeros(1, np.int64)
    draws = [draw_users(none, np.arange(6), items, 2, seed)[0] for seed in range(3000)]
    for place in np.array(draws).T:
        assert np.abs(np.bincount(place, minlength=6) - 500).max() < 5 * np.sqrt(500)
    assert all(one != two for one, two in draws)


def test_drawing_goes_on_until_one_says_yes_and_one_no() -> None:
    found = ask(FakeLLM(), draws=12)
    for item in np.unique(found.items):
        rows = found.items == item
        labels, order = found.labels[rows], found.order[rows]
        assert order.tolist() == list(range(len(order)))
        assert len(set(labels[:-1])) <= 1  # both were found with the last answer, or never
    drawn = draw_users(train(), TASTES.known, np.arange(N_ITEMS), 12, seed=0)
    assert (found.users == drawn[found.items, found.order]).all()
    assert found.asked == len(found.items)
    assert ((found.chances >= 0.5) == (found.labels == YES)).all()


def test_the_answers_are_kept_in_pairs_and_edges() -> None:
    found = ask(FakeLLM(), draws=12)
    first = {}
    for item, user, label in zip(found.items, found.users, found.labels, strict=True):
        first.setdefault((int(item), int(label)), int(user))
    assert dict(zip(*found.edges, strict=True)) == {
        item: user for (item, label), user in first.items() if label == YES
    }
    items, yes, no = found.pairs
    assert set(items) == {item for item, _ in first if {(item, YES), (item, NO)} <= set(first)}
    assert yes.tolist() == [first[i, YES] for i in items]
    assert no.tolist() == [first[i, NO] for i in items]


def test_each_round_asks_about_all_open_items_in_one_call() -> None:
    llm = FakeLLM()
    found = ask(llm, draws=12)
    assert llm.calls <= found.order.max() + 1 + 12 and llm.asked == found.asked
    sizes = np.bincount(found.order)
    assert sizes[0] == N_ITEMS - 1 and (np.diff(sizes) <= 0).all()
    users = [prompt.user.rpartition("\n")[0] for prompt, _ in llm.log[: sizes[0]]]
    # A user's questions stand beside each other; 0 and 9, and 1 and 10, are told alike.
    assert len(list(groupby(users))) <= len(set(users)) + 2


@pytest.mark.parametrize(("chance", "label", "counted"), [(0.9, YES, "no"), (0.1, NO, "yes")])
def test_an_item_for_which_nobody_says_yes_is_bounded_and_counted(
    chance: float, label: int, counted: str
) -> None:
    found = ask(always(chance), draws=4)
    assert found.asked == 4 * (N_ITEMS - 1) and (found.labels == label).all()
    assert found.without[counted] == N_ITEMS and found.without["pair"] == N_ITEMS
    assert found.counts["nobody to ask"] == 1 and sum(found.counts.values()) == N_ITEMS
    assert len(found.pairs[0]) == 0
    assert len(found.edges[0]) == (N_ITEMS - 1 if label == YES else 0)
    assert found.lessons(train()).keys() == ({"augmented"} if label == YES else set())
    np.testing.assert_allclose(found.chances, chance, atol=1e-6)


def test_the_threshold_is_the_setting_else_that_of_validation_else_one_half() -> None:
    said = always(0.4)
    assert (ask(said).threshold, ask(said, 0.3).threshold) == (0.5, 0.3)
    assert ask(said, 0.3, threshold=0.7).threshold == 0.7
    assert ask(said, 0.0, draws=1).saying_yes == 1.0  # 0 is a threshold too
    assert (ask(said).labels == NO).all() and (ask(said, 0.3).labels == YES).all()
    with pytest.raises(ConfigError):
        InteractionsConfig(threshold=1.5)


def test_an_answer_that_is_none_is_neither_yes_nor_no() -> None:
    found = ask(FollowingLLM(lambda *_: -np.inf), draws=3)
    assert (found.labels == UNREADABLE).all() and found.rejected == {"unreadable": found.asked}
    assert found.counts == {
        "both": 0,
        "only yes": 0,
        "only no": 0,
        "neither": N_ITEMS - 1,
        "nobody to ask": 1,
    }
    assert found.saying_yes == 0.0 and found.lessons(train()) == {}


def test_answers_can_be_written() -> None:
    said = {0: "Yes.", 1: "No", 2: "maybe"}
    llm = FollowingLLM(lambda *_: 0.0, lambda prompt: said.get(number(prompt), "Answer: no"))
    found = ask(llm, draws=2, way="written")
    of = {item: set(found.labels[found.items == item].tolist()) for item in range(4)}
    assert of == {0: {YES}, 1: {NO}, 2: {UNREADABLE}, 3: {NO}}


def test_only_rare_items_are_asked_about() -> None:
    few = int(np.sort(train().popularity)[2])
    found = ask(FakeLLM(), most=few)
    assert set(found.items) == set(np.flatnonzero(train().popularity <= few))
    assert sum(found.counts.values()) == found.n_items == len(set(found.items))


def test_a_title_cannot_answer_for_the_user() -> None:
    """Hostile titles change nothing but the one line that names them."""
    llm = FakeLLM()
    ask(llm)
    plain = TasteProfiles("film", [f"x{n}" for n in range(9)], TASTES, InteractionsConfig())
    lines = {like(plain.facts(u, i)).user.count("\n") for u in range(11) for i in range(9)}
    assert {prompt.user.count("\n") for prompt, _ in llm.log} <= lines
    assert not any("<|" in prompt.user for prompt, _ in llm.log)
    assert {texts for _, texts in llm.log} == {("Yes", "No")}


def test_nothing_but_training_is_told() -> None:
    llm = FakeLLM()
    found = ask(llm, liked=99, disliked=99)
    for item, user in zip(found.items, found.users, strict=True):
        facts = TOLD.facts(user, item)
        assert set(facts.liked) <= {"Film 5", *(TASTES_TOLD[int(user)])}


TASTES_TOLD = {user: [TOLD.names[i] for i in items] for user, items in enumerate(train().histories)}


def test_nobodys_taste_is_an_error() -> None:
    unrated = train().rows(train().users == 11)
    tastes = Tastes.of(unrated, above=3, zeros=False)
    with pytest.raises(DataError, match=r"no user's taste is known"):
        interactions(unrated, tastes, FILMS, "film", FakeLLM(), InteractionsConfig())
