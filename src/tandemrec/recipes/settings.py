"""The settings that every recipe has; those of a Llama4Rec run, and its presets: the paper's way,
and ours."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from tandemrec.aggregate import BlendConfig
from tandemrec.augment.attributes import AttributesConfig
from tandemrec.augment.direct import PreferenceConfig
from tandemrec.augment.interactions import InteractionsConfig
from tandemrec.augment.sequential import InsertionConfig
from tandemrec.config import Settings, differing
from tandemrec.data.fields import FieldsConfig
from tandemrec.prompts.profiles import PromptConfig
from tandemrec.prompts.rated import RatedPromptConfig
from tandemrec.rate import RateConfig
from tandemrec.rerank import RerankConfig
from tandemrec.tuning.examples import ExamplesConfig
from tandemrec.tuning.ratings import RatingExamplesConfig
from tandemrec.tuning.tune import TuneConfig


class RecipeConfig(Settings):
    """What a run of any recipe is told."""

    recipe: ClassVar[str]
    "The paper's name."

    about: str = ""
    """These settings in a line."""
    backbone: dict[str, Any] = Field(default_factory=dict)
    """Hyperparameters of the backbone that differ from its own defaults."""
    quick: bool = False
    """Whether the backbone's training settings are those that reach as much in less time, or those
    of its paper."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Training settings of the backbone that differ from its own defaults."""
    tune: TuneConfig | None = TuneConfig()
    """The tuning of the LLM; none leaves it as it came."""


class Llama4RecConfig(RecipeConfig):
    """Every choice of a run; a stage is given its own part of it, and nothing else."""

    recipe: ClassVar[str] = "llama4rec"
    candidates: int = Field(default=10, ge=10, le=26)
    """How many of the backbone's best items the LLM re-ranks: the paper's k'."""
    ask: Literal["decidable", "all"] = "decidable"
    """Who is asked about: all users, or only those whose held-out item is among the candidates.
    Nobody else's metrics can change, so the table is the same; the report says what was saved."""
    history_at_test: Literal["valid", "train"] = "valid"
    """Whether a user's own history in a test prompt goes on to his validation interaction, which is
    past by then, or stops where training does. Everybody else's stops there in any case."""
    metric: Literal[
        "NDCG@5", "NDCG@3", "NDCG@10", "HR@3", "HR@5", "HR@10", "MRR", "log-likelihood"
    ] = "NDCG@5"
    """What ranking ways and weights are chosen by, on validation: a metric, or how likely they make
    the held-out items among the candidates, which is smooth (ours)."""
    prompt: PromptConfig = PromptConfig()
    """How much a prompt tells."""
    examples: ExamplesConfig = ExamplesConfig()
    """The instruction set."""
    preferences: PreferenceConfig = PreferenceConfig()
    """Data augmentation of a direct backbone."""
    insertions: InsertionConfig = InsertionConfig()
    """Data augmentation of a sequential backbone."""
    interactions: InteractionsConfig | None = None
    """DALLRec's first strategy as the data augmentation of a direct backbone, in the place of
    preferences: for each item a user who will like it."""
    trusted: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(default=(1.0,), min_length=1)
    """The shares of the LLM's preferences, the most decided first, of which validation chooses how
    many join the backbone's triples, by its `valid_metric`; all of them is the paper's way, 0
    leaves data augmentation out."""
    augment: Literal["always", "validated"] = "always"
    """Whether a row with data augmentation has it in any case, as in the paper, or only where its
    final lists on validation are better with it than without, by NDCG@5 (ratings: by RMSE)."""
    renew: bool = False
    """Ask for preferences again before test, from histories that go on to it as in test prompts
    (`history_at_test`), and let a backbone learn these; the paper asks once. Preferences told by
    what users met last are about what comes next, and grow old."""
    rerank: tuple[RerankConfig, ...] = Field(default=(RerankConfig(),), min_length=1)
    """The ranking ways that validation chooses from."""
    blend: BlendConfig = BlendConfig()
    """Adaptive aggregation."""
    fields: FieldsConfig = FieldsConfig()
    """Ratings: what a backbone reads of users, items and context."""
    attributes: AttributesConfig = AttributesConfig()
    """Ratings: data augmentation, the attributes of items that the LLM or a table gives."""
    rated: RatedPromptConfig = RatedPromptConfig()
    """Ratings: how much a prompt tells."""
    ratings: RatingExamplesConfig = RatingExamplesConfig()
    """Ratings: the instruction set."""
    scale: tuple[float, float] | None = None
    """Ratings: the lowest and the highest that there may be, such as [1, 5]; a rating beyond is
    refused. None takes those of training."""
    rate: RateConfig = RateConfig()
    """Ratings: how the LLM is asked."""
    tell: Literal["always", "validated"] = "validated"
    """Ratings: whether a row with prompt augmentation has it in any case, as in the paper, or only
    where its ratings of validation are better with it than without (ours), by RMSE."""
    calibrate: bool = True
    """Ratings: put the LLM's ratings on the line a + b * rating that fits validation best (ours);
    the paper takes the number as it is said."""

    @field_validator("rerank")
    @classmethod
    def _differ(cls, ways: tuple[RerankConfig, ...]) -> tuple[RerankConfig, ...]:
        names = [way.name for way in ways]
        if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            raise ValueError(f"each way may stand there once; repeated: {', '.join(twice)}")
        return ways

    @field_validator("scale")
    @classmethod
    def _goes_up(cls, scale: tuple[float, float] | None) -> tuple[float, float] | None:
        if scale is not None and not -inf < scale[0] < scale[1] < inf:
            raise ValueError("expected two numbers, the lower one first")
        return scale


PAPER = Llama4RecConfig(
    about="As published: letters, rank utilities, full-parameter tuning on instructions.",
    prompt=PromptConfig(history=20),
    examples=ExamplesConfig(instructions=5000, ways=("listwise", "pointwise")),
    tune=TuneConfig(),
    preferences=PreferenceConfig(pairs=1, way="letters", both_orders=True, pool=None),
    rerank=(RerankConfig(way="listwise"), RerankConfig(way="pointwise")),
    blend=BlendConfig(utility="rank"),
    rate=RateConfig(answer="greedy"),
    tell="always",
    calibrate=False,
)
PLUS = Llama4RecConfig(
    about="Ours: titles' likelihoods, passages of other users' histories, fusion of scores.",
    quick=True,
    training={"epochs": 300},
    metric="log-likelihood",
    prompt=PromptConfig(history=6, similar=0, hint=0, passages=12, recent=5, about="candidates"),
    examples=ExamplesConfig(instructions=60, ways=("likelihood",), augmented=0.75),
    tune=TuneConfig(trainable_layers=10, learning_rate=1e-4, epochs=1),
    preferences=PreferenceConfig(
        pairs=16, items=8, passages=6, pool=40, way="likelihood", prior=0.0
    ),
    insertions=InsertionConfig(items=8, passages=6, pool=40, way="likelihood", prior=0.0),
    trusted=(0.5,),
    augment="validated",
    renew=True,
    rerank=tuple(RerankConfig(way="likelihood", prior=prior) for prior in (0.0, 0.25, 0.5)),
    blend=BlendConfig(utility="share"),
    rated=RatedPromptConfig(history=10, similar=5),
    ratings=RatingExamplesConfig(instructions=300),
)
PRESETS: dict[str, Llama4RecConfig] = {"paper": PAPER, "plus": PLUS}


def preset_of(config: RecipeConfig, presets: Mapping[str, RecipeConfig] = PRESETS) -> str:
    """The preset that these settings are, or are nearest to, and in what they differ."""
    found = {name: _changes(config, each) for name, each in presets.items()}
    name = min(found, key=lambda name: len(found[name]))
    return f"{name}, but for {', '.join(found[name])}" if found[name] else name


def _changes(config: RecipeConfig, preset: RecipeConfig) -> list[str]:
    names = [name for name, _, _ in differing(config.model_dump(), preset.model_dump())]
    return [name for name in names if name != "about"]
