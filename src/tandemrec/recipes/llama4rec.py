"""Llama4Rec for direct recommendation, top to bottom: Luo et al., "Integrating Large Language
Models into Recommendation via Mutual Augmentation and Adaptive Aggregation".

Base, tuning, data augmentation, prompt augmentation, re-ranking, choices, lists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tandemrec.data.interactions import Interactions
from tandemrec.llm.base import LLM
from tandemrec.llm.fake import CountingLLM
from tandemrec.prompts import sequential
from tandemrec.prompts.passages import Passages
from tandemrec.prompts.profiles import Profiles
from tandemrec.ranking import rank, similar_users
from tandemrec.rankings import Rankings
from tandemrec.recipes.arms import (
    ARMS,
    COUNTING,
    Arm,
    Choice,
    View,
    Weighing,
    better,
    choose,
    final,
)
from tandemrec.recipes.augmenting import Augmentation, augmentation, renewed
from tandemrec.recipes.fitting import fitted, learns
from tandemrec.recipes.setup import Setup
from tandemrec.report.contents import FULL
from tandemrec.rerank import Reranked, rerank

Part = Literal["valid", "test"]


@dataclass(frozen=True)
class SeedResult:
    """One seed, from the fitted backbones to what validation chose and the lists on test."""

    seed: int
    llm: LLM  # the tuned one
    base: Any
    augmentation: Augmentation
    at_test: Augmentation  # the same, or renewed
    choices: Mapping[str, Choice]
    valid: Mapping[str, View]
    test: Mapping[str, View]
    lists: Mapping[str, Rankings]  # "Base" and each arm, on test
    refit: Rankings | None  # the control of that name, on test

    @property
    def backbone(self) -> Any:
        """Llama4Rec's backbone at test and after: the one that learnt from the LLM, unless
        validation preferred the one that did not."""
        return self.at_test.model if self.choices[FULL].arm.augmented else self.base

    @property
    def view(self) -> View:
        """Llama4Rec's candidates on test, and what the LLM made of them."""
        return self.test[view_of(self.choices[FULL].arm)]


def one_seed(setup: Setup, llm: LLM, seed: int) -> SeedResult:
    """All stages of one seed with a tuned `llm`; test is opened last, after every choice."""
    base = fitted(setup, seed, "base")
    readers = {"augmented": llm}
    if any(arm.counted for arm in arms_of(setup).values()):
        readers["counted"] = CountingLLM()
    known = plain_profiles(setup)
    learnt = {
        name: augmentation(setup, reader, base, known, seed, name)
        for name, reader in readers.items()
    }
    weighing = Weighing.of(setup.split.train, setup.config.blend)
    arms = arms_of(setup)
    tried = [option for arm in arms.values() for option in options(setup, arm)]
    valid = views(setup, llm, models(base, learnt), tried, seed, "valid")
    choices = {name: chosen(setup, arm, valid, weighing) for name, arm in arms.items()}
    taken = [choice.arm for choice in choices.values()]
    at_test = learnt
    if setup.config.renew and setup.config.history_at_test == "valid":
        later = plain_profiles(setup, setup.split.before_test)
        at_test = {
            name: renewed(setup, reader, base, later, seed, learnt[name], name)
            if name in map(model_of, taken)
            else learnt[name]
            for name, reader in readers.items()
        }
    test = views(setup, llm, models(base, at_test), taken, seed, "test")
    lists = {"Base": test[view_of(ARMS["IFT"])].candidates}
    for name, choice in choices.items():
        lists[name] = final(test[view_of(choice.arm)], choice, weighing)
    both = learnt["augmented"], at_test["augmented"]
    again = refit(setup, base, seed)
    return SeedResult(seed, llm, base, *both, choices, valid, test, lists, again)


def refit(setup: Setup, base: Any, seed: int) -> Rankings | None:
    """What Base gives on test once it has learnt validation too, which test prompts tell the LLM:
    as many epochs as it took without. None where it cannot learn, or where prompts do not tell."""
    if not learns(setup.backbone) or setup.config.history_at_test == "train":
        return None
    past = setup.split.before_test
    again = fitted(setup, seed, "refit", train=past, like=base)
    return rank(again, past, np.unique(setup.split.test.users), setup.config.candidates)


def models(base: Any, learnt: Mapping[str, Augmentation]) -> dict[str, Any]:
    """The backbones by name."""
    return {"base": base} | {name: each.model for name, each in learnt.items()}


def arms_of(setup: Setup) -> dict[str, Arm]:
    """The table's rows; where prompts quote passages, also the control that only counts in them."""
    return ARMS | COUNTING if setup.config.prompt.passages else ARMS


def options(setup: Setup, arm: Arm) -> list[Arm]:
    """What validation may choose from: an arm with data augmentation, and the same without it."""
    if not (arm.augmented and setup.config.augment == "validated"):
        return [arm]
    return [arm, replace(arm, augmented=False)]


def chosen(setup: Setup, arm: Arm, views: Mapping[str, View], weighing: Weighing) -> Choice:
    """Ranking way, weights, and with or without data augmentation, all on validation."""
    truth = setup.split.valid
    found = [
        choose(option, views[view_of(option)], truth, weighing, setup.config.metric)
        for option in options(setup, arm)
    ]
    if len(found) == 1:
        return found[0]
    return better(found, [final(views[view_of(c.arm)], c, weighing) for c in found], truth)


def view_of(arm: Arm) -> str:
    """The view that an arm needs; arms share views."""
    reading = "counted" if arm.counted else "told" if arm.told else "plain"
    return f"{model_of(arm)}-{reading}"


def model_of(arm: Arm) -> str:
    """The name of the arm's backbone."""
    if not arm.augmented:
        return "base"
    return "counted" if arm.counted else "augmented"


def views(
    setup: Setup,
    llm: LLM,
    backbones: Mapping[str, Any],
    arms: Sequence[Arm],
    seed: int,
    part: Part,
) -> dict[str, View]:
    """What these arms need: a backbone's candidates, and what the LLM makes of them, with prompt
    augmentation or without it; or, in its place, what counts."""
    needed = {view_of(arm): arm for arm in arms}
    used = {model_of(arm) for arm in needed.values()}
    backbones = {name: model for name, model in backbones.items() if name in used}
    lists = {name: part_candidates(setup, model, part) for name, model in backbones.items()}
    asked = {name: whom_to_ask(setup, candidates, part) for name, candidates in lists.items()}
    past = told_past(setup, part)
    plain = plain_profiles(setup, past)
    profiles = {
        (name, told): told_profiles(setup, model, lists[name], past) if told else plain
        for name, model in backbones.items()
        for told in (False, True)
    }
    read = {model_of(arm) for arm in needed.values() if not arm.counted}
    if not setup.run.closed:
        both = [lists[name].of(asked[name]) for name in backbones if name in read]
        ask_together(setup, llm, both, list(profiles.values()))
    found = {}
    for view, arm in needed.items():
        name = model_of(arm)
        candidates, known = lists[name].of(asked[name]), profiles[name, arm.told]
        reader = CountingLLM() if arm.counted else llm
        ways = reranked(setup, reader, candidates, known, f"{part}/{view}", seed)
        found[view] = View(lists[name], asked[name], ways, arm.counted)
    return found


def ask_together(
    setup: Setup, llm: LLM, lists: Sequence[Rankings], profiles: Sequence[Profiles]
) -> None:
    """Where both backbones' lists bring the same likelihood prompt, have both lists' candidates
    read with it at once; the store of answers knows them when each list is ranked."""
    same = {known.fingerprint: known for known in profiles if known.same_for_all}
    both = union(lists)
    for config in setup.config.rerank:
        if config.way == "likelihood":
            for known in same.values():
                rerank(both, known, llm, config)


def ask_ahead(setups: Sequence[Setup], llm: LLM, seeds: Sequence[int]) -> None:
    """What the runs of several backbones on the same data ask about validation from histories
    alone: each history is read once, with every backbone's and seed's candidates behind it. The
    runs find the answers in the store that they share; test is not looked at."""
    lists = []
    for setup in setups:
        for seed in seeds:
            candidates = part_candidates(setup, fitted(setup, seed, "base"), "valid")
            lists.append(candidates.of(whom_to_ask(setup, candidates, "valid")))
    ask_together(setups[0], llm, lists, [plain_profiles(setups[0])])


def union(lists: Sequence[Rankings]) -> Rankings:
    """Every user of any list, with all his candidates in one row; missing places hold -1."""
    rows: dict[int, list[int]] = {}
    for each in lists:
        for user, items in zip(each.users.tolist(), each.items.tolist(), strict=True):
            rows.setdefault(user, []).extend(item for item in items if item >= 0)
    found = [list(dict.fromkeys(items)) for items in rows.values()]
    width = max(map(len, found), default=0)
    items = np.array([row + [-1] * (width - len(row)) for row in found], np.int64)
    items = items.reshape(len(rows), width)
    scores = np.where(items >= 0, 0.0, -np.inf).astype(np.float32)
    return Rankings(np.array(list(rows), np.int64), items, scores)


def told_past(setup: Setup, part: Part) -> Interactions:
    """What a prompt may tell of its own user: training data, and in test maybe validation."""
    further = part == "test" and setup.config.history_at_test == "valid"
    return setup.split.before_test if further else setup.split.train


def part_candidates(setup: Setup, model: Any, part: Part) -> Rankings:
    """The backbone's best k' of the full catalogue, less what is met before the part."""
    split = setup.split
    truth = split.valid if part == "valid" else split.test
    past = split.train if part == "valid" else split.before_test
    return rank(model, past, np.unique(truth.users), setup.config.candidates)


def whom_to_ask(setup: Setup, candidates: Rankings, part: Part) -> NDArray[np.bool_]:
    """Everybody, or those whose held-out item is among the candidates; [U]."""
    if setup.config.ask == "all":
        return np.ones(len(candidates.users), dtype=bool)
    truth = setup.split.valid if part == "valid" else setup.split.test
    return np.asarray(candidates.met(truth).any(axis=1))


def reranked(
    setup: Setup, llm: LLM, candidates: Rankings, profiles: Profiles, name: str, seed: int
) -> Sequence[Reranked]:
    """The LLM's rankings, one for each way that validation chooses from."""
    ways = []
    for n, config in enumerate(setup.config.rerank):
        step = f"seed-{seed}/{name}/{n}-{config.way}"
        config = config.model_copy(update={"seed": seed})
        inputs = {"candidates": candidates, "profiles": profiles, "llm": llm, "config": config}
        ways.append(setup.run.step(step, Reranked, rerank, **inputs))
    return ways


def plain_profiles(setup: Setup, past: Interactions | None = None) -> Profiles:
    """What a prompt may tell without prompt augmentation: histories from training data; a user's
    own goes on to what `past` holds."""
    own = None if past is None or past is setup.split.train else past.histories
    plain = Profiles.of(setup.split, setup.config.prompt, own)
    return replace(plain, wording=sequential) if setup.sequential else plain


def told_profiles(
    setup: Setup, model: Any, hints: Rankings, past: Interactions | None = None
) -> Profiles:
    """The same with prompt augmentation (section III-C): similar users, hints and passages, all
    from training data."""
    return plain_profiles(setup, past).telling(
        similar=similar_users(model) if setup.config.prompt.similar else None,
        hints=hints if setup.config.prompt.hint else None,
        passages=Passages(setup.split.train) if setup.config.prompt.passages else None,
    )
