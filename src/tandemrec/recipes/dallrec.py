"""DALLRec, top to bottom: Mao et al., "DALLRec: an effective data augmentation framework with
fine-tuning large language model for recommendation", JKSUCIS 2025,
https://doi.org/10.1007/s44443-025-00158-4.

Three tunings, three strategies (interactions, attributes, summaries), content, backbones. What the
language model makes hangs on no backbone and on no seed: it is made once for all of them.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tandemrec.augment.attributes import Attributes
from tandemrec.augment.content import content
from tandemrec.augment.interactions import Drawn, Threshold, interactions, threshold
from tandemrec.augment.summaries import Summaries, summaries
from tandemrec.data.content import Content
from tandemrec.data.interactions import Interactions
from tandemrec.data.tastes import Tastes
from tandemrec.llm.answers import Remembering
from tandemrec.progress import Progress
from tandemrec.recipes.attributing import attributed
from tandemrec.recipes.augmenting import on_validation
from tandemrec.recipes.dallrec_settings import MODALITIES, Strategy
from tandemrec.recipes.dallrec_tuning import asking, kinds_asked
from tandemrec.recipes.fitting import fitted
from tandemrec.recipes.measuring import RANDOM
from tandemrec.recipes.setup import DALLRecSetup
from tandemrec.report.contents import BASE, DALLREC
from tandemrec.tuning.tune import Tuned


@dataclass(frozen=True, eq=False)
class Material:
    """What the language model made of a data set."""

    tunings: Mapping[Strategy, Tuned | None]
    threshold: Threshold | None
    drawn: Drawn | None
    attributes: Attributes | None
    summaries: Summaries | None
    content: Content | None
    "Every modality, where the backbone reads any."


@dataclass(frozen=True)
class Arm:
    """A row of the table, told apart by the strategies that it has."""

    kind: Literal["main", "ablation", "control"]
    strategies: frozenset[Strategy]
    at_random: bool = False
    "The added interactions are anybody's."


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a backbone learns besides interactions, and the name of its folder."""

    name: str
    drawn: Drawn | None
    content: Content | None


@dataclass(frozen=True)
class TaughtSeed:
    """The backbones of one seed: for each row those that validation chose from, by the share of the
    added interactions that they learnt."""

    seed: int
    trials: Mapping[str, Mapping[float, Any]]
    again: Mapping[str, Any] = field(default_factory=dict)
    "Those that learnt validation too, for test."

    def share(self, row: str) -> float:
        """The share that is best on validation; the first of equals."""
        mine = self.trials[row]
        return max(mine, key=lambda share: on_validation(mine[share]))

    def trial(self, row: str) -> Any:
        """The backbone of a row that was measured on validation."""
        return self.trials[row][self.share(row)]

    def model(self, row: str) -> Any:
        """The backbone of a row that test is opened with, and that recommends."""
        return self.again[row] if row in self.again else self.trial(row)

    @property
    def backbone(self) -> Any:
        """DALLRec's."""
        return self.model(DALLREC)


def ready(setup: DALLRecSetup, seed: int) -> tuple[Material, Material]:
    """Everything that the language model makes, with the first seed's draws."""
    made = asked(setup, seed)
    whole = replace(made, content=described(setup, made)) if setup.reads_content else made
    return whole, whole


def asked(setup: DALLRecSetup, seed: int) -> Material:
    """The three strategies, each by a language model that was tuned for it."""
    config, split, run = setup.config, setup.split, setup.common
    wanted = reaching(setup)
    asks = [strategy for strategy in wanted if strategy != "attributes" or kinds_asked(setup)]
    models = {strategy: asking(setup, strategy, seed) for strategy in asks}
    llms: dict[Strategy, Remembering] = {name: llm for name, (llm, _) in models.items()}
    known = {"catalogue": split.catalogue, "noun": split.data.noun}
    cut = drawn = facts = said = None
    if "interactions" in wanted:
        cut, drawn = joined(setup, llms["interactions"], seed)
    if "attributes" in wanted:
        facts = attributed(setup, llms.get("attributes"))
    if "summaries" in wanted:
        inputs = {**known, "llm": llms["summaries"], "config": config.summaries}
        said = run.step("summaries", Summaries, summaries, **inputs)
    tunings = {name: tuning for name, (_, tuning) in models.items()}
    return Material(tunings, cut, drawn, facts, said, None)


def joined(setup: DALLRecSetup, llm: Remembering, seed: int) -> tuple[Threshold | None, Drawn]:
    """For each item who will like it and who will not; before it, where that is wanted, from which
    probability on an answer is a yes."""
    split, run = setup.split, setup.common
    config = setup.config.interactions.model_copy(update={"seed": seed})
    tastes = Tastes.of(split.train, setup.config.liked_above)
    inputs = {
        "train": split.train,
        "tastes": tastes,
        "catalogue": split.catalogue,
        "noun": split.data.noun,
        "llm": llm,
        "config": config,
    }
    found = None
    if setup.config.threshold is not None:
        choice = setup.config.threshold.model_copy(update={"seed": seed})
        found = run.step(
            "threshold", Threshold, threshold, valid=split.valid, choice=choice, **inputs
        )
    value = found and found.value
    return found, run.step("interactions", Drawn, interactions, threshold=value, **inputs)


def described(setup: DALLRecSetup, made: Material) -> Content:
    """What items consist of: their titles, what the language model made, and one's own arrays."""

    def stage(summaries: Summaries | None, own: Content | None, **inputs: Any) -> Content:
        texts = None if summaries is None else summaries.texts
        with telling(inputs["embedder"], setup.progress):
            return content(**inputs, summaries=texts, arrays=None if own is None else own.arrays)

    return setup.common.step(
        "content",
        Content,
        stage,
        catalogue=setup.split.catalogue,
        embedder=setup.embedder or setup.llm,
        config=setup.config.content,
        attributes=made.attributes,
        summaries=made.summaries,
        own=setup.content,
    )


@contextmanager
def telling(model: Any, progress: Progress) -> Iterator[None]:
    """A model that asks silently, since its answers are counted elsewhere, tells how far it is."""
    before = getattr(model, "progress", None)
    if before is not None:
        model.progress = progress
    try:
        yield
    finally:
        if before is not None:
            model.progress = before


def reaching(setup: DALLRecSetup) -> list[Strategy]:
    """The strategies that the run's backbone can learn from, in the paper's order."""
    return setup.config.reaching(setup.reads_content)


def arms_of(setup: DALLRecSetup) -> dict[str, Arm]:
    """The table's rows: without one strategy at a time where there are several."""
    every = frozenset(reaching(setup))
    rows = {BASE: Arm("main", frozenset()), DALLREC: Arm("main", every)}
    if len(every) > 1:
        for strategy in reaching(setup):
            rows[f"w/o {strategy}"] = Arm("ablation", every - {strategy})
    if "interactions" in every:
        rows[RANDOM] = Arm("control", every, at_random=True)
    return rows


def one_seed(setup: DALLRecSetup, material: Material, seed: int) -> TaughtSeed:
    """The backbones of one seed; test is looked at by none."""
    lessons = {row: lessons_of(setup, material, arm, seed) for row, arm in arms_of(setup).items()}
    trials = {
        row: {share: taught(setup, lesson, seed) for share, lesson in mine.items()}
        for row, mine in lessons.items()
    }
    found = TaughtSeed(seed, trials)
    if not setup.config.refit:
        return found
    again = {
        row: taught(setup, mine[found.share(row)], seed, found.trial(row))
        for row, mine in lessons.items()
    }
    return replace(found, again=again)


def lessons_of(setup: DALLRecSetup, material: Material, arm: Arm, seed: int) -> dict[float, Lesson]:
    """What a row's backbones learn, by the share of the added interactions."""
    own = () if setup.content is None else setup.content.arrays
    read = None if material.content is None else seen(material.content, arm, own)
    name = name_of(arm)
    if material.drawn is None or "interactions" not in arm.strategies:
        return {0.0: Lesson(name, None, read)}
    drawn = material.drawn
    if arm.at_random:
        drawn = drawn.at_random(setup.split.train, seed)
    return {
        share: Lesson(f"{name}-{share:g}", drawn.most_decided(share), read)
        for share in setup.config.trusted
    }


def taught(setup: DALLRecSetup, lesson: Lesson, seed: int, like: Any = None) -> Any:
    """The backbone that learnt it; or, after an earlier one was, with validation besides and for as
    many epochs as that took."""
    again = {} if like is None else {"train": setup.split.before_test, "like": like}
    name = lesson.name if like is None else f"{lesson.name}-refit"
    return fitted(setup, seed, name, lesson.drawn, content=lesson.content, **again)


def learnt_by(setup: DALLRecSetup) -> Interactions:
    """The interactions that the backbones which test is opened with have learnt from."""
    return setup.split.before_test if setup.config.refit else setup.split.train


def seen(whole: Content, arm: Arm, own: Container[str]) -> Content:
    """The modalities of a row: what the language model made of its strategies, and what was there
    before it, one's `own` arrays whatever they are called."""
    out = {made for strategy, made in MODALITIES.items() if strategy not in arm.strategies}
    kept = {name: each for name, each in whole.arrays.items() if name in own or name not in out}
    return Content(kept)


def name_of(arm: Arm) -> str:
    """The folder of a row's backbones."""
    if not arm.strategies:
        return "base"
    return "-".join([*sorted(arm.strategies), *(["random"] if arm.at_random else [])])


def ask_ahead(setups: Sequence[DALLRecSetup], material: Material, seeds: Sequence[int]) -> None:
    """Nothing is left to ask: whoever is `ready` has asked for all backbones and seeds."""
