"""Llama4Rec for direct recommendation, top to bottom: Luo et al., "Integrating Large Language
Models into Recommendation via Mutual Augmentation and Adaptive Aggregation".

Split, backbone, tuning, data augmentation, prompt augmentation, re-ranking, aggregation, tables.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tandemrec.augment.direct import Preferences, preferences
from tandemrec.backbones import training_of
from tandemrec.data.interactions import Interactions
from tandemrec.data.split import Split
from tandemrec.llm.base import LLM
from tandemrec.progress import Progress, silent
from tandemrec.prompts.profiles import Profiles
from tandemrec.prompts.titles import readable
from tandemrec.ranking import rank, similar_users
from tandemrec.rankings import Rankings
from tandemrec.recipes.arms import ARMS, Arm, Choice, View, Weighing, choose, final
from tandemrec.recipes.settings import PLUS, Llama4RecConfig
from tandemrec.rerank import Reranked, RerankConfig, rerank
from tandemrec.runs import Run
from tandemrec.training import TrainConfig, fit


@dataclass(frozen=True)
class Setup:
    """What all seeds of a run share."""

    split: Split
    backbone: Any  # a backbone class, or an object that scores already
    llm: LLM
    config: Llama4RecConfig
    run: Run
    progress: Progress


@dataclass(frozen=True)
class SeedResult:
    """One seed, from the fitted backbones to what validation chose and the lists on test."""

    seed: int
    base: Any
    augmented: Any
    preferences: Preferences
    choices: dict[str, Choice]
    valid: dict[str, View]
    test: dict[str, View]
    lists: dict[str, Rankings]  # "Base" and each arm, on test


def one_seed(setup: Setup, llm: LLM, seed: int) -> SeedResult:
    """All stages of one seed; test is opened at the end, after every choice."""
    train, config = setup.split.train, setup.config
    base = fitted(setup, seed, "base")
    written = augmentation(setup, llm, base, seed)
    augmented = fitted(setup, seed, "augmented", written)
    models = {False: base, True: augmented}
    weighing = Weighing.of(train, config.blend)
    valid = views(setup, llm, models, seed, "valid")
    choices = {
        name: choose(arm, valid[view_name(arm)], setup.split.valid, weighing, config.metric)
        for name, arm in ARMS.items()
    }
    test = views(setup, llm, models, seed, "test")
    lists = {"Base": test[view_name(ARMS["IFT"])].candidates}
    for name, arm in ARMS.items():
        lists[name] = final(arm, test[view_name(arm)], choices[name], weighing)
    return SeedResult(seed, base, augmented, written, choices, valid, test, lists)


def view_name(arm: Arm) -> str:
    """The view that an arm needs; arms share views."""
    return f"{'augmented' if arm.augmented else 'base'}-{'told' if arm.told else 'plain'}"
