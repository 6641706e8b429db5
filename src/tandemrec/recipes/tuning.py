"""The tuned language model of a run: its instruction set, built out of fold, and the tuning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from tandemrec import backbones
from tandemrec.errors import ConfigError
from tandemrec.llm.answers import AnswerStore, Remembering
from tandemrec.llm.base import LLM
from tandemrec.llm.work import like
from tandemrec.prompts.passages import Passages
from tandemrec.prompts.profiles import Profiles
from tandemrec.ranking import rank, similar_users
from tandemrec.recipes.fitting import fitted
from tandemrec.recipes.llama4rec import plain_profiles
from tandemrec.recipes.rating_tuning import rating_examples
from tandemrec.recipes.setup import ANSWERS, Setup
from tandemrec.tuning.examples import Example, Fold, hold_out, instructions, sequences
from tandemrec.tuning.settings import TuneConfig
from tandemrec.tuning.tune import Tuned, tune


@dataclass(frozen=True, eq=False)
class InstructionSet:
    """Examples with a name of their content."""

    examples: list[Example]

    @cached_property
    def fingerprint(self) -> str:
        return sha256(repr(self.examples).encode()).hexdigest()


def asking(setup: Setup, seed: int) -> tuple[Remembering, Tuned | None]:
    """The tuned model, which looks its answers up first, and what the tuning left behind.

    It is tuned once for all seeds of a run, with the first one's draws.
    """
    model, tuning = tuned(setup, "tuned", instruction_set, seed)
    return remembering(setup, model), tuning


def remembering(setup: Setup[Any], model: LLM, *, counting: bool = False) -> Remembering:
    """The model, which looks its answers up first, in the common folder; of a run that plans, it
    is asked nothing (`llm.work.Planning`)."""
    model, store = like(setup.llm, model), AnswerStore(setup.common.folder / ANSWERS)
    return Remembering(model, store, progress=setup.progress, counting=counting)


def tuned(
    setup: Setup[Any], name: str, examples: Callable[[Any, int], InstructionSet], seed: int
) -> tuple[LLM, Tuned | None]:
    """The LLM after tuning on these examples, with what the tuning left behind.

    A model that has no folder of weights (a fake one, somebody's own class) is taken as it is, and
    so is any model where `tune` is none.
    """
    config, model = setup.config.tune, getattr(setup.llm, "folder", None)
    if config is None or model is None:
        return setup.llm, None
    if getattr(setup.llm, "adapter", None) is not None:
        raise ConfigError(
            f"{setup.llm.name} has an adapter, which tuning would leave out. Merge it into a model "
            "folder first, or take the model as it is with --set tune=none."
        )
    config = config.model_copy(update={"seed": seed})
    learnt = config.model_dump(mode="json", exclude={"parallel"})
    how = {"parallel": config.parallel, "checkpoint_seconds": config.checkpoint_seconds}
    learnt["checkpoint_seconds"] = TuneConfig().checkpoint_seconds  # neither changes what is learnt

    def stage(examples: InstructionSet, llm: LLM, config: dict[str, Any]) -> Tuned:
        out, whole = setup.common.scratch(), TuneConfig.model_validate({**config, **how})
        return tune(examples.examples, Path(model), whole, out, progress=setup.progress)

    found = setup.common.step(
        name, Tuned, stage, examples=examples(setup, seed), llm=setup.llm, config=learnt
    )
    again = Tuned.load(setup.common.places[name])
    return again.llm(f"{setup.llm.name}, tuned"), found


def instruction_set(setup: Setup, seed: int) -> InstructionSet:
    """Dense sequences, and instructions whose targets no backbone of theirs has seen; or ratings
    whose hints know nothing of them."""
    if setup.rating:
        return InstructionSet(rating_examples(setup, taught_by(setup), seed))
    plain, teacher = plain_profiles(setup), taught_by(setup)
    config = setup.config.examples.model_copy(update={"seed": seed})
    passages = Passages(setup.split.train) if setup.config.prompt.passages else None
    found = []
    if config.sequences:
        found += sequences(plain.telling(passages=passages), config)
    if config.instructions:
        fold = hold_out(setup.split.train, config.targets)
        found += _instructions(teacher, fold, seed, plain)
    return InstructionSet(found)


def taught_by(setup: Setup) -> Setup:
    """The run with the backbone whose candidates instructions show; where one is named, it is
    fitted in the common folder, so that runs of other backbones find it there. The run's training
    settings are its own too."""
    name = setup.config.examples.backbone
    if name is None:
        return setup
    config = setup.config.model_copy(update={"backbone": {}})
    return replace(setup, backbone=backbones.get(name), config=config, run=setup.common)


def _instructions(setup: Setup, fold: Fold, seed: int, plain: Profiles) -> list[Example]:
    """Candidates, hints and similar users of a backbone fitted on what the fold shows (or, in
    sample, on everything: the published way, which leaks); asked as the run asks."""
    config = setup.config.examples.model_copy(update={"seed": seed})
    learnt = fold.seen if config.out_of_fold else setup.split.train
    own = "base" if config.backbone is None else "teacher"
    model = fitted(setup, seed, "fold" if config.out_of_fold else own, train=learnt)
    everybody = np.arange(learnt.n_users)
    candidates = rank(model, fold.seen, everybody, setup.config.candidates)
    profiles = replace(plain, histories=fold.seen.histories).telling(
        similar=similar_users(model),
        hints=candidates,
        passages=Passages(learnt) if setup.config.prompt.passages else None,
    )
    return instructions(fold, candidates, profiles, config)
