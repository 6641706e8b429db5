"""What becomes of the answers about users: lessons, a control, files; none is asked for twice."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from augment.ring import N_ITEMS, N_USERS, ask, train
from tandemrec.augment.interactions import Drawn
from tandemrec.data.interactions import Interactions
from tandemrec.llm.answers import AnswerStore, Remembering
from tandemrec.llm.base import Choice, Prompt
from tandemrec.llm.fake import FakeLLM


def test_edges_join_training_behind_what_their_users_met() -> None:
    found = ask(FakeLLM(), draws=12)
    items, users = found.edges
    joined = found.lessons(train())["augmented"]
    assert len(joined) == len(train()) + len(items) > len(train())
    for user in range(N_USERS):
        history, own = joined.of(user), train().of(user)
        assert history[: len(own)].tolist() == own.tolist()
        assert sorted(history[len(own) :]) == sorted(items[users == user])
    added = ~train().met(joined.users, joined.items)
    assert added.sum() == len(items)
    assert (joined.ratings[added] == 4).all()  # the lower median of 4 and 5
    assert (joined.times[added] == train().times[train().bounds[joined.users[added] + 1] - 1]).all()
    again = found.into(joined)
    assert len(again) == len(joined)  # nothing is joined twice


def test_what_is_learnt_is_a_switch() -> None:
    learnt = {
        learn: ask(FakeLLM(), learn=learn, draws=12) for learn in ("edges", "triples", "both")
    }
    names = {learn: set(found.lessons(train())) for learn, found in learnt.items()}
    assert names["edges"] == {"augmented"} and names["triples"] == {"between_users"}
    assert names["both"] == {"augmented", "between_users"}
    pairs = learnt["both"].lessons(train())["between_users"]
    assert [part.tolist() for part in pairs] == [part.tolist() for part in learnt["both"].pairs]


def test_who_has_met_the_item_by_then_teaches_no_dislike_of_it() -> None:
    """A backbone that learns validation too may learn there that he met it."""
    found = ask(FakeLLM(), learn="triples", draws=12)
    items, liking, other = found.pairs
    met = Interactions.sorted(other[:1], items[:1], n_users=N_USERS, n_items=N_ITEMS)
    pairs = found.lessons(train().with_rows(met))["between_users"]
    assert [part.tolist() for part in pairs] == [part[1:].tolist() for part in found.pairs]
    assert len(liking) > 1


def test_the_most_decided_stay_in_their_order() -> None:
    found = ask(FakeLLM(), draws=12)
    half = found.most_decided(0.5)
    assert len(half.edges[0]) == round(len(found.edges[0]) / 2) > 0
    assert half.margins.min() >= np.sort(found.margins)[-len(half.margins)]
    assert set(half.items) == set(half.edges[0]) and half.asked == found.asked
    assert (np.diff(half.items) >= 0).all()
    whole = found.most_decided(1.0)
    assert [e.tolist() for e in whole.edges] == [e.tolist() for e in found.edges]
    assert [p.tolist() for p in whole.pairs] == [p.tolist() for p in found.pairs]
    assert len(found.most_decided(0.0).users) == 0


def test_a_control_has_the_same_items_with_other_users() -> None:
    found = ask(FakeLLM(), draws=12)
    control = found.at_random(train(), seed=0)
    assert control.edges[0].tolist() == found.edges[0].tolist()
    assert control.pairs[0].tolist() == found.pairs[0].tolist()
    assert (control.pairs[1] != control.pairs[2]).all() and control.asked == 0
    assert (control.margins == found.margins).all()
    assert not train().met(control.users, control.items).any()
    half = control.most_decided(0.5).edges[0]
    assert half.tolist() == found.most_decided(0.5).edges[0].tolist()
    others = [found.at_random(train(), seed).edges[1].tolist() for seed in range(5)]
    assert len(set(map(tuple, others))) > 1 and others[0] == control.edges[1].tolist()


def test_it_is_saved_and_known_again(tmp_path: Path) -> None:
    found = ask(FakeLLM(), draws=12)
    found.save(tmp_path)
    again = Drawn.load(tmp_path)
    assert again.fingerprint == found.fingerprint and again.counts == found.counts
    assert (again.chances == found.chances).all() and again.tokens is None
    assert ask(FakeLLM(), draws=12, learn="both").fingerprint != found.fingerprint
    assert ask(FakeLLM("other"), draws=12).fingerprint != found.fingerprint


def test_tokens_are_those_of_all_questions_known_before_or_not(tmp_path: Path) -> None:
    class Counting(FakeLLM):
        def tokens_of(self, prompt: Prompt) -> int:
            return 10

    assert ask(Counting()).tokens is None
    with AnswerStore(tmp_path / "answers.sqlite") as store:
        first = ask(Remembering(Counting(), store, counting=True))
        answers = 2 * first.asked  # yes and no, a token each
        assert first.tokens == 10 * first.asked + answers
        again = Remembering(Counting(), store, counting=True)
        ask(again)
        assert ask(again).tokens == first.tokens and again.asked == 0


class Answering(FakeLLM):
    """Dies once it has answered so many questions."""

    chunk = 4

    def __init__(self, left: int = 9999) -> None:
        super().__init__()
        self.left = left

    def choose(self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]]) -> list[Choice]:
        if self.asked + len(prompts) > self.left:
            raise KeyboardInterrupt
        return super().choose(prompts, options)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, share: float) -> None:
    """The same users, in the same order, and nobody is asked twice."""
    unbroken = FakeLLM()
    whole = ask(unbroken, draws=12)
    left = int(share * len({prompt for prompt, _ in unbroken.log}))
    first, second = Answering(left), Answering()
    with AnswerStore(tmp_path / "answers.sqlite") as store:
        with pytest.raises(KeyboardInterrupt):
            ask(Remembering(first, store), draws=12)
        again = ask(Remembering(second, store), draws=12)
    assert again.fingerprint == whole.fingerprint
    asked = [prompt for prompt, _ in (*first.log, *second.log)]
    assert len(asked) == len(set(asked))
    assert left - 4 < first.asked <= left and second.asked > 0


def test_more_draws_ask_only_what_is_new(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "answers.sqlite") as store:
        few = ask(Remembering(FakeLLM(), store), draws=2)
        llm = FakeLLM()
        many = ask(Remembering(llm, store), draws=12)
    assert llm.asked == many.asked - few.asked > 0
