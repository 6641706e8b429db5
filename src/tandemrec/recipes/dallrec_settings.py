"""The settings of a DALLRec run, and its presets: the paper's way, and ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator

from tandemrec.augment.attributes import AttributesConfig
from tandemrec.augment.content import ContentConfig, Modality
from tandemrec.augment.interactions import InteractionsConfig, ThresholdConfig
from tandemrec.augment.summaries import SummariesConfig
from tandemrec.recipes.settings import RecipeConfig
from tandemrec.report.contents import DALLREC_PRIMARY
from tandemrec.tuning.fewshot import FewShotConfig
from tandemrec.tuning.tune import TuneConfig

Strategy = Literal["interactions", "attributes", "summaries"]
MODALITIES: Mapping[Strategy, Modality] = {"attributes": "attributes", "summaries": "summary"}
"What a strategy becomes in items' content."


class DALLRecConfig(RecipeConfig):
    """Every choice of a run; a stage is given its own part of it, and nothing else."""

    recipe: ClassVar[str] = "dallrec"

    strategies: tuple[Strategy, ...] = Field(
        default=("interactions", "attributes", "summaries"), min_length=1
    )
    """What the LLM makes. Attributes and summaries reach backbones that read items' content."""
    liked_above: float | None = None
    """Ratings above this are likes; none takes the middle of the scale, which is the paper's: above
    3 of 5, above 5 of 10."""
    interactions: InteractionsConfig = InteractionsConfig()
    """One liking and one disliking user for each item."""
    threshold: ThresholdConfig | None = None
    """From which probability on an answer is a yes, chosen on validation (ours); none takes the
    likelier of yes and no, as in the paper."""
    trusted: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(default=(1.0,), min_length=1)
    """The shares of the added interactions, the most decided first, of which validation chooses how
    many a backbone learns, by its `valid_metric`; all of them is the paper's way."""
    attributes: AttributesConfig = AttributesConfig(
        paper="dallrec", manner="instruction", agree=False
    )
    """What is asked of every item."""
    summaries: SummariesConfig = SummariesConfig()
    """Two sentences about every item."""
    content: ContentConfig = ContentConfig()
    """How texts become numbers."""
    examples: FewShotConfig = FewShotConfig()
    """The instruction sets, one for each strategy."""
    tune: TuneConfig | None = TuneConfig(method="lora", learning_rate=3e-4, epochs=2)
    """The tuning of the LLM, once for each strategy that has examples; none leaves it as it came.
    The paper states neither rate nor epochs."""
    refit: bool = False
    """For test, each row's backbone learns validation too, for as many epochs as it took without.
    The authors' backbones learn all that is not test."""
    cut_offs: tuple[PositiveInt, ...] = Field(default=(10, 20, 50), min_length=1)
    """Recall, NDCG and Precision at these; 20 is among them, by which rows are compared."""
    cold: NonNegativeInt = 5
    """Items with at most so many training interactions are cold."""

    def reaching(self, reads_content: bool) -> list[Strategy]:
        """The strategies that a backbone can learn from, in the paper's order: attributes and
        summaries if it reads items' content, and they are part of it."""
        made = self.content.modalities if reads_content else ()
        return [each for each in self.strategies if MODALITIES.get(each) in (None, *made)]

    @field_validator("cut_offs")
    @classmethod
    def _with_the_primary(cls, given: tuple[int, ...]) -> tuple[int, ...]:
        """Rows are compared at it."""
        k = int(DALLREC_PRIMARY.partition("@")[2])
        if k not in given:
            raise ValueError(f"{k} must be among them: rows are compared by {DALLREC_PRIMARY}")
        return given


PAPER = DALLRecConfig(
    about="As published: the likelier of yes and no, all added interactions, texts as they are.",
)
PLUS = DALLRecConfig(
    about="Ours: a threshold chosen on validation, training settings that take less time.",
    quick=True,
    training={"epochs": 300},
    threshold=ThresholdConfig(),
    content=ContentConfig(centred=True),
)
PRESETS: dict[str, DALLRecConfig] = {"paper": PAPER, "plus": PLUS}
