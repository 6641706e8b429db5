"""The tuned language models of a DALLRec run, one for each strategy, and what each is tuned on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from tandemrec.augment.grounding import from_table
from tandemrec.data.attributes import Kind
from tandemrec.data.tastes import Tastes
from tandemrec.llm.answers import Remembering
from tandemrec.prompts.interactions import TasteProfiles
from tandemrec.prompts.kinds import PAPERS
from tandemrec.recipes.dallrec_settings import Strategy
from tandemrec.recipes.setup import DALLRecSetup
from tandemrec.recipes.tuning import InstructionSet, remembering, tuned
from tandemrec.tuning import fewshot
from tandemrec.tuning.examples import Example
from tandemrec.tuning.tune import Tuned


def asking(setup: DALLRecSetup, strategy: Strategy, seed: int) -> tuple[Remembering, Tuned | None]:
    """The model that was tuned for a strategy, which looks its answers up first, and what the
    tuning left behind; the model as it came where there is nothing to learn from."""
    learns = setup.config.tune is not None and hasattr(setup.llm, "folder")
    if not learns or not instruction_set(strategy, setup, seed).examples:
        return remembering(setup, setup.llm, counting=True), None
    model, tuning = tuned(setup, f"tuned-{strategy}", partial(instruction_set, strategy), seed)
    return remembering(setup, model, counting=True), tuning


def instruction_set(strategy: Strategy, setup: DALLRecSetup, seed: int) -> InstructionSet:
    """The examples of a strategy, of training data and of what is known of the items."""
    config = setup.config.examples.model_copy(update={"seed": seed})
    if config.released is not None:
        return InstructionSet(fewshot.released(config, setup.split.data.noun)[strategy])
    make = {"interactions": _likes, "attributes": _attributes, "summaries": _summaries}
    return InstructionSet(make[strategy](setup, config))


def _likes(setup: DALLRecSetup, config: fewshot.FewShotConfig) -> list[Example]:
    tastes = Tastes.of(setup.split.train, setup.config.liked_above)
    told = setup.config.interactions.model_copy(update={"seed": config.seed})
    data = setup.split.data
    return fewshot.yes_no(TasteProfiles.of(tastes, data.catalogue, data.noun, told), config)


def kinds_asked(setup: DALLRecSetup) -> Sequence[Kind]:
    """Of which kinds of attributes the language model is asked."""
    wanted, noun = setup.config.attributes, setup.split.data.noun
    if wanted.source in ("none", "table"):
        return ()
    if wanted.kinds is not None:
        return wanted.kinds
    return PAPERS[wanted.paper].get(noun, ())


def _attributes(setup: DALLRecSetup, config: fewshot.FewShotConfig) -> list[Example]:
    data, wanted, kinds = setup.split.data, setup.config.attributes, kinds_asked(setup)
    every, table = wanted.kinds is not None, None
    if wanted.table is not None:
        table = from_table(data.catalogue, wanted.table, kinds, every=every)
    return fewshot.attribute_examples(data.catalogue, data.noun, kinds, config, table)


def _summaries(setup: DALLRecSetup, config: fewshot.FewShotConfig) -> list[Example]:
    data, genres = setup.split.data, setup.config.summaries.genres
    return fewshot.summary_examples(data.catalogue, data.noun, config, genres=genres)
