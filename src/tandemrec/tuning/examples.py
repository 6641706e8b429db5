"""Instruction sets for direct recommendation, built out of fold from training data only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeInt, PositiveInt

from tandemrec.config import Settings
from tandemrec.data.interactions import Interactions
from tandemrec.llm.base import Prompt
from tandemrec.prompts import direct
from tandemrec.prompts.direct import Facts
from tandemrec.prompts.profiles import Profiles
from tandemrec.rankings import Rankings
from tandemrec.rerank import Way

Items = NDArray[np.int64]


class Example(NamedTuple):
    """A prompt, and the answer that is learnt; only the answer's tokens count in the loss."""

    prompt: Prompt
    answer: str


class ExamplesConfig(Settings):
    """What an instruction set is made of, and how."""

    instructions: NonNegativeInt = 5000
    """How many instructions; the paper has 5,000 for each task and data set."""
    ways: tuple[Way, ...] = Field(default=("listwise", "pointwise"), min_length=1)
    """Their forms, in equal shares."""
    sequences: NonNegativeInt = 0
    """How many places in users' training histories are learnt as text that goes on (ours)."""
    window: PositiveInt = 8
    """How many of the next titles are learnt at such a place."""
    augmented: float = Field(default=0.5, ge=0, le=1)
    """The share of instructions that tell the similar user and the backbone's hint, and of
    sequences that tell passages."""
    out_of_fold: bool = True
    """Candidates, hints and similar users come from a backbone that has not seen the target.
    False takes the backbone that was trained on it, the published way, which leaks."""
    backbone: str | None = None
    """The backbone whose candidates are shown; none takes the run's own. With one named, runs of
    several backbones on the same data can share a tuned model (`shared`), as in the paper."""
    targets: PositiveInt = 3
    """How many of each user's last training interactions are held out as targets."""
    seed: int = 0
    """Draws the users, the forms and the order of the candidates."""


@dataclass(frozen=True, eq=False)
class Fold:
    """Training data, cut once more: what a backbone may see, and the targets it may not."""

    seen: Interactions
    targets: Interactions


def hold_out(train: Interactions, targets: int) -> Fold:
    """Take each user's last `targets` training interactions away; at least two stay seen.

    Users with fewer than three training interactions give no target (Llama4Rec, section IV-A3).
    """
    from_end = train.bounds[train.users + 1] - 1 - np.arange(len(train))
    room = np.minimum(targets, np.maximum(train.counts - 2, 0))
    held = from_end < room[train.users]
    return Fold(train.rows(~held), train.rows(held))


def sequences(profiles: Profiles, config: ExamplesConfig) -> list[Example]:
    """Places in users' training histories: what a prompt tells up to there, and what came next.

    A user is drawn as often as he has interactions. Every one of the next `window` titles is a
    target, so that supervision is dense. Passages are of other users only, matched against what
    came before; similar users and hints, which know the whole history, are left out.
    """
    rng = np.random.default_rng([config.seed, 1])
    told = replace(profiles, similar=None, hints=None)
    lengths = np.array([len(items) for items in told.histories])
    users = rng.choice(len(lengths), config.sequences, p=lengths / lengths.sum())
    cuts = rng.integers(lengths[users])
    plain = rng.random(len(users)) >= config.augmented
    return [
        _going_on(told.plain if alone else told, int(user), int(cut), config.window)
        for user, cut, alone in zip(users, cuts, plain, strict=True)
    ]


def _going_on(profiles: Profiles, user: int, cut: int, window: int) -> Example:
    history = profiles.histories[user]
    prompt = direct.continuation(profiles.facts_of(history[:cut], user))
    names = profiles.names(history[cut : cut + window])
    return Example(prompt, "".join(map(direct.line, names)))


def instructions(
    fold: Fold, candidates: Rankings, profiles: Profiles, config: ExamplesConfig
) -> list[Example]:
    """Instructions whose answers are the fold's targets.

    `candidates` is the fold's backbone's list for every user, `profiles` what the fold knows. The
    target is shown among those candidates that are no targets themselves. Repeats are dropped.
    """
    rng = np.random.default_rng([config.seed, 2])
    rows = rng.choice(len(fold.targets), min(config.instructions, len(fold.targets)), replace=False)
    groups: dict[tuple[Example, ...], None] = {}
    for n, row in enumerate(rows):
        user, target = int(fold.targets.users[row]), int(fold.targets.items[row])
        told = profiles if rng.random() < config.augmented else profiles.plain
        others = np.setdiff1d(candidates.items[user], [*fold.targets.of(user), -1])
        others = rng.permutation(others)[: candidates.items.shape[1] - 1]
        form = WAYS[config.ways[n % len(config.ways)]]
        facts = told.facts(user, np.append(others, target))
        groups[tuple(form(facts, target, others, profiles, rng))] = None
    return [example for group in groups for example in group]


def _listwise(
    facts: Facts, target: int, others: Items, profiles: Profiles, rng: np.random.Generator
) -> list[Example]:
    shown = rng.permutation(np.append(others, target))
    label = direct.LABELS[int(np.flatnonzero(shown == target)[0])]
    return [Example(profiles.wording.listwise(facts, profiles.names(shown)), label)]


def _pointwise(
    facts: Facts, target: int, others: Items, profiles: Profiles, rng: np.random.Generator
) -> list[Example]:
    """The target, and one of the others, so that Yes and No are equally frequent."""
    names = profiles.names([target, *others[:1]])
    return [
        Example(profiles.wording.pointwise(facts, name), answer)
        for name, answer in zip(names, direct.ANSWERS, strict=False)
    ]


def _likelihood(
    facts: Facts, target: int, others: Items, profiles: Profiles, rng: np.random.Generator
) -> list[Example]:
    return [Example(direct.continuation(facts), direct.line(profiles.titles[target]))]


WAYS = {"listwise": _listwise, "pointwise": _pointwise, "likelihood": _likelihood}
